/**
 * Whom an action of IAM is about, and who may do it: the account's owner all of it, a user or a role what its policies allow
 * (`iam:CreateUser`, …) about the ARN that is meant; temporary keys without a role nothing. STS asks here as well.
 */

import { callerFacts } from '../object/authorise.ts';
import type { CallerPolicies } from '../object/contract.ts';
import { AWS_ACCOUNT } from './aws-policies.ts';
import { arnOf, type HolderKind, type IamDirectory, type IamPolicy, type Named } from './contract.ts';
import { queryFault } from './errors.ts';
import { checked, matching, type QueryCall, required } from './query-call.ts';
import { missing } from './records.ts';

/** Names of users, for those that are made. */
export const NAME_PATTERNS: Readonly<Record<HolderKind, RegExp>> = {
  user: /^[\w+=,.@-]{1,64}$/,
  group: /^[\w+=,.@-]{1,128}$/,
  role: /^[\w+=,.@-]{1,64}$/,
};
const NAME_FIELDS: Readonly<Record<HolderKind, string>> = { user: 'UserName', group: 'GroupName', role: 'RoleName' };
const PATH = /^(?:\/|\/[\x21-\x7e]{1,510}\/)$/;
const PATH_PREFIX = /^\/[\x21-\x7f]{0,511}$/;
const POLICY_ARN = /^arn:aws:iam::([^:/]+):policy\/(?:[^:]*\/)?([\w+=,.@-]{1,128})$/;
const ARN_LENGTH = { min: 20, max: 2048 };

export interface Meant {
  readonly iam: IamDirectory;
  readonly of: Named;
}

/** Whoever may; `isOwn`: without a name the caller itself is meant. */
export async function meant(call: QueryCall, kind: HolderKind, { isOwn = false } = {}): Promise<Meant> {
  const { caller, user, parameters, openIam } = call;
  const field = NAME_FIELDS[kind];
  const isSelf = isOwn && !parameters.has(field);
  const isUser = caller.own !== undefined && caller.role === undefined;
  if (isSelf && !isUser) {
    throw queryFault('ValidationError', `Must specify ${field} when calling with non-User credentials`);
  }
  const { account } = user;
  const of = { account, name: isSelf ? user.name : checked(call, field, NAME_PATTERNS[kind]) };
  // Whoever may nothing here opens nothing.
  if (caller.own === undefined) checkMay(call, arnOf(kind, of));
  const iam = await openIam();
  const path = isOwner(call) ? '/' : (await iam.find(kind, of))?.path;
  checkMay(call, arnOf(kind, of, path));
  return { iam, of };
}

/** As an action that makes one has it: the name is free. */
export async function meantNew(call: QueryCall, kind: HolderKind): Promise<Meant & { readonly path: string }> {
  const path = pathOf(call, 'Path');
  const of = { account: call.user.account, name: checked(call, NAME_FIELDS[kind], NAME_PATTERNS[kind]) };
  checkMay(call, arnOf(kind, of, path));
  return { iam: await call.openIam(), of, path };
}

/** For lists of a kind. */
export async function meantAll(call: QueryCall, kind: HolderKind | 'policy'): Promise<IamDirectory> {
  checkMay(call, `arn:aws:iam::${call.user.account}:${kind}${call.parameters.get('PathPrefix') ?? '/'}`);
  return call.openIam();
}

/** The policy that PolicyArn names, of the account or of AWS; `isChange`: only of the account. */
export async function meantPolicy(
  call: QueryCall,
  { isChange = false } = {},
): Promise<Meant & { readonly row: IamPolicy; readonly arn: string }> {
  const arn = policyArn(call);
  const [, account = '', name = ''] = POLICY_ARN.exec(arn) ?? [];
  checkMay(call, arn);
  const iam = await call.openIam();
  const isAws = account === AWS_ACCOUNT;
  if (isAws && isChange) throw queryFault('AccessDenied', `Policy ${arn} is not yours to change.`);
  const row = isAws || account === call.user.account ? await iam.find('policy', { account, name }) : undefined;
  if (row === undefined || arnOf('policy', row, row.path) !== arn) throw missing(`Policy ${arn}`);
  return { iam, row, arn, of: { account, name } };
}

export function policyArn(call: QueryCall): string {
  const arn = required(call, 'PolicyArn');
  if (arn.length < ARN_LENGTH.min || arn.length > ARN_LENGTH.max || !POLICY_ARN.test(arn)) {
    throw queryFault('InvalidInput', `ARN ${arn.slice(0, 200)} is not valid.`);
  }
  return arn;
}

/** `/` when it is absent. */
export function pathOf(call: QueryCall, name: string): string {
  return matching(name, call.parameters.get(name) ?? '/', PATH);
}

export function inPath(call: QueryCall): (row: { readonly path: string }) => boolean {
  const prefix = matching('PathPrefix', call.parameters.get('PathPrefix') ?? '/', PATH_PREFIX);
  return ({ path }) => path.startsWith(prefix);
}

/** Whose account it is: a user of the file, with keys that last. */
const isOwner = ({ caller, user }: QueryCall): boolean =>
  caller.admin && caller.own === undefined && user.session === undefined;

/** Fault AccessDenied unless the caller may do this to `resource`. */
export function checkMay(call: QueryCall, resource: string): void {
  const { caller, user, action } = call;
  if (isOwner(call)) return;
  const lasts = user.session === undefined || caller.role !== undefined;
  const name = `iam:${action}`;
  const isLeft = caller.session === undefined || saidOf(call, caller.session, name, resource) === 'allow';
  if (lasts && isLeft && saidOf(call, caller.own, name, resource) === 'allow') return;
  const message = `User: ${callerArn(call)} is not authorized to perform: ${name} on resource: ${resource}`;
  throw queryFault('AccessDenied', message);
}

/** What policies of the caller's own say of an action that is none of a bucket's. */
export function saidOf(
  call: QueryCall,
  policies: CallerPolicies | undefined,
  action: string,
  resource: string,
): 'allow' | 'deny' | undefined {
  return policies?.ask({ action, bucket: resource, key: undefined, facts: factsOf(call) });
}

/** What conditions may ask about a request here. */
export function factsOf({ caller, fact }: QueryCall): (key: string) => readonly string[] | undefined {
  return (key) => callerFacts(caller, key) ?? fact(key);
}

export function callerArn({ user }: QueryCall): string {
  const { session, account } = user;
  const isRole = session !== undefined && session.name !== '';
  return isRole ? sessionArn(account, session.role, session.name) : arnOf('user', user);
}

export const sessionArn = (account: string, role: string, name: string): string =>
  `arn:aws:sts::${account}:assumed-role/${role}/${name}`;
