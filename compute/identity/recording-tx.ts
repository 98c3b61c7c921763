/**
 * A read transaction that remembers what was read through it, so that an answer can name all it hangs on. Ranges are
 * remembered as their prefix, which must end where a key part ends: then a changed key names every range it lies in
 * (`touchedBy`). Never reads by itself.
 */

import type { ReadTx, Row, ScanRange, Table } from '../../control/contract.ts';
import { assert } from '../../fabric/assert.ts';

const SEPARATOR = '\0';

export class RecordingTx implements ReadTx {
  readonly reads = new Set<string>();
  readonly #tx: ReadTx;

  constructor(tx: ReadTx) {
    this.#tx = tx;
  }

  get revision(): number {
    return this.#tx.revision;
  }

  get<T>(table: Table<T>, key: string): Promise<T | undefined> {
    this.reads.add(`${table.name}${SEPARATOR}${key}`);
    return this.#tx.get(table, key);
  }

  getRow<T>(table: Table<T>, key: string): Promise<Row<T> | undefined> {
    this.reads.add(`${table.name}${SEPARATOR}${key}`);
    return this.#tx.getRow(table, key);
  }

  scan<T>(table: Table<T>, range: ScanRange = {}): Promise<Row<T>[]> {
    const { prefix = '', ...rest } = range;
    assert(Object.keys(rest).length === 0, 'only whole prefixes can be watched');
    assert(prefix === '' || prefix.endsWith(SEPARATOR), 'a prefix ends where a key part ends');
    this.reads.add(`${table.name}${SEPARATOR}${prefix}`);
    return this.#tx.scan(table, range);
  }
}

/** Every entry of `reads` that a change of this `table\0key` concerns. */
export function touchedBy(changed: string): string[] {
  const entries = [changed];
  for (let at = changed.indexOf(SEPARATOR); at >= 0; at = changed.indexOf(SEPARATOR, at + 1)) {
    entries.push(changed.slice(0, at + 1));
  }
  return entries;
}
