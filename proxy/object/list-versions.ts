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
  const rows = (prefix: Key, read: (entry: ListEntry) => Item, marker: string): Cursor =>
    new Cursor(
      read,
      (from, resume) => listRows(engine.cluster, prefix, { ...rowQuery(query), marker: from, resume }),
      marker,
    );
  const current = rows(container.rowPrefix, currentItem, start.name);
  if (start.first) current.putFirst(start.first);
  const cursors = [current];
  if (versioningOf(container) !== undefined) {
    const table = rowPrefix(container.hash, container.incarnation, TABLE.versions);
    cursors.push(rows(table, versionItem, start.row));
  }
  const continued = start.order === undefined ? undefined : query.marker;
  return merge(cursors, { limit: query.limit, reverse: query.reverse === true, continued });
}

function rowQuery({ prefix = '', delimiter = '', limit, reverse = false }: VersionQuery): Omit<RowQuery, 'marker'> {
  const rest = { endMarker: '', reverse, markerSkipsPrefix: true };
  return { prefix: utf8ToLatin1(prefix), delimiter: utf8ToLatin1(delimiter), limit: limit + 1, ...rest };
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
    const next = await cursor.peek();
    if (!next) continue;
    const at = (first?.known as Item | undefined)?.at;
    if (at === undefined || (reverse ? next.at > at : next.at < at)) first = cursor;
  }
  return first?.take();
}

type Fetch = (marker: string, resume: string | undefined) => ReturnType<typeof listRows>;

/** One table's rows in order, page by page. */
class Cursor {
  readonly #read: (entry: ListEntry) => Item;
  readonly #fetch: Fetch;
  #items: Item[] = [];
  #at = 0;
  #marker: string;
  #resume: string | undefined;
  #more = true;

  constructor(read: (entry: ListEntry) => Item, fetch: Fetch, marker: string) {
    this.#read = read;
    this.#fetch = fetch;
    this.#marker = marker;
  }

  putFirst(item: Item): void {
    this.#items.push(item);
  }

  /** The next item, once `peek` has seen to it. */
  get known(): Item | undefined {
    return this.#items[this.#at];
  }

  async peek(): Promise<Item | undefined> {
    if (this.known || !this.#more) return this.known;
    const page = await this.#fetch(this.#marker, this.#resume);
    if (page.truncated && page.entries.length === 0) throw new Fault(storeFaults.quorumUnavailable, { phase: 'list' });
    this.#items = page.entries.map(this.#read);
    this.#at = 0;
    this.#more = page.truncated;
    this.#resume = page.resume;
    this.#marker = page.entries.at(-1)?.name ?? this.#marker;
    return this.known;
  }

  take(): Item {
    return this.#items[this.#at++] as Item;
  }
}
