/**
 * Containers that keep what is overwritten or deleted in another one (Swift's X-Versions-Location, a stack that a delete
 * takes from, and X-History-Location, which only grows). What is replaced is copied there first, without moving the bytes
 * of large bodies; then the write takes effect on that very state, or all begins anew: of two writers at the same moment
 * neither's object is lost. Containers without such a location never come here. Whoever may write into the container may
 * do this; the rights of the archive are not asked.
 */
import type { ContainerRecord } from '../../account-container/contract.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import { type Stamp, stampToSwift } from '../../fabric/stamp.ts';
import { headStamp, latin1ToUtf8, utf8ToLatin1 } from '../../object-server/contract.ts';
import { readQuorum } from '../quorum-read.ts';
import { borrow } from './borrow.ts';
import { commit, objectKey, recordOf, superseded, TRIES_MAX } from './commit.ts';
import { checkWriteConditions } from './conditions.ts';
import type { ContainerState } from './containers.ts';
import { type Conditions, type EncryptionRequest, type ObjectRef, storeFaults } from './contract.ts';
import { resealed } from './encryption.ts';
import type { Engine } from './engine.ts';
import { type Found, lookUp } from './get.ts';
import { OBJECT_NAME_BYTES_MAX } from './limits.ts';
import { gravestoneHead, type ObjectRecord } from './object-format.ts';
import { listRows, rowQuery } from './rows.ts';
import { storeRecord } from './store-record.ts';
import { synced } from './sync-desk.ts';

export const VERSIONS_LOCATION = 'x-versions-location';
export const HISTORY_LOCATION = 'x-history-location';
const DELETE_MARKER_TYPE = 'application/x-deleted;swift_versions_deleted=1';
const EMPTY_MD5 = 'd41d8cd98f00b204e9800998ecf8427e';
const PAGE = 100;

export interface Archive {
  /** In the same account. */
  readonly container: string;
  readonly mode: 'stack' | 'history';
}

/** A container with versions of its own has no need of one. */
export function archiveOf({ metadata, s3 }: Pick<ContainerRecord, 'metadata' | 's3'>): Archive | undefined {
  const stack = metadata[VERSIONS_LOCATION];
  const location = stack ?? metadata[HISTORY_LOCATION];
  if (location === undefined || s3?.['versioning'] !== undefined) return undefined;
  return { container: decoded(location), mode: stack === undefined ? 'history' : 'stack' };
}

function decoded(location: string): string {
  const bytes = location.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return latin1ToUtf8(bytes);
}

interface Kept {
  readonly container: ContainerState;
  readonly archive: Archive;
  readonly name: string;
  readonly conditions?: Conditions | undefined;
  /** When it happened, where that was elsewhere: nothing is put away for what comes too late. */
  readonly at?: Stamp | undefined;
}

/** Runs `write` once what it replaces has been put away, under conditions that it stands on just that. */
export async function keeping<T>(
  engine: Engine,
  kept: Kept,
  write: (conditions: Conditions) => Promise<T>,
): Promise<T> {
  const { container, name, conditions = {} } = kept;
  await refuseSuperseded(engine, kept);
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const found = await lookUp(engine, container, name, true);
    const fault = checkWriteConditions(conditions, found && { record: found.record, head: found.register.head });
    if (fault) throw fault;
    if (found) await putAway(engine, kept, found);
    try {
      return await write({ ...conditions, ifStamp: found ? headStamp(found.register.head) : 'absent' });
    } catch (error) {
      if (!isFault(error, storeFaults.conditionalConflict)) throw error;
    }
  }
  throw new Fault(storeFaults.quorumUnavailable, { reason: 'contended' });
}

async function refuseSuperseded(engine: Engine, { container, name, at }: Kept): Promise<void> {
  if (at === undefined) return;
  const held = await readQuorum(engine.cluster, objectKey(engine, container, name), false);
  const fault = superseded({ at }, held);
  if (fault) throw fault;
}

async function archiveState(engine: Engine, { container, archive }: Kept): Promise<ContainerState | undefined> {
  return engine.containers.findFresh({ account: container.record.account, container: archive.container });
}

/** `<length in hex><name>/<time>`; the length is that of the bytes. */
function archivedName(name: string, stamp: Stamp): string {
  return `${prefixOf(name)}${stampToSwift(stamp)}`;
}

const prefixOf = (name: string): string => `${Buffer.byteLength(name).toString(16).padStart(3, '0')}${name}/`;

async function putAway(engine: Engine, kept: Kept, found: Found): Promise<void> {
  const target = await archiveState(engine, kept);
  const object = archivedName(kept.name, headStamp(found.register.head));
  if (!target || Buffer.byteLength(object) > OBJECT_NAME_BYTES_MAX) throw new Fault(storeFaults.preconditionFailed);
  await copyTo(engine, { container: target, name: object }, found);
}

