/** One request of a query API (STS, IAM): what every action gets, and the small things that all of them check. */

import type { Random } from '../../fabric/random.ts';
import type { Sessions } from '../auth/sessions.ts';
import type { User } from '../contract.ts';
import type { Caller, CallerPolicies } from '../object/contract.ts';
import type { IamDirectory, UserName } from './contract.ts';
import { queryFault } from './errors.ts';

export interface QueryCall {
  readonly user: User;
  readonly caller: Caller;
  readonly sessions: Sessions;
  /** Undefined where there is none. */
  readonly iam: IamDirectory | undefined;
  readonly random: Random;
  /** Of the form, without Action and Version. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Resolves with the XML inside of the action's result; undefined for an action without one. */
export type QueryAction = (call: QueryCall) => Promise<string | undefined> | string | undefined;

export const isoSecond = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

export function required({ parameters }: QueryCall, name: string): string {
  const value = parameters.get(name);
  if (value !== undefined && value !== '') return value;
  throw invalid(name, 'Member must not be null');
}

export function invalid(name: string, why: string, value = 'null'): Error {
  const field = name.charAt(0).toLowerCase() + name.slice(1);
  return queryFault(
    'ValidationError',
    `1 validation error detected: Value '${value.slice(0, 100)}' at '${field}' failed to satisfy constraint: ${why}`,
  );
}

export function checked(call: QueryCall, name: string, pattern: RegExp): string {
  const value = required(call, name);
  if (pattern.test(value)) return value;
  throw invalid(name, `Member must satisfy regular expression pattern: ${pattern.source}`, value);
}

export function countOf(call: QueryCall, name: string, range: { min: number; max: number; absent: number }): number {
  const text = call.parameters.get(name);
  if (text === undefined) return range.absent;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  throw invalid(name, `Member must have value between ${range.min} and ${range.max}`, text);
}

export const userArn = ({ account, name }: UserName, path = '/'): string =>
  `arn:aws:iam::${account}:user${path}${name}`;

const NO_FACTS = (): undefined => undefined;

/** What policies of the caller's own say of an action that is none of a bucket's. */
export function saidOf(
  policies: CallerPolicies | undefined,
  action: string,
  resource: string,
): 'allow' | 'deny' | undefined {
  return policies?.ask({ action, bucket: resource, key: undefined, facts: NO_FACTS });
}
