/**
 * Every version of every name: the current table's rows, which are the newest versions, merged with the versions table's.
 * Both are in the order of name and age, so a page costs the same at any number of versions. What is in both (a version
 * that was set aside, or given its place back) is shown once.
 */
import { decodeRow, type ListEntry, ROW_DELETE_MARKER, ROW_NULL_VERSION } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  latin1ToUtf8,
  TABLE,
  utf8ToLatin1,
} from '../../object-server/contract.ts';
import { readQuorum } from '../quorum-read.ts';
import { objectKey } from './commit.ts';
import { type ContainerState, rowPrefix } from './containers.ts';
import {
  type ContainerRef,
  type Context,
  type ListQuery,
  type Page,
  storeFaults,
  type VersionEntry,
} from './contract.ts';
import type { Engine } from './engine.ts';
import { findVersion } from './find-version.ts';
import { checkVersion } from './get.ts';
import { listable } from './list.ts';
import { listRows, type RowQuery } from './rows.ts';
import { NULL_VERSION, orderOf, readRowName, rowSuffix, versioningOf } from './version-format.ts';

export type VersionQuery = ListQuery & { readonly versionIdMarker?: string | undefined };

type Versioned = Exclude<VersionEntry, { prefix: string }>;

/** `at`: name and age as rows are in order, or the common prefix. */
interface Item {
  readonly at: string;
  /** Of the current table: what plain requests get. */
  readonly current?: true;
  readonly prefix?: string;
  readonly version?: Omit<Versioned, 'isLatest'>;
}

export async function listVersions(
  engine: Engine,
  context: Context,
  ref: ContainerRef,
  query: VersionQuery,
): Promise<Page<VersionEntry>> {
  return versionsPage(engine, await listable(engine, context, ref), query);
}

/** Whoever asks. */
export async function versionsPage(
  engine: Engine,
  container: ContainerState,
  query: VersionQuery,
): Promise<Page<VersionEntry>> {
  const start = await startOf(engine, container, query);
  const rows = (prefix: Key, marker: string, how: Pick<CursorOptions, 'read' | 'limit' | 'behind'>): Cursor => {
    const fetch: Fetch = (from) => listRows(engine.cluster, prefix, { ...rowQuery(query), ...from });
    return new Cursor({ ...how, fetch, marker });
  };
  const isVersioned = versioningOf(container) !== undefined;
  // Most rows of a page may be those of older versions: then the current table is read piece by piece, forwards.
  const isSimple = (query.delimiter ?? '') === '' && query.reverse !== true;
  const share = isVersioned && isSimple ? CURRENT_SHARE : 1;
  const all = query.limit + 1;
  const current = rows(container.rowPrefix, start.name, { read: currentItem, limit: Math.ceil(all / share) });
  if (start.first) current.putFirst(start.first);
  const cursors = [current];
  if (isVersioned) {
    const table = rowPrefix(container.hash, container.incarnation, TABLE.versions);
    cursors.push(rows(table, start.row, { read: versionItem, limit: all, behind: isSimple ? current : undefined }));
  }
  const continued = start.order === undefined ? undefined : query.marker;
  return merge(cursors, { limit: query.limit, reverse: query.reverse === true, continued });
}

function rowQuery({ prefix = '', delimiter = '', reverse = false }: VersionQuery): Omit<RowQuery, keyof From> {
  return { prefix: utf8ToLatin1(prefix), delimiter: utf8ToLatin1(delimiter), reverse, markerSkipsPrefix: true };
}

interface Start {
  /** Marker of the current table. */
  readonly name: string;
  /** Marker of the versions table. */
  readonly row: string;
  /** Of the version that the page starts after. */
  readonly order?: Stamp;
  /** The marker's own newest version, where it is older than that. */
  readonly first?: Item | undefined;
}

