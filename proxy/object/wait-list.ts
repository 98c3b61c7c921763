/** What is not to be tried again before its time: bounded, and what is forgotten is merely tried sooner. */
import type { Random } from '../../fabric/random.ts';

/** After a failure: doubled each time. */
export const RETRY_MIN_MS = 1000;
export const RETRY_MAX_MS = 600_000;
const DOUBLINGS_MAX = 20;
const WAITING_MAX = 100_000;

export interface Waiting {
  readonly untilMs: number;
  readonly failures: number;
  /** Of what waits, where a newer one need not. */
  readonly stamp?: string | undefined;
}

export class WaitList<K> {
  readonly #waiting = new Map<K, Waiting>();

  get(key: K): Waiting | undefined {
    return this.#waiting.get(key);
  }

  set(key: K, waiting: Waiting): void {
    this.#waiting.delete(key);
    this.#waiting.set(key, waiting);
    if (this.#waiting.size <= WAITING_MAX) return;
    for (const oldest of this.#waiting.keys()) return void this.#waiting.delete(oldest);
  }

  drop(key: K): void {
    this.#waiting.delete(key);
  }

  /** Once more in vain. */
  failed(key: K, { nowMs, random, stamp }: { nowMs: number; random: Random; stamp?: string }): Waiting {
    const failures = (this.get(key)?.failures ?? 0) + 1;
    const most = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures - 1, DOUBLINGS_MAX));
    const waiting = { untilMs: nowMs + most / 2 + random.below(most / 2 + 1), failures, stamp };
    this.set(key, waiting);
    return waiting;
  }
}
