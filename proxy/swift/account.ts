/**
 * Requests about an account: its totals, metadata and list of containers. It is there from its first container on; a
 * reseller may make and delete it, too, where the operator lets resellers.
 */
import { isFault } from '../../fabric/errors.ts';
import { stampToSwift } from '../../fabric/stamp.ts';
import { type AccountInfo, storeFaults } from '../object/contract.ts';
import { SWIFT_DEFAULTS } from '../swift-options.ts';
import { ACCOUNT_ACL, cleanAccountAcl } from './account-acl.ts';
import type { SwiftCall } from './call.ts';
import { readQuoting } from './etag-quoter.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { chooseFormat, pushVary } from './listing-format.ts';
import { readListQuery } from './listing-query.ts';
import { renderContainers } from './listing-render.ts';
import { pushMetadata, readMetadataChange, readSysmeta, titleCase } from './metadata.ts';
import { checkNewName } from './names.ts';
import { emptyResponse, type SwiftResponse } from './response.ts';

export const MANAGED_METHODS: readonly string[] = ['PUT', 'DELETE'];

/** Whether resellers may make and delete accounts. */
export function managesAccounts({ world }: SwiftCall): boolean {
  return world.swift?.accountManagement ?? SWIFT_DEFAULTS.accountManagement;
}

/** For resellers there is no such method where the operator does not want it, for others never any right. */
function checkManager(call: SwiftCall): void {
  if (call.caller.reseller !== true)
    throw refuse(call.caller.user === undefined ? swiftFaults.unauthorized : swiftFaults.forbidden);
  if (!managesAccounts(call)) throw refuse(swiftFaults.methodNotAllowed, undefined, ['Allow', METHODS]);
}
const METHODS = 'GET, HEAD, POST, OPTIONS';

/** `AUTH_`, `SERVICE_` …: nobody's users could ever have an account without one. */
const RESELLER_PREFIX = /^[A-Za-z0-9]+_/;
const STATUS_HEADER = ['X-Account-Status', 'Deleted'] as const;

/** What an account that is deleted and not yet reaped answers to this kind of request. */
async function orDeleted<T>(asked: Promise<T>, fault: keyof typeof swiftFaults, text = ''): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (isFault(error, storeFaults.accountDeleted)) throw refuseAsPage(swiftFaults[fault], text, STATUS_HEADER);
    throw error;
  }
}

export async function putAccount(call: SwiftCall): Promise<SwiftResponse> {
  checkManager(call);
  const account = call.account ?? '';
  if (!RESELLER_PREFIX.test(account)) throw refuse(swiftFaults.forbidden);
  checkNewName('Account', account);
  const made = call.world.store.createAccount(call, account, readChange(call));
  const { created } = await orDeleted(made, 'forbidden', 'Recently deleted');
  return emptyResponse(created ? 201 : 202);
}

export async function deleteAccount(call: SwiftCall): Promise<SwiftResponse> {
  checkManager(call);
  // Most likely about something else, mistyped: there is no way back.
  if (call.http.query !== undefined) throw refuse(swiftFaults.badRequest);
  await orDeleted(call.world.store.deleteAccount(call, call.account ?? ''), 'notFound').catch((error: unknown) => {
    throw isFault(error, storeFaults.noSuchAccount) ? refuseAsPage(swiftFaults.notFound, '') : error;
  });
  return emptyResponse(204, STATUS_HEADER);
}

export async function listContainers(call: SwiftCall): Promise<SwiftResponse> {
  const format = chooseFormat(call);
  const query = readListQuery(call);
  const page = await orDeleted(call.world.store.listContainers(call, call.account ?? '', query), 'gone');
  const headers = ['Content-Type', `${format}; charset=utf-8`];
  pushVary(headers, call);
  pushAccount(headers, call, page.info);
  const body = renderContainers(format, call.account ?? '', page.entries);
  return body === '' ? { status: 204, headers } : { status: 200, headers, body };
}

export async function headAccount(call: SwiftCall): Promise<SwiftResponse> {
  const format = chooseFormat(call);
  const info = await orDeleted(call.world.store.headAccount(call, call.account ?? ''), 'gone');
  const headers = ['Content-Type', `${format}; charset=utf-8`];
  pushVary(headers, call);
  pushAccount(headers, call, info);
  return { status: 204, headers };
}

export async function postAccount(call: SwiftCall): Promise<SwiftResponse> {
  await orDeleted(call.world.store.updateAccount(call, call.account ?? '', readChange(call)), 'notFound');
  return emptyResponse(204);
}

function readChange(call: SwiftCall): Record<string, string | null> {
  const change = readMetadataChange(call, 'account');
  checkQuotaChange(call, change);
  readQuoting(call, 'account', change);
  readSysmeta(call, 'account', change);
  const acl = call.header(ACCOUNT_ACL);
  if (acl !== undefined) change[ACCOUNT_ACL] = cleanAccountAcl(acl) || null;
  else if (call.header('x-remove-account-access-control') !== undefined) change[ACCOUNT_ACL] = null;
  return change;
}

const QUOTAS = ['x-account-meta-quota-bytes', 'x-account-meta-quota-count'] as const;

/** An account's quota is not its owner's to set. */
function checkQuotaChange(call: SwiftCall, change: Readonly<Record<string, string | null>>): void {
  for (const name of QUOTAS) {
    const value = change[name];
    if (value === undefined) continue;
    if (call.caller.reseller !== true)
      throw refuse(call.caller.user ? swiftFaults.forbidden : swiftFaults.unauthorized);
    if (value !== null && !/^\d+$/.test(value)) throw refuse(swiftFaults.badRequest);
  }
}

function pushAccount(headers: string[], call: SwiftCall, info: AccountInfo): void {
  headers.push('X-Account-Container-Count', String(info.containerCount));
  headers.push('X-Account-Object-Count', String(info.objectCount));
  headers.push('X-Account-Bytes-Used', String(info.bytesUsed));
  headers.push('X-Timestamp', stampToSwift(info.createdStamp), 'Accept-Ranges', 'bytes');
  pushPolicy(headers, call, info);
  pushMetadata(headers, call, info.metadata);
}

/** Totals by policy, of those that the account uses; a single one has all of them. */
function pushPolicy(headers: string[], call: SwiftCall, info: AccountInfo): void {
  const { policies } = call.world;
  policies.forEach(({ name }, index) => {
    const sums = policies.length === 1 ? info : info.perPolicy?.[index];
    if (!sums) return;
    const start = `X-Account-Storage-Policy-${titleCase(name.toLowerCase())}`;
    headers.push(`${start}-Container-Count`, String(sums.containerCount));
    headers.push(`${start}-Object-Count`, String(sums.objectCount), `${start}-Bytes-Used`, String(sums.bytesUsed));
  });
}
