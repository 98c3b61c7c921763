/**
 * The one place where rights are decided. Owners may do everything in their account; everybody else may do what a
 * container's Swift ACL grants (X-Container-Read, X-Container-Write: users, accounts, referrers, .rlistings), or what a
 * signed URL grants its holder. S3 reaches the same containers, so one rule serves both APIs.
 */

import type { ContainerRecord } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { type Caller, type Context, type Grant, storeFaults } from './contract.ts';

/** What is wanted of a container or of the objects in it. */
export type Action = 'read' | 'write' | 'list' | 'manage';

/** Accounts belong to their owners alone. Fault AccessDenied. */
export function authoriseAccount({ caller }: Context, account: string): void {
  if (!owns(caller, account)) throw new Fault(storeFaults.accessDenied);
}

/** Fault AccessDenied unless the caller may. `container` is undefined when there is none: only owners may know. */
export function authorise(
  context: Context,
  action: Action,
  account: string,
  container: ContainerRecord | undefined,
): void {
  if (owns(context.caller, account)) return;
  if (context.grant && covers(context.grant, action, account, container)) return;
  if (container && granted(context, action, container)) return;
  throw new Fault(storeFaults.accessDenied);
}

const owns = (caller: Caller, account: string): boolean =>
  caller.reseller === true || (caller.admin && caller.account === account);

function covers(grant: Grant, action: Action, account: string, container: ContainerRecord | undefined): boolean {
  if (grant.account !== account || action === 'manage' || !grant.actions.includes(action)) return false;
  return grant.container === undefined || grant.container === container?.name;
}

function granted(context: Context, action: Action, { metadata }: ContainerRecord): boolean {
  if (action === 'manage') return false;
  const acl = parseAcl(metadata[action === 'write' ? 'x-container-write' : 'x-container-read'] ?? '');
  for (const group of context.caller.groups) if (acl.groups.includes(group)) return true;
  if (action === 'write' || !referrerAllowed(acl.referrers, context.referer)) return false;
  return action === 'read' || acl.referrerListings;
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
