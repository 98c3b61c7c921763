/**
 * Lists: `limit`, `marker`, `offset`, `sort=key:dir,…` or `sort_key` and `sort_dir`, filters, and the link to the next page. Pure
 * functions over items in memory: a project's things are few enough. Mistakes are Fault BadRequest in OpenStack's words.
 */
import { Fault } from '../../fabric/errors.ts';
import { apiFaults } from './faults.ts';
import type { Query } from './query.ts';
import type { Call } from './types.ts';

/** As `osapi_max_limit`. */
export const LIMIT_MAX = 1000;

/** As the databases of OpenStack's services have it. */
const OFFSET_MAX = 2 ** 31 - 1;

export interface Page {
  readonly limit: number;
  /** Whether the client set the limit itself. */
  readonly isLimited: boolean;
  /** Id of the last item of the page before. */
  readonly marker: string | undefined;
  readonly offset: number;
}

export interface SortKey {
  readonly key: string;
  readonly reverse: boolean;
}

type Item = Readonly<Record<string, unknown>>;
export type Filter = (item: Item) => boolean;

const bad = (message: string): Fault => new Fault(apiFaults.badRequest, {}, message);

/** `limit` 0 gives no items, one above the maximum the maximum. */
export function readPage(query: Query, limitMax = LIMIT_MAX): Page {
  const limit = count(query.get('limit'), 'limit');
  const offset = count(query.get('offset'), 'offset') ?? 0;
  if (offset > OFFSET_MAX) throw bad(`offset must be <= ${OFFSET_MAX}`);
  const marker = query.get('marker');
  return { limit: Math.min(limit ?? limitMax, limitMax), isLimited: limit !== undefined, marker, offset };
}

function count(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\s*[+-]?\d+\s*$/.test(text)) throw bad(`${name} param must be an integer`);
  const value = Number(text);
  if (value < 0) throw bad(`${name} param must be positive`);
  if (!Number.isSafeInteger(value)) throw bad(`${name} param is too large`);
  return value;
}

export interface SortOptions {
  /** Keys that clients may sort by. */
  readonly keys: readonly string[];
  /** When they ask for none, and the direction where they give none. */
  readonly key: string;
  readonly reverse?: boolean;
}

export function readSort(query: Query, { keys, key: defaultKey, reverse = true }: SortOptions): SortKey[] {
  const sort = query.get('sort');
  const hasOld = query.has('sort_key') || query.has('sort_dir');
  if (sort !== undefined && hasOld) {
    throw bad("The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.");
  }
  const direction = (text: string | undefined): boolean => {
    if (text === undefined || text === '') return reverse;
    if (text === 'asc' || text === 'desc') return text === 'desc';
    throw bad("Unknown sort direction, must be 'asc' or 'desc'.");
  };
  const check = (key: string): string => {
    if (keys.includes(key)) return key;
    throw bad(`Sort key supplied is invalid: ${key.slice(0, 64)}`);
  };
  if (sort !== undefined) {
    return sort.split(',').map((part) => {
      const [key = '', dir] = part.split(':').map((one) => one.trim());
      return { key: check(key), reverse: direction(dir) };
    });
  }
  const dirs = query.all('sort_dir');
  const asked = query.has('sort_key') ? query.all('sort_key') : [defaultKey];
  return asked.map((key, i) => ({ key: check(key.trim()), reverse: direction(dirs[i]?.trim()) }));
}

/** Stable; ties go by id. Absent values come first. */
export function sortItems<T extends Item>(items: readonly T[], sort: readonly SortKey[], idKey = 'id'): T[] {
  const all = [...sort, { key: idKey, reverse: sort[0]?.reverse ?? false }];
  return [...items].sort((a, b) => {
    for (const { key, reverse } of all) {
      const order = compare(a[key], b[key]);
      if (order !== 0) return reverse ? -order : order;
    }
    return 0;
  });
}

