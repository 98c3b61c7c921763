/** Requests about an account: its totals, metadata and list of containers. Accounts exist for the users that have them. */
import { stampToSwift } from '../../fabric/stamp.ts';
import type { AccountInfo } from '../object/contract.ts';
import { ACCOUNT_ACL, cleanAccountAcl } from './account-acl.ts';
import type { SwiftCall } from './call.ts';
import { readQuoting } from './etag-quoter.ts';
import { refuse, swiftFaults } from './faults.ts';
import { chooseFormat, pushVary } from './listing-format.ts';
import { readListQuery } from './listing-query.ts';
import { renderContainers } from './listing-render.ts';
import { pushMetadata, readMetadataChange, readSysmeta, titleCase } from './metadata.ts';
import { emptyResponse, type SwiftResponse } from './response.ts';

/** Accounts come and go with their users, not by request; for resellers there is no such method, for others no right. */
export function refuseAccount(call: SwiftCall): never {
  if (call.caller.reseller === true) throw refuse(swiftFaults.methodNotAllowed, undefined, ['Allow', METHODS]);
  throw refuse(call.caller.user === undefined ? swiftFaults.unauthorized : swiftFaults.forbidden);
}
const METHODS = 'GET, HEAD, POST, OPTIONS';

export async function listContainers(call: SwiftCall): Promise<SwiftResponse> {
  const format = chooseFormat(call);
  const query = readListQuery(call);
  const page = await call.world.store.listContainers(call, call.account ?? '', query);
  const headers = ['Content-Type', `${format}; charset=utf-8`];
  pushVary(headers, call);
  pushAccount(headers, call, page.info);
  const body = renderContainers(format, call.account ?? '', page.entries);
  return body === '' ? { status: 204, headers } : { status: 200, headers, body };
}

export async function headAccount(call: SwiftCall): Promise<SwiftResponse> {
  const format = chooseFormat(call);
  const info = await call.world.store.headAccount(call, call.account ?? '');
  const headers = ['Content-Type', `${format}; charset=utf-8`];
  pushVary(headers, call);
  pushAccount(headers, call, info);
  return { status: 204, headers };
}

export async function postAccount(call: SwiftCall): Promise<SwiftResponse> {
  const change = readMetadataChange(call, 'account');
  checkQuotaChange(call, change);
  readQuoting(call, 'account', change);
  readSysmeta(call, 'account', change);
  const acl = call.header(ACCOUNT_ACL);
  if (acl !== undefined) change[ACCOUNT_ACL] = cleanAccountAcl(acl) || null;
  else if (call.header('x-remove-account-access-control') !== undefined) change[ACCOUNT_ACL] = null;
  await call.world.store.updateAccount(call, call.account ?? '', change);
  return emptyResponse(204);
}

const QUOTAS = ['x-account-meta-quota-bytes', 'x-account-meta-quota-count'] as const;

/** An account's quota is not its owner's to set. */
function checkQuotaChange(call: SwiftCall, change: Readonly<Record<string, string | null>>): void {
  for (const name of QUOTAS) {
    const value = change[name];
    if (value === undefined) continue;
    if (call.caller.reseller !== true)
      throw refuse(call.caller.user ? swiftFaults.forbidden : swiftFaults.unauthorized);
    if (value !== null && !/^\d+$/.test(value)) throw refuse(swiftFaults.badRequest, 'Invalid quota.');
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
