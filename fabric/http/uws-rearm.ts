/**
 * Keeps slow uploads alive on uWS, which closes a connection that brings less than about 16 KiB/s over 10 s: pausing and
 * resuming a response re-arms that timer. How long an upload may really stall is our own limit, kept elsewhere.
 */
import type { Clock, Timer } from '../clock.ts';
import type { NativeResponse } from './uws-native.ts';

const REARM_MS = 4_000;

export class Rearmer {
  readonly #clock: Clock;
  readonly #receiving = new Set<NativeResponse>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(native: NativeResponse): void {
    this.#receiving.add(native);
    this.#timer ??= this.#clock.after(REARM_MS, () => this.#rearm());
  }

  /** Must be called before the native response becomes invalid, or at once after. */
  remove(native: NativeResponse): void {
    this.#receiving.delete(native);
  }

  #rearm(): void {
    this.#timer = undefined;
    for (const native of this.#receiving) {
      native.pause();
      native.resume();
    }
    if (this.#receiving.size > 0) this.#timer = this.#clock.after(REARM_MS, () => this.#rearm());
  }
}
