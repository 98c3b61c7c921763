/**
 * Which containers have lifecycle rules, and which proxy sees to them: rows of the store's own
 * (own-rows.ts), and one register that is a lease. A row is written before the rules and dropped, a while after, by whoever finds none:
 * one too many does nothing, one too few would.
 *
 *     rows    hash of /.lifecycle/buckets, incarnation 0, table `expiring`; name: container's hash, 32 hex digits;
 *             extra { account, container }
 *     lease   of `.lifecycle` (lease.ts)
 */

import { decodeRow } from '../../account-container/contract.ts';
import { stampMs } from '../../fabric/stamp.ts';
import { headMeta, headStamp, type Key, unpackHex } from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import type { ContainerRef } from './contract.ts';
import { holdLeaseOf, type Lease, leaseDone } from './lease.ts';
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

/** Until when some proxy has done everything; 0 for never. */
export const doneUntil = (cluster: Cluster): Promise<number> => leaseDone(cluster, HASH_ACCOUNT);

/** Takes or keeps the lease until `untilMs`; false while another proxy has it. `doneMs`: what the holder has done. */
export const holdLease = (cluster: Cluster, lease: Lease): Promise<boolean> =>
  holdLeaseOf(cluster, HASH_ACCOUNT, lease);
