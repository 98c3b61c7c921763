/**
 * Listings as text, JSON and XML in Swift's shapes. Built as strings, entry by entry: a page has up to ten thousand and
 * this is the whole cost of a listing on this side.
 */
import { type Stamp, stampTicks } from '../../fabric/stamp.ts';
import type { ContainerEntry, ObjectEntry, VersionEntry } from '../object/contract.ts';
import type { ListedLink } from '../object/links.ts';
import { RenderedPages } from '../rendered-pages.ts';
import type { ListingFormat } from './listing-format.ts';
import { encodeName } from './names.ts';
import { escapeXml } from './xml.ts';

const XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';
const TICKS_PER_SECOND = 100_000;
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

const rendered = new RenderedPages<Buffer>();

/** What a listing is of. */
export interface ListedContainer {
  readonly account: string;
  readonly container: string;
}

/** Body of a container listing; empty when there is nothing to show as text. */
export function objectsBody(format: ListingFormat, of: ListedContainer, entries: readonly ObjectEntry[]): Buffer {
  const { account, container } = of;
  return rendered.get(entries, `${format} ${account}/${container}`, () =>
    Buffer.from(renderObjects(format, of, entries)),
  );
}

function renderObjects(format: ListingFormat, of: ListedContainer, entries: readonly ObjectEntry[]): string {
  const { container } = of;
  if (format === 'text/plain') return renderNames(entries);
  if (format === 'application/json') return `[${renderEach(entries, (entry) => objectJson(entry, of), ', ')}]`;
  const start = `${XML_HEAD}<container name="${escapeXml(container)}"`;
  return entries.length === 0 ? `${start} />` : `${start}>${renderEach(entries, objectXml, '')}</container>`;
}

/** Body of an account listing. */
export function renderContainers(format: ListingFormat, account: string, entries: readonly ContainerEntry[]): string {
  if (format === 'text/plain') return renderNames(entries);
  if (format === 'application/json') return `[${renderEach(entries, containerJson, ', ')}]`;
  return `${XML_HEAD}<account name="${escapeXml(account)}">\n${renderEach(entries, containerXml, '')}</account>`;
}

function renderNames(entries: readonly (ObjectEntry | ContainerEntry)[]): string {
  let text = '';
  for (const entry of entries) text += `${'prefix' in entry ? entry.prefix : entry.name}\n`;
  return text;
}

/** One growing string: it is laid out once, when it becomes bytes, where a join would also lay out every entry. */
function renderEach<Entry>(entries: readonly Entry[], render: (entry: Entry) => string, separator: string): string {
  let text = '';
  for (let i = 0; i < entries.length; i++) {
    if (i > 0) text += separator;
    text += render(entries[i] as Entry);
  }
  return text;
}

function objectJson(entry: ObjectEntry, of: ListedContainer): string {
  if ('prefix' in entry) return `{"subdir": ${quote(entry.prefix)}}`;
  const { extra } = entry;
  const link = extra['link'] ? linkJson(extra['link'] as ListedLink) : '';
  const version = extra['version'] === undefined || link ? '' : versionLinkJson(entry, of);
  return `{${aboutJson(entry)}${link}${version}}`;
}

function aboutJson(entry: Exclude<ObjectEntry, { prefix: string }>): string {
  const { sizeBytes, etag, name, stamp, contentType, extra } = entry;
  const slo = extra['slo'] ? `, "slo_etag": ${quote(`"${etag}"`)}` : '';
  return `"bytes": ${sizeBytes}, "hash": ${quote(etag)}, "last_modified": "${isoTime(stamp)}", "name": ${quote(name)}, "content_type": ${typeJson(contentType)}${slo}`;
}

/** Swift's versioned objects are links to their versions, and so they are listed. */
function versionLinkJson(
  { name, extra }: Exclude<ObjectEntry, { prefix: string }>,
  { account, container }: ListedContainer,
): string {
  const path = [account, container, name].map(encodeName).join('/');
  return `, "symlink_path": ${quote(`/v1/${path}?version-id=${extra['version']}`)}, "version_symlink": true`;
}

/** Body of a listing of versions. */
export function renderVersions(entries: readonly VersionEntry[]): string {
  return `[${renderEach(entries, versionJson, ', ')}]`;
}

function versionJson(entry: VersionEntry): string {
  if ('prefix' in entry) return `{"subdir": ${quote(entry.prefix)}}`;
  const { extra, versionId, isLatest } = entry;
  const link = extra['link'] ? linkJson(extra['link'] as ListedLink) : '';
  return `{${aboutJson(entry)}${link}, "version_id": "${versionId}", "is_latest": ${isLatest}}`;
}

function linkJson({ path, etag, sizeBytes }: ListedLink): string {
  const shown = `, "symlink_path": ${quote(`/v1${path}`)}`;
  return etag === undefined ? shown : `${shown}, "symlink_bytes": ${sizeBytes}, "symlink_etag": ${quote(etag)}`;
}

function objectXml(entry: ObjectEntry): string {
  if ('prefix' in entry) {
    const name = escapeXml(entry.prefix);
    return `<subdir name="${name}"><name>${name}</name></subdir>`;
  }
  const head = `<object><name>${escapeXml(entry.name)}</name><hash>${escapeXml(entry.etag)}</hash>`;
  const type = escapeXml(fromWire(entry.contentType));
  const tail = `<content_type>${type}</content_type><last_modified>${isoTime(entry.stamp)}</last_modified></object>`;
  return `${head}<bytes>${entry.sizeBytes}</bytes>${tail}`;
}

function containerJson(entry: ContainerEntry): string {
  if ('prefix' in entry) return `{"subdir": ${quote(entry.prefix)}}`;
  const totals = `"count": ${entry.objectCount}, "bytes": ${entry.bytesUsed}`;
  return `{"name": ${quote(entry.name)}, ${totals}, "last_modified": "${isoTime(entry.stamp)}"}`;
}

function containerXml(entry: ContainerEntry): string {
  if ('prefix' in entry) return `<subdir name="${escapeXml(entry.prefix)}" />\n`;
  const totals = `<count>${entry.objectCount}</count><bytes>${entry.bytesUsed}</bytes>`;
  const time = `<last_modified>${isoTime(entry.stamp)}</last_modified>`;
  return `<container><name>${escapeXml(entry.name)}</name>${totals}${time}</container>\n`;
}

/** A JSON string; most names need nothing but the quotes. */
function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

let lastType = '';
let lastTypeJson = '""';

/** Neighbours in a listing mostly have the same type. */
function typeJson(contentType: string): string {
  if (contentType !== lastType) {
    lastType = contentType;
    lastTypeJson = quote(fromWire(contentType));
  }
  return lastTypeJson;
}

/** Content types are bytes as sent; a listing is text. */
function fromWire(contentType: string): string {
  return PLAIN.test(contentType) ? contentType : Buffer.from(contentType, 'latin1').toString('utf8');
}

let isoSecond = Number.NaN;
let isoText = '';

/** `2026-11-21T11:41:48.123450`, UTC. */
function isoTime(stamp: Stamp): string {
  const ticks = stampTicks(stamp);
  const second = Math.floor(ticks / TICKS_PER_SECOND);
  if (second !== isoSecond) {
    isoSecond = second;
    isoText = new Date(second * 1000).toISOString().slice(0, 19);
  }
  // The leading 1 keeps the zeros.
  return `${isoText}.${String(TICKS_PER_SECOND + (ticks % TICKS_PER_SECOND)).slice(1)}0`;
}
