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
  readonly prefix?: string;
  readonly version?: Omit<Versioned, 'isLatest'>;
}

export async function listVersions(
  engine: Engine,
  context: Context,
  ref: ContainerRef,
  query: VersionQuery,
): Promise<Page<VersionEntry>> {
  const container = await listable(engine, context, ref);
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
  return merge(cursors, query.limit, start.order === undefined ? undefined : query.marker);
}

function rowQuery({ prefix = '', delimiter = '', limit }: VersionQuery): Omit<RowQuery, 'marker'> {
  const rest = { endMarker: '', reverse: false, markerSkipsPrefix: true };
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
  const { marker = '', versionIdMarker } = query;
  const name = utf8ToLatin1(marker);
  if (marker === '') return { name, row: '' };
  // Behind every row of the name: \x01 sorts after what follows NUL.
  const whole = { name, row: `${name}\x01` };
  if (!versionIdMarker) return whole;
  checkVersion(versionIdMarker);
  const order = await orderOfMarker(engine, container, { name: marker, versionId: versionIdMarker });
  if (order === undefined) return whole;
  const row = name + rowSuffix(order);
  const held = await readQuorum(engine.cluster, container.rowPrefix + name, false);
  const first = held && !isTombstone(held.head) ? currentItem({ name, head: held.head }) : undefined;
  return { name, row, order, first: first && first.at > row ? first : undefined };
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
  const { sizeBytes, etag, extra } = decodeRow(headMeta(head));
  const id = extra?.['version'] as Stamp | undefined;
  const version = { name: latin1ToUtf8(name), versionId: id ?? NULL_VERSION, deleteMarker: false, sizeBytes, etag };
  return { at: name + rowSuffix(id ?? headStamp(head)), version: { ...version, stamp: headStamp(head) } };
}

function versionItem({ name: at, head }: ListEntry): Item {
  if (!head) return { at, prefix: latin1ToUtf8(at) };
  const { name, order } = readRowName(at);
  const { sizeBytes, etag, flags = 0 } = decodeRow(headMeta(head));
  const versionId = flags & ROW_NULL_VERSION ? NULL_VERSION : order;
  const deleteMarker = (flags & ROW_DELETE_MARKER) !== 0;
  return { at, version: { name, versionId, deleteMarker, sizeBytes, etag, stamp: headStamp(head) } };
}

async function merge(
  cursors: readonly Cursor[],
  limit: number,
  /** Of this name newer versions were on the page before. */
  continued: string | undefined,
): Promise<Page<VersionEntry>> {
  const entries: VersionEntry[] = [];
  let last: { prefix?: string; name?: string; ids: Set<string> } = { ids: new Set() };
  if (continued !== undefined) last.name = continued;
  for (let item = await takeFirst(cursors); item; item = await takeFirst(cursors)) {
    const { prefix, version } = item;
    const known = prefix === undefined ? last.name === version?.name : last.prefix === prefix;
    if (known && (version === undefined || last.ids.has(version.versionId))) continue;
    if (entries.length === limit) return { entries, truncated: true };
    if (prefix !== undefined) {
      entries.push({ prefix });
      last = { prefix, ids: new Set() };
    } else if (version) {
      entries.push({ ...version, isLatest: !known });
      if (!known) last = { name: version.name, ids: new Set() };
      last.ids.add(version.versionId);
    }
  }
  return { entries, truncated: false };
}

async function takeFirst(cursors: readonly Cursor[]): Promise<Item | undefined> {
  let first: Cursor | undefined;
  for (const cursor of cursors) {
    const next = await cursor.peek();
    if (next && (!first || next.at < (first.known as Item).at)) first = cursor;
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
