/** Lists as Cinder gives them: all tenants for admins, filters by field, like-filters, sort, pages, links, counts. */
import type { ReadTx } from '../../../control/contract.ts';
import {
  cutPage,
  type Filter,
  filterItems,
  pageLinks,
  readFilters,
  readPage,
  readSort,
  sortItems,
} from '../../../control/service/listing.ts';
import type { Answer, Call } from '../../../control/service/types.ts';
import type { Collection } from '../model/collection.ts';
import { badRequest } from '../refusals.ts';
import { type Body, bool, isAdmin, projectOf } from './shared.ts';

export interface ListSpec<T> {
  /** As in the answer, e.g. `volumes`. */
  readonly collection: string;
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
}

/** The project's own, or everybody's for an admin who asks for it. */
export async function rowsFor<T extends { readonly id: string; readonly projectId: string }>(
  tx: ReadTx,
  call: Call,
  rows: Collection<T>,
): Promise<T[]> {
  const everybody = isAdmin(call) && allTenants(call);
  if (!everybody) return rows.by(tx, 'project', projectOf(call));
  const project = call.query.get('project_id');
  return project === undefined ? rows.all(tx) : rows.by(tx, 'project', project);
}

function allTenants({ query }: Call): boolean {
  const asked = query.get('all_tenants');
  if (asked === undefined) return false;
  if (asked !== '' && !/^(?:true|false|0|1|t|f|yes|no|on|off)$/i.test(asked))
    throw badRequest(`Invalid value '${asked.slice(0, 32)}' for all_tenants.`);
  return asked === '' || bool(asked);
}

const LIKE_SINCE = '3.31';
const COUNT_SINCE = '3.45';

export function listed<T>(call: Call, spec: ListSpec<T>): Answer {
  const { collection, rows, fields, show, filters, like = [], sortKeys, counts = false, more = [] } = spec;
  const page = readPage(call.query);
  const sort = readSort(call.query, { keys: sortKeys, key: 'created_at' });
  const isLike = call.version.atLeast(LIKE_SINCE);
  const asked = readFilters(call.query, { names: filters, like: isLike ? like : [] });
  const items = rows.map((row) => ({ ...fields(row), row }));
  const kept = filterItems(items, [...asked, ...more]);
  const { items: shown } = cutPage(sortItems(kept, sort), page);
  const links = pageLinks(
    call,
    collection,
    page,
    (shown.at(-1) as Body | undefined)?.['id'] as string | undefined,
    shown.length,
  );
  const hasCount = counts && call.version.atLeast(COUNT_SINCE) && bool(call.query.get('with_count'));
  return {
    body: {
      [collection]: shown.map(({ row }) => show(row)),
      ...(page.isLimited ? links : {}),
      ...(hasCount ? { count: kept.length } : {}),
    },
  };
}

/** `metadata={'a': 'b'}` as Python prints it, or JSON. */
export function readWords(text: string | undefined): Readonly<Record<string, string>> | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(
      text.replace(/(?<![A-Za-z])u?'((?:[^'\\]|\\.)*)'/g, (_, inner: string) => JSON.stringify(inner)),
    );
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, string>;
  } catch {
    // Not readable: said below.
  }
  throw badRequest(`Invalid filter value: ${text.slice(0, 64)}`);
}

export function hasWords(
  of: (item: Body) => Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>> | undefined,
): Filter[] {
  if (wanted === undefined) return [];
  return [(item) => Object.entries(wanted).every(([key, value]) => of(item)[key] === String(value))];
}
