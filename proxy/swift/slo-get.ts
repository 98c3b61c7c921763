/** `?multipart-manifest=get`: the list of segments instead of their bytes; `format=raw` in the words of an upload. */
import { createHash } from 'node:crypto';
import { contentRange, parseRange } from '../http-range.ts';
import type { ObjectInfo, SloSegment } from '../object/contract.ts';
import type { SwiftCall } from './call.ts';
import { objectHeaders } from './object-headers.ts';
import type { SwiftResponse } from './response.ts';

export function manifestResponse(call: SwiftCall, info: ObjectInfo): SwiftResponse {
  const segments = info.slo ?? [];
  const isRaw = call.params.get('format') === 'raw';
  const json = Buffer.from(isRaw ? rawManifest(segments) : JSON.stringify(segments.map(shownEntry)), 'utf8');
  const etag = createHash('md5').update(json).digest('hex');
  const contentType = isRaw ? info.contentType : 'application/json; charset=utf-8';
  const headers = objectHeaders({ ...info, contentType, slo: undefined, etag });
  headers.push('X-Static-Large-Object', 'True');
  const range = call.http.method === 'GET' ? call.header('range') : undefined;
  const outcome = range === undefined ? 'whole' : parseRange(range, json.length);
  // The manifest is small: a request for several ranges of it gets all of it.
  if (typeof outcome === 'string' || outcome.length > 1 || !outcome[0]) return { status: 200, headers, body: json };
  const { offset, length } = outcome[0];
  headers.push('Content-Range', contentRange(outcome[0], json.length));
  return { status: 206, headers, body: json.subarray(offset, offset + length) };
}

function shownEntry(segment: SloSegment): object {
  const { path, etag, sizeBytes, range, subSlo, data } = segment;
  if (data !== undefined) return { data };
  return {
    name: path,
    hash: etag,
    bytes: sizeBytes,
    ...(range && { range: `${range[0]}-${range[1]}` }),
    ...(subSlo && { sub_slo: true }),
  };
}

/** As Swift keeps it, to the byte: the ETag is the MD5 of this. */
function rawManifest(segments: readonly SloSegment[]): string {
  return `[${segments.map(rawEntry).join(', ')}]`;
}

function rawEntry({ path, etag, sizeBytes, range, data }: SloSegment): string {
  if (data !== undefined) return `{"data": ${ascii(data)}}`;
  const part = range ? `"range": "${range[0]}-${range[1]}", ` : '';
  return `{"etag": ${ascii(etag)}, "path": ${ascii(path)}, ${part}"size_bytes": ${sizeBytes}}`;
}

/** A string of JSON without anything but ASCII. */
function ascii(text: string): string {
  return JSON.stringify(text).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
