/** A node's clock: simulated time, its own skew, jumps in both directions. Timers of a dead process never fire. */
import type { Clock, Timer } from '../../fabric/clock.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';

/** Simulated time 0 as wall time: some day in 2023. */
const EPOCH_MS = 1_700_000_000_000;

/** Belongs to a machine, not to a process: outlives restarts. */
export class WallClock {
  readonly #scheduler: Scheduler;
  skewMs: number;

  constructor(scheduler: Scheduler, skewMs: number) {
    this.#scheduler = scheduler;
    this.skewMs = skewMs;
  }

  nowMs(): number {
    return EPOCH_MS + this.#scheduler.nowMs + this.skewMs;
  }
}

export function createSimClock(scheduler: Scheduler, wall: WallClock, life: Life): Clock {
  const after = (delayMs: number, run: () => void): Timer =>
    scheduler.after(delayMs, () => {
      if (life.alive) run();
    });
  return {
    nowMs: () => wall.nowMs(),
    monotonicMs: () => scheduler.nowMs,
    after,
    nextTurn: (run) => void after(0, run),
    sleep: (delayMs) => new Promise((resolve) => void after(delayMs, resolve)),
  };
}
