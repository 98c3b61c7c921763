/**
 * The device's one keyspace as it is now: the table being written, the table being checkpointed, and LMDB below them. It
 * answers lookups and ranges; what may be put in is decided elsewhere (registers.ts), when it is flushed too
 * (checkpointer.ts).
 */
import { assert } from '../fabric/assert.ts';
import type { Kv, KvPut } from '../fabric/kv.ts';
import { decodeIndexValue, encodeIndexValue, indexValueBytes } from './index-format.ts';
import type { Key } from './key-format.ts';
import { type Entry, type HeadLoader, Memtable, type MemtableCursor } from './memtable.ts';

const VALUE_ARENA_BYTES = 1024 * 1024;

export interface IndexRange {
  readonly start: Key;
  readonly end: Key;
  readonly reverse?: boolean | undefined;
}

export interface IndexOptions {
  readonly kv: Kv;
  readonly viewCacheEntries: number;
  /** Reads a head that the index leaves in the log. */
  readonly loadHead: HeadLoader;
  /** An index entry that does not check. */
  readonly onCorrupt: (key: Key) => void;
}

export class Index {
  readonly #kv: Kv;
  readonly #options: IndexOptions;
  #active = new Memtable();
  #flushing: Memtable | undefined;
  /** Entries read from the kv. Never holds a key that is in a table. */
  readonly #cache = new Map<Key, Entry>();
  /** Keys whose index entry does not check: neither there nor absent, until they are written again. */
  readonly #corrupt = new Set<Key>();

  constructor(options: IndexOptions) {
    this.#options = options;
    this.#kv = options.kv;
  }

  /** Records not yet in the kv. */
  get pendingRecords(): number {
    return this.#active.size + (this.#flushing?.size ?? 0);
  }

  get activeRecords(): number {
    return this.#active.size;
  }

  copyHead(head: Uint8Array): Buffer {
    return this.#active.copy(head);
  }

  get(key: Key): Entry | undefined {
    let entry = this.#active.get(key);
    if (entry === undefined && this.#flushing) entry = this.#flushing.get(key);
    if (entry !== undefined) return entry ?? undefined;
    return this.#cache.get(key) ?? this.#load(key);
  }

  #load(key: Key): Entry | undefined {
    const value = this.#kv.get(key);
    if (!value) return undefined;
    const entry = this.#decode(key, value);
    if (!entry) return undefined;
    if (this.#cache.size >= this.#options.viewCacheEntries) this.#trimCache();
    this.#cache.set(key, entry);
    return entry;
  }

  /** Drops the older half: maps iterate in insertion order. */
  #trimCache(): void {
    let excess = this.#cache.size >> 1;
    for (const key of this.#cache.keys()) {
      if (excess-- <= 0) break;
      this.#cache.delete(key);
    }
  }

