/**
 * The receiving half of container sync: who may act for another cluster, and what a container says about it. Such a
 * request may read and write objects of its one container, and its X-Timestamp says when they were written.
 * https://docs.openstack.org/swift/latest/overview_container_sync.html
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import { STAMP_AHEAD_MS_MAX, stampFromSwift, stampMs } from '../../fabric/stamp.ts';
import { type MetadataChange, type Peeked, storeFaults } from '../object/contract.ts';
import { readSyncTo, SYNC_DEFAULTS, SYNC_KEY, SYNC_TO, signedPath } from '../sync-realms.ts';
import { sameText, signSync } from '../sync-signature.ts';
import type { SwiftCall } from './call.ts';
import { refuse, swiftFaults } from './faults.ts';
import { emptyResponse, type SwiftResponse } from './response.ts';

const AUTH = 'x-container-sync-auth';
const INVALID = 'X-Container-Sync-Auth header not valid; contact cluster operator for support.';
const VERSIONED = 'Cannot configure container sync on a container with object versioning configured.';
const FULL_URL =
  'Full URLs are not allowed for X-Container-Sync-To values. Only realm values of the format //realm/cluster/account/container are allowed.\n';

/** Whether the request says that it comes from another cluster: by a signature, or without a token by a container's key. */
export function mayBeSync(call: SwiftCall): boolean {
  if (call.container === '') return false;
  if (call.world.syncs && call.header(AUTH) !== undefined) return true;
  return call.caller.user === undefined && call.object !== '' && call.header(SYNC_KEY) !== undefined;
}

/** Lets it in, or 401 for a signature that is wrong. */
export async function openSync(call: SwiftCall): Promise<void> {
  const found = await call.world.store.peek(call.containerRef);
  const key = found.container?.[SYNC_KEY];
  const auth = call.header(AUTH);
  const isOpen = auth === undefined ? isByKey(call, key) : isSigned(call, auth, key);
  if (!isOpen && auth !== undefined) {
    throw new Fault(swiftFaults.unauthorized, { text: INVALID, scheme: 'SwiftContainerSync' });
  }
  if (isOpen) await admit(call, found);
}

function isByKey(call: SwiftCall, key: string | undefined): boolean {
  const given = call.header(SYNC_KEY) ?? '';
  return key !== undefined && key !== '' && call.header('x-timestamp') !== undefined && sameText(given, key);
}

function isSigned(call: SwiftCall, auth: string, user: string | undefined): boolean {
  const [realmName = '', nonce = '', signature = '', ...more] = auth.trim().split(/\s+/);
  const realm = call.world.swift?.sync.realms.get(realmName.toUpperCase());
  if (more.length > 0 || !realm || !user) return false;
  const { method, path } = call.http;
  const timestamp = call.header('x-timestamp') ?? '0';
  const request = { method, path: signedPath(path), timestamp, nonce };
  return [realm.key, realm.key2].some(
    (key) => key !== undefined && sameText(signature, signSync(request, { realm: key, user })),
  );
}

async function admit(call: SwiftCall, { versioning }: Peeked): Promise<void> {
  const text = call.header('x-timestamp');
  call.isSync = true;
  call.grant = { account: call.account ?? '', container: call.container, actions: ['read', 'list', 'write'] };
  if (text === undefined) return;
  const at = stampFromSwift(text);
  if (at === undefined) {
    const shown = text.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
    throw refuse(swiftFaults.badRequest, `X-Timestamp should be a UNIX timestamp float value; was '${shown}'`);
  }
  if (stampMs(at) > call.world.clock.nowMs() + STAMP_AHEAD_MS_MAX) {
    throw refuse(swiftFaults.badRequest, 'X-Timestamp is too far ahead');
  }
  if (call.http.method === 'GET' || call.http.method === 'HEAD') return;
  if (versioning !== undefined) throw refuse(swiftFaults.conflict, 'The container has versions');
  call.at = at;
}

/** What is there is not older: a PUT is taken and forgotten, POST and DELETE are a conflict, as in Swift. */
export async function unlessSuperseded(call: SwiftCall, run: () => Promise<SwiftResponse>): Promise<SwiftResponse> {
  if (call.at === undefined) return run();
  try {
    return await run();
  } catch (error) {
    if (!isFault(error, storeFaults.preconditionFailed) || error.details['header'] !== 'X-Timestamp') throw error;
    if (call.http.method === 'PUT') return emptyResponse(202);
    throw refuse(error.details['isGone'] === true ? swiftFaults.notFound : swiftFaults.conflict);
  }
}

/** Adds to `change` what the request says of the container's own synchronisation. 400 for where it cannot go. */
export function readSync(call: SwiftCall, change: Record<string, string | null>): void {
  for (const name of [SYNC_TO, SYNC_KEY]) {
    const value = call.header(name);
    if (value !== undefined) change[name] = value === '' ? null : value;
    else if (call.header(name.replace('x-', 'x-remove-')) !== undefined) change[name] = null;
  }
  const to = change[SYNC_TO];
  if (typeof to !== 'string') return;
  const options = call.world.swift?.sync ?? SYNC_DEFAULTS;
  if (!options.fullUrls && !to.startsWith('//')) throw refuse(swiftFaults.badRequest, FULL_URL);
  const read = readSyncTo(to, options);
  if (read === undefined) change[SYNC_TO] = null;
  else if ('error' in read) throw refuse(swiftFaults.badRequest, read.error);
}

/** A container with versions is not synchronised, and one that is gets none. */
export async function refuseSyncedVersions(
  call: SwiftCall,
  change: MetadataChange,
  versioning: 'Enabled' | 'Suspended' | undefined,
): Promise<void> {
  const wantsSync = typeof change[SYNC_TO] === 'string';
  if (!wantsSync && versioning !== 'Enabled') return;
  const known = await call.world.store.peek(call.containerRef);
  if (wantsSync && (versioning ?? known.versioning) !== undefined) throw refuse(swiftFaults.badRequest, VERSIONED);
  if (versioning === 'Enabled' && change[SYNC_TO] !== null && known.container?.[SYNC_TO] !== undefined) {
    const text = 'Cannot enable object versioning on a container configured as source of container syncing.';
    throw refuse(swiftFaults.badRequest, text);
  }
}
