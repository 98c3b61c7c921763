/**
 * Attributes of an object between S3 headers and the store: content headers and x-amz-meta-*. Which headers are taken at
 * all is decided in request-headers.ts.
 */
import type { HttpRequest } from '../../fabric/http/contract.ts';
import { formatHttpDate } from '../http-date.ts';
import type { ObjectInfo } from '../object/contract.ts';
import { lastModifiedMs } from './call.ts';
import { s3Fault } from './errors.ts';
import { decodeWords, encodeWords } from './rfc2047.ts';

const META = 'x-amz-meta-';
const METADATA_BYTES_MAX = 2048;
const DEFAULT_CONTENT_TYPE = 'binary/octet-stream';

export const REDIRECT = 'x-amz-website-redirect-location';
export const STORAGE_CLASS = 'x-amz-storage-class';
/** What an object is in that says nothing. Another one is kept as a header, and as `class` in listings. */
export const STANDARD = 'STANDARD';

/** Lower-case name as stored and as sent, name as answered. */
const CONTENT_HEADERS: readonly (readonly [stored: string, answered: string])[] = [
  ['cache-control', 'Cache-Control'],
  ['content-disposition', 'Content-Disposition'],
  ['content-encoding', 'Content-Encoding'],
  ['content-language', 'Content-Language'],
  ['expires', 'Expires'],
  [REDIRECT, REDIRECT],
  [STORAGE_CLASS, STORAGE_CLASS],
];

export interface RequestAttributes {
  readonly contentType: string;
  readonly user: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** Of PUT, CreateMultipartUpload and CopyObject with REPLACE. */
export function readAttributes(request: HttpRequest): RequestAttributes {
  const user: Record<string, string> = {};
  const headers: Record<string, string> = {};
  let metadataBytes = 0;
  const lines = request.headerLines();
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i]!;
    if (name.startsWith(META)) metadataBytes += addMeta(user, name.slice(META.length), lines[i + 1]!);
  }
  if (metadataBytes > METADATA_BYTES_MAX) {
    const sizes = { Size: String(metadataBytes), MaxSizeAllowed: String(METADATA_BYTES_MAX) };
    throw s3Fault('MetadataTooLarge', '', sizes);
  }
  for (const [name] of CONTENT_HEADERS) {
    const value = request.headers.get(name);
    if (value === undefined) continue;
    checkText(name, value);
    if (name === REDIRECT) checkRedirect(value);
    const kept = name === 'content-encoding' ? withoutAwsChunked(value) : value;
    if (kept !== '' && !(name === STORAGE_CLASS && kept === STANDARD)) headers[name] = kept;
  }
  const contentType = request.headers.get('content-type') || DEFAULT_CONTENT_TYPE;
  checkText('content-type', contentType);
  return { contentType, user, headers };
}

/** What no answer could carry is not stored. */
export function checkText(name: string, value: string): void {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if ((code >= 0x20 && code !== 0x7f) || code === 0x09) continue;
    throw s3Fault('InvalidArgument', 'Header value cannot be represented', { ArgumentName: name });
  }
}

/** Returns what it adds to the 2 KiB. */
function addMeta(user: Record<string, string>, name: string, value: string): number {
  if (name === '' || name === '__proto__') {
    throw s3Fault('InvalidArgument', 'A metadata header has no valid name', { ArgumentName: META + name });
  }
  checkText(META + name, value);
  const decoded = decodeWords(value);
  const before = user[name];
  user[name] = before === undefined ? decoded : `${before},${decoded}`;
  return name.length + value.length;
}

/** Of a CopyObject that keeps everything else. */
export function readRedirect(headers: HttpRequest['headers']): string | undefined {
  const value = headers.get(REDIRECT);
  if (value === undefined) return undefined;
  checkText(REDIRECT, value);
  checkRedirect(value);
  return value;
}

function checkRedirect(value: string): void {
  if (/^(\/|https?:\/\/)/.test(value)) return;
  const prefixes = "'http://' or 'https://' or '/'";
  throw s3Fault('InvalidArgument', `The website redirect location must have a prefix of ${prefixes}.`);
}

function withoutAwsChunked(value: string): string {
  if (!value.includes('aws-chunked')) return value;
  return value
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'aws-chunked')
    .join(',');
}

/** Pushes the headers that GET and HEAD answer with, Content-Length and checksums aside. */
export function pushAttributes(out: string[], info: ObjectInfo, overrides?: ReadonlyMap<string, string>): void {
  out.push(
    'Last-Modified',
    formatHttpDate(lastModifiedMs(info.stamp)),
    'ETag',
    `"${info.etag}"`,
    'Accept-Ranges',
    'bytes',
  );
  out.push('Content-Type', overrides?.get('content-type') ?? info.contentType);
  for (const [stored, answered] of CONTENT_HEADERS) {
    const value = overrides?.get(stored) ?? info.headers[stored];
    if (value !== undefined && value !== STANDARD) out.push(answered, value);
  }
  if (info.versionId !== undefined) out.push('x-amz-version-id', info.versionId);
  for (const name in info.user) out.push(META + name, encodeWords(info.user[name]!));
}
