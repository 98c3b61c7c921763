/**
 * The one place where rights are decided, for both APIs: account owners, bucket policies, grants of signed URLs, Swift ACLs
 * and S3 ACLs, in the order of docs/adr/0010-one-authorisation.md. Pure: who asks, what for, and the records that say what
 * is allowed. Some rights lie with the object itself; then the answer is to ask again with its record.
 */

import type { ContainerRecord } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { type BucketRights, privateAcl, rightsOf } from './bucket-rights.ts';
import { type Caller, type Context, type Grant, storeFaults } from './contract.ts';
import { grantsTo } from './grants.ts';
import type { ObjectRecord } from './object-format.ts';
import { allowsByTags, askPolicy, namesCaller, type Policy } from './policy.ts';
import { ACL_ACTIONS, type ActionRule, OF_VERSIONS, POLICY_ACTIONS } from './policy-actions.ts';
import type { Facts } from './policy-pattern.ts';
import { tagValue } from './tags.ts';

/** What is wanted of a container or of the objects in it: S3's name of it, or the kind, for the usual one. */
export type Action = 'read' | 'write' | 'list' | 'manage' | `s3:${string}`;

const USUAL: Readonly<Record<string, string>> = {
  read: 's3:GetObject',
  write: 's3:PutObject',
  list: 's3:ListBucket',
  // No policy can speak of it: only owners.
  manage: 'manage',
};

/** `object` is absent where the container itself is meant. */
export interface Asked {
  readonly account: string;
  readonly container?: string | undefined;
  readonly object?: string | undefined;
  readonly versionId?: string | undefined;
}

/** Accounts belong to their owners, and to whom a grant covers all of them for `action`. Fault AccessDenied. */
export function authoriseAccount(
  context: Context,
  account: string,
  action: 'account' | 'containers' | 'owner' = 'owner',
  container = '',
): void {
  const { caller, grant } = context;
  if (caller.own ?? caller.session) {
    const name = action === 'containers' ? 's3:CreateBucket' : 's3:ListAllMyBuckets';
    const said = saidOfCaller(context, name, { account, container }, { container: undefined });
    if (said === 'no') throw new Fault(storeFaults.accessDenied);
    if (said === 'own') return;
  }
  if (owns(caller, account)) return;
  const isCovered = grant?.account === account && grant.container === undefined && action !== 'owner';
  if (!isCovered || !grant.actions.includes(action)) throw new Fault(storeFaults.accessDenied);
}

/**
 * Fault AccessDenied unless the caller may. `container` is undefined when there is none: only owners may know. False when
 * the object itself must be asked: `authoriseFound` with its record, before anything of it is shown or changed.
 */
export function authorise(
  context: Context,
  action: Action,
  asked: Asked,
  container: ContainerRecord | undefined,
): boolean {
  const verdict = judge(context, action, asked, { container });
  if (verdict === 'no') throw new Fault(storeFaults.accessDenied);
  return verdict === 'yes';
}

/**
 * The second question, and always asked for S3 where there is no such object (`found` null): that only those may know who
 * may list.
 */
export function authoriseFound(
  context: Context,
  action: Action,
  asked: Asked,
  { container, found }: { readonly container: ContainerRecord; readonly found: ObjectRecord | null },
): void {
  const isSecret = found === null && asked.versionId === undefined && context.scope?.onlyListersMiss === true;
  if (!isSecret && judge(context, action, asked, { container, found }) === 'yes') return;
  if (found === null && mayList(context, asked, container)) return;
  throw new Fault(storeFaults.accessDenied);
}

/** Whether the caller may list the container, and so know what is not in it. */
function mayList(context: Context, { account }: Asked, container: ContainerRecord): boolean {
  const { scope } = context;
  const asIs = scope && { action: (usual: string): string => usual, fact: (key: string) => scope.fact(key) };
  return judge({ ...context, scope: asIs }, 's3:ListBucket', { account }, { container }) === 'yes';
}

/** Whether a policy forbids it, of the bucket or of the caller's own, whoever else may allow it. */
export function isForbidden(context: Context, action: Action, asked: Asked, container: ContainerRecord): boolean {
  const { caller } = context;
  const name = nameOf(context, action, asked);
  if ((caller.own ?? caller.session) && saidOfCaller(context, name, asked, { container }) === 'no') return true;
  const policy = rightsOf(container)?.policy;
  const question = { caller, bucket: container.name, key: asked.object, facts: factsOf(context, asked, null) };
  return policy !== undefined && askPolicy(policy, { ...question, action: name }) === 'deny';
}

