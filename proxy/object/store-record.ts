/**
 * A record whose bytes are safe, or travel along, becomes the object: as a new version where the container has versions.
 * An object with a delete-at is noted in the index by time first.
 */
import type { Stamp } from '../../fabric/stamp.ts';
import { commit, objectKey } from './commit.ts';
import { commitVersion } from './commit-version.ts';
import { CONTAINER_CACHE_MS, type ContainerState } from './containers.ts';
import type { Conditions, ObjectInfo, ObjectRef } from './contract.ts';
import type { Engine } from './engine.ts';
import { withExpiration } from './expiration.ts';
import { noteExpiry } from './expiry-index.ts';
import { type ObjectRecord, recordHead, toInfo } from './object-format.ts';
import { withDefaultLock } from './object-lock.ts';
import { rowOf } from './row-writes.ts';
import { versioningOf } from './version-format.ts';

export interface StoreOptions {
  readonly body?: Buffer | undefined;
  readonly conditions?: Conditions | undefined;
  /** When it was written, where that was elsewhere. In a container with versions it does not count. */
  readonly at?: Stamp | undefined;
}

/** Whatever it replaces: what a container keeps of that is the caller's (put.ts). */
export async function storeRecord(
  engine: Engine,
  container: ContainerState,
  record: ObjectRecord,
  { body, conditions, at }: StoreOptions,
): Promise<ObjectInfo> {
  if (record.deleteAt !== undefined) await noteExpiry(engine, refOf(record), record.deleteAt);
  const known = renewed(engine, container);
  const now = known instanceof Promise ? await known : known;
  if (versioningOf(now) !== undefined) {
    const kept = withDefaultLock(now.record, record, engine.cluster.clock.nowMs());
    const done = await commitVersion(engine, { container: now, name: record.name, record: kept, body, conditions });
    return withExpiration(engine, now, done.record, toInfo(done.record, done.head, true));
  }
  const key = objectKey(engine, container, record.name);
  let head: Buffer | undefined;
  await commit(engine, {
    container,
    name: record.name,
    writes: (stamp) => {
      head = recordHead(record, { key, stamp: at ?? stamp, ballot: stamp, body });
      return [{ head, body }];
    },
    row: rowOf(record),
    conditions,
    pins: record.pins,
    at,
  });
  return withExpiration(engine, now, record, toInfo(record, head as Buffer));
}

const refOf = ({ account, container, name }: ObjectRecord): ObjectRef => ({ account, container, object: name });

/** The container as it is now, when the body took so long that what is known of its versioning may be out of date. */
export function renewed(engine: Engine, container: ContainerState): ContainerState | Promise<ContainerState> {
  const isFresh = engine.cluster.clock.monotonicMs() - container.readAtMs < CONTAINER_CACHE_MS;
  return isFresh ? container : renew(engine, container);
}

async function renew(engine: Engine, container: ContainerState): Promise<ContainerState> {
  const { account, name } = container.record;
  const found = await engine.containers.find({ account, container: name });
  return found?.incarnation === container.incarnation ? found : container;
}
