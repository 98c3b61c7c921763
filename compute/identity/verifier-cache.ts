/**
 * Answers by digest, with what each of them hangs on the other way round: a changed row finds the answers that read it. The
 * oldest go when there are too many. Never decides whether an answer is true.
 */
import { touchedBy } from './recording-tx.ts';

interface Kept<T> {
  /** Undefined: known to be nobody. */
  readonly result: T | undefined;
  /** Unix ms. */
  readonly untilMs: number;
  readonly reads: readonly string[];
}

export class AnswerCache<T> {
  readonly #max: number;
  readonly #answers = new Map<string, Kept<T>>();
  readonly #readers = new Map<string, Set<string>>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#answers.size;
  }

  get(digest: string, nowMs: number): Kept<T> | undefined {
    const kept = this.#answers.get(digest);
    if (kept === undefined) return undefined;
    if (kept.untilMs > nowMs) return kept;
    this.#drop(digest, kept);
    return undefined;
  }

  put(digest: string, kept: Kept<T>): void {
    const before = this.#answers.get(digest);
    if (before !== undefined) this.#drop(digest, before);
    const [oldest] = this.#answers;
    if (this.#answers.size >= this.#max && oldest !== undefined) this.#drop(...oldest);
    this.#answers.set(digest, kept);
    for (const read of kept.reads) {
      const readers = this.#readers.get(read);
      if (readers === undefined) this.#readers.set(read, new Set([digest]));
      else readers.add(digest);
    }
  }

  /** `table\0key` of a row that changed. */
  touch(changed: string): void {
    for (const read of touchedBy(changed)) {
      for (const digest of this.#readers.get(read) ?? []) {
        const kept = this.#answers.get(digest);
        if (kept !== undefined) this.#drop(digest, kept);
      }
    }
  }

  clear(): void {
    this.#answers.clear();
    this.#readers.clear();
  }

  #drop(digest: string, { reads }: Kept<T>): void {
    this.#answers.delete(digest);
    for (const read of reads) {
      const readers = this.#readers.get(read);
      readers?.delete(digest);
      if (readers?.size === 0) this.#readers.delete(read);
    }
  }
}
