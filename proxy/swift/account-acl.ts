/**
 * X-Account-Access-Control: users and accounts that may read, write or administer an account that is not theirs. What it
 * gives becomes the context's grant or, for administrators, the caller's own right; nobody else pays for it.
 * https://docs.openstack.org/swift/latest/overview_acl.html#account-acls
 */
import { Fault } from '../../fabric/errors.ts';
import type { SwiftCall } from './call.ts';
import { swiftFaults } from './faults.ts';
import { isOwner } from './metadata.ts';

export const ACCOUNT_ACL = 'x-account-access-control';
const ROLES = ['admin', 'read-write', 'read-only'] as const;
type AccountAcl = Readonly<Partial<Record<(typeof ROLES)[number], readonly string[]>>>;

/** Brought into its short form; '' for one that gives nothing. 400 for what is no account ACL. */
export function cleanAccountAcl(value: string): string {
  if (value.trim() === '') return '';
  const acl = parse(Buffer.from(value, 'latin1').toString('utf8'));
  if (typeof acl === 'string') throw invalid(value, acl);
  if (Object.keys(acl).length === 0) return '';
  return Buffer.from(JSON.stringify(acl), 'utf8').toString('latin1');
}

const SYNTAX = 'Syntax error in input';
const SHOWN_MAX = 1_000;

function invalid(value: string, why: string): Fault {
  const input = value.slice(0, SHOWN_MAX).replace(/[^\x20-\x7e]/g, '?');
  const wrong = why === SYNTAX ? `${SYNTAX} ('${input}')` : why;
  const text = `X-Account-Access-Control invalid: ${wrong}\n\nInput: ${input}\n`;
  return new Fault(swiftFaults.badRequest, { text, contentType: 'text/plain; charset=UTF-8' }, why);
}

/** The ACL, or what is wrong with the text. */
function parse(text: string): AccountAcl | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return SYNTAX;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return SYNTAX;
  for (const [role, members] of Object.entries(parsed)) {
    if (!(ROLES as readonly string[]).includes(role)) return `Key ${JSON.stringify(role)} not recognized`;
    if (!Array.isArray(members)) return `Value for key "${role}" must be a list`;
    if (!members.every((member) => typeof member === 'string')) return `Elements of "${role}" list must be strings`;
  }
  return parsed as AccountAcl;
}

/** Whether the caller is somebody whom another account's ACL may name. */
export function mayBeNamed(call: SwiftCall): boolean {
  return call.caller.user !== undefined && !isOwner(call);
}

/** Gives the caller what the ACL of the request's account says. */
export async function applyAccountAcl(call: SwiftCall): Promise<void> {
  const account = call.account ?? '';
  const { account: metadata } = await call.world.store.peek({ account, container: '' });
  const stored = metadata[ACCOUNT_ACL];
  const acl = stored === undefined ? undefined : parse(Buffer.from(stored, 'latin1').toString('utf8'));
  if (acl === undefined || typeof acl === 'string') return;
  const { caller } = call;
  const has = (role: (typeof ROLES)[number]): boolean => acl[role]?.some((who) => caller.groups.includes(who)) === true;
  if (has('admin')) call.caller = { ...caller, account, admin: true };
  else if (has('read-write')) {
    call.grant = { account, container: undefined, actions: ['account', 'list', 'read', 'write', 'containers'] };
  } else if (has('read-only')) call.grant = { account, container: undefined, actions: ['account', 'list', 'read'] };
}
