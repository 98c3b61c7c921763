/**
 * One timer for all the waits of a listener: an entry that made no progress for its limit is told once. Entries are in
 * the set only while they wait for the network, so that a busy request costs two set operations and no timer.
 * It never decides what idleness means; the entry does.
 */
import type { Clock, Timer } from '../clock.ts';

export interface IdleEntry {
  /** Set by the watch; the entry refreshes it by `touch`. */
  idleSinceMs: number;
  readonly idleLimitMs: number;
  /** Called once; the entry has left the watch by then. */
  onIdle(): void;
}

const TICK_MIN_MS = 5;
const TICK_MAX_MS = 2_000;

export class IdleWatch {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #entries = new Set<IdleEntry>();
  #timer: Timer | undefined;

  constructor(clock: Clock, shortestLimitMs: number) {
    this.#clock = clock;
    this.#tickMs = Math.max(TICK_MIN_MS, Math.min(TICK_MAX_MS, shortestLimitMs / 4));
  }

  /** Starts or refreshes the wait of `entry`. */
  touch(entry: IdleEntry): void {
    entry.idleSinceMs = this.#clock.monotonicMs();
    this.#entries.add(entry);
    this.#timer ??= this.#clock.after(this.#tickMs, () => this.#sweep());
  }

  release(entry: IdleEntry): void {
    this.#entries.delete(entry);
  }

  #sweep(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (const entry of this.#entries) {
      if (nowMs - entry.idleSinceMs < entry.idleLimitMs) continue;
      this.#entries.delete(entry);
      entry.onIdle();
    }
    if (this.#entries.size > 0) this.#timer ??= this.#clock.after(this.#tickMs, () => this.#sweep());
  }
}
