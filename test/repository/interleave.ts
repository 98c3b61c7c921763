/** Puts operations of several actors on one store in a random order: each waits until it is drawn. One seed, one order. */
import { setImmediate } from 'node:timers/promises';
import type { Random } from '../../fabric/random.ts';
import type { MemoryClientOptions } from './memory-objects.ts';

/** Turns of the event loop without any operation before a standstill is a failure. */
const QUIET_TURNS_MAX = 10_000;

export class Interleaver {
  readonly #random: Random;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  operations = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  options(): MemoryClientOptions {
    return { wait: () => new Promise((resolve) => this.#waiting.push(resolve)) };
  }

  actor(run: () => Promise<void>): Promise<void> {
    this.#running++;
    return run().finally(() => this.#running--);
  }

  /** Until all actors have ended. `operationsMax` bounds it. */
  async drive(operationsMax: number): Promise<void> {
    let quiet = 0;
    while (this.#running > 0) {
      await setImmediate();
      if (this.#waiting.length === 0) {
        if (++quiet > QUIET_TURNS_MAX) throw new Error('nobody does anything');
        continue;
      }
      quiet = 0;
      if (++this.operations > operationsMax) throw new Error('it never ends');
      const [next] = this.#waiting.splice(this.#random.below(this.#waiting.length), 1);
      next?.();
    }
  }
}
