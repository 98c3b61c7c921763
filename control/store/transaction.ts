/**
 * What a body of `read` or `write` holds: reads of one view, writes kept beside it, and a note of everything that was read,
 * which decides at the commit whether others came between. Never writes to the store itself.
 */
import { assert } from '../../fabric/assert.ts';
import { Fault } from '../../fabric/errors.ts';
import type { KvKey, KvRange } from '../../fabric/kv.ts';
import { type Row, type ScanRange, STORE_ROW_BYTES_MAX, storeFaults, type Table, type WriteTx } from '../contract.ts';
import { draftRecord, openRecord, RECORD_KIND, recordPayload, recordRevision } from './record-format.ts';
import { parseRowKey, rowKey, rowRange } from './row-key.ts';
import { readState } from './state.ts';
import { OverlayView, type View } from './view.ts';

export class Transaction implements WriteTx {
  /** Keys that were looked up, and stretches of keys that were walked: [start, end). */
  readonly keysRead = new Set<KvKey>();
  readonly rangesRead: { readonly start: KvKey; readonly end: KvKey }[] = [];
  readonly #view: OverlayView;
  readonly #under: View;
  #revision: number | undefined;
  #open = true;

  /** Without `revision` it is looked up in `view` when asked for, which must be before that closes. */
  constructor(view: View, revision?: number) {
    this.#view = new OverlayView(view);
    this.#under = view;
    this.#revision = revision;
  }

  get revision(): number {
    this.#revision ??= readState(this.#under).revision;
    return this.#revision;
  }

  /** Records are drafts. */
  get writes(): ReadonlyMap<KvKey, Buffer | null> {
    return this.#view.writes;
  }

  close(): void {
    this.#open = false;
  }

  async get<T>(table: Table<T>, key: string): Promise<T | undefined> {
    return (await this.getRow(table, key))?.value;
  }

  async getRow<T>(table: Table<T>, key: string): Promise<Row<T> | undefined> {
    this.#checkOpen();
    const at = rowKey(table.name, key);
    if (!this.writes.has(at)) this.keysRead.add(at);
    const record = this.#view.get(at);
    return record && { key, ...this.#open1<T>(at, record) };
  }

  async scan<T>(table: Table<T>, range: ScanRange = {}): Promise<Row<T>[]> {
    this.#checkOpen();
    const { limit = Infinity, reverse = false } = range;
    const bounds = rowRange(table.name, range);
    const rows: Row<T>[] = [];
    if (bounds.start >= bounds.end || limit <= 0) return rows;
    let last: KvKey | undefined;
    this.#view.forEach({ ...bounds, reverse }, (at, record) => {
      rows.push({ key: parseRowKey(at).key, ...this.#open1<T>(at, record) });
      last = at;
      return rows.length < limit;
    });
    this.rangesRead.push(rows.length < limit || last === undefined ? bounds : walked(bounds, last, reverse));
    return rows;
  }

  put<T>(table: Table<T>, key: string, value: T): void {
    this.#checkOpen();
    assert(value !== undefined && value !== null, 'a row is a value');
    const record = draftRecord(RECORD_KIND.row, value);
    if (record.length > STORE_ROW_BYTES_MAX)
      throw new Fault(storeFaults.tooLarge, { table: table.name }, 'row too large');
    this.#view.writes.set(rowKey(table.name, key), record);
  }

  delete<T>(table: Table<T>, key: string): void {
    this.#checkOpen();
    this.#view.writes.set(rowKey(table.name, key), null);
  }

  #open1<T>(at: KvKey, record: Buffer): { value: T; revision: number } {
    const revision = recordRevision(record);
    const value = revision === 0 ? recordPayload(record) : openRecord(record, at, RECORD_KIND.row);
    return { value: value as T, revision };
  }

  #checkOpen(): void {
    assert(this.#open, 'a transaction is used after its body has ended');
  }
}

/** The part of `bounds` that was looked at when the walk stopped at `last`. */
function walked(bounds: KvRange, last: KvKey, reverse: boolean): { start: KvKey; end: KvKey } {
  return reverse ? { start: last, end: bounds.end } : { start: bounds.start, end: `${last}\0` };
}
