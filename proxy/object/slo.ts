/**
 * Bytes of a static large object: its segments one after another, each checked against what the manifest recorded of it.
 * A segment that is gone or has changed ends the body with a throw (the client sees a short body, never a wrong one).
 * Knows nothing of HTTP, rights or where manifests are kept: `read` opens a segment as any client would.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import { type Body, type OpenObject, type SloSegment, storeFaults } from './contract.ts';

/** Manifests inside manifests, this deep. */
export const SLO_DEPTH_MAX = 10;

/** Opens `/container/object`. `depth` is to be handed to `openSlo` again when that object is itself a manifest. */
export type ReadSegment = (path: string, depth: number) => Promise<OpenObject>;

export interface SloSource {
  readonly read: ReadSegment;
  readonly segments: readonly SloSegment[];
  /** 0 for the object that the client asked for. */
  readonly depth?: number;
}

/** Bytes that a segment adds to the whole. */
export function segmentLength(segment: SloSegment): number {
  return segment.range ? segment.range[1] - segment.range[0] + 1 : segment.sizeBytes;
}

export function sloSize(segments: readonly SloSegment[]): number {
  return segments.reduce((sum, segment) => sum + segmentLength(segment), 0);
}

/** Bytes [offset, offset + length) of the whole. Fault BrokenManifest from `next`. */
export function openSlo(source: SloSource, offset: number, length: number): Body {
  return new SloBody(source, offset, length);
}

/** A part of one segment, in that segment's own coordinates. */
interface Slice {
  readonly segment: SloSegment;
  readonly offset: number;
  readonly length: number;
}

class SloBody implements Body {
  readonly lengthBytes: number;
  readonly #source: SloSource;
  readonly #slices: readonly Slice[];
  #index = 0;
  #current: Body | undefined;
  #cancelled = false;

  constructor(source: SloSource, offset: number, length: number) {
    this.#source = source;
    this.#slices = cut(source.segments, offset, length);
    this.lengthBytes = this.#slices.reduce((sum, slice) => sum + slice.length, 0);
  }

  async next(): Promise<Uint8Array | undefined> {
    while (!this.#cancelled) {
      if (!this.#current) {
        const slice = this.#slices[this.#index++];
        if (!slice) return undefined;
        const opened = await openSlice(this.#source, slice);
        if (this.#cancelled) {
          opened.cancel();
          break;
        }
        this.#current = opened;
      }
      const piece = await this.#current.next();
      if (piece) return piece;
      this.#current = undefined;
    }
    return undefined;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#current?.cancel();
    this.#current = undefined;
  }
}

function cut(segments: readonly SloSegment[], offset: number, length: number): Slice[] {
  const slices: Slice[] = [];
  const end = offset + length;
  let start = 0;
  for (const segment of segments) {
    if (start >= end) break;
    const size = segmentLength(segment);
    const from = Math.max(offset, start);
    const to = Math.min(end, start + size);
    if (from < to) slices.push({ segment, offset: (segment.range?.[0] ?? 0) + from - start, length: to - from });
    start += size;
  }
  return slices;
}

async function openSlice(source: SloSource, slice: Slice): Promise<Body> {
  const { segment } = slice;
  if (segment.data !== undefined) {
    return bufferBody(Buffer.from(segment.data, 'base64').subarray(slice.offset, slice.offset + slice.length));
  }
  const depth = (source.depth ?? 0) + 1;
  if (depth > SLO_DEPTH_MAX) throw broken(segment, 'nested too deep');
  const object = await readSegment(source.read, segment, depth);
  const { info } = object;
  if (info.sizeBytes !== segment.sizeBytes || info.etag !== segment.etag) throw broken(segment, 'changed');
  return object.open(slice.offset, slice.length);
}

async function readSegment(read: ReadSegment, segment: SloSegment, depth: number): Promise<OpenObject> {
  try {
    return await read(segment.path, depth);
  } catch (error) {
    const gone = isFault(error, storeFaults.noSuchObject) || isFault(error, storeFaults.noSuchContainer);
    if (gone || isFault(error, storeFaults.accessDenied)) throw broken(segment, 'cannot be read');
    throw error;
  }
}

function broken(segment: SloSegment, why: string): Fault {
  return new Fault(storeFaults.brokenManifest, { path: segment.path, why }, `segment ${segment.path}: ${why}`);
}

/** A body of bytes at hand. */
export function bufferBody(bytes: Buffer): Body {
  let left: Buffer | undefined = bytes.length > 0 ? bytes : undefined;
  return {
    lengthBytes: bytes.length,
    bytes,
    async next() {
      const piece = left;
      left = undefined;
      return piece;
    },
    cancel() {
      left = undefined;
    },
  };
}
