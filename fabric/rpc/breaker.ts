/**
 * Circuit of one peer: consecutive calls without an answer open it, so that callers place elsewhere at once instead of
 * waiting out deadlines. After a pause (doubling, jittered) one call goes through as a probe. Knows no sockets.
 */
import type { Random } from '../random.ts';

export interface BreakerLimits {
  readonly breakerFailures: number;
  readonly breakerOpenMinMs: number;
  readonly breakerOpenMaxMs: number;
}

/** Between half of `delayMs` and all of it, so that many callers do not probe in step. */
export function jittered(delayMs: number, random: Random): number {
  return delayMs / 2 + (random.below(1024) / 1024) * (delayMs / 2);
}

export class Breaker {
  readonly #limits: BreakerLimits;
  readonly #random: Random;
  #failures = 0;
  #openings = 0;
  #openUntilMs: number | undefined;
  #probing = false;

  constructor(limits: BreakerLimits, random: Random) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Whether a call would be let through now. */
  permits(nowMs: number): boolean {
    return this.#openUntilMs === undefined || (nowMs >= this.#openUntilMs && !this.#probing);
  }

  /** Lets a call through, or not. A call let through while the circuit is open is the probe. */
  enter(nowMs: number): boolean {
    if (this.#openUntilMs === undefined) return true;
    if (nowMs < this.#openUntilMs || this.#probing) return false;
    this.#probing = true;
    return true;
  }

  /** The peer answered something, be it a Fault of its own. */
  answered(): void {
    this.#failures = 0;
    this.#openings = 0;
    this.#openUntilMs = undefined;
    this.#probing = false;
  }

  /** A call that was let through ended without saying anything about the peer. */
  withdrawn(): void {
    this.#probing = false;
  }

  failed(nowMs: number): void {
    this.#failures++;
    if (!this.#probing && (this.#openUntilMs !== undefined || this.#failures < this.#limits.breakerFailures)) return;
    this.#probing = false;
    const { breakerOpenMinMs, breakerOpenMaxMs } = this.#limits;
    const pauseMs = Math.min(breakerOpenMinMs * 2 ** this.#openings, breakerOpenMaxMs);
    this.#openings = Math.min(this.#openings + 1, 30);
    this.#openUntilMs = nowMs + jittered(pauseMs, this.#random);
  }
}
