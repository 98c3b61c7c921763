/**
 * Which of this writer's operations are still open. Devices remember every operation whose stamp is not below the
 * writer's settled mark, so that somebody can finish it should the writer die (ADR 3); the mark rides on every message,
 * and one last message carries it when the writer falls silent.
 *
 * An operation is open from its stamp until every primary holds it or a handoff copy records the debt.
 */
import type { Clock } from '../fabric/clock.ts';
import { makeStamp, type Stamp, type StampSource, stampTicks } from '../fabric/stamp.ts';
import { headKey, type Key, type Mutation } from '../object-server/contract.ts';

/** Silence after which the mark is sent by itself. */
export const MARK_FLUSH_MS = 1000;

/** More than these are left to the devices' own memory of unsettled operations. */
const ABANDONED_MAX = 10_000;

export interface SettledMarks {
  /** Issues a stamp and opens its operation. */
  open(): Stamp;
  /** The operation has another part, which is closed or abandoned by itself: it is open until both are. */
  join(stamp: Stamp): void;
  close(stamp: Stamp): void;
  /** The operation could not be completed here: it stays open until the reconciler (proxy/object/reconcile.ts) closes it. */
  abandon(stamp: Stamp, writes: readonly Mutation[]): void;
  abandonKeys(stamp: Stamp, keys: readonly Key[]): void;
  /** Takes the abandoned operations, oldest first; the taker closes or abandons each again. */
  takeAbandoned(): { stamp: Stamp; keys: readonly Key[] }[];
  /** Every operation of this writer below it is closed. */
  mark(): Stamp;
  readonly openCount: number;
  /** Called with a mark that nobody has heard yet, after MARK_FLUSH_MS of silence. */
  onQuiet(send: (mark: Stamp) => void): void;
}

export function createSettledMarks(stamps: StampSource, clock: Clock): SettledMarks {
  // Insertion order is stamp order, so the first member is the oldest.
  const open = new Set<Stamp>();
  const abandoned = new Map<Stamp, readonly Key[]>();
  let lastIssued: Stamp | undefined;
  let flushTimer: { cancel(): void } | undefined;
  let send: ((mark: Stamp) => void) | undefined;

  /** Parts of an operation beyond the first. */
  const joined = new Map<Stamp, number>();
  /** True when it was the last part. */
  const leave = (stamp: Stamp): boolean => {
    const more = joined.get(stamp) ?? 0;
    if (more > 1) joined.set(stamp, more - 1);
    else joined.delete(stamp);
    return more === 0;
  };

  const abandonKeys = (stamp: Stamp, keys: readonly Key[]): void => {
    const before = abandoned.get(stamp);
    if (before) leave(stamp);
    if (before || abandoned.size < ABANDONED_MAX) abandoned.set(stamp, before ? [...before, ...keys] : keys);
  };
  const mark = (): Stamp => {
    for (const oldest of open) return oldest;
    if (lastIssued === undefined) return makeStamp(0, stamps.writerId);
    return makeStamp(stampTicks(lastIssued) + 1, stamps.writerId);
  };
  let activity = 0;
  const watch = (): void => {
    const seen = activity;
    flushTimer = clock.after(MARK_FLUSH_MS, () => {
      flushTimer = undefined;
      if (activity !== seen || open.size > 0) watch();
      else send?.(mark());
    });
  };
  return {
    open() {
      const stamp = stamps.next();
      open.add(stamp);
      lastIssued = stamp;
      activity++;
      return stamp;
    },
    join(stamp) {
      joined.set(stamp, (joined.get(stamp) ?? 0) + 1);
    },
    close(stamp) {
      if (leave(stamp)) open.delete(stamp);
      activity++;
      if (!flushTimer && send) watch();
    },
    abandon(stamp, writes) {
      const keys = writes.map((write) => headKey(write.head));
      abandonKeys(stamp, keys);
    },
    abandonKeys,
    takeAbandoned() {
      const taken = [...abandoned].map(([stamp, keys]) => ({ stamp, keys }));
      abandoned.clear();
      return taken;
    },
    mark,
    get openCount() {
      return open.size;
    },
    onQuiet(callback) {
      send = callback;
    },
  };
}
