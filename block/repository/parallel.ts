/** Bounded concurrency: at most `width` tasks at once, a gate that pauses, and the first failure ends them all. */
import { assert } from '../../fabric/assert.ts';

export class Lanes {
  readonly #width: number;
  #running = 0;
  #paused = false;
  #failed: { readonly error: unknown } | undefined;
  readonly #waiting: (() => void)[] = [];

  constructor(width: number) {
    assert(width >= 1, 'at least one lane');
    this.#width = width;
  }

  /** Waits for a free lane, then runs. After a failure of any task nothing new begins: rejects with that failure. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    while (this.#failed === undefined && (this.#paused || this.#running >= this.#width))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#failed) throw this.#failed.error;
    this.#running++;
    try {
      return await task();
    } catch (error) {
      this.fail(error);
      throw error;
    } finally {
      this.#running--;
      this.#wake(1);
    }
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#wake(this.#waiting.length);
  }

  fail(error: unknown): void {
    this.#failed ??= { error };
    this.#wake(this.#waiting.length);
  }

  #wake(count: number): void {
    for (const wake of this.#waiting.splice(0, count)) wake();
  }
}

/** `work` on every item, `width` at once, in no order; when one fails no other is begun, and all that began have ended. */
export async function forEach<T>(
  items: Iterable<T> | AsyncIterable<T>,
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const lanes = new Set<Promise<void>>();
  let failed: { readonly error: unknown } | undefined;
  try {
    for await (const item of items) {
      if (failed) break;
      const lane: Promise<void> = work(item)
        .catch((error) => {
          failed ??= { error };
        })
        .finally(() => lanes.delete(lane));
      lanes.add(lane);
      if (lanes.size >= width) await Promise.race(lanes);
    }
  } finally {
    await Promise.all(lanes);
  }
  if (failed) throw failed.error;
}
