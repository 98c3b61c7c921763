/**
 * Runs one step again and again, with the pause each step asks for; a wake cuts the pause short. Steps never overlap. A step
 * that throws a Fault is run again after a growing pause; anything else it throws is a bug and is reported as one.
 */
import type { Clock, Timer } from '../../fabric/clock.ts';
import { isFault } from '../../fabric/errors.ts';

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 30_000;

export interface LoopOptions {
  readonly clock: Clock;
  /** Resolves with the pause until the next step, in milliseconds. */
  readonly step: () => Promise<number>;
  readonly onBug: (error: unknown) => void;
}

export class Loop {
  readonly #options: LoopOptions;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #started = false;
  #stopping = false;
  #woken = false;
  #failures = 0;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** Steps look at it between two pieces of work. */
  get stopping(): boolean {
    return this.#stopping;
  }

  start(): void {
    this.#started = true;
    this.wake();
  }

  /** The next step comes at once, or right after the one under way. */
  wake(): void {
    if (!this.#started || this.#stopping) return;
    this.#woken = true;
    this.#timer?.cancel();
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    let pauseMs = 0;
    while (this.#woken && !this.#stopping) {
      this.#woken = false;
      pauseMs = await this.#once();
    }
    this.#running = undefined;
    if (this.#stopping) return;
    this.#timer = this.#options.clock.after(pauseMs, () => this.wake());
  }

  async #once(): Promise<number> {
    try {
      const pauseMs = await this.#options.step();
      this.#failures = 0;
      return pauseMs;
    } catch (error) {
      if (!isFault(error)) this.#options.onBug(error);
      return Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failures++);
    }
  }
}
