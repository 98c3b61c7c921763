/** One request of a query API (STS, IAM): what every action gets, and the small things that all of them check. */

import { xmlElement } from '../../fabric/xml.ts';
import type { Sessions } from '../auth/sessions.ts';
import type { User } from '../contract.ts';
import type { Caller } from '../object/contract.ts';
import type { IamDirectory } from './contract.ts';
import { queryFault } from './errors.ts';

export interface QueryCall {
  readonly action: string;
  readonly user: User;
  readonly caller: Caller;
  readonly sessions: Sessions;
  /** Fault NotImplemented where there is none. */
  readonly openIam: () => Promise<IamDirectory>;
  readonly region: string;
  readonly nowMs: number;
  /** What conditions may ask about the request itself. */
  readonly fact: (key: string) => readonly string[] | undefined;
  /** Of the form, without Action and Version. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Resolves with the XML inside of the action's result; undefined for an action without one. */
export type QueryAction = (call: QueryCall) => Promise<string | undefined> | string | undefined;

const PAGE = { min: 1, max: 1000, absent: 100 };
const LIST_MAX = 50;

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
  return matching(name, required(call, name), pattern);
}

export function matching(name: string, value: string, pattern: RegExp): string {
  if (pattern.test(value)) return value;
  throw invalid(name, `Member must satisfy regular expression pattern: ${pattern.source}`, value);
}

/** '' when it is absent. */
export function textOf(call: QueryCall, name: string, lengthMax: number): string {
  const value = call.parameters.get(name) ?? '';
  if (value.length <= lengthMax) return value;
  throw invalid(name, `Member must have length less than or equal to ${lengthMax}`, value);
}

export function oneOf(call: QueryCall, name: string, values: readonly string[]): string | undefined {
  const value = call.parameters.get(name);
  if (value === undefined || values.includes(value)) return value;
  throw invalid(name, `Member must satisfy enum value set: [${values.join(', ')}]`, value);
}

export function countOf(call: QueryCall, name: string, range: { min: number; max: number; absent: number }): number {
  const text = call.parameters.get(name);
  if (text === undefined) return range.absent;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  throw invalid(name, `Member must have value between ${range.min} and ${range.max}`, text);
}

/** Members of the list `name`, in order: each its fields by name; '' is the member's own value. */
export function listOf({ parameters }: QueryCall, name: string): readonly ReadonlyMap<string, string>[] {
  const members = new Map<number, Map<string, string>>();
  for (const [each, value] of parameters) {
    const match = /^(\w+)\.member\.(\d{1,4})(?:\.(\w+))?$/.exec(each);
    if (match?.[1] !== name) continue;
    const at = Number(match[2]);
    members.set(at, (members.get(at) ?? new Map<string, string>()).set(match[3] ?? '', value));
  }
  if (members.size > LIST_MAX) throw invalid(name, `Member must have length less than or equal to ${LIST_MAX}`);
  return [...members].sort(([a], [b]) => a - b).map(([, fields]) => fields);
}

/** A page of what `all` lists, in order of its keys, and the elements that say whether there is more. */
export function pageOf<T>(
  call: QueryCall,
  all: readonly T[],
  key: (each: T) => string,
): { readonly shown: readonly T[]; readonly end: string } {
  const limit = countOf(call, 'MaxItems', PAGE);
  const after = call.parameters.get('Marker');
  const left = after === undefined ? all : all.filter((each) => key(each) > after);
  const shown = [...left].sort((a, b) => (key(a) < key(b) ? -1 : 1)).slice(0, limit);
  const isTruncated = left.length > limit;
  const marker = isTruncated ? xmlElement('Marker', key(shown.at(-1) as T)) : '';
  return { shown, end: xmlElement('IsTruncated', isTruncated) + marker };
}

/** The same as a list of `name`. */
export function pageXml<T>(
  call: QueryCall,
  name: string,
  all: readonly T[],
  { key, xml }: { readonly key: (each: T) => string; readonly xml: (each: T) => string },
): string {
  const { shown, end } = pageOf(call, all, key);
  return listXml(name, shown.map(xml)) + end;
}

export const listXml = (name: string, members: readonly string[]): string =>
  `<${name}>${members.map((each) => `<member>${each}</member>`).join('')}</${name}>`;
