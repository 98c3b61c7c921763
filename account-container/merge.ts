/**
 * One listing out of replicas that differ: the newest ballot of every name wins, tombstones win over older rows, and a
 * common prefix is listed only when a row under it is live after that. Pure: it says which pages it needs (`wants`), is
 * given them (`give`), and never guesses about rows that a replica has not been asked for.
 *
 * A replica's `listAll` sends, of each common prefix, its rows up to its first live one, then seeks past the rest. When
 * that one row turns out to be deleted elsewhere, the rest is a gap in what is known of the replica: the merge asks for
 * it, unfolded and in pages, and goes on. What it finds one replica to lack is returned as `repairs`, to be stored there
 * before the listing is answered: otherwise the next listing, from other replicas, could take it back.
 */
import { assert } from '../fabric/assert.ts';
import { NO_STAMP, type Stamp } from '../fabric/stamp.ts';
import { headBallot, isTombstone } from '../object-server/contract.ts';
import { type ContainerTotals, type ListArgs, type ListEntry, type ListPage, newestTotals } from './page.ts';
import { commonPrefix } from './range.ts';

/** Asked for beyond the limit, so that a few rows that lose cost no second round. */
const SLACK_ENTRIES = 16;
/** Rows of one gap asked for at once. */
const GAP_ROWS = 1000;
/** Rounds of one merge; after so many the page ends where it is. Each settles at least one name, most a thousand. */
export const MERGE_ROUNDS_MAX = 100;
const BALLOT_AT = 16;

export interface MergeAsk {
  /** Index of the replica. */
  readonly replica: number;
  /** For its `listAll`; `device` is the first replica's and is to be replaced. */
  readonly args: ListArgs;
}

export interface Repair {
  /** Index of the replica that lacks it. */
  readonly replica: number;
  readonly head: Buffer;
}

export interface MergedPage extends ListPage {
  readonly repairs: readonly Repair[];
}

export interface MergeOptions {
  /**
   * Tombstones with a ballot below this that are wholly absent elsewhere were reclaimed there, not missed: no repair.
   * Default: repair all.
   */
  readonly reclaimedBelow?: Stamp | undefined;
  /** Smaller pages, for tests. */
  readonly slackEntries?: number;
  readonly gapRows?: number;
}

interface Gap {
  readonly prefix: string;
  /** Everything in the prefix up to here is known. */
  readonly from: string;
}

/** What is known of one replica: rows in order, `filled` ones before `gap` before `rows`. */
interface Known {
  filled: readonly ListEntry[];
  filledAt: number;
  gap: Gap | undefined;
  rows: readonly ListEntry[];
  rowsAt: number;
  /** The next page, undefined when `rows` are the last. */
  next: { marker: string; resume: string | undefined } | undefined;
  totals: ContainerTotals | undefined;
}

export class ListMerge {
  readonly #args: ListArgs;
  readonly #options: { readonly reclaimedBelow: Stamp; readonly slackEntries: number; readonly gapRows: number };
  readonly #known: Known[];
  readonly #entries: ListEntry[] = [];
  readonly #repairs: Repair[] = [];
  #decided = false;
  #truncated = false;
  /** The last name settled, and whether it made (or is under) the last entry. */
  #position: string | undefined;
  #endsInEntry = false;
  #resume: string | undefined;

