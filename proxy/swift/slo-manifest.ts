/**
 * The manifest that a client uploads for a static large object: JSON to a checked list, and every complaint about it at
 * once. Looks at no segment; slo-put.ts does.
 */
import { parseRange } from '../http-range.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { withoutEndSlashes } from './names.ts';

export const MANIFEST_BYTES_MAX = 8 * 1024 * 1024;
export const MANIFEST_SEGMENTS_MAX = 1000;
/** Inline data is kept with the manifest, in one record: enough for headers between segments, not for content. */
export const INLINE_SEGMENTS_MAX = 2000;
export const INLINE_BYTES_MAX = 1024 * 1024;
const COMPLAINTS_MAX = 1000;
/** No groups that repeat: on megabytes they overflow the stack. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const LONE_SURROGATE = /\p{Surrogate}/u;
const SIZE = /^\d{1,16}$/;
/** Stands for a size that is not known yet: a range is then only checked for its form. */
const ANY_SIZE = Number.MAX_SAFE_INTEGER;

/** A segment as asked for: an object, whole or a range of it, or bytes given inline. */
export type WantedSegment =
  | { readonly path: string; readonly etag?: string; readonly sizeBytes?: number; readonly range?: string }
  | { readonly data: Buffer };

/** 400 with a line per complaint. `selfPath`: `/container/object` of the manifest itself. */
export function parseManifest(body: Buffer, selfPath: string): WantedSegment[] {
  const list = parseJson(body);
  if (!Array.isArray(list)) throw refuseAsPage(swiftFaults.badRequest, 'Manifest must be a list.\n');
  const wanted: WantedSegment[] = [];
  const complaints: string[] = [];
  for (const [index, entry] of list.entries()) {
    const segment = parseSegment(entry, { isLast: index === list.length - 1, selfPath });
    if (typeof segment !== 'string') wanted.push(segment);
    else if (complaints.push(`Index ${index}: ${segment}`) >= COMPLAINTS_MAX) break;
  }
  const objects = wanted.filter((segment) => 'path' in segment).length;
  if (complaints.length === 0 && wanted.length > 0 && objects === 0) {
    complaints.push('Inline data segments require at least one object-backed segment.');
  }
  if (complaints.length > 0) throw refuse(swiftFaults.badRequest, `${complaints.join('\n')}\n`);
  checkAmount(wanted, objects);
  return wanted;
}

function checkAmount(wanted: readonly WantedSegment[], objects: number): void {
  if (objects > MANIFEST_SEGMENTS_MAX) {
    throw refuse(swiftFaults.tooLarge, `Number of object-backed segments must be <= ${MANIFEST_SEGMENTS_MAX}`);
  }
  let inlineBytes = 0;
  for (const segment of wanted) inlineBytes += 'data' in segment ? segment.data.length : 0;
  if (wanted.length - objects > INLINE_SEGMENTS_MAX || inlineBytes > INLINE_BYTES_MAX) {
    const limits = `${INLINE_SEGMENTS_MAX} segments and ${INLINE_BYTES_MAX} bytes`;
    throw refuse(swiftFaults.tooLarge, `Inline data must be within ${limits}`);
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw refuseAsPage(swiftFaults.badRequest, 'Manifest must be valid JSON.\n');
  }
}

type Surroundings = { readonly isLast: boolean; readonly selfPath: string };

/** The segment, or what is wrong with it. */
function parseSegment(entry: unknown, around: Surroundings): WantedSegment | string {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return 'not a JSON object';
  const fields = entry as Readonly<Record<string, unknown>>;
  const isData = Object.hasOwn(fields, 'data');
  if (!isData && !Object.hasOwn(fields, 'path')) return "expected keys to include one of 'data' or 'path'";
  const allowed = isData ? ['data'] : ['path', 'etag', 'size_bytes', 'range'];
  const extra = Object.keys(fields).filter((key) => !allowed.includes(key));
  if (extra.length > 0)
    return `extraneous keys ${extra
      .sort()
      .map((key) => JSON.stringify(key))
      .join(', ')}`;
  return isData ? parseData(fields['data']) : parseObject(fields, around);
}

function parseData(data: unknown): WantedSegment | string {
  if (typeof data !== 'string' || !isBase64(data)) return 'data must be valid base64';
  const bytes = Buffer.from(data, 'base64');
  return bytes.length > 0 ? { data: bytes } : 'too small; each segment must be at least 1 byte.';
}

/** With all of its padding or without any. */
function isBase64(text: string): boolean {
  if (!BASE64.test(text)) return false;
  const rest = text.length % 4;
  return text.endsWith('=') ? rest === 0 : rest !== 1;
}

function parseObject(fields: Readonly<Record<string, unknown>>, around: Surroundings): WantedSegment | string {
  const { path, etag = null, size_bytes: size = null, range = null } = fields;
  if (typeof path !== 'string') return '"path" must be a string';
  if (etag !== null && typeof etag !== 'string') return '"etag" must be a string or null (if provided)';
  const name = `/${path.replace(/^\/+/, '')}`;
  if (!withoutEndSlashes(name).includes('/', 1) || LONE_SURROGATE.test(path) || path.includes('\0')) {
    return 'path does not refer to an object. Path must be of the form /container/object.';
  }
  if (size !== null && !SIZE.test(String(size))) return 'invalid size_bytes';
  const sizeBytes = size === null ? undefined : Number(size);
  if (sizeBytes === 0 && !around.isLast) return 'too small; each segment must be at least 1 byte.';
  if (name === around.selfPath) return 'manifest must not include itself as a segment';
  const complaint = range === null || range === '' ? undefined : checkRange(range, sizeBytes);
  if (complaint !== undefined) return complaint;
  return {
    path: name,
    ...(typeof etag === 'string' && { etag: etag.toLowerCase() }),
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(typeof range === 'string' && range !== '' && { range }),
  };
}

function checkRange(range: unknown, sizeBytes: number | undefined): string | undefined {
  if (typeof range !== 'string' || range.length > 100) return 'invalid range';
  if (range.includes(',')) return 'multiple ranges (only one allowed)';
  const outcome = parseRange(`bytes=${range}`, sizeBytes ?? ANY_SIZE);
  if (outcome === 'whole') return 'invalid range';
  return outcome === 'unsatisfiable' ? 'unsatisfiable range' : undefined;
}
