/**
 * The change feed: an entry a commit with the keys it wrote, kept in the map beside the rows. It answers two questions: what
 * changed after a revision (watchers), and did anything that this transaction read change since (serialisability). The newest
 * entries stay in memory. Never decides what to do about a conflict.
 */
import type { KvKey, KvPut } from '../../fabric/kv.ts';
import { draftRecord, openRecord, RECORD_KIND, type StoreState, sealRecord } from './record-format.ts';
import { feedKey } from './row-key.ts';
import type { Transaction } from './transaction.ts';
import type { View } from './view.ts';

/** Commits that watchers may lag behind. */
export const FEED_COMMITS_KEPT = 100_000;
/** Commits whose keys stay in memory; a transaction older than these runs again. */
const RECENT_COMMITS_MAX = 8192;
/** Old entries removed with one commit of several transactions, at most this many and as many as it adds. */
const TRIM_COMMITS = 64;

export interface FeedEntry {
  readonly revision: number;
  readonly keys: readonly KvKey[];
}

export function feedPut(revision: number, writes: ReadonlyMap<KvKey, Buffer | null>): KvPut {
  const key = feedKey(revision);
  const payload = [...writes].flatMap(([at, record]) => [at, record === null]);
  return [key, sealRecord(draftRecord(RECORD_KIND.feed, payload), key, revision)];
}

/** Puts that forget what the feed need not keep, and where it begins then. */
export function trimFeed(state: StoreState, revision: number, kept: number): { puts: KvPut[]; feedFrom: number } {
  const count = Math.min(revision - kept + 1 - state.feedFrom, TRIM_COMMITS + revision - state.revision);
  const puts: KvPut[] = [];
  for (let i = 0; i < count; i++) puts.push([feedKey(state.feedFrom + i), null]);
  return { puts, feedFrom: state.feedFrom + puts.length };
}

/** Entries after `after`, in order; `visit` returns false to stop. */
export function forEachEntry(
  view: View,
  after: number,
  visit: (revision: number, payload: readonly (string | boolean)[]) => boolean | void,
): void {
  const range = { start: feedKey(after + 1), end: 'g' };
  view.forEach(range, (key, record) => {
    const payload = openRecord(record, key, RECORD_KIND.feed) as (string | boolean)[];
    return visit(Number(Buffer.from(key.slice(1), 'latin1').readBigUInt64BE()), payload);
  });
}

/** The newest entries, contiguous up to `#upTo`. */
export class RecentChanges {
  #entries: FeedEntry[] = [];
  #upTo = 0;

  /** Learns what `view`, whose revision is `revision`, has that was committed elsewhere. */
  catchUp(view: View, revision: number): void {
    if (revision - this.#upTo > RECENT_COMMITS_MAX) {
      this.#entries = [];
      this.#upTo = revision;
    }
    if (revision === this.#upTo) return;
    forEachEntry(view, this.#upTo, (at, payload) => {
      this.add({ revision: at, keys: payload.filter((one): one is string => typeof one === 'string') });
    });
  }

  add(entry: FeedEntry): void {
    this.#entries.push(entry);
    this.#upTo = entry.revision;
    if (this.#entries.length >= 2 * RECENT_COMMITS_MAX) this.#entries = this.#entries.slice(-RECENT_COMMITS_MAX);
  }

  /** Whether anything that `transaction` read has changed since its revision, or that is no longer known. */
  conflicts(transaction: Transaction): boolean {
    if (transaction.revision >= this.#upTo) return false;
    const oldest = this.#upTo - this.#entries.length;
    if (transaction.revision < oldest) return true;
    for (let i = transaction.revision - oldest; i < this.#entries.length; i++) {
      if (touches(transaction, (this.#entries[i] as FeedEntry).keys)) return true;
    }
    return false;
  }
}

export function touches({ keysRead, rangesRead }: Transaction, keys: Iterable<KvKey>): boolean {
  for (const key of keys) {
    if (keysRead.has(key)) return true;
    for (const { start, end } of rangesRead) if (key >= start && key < end) return true;
  }
  return false;
}
