/**
 * Which containers have lifecycle rules, and which proxy sees to them: rows of the store's own
 * (own-rows.ts), and one register that is a lease. A row is written before the rules and dropped, a while after, by whoever finds none:
 * one too many does nothing, one too few would.
 *
 *     rows    hash of /.lifecycle/buckets, incarnation 0, table `expiring`; name: container's hash, 32 hex digits;
 *             extra { account, container }
 *     lease   hash of /.lifecycle/lease, kind bucket: { account: '.lifecycle', container: 'lease', writer, untilMs, doneMs }
 */

import { type BucketRecord, decodeRecord, decodeRow, encodeRecord } from '../../account-container/contract.ts';
import { isFault } from '../../fabric/errors.ts';
import { stampMs } from '../../fabric/stamp.ts';
import {
  encodeHead,
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  makeKey,
  unpackHex,
} from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import { decide } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import type { ContainerRef } from './contract.ts';
import { dropOwnRow, ownMeta, ownPrefix, putOwnRow } from './own-rows.ts';
import { listRows, readTotals, rowQuery } from './rows.ts';

const HASH_ACCOUNT = '.lifecycle';
const PAGE = 1000;

const prefixOf = (cluster: Pick<Cluster, 'hash'>): Key => ownPrefix(cluster, HASH_ACCOUNT, 'buckets');

const rowKey = (cluster: Pick<Cluster, 'hash'>, { account, container }: ContainerRef): Key =>
  prefixOf(cluster) + unpackHex(cluster.hash(account, container));

export function bucketRow(
  cluster: Pick<Cluster, 'hash'>,
  { account, container }: ContainerRef,
): { readonly key: Key; readonly meta: Buffer } {
  return { key: rowKey(cluster, { account, container }), meta: ownMeta({ account, container }) };
}

/** Durable when it resolves. */
export async function noteBucket(cluster: Cluster, ref: ContainerRef): Promise<void> {
  const { key, meta } = bucketRow(cluster, ref);
  await putOwnRow(cluster, key, meta);
}

export function dropBucket(cluster: Cluster, ref: ContainerRef): Promise<void> {
  return dropOwnRow(cluster, rowKey(cluster, ref));
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
