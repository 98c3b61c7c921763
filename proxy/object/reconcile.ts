/**
 * Finishes what nobody will: operations whose writer died, or gave up, between the first replica and the last (ADR 3).
 * Devices remember them until a settled mark passes; this daemon asks for those older than UNSETTLED_MS and makes object,
 * listing row and all primaries agree, completing the operation where a replica holds it and removing its traces where
 * none does. Everything it does is decided by ballots, so it may run on several proxies, and against live writers, safely.
 */
import { isFault } from '../../fabric/errors.ts';
import { makeStamp, type Stamp, stampTicks } from '../../fabric/stamp.ts';
import {
  handoffOriginal,
  type Key,
  KIND,
  keyKind,
  type ObjectServiceCalls,
  SPACE_HANDOFF,
} from '../../object-server/contract.ts';
import type { Replica } from '../cluster.ts';
import type { Engine } from './engine.ts';
import { type Holder, reconcileKey, rowMatches } from './reconcile-key.ts';

/** An operation older than this is nobody's any more: calls have shorter deadlines. */
export const UNSETTLED_MS = 15_000;
export const RECONCILE_EVERY_MS = 5_000;
const BATCH = 500;
const PARALLEL = 8;

type Operations = ObjectServiceCalls['unsettled']['reply']['operations'];

export interface Reconciler {
  /** One pass over all devices; resolves with the number of operations looked at. */
  pass(olderThanMs?: number): Promise<number>;
  start(): void;
  stop(): void;
}

export function createReconciler(engine: Engine): Reconciler {
  const { cluster } = engine;
  let timer: { cancel(): void } | undefined;
  let stopped = false;

  const pass = async (olderThanMs = UNSETTLED_MS): Promise<number> => {
    let seen = await finishAbandoned(engine);
    for (const replica of cluster.devices) {
      if (stopped || !replica.peer.up) continue;
      seen += await reconcileDevice(engine, replica, olderThanMs);
    }
    return seen;
  };
  const arm = (): void => {
    // Not in step with the other proxies: two that finish the same key at the same time hinder each other.
    const delayMs = RECONCILE_EVERY_MS / 2 + cluster.random.below(RECONCILE_EVERY_MS);
    timer = cluster.clock.after(delayMs, () => {
      engine.later('reconcile', () => pass().finally(() => void (stopped || arm())));
    });
  };
  return {
    pass,
    start: arm,
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}

/** What this proxy itself could not complete. */
async function finishAbandoned(engine: Engine): Promise<number> {
  const { settled } = engine.cluster;
  const operations = settled.takeAbandoned();
  const failed = await finishKeys(engine, operations);
  for (const { stamp, keys } of operations) {
    const left = keys.filter((key) => failed.has(key));
    if (left.length === 0) settled.close(stamp);
    else settled.abandonKeys(stamp, left);
  }
  return operations.length;
}

async function reconcileDevice(engine: Engine, replica: Replica, olderThanMs: number): Promise<number> {
  const operations = await oldOperations(replica, olderThanMs);
  const failed = await finishKeys(engine, operations, replica);
  const stuck = new Set<number>();
  const finished = new Map<number, Stamp>();
  for (const { stamp, keys } of operations) {
    const writer = Number.parseInt(stamp.slice(13), 16);
    if (keys.some((key) => failed.has(originalKey(key)))) stuck.add(writer);
    else if (!stuck.has(writer)) finished.set(writer, stamp);
  }
  for (const [writer, stamp] of finished) await settle(replica, writer, stamp);
  return operations.length;
}

/**
 * Finishes every key of the operations and returns those that could not be. A key is taken once, however many operations
 * left it open: several decisions about one key at a time only keep each other from ending, and leave more to be finished.
 */
async function finishKeys(
  engine: Engine,
  operations: readonly { readonly stamp: Stamp; readonly keys: readonly Key[] }[],
  replica?: Replica,
): Promise<Set<Key>> {
  const newest = new Map<Key, Unfinished>();
  for (const { stamp, keys } of operations) {
    for (const heldAs of keys) {
      const key = originalKey(heldAs);
      if (stamp > (newest.get(key)?.stamp ?? ''))
        newest.set(key, { key, stamp, holder: replica && { replica, heldAs } });
    }
  }
  const failed = new Set<Key>();
  const all = [...newest.values()];
  // An object takes its row along; what is left of the rows comes after.
  const isRow = ({ key }: Unfinished): boolean => keyKind(key) === KIND.row;
  for (const some of [all.filter((one) => !isRow(one)), all.filter(isRow)]) {
    for (let at = 0; at < some.length; at += PARALLEL) {
      const group = some.slice(at, at + PARALLEL);
      const results = await Promise.all(group.map((one) => attempt(engine, one)));
      group.forEach(({ key }, i) => void (results[i] || failed.add(key)));
    }
  }
  return failed;
}

async function oldOperations(replica: Replica, olderThanMs: number): Promise<Operations> {
  try {
    const args = { device: replica.device, olderThanMs, limit: BATCH };
    const { operations } = (await replica.peer.call('unsettled', args))
      .value as ObjectServiceCalls['unsettled']['reply'];
    return [...operations].sort((a, b) => (a.stamp < b.stamp ? -1 : 1));
  } catch (error) {
    if (!isFault(error)) throw error;
    return [];
  }
}

const originalKey = (key: Key): Key => (key.startsWith(SPACE_HANDOFF) ? handoffOriginal(key) : key);

interface Unfinished {
  readonly key: Key;
  /** Of the operation: what the primaries hold must not be older. */
  readonly stamp: Stamp;
  readonly holder: Holder | undefined;
}

/** False when replicas are missing: another pass will find it again. */
async function attempt(engine: Engine, { key, stamp, holder }: Unfinished): Promise<boolean> {
  try {
    const { agreed, best, older } = await compare(engine, key, stamp);
    if (agreed && (await rowMatches(engine, key))) return true;
    return await reconcileKey(engine, key, best ?? holder ?? older);
  } catch (error) {
    if (!isFault(error)) throw error;
    return false;
  }
}

/**
 * Agreed: all primaries hold the same ballot, and not that of a time before the operation: nothing to do for this key.
 * Otherwise the best one is that with the newest state, if it has heard of the operation: a majority alone might miss it. If
 * it has not, `older` may still be what an earlier round of the same writer left on one replica alone: nobody else sees to it.
 */
async function compare(
  { cluster }: Engine,
  key: Key,
  stamp: Stamp,
): Promise<{ agreed: boolean; best?: Holder; older?: Holder }> {
  const held = await Promise.all(
    cluster.primaries(key).map(async (replica) => {
      const reply = await replica.peer.call('check', { device: replica.device, key });
      return { replica, ballot: (reply.value as ObjectServiceCalls['check']['reply']).ballot };
    }),
  );
  const [newest] = held.sort((a, b) => (a.ballot > b.ballot ? -1 : 1));
  if (!newest || newest.ballot === '') return { agreed: false };
  const holder = { replica: newest.replica, heldAs: key };
  if (newest.ballot < stamp) return { agreed: false, older: holder };
  return { agreed: held.every(({ ballot }) => ballot === newest.ballot), best: holder };
}

async function settle({ device, peer }: Replica, writer: number, stamp: Stamp): Promise<void> {
  const settled = makeStamp(stampTicks(stamp) + 1, writer);
  await peer.call('apply', { device, mutations: [], writer, settled }).catch((error) => {
    if (!isFault(error)) throw error;
  });
}