/** The object as it is, under another name: a manifest stays one. */
async function copyTo(
  engine: Engine,
  { container, name }: { container: ContainerState; name: string },
  { record, register }: Found,
  conditions?: Conditions,
): Promise<void> {
  const { account, name: containerName } = container.record;
  const ref: ObjectRef = { account, container: containerName, object: name };
  const { version: _, restored: __, acl: ___, ...rest } = record;
  const { extents, pins } = await borrow(engine, container, ref, {
    found: { register },
    extents: record.extents,
  });
  // A customer's key is not at hand: what it sealed is readable again under its own name alone.
  const isRewrapped = record.sealed !== undefined && record.sealed.mode !== 'SSE-C';
  const sealed = isRewrapped ? await resealed(engine, record, ref, record.sealed as EncryptionRequest) : record.sealed;
  const copied: ObjectRecord = { ...rest, sealed, account, container: containerName, name, extents, pins };
  await synced(engine, container, name, () =>
    storeRecord(engine, container, copied, { body: register.body, conditions }),
  );
}

/** DELETE where what goes is kept. Resolves to whether there was an object. */
export async function deleteKept(engine: Engine, kept: Kept): Promise<boolean> {
  return kept.archive.mode === 'history' ? deleteWithTrace(engine, kept) : takeFromStack(engine, kept);
}

/** A marker says when it was. */
async function deleteWithTrace(engine: Engine, kept: Kept): Promise<boolean> {
  let existed = false;
  await keeping(engine, kept, async (conditions) => {
    existed = conditions.ifStamp !== 'absent';
    const target = await archiveState(engine, kept);
    if (!target) throw new Fault(storeFaults.preconditionFailed);
    const { account, name: container } = target.record;
    const name = archivedName(kept.name, engine.cluster.stamps.next());
    const marker = { account, container, name, size: 0, etag: EMPTY_MD5, type: DELETE_MARKER_TYPE };
    await synced(engine, target, name, () => storeRecord(engine, target, marker, { body: Buffer.alloc(0) }));
    if (existed) await remove(engine, kept.container, kept.name, conditions);
  });
  return existed;
}

async function remove(engine: Engine, container: ContainerState, name: string, conditions?: Conditions): Promise<void> {
  const { account, name: containerName } = container.record;
  const key = objectKey(engine, container, name);
  const change = {
    container,
    name,
    writes: (stamp: Stamp) => [{ head: gravestoneHead({ account, container: containerName, name }, key, stamp) }],
    row: undefined,
    conditions,
  };
  await synced(engine, container, name, () => commit(engine, change));
}

/** The last one put away takes the object's place again. */
async function takeFromStack(engine: Engine, kept: Kept): Promise<boolean> {
  const { container, name, conditions } = kept;
  await refuseSuperseded(engine, kept);
  const current = recordOf(engine, await readQuorum(engine.cluster, objectKey(engine, container, name), false));
  const fault = conditions && checkWriteConditions(conditions, current);
  if (fault) throw fault;
  const stack = await archiveState(engine, kept);
  const names = stack ? archivedNames(engine, stack, prefixOf(name)) : nothing();
  let marker: string | undefined;
  for await (const archived of names) {
    const found = await lookUp(engine, stack as ContainerState, archived, true);
    if (!found) continue;
    if (found.record.type === DELETE_MARKER_TYPE) {
      // With an object before it, the marker is what comes next; a second one is where there was nothing.
      if (current || marker !== undefined) break;
      marker = archived;
      continue;
    }
    await copyTo(engine, { container, name }, found);
    await remove(engine, stack as ContainerState, archived);
    if (marker !== undefined) await remove(engine, stack as ContainerState, marker);
    return true;
  }
  if (marker !== undefined) {
    await remove(engine, stack as ContainerState, marker);
    return true;
  }
  if (current) await remove(engine, container, name, conditions);
  return current !== undefined;
}

async function* nothing(): AsyncGenerator<string> {}

/** Newest first. */
async function* archivedNames(engine: Engine, stack: ContainerState, prefix: string): AsyncGenerator<string> {
  let marker = '';
  while (true) {
    const query = { ...rowQuery({ prefix, limit: PAGE, reverse: true }), marker: utf8ToLatin1(marker) };
    const page = await listRows(engine.cluster, stack.rowPrefix, query);
    for (const entry of page.entries) {
      marker = latin1ToUtf8(entry.name);
      yield marker;
    }
    if (!page.truncated) return;
  }
}
