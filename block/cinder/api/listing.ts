/** Lists as Cinder gives them: all tenants for admins, filters by field, like-filters, sort, pages, links, counts. */
import type { ReadTx } from '../../../control/contract.ts';
import {
  cutPage,
  type Filter,
  filterItems,
  PAGING_NAMES,
  pageLinks,
  readFilters,
  readPage,
  readSort,
  sortItems,
} from '../../../control/service/listing.ts';
import type { Answer, Call } from '../../../control/service/types.ts';
import type { Collection } from '../model/collection.ts';
import { type FilteredResource, RESOURCE_FILTERS } from '../model/resource-filters.ts';
import { badRequest, notFound } from '../refusals.ts';
import { type Body, flag, isAdmin, projectOf } from './shared.ts';

export interface ListSpec<T> {
  /** As in the answer, e.g. `volumes`. */
  readonly collection: string;
  /** Of the link to the next page, where it is not `collection`. */
  readonly linked?: string;
  /** As a marker that is not there is told, e.g. `Volume`. */
  readonly what: string;
  /** Which filters members may use. */
  readonly resource?: FilteredResource;
  readonly rows: readonly T[];
  /** What is filtered and sorted by, by Cinder's names; has `id`. */
  readonly fields: (row: T) => Body;
  readonly show: (row: T) => Body;
  readonly filters: readonly string[];
  /** Of texts, `name~=part` from 3.31 on. */
  readonly like?: readonly string[];
  readonly sortKeys: readonly string[];
  /** `count` with `with_count` from 3.45 on. */
  readonly counts?: boolean;
  readonly more?: readonly Filter[];
  /** Names in the query that do not filter. */
  readonly also?: readonly string[];
}

/** The project's own, or everybody's for an admin who asks for it. */
export async function rowsFor<T extends { readonly id: string; readonly projectId: string }>(
  tx: ReadTx,
  call: Call,
  rows: Collection<T>,
): Promise<T[]> {
  const everybody = flag(call, 'all_tenants') && isAdmin(call);
  if (!everybody) return rows.by(tx, 'project', projectOf(call));
  const project = call.query.get('project_id');
  return project === undefined ? rows.all(tx) : rows.by(tx, 'project', project);
}

const LIKE_SINCE = '3.31';
const COUNT_SINCE = '3.45';

export function listed<T>(call: Call, spec: ListSpec<T>): Answer {
  const { collection, rows, fields, show, filters, like = [], sortKeys, counts = false, more = [] } = spec;
  const page = readPage(call.query);
  checkFilters(call, spec);
  const sort = readSort(call.query, { keys: sortKeys, key: 'created_at' });
  const isLike = call.version.atLeast(LIKE_SINCE);
  const asked = readFilters(call.query, { names: filters, like: isLike ? like : [] });
  const items = rows.map((row) => ({ ...fields(row), row }));
  const kept = filterItems(items, [...asked, ...more, ...unknown(call, spec)]);
  const { marker } = page;
  if (marker !== undefined && !items.some((one: Body) => one['id'] === marker)) throw notFound(spec.what, marker);
  const { items: shown } = cutPage(sortItems(kept, sort), page);
  const last = (shown.at(-1) as Body | undefined)?.['id'] as string | undefined;
  const links = pageLinks(call, spec.linked ?? collection, page, last, shown.length);
  const hasCount = counts && call.version.atLeast(COUNT_SINCE) && flag(call, 'with_count');
  return {
    body: {
      [collection]: shown.map(({ row }) => show(row)),
      ...links,
      ...(hasCount ? { count: kept.length } : {}),
    },
  };
}

/** No thing has what is not known of it: an admin's mistake in the name of a filter finds nothing rather than everything. */
function unknown<T>(call: Call, { filters, like = [], resource, also = [] }: ListSpec<T>): Filter[] {
  if (resource === undefined || !isAdmin(call)) return [];
  const known = [...PAGING_NAMES, ...OTHER_NAMES, ...filters, ...RESOURCE_FILTERS[resource], ...also];
  const isKnown = (name: string): boolean => known.includes(name) || like.includes(name.replace(/~$/, ''));
  return call.query.names.every(isKnown) ? [] : [() => false];
}

/** Of the project whose things an admin looks at, and names that only some versions filter by. */
const OTHER_NAMES = ['project_id', 'force'];

/** Members are told of filters that nothing here knows. */
function checkFilters<T>(call: Call, { resource, also = [] }: ListSpec<T>): void {
  if (resource === undefined || !call.version.atLeast(LIKE_SINCE) || isAdmin(call)) return;
  readFilters(call.query, { names: [...RESOURCE_FILTERS[resource], ...also], strict: true });
}

/** `metadata={'a': 'b'}` as Python prints it, or JSON. */
export function readWords(text: string | undefined): Readonly<Record<string, string>> | undefined {
  if (text === undefined) return undefined;
  const asJson = text.replace(/(?<![A-Za-z])u?'((?:[^'\\]|\\.)*)'/g, (_, inner: string) => JSON.stringify(inner));
  const value = parsed(text) ?? parsed(asJson);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, string>;
  throw badRequest(`Invalid filter value: ${text.slice(0, 64)}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function hasWords(
  of: (item: Body) => Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>> | undefined,
): Filter[] {
  if (wanted === undefined) return [];
  return [(item) => Object.entries(wanted).every(([key, value]) => of(item)[key] === String(value))];
}