  #decode(key: Key, value: Buffer): Entry | undefined {
    try {
      return decodeIndexValue(key, value, this.#options.loadHead);
    } catch {
      if (!this.#corrupt.has(key)) this.#options.onCorrupt(key);
      this.#corrupt.add(key);
      return undefined;
    }
  }

  isCorrupt(key: Key): boolean {
    return this.#corrupt.size > 0 && this.#corrupt.has(key);
  }

  put(key: Key, entry: Entry): void {
    if (this.#corrupt.size > 0) this.#corrupt.delete(key);
    if (this.#cache.size > 0) this.#cache.delete(key);
    this.#active.set(key, entry);
  }

  /** Forgets the key altogether, at the next checkpoint also in the kv. */
  drop(key: Key): void {
    this.#cache.delete(key);
    this.#active.set(key, null);
  }

  forEach(range: IndexRange, visit: (key: Key, entry: Entry) => boolean | void): void {
    const reverse = range.reverse ?? false;
    const cursors = [this.#active.cursor(range.start, range.end, reverse)];
    if (this.#flushing) cursors.push(this.#flushing.cursor(range.start, range.end, reverse));
    const merge = new Merge(cursors, [this.#active, this.#flushing], reverse);
    let stopped = false;
    this.#kv.forEach({ start: range.start, end: range.end, reverse }, (key, value) => {
      if (!merge.before(key, visit)) stopped = true;
      else if (!merge.skip(key)) {
        const entry = this.#decode(key, value);
        if (entry && visit(key, entry) === false) stopped = true;
      }
      return !stopped;
    });
    if (!stopped) merge.before(undefined, visit);
  }

  get flushing(): boolean {
    return this.#flushing !== undefined;
  }

  /** Sets the active table aside; its contents follow as puts in key order, made in slices so that nothing stalls. */
  freeze(): FrozenTable {
    assert(!this.#flushing, 'a checkpoint is under way');
    const table = this.#active;
    this.#flushing = table;
    this.#active = new Memtable();
    return new FrozenTable(table);
  }

  /** The frozen table is in the kv now. */
  flushed(): void {
    this.#flushing = undefined;
  }
}

/** A table that no longer changes, on its way into the kv. */
export class FrozenTable {
  readonly #table: Memtable;
  readonly #keys: readonly Key[];
  #next = 0;
  #arena = Buffer.alloc(0);
  #at = 0;
  readonly puts: KvPut[] = [];

  constructor(table: Memtable) {
    this.#table = table;
    this.#keys = table.sortedKeys();
  }

  /** Makes the next `count` puts; false when there is none left to make. */
  encode(count: number): boolean {
    const end = Math.min(this.#keys.length, this.#next + count);
    for (; this.#next < end; this.#next++) {
      const key = this.#keys[this.#next] as Key;
      const entry = this.#table.get(key);
      this.puts.push([key, entry ? this.#value(key, entry) : null]);
    }
    return end < this.#keys.length;
  }

  #value(key: Key, entry: Entry): Buffer {
    const bytes = indexValueBytes(key, entry);
    if (this.#at + bytes > this.#arena.length) {
      this.#arena = Buffer.allocUnsafeSlow(Math.max(VALUE_ARENA_BYTES, bytes));
      this.#at = 0;
    }
    const from = this.#at;
    this.#at = encodeIndexValue(key, entry, this.#arena, from);
    return this.#arena.subarray(from, this.#at);
  }
}

/** Walks the tables beside the kv; the first table wins where both hold a key. */
class Merge {
  readonly #cursors: readonly MemtableCursor[];
  readonly #tables: readonly (Memtable | undefined)[];
  readonly #reverse: boolean;

  constructor(cursors: readonly MemtableCursor[], tables: readonly (Memtable | undefined)[], reverse: boolean) {
    this.#cursors = cursors;
    this.#tables = tables;
    this.#reverse = reverse;
  }

  /** Visits what comes before `limit` (all that is left without one); false when the visitor stopped. */
  before(limit: Key | undefined, visit: (key: Key, entry: Entry) => boolean | void): boolean {
    for (let key = this.#least(); key !== undefined; key = this.#least()) {
      if (limit !== undefined && (this.#reverse ? key <= limit : key >= limit)) break;
      const entry = this.#take(key);
      if (entry && visit(key, entry) === false) return false;
    }
    return true;
  }

  /** Whether a table holds `key`, newer than the kv; if so it is visited by the next `before`. */
  skip(key: Key): boolean {
    return this.#cursors.some((cursor) => cursor.key === key);
  }

  #least(): Key | undefined {
    let least: Key | undefined;
    for (const { key } of this.#cursors) {
      if (key !== undefined && (least === undefined || (this.#reverse ? key > least : key < least))) least = key;
    }
    return least;
  }

  #take(key: Key): Entry | null {
    let entry: Entry | null | undefined;
    for (let i = 0; i < this.#cursors.length; i++) {
      const cursor = this.#cursors[i] as MemtableCursor;
      if (cursor.key !== key) continue;
      if (entry === undefined) entry = this.#tables[i]?.get(key);
      cursor.next();
    }
    return entry ?? null;
  }
}
