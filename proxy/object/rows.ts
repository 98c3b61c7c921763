/**
 * Listings from a quorum. One primary gives the page, a second only the digest of what it holds; equal digests mean equal
 * listings. Where they differ, both give everything in the range and the newest of each name counts.
 */
import type { ContainerServiceCalls, ContainerTotals, ListArgs, ListPage } from '../../account-container/contract.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import { type Key, utf8ToLatin1 } from '../../object-server/contract.ts';
import type { Cluster, Replica } from '../cluster.ts';
import { readOrder } from '../quorum-read.ts';
import { type ListQuery, storeFaults } from './contract.ts';
import { mergedPage } from './rows-merge.ts';

const LIST_DEADLINE_MS = 15_000;

export type RowQuery = Omit<ListArgs, 'device' | 'rowPrefix'>;

export async function listRows(cluster: Cluster, rowPrefix: Key, query: RowQuery): Promise<ListPage> {
  const order = readOrder(cluster, rowPrefix);
  const first = order[0] as Replica;
  const second = order[1] as Replica;
  const [page, totals] = await Promise.all([
    attempt(ask<ListPage>(first, 'list', { ...query, device: first.device, rowPrefix })),
    attempt(ask<ContainerTotals>(second, 'totals', { device: second.device, rowPrefix })),
  ]);
  if (page && totals && page.totals.digest === totals.digest) return page;
  return mergedPage({ cluster, order, rowPrefix, query });
}

/** Totals from a quorum: exact when the replicas agree, the better informed one's otherwise. */
export async function readTotals(cluster: Cluster, rowPrefix: Key): Promise<ContainerTotals> {
  const order = readOrder(cluster, rowPrefix);
  const known: ContainerTotals[] = [];
  for (let at = 0; at < order.length && known.length < cluster.quorum; ) {
    const wave = order.slice(at, at + cluster.quorum - known.length);
    at += wave.length;
    const answers = await Promise.all(wave.map(({ device, peer }) => attempt(ask<ContainerTotals>({ device, peer }, 'totals', { device, rowPrefix }))));
    for (const answer of answers) if (answer) known.push(answer);
  }
  const [first, ...others] = known;
  if (!first || known.length < cluster.quorum) throw new Fault(storeFaults.quorumUnavailable, { phase: 'totals' });
  return others.reduce((best, each) => (each.objectCount > best.objectCount ? each : best), first);
}

export async function ask<T>(replica: Replica, method: keyof ContainerServiceCalls, args: object): Promise<T> {
  return (await replica.peer.call(method, args, { deadlineMs: LIST_DEADLINE_MS })).value as T;
}

export async function attempt<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (!isFault(error)) throw error;
    return undefined;
  }
}

export function rowQuery(query: ListQuery): RowQuery {
  return {
    prefix: utf8ToLatin1(query.prefix ?? ''),
    delimiter: utf8ToLatin1(query.delimiter ?? ''),
    marker: utf8ToLatin1(query.marker ?? ''),
    endMarker: utf8ToLatin1(query.endMarker ?? ''),
    limit: query.limit,
    reverse: query.reverse === true,
  };
}