async function startOf(engine: Engine, container: ContainerState, query: VersionQuery): Promise<Start> {
  const { marker = '', versionIdMarker, reverse = false } = query;
  const name = utf8ToLatin1(marker);
  if (marker === '') return { name, row: '' };
  // Behind every row of the name: \x01 sorts after what follows NUL. In reverse, before all of them.
  const whole = { name, row: reverse ? name : `${name}\x01` };
  if (!versionIdMarker) return whole;
  checkVersion(versionIdMarker);
  const order = await orderOfMarker(engine, container, { name: marker, versionId: versionIdMarker });
  if (order === undefined) return whole;
  const row = name + rowSuffix(order);
  const held = await readQuorum(engine.cluster, container.rowPrefix + name, false);
  const first = held && !isTombstone(held.head) ? currentItem({ name, head: held.head }) : undefined;
  const isAhead = first !== undefined && (reverse ? first.at < row : first.at > row);
  return { name, row, order, first: isAhead ? first : undefined };
}

async function orderOfMarker(
  engine: Engine,
  container: ContainerState,
  { name, versionId }: { readonly name: string; readonly versionId: string },
): Promise<Stamp | undefined> {
  if (versionId !== NULL_VERSION) return versionId as Stamp;
  const found = await findVersion(engine.cluster, objectKey(engine, container, name), { versionId, body: false });
  return found && orderOf(found.record, found.register.head);
}

function currentItem({ name, head }: ListEntry): Item {
  if (!head) return { at: name, prefix: latin1ToUtf8(name) };
  const { sizeBytes, etag, contentType, extra = NO_EXTRA } = decodeRow(headMeta(head));
  const id = extra['version'] as Stamp | undefined;
  const versionId = id ?? NULL_VERSION;
  const about = { sizeBytes, etag, contentType, extra, stamp: headStamp(head) };
  const version = { name: latin1ToUtf8(name), versionId, deleteMarker: false, ...about };
  return { at: name + rowSuffix(id ?? headStamp(head)), current: true, version };
}

function versionItem({ name: at, head }: ListEntry): Item {
  if (!head) return { at, prefix: latin1ToUtf8(at) };
  const { name, order } = readRowName(at);
  const { sizeBytes, etag, contentType, flags = 0, extra = NO_EXTRA } = decodeRow(headMeta(head));
  const versionId = flags & ROW_NULL_VERSION ? NULL_VERSION : order;
  const deleteMarker = (flags & ROW_DELETE_MARKER) !== 0;
  return {
    at,
    version: { name, versionId, deleteMarker, sizeBytes, etag, contentType, extra, stamp: headStamp(head) },
  };
}

/** The first page of the current table is this part of what is wanted, and each further one twice the last. */
const CURRENT_SHARE = 4;

const later = (a: string, b: string): string => (a > b ? a : b);

const NO_EXTRA: Readonly<Record<string, unknown>> = Object.freeze({});

interface Merge {
  readonly limit: number;
  readonly reverse: boolean;
  /** Of this name other versions were on the page before. */
  readonly continued: string | undefined;
}

interface Last {
  readonly prefix?: string | undefined;
  readonly name?: string | undefined;
  readonly ids: Set<string>;
  /** One of them was what plain requests get. */
  hasCurrent: boolean;
}

async function merge(cursors: readonly Cursor[], { limit, reverse, continued }: Merge): Promise<Page<VersionEntry>> {
  const entries: VersionEntry[] = [];
  let last: Last = { name: continued, ids: new Set(), hasCurrent: false };
  for (let item = await takeFirst(cursors, reverse); item; item = await takeFirst(cursors, reverse)) {
    const { prefix, version } = item;
    const known = prefix === undefined ? last.name === version?.name : last.prefix === prefix;
    if (known && (version === undefined || last.ids.has(version.versionId))) continue;
    if (entries.length === limit) return { entries, truncated: true };
    if (!known) last = { prefix, name: version?.name, ids: new Set(), hasCurrent: false };
    if (prefix !== undefined) entries.push({ prefix });
    if (!version) continue;
    last.ids.add(version.versionId);
    last.hasCurrent ||= item.current === true;
    const isLatest =
      item.current === true || (version.deleteMarker && (await isNewest(cursors, { last, known, reverse })));
    entries.push({ ...version, isLatest });
  }
  return { entries, truncated: false };
}