/** Asked of an object that is at hand, or null for one to be: whether the caller may do this too. Never throws. */
export function mayAlso(
  context: Context,
  action: Action,
  asked: Asked,
  records: { readonly container: ContainerRecord; readonly found: ObjectRecord | null },
): boolean {
  return judge(context, action, asked, records) === 'yes';
}

/**
 * Fault AccessDenied unless the caller, who may write the object, may give it tags: by a right to s3:PutObjectTagging,
 * by an Allow of s3:PutObject that itself asks for the request's tags, or by the bucket's ACL.
 */
export function authoriseTags(context: Context, asked: Asked, container: ContainerRecord): void {
  const name = 's3:PutObjectTagging';
  if (mayAlso(context, name, asked, { container, found: null })) return;
  const { own, session } = context.caller;
  if ((own ?? session) && saidOfCaller(context, name, asked, { container }) === 'no') {
    throw new Fault(storeFaults.accessDenied);
  }
  const rights = rightsOf(container);
  const policy = rights?.policy;
  const question = { caller: context.caller, bucket: container.name, key: asked.object };
  const facts = factsOf(context, asked, null);
  const isDenied = policy && askPolicy(policy, { ...question, action: name, facts }) === 'deny';
  if (!isDenied && policy && allowsByTags(policy, { ...question, action: 's3:PutObject', facts })) return;
  const hasAcls = rights && rights.ownership !== 'BucketOwnerEnforced';
  if (!isDenied && hasAcls && grantsTo(rights.acl, context.caller, 'WRITE', rights.block.ignorePublicAcls)) return;
  throw new Fault(storeFaults.accessDenied);
}

interface Records {
  readonly container: ContainerRecord | undefined;
  /** Undefined: not looked for yet. */
  readonly found?: ObjectRecord | null;
  /** A policy of the caller's own says so. */
  readonly asOwner?: boolean;
}

function judge(context: Context, action: Action, asked: Asked, records: Records): 'yes' | 'no' | 'object' {
  const { own, session } = context.caller;
  if (own === undefined && session === undefined) return judgeAs(context, action, asked, records);
  const name = nameOf(context, action, asked);
  const isUnseen = records.found === undefined && asked.object !== undefined;
  if ((own?.asksForTags || session?.asksForTags) && isUnseen && asksObject(name)) return 'object';
  const said = saidOfCaller(context, name, asked, records);
  return said === 'no' ? 'no' : judgeAs(context, action, asked, { ...records, asOwner: said === 'own' });
}

/**
 * What the caller's own policies say: 'no' for what a session or an explicit Deny forbids, 'own' for what a user may do in
 * the account as if it were the owner, unless somebody else forbids it.
 */
function saidOfCaller(
  context: Context,
  action: string,
  asked: Asked,
  { container, found }: Records,
): 'no' | 'own' | undefined {
  const { own, session, account } = context.caller;
  const bucket = asked.container ?? container?.name ?? '';
  const question = { action, bucket, key: asked.object, facts: factsOf(context, asked, found) };
  if (session && session.ask(question) !== 'allow') return 'no';
  const said = own?.ask(question);
  if (said === 'deny') return 'no';
  return said === 'allow' && account === asked.account ? 'own' : undefined;
}

function nameOf({ scope }: Context, action: Action, { versionId }: Asked): string {
  const usual = USUAL[action] ?? action;
  const asIs = scope?.action(usual) ?? usual;
  return versionId === undefined ? asIs : (OF_VERSIONS[asIs] ?? asIs);
}

/** Whatever the caller's own policies say. */
function judgeAs(context: Context, action: Action, asked: Asked, records: Records): 'yes' | 'no' | 'object' {
  const { container } = records;
  const isOwner = records.asOwner === true || owns(context.caller, asked.account);
  const rights = container && rightsOrNothing(container, isOwner);
  if (isOwner && rights === undefined) return 'yes';
  const name = nameOf(context, action, asked);
  const rule = ACL_ACTIONS[name];
  if (container && rights)
    return judgeByDocuments(context, asked, { name, rule, rights, isOwner, ...records, container });
  if (context.grant && covers(context.grant, grantKind(name, rule), asked.account, container)) return 'yes';
  return container && grantedBySwift(context, rule?.swift, container, false) ? 'yes' : 'no';
}

