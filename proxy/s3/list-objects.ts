/** ListObjects and ListObjectsV2. */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { escapeXml, xmlElement } from '../../fabric/xml.ts';
import type { ContainerRef, ListQuery, ObjectEntry, Page } from '../object/contract.ts';
import { RenderedPages } from '../rendered-pages.ts';
import { classXml, isoTime, ownerXml, resolve, type S3Call, xmlAnswer } from './call.ts';
import { kindOfName } from './checksums.ts';
import { s3Fault } from './errors.ts';
import { readCount, readEncoding, urlEncode } from './query.ts';

const PAGE_MAX = 1000;
const COUNT_MAX = 2 ** 31 - 1;

export interface Listing {
  readonly ref: ContainerRef;
  readonly prefix: string;
  readonly delimiter: string;
  readonly maxKeys: number;
  /** Writes a name, as encoding-type asks. */
  readonly encode: (name: string) => string;
  readonly encodingXml: string;
}

export async function listObjects(call: S3Call): Promise<HttpResponse> {
  const { query } = call;
  const type = query.get('list-type');
  if (type === '2') return listObjectsV2(call);
  if (type !== undefined && type !== '1') {
    throw s3Fault('InvalidArgument', 'Invalid List Type specified in Request', {
      ArgumentName: 'list-type',
      ArgumentValue: type,
    });
  }
  const listing = await readListing(call);
  const marker = query.get('marker') ?? '';
  const page = await fetchPage(call, listing, marker);
  let xml = headXml(call, listing);
  xml += `<Marker>${listing.encode(marker)}</Marker><MaxKeys>${listing.maxKeys}</MaxKeys>`;
  // S3 names the next marker only where the client could not tell it from the last key.
  if (page.truncated && listing.delimiter !== '') xml += `<NextMarker>${listing.encode(lastName(page))}</NextMarker>`;
  xml += xmlElement('IsTruncated', page.truncated) + entriesXml(page, listing, ownerXml('Owner', listing.ref.account));
  return xmlAnswer(call, 'ListBucketResult', xml);
}

async function listObjectsV2(call: S3Call): Promise<HttpResponse> {
  const { query } = call;
  const listing = await readListing(call);
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after');
  const marker = token === undefined || token === '' ? (startAfter ?? '') : readToken(token);
  const page = await fetchPage(call, listing, marker);
  let xml = headXml(call, listing);
  if (token !== undefined) xml += xmlElement('ContinuationToken', token);
  if (startAfter !== undefined) xml += `<StartAfter>${listing.encode(startAfter)}</StartAfter>`;
  if (page.truncated) xml += xmlElement('NextContinuationToken', writeToken(lastName(page)));
  xml += `<KeyCount>${page.entries.length}</KeyCount><MaxKeys>${listing.maxKeys}</MaxKeys>`;
  const owner = query.get('fetch-owner') === 'true' ? ownerXml('Owner', listing.ref.account) : '';
  xml += xmlElement('IsTruncated', page.truncated) + entriesXml(page, listing, owner);
  return xmlAnswer(call, 'ListBucketResult', xml);
}

export async function readListing(call: S3Call): Promise<Listing> {
  const { query } = call;
  const isEncoded = readEncoding(query);
  const maxKeys = readCount(query, 'max-keys', { min: 0, max: COUNT_MAX, absent: PAGE_MAX });
  return {
    ref: await resolve(call),
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    maxKeys: Math.min(maxKeys, PAGE_MAX),
    encode: isEncoded ? urlEncode : escapeXml,
    encodingXml: isEncoded ? '<EncodingType>url</EncodingType>' : '',
  };
}

/** `limit` 0 must still answer for rights and existence. */
async function fetchPage(call: S3Call, listing: Listing, marker: string): Promise<Page<ObjectEntry>> {
  const query: ListQuery = {
    limit: Math.max(listing.maxKeys, 1),
    prefix: listing.prefix || undefined,
    delimiter: listing.delimiter || undefined,
    marker: marker || undefined,
    markerSkipsPrefix: true,
  };
  const page = await call.world.store.listObjects(call.context, listing.ref, query);
  return listing.maxKeys === 0 ? { entries: [], truncated: false } : page;
}

export function headXml(call: S3Call, { prefix, delimiter, encode, encodingXml }: Listing): string {
  const delimiterXml = delimiter === '' ? '' : `<Delimiter>${encode(delimiter)}</Delimiter>`;
  return `${xmlElement('Name', call.bucket)}<Prefix>${encode(prefix)}</Prefix>${delimiterXml}${encodingXml}`;
}

const rendered = new RenderedPages<string>();

function entriesXml({ entries }: Page<ObjectEntry>, { encode, encodingXml }: Listing, owner: string): string {
  return rendered.get(entries, encodingXml + owner, () => renderEntries(entries, encode, owner));
}

function renderEntries(entries: readonly ObjectEntry[], encode: Listing['encode'], owner: string): string {
  let objects = '';
  let prefixes = '';
  for (const entry of entries) {
    if ('prefix' in entry) {
      prefixes += `<CommonPrefixes><Prefix>${encode(entry.prefix)}</Prefix></CommonPrefixes>`;
      continue;
    }
    const times = `<LastModified>${isoTime(entry.stamp)}</LastModified><ETag>&quot;${escapeXml(entry.etag)}&quot;</ETag>`;
    const checksum = entrySum(entry.extra);
    const size = `${checksum}<Size>${entry.sizeBytes}</Size>${owner && entryOwner(entry.extra, owner)}${classXml(entry.extra)}`;
    objects += `<Contents><Key>${encode(entry.name)}</Key>${times}${size}</Contents>`;
  }
  return objects + prefixes;
}

/** Which checksum the object has, where it has one. */
export function entrySum({ sum, sumType }: Readonly<Record<string, unknown>>): string {
  const kind = typeof sum === 'string' ? kindOfName(sum) : undefined;
  if (kind === undefined) return '';
  return xmlElement('ChecksumAlgorithm', kind.word) + xmlElement('ChecksumType', String(sumType ?? 'FULL_OBJECT'));
}

/** Of another one than the bucket's, where it was written by others. */
export function entryOwner({ owner }: Readonly<Record<string, unknown>>, usual: string): string {
  return owner === undefined ? usual : ownerXml('Owner', String(owner));
}

function lastName(page: Page<ObjectEntry>): string {
  const last = page.entries.at(-1);
  if (last === undefined) return '';
  return 'prefix' in last ? last.prefix : last.name;
}

/** Version of the token's form, so that another one can be told apart. */
const TOKEN_VERSION = '1';

function writeToken(marker: string): string {
  return Buffer.from(TOKEN_VERSION + marker).toString('base64url');
}

function readToken(token: string): string {
  const text = /^[A-Za-z0-9_-]+$/.test(token) ? Buffer.from(token, 'base64url').toString() : '';
  if (text.startsWith(TOKEN_VERSION) && writeToken(text.slice(1)) === token) return text.slice(1);
  throw s3Fault('InvalidArgument', 'The continuation token provided is incorrect', {
    ArgumentName: 'continuation-token',
    ArgumentValue: token,
  });
}