function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === undefined || a === null) return b === undefined || b === null ? 0 : -1;
  if (b === undefined || b === null) return 1;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [left, right] = [String(a), String(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The page of sorted `items`, and whether there are more. A marker that is not there is a mistake. */
export function cutPage<T extends Item>(
  items: readonly T[],
  page: Page,
  idKey = 'id',
): { items: T[]; hasMore: boolean } {
  const { limit, marker, offset } = page;
  const at = marker === undefined ? -1 : items.findIndex((item) => item[idKey] === marker);
  if (marker !== undefined && at < 0) throw bad(`marker [${marker.slice(0, 64)}] not found`);
  const start = at + 1 + offset;
  return { items: items.slice(start, start + limit), hasMore: start + limit < items.length };
}

/**
 * `{ volumes_links: [{ rel: 'next', href }] }` for a page that is full, as OpenStack gives it (there may be nothing behind it);
 * nothing for one that is not.
 */
export function pageLinks(
  call: Call,
  collection: string,
  page: Page,
  lastId: string | undefined,
  shown: number,
): object {
  if (lastId === undefined || shown < page.limit || page.limit === 0) return {};
  const query = call.query.with({ marker: lastId, offset: undefined });
  return { [`${collection}_links`]: [{ rel: 'next', href: `${call.url(call.path)}?${query}` }] };
}

export interface FilterOptions {
  /** Names that filter. Others are ignored, or refused with `strict`. */
  readonly names: readonly string[];
  /** Also `name__contains`, `name__icontains`, `__startswith`, `__endswith`, … as Keystone has them. */
  readonly suffixes?: boolean;
  /** Also `name~=text` for parts of a text, whatever its case (Cinder's 3.34), by name. */
  readonly like?: readonly string[];
  /** Names that filter nothing but are no mistake: `limit`, `marker`, … are always so. */
  readonly strict?: boolean;
}

/** What queries of lists have beside filters. */
export const PAGING_NAMES = ['limit', 'marker', 'offset', 'sort', 'sort_key', 'sort_dir', 'all_tenants', 'with_count'];

const COMPARATORS: Readonly<Record<string, (value: string, wanted: string) => boolean>> = {
  contains: (value, wanted) => value.includes(wanted),
  startswith: (value, wanted) => value.startsWith(wanted),
  endswith: (value, wanted) => value.endsWith(wanted),
  equals: (value, wanted) => value === wanted,
};

/** A name that is repeated takes any of its values. Booleans take true, false, 1, 0, and a bare name for true. */
export function readFilters(
  query: Query,
  { names, suffixes = false, like = [], strict = false }: FilterOptions,
): Filter[] {
  return query.names.flatMap((asked): Filter[] => {
    const values = query.all(asked);
    if (names.includes(asked)) return [(item) => values.some((value) => equals(item[asked], value))];
    const [name = '', suffix = ''] = asked.split('__', 2);
    if (suffixes && suffix !== '' && names.includes(name)) return compared(name, suffix, values);
    const part = asked.endsWith('~') ? asked.slice(0, -1) : '';
    if (like.includes(part)) return compared(part, 'icontains', values);
    if (!strict || PAGING_NAMES.includes(asked)) return [];
    throw bad(`Invalid filters ${asked.slice(0, 64)} are found in query options.`);
  });
}

/** An unknown suffix filters nothing, as in Keystone. */
function compared(name: string, suffix: string, values: readonly string[]): Filter[] {
  const ignoresCase = suffix.startsWith('i');
  const key = ignoresCase ? suffix.slice(1) : suffix;
  const test = Object.hasOwn(COMPARATORS, key) ? COMPARATORS[key] : undefined;
  if (test === undefined) return [];
  const fold = (text: string): string => (ignoresCase ? text.toLowerCase() : text);
  return [
    (item) => typeof item[name] === 'string' && values.some((one) => test(fold(item[name] as string), fold(one))),
  ];
}

function equals(value: unknown, wanted: string): boolean {
  if (typeof value === 'boolean') return value === !/^(?:false|0|no|off)$/i.test(wanted);
  if (value === null || value === undefined) return wanted === '' || wanted === 'None' || wanted === 'null';
  if (Array.isArray(value)) return value.some((one) => equals(one, wanted));
  return typeof value === 'object' ? false : String(value) === wanted;
}

export const filterItems = <T extends Item>(items: readonly T[], filters: readonly Filter[]): T[] =>
  items.filter((item) => filters.every((filter) => filter(item)));
