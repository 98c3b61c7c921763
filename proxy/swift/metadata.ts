/**
 * Metadata headers of accounts, containers and objects: which are taken from a request, under which limits, and how they
 * are shown again. Values stay the byte strings that were sent.
 */
import { isUtf8 } from 'node:buffer';
import type { MetadataChange } from '../object/contract.ts';
import { READ_ONLY } from '../object/read-only.ts';
import type { SwiftCall } from './call.ts';
import { refuse, swiftFaults } from './faults.ts';
import { ownsAccount } from './owner.ts';
import { WRITE_RATE } from './rate-limit.ts';
import { isTrue } from './true-value.ts';

export const META_COUNT_MAX = 90;
export const META_NAME_BYTES_MAX = 128;
export const META_VALUE_BYTES_MAX = 256;
export const META_TOTAL_BYTES_MAX = 4096;
export const HEADER_BYTES_MAX = 8192;

export type MetadataOwner = 'account' | 'container' | 'object';

const PREFIX = {
  account: 'x-account-meta-',
  container: 'x-container-meta-',
  object: 'x-object-meta-',
} as const;
const REMOVE_PREFIX = {
  account: 'x-remove-account-meta-',
  container: 'x-remove-container-meta-',
  object: 'x-remove-object-meta-',
} as const;

/** Name without prefix → value, limits checked. Lines of one name are joined by a comma (RFC 9110 §5.3). */
export function readMetadata(call: SwiftCall, owner: MetadataOwner): Record<string, string> {
  const prefix = PREFIX[owner];
  const lines = call.http.headerLines();
  const found: Record<string, string> = {};
  let any = false;
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string;
    if (!name.startsWith(prefix)) continue;
    const key = name.slice(prefix.length);
    const value = lines[i + 1] as string;
    // As a key of a plain object it would set the prototype, here or in whatever decodes it later.
    if (key === '__proto__') throw refuse(swiftFaults.badRequest, 'Metadata name not supported');
    found[key] = any && Object.hasOwn(found, key) ? `${found[key]},${value}` : value;
    any = true;
  }
  if (any) checkLimits(found, owner);
  return found;
}

/** As `readMetadata` for accounts and containers: full names; an empty value or an X-Remove- header removes. */
export function readMetadataChange(call: SwiftCall, owner: 'account' | 'container'): Record<string, string | null> {
  const change: Record<string, string | null> = {};
  const set = readMetadata(call, owner);
  for (const key of Object.keys(set)) change[PREFIX[owner] + key] = set[key] || null;
  const remove = REMOVE_PREFIX[owner];
  const lines = call.http.headerLines();
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string;
    if (!name.startsWith(remove)) continue;
    const key = PREFIX[owner] + name.slice(remove.length);
    if (typeof change[key] !== 'string') change[key] = null;
  }
  return change;
}

/** Fault BadRequest for names and values that no client may send as headers. */
export function checkLimits(found: Readonly<Record<string, string>>, owner: MetadataOwner): void {
  let count = 0;
  let total = 0;
  for (const key of Object.keys(found)) {
    const value = found[key] as string;
    if (key === '') throw refuse(swiftFaults.badRequest, 'Metadata name cannot be empty');
    if (key.length > META_NAME_BYTES_MAX)
      throw tooLong(`Metadata name too long: ${PREFIX[owner]}${titleCase(ascii(key))}`);
    if (value.length > META_VALUE_BYTES_MAX) {
      throw tooLong(`Metadata value longer than ${META_VALUE_BYTES_MAX}: ${PREFIX[owner]}${titleCase(ascii(key))}`);
    }
    if (owner !== 'object' && !(isText(key) && isText(value))) {
      throw refuse(swiftFaults.badRequest, 'Metadata must be valid UTF-8');
    }
    count++;
    total += key.length + value.length;
  }
  if (count > META_COUNT_MAX) throw tooLong(`Too many metadata items; max ${META_COUNT_MAX}`);
  if (total > META_TOTAL_BYTES_MAX) throw tooLong(`Total metadata too large; max ${META_TOTAL_BYTES_MAX}`);
}

function tooLong(text: string): Error {
  return refuse(swiftFaults.badRequest, text);
}

function ascii(key: string): string {
  return key.slice(0, 2 * META_NAME_BYTES_MAX).replace(/[^\x20-\x7e]/g, '?');
}

/** Whether a byte string may be a header's name or value at all. */
export function isHeaderText(value: string): boolean {
  return /^[\x20-\x7e\x80-\xff]*$/.test(value);
}

/** Whether a byte string is UTF-8. */
export function isText(value: string): boolean {
  return /^[\x00-\x7f]*$/.test(value) || isUtf8(Buffer.from(value, 'latin1'));
}

/** Keys that sign for the owner, and who may do what: not for those who may merely read. */
const OWNER_ONLY = new Set([
  'x-container-read',
  'x-container-write',
  'x-container-sync-key',
  'x-container-sync-to',
  'x-container-meta-temp-url-key',
  'x-container-meta-temp-url-key-2',
  'x-account-meta-temp-url-key',
  'x-account-meta-temp-url-key-2',
  'x-account-access-control',
]);

/** What only resellers may set and see. */
const SYSMETA: ReadonlySet<string> = new Set([READ_ONLY.account, READ_ONLY.container, WRITE_RATE]);

/** Adds what a reseller says of an account or container; from others such headers do not count, as in Swift. */
export function readSysmeta(
  call: SwiftCall,
  owner: 'account' | 'container',
  change: Record<string, string | null>,
): void {
  if (call.caller.reseller !== true) return;
  for (const name of SYSMETA) {
    const value = name.startsWith(`x-${owner}-`) ? call.header(name) : undefined;
    if (value === undefined) continue;
    const isFlag = name === READ_ONLY[owner];
    change[name] = value === '' ? null : isFlag ? String(isTrue(value)) : value;
  }
}

/** Whether everything of the request's account may be shown to the caller, and changed. */
export function isOwner({ caller, account }: SwiftCall): boolean {
  return ownsAccount(caller, account);
}

/** 403, or 401, for a change of what only owners may change. */
export function refuseOwnerOnly(call: SwiftCall, change: MetadataChange): void {
  if (isOwner(call) || !Object.keys(change).some((name) => OWNER_ONLY.has(name))) return;
  throw refuse(call.caller.user === undefined ? swiftFaults.unauthorized : swiftFaults.forbidden);
}

/** Adds stored account or container metadata (full lower-case names) to an answer. */
export function pushMetadata(headers: string[], call: SwiftCall, metadata: MetadataChange): void {
  const owner = isOwner(call);
  for (const name in metadata) {
    const value = metadata[name];
    if (typeof value !== 'string' || (!owner && OWNER_ONLY.has(name))) continue;
    if (call.caller.reseller === true || !SYSMETA.has(name)) headers.push(titleCase(name), value);
  }
}

const TITLES_MAX = 1024;
const titles = new Map<string, string>();

/** `x-object-meta-some_name` → `X-Object-Meta-Some_Name`: every letter after a non-letter is raised, as Swift does. */
export function titleCase(name: string): string {
  let title = titles.get(name);
  if (title === undefined) {
    title = name.replace(
      /(^|[^a-z])([a-z])/g,
      (_match, before: string, letter: string) => before + letter.toUpperCase(),
    );
    if (titles.size >= TITLES_MAX) titles.clear();
    titles.set(name, title);
  }
  return title;
}
