/**
 * Container state as the data path needs it: incarnation, keys, ACLs and policy, cached for a moment. A stale entry can
 * delay a change of ACL on another proxy by CONTAINER_CACHE_MS; it can never write into a container that is gone, because
 * every row is guarded by its container's incarnation, and never hides an object, because a miss is looked up afresh.
 */
import { type ContainerRecord, decodeRecord } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  headBallot,
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  makeKey,
  rowRest,
  TABLE,
  type Table,
} from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import { readQuorum } from '../quorum-read.ts';
import { SYNC_KEY, SYNC_TO } from '../sync-realms.ts';
import { type ContainerRef, storeFaults } from './contract.ts';

export const CONTAINER_CACHE_MS = 2_000;
const CACHED_MAX = 10_000;

export interface ContainerState {
  readonly key: Key;
  /** Path hash of the container, 16 bytes as latin1. */
  readonly hash: string;
  readonly incarnation: Stamp;
  readonly ballot: Stamp;
  readonly record: ContainerRecord;
  readonly readAtMs: number;
  /** Its changes go to another container as well (sync-queue.ts). */
  readonly syncs: boolean;
  /** Key prefix of its rows in the current table. */
  readonly rowPrefix: Key;
}

export interface Containers {
  /** From the cache when fresh enough; undefined when there is no such container. */
  find(ref: ContainerRef): Promise<ContainerState | undefined> | ContainerState;
  /** From a quorum, always. */
  findFresh(ref: ContainerRef): Promise<ContainerState | undefined>;
  /** As `findFresh`, and one that is closed, too: for who tells whether something is garbage. */
  findHeld(ref: ContainerRef): Promise<ContainerState | undefined>;
  forget(ref: ContainerRef): void;
}

export function createContainers(cluster: Cluster): Containers {
  const cache = new Map<string, ContainerState>();
  const loading = new Map<string, Promise<ContainerState | undefined>>();

  const load = (ref: ContainerRef, id: string): Promise<ContainerState | undefined> => {
    const promise = readContainer(cluster, ref)
      .then((held) => {
        const state = held?.record.closed ? undefined : held;
        if (loading.get(id) !== promise) return state;
        if (state) remember(id, state);
        else cache.delete(id);
        return state;
      })
      .finally(() => {
        if (loading.get(id) === promise) loading.delete(id);
      });
    loading.set(id, promise);
    return promise;
  };
  const remember = (id: string, state: ContainerState): void => {
    cache.delete(id);
    cache.set(id, state);
    if (cache.size > CACHED_MAX) for (const oldest of cache.keys()) return void cache.delete(oldest);
  };
  return {
    find(ref) {
      const id = cacheId(ref);
      const known = cache.get(id);
      if (known && cluster.clock.monotonicMs() - known.readAtMs < CONTAINER_CACHE_MS) return known;
      return loading.get(id) ?? load(ref, id);
    },
    findFresh: (ref) => load(ref, cacheId(ref)),
    findHeld: (ref) => readContainer(cluster, ref),
    forget(ref) {
      const id = cacheId(ref);
      cache.delete(id);
      loading.delete(id);
    },
  };
}

const cacheId = (ref: ContainerRef): string => `${ref.account}/${ref.container}`;

export function containerKey(cluster: Cluster, ref: ContainerRef): Key {
  return makeKey(cluster.hash(ref.account, ref.container), undefined, KIND.container);
}

async function readContainer(cluster: Cluster, ref: ContainerRef): Promise<ContainerState | undefined> {
  const readAtMs = cluster.clock.monotonicMs();
  const key = containerKey(cluster, ref);
  const read = await readQuorum(cluster, key, false);
  return read && !isTombstone(read.head) ? containerState(key, read.head, readAtMs) : undefined;
}

export function containerState(key: Key, head: Buffer, readAtMs: number): ContainerState {
  const hash = key.slice(1, 17);
  const incarnation = headStamp(head);
  const record = decodeRecord<ContainerRecord>(headMeta(head));
  return {
    key,
    hash,
    incarnation,
    ballot: headBallot(head),
    record,
    readAtMs,
    syncs: isSynced(record),
    rowPrefix: rowPrefix(hash, incarnation, TABLE.current),
  };
}

/** Without versions: they stay where they are. */
export function isSynced({ metadata, s3 }: Pick<ContainerRecord, 'metadata' | 's3'>): boolean {
  if (metadata[SYNC_TO] === undefined || metadata[SYNC_KEY] === undefined) return false;
  return s3?.['versioning'] === undefined;
}

export function rowPrefix(hash: string, incarnation: Stamp, table: Table): Key {
  return makeKey(hash, incarnation, KIND.row, rowRest(table, ''));
}

export function noContainer(): Fault {
  return new Fault(storeFaults.noSuchContainer);
}
