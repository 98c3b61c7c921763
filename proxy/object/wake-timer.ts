/**
 * When a daemon of this proxy works next: no later than it was told to, and every few minutes in any case, one run at a
 * time. Calls that come during a run count for the next one.
 */
import type { Engine } from './engine.ts';

/** Another proxy may have noted something: it is asked for so often. */
const LOOK_EVERY_MS = 300_000;

export interface WakeOptions {
  /** Named in the log where it fails. */
  readonly what: string;
  run(): Promise<unknown>;
  /** Between two runs. */
  readonly pauseMs?: number | undefined;
}

export class WakeTimer {
  readonly #engine: Engine;
  readonly #options: WakeOptions;
  #timer: { cancel(): void } | undefined;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #running = false;
  #stopped = false;

  constructor(engine: Engine, options: WakeOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** No later than `atMs`. */
  wake(atMs: number): void {
    if (this.#stopped || this.#running || atMs >= this.#wakeAtMs) {
      this.#wakeAtMs = Math.min(this.#wakeAtMs, atMs);
      return;
    }
    this.#timer?.cancel();
    this.#wakeAtMs = atMs;
    const { clock } = this.#engine.cluster;
    this.#timer = clock.after(Math.max(1, Math.min(LOOK_EVERY_MS, atMs - clock.nowMs())), () => {
      this.#running = true;
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      this.#engine.later(this.#options.what, () => this.#options.run().finally(() => this.#rest()));
    });
  }

  #rest(): void {
    this.#running = false;
    const nowMs = this.#engine.cluster.clock.nowMs();
    const atMs = Math.min(this.#wakeAtMs, nowMs + LOOK_EVERY_MS);
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    this.wake(Math.max(atMs, nowMs + (this.#options.pauseMs ?? 0)));
  }
}
