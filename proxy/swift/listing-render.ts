/**
 * Listings as text, JSON and XML in Swift's shapes. Built as strings, entry by entry: a page has up to ten thousand and
 * this is the whole cost of a listing on this side.
 */
import { type Stamp, stampTicks } from '../../fabric/stamp.ts';
import type { ContainerEntry, ObjectEntry } from '../object/contract.ts';
import type { ListingFormat } from './listing-format.ts';
import { escapeXml } from './xml.ts';

const XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';
const TICKS_PER_SECOND = 100_000;
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** Body of a container listing; '' when there is nothing to show as text. */
export function renderObjects(format: ListingFormat, container: string, entries: readonly ObjectEntry[]): string {
  if (format === 'text/plain') return renderNames(entries);
  if (format === 'application/json') return `[${entries.map(objectJson).join(', ')}]`;
  return `${XML_HEAD}<container name="${escapeXml(container)}">${entries.map(objectXml).join('')}</container>`;
}

/** Body of an account listing. */
export function renderContainers(format: ListingFormat, account: string, entries: readonly ContainerEntry[]): string {
  if (format === 'text/plain') return renderNames(entries);
  if (format === 'application/json') return `[${entries.map(containerJson).join(', ')}]`;
  return `${XML_HEAD}<account name="${escapeXml(account)}">\n${entries.map(containerXml).join('')}</account>`;
}

function renderNames(entries: readonly (ObjectEntry | ContainerEntry)[]): string {
  let text = '';
  for (const entry of entries) text += `${'prefix' in entry ? entry.prefix : entry.name}\n`;
  return text;
}

function objectJson(entry: ObjectEntry): string {
  if ('prefix' in entry) return `{"subdir": ${quote(entry.prefix)}}`;
  const type = quote(shownType(entry.contentType));
  const slo = entry.extra['slo'] ? `, "slo_etag": ${quote(`"${entry.etag}"`)}` : '';
  const hash = `"hash": ${quote(entry.etag)}, "last_modified": "${isoTime(entry.stamp)}"`;
  return `{"bytes": ${entry.sizeBytes}, ${hash}, "name": ${quote(entry.name)}, "content_type": ${type}${slo}}`;
}

function objectXml(entry: ObjectEntry): string {
  if ('prefix' in entry) {
    const name = escapeXml(entry.prefix);
    return `<subdir name="${name}"><name>${name}</name></subdir>`;
  }
  const head = `<object><name>${escapeXml(entry.name)}</name><hash>${escapeXml(entry.etag)}</hash>`;
  const type = escapeXml(shownType(entry.contentType));
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

/** Content types are bytes as sent; a listing is text. */
function shownType(contentType: string): string {
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
  return `${isoText}.${String(ticks % TICKS_PER_SECOND).padStart(5, '0')}0`;
}
