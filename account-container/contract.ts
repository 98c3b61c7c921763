/**
 * Accounts and containers as seen from other services: row and record formats, table prefixes, the merge of replicas that
 * differ, and the calls a zone answers about listings. Writes are ordinary mutations of the object server's `apply`; only
 * reading needs this service.
 */
import type { Key } from '../object-server/contract.ts';
import type { ContainerTotals, ListArgs, ListPage } from './page.ts';

export * from './merge.ts';
export * from './page.ts';
export { accountPrefix, tablePrefix } from './prefix.ts';
export * from './row-format.ts';

export const containerFaults = {
  /** The zone has no such device, or it is not up. details: { device }. */
  noSuchDevice: 'NoSuchDevice',
} as const;

/** Only durable state is revealed: an answer waits for the sync of what it shows. */
export interface ContainerServiceCalls {
  /** One page: live rows only; prefixes by seek, so a page costs the same at a thousand and ten million names. */
  list: { args: ListArgs; reply: ListPage };
  /**
   * For merging replicas that differ: rows only, tombstones too (head with the flag). With a delimiter, of each common
   * prefix the rows up to and including its first live one: what the merge needs to decide whether it is listed.
   */
  listAll: { args: ListArgs; reply: ListPage };
  totals: { args: { device: number; rowPrefix: Key }; reply: ContainerTotals };
}
