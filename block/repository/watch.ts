/**
 * Which uploads and readers are dead: those whose record has not changed for long, as this side saw it. Clocks of different
 * hosts are never compared. Since when is kept in the collector's state, but a wall clock that jumps must not kill anybody, so
 * this process itself has to have seen it unchanged for a while too.
 */
import type { Clock } from '../../fabric/clock.ts';
import type { CollectorRecord } from './records.ts';

const SEEN_BY_OURSELVES_MS = 10 * 60 * 1000;

export interface Watched {
  readonly name: string;
  readonly etag: string;
}

export class Watch {
  readonly #clock: Clock;
  readonly #abandonMs: number;
  readonly #own = new Map<string, { readonly etag: string; readonly sinceMs: number }>();

  constructor(clock: Clock, abandonMs: number) {
    this.#clock = clock;
    this.#abandonMs = abandonMs;
  }

  /** `watched` is the same object when nothing changed. */
  look<T extends Watched>(
    before: CollectorRecord['watched'],
    now: readonly T[],
  ): { readonly watched: CollectorRecord['watched']; readonly dead: readonly T[] } {
    const nowMs = this.#clock.nowMs();
    const ownMs = this.#clock.monotonicMs();
    const names = new Set(now.map(({ name }) => name));
    for (const name of this.#own.keys()) if (!names.has(name)) this.#own.delete(name);
    const watched: Record<string, { etag: string; sinceMs: number }> = {};
    const dead: T[] = [];
    for (const each of now) {
      const { name, etag } = each;
      const kept = before[name];
      const since = kept?.etag === etag && kept.sinceMs <= nowMs ? kept : { etag, sinceMs: nowMs };
      const mine = this.#own.get(name);
      const own = mine?.etag === etag ? mine : { etag, sinceMs: ownMs };
      watched[name] = since;
      this.#own.set(name, own);
      const ownEnough = ownMs - own.sinceMs >= Math.min(SEEN_BY_OURSELVES_MS, this.#abandonMs);
      if (ownEnough && nowMs - since.sinceMs >= this.#abandonMs) dead.push(each);
    }
    const same = Object.keys(before).length === now.length && now.every(({ name }) => before[name] === watched[name]);
    return { watched: same ? before : watched, dead };
  }
}
