/**
 * Which containers have lifecycle rules, and which proxy sees to them: rows without a container, as of expiry-index.ts,
 * and one register that is a lease. A row is written before the rules and dropped, a while after, by whoever finds none:
 * one too many does nothing, one too few would.
 *
 *     rows    hash of /.lifecycle/buckets, incarnation 0, table `expiring`; name: container's hash, 32 hex digits;
 *             extra { account, container }
 *     lease   hash of /.lifecycle/lease, kind bucket: { account: '.lifecycle', container: 'lease', writer, untilMs, doneMs }
 */

import type { BucketRecord } from '../../account-container/contract.ts';
import { decodeRecord, decodeRow, encodeRecord, encodeRow } from '../../account-container/contract.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import { type Stamp, stampMs } from '../../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  makeKey,
  rowRest,
  TABLE,
  unpackHex,
} from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import { pause } from '../pause.ts';
import { decide, writeUnder } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import { type ContainerRef, storeFaults } from './contract.ts';
import { listRows, readTotals, rowQuery } from './rows.ts';

const HASH_ACCOUNT = '.lifecycle';
const PAGE = 1000;
const TRIES_MAX = 8;

const prefixOf = (cluster: Pick<Cluster, 'hash'>): Key =>
  makeKey(cluster.hash(HASH_ACCOUNT, 'buckets'), undefined, KIND.row, rowRest(TABLE.expiring, ''));

const rowKey = (cluster: Pick<Cluster, 'hash'>, { account, container }: ContainerRef): Key =>
  prefixOf(cluster) + unpackHex(cluster.hash(account, container));

export function bucketRow(
  cluster: Pick<Cluster, 'hash'>,
  { account, container }: ContainerRef,
): { readonly key: Key; readonly meta: Buffer } {
  const meta = encodeRow({ sizeBytes: 0, etag: '', contentType: '', extra: { account, container } });
  return { key: rowKey(cluster, { account, container }), meta };
}

/** Durable when it resolves. */
export async function noteBucket(cluster: Cluster, ref: ContainerRef): Promise<void> {
  const { key, meta } = bucketRow(cluster, ref);
  await writeRow(cluster, (stamp) => encodeHead({ key, ballot: stamp, stamp, meta }));
}

export async function dropBucket(cluster: Cluster, ref: ContainerRef): Promise<void> {
  const key = rowKey(cluster, ref);
  await writeRow(cluster, (stamp) => encodeHead({ key, ballot: stamp, stamp, flags: FLAG_TOMBSTONE }));
}

async function writeRow(cluster: Cluster, head: (stamp: Stamp) => Buffer): Promise<void> {
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

/** Devices have the number in memory: to ask costs no read. */
export async function hasBuckets(cluster: Cluster): Promise<boolean> {
  return (await readTotals(cluster, prefixOf(cluster))).rowCount > 0;
}

export interface NotedBucket extends ContainerRef {
  readonly notedMs: number;
}

export async function* notedBuckets(cluster: Cluster): AsyncGenerator<NotedBucket> {
  let marker = '';
  while (true) {
    const page = await listRows(cluster, prefixOf(cluster), { ...rowQuery({ limit: PAGE }), marker });
    for (const { name, head } of page.entries) {
      marker = name;
      if (!head) continue;
      const { account, container } = decodeRow(headMeta(head)).extra as unknown as ContainerRef;
      yield { account, container, notedMs: stampMs(headStamp(head)) };
    }
    if (!page.truncated) return;
  }
}

interface LeaseRecord extends BucketRecord {
  readonly writer: number;
  readonly untilMs: number;
  /** Until when everything is done. */
  readonly doneMs: number;
}

const leaseKey = (cluster: Cluster): Key => makeKey(cluster.hash(HASH_ACCOUNT, 'lease'), undefined, KIND.bucket);

/** Until when some proxy has done everything; 0 for never. */
export async function doneUntil(cluster: Cluster): Promise<number> {
  const held = await readQuorum(cluster, leaseKey(cluster), false);
  return held && !isTombstone(held.head) ? decodeRecord<LeaseRecord>(headMeta(held.head)).doneMs : 0;
}

/**
 * Takes or keeps the lease until `untilMs`; false while another proxy has it. `doneMs`: what the holder has done. Clocks
 * that differ make two workers at worst: what they do is decided, and twice is once.
 */
export async function holdLease(
  cluster: Cluster,
  { untilMs, doneMs }: { untilMs: number; doneMs?: number | undefined },
): Promise<boolean> {
  const key = leaseKey(cluster);
  const writer = cluster.stamps.writerId;
  let isMine = false;
  try {
    const done = await decide(cluster, key, (current, ballot) => {
      const held =
        current && !isTombstone(current.head) ? decodeRecord<LeaseRecord>(headMeta(current.head)) : undefined;
      isMine = held === undefined || held.writer === writer || held.untilMs <= cluster.clock.nowMs();
      if (!isMine) return { keep: true };
      const names = { account: HASH_ACCOUNT, container: 'lease' };
      const record: LeaseRecord = { ...names, writer, untilMs, doneMs: doneMs ?? held?.doneMs ?? 0 };
      return { write: [{ head: encodeHead({ key, ballot, stamp: ballot, meta: encodeRecord(record) }) }] };
    });
    return done.result === 'ok' && isMine;
  } catch (error) {
    if (!isFault(error)) throw error;
    return false;
  }
}
