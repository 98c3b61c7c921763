/**
 * Which accounts are deleted and not yet reaped: rows of the store's own (own-rows.ts). A row is written before the
 * account is marked and dropped after it is gone, or, a while after, where the account lives.
 *
 *     rows    hash of /.reaper/accounts, incarnation 0, table `expiring`; name: account's hash, 32 hex digits;
 *             extra { account }
 *     lease   of `.reaper` (lease.ts)
 */
import { decodeRow } from '../../account-container/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { headMeta, headStamp, type Key, unpackHex } from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import { holdLeaseOf } from './lease.ts';
import { dropOwnRowOf, ownMeta, ownPrefix, putOwnRow } from './own-rows.ts';
import { listRows, readTotals, rowQuery } from './rows.ts';

const HASH_ACCOUNT = '.reaper';
const PAGE = 1_000;

const prefixOf = (cluster: Pick<Cluster, 'hash'>): Key => ownPrefix(cluster, HASH_ACCOUNT, 'accounts');

export function deletionRow(
  cluster: Pick<Cluster, 'hash'>,
  account: string,
): { readonly key: Key; readonly meta: Buffer } {
  return { key: (prefixOf(cluster) + unpackHex(cluster.hash(account))) as Key, meta: ownMeta({ account }) };
}

/** Durable when it resolves. */
export async function noteDeletion(cluster: Cluster, account: string): Promise<void> {
  const { key, meta } = deletionRow(cluster, account);
  await putOwnRow(cluster, key, meta);
}

/** Unless the account has been deleted again since. */
export function dropDeletion(cluster: Cluster, { account, stamp }: NotedDeletion): Promise<void> {
  return dropOwnRowOf(cluster, deletionRow(cluster, account).key, stamp);
}

/** Devices have the number in memory: to ask costs no read. */
export async function hasDeletions(cluster: Cluster): Promise<boolean> {
  return (await readTotals(cluster, prefixOf(cluster))).rowCount > 0;
}

export interface NotedDeletion {
  readonly account: string;
  /** When it was noted. */
  readonly stamp: Stamp;
}

export async function* notedDeletions(cluster: Cluster): AsyncGenerator<NotedDeletion> {
  for (let marker = ''; ; ) {
    const page = await listRows(cluster, prefixOf(cluster), { ...rowQuery({ limit: PAGE }), marker });
    for (const { name, head } of page.entries) {
      marker = name;
      if (!head) continue;
      const { account } = decodeRow(headMeta(head)).extra as { account: string };
      yield { account, stamp: headStamp(head) };
    }
    if (!page.truncated) return;
  }
}

/** False while another proxy reaps. */
export function holdReaping(cluster: Cluster, untilMs: number): Promise<boolean> {
  return holdLeaseOf(cluster, HASH_ACCOUNT, { untilMs });
}
