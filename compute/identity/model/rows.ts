/** Small helpers of the model over rows: reading what must be there, indexes of names. Decides nothing about rights. */
import { joinKey, type ReadTx, type Table, type WriteTx } from '../../../control/contract.ts';
import { conflict, duplicate, notFound } from '../refusals.ts';

/** What a write needs besides its transaction. Ids are drawn anew when a body runs again. */
export interface Moment {
  readonly nowMs: number;
  newId(): string;
}

export async function must<T>(tx: ReadTx, table: Table<T>, { kind, id }: { kind: string; id: string }): Promise<T> {
  const row = id === '' ? undefined : await tx.get(table, id);
  if (row === undefined) throw notFound(kind, id);
  return row;
}

export interface NameIndex {
  readonly table: Table<string>;
  readonly kind: string;
  /** Domain or user the name is unique in. */
  readonly within: string;
  /** What a second one is told, if not the usual. */
  readonly refusal?: string;
}

/** Fault Conflict when another row has the name. `before` is the row's own name until now. */
export async function claimName(
  tx: WriteTx,
  { table, kind, within, refusal }: NameIndex,
  row: { readonly id: string; readonly name: string },
  before?: string,
): Promise<void> {
  if (before === row.name) return;
  const key = joinKey(within, row.name);
  const holder = await tx.get(table, key);
  if (holder !== undefined && holder !== row.id) {
    throw refusal === undefined ? duplicate(kind, row.name, within) : conflict(kind, refusal);
  }
  if (before !== undefined) tx.delete(table, joinKey(within, before));
  tx.put(table, key, row.id);
}

/** Last parts of the keys below `prefix` parts. */
export async function members(tx: ReadTx, table: Table<unknown>, ...prefix: readonly string[]): Promise<string[]> {
  const start = joinKey(...prefix, '');
  const rows = await tx.scan(table, { prefix: start });
  return rows.map(({ key }) => key.slice(start.length));
}

/** Takes away every row of `table` below `prefix`. */
export async function clear(tx: WriteTx, table: Table<unknown>, ...prefix: readonly string[]): Promise<void> {
  for (const { key } of await tx.scan(table, { prefix: joinKey(...prefix, '') })) tx.delete(table, key);
}

export function seconds(nowMs: number): number {
  return Math.floor(nowMs / 1000);
}
