/**
 * Rows the store keeps for itself, with no container behind them: indexes and queues (expiry-index.ts, lifecycle-index.ts,
 * event-queue.ts). Table `expiring` (account-container/row-format.ts) under a hash of a name that no account can have.
 */
import { encodeRow } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  makeKey,
  rowRest,
  TABLE,
} from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import { pause } from '../pause.ts';
import { decide, KEEP, writeUnder } from '../quorum-decide.ts';
import { storeFaults } from './contract.ts';

const TRIES_MAX = 8;

/** Of the rows of `parts`, e.g. ('.expiring', 'a'). A row's key is this and its name. */
export function ownPrefix(cluster: Pick<Cluster, 'hash'>, ...parts: Parameters<Cluster['hash']>): Key {
  return makeKey(cluster.hash(...parts), undefined, KIND.row, rowRest(TABLE.expiring, ''));
}

export const ownMeta = (extra: Readonly<Record<string, unknown>>): Buffer =>
  encodeRow({ sizeBytes: 0, etag: '', contentType: '', extra });

/** Durable when it resolves. Faults InsufficientStorage, QuorumUnavailable. */
export function putOwnRow(cluster: Cluster, key: Key, meta: Buffer): Promise<void> {
  return write(cluster, (stamp) => encodeHead({ key, ballot: stamp, stamp, meta }));
}

export function dropOwnRow(cluster: Cluster, key: Key): Promise<void> {
  return write(cluster, (stamp) => encodeHead({ key, ballot: stamp, stamp, flags: FLAG_TOMBSTONE }));
}

/** Unless it has been written again since it had this stamp. */
export async function dropOwnRowOf(cluster: Cluster, key: Key, stamp: Stamp): Promise<void> {
  await decide(cluster, key, (current, ballot) => {
    if (!current || isTombstone(current.head) || headStamp(current.head) !== stamp) return KEEP;
    return { write: [{ head: encodeHead({ key, ballot, stamp: ballot, flags: FLAG_TOMBSTONE }) }] };
  });
}

async function write(cluster: Cluster, head: (stamp: Stamp) => Buffer): Promise<void> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const stamp = cluster.settled.open();
    const done = await writeUnder(cluster, stamp, [{ head: head(stamp) }]);
    if (done.result === 'ok') return;
    if (done.result === 'full') throw new Fault(storeFaults.insufficientStorage);
    if (done.result !== 'newer') throw new Fault(storeFaults.quorumUnavailable, { reason: done.result });
    cluster.stamps.observe(done.ballot);
    await pause(cluster, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable, { reason: 'contended' });
}
