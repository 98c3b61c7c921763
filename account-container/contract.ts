/**
 * Accounts and containers as seen from other services: row and record formats, and the calls a zone answers about
 * listings. Writes are ordinary mutations of the object server's `apply`; only reading needs this service.
 */
import type { Key } from '../object-server/contract.ts';

export * from './row-format.ts';

/** Totals of a container's current table on one replica, exact for what that replica holds. */
export interface ContainerTotals {
  readonly objectCount: number;
  readonly bytesUsed: number;
  /** By policy index. */
  readonly perPolicy: Readonly<Record<number, { objectCount: number; bytesUsed: number }>>;
  /**
   * Order-independent digest of all live rows (name and ballot) of all tables. Two replicas with equal digests hold the
   * same listing, so a quorum read needs rows from one of them only.
   */
  readonly digest: string;
}

export interface ListArgs {
  readonly device: number;
  /** Rows live under this key prefix: space, hash, incarnation, kind, shard, table (object-server key-format). Account listings too. */
  readonly rowPrefix: Key;
  /** All names below are UTF-8 byte strings (latin1, as in keys). */
  readonly prefix: string;
  readonly delimiter: string;
  /** Names after this one (exclusive); before it when reversed. '' = from the start. */
  readonly marker: string;
  /** Names before this one (exclusive); '' = to the end. */
  readonly endMarker: string;
  readonly limit: number;
  readonly reverse: boolean;
}

/** A name with its row, or a common prefix (head null; name ends in the delimiter). */
export interface ListEntry {
  readonly name: string;
  readonly head: Buffer | null;
}

export interface ListPage {
  readonly entries: readonly ListEntry[];
  readonly truncated: boolean;
  readonly totals: ContainerTotals;
}

export interface ContainerServiceCalls {
  /** One page: live rows only; prefixes by seek, so a page costs the same at a thousand and ten million names. */
  list: { args: ListArgs; reply: ListPage };
  /** As `list` but tombstones too (head with the flag), for merging replicas that differ. */
  listAll: { args: ListArgs; reply: ListPage };
  totals: { args: { device: number; rowPrefix: Key }; reply: ContainerTotals };
}
