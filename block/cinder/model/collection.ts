/** Rows by id with indexes by what else they are asked for by. Keeps an index and its rows in step, within one transaction. */
import { defineTable, joinKey, type ReadTx, splitKey, type Table, type WriteTx } from '../../../control/contract.ts';

interface Identified {
  readonly id: string;
}

type Indexes<T, Names extends string> = Readonly<Record<Names, (row: T) => string | undefined>>;

/** The kinds of index a row of Cinder may have. */
export type IndexName =
  | 'project'
  | 'volume'
  | 'host'
  | 'type'
  | 'name'
  | 'qos'
  | 'snapshot'
  | 'backup'
  | 'task'
  | 'group';

export class Collection<T extends Identified> {
  readonly table: Table<T>;
  readonly #indexes: ReadonlyMap<string, { readonly table: Table<true>; of(row: T): string | undefined }>;

  constructor(name: string, indexes: Partial<Indexes<T, IndexName>>) {
    this.table = defineTable(name);
    this.#indexes = new Map(
      Object.entries(indexes).map(([by, of]) => [by, { table: defineTable<true>(`${name}_by_${by}`), of }]),
    );
  }

  get(tx: ReadTx, id: string): Promise<T | undefined> {
    return tx.get(this.table, id);
  }

  async put(tx: WriteTx, row: T): Promise<T> {
    const before = await this.get(tx, row.id);
    for (const { table, of } of this.#indexes.values()) {
      const [was, is] = [before && of(before), of(row)];
      if (was !== undefined && was !== is) tx.delete(table, joinKey(was, row.id));
      if (is !== undefined && was !== is) tx.put(table, joinKey(is, row.id), true);
    }
    tx.put(this.table, row.id, row);
    return row;
  }

  /** Nothing happens when it is not there. */
  async remove(tx: WriteTx, id: string): Promise<void> {
    const before = await this.get(tx, id);
    if (before === undefined) return;
    for (const { table, of } of this.#indexes.values()) {
      const was = of(before);
      if (was !== undefined) tx.delete(table, joinKey(was, id));
    }
    tx.delete(this.table, id);
  }

  async all(tx: ReadTx): Promise<T[]> {
    return (await tx.scan(this.table)).map(({ value }) => value);
  }

  /** Rows whose index has this value, in order of their ids. */
  async by(tx: ReadTx, index: IndexName, value: string): Promise<T[]> {
    const found = this.#indexes.get(index);
    if (found === undefined) throw new Error(`${this.table.name} has no index by ${index}`);
    const keys = await tx.scan(found.table, { prefix: joinKey(value, '') });
    const rows = await Promise.all(keys.map(({ key }) => this.get(tx, splitKey(key)[1] as string)));
    return rows.filter((row): row is Awaited<T> & T => row !== undefined);
  }
}
