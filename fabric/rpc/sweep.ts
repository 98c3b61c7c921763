/**
 * One coarse timer for all deadlines of a peer. It runs only while somebody waits, so an idle peer costs nothing and a call
 * costs no timer of its own. It never decides what a passed deadline means: `visit` does.
 */
import type { Clock, Timer } from '../clock.ts';
import { SWEEP_MS } from './contract.ts';

export class Sweep {
  readonly #clock: Clock;
  readonly #visit: (nowMs: number) => boolean;
  #timer: Timer | undefined;

  /** `visit` looks at all deadlines and says whether any is left to wait for. */
  constructor(clock: Clock, visit: (nowMs: number) => boolean) {
    this.#clock = clock;
    this.#visit = visit;
  }

  /** Call after adding something to wait for. */
  arm(): void {
    if (this.#timer === undefined) this.#timer = this.#clock.after(SWEEP_MS, this.#run);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #run = (): void => {
    this.#timer = undefined;
    if (this.#visit(this.#clock.monotonicMs())) this.arm();
  };
}