/** A policy that cannot be read locks everybody out but the owner, who can replace it. */
function rightsOrNothing(container: ContainerRecord, isOwner: boolean): BucketRights | undefined {
  try {
    return rightsOf(container);
  } catch (error) {
    if (isOwner) return undefined;
    throw new Fault(storeFaults.accessDenied, { cause: error });
  }
}

interface Documents {
  readonly name: string;
  readonly rule: ActionRule | undefined;
  readonly rights: BucketRights;
  readonly isOwner: boolean;
  readonly container: ContainerRecord;
  readonly found?: ObjectRecord | null;
}

function judgeByDocuments(context: Context, asked: Asked, documents: Documents): 'yes' | 'no' | 'object' {
  const { name, rule, rights, isOwner, container, found } = documents;
  const { caller } = context;
  const { policy, block } = rights;
  if (isOwner && POLICY_ACTIONS.has(name) && caller.own === undefined) return 'yes';
  const isUnseen = found === undefined && asked.object !== undefined;
  if (policy?.asksForTags && isUnseen && asksObject(name)) return 'object';
  const facts = factsOf(context, asked, found);
  const isKnown = name !== 'manage';
  const said =
    policy && isKnown && askPolicy(policy, { caller, action: name, bucket: container.name, key: asked.object, facts });
  if (said === 'deny') return 'no';
  const hasAcls = rights.ownership !== 'BucketOwnerEnforced';
  const isObjects = hasAcls && rule?.object !== undefined;
  if (isOwner && !isObjects) return 'yes';
  const isRestricted = block.restrictPublicBuckets && policy?.isPublic === true && caller.account !== asked.account;
  if (said === 'allow' && !isRestricted) return 'yes';
  if (context.grant && covers(context.grant, grantKind(name, rule), asked.account, container)) return 'yes';
  if (grantedBySwift(context, rule?.swift, container, block.ignorePublicAcls)) return 'yes';
  if (!hasAcls) return 'no';
  const ignore = block.ignorePublicAcls;
  if (rule?.bucket && grantsTo(rights.acl, caller, rule.bucket, ignore)) return 'yes';
  if (!rule?.object) return 'no';
  if (isUnseen) return 'object';
  if (!found) return isOwner ? 'yes' : 'no';
  const acl = found.acl ?? privateAcl(asked.account);
  return grantsTo(acl, caller, rule.object, ignore) ? 'yes' : 'no';
}

/** Whether the one who carries it out has the object at hand before anything is done or shown. */
function asksObject(name: string): boolean {
  return name.startsWith('s3:GetObject') || OBJECT_CHANGES.has(name);
}

const OBJECT_CHANGES: ReadonlySet<string> = new Set(
  ['PutObject', 'PutObjectVersion'].flatMap((start) => [`s3:${start}Acl`, `s3:${start}Tagging`]),
)
  .add('s3:DeleteObjectTagging')
  .add('s3:DeleteObjectVersionTagging');

const TAG_KEY = 's3:existingobjecttag/';

/** What the conditions of a policy may ask about. */
function factsOf({ caller, scope }: Context, { account }: Asked, found: ObjectRecord | null | undefined): Facts {
  return (key) => {
    if (key === 'aws:resourceaccount' || key === 's3:resourceaccount') return [plain(account)];
    const own = callerFacts(caller, key);
    if (own !== undefined) return own;
    if (!key.startsWith(TAG_KEY)) return scope?.fact(key);
    const tag = tagValue(found?.tags, key.slice(TAG_KEY.length));
    return tag === undefined ? undefined : [tag];
  };
}

const plain = (name: string): string => name.replace(/^AUTH_/, '');

