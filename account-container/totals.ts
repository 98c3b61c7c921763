/**
 * Totals and digests of every table on a device, exactly in step with its applied registers. The device calls it
 * synchronously for each accepted change and stores its checkpoint in the checkpoint's own transaction, so a replay from
 * there counts nothing twice. Clean totals are a bounded cache; changed ones stay until a checkpoint is known to hold them.
 */
import {
  afterPrefix,
  type DeviceStore,
  type Key,
  KIND,
  type Projection,
  type RegisterView,
} from '../object-server/contract.ts';
import type { ContainerTotals } from './page.ts';
import { prefixLength } from './prefix.ts';
import { Tally } from './tally.ts';
import { decodeTotals, encodeTotals, totalsKey } from './totals-format.ts';

/** Clean tables kept in memory, a few hundred bytes each. */
export const CLEAN_TABLES_MAX = 10_000;

/** Damaged rows remembered, so that each makes its table be counted once. */
const LOST_ROWS_MAX = 10_000;

/** Stored where totals are not to be trusted: decodes to nothing, so that they are counted again after a restart too. */
const DOUBTED = Buffer.alloc(1);

interface Entry {
  readonly prefix: Key;
  /** null: not to be trusted; counted again from the rows when they are next read. */
  tally: Tally | null;
  /** Changed since the last checkpoint. */
  dirty: boolean;
}

export class Totals implements Projection {
  readonly kinds = [KIND.row, KIND.accountRow];
  readonly #cleanMax: number;
  #get: (key: Key) => Buffer | undefined = () => undefined;
  /** Changed, or handed to a checkpoint that may not be committed yet: must not be read back from the store. */
  #pinned = new Map<Key, Entry>();
  /** Least recently used first. */
  readonly #clean = new Map<Key, Entry>();
  #last: Entry | undefined;
  readonly #lost = new Set<Key>();

  constructor(cleanMax: number = CLEAN_TABLES_MAX) {
    this.#cleanMax = cleanMax;
  }

  open(get: (key: Key) => Buffer | undefined): void {
    this.#get = get;
    this.#pinned.clear();
    this.#clean.clear();
    this.#lost.clear();
    this.#last = undefined;
  }

  applied(key: Key, previous: RegisterView | undefined, next: RegisterView): void {
    const length = prefixLength(key);
    if (length === 0) return;
    if (this.#lost.size > 0) this.#lost.delete(key);
    const entry = this.#entryOf(key.slice(0, length));
    if (!entry.dirty) this.#markDirty(entry);
    const { tally } = entry;
    if (!tally) return;
    if (previous && !previous.tombstone) tally.count(key, previous.head, length, -1);
    if (!next.tombstone) tally.count(key, next.head, length, 1);
    tally.saw(next.head);
  }

  /** A register vanished without a successor (it was damaged and set aside): its table is counted again when next read. */
  lost(key: Key): void {
    const length = prefixLength(key);
    // A damaged row is met again by every walk until it is repaired; counting once is enough.
    if (length === 0 || this.#lost.has(key)) return;
    if (this.#lost.size < LOST_ROWS_MAX) this.#lost.add(key);
    const entry = this.#entryOf(key.slice(0, length));
    entry.tally = null;
    this.#markDirty(entry);
  }

  /** Only one checkpoint may be under way: a call says that what the call before returned is committed. */
  checkpoint(): readonly (readonly [Key, Uint8Array | null])[] {
    const puts: [Key, Uint8Array | null][] = [];
    const pinned = new Map<Key, Entry>();
    for (const entry of this.#pinned.values()) {
      if (!entry.dirty) {
        this.#keepClean(entry);
        continue;
      }
      entry.dirty = false;
      pinned.set(entry.prefix, entry);
      const { tally } = entry;
      const value = tally ? (tally.empty ? null : encodeTotals(tally)) : DOUBTED;
      puts.push([totalsKey(entry.prefix), value]);
    }
    this.#pinned = pinned;
    return puts;
  }

  /** Totals of a table as applied now. `store` is where its rows are, in case they have to be counted again. */
  read(prefix: Key, store: DeviceStore): ContainerTotals {
    const entry = this.#entryOf(prefix);
    if (!entry.tally) {
      entry.tally = countRows(store, prefix);
      this.#markDirty(entry);
    }
    return entry.tally.snapshot();
  }

  /** Tables in memory, for metrics. */
  get tableCount(): number {
    return this.#pinned.size + this.#clean.size;
  }

  #entryOf(prefix: Key): Entry {
    if (this.#last?.prefix === prefix) return this.#last;
    let entry = this.#pinned.get(prefix);
    if (!entry) {
      entry = this.#clean.get(prefix) ?? this.#load(prefix);
      this.#keepClean(entry);
    }
    this.#last = entry;
    return entry;
  }

  #load(prefix: Key): Entry {
    const stored = this.#get(totalsKey(prefix));
    return { prefix, tally: stored ? (decodeTotals(stored) ?? null) : new Tally(), dirty: false };
  }

  #markDirty(entry: Entry): void {
    entry.dirty = true;
    this.#clean.delete(entry.prefix);
    this.#pinned.set(entry.prefix, entry);
  }

  #keepClean(entry: Entry): void {
    this.#clean.delete(entry.prefix);
    this.#clean.set(entry.prefix, entry);
    if (this.#clean.size <= this.#cleanMax) return;
    for (const oldest of this.#clean.keys()) {
      this.#clean.delete(oldest);
      if (this.#last?.prefix === oldest) this.#last = undefined;
      break;
    }
  }
}

/** Counts a table from its rows, about a microsecond each: after damage, and for checks. */
export function countRows(store: DeviceStore, prefix: Key): Tally {
  const tally = new Tally();
  store.forEach({ start: prefix, end: afterPrefix(prefix) }, (key, view) => {
    if (!view.tombstone) tally.count(key, view.head, prefix.length, 1);
    tally.saw(view.head);
  });
  return tally;
}
