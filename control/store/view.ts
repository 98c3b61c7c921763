/**
 * Reads over layers: a snapshot, what a batch has written so far, what a transaction has written. Keys and records are as
 * they lie in the map; records are views to be used at once. Nothing here is written anywhere.
 */
import type { KvKey, KvRange } from '../../fabric/kv.ts';

export interface View {
  get(key: KvKey): Buffer | undefined;
  forEach(range: KvRange, visit: (key: KvKey, record: Buffer) => boolean | void): void;
}

/** `under` with writes over it; null hides. */
export class OverlayView implements View {
  readonly writes = new Map<KvKey, Buffer | null>();
  readonly #under: View;

  constructor(under: View) {
    this.#under = under;
  }

  get(key: KvKey): Buffer | undefined {
    const own = this.writes.get(key);
    return own === undefined ? this.#under.get(key) : (own ?? undefined);
  }

  /** Ignores `limit`: whoever visits says when to stop. */
  forEach(range: KvRange, visit: (key: KvKey, record: Buffer) => boolean | void): void {
    const own = this.#ownKeys(range);
    if (own.length === 0) return this.#under.forEach(range, visit);
    const isBefore = range.reverse ? (a: KvKey, b: KvKey) => a > b : (a: KvKey, b: KvKey) => a < b;
    let next = 0;
    let going = true;
    const visitOwnUntil = (end: KvKey | undefined): void => {
      while (going && next < own.length && (end === undefined || isBefore(own[next] as KvKey, end))) {
        const key = own[next++] as KvKey;
        const record = this.writes.get(key);
        if (record) going = visit(key, record) !== false;
      }
    };
    this.#under.forEach(range, (key, record) => {
      visitOwnUntil(key);
      if (going && own[next] !== key) going = visit(key, record) !== false;
      return going;
    });
    visitOwnUntil(undefined);
  }

  #ownKeys({ start, end, reverse }: KvRange): KvKey[] {
    const keys: KvKey[] = [];
    for (const key of this.writes.keys()) if (key >= start && key < end) keys.push(key);
    keys.sort((a, b) => (a < b ? -1 : 1));
    return reverse ? keys.reverse() : keys;
  }
}
