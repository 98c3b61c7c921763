/**
 * Pages of listings read lately, decoded, so that asking again for what has not changed costs two digests instead of a walk
 * over every row. A page is as good as the digest it was read under: whoever takes one out must first hear from two
 * primaries that this is still what they hold (rows.ts). It is bounded by the entries it keeps.
 */
import type { ContainerTotals } from '../../account-container/contract.ts';
import type { Key } from '../../object-server/contract.ts';
import type { ListQuery, ObjectEntry, Page } from './contract.ts';

/** About 20 MiB. */
export const PAGE_CACHE_ENTRIES_MAX = 40_000;
/** What a page costs besides its entries, in entries. */
const PAGE_COST = 4;

export interface KeptPage extends Page<ObjectEntry> {
  readonly totals: ContainerTotals;
}

export class PageCache {
  /** Least recently used first. */
  readonly #pages = new Map<string, KeptPage>();
  readonly #entriesMax: number;
  #entries = 0;

  constructor(entriesMax: number = PAGE_CACHE_ENTRIES_MAX) {
    this.#entriesMax = entriesMax;
  }

  get(rowPrefix: Key, query: ListQuery): KeptPage | undefined {
    const key = pageKey(rowPrefix, query);
    const page = this.#pages.get(key);
    if (page) {
      this.#pages.delete(key);
      this.#pages.set(key, page);
    }
    return page;
  }

  put(rowPrefix: Key, query: ListQuery, page: KeptPage): void {
    const key = pageKey(rowPrefix, query);
    this.#drop(key);
    if (cost(page) > this.#entriesMax) return;
    this.#pages.set(key, page);
    this.#entries += cost(page);
    for (const oldest of this.#pages.keys()) {
      if (this.#entries <= this.#entriesMax) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const page = this.#pages.get(key);
    if (!page) return;
    this.#pages.delete(key);
    this.#entries -= cost(page);
  }
}

const cost = ({ entries }: KeptPage): number => entries.length + PAGE_COST;

function pageKey(rowPrefix: Key, query: ListQuery): string {
  const { prefix, delimiter, marker, endMarker, limit, reverse, markerSkipsPrefix } = query;
  return rowPrefix + JSON.stringify([prefix, delimiter, marker, endMarker, limit, reverse, markerSkipsPrefix]);
}