/** Whether the delete marker just taken stands where the object would: nothing newer of the name, nothing current. */
async function isNewest(
  cursors: readonly Cursor[],
  { last, known, reverse }: { last: Last; known: boolean; reverse: boolean },
): Promise<boolean> {
  if (last.hasCurrent || (known && !reverse)) return false;
  for (const cursor of cursors) {
    const next = await cursor.peek();
    if (next?.version?.name === last.name && (reverse || next?.current === true)) return false;
  }
  return true;
}

async function takeFirst(cursors: readonly Cursor[], reverse: boolean): Promise<Item | undefined> {
  let first: Cursor | undefined;
  for (const cursor of cursors) {
    // To wait for what is at hand would cost more than all the rest.
    const next = cursor.isReady ? cursor.peekNow() : await cursor.peek();
    if (!next) continue;
    const at = (first?.known as Item | undefined)?.at;
    if (at === undefined || (reverse ? next.at > at : next.at < at)) first = cursor;
  }
  return first?.take();
}

type From = Pick<RowQuery, 'marker' | 'endMarker' | 'limit' | 'resume'>;
type Fetch = (from: From) => ReturnType<typeof listRows>;

interface CursorOptions {
  readonly read: (entry: ListEntry) => Item;
  readonly fetch: Fetch;
  readonly marker: string;
  /** Rows of the first page; each further one has twice as many. */
  readonly limit: number;
  /** Only where this one has been is read, and after it: what leaves the current table is among the versions by then. */
  readonly behind?: Cursor | undefined;
}

/** One table's rows in order, page by page. */
class Cursor {
  /** The next item, once `peek` has seen to it. */
  known: Item | undefined;
  readonly #options: CursorOptions;
  /** Not looked at yet, from `#at` on: most of one table's are passed over where the other one fills the page. */
  #rows: readonly ListEntry[] = [];
  #at = 0;
  #marker: string;
  #limit: number;
  #resume: string | undefined;
  #more = true;
  /** Of the other cursor when the last page was read. */
  #bound = '';

  constructor(options: CursorOptions) {
    this.#options = options;
    this.#marker = options.marker;
    this.#limit = options.limit;
  }

  /** The end of what was read, behind all rows of its last name; '' when that is everything. */
  get bound(): string {
    return this.#more ? `${this.#marker}\x01` : '';
  }

  putFirst(item: Item): void {
    this.known = item;
  }

  /** Whether the next item, or that there is none, can be had without waiting. */
  get isReady(): boolean {
    return this.known !== undefined || this.#at < this.#rows.length || !this.#hasMore;
  }

  /** More may have come to be allowed since the last page ended. */
  get #hasMore(): boolean {
    return this.#more || (this.#bound !== '' && this.#bound !== this.#options.behind?.bound);
  }

  async peek(): Promise<Item | undefined> {
    if (!this.isReady) await this.#next();
    return this.peekNow();
  }

  peekNow(): Item | undefined {
    if (this.known) return this.known;
    const row = this.#rows[this.#at];
    if (row === undefined) return undefined;
    this.#at++;
    this.known = this.#options.read(row);
    return this.known;
  }

  async #next(): Promise<void> {
    const { fetch, behind } = this.#options;
    const bound = behind?.bound ?? '';
    // Up to a bound that was reached everything is read.
    const marker = !this.#more && this.#bound !== '' ? later(this.#marker, this.#bound) : this.#marker;
    const resume = bound === this.#bound ? this.#resume : undefined;
    const page = await fetch({ marker, endMarker: bound, limit: this.#limit, resume });
    if (page.truncated && page.entries.length === 0) throw new Fault(storeFaults.quorumUnavailable, { phase: 'list' });
    this.#limit = Math.min(2 * this.#limit, this.#options.limit * CURRENT_SHARE);
    this.#rows = page.entries;
    this.#at = 0;
    this.#more = page.truncated;
    this.#resume = page.resume;
    this.#bound = bound;
    this.#marker = page.entries.at(-1)?.name ?? marker;
  }

  take(): Item {
    const taken = this.known as Item;
    this.known = undefined;
    return taken;
  }
}
