/** What happened, line by line: the tail for people, a hash of everything to tell two runs apart. */
import { createHash } from 'node:crypto';
import type { Scheduler } from './scheduler.ts';

const TAIL_LINES = 250;

export class Trace {
  readonly #scheduler: Scheduler;
  readonly #hash = createHash('md5');
  readonly #tail: string[] = [];
  readonly #print: ((line: string) => void) | undefined;
  readonly counts = new Map<string, number>();

  constructor(scheduler: Scheduler, print?: (line: string) => void) {
    this.#scheduler = scheduler;
    this.#print = print;
  }

  /** Counted under `what`. */
  add(what: string, text: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    const line = `${this.#scheduler.nowMs.toFixed(3).padStart(11)}  ${what.padEnd(9)} ${text}`;
    this.#hash.update(line);
    this.#tail.push(line);
    if (this.#tail.length > 2 * TAIL_LINES) this.#tail.splice(0, TAIL_LINES);
    this.#print?.(line);
  }

  /** Ends the trace. */
  digest(): string {
    return this.#hash.digest('hex');
  }

  tail(lines = TAIL_LINES): readonly string[] {
    return this.#tail.slice(-lines);
  }
}