/** What conditions may ask about the caller, whatever is wanted. */
export function callerFacts({ user, account, admin, role }: Caller, key: string): readonly string[] | undefined {
  switch (key) {
    case 'aws:principaltype':
      return [user === undefined ? 'Anonymous' : role ? 'AssumedRole' : admin ? 'Account' : 'User'];
    case 'aws:userid':
      return [role?.id ?? user ?? 'anonymous'];
    case 'aws:username':
      return user === undefined || role ? undefined : [user.slice(user.indexOf(':') + 1)];
    case 'aws:principalaccount':
      return account === undefined ? undefined : [plain(account)];
    case 'aws:principalarn':
      return user === undefined ? undefined : [role?.arn ?? `arn:aws:iam::${user.replace(':', ':user/')}`];
  }
  return undefined;
}

/**
 * Whether the caller may assume a role of `account`: its trust policy must let it, and, unless that names a caller of the
 * role's own account, the caller's policies as well; owners of accounts need none. `facts`: as conditions ask for them.
 */
export function mayAssume(
  { caller, facts }: { readonly caller: Caller; readonly facts: Facts },
  { trust, account, arn }: { readonly trust: Policy; readonly account: string; readonly arn: string },
): boolean {
  const asked = { action: 'sts:AssumeRole', key: undefined, facts };
  const question = { ...asked, caller, bucket: '' };
  if (askPolicy(trust, question) !== 'allow') return false;
  const { own, session } = caller;
  if (session && session.ask({ ...asked, bucket: arn }) !== 'allow') return false;
  const said = own?.ask({ ...asked, bucket: arn });
  if (said === 'deny') return false;
  if (said === 'allow' || (own === undefined && caller.admin)) return true;
  return caller.account === `AUTH_${account}` && namesCaller(trust, question);
}

const owns = (caller: Caller, account: string): boolean =>
  caller.reseller === true || (caller.admin && caller.account === account);

type Kind = ActionRule['swift'];

/** What a grant must name for this action. */
function grantKind(name: string, rule: ActionRule | undefined): Kind | 'containers' {
  return name === 'manage' || name === 's3:DeleteBucket' ? 'containers' : rule?.swift;
}

function covers(
  grant: Grant,
  kind: Kind | 'containers',
  account: string,
  container: ContainerRecord | undefined,
): boolean {
  if (grant.account !== account || kind === undefined || !grant.actions.includes(kind)) return false;
  return grant.container === undefined || grant.container === container?.name;
}

/** `ignorePublic`: referrers, who are everybody, get nothing. */
function grantedBySwift(context: Context, kind: Kind, { metadata }: ContainerRecord, ignorePublic: boolean): boolean {
  if (kind === undefined) return false;
  const acl = parseAcl(metadata[kind === 'write' ? 'x-container-write' : 'x-container-read'] ?? '');
  for (const group of context.caller.groups) if (acl.groups.includes(group)) return true;
  if (kind === 'write' || ignorePublic || !referrerAllowed(acl.referrers, context.referer)) return false;
  return kind === 'read' || acl.referrerListings;
}

export interface Acl {
  readonly groups: readonly string[];
  /** Host patterns in order; `-` in front forbids; `.example.com` means the domain below. */
  readonly referrers: readonly string[];
  readonly referrerListings: boolean;
}

/** Swift's ACL syntax: comma-separated `.r:host`, `.rlistings`, `account` and `account:user`. */
export function parseAcl(text: string): Acl {
  const groups: string[] = [];
  const referrers: string[] = [];
  let referrerListings = false;
  for (const raw of text.split(',')) {
    const item = raw.trim();
    if (item === '.rlistings') referrerListings = true;
    else if (/^\.(r|ref|referer|referrer):/.test(item)) referrers.push(item.slice(item.indexOf(':') + 1).trim());
    else if (item !== '') groups.push(item);
  }
  return { groups, referrers, referrerListings };
}

/** The last matching pattern decides, as in Swift. */
function referrerAllowed(patterns: readonly string[], referer: string | undefined): boolean {
  let allowed = false;
  const host = hostOf(referer);
  for (const raw of patterns) {
    const deny = raw.startsWith('-');
    const pattern = deny ? raw.slice(1).trim() : raw;
    const bare = pattern.startsWith('*.') ? pattern.slice(1) : pattern;
    if (bare === '*' || bare === host || (bare.startsWith('.') && host.endsWith(bare))) allowed = !deny;
  }
  return allowed;
}

function hostOf(referer: string | undefined): string {
  const match = /^https?:\/\/(?:[^/@]*@)?([^/:?#]+)/i.exec(referer ?? '');
  return match?.[1]?.toLowerCase() ?? 'unknown';
}
