/**
 * The Range header (RFC 9110 §14) for both APIs: what it asks of a representation of a known size, and the body of an
 * answer with several ranges. Bounds what a hostile header can cost; never touches storage itself.
 */
import type { HttpBodyStream } from '../fabric/http/contract.ts';
import type { Body } from './object/contract.ts';

/** A header with more ranges, or with ranges that overlap or jump back too often (RFC 9110 §17.15), gets a 416. */
export const RANGE_COUNT_MAX = 50;
export const RANGE_OVERLAPS_MAX = 2;
export const RANGE_DESCENTS_MAX = 8;
const HEADER_LENGTH_MAX = 4096;

/** Bytes [offset, offset + length) of the representation. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** 'whole': the header does not count, answer 200. 'unsatisfiable': 416 with `Content-Range: bytes * /size`. Else 206. */
export type RangeOutcome = 'whole' | 'unsatisfiable' | readonly ByteRange[];

/**
 * What a Range header means for `sizeBytes`. A header that is not well-formed, or of another unit, does not count. A
 * suffix of an empty representation is satisfiable, yet no Content-Range can name it: 'whole' (S3 says 416: its handler
 * looks at the size first).
 */
export function parseRange(header: string, sizeBytes: number): RangeOutcome {
  if (header.length > HEADER_LENGTH_MAX || header.slice(0, 6).toLowerCase() !== 'bytes=') return 'whole';
  const ranges: ByteRange[] = [];
  let specs = 0;
  for (const piece of header.slice(6).split(',')) {
    const spec = piece.trim();
    if (spec === '') continue;
    specs++;
    const range = parseSpec(spec, sizeBytes);
    if (range === 'malformed') return 'whole';
    if (range) ranges.push(range);
  }
  if (specs === 0) return 'whole';
  if (specs > RANGE_COUNT_MAX || ranges.length === 0 || isAbusive(ranges)) return 'unsatisfiable';
  return sizeBytes === 0 ? 'whole' : ranges;
}

/** `bytes 0-4/10`. */
export function contentRange(range: ByteRange, sizeBytes: number): string {
  return `bytes ${range.offset}-${range.offset + range.length - 1}/${sizeBytes}`;
}

function parseSpec(spec: string, sizeBytes: number): ByteRange | undefined | 'malformed' {
  const dash = spec.indexOf('-');
  const first = parsePosition(spec.slice(0, dash));
  const last = parsePosition(spec.slice(dash + 1));
  if (dash < 0 || first === undefined || last === undefined) return 'malformed';
  if (first === 'none') {
    if (last === 'none') return 'malformed';
    const length = Math.min(last, sizeBytes);
    return last === 0 ? undefined : { offset: sizeBytes - length, length };
  }
  if (last !== 'none' && last < first) return 'malformed';
  if (first >= sizeBytes) return undefined;
  const end = last === 'none' ? sizeBytes : Math.min(last + 1, sizeBytes);
  return { offset: first, length: end - first };
}

/** 'none' for an absent one, undefined for one that is not a number. Huge ones become Infinity, which clips like any other. */
function parsePosition(digits: string): number | 'none' | undefined {
  if (digits === '') return 'none';
  return /^\d+$/.test(digits) ? Number(digits) : undefined;
}

function isAbusive(ranges: readonly ByteRange[]): boolean {
  if (ranges.length === 1) return false;
  let overlaps = 0;
  let descents = 0;
  for (const [index, range] of ranges.entries()) {
    const previous = ranges[index - 1];
    if (previous && range.offset < previous.offset) descents++;
    for (let j = 0; j < index; j++) {
      const other = ranges[j] as ByteRange;
      if (range.offset < other.offset + other.length && other.offset < range.offset + range.length) overlaps++;
    }
  }
  return overlaps > RANGE_OVERLAPS_MAX || descents > RANGE_DESCENTS_MAX;
}

export interface MultipartRanges {
  readonly ranges: readonly ByteRange[];
  readonly sizeBytes: number;
  /** Of each part; latin1 byte string. */
  readonly contentType: string;
  readonly boundary: string;
  open(offset: number, length: number): Body;
}

/**
 * Body of `Content-Type: multipart/byteranges; boundary=…` (RFC 9110 §14.6). Parts are opened one after another, so one
 * upstream body exists at a time.
 */
export function multipartRanges(parts: MultipartRanges): HttpBodyStream & { readonly lengthBytes: number } {
  return new MultipartBody(parts);
}

class MultipartBody implements HttpBodyStream {
  readonly lengthBytes: number;
  readonly #parts: MultipartRanges;
  readonly #heads: readonly Buffer[];
  #index = 0;
  #open: Body | undefined;
  #done = false;

  constructor(parts: MultipartRanges) {
    this.#parts = parts;
    this.#heads = parts.ranges.map((range, index) => partHead(parts, range, index === 0));
    const heads = this.#heads.reduce((sum, head) => sum + head.length, 0);
    const payload = parts.ranges.reduce((sum, range) => sum + range.length, 0);
    this.lengthBytes = heads + payload + tail(parts.boundary).length;
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#done) return undefined;
    if (this.#open) {
      const piece = await this.#open.next();
      if (piece) return piece;
      this.#open = undefined;
    }
    const index = this.#index++;
    const range = this.#parts.ranges[index];
    if (!range) {
      this.#done = true;
      return tail(this.#parts.boundary);
    }
    this.#open = this.#parts.open(range.offset, range.length);
    return this.#heads[index];
  }

  cancel(): void {
    this.#done = true;
    this.#open?.cancel();
    this.#open = undefined;
  }
}

function partHead(parts: MultipartRanges, range: ByteRange, isFirst: boolean): Buffer {
  const start = isFirst ? '' : '\r\n';
  const head = `${start}--${parts.boundary}\r\nContent-Type: ${parts.contentType}\r\n`;
  return Buffer.from(`${head}Content-Range: ${contentRange(range, parts.sizeBytes)}\r\n\r\n`, 'latin1');
}

function tail(boundary: string): Buffer {
  return Buffer.from(`\r\n--${boundary}--`, 'latin1');
}
