/**
 * The newest records of a device, not yet in the index: a map for lookups, and sorted runs built only when somebody asks for
 * a range, so that a plain write costs no ordering. Runs are merged when they grow alike, as in a log-structured tree.
 */
import { lowerBound } from '../fabric/search.ts';
import type { Stamp } from '../fabric/stamp.ts';
import type { Lsn, RegisterView } from './contract.ts';
import type { Key } from './key-format.ts';
import {
  headBallot,
  headBodyLength,
  headRefsLength,
  headStamp,
  isTombstone,
  isUnderOwnBallot,
} from './register-format.ts';
import { FRAME_HEADER_BYTES, frameBytes, lsnOffset, lsnSegment } from './segment-format.ts';

/** Reads the head of an entry that came from the index without it. Fault CorruptRegister. */
export type HeadLoader = (key: Key, entry: Entry) => Buffer;

export interface EntryFields {
  readonly lsn: Lsn;
  /** Segment in which this version was first written on this device. */
  readonly origin: number;
  readonly ballot: Stamp;
  readonly stamp: Stamp;
  readonly tombstone: boolean;
  readonly hasRefs: boolean;
  readonly headBytes: number;
  readonly bodyBytes: number;
}

/** A register and where its record lies. Most of what is asked of it is known without the head. */
export class Entry implements RegisterView, EntryFields {
  readonly lsn: Lsn;
  readonly origin: number;
  readonly ballot: Stamp;
  readonly stamp: Stamp;
  readonly tombstone: boolean;
  readonly hasRefs: boolean;
  readonly headBytes: number;
  readonly bodyBytes: number;
  #head: Buffer | undefined;
  readonly #key: Key;
  readonly #load: HeadLoader | undefined;

  private constructor(fields: EntryFields, head: Buffer | undefined, key: Key, load: HeadLoader | undefined) {
    this.lsn = fields.lsn;
    this.origin = fields.origin;
    this.ballot = fields.ballot;
    this.stamp = fields.stamp;
    this.tombstone = fields.tombstone;
    this.hasRefs = fields.hasRefs;
    this.headBytes = fields.headBytes;
    this.bodyBytes = fields.bodyBytes;
    this.#head = head;
    this.#key = key;
    this.#load = load;
  }

  /** `head` is kept. */
  static of(head: Buffer, lsn: Lsn, origin: number): Entry {
    const ballot = headBallot(head);
    const fields = {
      lsn,
      origin,
      ballot,
      stamp: isUnderOwnBallot(head) ? ballot : headStamp(head),
      tombstone: isTombstone(head),
      hasRefs: headRefsLength(head) > 0,
      headBytes: head.length,
      bodyBytes: headBodyLength(head),
    };
    return new Entry(fields, head, '', undefined);
  }

  /** Without its head, which `load` reads from the log when it is asked for. `key` is the index key. */
  static thin(fields: EntryFields, key: Key, load: HeadLoader): Entry {
    return new Entry(fields, undefined, key, load);
  }

  /** From the log if need be, on this thread; kept. Fault CorruptRegister. */
  get head(): Buffer {
    this.#head ??= (this.#load as HeadLoader)(this.#key, this);
    return this.#head;
  }

  /** The head, unless it would have to be read. */
  get loadedHead(): Buffer | undefined {
    return this.#head;
  }

  get segment(): number {
    return lsnSegment(this.lsn);
  }

  get headAt(): number {
    return lsnOffset(this.lsn) + FRAME_HEADER_BYTES;
  }

  get bodyAt(): number {
    return this.headAt + this.headBytes;
  }

  get recordBytes(): number {
    return frameBytes(this.headBytes, this.bodyBytes);
  }
}

const ARENA_BYTES = 256 * 1024;
const RUN_RATIO = 4;

export class Memtable {
  readonly map = new Map<Key, Entry | null>();
  #pending: Key[] = [];
  #runs: Key[][] = [];
  #arena: Buffer | undefined;
  #arenaAt = 0;

  get size(): number {
    return this.map.size;
  }

  get(key: Key): Entry | null | undefined {
    return this.map.get(key);
  }

  /** null: the key is gone, whatever the index says. */
  set(key: Key, entry: Entry | null): void {
    const before = this.map.size;
    this.map.set(key, entry);
    if (this.map.size !== before) this.#pending.push(key);
  }

  /** A private copy of a head: the caller's may be a view into a large receive buffer. */
  copy(head: Uint8Array): Buffer {
    if (head.length > ARENA_BYTES / 8) return Buffer.from(head);
    if (!this.#arena || this.#arenaAt + head.length > ARENA_BYTES) {
      this.#arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
      this.#arenaAt = 0;
    }
    const copy = this.#arena.subarray(this.#arenaAt, this.#arenaAt + head.length);
    copy.set(head);
    this.#arenaAt += head.length;
    return copy;
  }

  /** All keys in order: for the checkpoint. */
  sortedKeys(): Key[] {
    return [...this.map.keys()].sort(compareKeys);
  }

  /** A cursor over [start, end), upwards or downwards. The table must not change while it is used. */
  cursor(start: Key, end: Key, reverse: boolean): MemtableCursor {
    this.#order();
    return new MemtableCursor(this.#runs, { start, end, reverse });
  }

  #order(): void {
    if (this.#pending.length === 0) return;
    let run = this.#pending.sort(compareKeys);
    this.#pending = [];
    for (let last = this.#runs.at(-1); last && last.length < run.length * RUN_RATIO; last = this.#runs.at(-1)) {
      this.#runs.pop();
      run = mergeRuns(last, run);
    }
    this.#runs.push(run);
  }
}

/** Keys of several disjoint sorted runs in one order. */
export class MemtableCursor {
  readonly #runs: readonly (readonly Key[])[];
  readonly #at: number[] = [];
  readonly #stop: number[] = [];
  readonly #step: 1 | -1;
  #best = -1;
  /** Key under the cursor; undefined at the end. */
  key: Key | undefined;

  constructor(runs: readonly (readonly Key[])[], range: { start: Key; end: Key; reverse: boolean }) {
    this.#runs = runs;
    this.#step = range.reverse ? -1 : 1;
    for (const run of runs) {
      const low = lowerBound(run, range.start);
      const high = lowerBound(run, range.end);
      this.#at.push(range.reverse ? high - 1 : low);
      this.#stop.push(range.reverse ? low - 1 : high);
    }
    this.#settle();
  }

  next(): void {
    this.#at[this.#best] = (this.#at[this.#best] as number) + this.#step;
    this.#settle();
  }

  #settle(): void {
    this.#best = -1;
    this.key = undefined;
    for (let i = 0; i < this.#runs.length; i++) {
      const at = this.#at[i] as number;
      if (this.#step > 0 ? at >= (this.#stop[i] as number) : at <= (this.#stop[i] as number)) continue;
      const key = (this.#runs[i] as readonly Key[])[at] as Key;
      if (this.key === undefined || (this.#step > 0 ? key < this.key : key > this.key)) {
        this.key = key;
        this.#best = i;
      }
    }
  }
}

function mergeRuns(a: readonly Key[], b: readonly Key[]): Key[] {
  const merged: Key[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) merged.push(((a[i] as Key) < (b[j] as Key) ? a[i++] : b[j++]) as Key);
  while (i < a.length) merged.push(a[i++] as Key);
  while (j < b.length) merged.push(b[j++] as Key);
  return merged;
}

export const compareKeys = (a: Key, b: Key): number => (a < b ? -1 : a > b ? 1 : 0);
