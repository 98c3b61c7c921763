/**
 * One page of a listing from one device: a walk over the table's rows that folds common prefixes and seeks past them.
 * Its cost depends on what it returns, never on how many names the table holds; a walk over many tombstones stops at a
 * bound and says where. Synchronous: the page and its totals are one moment's state.
 */
import { afterPrefix, type DeviceStore, type Key, type RegisterView } from '../object-server/contract.ts';
import type { ListArgs, ListEntry, ListPage } from './page.ts';
import { rowRange } from './range.ts';
import type { Totals } from './totals.ts';

export const listLimits = {
  /** Entries of a page; Swift's largest limit. */
  entriesMax: 10_000,
  /** Rows looked at, a seek counting as `seekCost`: about 50 ms. */
  examinedMax: 50_000,
  /** Rows sent of which most may be tombstones (listAll). */
  rowsMax: 20_000,
  /** Heads and names of a page: names may have 1,024 bytes and rows 64 KiB of extra fields. */
  bytesMax: 8 * 1024 * 1024,
  seekCost: 8,
} as const;

export type ListLimits = { readonly [name in keyof typeof listLimits]: number };

/** Steps tried inside a common prefix before a seek; a seek costs about as much as this many steps. */
const STEPS_MAX = 4;
/** Prefixes passed by seek at once, when steps were in vain, before a step is tried again. */
const BLIND_SEEKS = 16;

export interface ListMode {
  /** Rows as they are, tombstones too, unfolded but with the same seeks (`listAll`). */
  readonly tombstones: boolean;
  /** Smaller bounds, for tests. */
  readonly limits?: ListLimits;
}

export function listPage(store: DeviceStore, totals: Totals, args: ListArgs, mode: ListMode): ListPage {
  const walk = new Walk(args, mode);
  while (walk.unfinished) store.forEach(walk.nextRange(), walk.visit);
  const { entries, truncated, resume } = walk;
  return { entries, truncated, resume, totals: totals.read(args.rowPrefix, store) };
}

class Walk {
  readonly entries: ListEntry[] = [];
  truncated = false;
  resume: string | undefined;
  unfinished: boolean;
  readonly #args: ListArgs;
  readonly #rows: boolean;
  readonly #limits: ListLimits;
  readonly #limit: number;
  readonly #nameAt: number;
  readonly #foldAt: number;
  #start: Key;
  #end: Key;
  /** Entries that count towards the limit: live rows and common prefixes. */
  #counted = 0;
  #examined = 0;
  #bytes = 0;
  /** Common prefix (as a key) that is settled: the rest of its rows are passed over. '' = none. */
  #passing: Key = '';
  #stepped = 0;
  /** How many steps to try before a seek: halved when they were in vain, doubled when the prefix ended within them. */
  #steps = STEPS_MAX;
  #blindSeeks = 0;

  constructor(args: ListArgs, { tombstones, limits = listLimits }: ListMode) {
    this.#args = args;
    this.#rows = tombstones;
    this.#limits = limits;
    this.#limit = Math.min(args.limit, limits.entriesMax);
    this.#nameAt = args.rowPrefix.length;
    this.#foldAt = args.rowPrefix.length + args.prefix.length;
    ({ start: this.#start, end: this.#end } = rowRange(args));
    this.unfinished = this.#limit > 0 && this.#start < this.#end;
  }

  /** Called before every walk over the store; a walk that is not cut short by `visit` is the last one. */
  nextRange(): { start: Key; end: Key; reverse: boolean } {
    this.unfinished = false;
    return { start: this.#start, end: this.#end, reverse: this.#args.reverse };
  }

  readonly visit = (key: Key, view: RegisterView): boolean => {
    this.#examined++;
    if (this.#passing !== '') {
      if (key.startsWith(this.#passing)) return this.#passOver();
      this.#passing = '';
      this.#steps = Math.min(STEPS_MAX, this.#steps * 2);
    }
    if (view.tombstone) return this.#tombstone(key, view);
    if (this.#counted === this.#limit) return this.#stop();
    return this.#live(key, view);
  };

  #live(key: Key, view: RegisterView): boolean {
    this.#counted++;
    const { delimiter } = this.#args;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, this.#foldAt);
    if (cut < 0) return this.#push(key.slice(this.#nameAt), view.head);
    this.#passing = key.slice(0, cut + delimiter.length);
    this.#stepped = 0;
    const name = this.#rows ? key.slice(this.#nameAt) : this.#passing.slice(this.#nameAt);
    if (!this.#push(name, this.#rows ? view.head : null)) return false;
    return this.#steps > 0 ? true : this.#seek();
  }

  #tombstone(key: Key, view: RegisterView): boolean {
    if (this.#rows) return this.#push(key.slice(this.#nameAt), view.head);
    if (this.#examined < this.#limits.examinedMax) return true;
    this.resume = key.slice(this.#nameAt);
    return this.#stop();
  }

  #push(name: string, head: Buffer | null): boolean {
    this.entries.push({ name, head });
    this.resume = undefined;
    this.#bytes += name.length + (head?.length ?? 0);
    const { rowsMax, bytesMax, examinedMax } = this.#limits;
    const full = this.entries.length >= rowsMax || this.#bytes >= bytesMax || this.#examined >= examinedMax;
    return full ? this.#stop() : true;
  }

  /** One more row of a settled prefix. Stopping here needs no `resume`: the last entry tells where. */
  #passOver(): boolean {
    if (this.#examined >= this.#limits.examinedMax) return this.#stop();
    if (++this.#stepped < this.#steps) return true;
    this.#steps >>= 1;
    if (this.#steps === 0) this.#blindSeeks = BLIND_SEEKS;
    return this.#seek();
  }

  #seek(): boolean {
    if (this.#steps === 0 && this.#blindSeeks-- <= 0) this.#steps = 1;
    this.#examined += this.#limits.seekCost;
    if (this.#args.reverse) this.#end = this.#passing;
    else this.#start = afterPrefix(this.#passing);
    this.#passing = '';
    this.unfinished = this.#start < this.#end;
    return false;
  }

  #stop(): boolean {
    this.truncated = true;
    this.unfinished = false;
    return false;
  }
}
