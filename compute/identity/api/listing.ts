/**
 * Lists as Keystone gives them: filters by attribute (exact, or `name__contains` and the like), `limit` and `marker`, links.
 * Rows come in order of their ids, which is what a marker is.
 */
import type { Answer, Call } from '../../../control/service/types.ts';
import { badRequest } from '../refusals.ts';
import type { Body } from './shared.ts';

const COMPARISONS: Readonly<Record<string, (have: string, asked: string) => boolean>> = {
  iequals: (have, asked) => have.toLowerCase() === asked.toLowerCase(),
  contains: (have, asked) => have.includes(asked),
  icontains: (have, asked) => have.toLowerCase().includes(asked.toLowerCase()),
  startswith: (have, asked) => have.startsWith(asked),
  istartswith: (have, asked) => have.toLowerCase().startsWith(asked.toLowerCase()),
  endswith: (have, asked) => have.endsWith(asked),
  iendswith: (have, asked) => have.toLowerCase().endsWith(asked.toLowerCase()),
};

export interface ListOptions {
  /** Attributes that may be asked for by `?name=value`. */
  readonly filters: readonly string[];
  /** Of the deployment; 0: no limit. */
  readonly listMax?: number;
}

/** `items` are as they will be shown. */
export function listed(call: Call, collection: string, items: readonly Body[], options: ListOptions): Answer {
  const kept = items.filter((item) => options.filters.every((name) => matches(call, item, name)));
  const { page, next, truncated } = cut(call, kept, options.listMax ?? 0);
  const self = call.url(call.path + (call.request.query ? `?${call.request.query}` : ''));
  const links = { self, previous: null, next };
  return { body: { [collection]: page, links, ...(truncated ? { truncated: true } : {}) } };
}

function matches({ query }: Call, item: Body, name: string): boolean {
  const asked = query.get(name);
  if (asked !== undefined && !equals(item[name], asked)) return false;
  return Object.entries(COMPARISONS).every(([comparison, holds]) => {
    const wanted = query.get(`${name}__${comparison}`);
    return wanted === undefined || (typeof item[name] === 'string' && holds(item[name], wanted));
  });
}

function equals(have: unknown, asked: string): boolean {
  if (typeof have === 'boolean') return have === asBoolean(asked);
  if (have === null || have === undefined) return asked === '' || asked === 'null' || asked === 'None';
  return String(have) === asked;
}

/** Keystone takes `?enabled` alone, `0`, `false` and the like. */
export function asBoolean(text: string): boolean {
  return !['0', 'false', 'f', 'no', 'n', 'off'].includes(text.toLowerCase());
}

function cut(call: Call, items: readonly Body[], listMax: number) {
  const asked = call.query.get('limit');
  if (asked !== undefined && !/^\d{1,9}$/.test(asked)) throw badRequest(`Invalid limit: ${asked}.`);
  const marker = call.query.get('marker');
  const start = marker === undefined ? 0 : items.findIndex(({ id }) => id === marker) + 1;
  if (marker !== undefined && start === 0) throw badRequest(`Marker could not be found: ${marker}.`);
  const limits = [Number(asked ?? 0), listMax].filter((limit) => limit > 0);
  const size = limits.length === 0 ? items.length : Math.min(...limits);
  const page = items.slice(start, start + size);
  const more = start + size < items.length;
  const last = page.at(-1)?.['id'];
  const next = more && typeof last === 'string' ? call.url(`${call.path}?${call.query.with({ marker: last })}`) : null;
  return { page, next, truncated: more && asked === undefined };
}
