/**
 * What is asked about a listing and what comes back: the types shared by the service, the merge at the proxy and the
 * contract. No behaviour beyond comparing totals.
 */
import type { Stamp } from '../fabric/stamp.ts';
import type { Key } from '../object-server/contract.ts';

/** Sums over live rows: of one policy, or of all. */
export interface RowSums {
  /** Live rows: objects in a container's table, containers in an account. */
  readonly rowCount: number;
  /** Equal to rowCount in a container; in an account the sum of what the containers last reported. */
  readonly objectCount: number;
  readonly bytesUsed: number;
}

/** Totals of one table of one container (or of one account) on one replica, exact for what that replica holds. */
export interface ContainerTotals extends RowSums {
  /** By policy index. */
  readonly perPolicy: Readonly<Record<number, RowSums>>;
  /**
   * Order-independent digest of the live rows (name and ballot) under the prefix. Two replicas with equal digests hold
   * the same listing, so a quorum read needs rows from one of them only. 16 hex digits.
   */
  readonly digest: string;
  /** Greatest ballot of any row ever applied here, tombstones included: who has seen the newer write, when digests differ. */
  readonly newest: Stamp;
}

export interface ListArgs {
  readonly device: number;
  /** Rows live under this key prefix: up to the table byte, or an account row's shard (`tablePrefix`, `accountPrefix`). */
  readonly rowPrefix: Key;
  /** All names below are UTF-8 byte strings (latin1, as in keys). */
  readonly prefix: string;
  /** '' = none; may be several bytes. */
  readonly delimiter: string;
  /**
   * Names after this one (exclusive); before it when reversed. '' = from the start. A common prefix equal to the marker
   * is never listed; one that the marker lies inside of is listed when a row after the marker is under it (Swift).
   */
  readonly marker: string;
  /** Names before this one (exclusive); after it when reversed. '' = to the end. Decides by rows, not by common prefixes. */
  readonly endMarker: string;
  /** At most so many entries; 0 gives none, and `truncated` false. */
  readonly limit: number;
  readonly reverse: boolean;
  /** S3's rule: a common prefix that the marker lies inside of is not listed again. */
  readonly markerSkipsPrefix?: boolean | undefined;
  /** `resume` of the page before: rows after this one, whatever the marker (which keeps its meaning for prefixes). */
  readonly resume?: string | undefined;
}

/** A name with its row, or a common prefix (head null; name ends in the delimiter). */
export interface ListEntry {
  readonly name: string;
  readonly head: Buffer | null;
}

/**
 * `truncated`: there is more, or there may be: a page also ends where it has cost enough, so it may hold fewer than
 * `limit` entries, even none. The next page: `marker` = the last entry's name (the old marker when there is none) and
 * `resume` as given here.
 */
export interface ListPage {
  readonly entries: readonly ListEntry[];
  readonly truncated: boolean;
  /** Set when the page ended after rows that made no entry (tombstones): the last one looked at. */
  readonly resume?: string | undefined;
  readonly totals: ContainerTotals;
}

export function sameListing(a: ContainerTotals, b: ContainerTotals): boolean {
  return a.digest === b.digest && a.rowCount === b.rowCount;
}

/** Of replicas that differ, the one that has seen the newest write: right whenever only the last writes are under way. */
export function newestTotals(all: readonly ContainerTotals[]): ContainerTotals | undefined {
  let best: ContainerTotals | undefined;
  for (const totals of all) if (!best || totals.newest > best.newest) best = totals;
  return best;
}
