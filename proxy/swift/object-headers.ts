/**
 * Object attributes between headers and the store: which headers of a PUT or POST are kept beside the bytes, and the
 * headers with which an object is shown.
 */
import { stampToSwift } from '../../fabric/stamp.ts';
import type { ObjectAttributes, ObjectInfo } from '../object/contract.ts';
import { MANIFEST_HEADER } from '../object/dynamic.ts';
import type { SwiftCall } from './call.ts';
import { guessContentType } from './content-type.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { HEADER_BYTES_MAX, isText, readMetadata, titleCase } from './metadata.ts';
import { decodeName } from './names.ts';
import { isShownAsLarge, lastModified, shownEtag } from './shown.ts';
import { isTrue } from './true-value.ts';

/** Stored as sent and shown again. */
const KEPT_HEADERS = [
  'content-encoding',
  'content-disposition',
  'content-language',
  'cache-control',
  'expires',
  'x-robots-tag',
] as const;
const DELETE_AT_MAX = 9_999_999_999;
const INTEGER = /^\d{1,15}$/;

/** What a PUT or POST says of an object. Without a content type in the request, `contentType` is absent. */
export function readAttributes(call: SwiftCall): ObjectAttributes {
  return {
    contentType: readContentType(call),
    user: readMetadata(call, 'object'),
    headers: readKeptHeaders(call),
    deleteAt: readDeleteAt(call),
  };
}

/** As `readAttributes` for a new object: the name tells the type where the client does not. */
export function readNewAttributes(call: SwiftCall): ObjectAttributes {
  const attributes = readAttributes(call);
  return attributes.contentType === undefined
    ? { ...attributes, contentType: guessContentType(call.object) }
    : attributes;
}

function readContentType(call: SwiftCall): string | undefined {
  if (isTrue(call.header('x-detect-content-type')) && call.http.method !== 'POST') return guessContentType(call.object);
  const type = call.header('content-type');
  if (type === undefined || type === '') return undefined;
  if (/;\s*swift_/.test(type)) {
    throw refuseAsPage(swiftFaults.badRequest, 'Invalid Content-Type, swift_* is not a valid parameter name.');
  }
  if (type.length > HEADER_BYTES_MAX || !isText(type)) throw refuse(swiftFaults.badRequest, 'Invalid Content-Type');
  return type;
}

function readKeptHeaders(call: SwiftCall): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = call.header(name);
    if (value === undefined || value === '') continue;
    if (value.length > HEADER_BYTES_MAX) throw refuse(swiftFaults.badRequest, `Header value too long: ${name}`);
    kept[name] = value;
  }
  const manifest = call.header(MANIFEST_HEADER);
  const isMeant = manifest !== '' || call.http.method === 'PUT';
  if (manifest !== undefined && isMeant) kept[MANIFEST_HEADER] = checkManifestHeader(manifest);
  return kept;
}

/** `container/prefix` of a dynamic large object, percent-encoded; kept as sent. */
function checkManifestHeader(value: string): string {
  const name = decodeName(value);
  const slash = name.indexOf('/');
  if (slash > 0 && slash < name.length - 1 && !/[?&]/.test(value)) return value;
  throw refuseAsPage(swiftFaults.badRequest, 'X-Object-Manifest must be in the format container/prefix');
}

/** Unix seconds from X-Delete-After, which wins, or X-Delete-At. */
export function readDeleteAt(call: SwiftCall): number | undefined {
  return deleteAtOf(call, { after: call.header('x-delete-after'), at: call.header('x-delete-at') });
}

interface DeleteWhen {
  readonly after: string | undefined;
  readonly at: string | undefined;
}

/** Fault BadRequest for what is no number or lies in the past. */
export function deleteAtOf(call: SwiftCall, { after, at }: DeleteWhen): number | undefined {
  if (after === undefined && at === undefined) return undefined;
  const name = after === undefined ? 'X-Delete-At' : 'X-Delete-After';
  const text = after ?? at ?? '';
  const nowS = call.world.clock.nowMs() / 1000;
  if (/^-\d+$/.test(text)) throw refuse(swiftFaults.badRequest, `${name} in past`);
  if (!INTEGER.test(text)) throw refuse(swiftFaults.badRequest, `Non-integer ${name}`);
  const deleteAt = Math.min(Math.floor(after === undefined ? Number(text) : nowS + Number(text)), DELETE_AT_MAX);
  if (deleteAt <= nowS) throw refuse(swiftFaults.badRequest, `${name} in past`);
  return deleteAt;
}

/** Headers of GET and HEAD. */
export function objectHeaders(info: ObjectInfo): string[] {
  const { stamp } = info;
  const headers = ['Content-Type', info.contentType, 'Etag', shownEtag(info), 'Last-Modified', lastModified(stamp)];
  headers.push('X-Timestamp', stampToSwift(stamp), 'Accept-Ranges', 'bytes');
  pushUserMetadata(headers, info);
  for (const name in info.headers) {
    // What S3 keeps there is not for this API's clients.
    if (!name.startsWith('x-amz-')) headers.push(titleCase(name), info.headers[name] as string);
  }
  if (info.deleteAt !== undefined) headers.push('X-Delete-At', String(info.deleteAt));
  if (isShownAsLarge(info)) headers.push('X-Static-Large-Object', 'True');
  return headers;
}

export function pushUserMetadata(headers: string[], info: ObjectInfo): void {
  for (const name in info.user) headers.push(titleCase(`x-object-meta-${name}`), info.user[name] as string);
}
