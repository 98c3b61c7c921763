/**
 * The simulator's only source of progress: one queue of events in order of simulated time, ties broken by the seed. After
 * every event all promise continuations run to their end (a real turn of the event loop), so that an event is atomic for
 * everybody else. It never looks at the real clock and never skips an event.
 */
import type { Random } from '../../fabric/random.ts';

export interface SimTimer {
  cancel(): void;
}

interface Event {
  readonly atMs: number;
  readonly tie: number;
  readonly sequence: number;
  run: (() => void) | undefined;
}

const before = (a: Event, b: Event): boolean =>
  a.atMs !== b.atMs ? a.atMs < b.atMs : a.tie !== b.tie ? a.tie < b.tie : a.sequence < b.sequence;

export class Scheduler {
  readonly #heap: Event[] = [];
  readonly #random: Random;
  readonly #asides: Promise<unknown>[] = [];
  #nowMs = 0;
  #sequence = 0;
  #failure: { readonly error: unknown } | undefined;
  /** Events run so far. */
  steps = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Simulated milliseconds since the start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): SimTimer {
    const atMs = this.#nowMs + Math.max(0, delayMs);
    const event: Event = { atMs, tie: this.#random.below(2 ** 32), sequence: this.#sequence++, run };
    this.#push(event);
    return {
      cancel: () => {
        event.run = undefined;
      },
    };
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /** Lets `look` finish, in real turns, before the next event: for looking at a moment without changing it. */
  aside(look: Promise<unknown>): void {
    this.#asides.push(look.catch((error: unknown) => this.fail(error)));
  }

  /** Ends the run: `run` throws this after the current event. The first call counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Runs events until `work` is settled and returns its value. Throws when nothing is left to do or `stepsMax` passed. */
  async run<T>(work: Promise<T>, stepsMax: number): Promise<T> {
    let settled = false;
    const end = (): void => {
      settled = true;
    };
    work.then(end, end);
    await turn();
    const limit = this.steps + stepsMax;
    while (!settled) {
      const event = this.#pop();
      if (!event) throw new Error('the simulation has come to rest before its work was done');
      this.#nowMs = event.atMs;
      this.steps++;
      if (this.steps > limit) throw new Error(`no end within ${stepsMax} events`);
      event.run?.();
      await turn();
      while (this.#asides.length > 0) await this.#asides.pop();
      if (this.#failure) throw this.#failure.error;
    }
    return work;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  /** The next event that was not cancelled. */
  #pop(): Event | undefined {
    while (this.#heap.length > 0) {
      const event = this.#popAny();
      if (event.run) return event;
    }
    return undefined;
  }

  #popAny(): Event {
    const heap = this.#heap;
    const top = heap[0] as Event;
    const last = heap.pop() as Event;
    if (heap.length > 0) this.#sink(last);
    return top;
  }

  #sink(event: Event): void {
    const heap = this.#heap;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!before(heap[child] as Event, event)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = event;
  }
}

/** Lets every pending promise continuation run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
