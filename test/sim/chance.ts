/** Small draws from one seeded source, and independent sources by name, so that a change in one place moves no other. */
import { createSeededRandom, type Random } from '../../fabric/random.ts';

export class Chance {
  readonly random: Random;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.random = createSeededRandom(seed);
  }

  fork(name: string): Chance {
    let hash = this.#seed >>> 0;
    for (const char of name) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
    return new Chance(Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0);
  }

  below(limit: number): number {
    return this.random.below(limit);
  }

  /** True `share` of the time. */
  often(share: number): boolean {
    return this.random.below(1_000_000) < share * 1_000_000;
  }

  between(low: number, high: number): number {
    return low + (this.random.below(1_000_000) / 1_000_000) * (high - low);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)] as T;
  }

  /** A delay as networks and disks have them: mostly near `low`, now and then up to `high`. */
  delayMs(low: number, high: number): number {
    return this.often(0.05) ? this.between(low, high) : this.between(low, low + (high - low) / 20);
  }
}
