/** A client lists a container page by page; each page is a read of the row of every name in its range. */
import type { ListQuery, ObjectEntry, Page } from '../../proxy/object/contract.ts';
import {
  ACCOUNT,
  type Action,
  type Attempt,
  CONTEXT,
  isUnknown,
  learnEtag,
  note,
  noteContainer,
  operationOf,
  rowRegister,
  type Settle,
} from './attempt.ts';
import { expect, isAbsent, shownOf, stateOf } from './history.ts';

const PAGES_MAX = 20;

export interface ListedPage {
  readonly start: number;
  readonly end: number;
  readonly marker: string;
  readonly page: Page<ObjectEntry>;
}

interface Listing {
  readonly container: string;
  readonly prefix: string;
  readonly delimiter: string;
  readonly limit: number;
}

export function listAction(attempt: Attempt): Action {
  const { chance, mix } = attempt;
  const listing: Listing = {
    container: chance.pick(mix.containers),
    prefix: chance.often(0.3) ? 'a/' : '',
    delimiter: chance.often(0.25) ? '/' : '',
    limit: chance.pick([1, 2, 3, 1_000, 1_000]),
  };
  const { container, prefix, delimiter, limit } = listing;
  return {
    text: `list ${container} prefix '${prefix}' delimiter '${delimiter}' limit ${limit}`,
    run: () => listPages(attempt, listing),
    settle(outcome, end) {
      noteContainer(attempt, container, outcome, end);
      notePages(attempt, listing, outcome);
    },
  };
}

export async function listPages({ proxy, history }: Attempt, listing: Listing): Promise<readonly ListedPage[]> {
  const { container, ...query } = listing;
  const pages: ListedPage[] = [];
  let marker = '';
  while (pages.length < PAGES_MAX) {
    const start = history.tick();
    const asked: ListQuery = { ...query, marker, markerSkipsPrefix: true };
    const page = await proxy.store.listObjects(CONTEXT, { account: ACCOUNT, container }, asked);
    pages.push({ start, end: history.tick(), marker, page });
    const last = page.entries.at(-1);
    if (!page.truncated || !last) break;
    marker = entryName(last);
  }
  return pages;
}

const entryName = (entry: ObjectEntry): string => ('prefix' in entry ? entry.prefix : entry.name);

function notePages(attempt: Attempt, listing: Listing, outcome: Settle): void {
  if (isUnknown(outcome)) return;
  if (outcome.fault) {
    for (const name of attempt.mix.objects)
      noteRow(attempt, listing, { name, from: attempt.start, to: attempt.history.tick() });
    return;
  }
  for (const listed of outcome.value as readonly ListedPage[]) notePage(attempt, listing, listed);
}

function notePage(attempt: Attempt, listing: Listing, { start, end, marker, page }: ListedPage): void {
  const { mix } = attempt;
  const { prefix, delimiter, limit } = listing;
  const names = page.entries.map(entryName);
  const shown = new Map(page.entries.map((entry) => [entryName(entry), entry]));
  if (names.length > limit) throw new Error(`a page of ${names.length} entries, ${limit} were asked for`);
  if (names.some((name, i) => i > 0 && name <= (names[i - 1] as string)))
    throw new Error(`out of order: ${names.join(' ')}`);
  const last = names.at(-1) ?? '';
  for (const name of mix.objects) {
    if (!name.startsWith(prefix) || name <= marker || (page.truncated && name > last)) continue;
    if (marker.endsWith('/') && name.startsWith(marker)) continue;
    const cut = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length);
    const folded = cut < 0 ? name : name.slice(0, cut + 1);
    const entry = shown.get(folded);
    if (entry && 'prefix' in entry) continue;
    noteRow(attempt, listing, { name, from: start, to: end, entry });
  }
  for (const entry of page.entries) {
    const known =
      'prefix' in entry ? mix.objects.some((name) => name.startsWith(entry.prefix)) : mix.objects.includes(entry.name);
    if (!known) throw new Error(`a listing shows '${entryName(entry)}', which was never written`);
  }
}

interface SeenRow {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly entry?: ObjectEntry | undefined;
}

function noteRow(attempt: Attempt, { container }: Listing, { name, from, to, entry }: SeenRow): void {
  const { history } = attempt;
  const register = rowRegister({ account: ACCOUNT, container, object: name });
  const within = { ...attempt, start: from };
  if (!entry || 'prefix' in entry) {
    return note(within, register, {
      text: 'listed: nothing',
      end: to,
      pure: true,
      apply: expect((held) => isAbsent(shownOf(held))),
    });
  }
  const id = operationOf(entry.contentType);
  learnEtag(history, id, entry.etag);
  history.listed.add(id);
  const state = stateOf(id, entry.etag);
  note(within, register, {
    text: `listed: ${state}`,
    end: to,
    pure: true,
    apply: expect((held) => shownOf(held) === state),
  });
}
