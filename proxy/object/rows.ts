/**
 * Listings from a quorum. One primary gives the page, a second only the digest of what it holds; equal digests mean equal
 * listings. Where they differ, both give everything in the range and the newest of each name counts.
 */
import {
  type ContainerServiceCalls,
  type ContainerTotals,
  type ListArgs,
  ListMerge,
  type ListPage,
  MERGE_ROUNDS_MAX,
  newestTotals,
  type Repair,
  sameListing,
} from '../../account-container/contract.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import { headKey, type Key, utf8ToLatin1 } from '../../object-server/contract.ts';
import type { Cluster, Replica } from '../cluster.ts';
import { writeQuorum } from '../quorum-write.ts';
import { readOrder } from '../read-order.ts';
import { type ListQuery, storeFaults } from './contract.ts';

const LIST_DEADLINE_MS = 15_000;
/** Pages a replica may cut short before a listing answers with what it has. */
const CONTINUED_MAX = 1_000;
const REPAIR_BATCH = 100;
/** How often a merge is begun anew because a replica went away. */
const MERGE_ATTEMPTS_MAX = 3;

export type RowQuery = Omit<ListArgs, 'device' | 'rowPrefix'>;

/**
 * One page, full unless the listing ends; a page that a replica cut short for its cost is continued here. `replicas` are
 * the ones to ask, in order of preference; any majority of the primaries will do unless the caller knows better.
 */
export async function listRows(
  cluster: Cluster,
  rowPrefix: Key,
  query: RowQuery,
  replicas: readonly Replica[] = readOrder(cluster, rowPrefix),
): Promise<ListPage> {
  const from = { rowPrefix, order: replicas };
  let page = await listOnce(cluster, from, query);
  if (!page.truncated || page.entries.length >= query.limit) return page;
  const entries = [...page.entries];
  for (let round = 0; round < CONTINUED_MAX && page.truncated && entries.length < query.limit; round++) {
    const last = entries.at(-1)?.name ?? query.marker;
    const next: RowQuery = { ...query, marker: last, resume: page.resume, limit: query.limit - entries.length };
    page = await listOnce(cluster, from, next);
    entries.push(...page.entries);
  }
  return { ...page, entries };
}

/** Whether two primaries hold now exactly what a page with these totals was read from. */
export async function stillListed(cluster: Cluster, rowPrefix: Key, totals: ContainerTotals): Promise<boolean> {
  const asked = readOrder(cluster, rowPrefix)
    .slice(0, cluster.quorum)
    .map(({ device, peer }) => attempt(ask<ContainerTotals>({ device, peer }, 'totals', { device, rowPrefix })));
  return (await Promise.all(asked)).every((held) => held !== undefined && sameListing(held, totals));
}

interface Rows {
  readonly rowPrefix: Key;
  readonly order: readonly Replica[];
}

async function listOnce(cluster: Cluster, { rowPrefix, order }: Rows, query: RowQuery): Promise<ListPage> {
  const first = order[0] as Replica;
  const second = order[1] as Replica;
  const [page, totals] = await Promise.all([
    attempt(ask<ListPage>(first, 'list', { ...query, device: first.device, rowPrefix })),
    attempt(ask<ContainerTotals>(second, 'totals', { device: second.device, rowPrefix })),
  ]);
  if (page && totals && sameListing(page.totals, totals)) return page;
  return mergedPage(cluster, { order, rowPrefix }, query);
}

/**
 * Both replicas' rows, merged; what one of them lacks is stored there before anybody sees it. A replica that goes away in
 * the middle is replaced, from the beginning.
 */
async function mergedPage(cluster: Cluster, rows: Rows, query: RowQuery): Promise<ListPage> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await mergeOnce(cluster, rows, query);
    } catch (error) {
      if (!isFault(error) || error.code === storeFaults.quorumUnavailable) throw error;
      if (attempts < MERGE_ATTEMPTS_MAX) continue;
      throw new Fault(storeFaults.quorumUnavailable, { phase: 'list', reason: error.code });
    }
  }
}

async function mergeOnce(cluster: Cluster, { order, rowPrefix }: Rows, query: RowQuery): Promise<ListPage> {
  const answering = await reachable(cluster, order, rowPrefix);
  const first = answering[0] as Replica;
  const merge = new ListMerge({ ...query, device: first.device, rowPrefix }, answering.length);
  for (let round = 0; round < MERGE_ROUNDS_MAX; round++) {
    const wants = merge.wants();
    if (wants.length === 0) break;
    const pages = await Promise.all(
      wants.map(({ replica, args }) => {
        const target = answering[replica] as Replica;
        return ask<ListPage>(target, 'listAll', { ...args, device: target.device });
      }),
    );
    wants.forEach(({ replica }, i) => merge.give(replica, pages[i] as ListPage));
  }
  const page = merge.page();
  await storeRepairs(cluster, page.repairs);
  return page;
}

async function reachable(cluster: Cluster, order: readonly Replica[], rowPrefix: Key): Promise<readonly Replica[]> {
  const found: Replica[] = [];
  for (const replica of order) {
    if (found.length === cluster.quorum) break;
    if (await attempt(ask(replica, 'totals', { device: replica.device, rowPrefix }))) found.push(replica);
  }
  if (found.length < cluster.quorum) throw new Fault(storeFaults.quorumUnavailable, { phase: 'list' });
  return found;
}

async function storeRepairs(cluster: Cluster, repairs: readonly Repair[]): Promise<void> {
  const heads = new Map(repairs.map(({ head }) => [headKey(head), head]));
  const all = [...heads.values()];
  for (let at = 0; at < all.length; at += REPAIR_BATCH) {
    const writes = all.slice(at, at + REPAIR_BATCH).map((head) => ({ head, newerIsFine: true, repair: true }));
    const done = await writeQuorum(cluster, writes, () => {});
    if (done.result !== 'ok')
      throw new Fault(storeFaults.quorumUnavailable, { phase: 'list repair', reason: done.result });
  }
}

/** Totals from a quorum: exact when the replicas agree, the better informed one's otherwise. */
export async function readTotals(cluster: Cluster, rowPrefix: Key): Promise<ContainerTotals> {
  const order = readOrder(cluster, rowPrefix);
  const known: ContainerTotals[] = [];
  for (let at = 0; at < order.length && known.length < cluster.quorum; ) {
    const wave = order.slice(at, at + cluster.quorum - known.length);
    at += wave.length;
    const answers = await Promise.all(
      wave.map(({ device, peer }) => attempt(ask<ContainerTotals>({ device, peer }, 'totals', { device, rowPrefix }))),
    );
    for (const answer of answers) if (answer) known.push(answer);
  }
  const [first] = known;
  if (!first || known.length < cluster.quorum) throw new Fault(storeFaults.quorumUnavailable, { phase: 'totals' });
  return newestTotals(known) ?? first;
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
    markerSkipsPrefix: query.markerSkipsPrefix,
  };
}