  constructor(args: ListArgs, replicas: number, options: MergeOptions = {}) {
    this.#args = args;
    this.#options = {
      reclaimedBelow: options.reclaimedBelow ?? NO_STAMP,
      slackEntries: options.slackEntries ?? SLACK_ENTRIES,
      gapRows: options.gapRows ?? GAP_ROWS,
    };
    const first = { marker: args.marker, resume: args.resume };
    this.#known = Array.from({ length: replicas }, () => ({
      filled: [],
      filledAt: 0,
      gap: undefined,
      rows: [],
      rowsAt: 0,
      next: first,
      totals: undefined,
    }));
  }

  /** Pages that are missing before the listing can go on; empty when it is decided. May be fetched in parallel. */
  wants(): readonly MergeAsk[] {
    if (this.#decided) return [];
    const asks: MergeAsk[] = [];
    this.#known.forEach((known, replica) => {
      const args = this.#missing(known);
      if (args) asks.push({ replica, args });
    });
    return asks;
  }

  /** The answer to one of `wants`. */
  give(replica: number, page: ListPage): void {
    const known = this.#known[replica] as Known;
    const end = page.resume ?? page.entries.at(-1)?.name;
    assert(!page.truncated || end !== undefined, 'a truncated page must say where it ended');
    known.totals ??= page.totals;
    if (known.gap && known.filledAt >= known.filled.length) this.#giveGap(known, page, end);
    else {
      known.rows = page.entries;
      known.rowsAt = 0;
      known.next = page.truncated ? { marker: this.#args.marker, resume: end } : undefined;
      while (this.#isSettled(known.rows[known.rowsAt])) known.rowsAt++;
    }
    this.#settle();
  }

  /** The merged page; only when `wants` is empty. */
  page(): MergedPage {
    assert(this.#decided, 'the merge still wants pages');
    const all = this.#known.map((known) => known.totals).filter((totals) => totals !== undefined);
    const totals = newestTotals(all);
    assert(totals !== undefined, 'a merge of nothing');
    return { entries: this.#entries, truncated: this.#truncated, resume: this.#resume, totals, repairs: this.#repairs };
  }

  /** Ends here with what is decided: a truncated page that says where to go on. At least one page must have been given. */
  stop(): MergedPage {
    if (!this.#decided) {
      this.#decided = true;
      this.#truncated = true;
      if (!this.#endsInEntry) this.#resume = this.#position ?? this.#args.resume;
    }
    return this.page();
  }

  /** What to ask this replica next, undefined when its next row (or that there is none) is known. */
  #missing(known: Known): ListArgs | undefined {
    if (known.filledAt < known.filled.length) return undefined;
    if (known.gap) {
      const { prefix, from } = known.gap;
      return { ...this.#args, prefix, delimiter: '', resume: from, limit: this.#options.gapRows };
    }
    if (known.rowsAt < known.rows.length || !known.next) return undefined;
    return {
      ...this.#args,
      ...known.next,
      limit: this.#args.limit - this.#entries.length + this.#options.slackEntries,
    };
  }

  #giveGap(known: Known, page: ListPage, end: string | undefined): void {
    const { prefix } = known.gap as Gap;
    known.filled = page.entries;
    known.filledAt = 0;
    known.gap = page.truncated ? { prefix, from: end as string } : undefined;
    // All of the prefix is known now, so the page after must not start inside of it.
    if (!known.gap) passPrefix(known, prefix);
  }

  #settle(): void {
    if (this.#args.limit === 0) this.#decided = true;
    while (!this.#decided) {
      let name: string | undefined;
      for (const known of this.#known) {
        const next = peek(known);
        if (next === undefined && this.#missing(known)) return;
        if (next !== undefined && (name === undefined || this.#before(next.name, name))) name = next.name;
      }
      if (name === undefined) this.#decided = true;
      else this.#settleName(name);
    }
  }

  /** Takes `name` from every replica that holds it; every other one is known not to. */
  #settleName(name: string): void {
    const newest = this.#newestOf(name);
    const dead = isTombstone(newest);
    if (!dead && this.#entries.length >= this.#args.limit) {
      this.#truncated = true;
      this.#decided = true;
      return;
    }
    this.#position = name;
    this.#endsInEntry = !dead;
    const folded = commonPrefix(name, this.#args);
    this.#takeName(name, newest, folded);
    if (dead) return;
    this.#entries.push(folded === undefined ? { name, head: newest } : { name: folded, head: null });
    if (folded !== undefined) for (const known of this.#known) dropPrefix(known, folded);
  }

  #newestOf(name: string): Buffer {
    let newest: Buffer | undefined;
    for (const known of this.#known) {
      const next = peek(known);
      if (next?.name !== name) continue;
      const head = next.head as Buffer;
      if (!newest || compareBallots(head, newest) > 0) newest = head;
    }
    assert(newest !== undefined, 'nobody holds the name being settled');
    return newest;
  }

  /** Takes the row from whoever holds it, and notes who is behind and whose view of the prefix has a gap now. */
  #takeName(name: string, newest: Buffer, folded: string | undefined): void {
    const dead = isTombstone(newest);
    const reclaimed = dead && headBallot(newest) < this.#options.reclaimedBelow;
    this.#known.forEach((known, replica) => {
      const next = peek(known);
      if (next?.name !== name) {
        if (!reclaimed) this.#repairs.push({ replica, head: newest });
        return;
      }
      const head = next.head as Buffer;
      if (compareBallots(head, newest) < 0) this.#repairs.push({ replica, head: newest });
      const unfolded = take(known);
      // It sought past the rest of the prefix, trusting in this row.
      if (dead && !unfolded && folded !== undefined && !isTombstone(head)) known.gap = { prefix: folded, from: name };
    });
  }

  /** A row of a page that began before what is settled by now. */
  #isSettled(entry: ListEntry | undefined): boolean {
    return entry !== undefined && this.#position !== undefined && !this.#before(this.#position, entry.name);
  }

  #before(a: string, b: string): boolean {
    return this.#args.reverse ? a > b : a < b;
  }
}

/** The replica's next known row; undefined when it has to be asked for, or there is none. */
function peek(known: Known): ListEntry | undefined {
  if (known.filledAt < known.filled.length) return known.filled[known.filledAt];
  return known.gap ? undefined : known.rows[known.rowsAt];
}

/** Returns whether the row came from an unfolded page. */
function take(known: Known): boolean {
  if (known.filledAt < known.filled.length) {
    known.filledAt++;
    return true;
  }
  known.rowsAt++;
  return false;
}

/** The prefix is listed: nothing more of it matters. */
function dropPrefix(known: Known, prefix: string): void {
  known.filled = [];
  known.filledAt = 0;
  known.gap = undefined;
  while (known.rowsAt < known.rows.length && (known.rows[known.rowsAt] as ListEntry).name.startsWith(prefix))
    known.rowsAt++;
  passPrefix(known, prefix);
}

function passPrefix(known: Known, prefix: string): void {
  if (known.next?.resume?.startsWith(prefix)) known.next = { marker: prefix, resume: undefined };
}

function compareBallots(a: Buffer, b: Buffer): number {
  return (
    a.readUInt32BE(BALLOT_AT) - b.readUInt32BE(BALLOT_AT) ||
    a.readUInt32BE(BALLOT_AT + 4) - b.readUInt32BE(BALLOT_AT + 4)
  );
}

/** Asks the replicas for what the merge wants, in parallel, until it is decided. A replica's failure is the caller's. */
export async function mergeListings(
  args: ListArgs,
  listAll: readonly ((args: ListArgs) => Promise<ListPage>)[],
  options?: MergeOptions,
): Promise<MergedPage> {
  const merge = new ListMerge(args, listAll.length, options);
  for (let round = 0; round < MERGE_ROUNDS_MAX; round++) {
    const wants = merge.wants();
    if (wants.length === 0) return merge.page();
    const pages = await Promise.all(wants.map((ask) => (listAll[ask.replica] as (typeof listAll)[number])(ask.args)));
    wants.forEach((ask, i) => void merge.give(ask.replica, pages[i] as ListPage));
  }
  return merge.stop();
}

/** Merges first pages alone (each the `listAll` answer to `args`): right, but perhaps short. `pages` in replica order. */
export function mergePages(pages: readonly ListPage[], args: ListArgs, options?: MergeOptions): MergedPage {
  const merge = new ListMerge(args, pages.length, options);
  pages.forEach((page, replica) => void merge.give(replica, page));
  return merge.stop();
}
