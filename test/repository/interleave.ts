/**
 * Puts operations of several actors on one store in a random order: each waits until it is drawn. Some are put aside for long,
 * as a request in a slow network or a process that was stopped. One seed, one order.
 */
import { setImmediate } from 'node:timers/promises';
import type { Random } from '../../fabric/random.ts';
import type { MemoryClientOptions } from './memory-objects.ts';

/** Turns of the event loop without any operation before a standstill is a failure. */
const QUIET_TURNS_MAX = 10_000;
/** One operation of so many is put aside, for at most so many others. */
const STALL_ONE_OF = 40;
const STALL_OPERATIONS_MAX = 400;

interface Waiting {
  readonly go: () => void;
  readonly notBefore: number;
}

export class Interleaver {
  readonly #random: Random;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  operations = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  options(): MemoryClientOptions {
    return { wait: () => new Promise((resolve) => this.#waiting.push({ go: resolve, notBefore: this.#notBefore() })) };
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
      this.#draw()?.go();
    }
  }

  #notBefore(): number {
    const stalls = this.#random.below(STALL_ONE_OF) === 0;
    return this.operations + (stalls ? this.#random.below(STALL_OPERATIONS_MAX) : 0);
  }

  /** One that may go; any, when all are put aside. */
  #draw(): Waiting | undefined {
    const ready = this.#waiting.filter(({ notBefore }) => notBefore <= this.operations);
    const from = ready.length > 0 ? ready : this.#waiting;
    const next = from[this.#random.below(from.length)];
    if (next) this.#waiting.splice(this.#waiting.indexOf(next), 1);
    return next;
  }
}
