/**
 * Bodies on their way through encryption: plain text in and segments out for an upload, a range of plain text for a read.
 * Holds one segment at a time; hands out nothing that was not authenticated.
 */

import type { ReadRegister } from '../cluster.ts';
import type { Body, BodySource } from './contract.ts';
import type { Digest } from './digest.ts';
import type { Engine } from './engine.ts';
import { openExtents } from './extent-body.ts';
import type { Extent, ObjectRecord } from './object-format.ts';
import {
  openSegment,
  PLAIN_SEGMENT_BYTES,
  plainBytes,
  SEALED_SEGMENT_BYTES,
  sealedBytes,
  sealSegment,
  segmentCount,
  streamKey,
} from './sealed-format.ts';

interface SealingParts {
  readonly source: BodySource;
  readonly start?: Uint8Array | undefined;
  readonly key: Uint8Array;
  /** Takes the plain text. */
  readonly digest: Digest;
}

/** A plain body as the stream of its segments. */
export class SealingBody implements BodySource {
  readonly lengthBytes: number | undefined;
  /** Of plain text, so far. */
  plain = 0;
  readonly #parts: SealingParts;
  #rest: Uint8Array | undefined;
  #index = 0;
  #ended = false;

  constructor(parts: SealingParts) {
    const { lengthBytes } = parts.source;
    this.lengthBytes = lengthBytes === undefined ? undefined : sealedBytes(lengthBytes);
    this.#parts = parts;
    this.#rest = parts.start?.length ? parts.start : undefined;
  }

  async read(): Promise<Uint8Array | undefined> {
    if (this.#ended) return undefined;
    const { key, digest, source } = this.#parts;
    const segment = Buffer.allocUnsafeSlow(PLAIN_SEGMENT_BYTES);
    let filled = 0;
    while (filled < segment.length) {
      this.#rest ??= await source.read();
      if (this.#rest === undefined) break;
      const take = Math.min(this.#rest.length, segment.length - filled);
      segment.set(this.#rest.subarray(0, take), filled);
      filled += take;
      this.#rest = take === this.#rest.length ? undefined : this.#rest.subarray(take);
    }
    // Whether this is the last one shows only in what comes after it.
    while (this.#rest === undefined || this.#rest.length === 0) {
      this.#rest = await source.read();
      if (this.#rest === undefined) {
        this.#ended = true;
        break;
      }
    }
    const plain = segment.subarray(0, filled);
    this.plain += filled;
    await digest.update(plain);
    return sealSegment(plain, { key, index: this.#index++, isLast: this.#ended });
  }

  async collect(): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    for (let piece = await this.read(); piece; piece = await this.read()) pieces.push(piece);
    return Buffer.concat(pieces);
  }
}

interface Reading {
  readonly dataKey: Uint8Array;
  readonly offset: number;
  readonly length: number;
}

/** Bytes [offset, offset + length) of the plain text. */
export function openSealed(engine: Engine, register: ReadRegister, record: ObjectRecord, reading: Reading): Body {
  const { extents } = record;
  if (extents) return new OpeningBody(engine, register, extents, reading);
  const { dataKey, offset, length } = reading;
  const key = streamKey(dataKey, record.sealed?.salt ?? '');
  const whole = openSegment(register.body ?? Buffer.alloc(0), { key, index: 0, isLast: true });
  const bytes = whole.subarray(offset, offset + length);
  let given = false;
  return {
    lengthBytes: bytes.length,
    bytes,
    async next() {
      if (given || bytes.length === 0) return undefined;
      given = true;
      return bytes;
    },
    cancel() {},
  };
}

/** A range of segments of one stream. */
interface Piece {
  readonly extent: Extent;
  /** Of plain text, in the stream. */
  readonly first: number;
  readonly end: number;
}

class OpeningBody implements Body {
  readonly lengthBytes: number;
  readonly #engine: Engine;
  readonly #register: ReadRegister;
  readonly #dataKey: Uint8Array;
  readonly #pieces: Piece[] = [];
  #stream: SegmentReader | undefined;

  constructor(engine: Engine, register: ReadRegister, extents: readonly Extent[], reading: Reading) {
    const { dataKey, offset, length } = reading;
    this.#engine = engine;
    this.#register = register;
    this.#dataKey = dataKey;
    this.lengthBytes = length;
    let from = 0;
    for (const extent of extents) {
      const plain = plainBytes(extent.length);
      const first = Math.max(offset - from, 0);
      const end = Math.min(offset + length - from, plain);
      if (first < end) this.#pieces.push({ extent, first, end });
      from += plain;
    }
  }

  async next(): Promise<Uint8Array | undefined> {
    while (true) {
      const bytes = await this.#stream?.next();
      if (bytes) return bytes;
      const piece = this.#pieces.shift();
      if (piece === undefined) return undefined;
      const key = streamKey(this.#dataKey, piece.extent.id);
      this.#stream = new SegmentReader(this.#engine, this.#register, piece, key);
    }
  }

  cancel(): void {
    this.#pieces.length = 0;
    this.#stream?.cancel();
  }
}

class SegmentReader {
  readonly #piece: Piece;
  readonly #key: Uint8Array;
  readonly #raw: Body;
  readonly #count: number;
  #index: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(engine: Engine, register: ReadRegister, piece: Piece, key: Uint8Array) {
    const { extent, first, end } = piece;
    this.#piece = piece;
    this.#key = key;
    this.#index = Math.floor(first / PLAIN_SEGMENT_BYTES);
    this.#count = segmentCount(plainBytes(extent.length));
    const offset = this.#index * SEALED_SEGMENT_BYTES;
    const last = Math.min(Math.ceil(end / PLAIN_SEGMENT_BYTES) * SEALED_SEGMENT_BYTES, extent.length);
    this.#raw = openExtents(engine, register, [extent], { offset, length: last - offset });
  }

  async next(): Promise<Uint8Array | undefined> {
    const { first, end, extent } = this.#piece;
    const at = this.#index * PLAIN_SEGMENT_BYTES;
    if (at >= end) return undefined;
    const wanted = Math.min(SEALED_SEGMENT_BYTES, extent.length - this.#index * SEALED_SEGMENT_BYTES);
    while (this.#heldBytes < wanted) {
      const bytes = await this.#raw.next();
      if (bytes === undefined) break;
      this.#held.push(bytes);
      this.#heldBytes += bytes.length;
    }
    const all = this.#held.length === 1 ? (this.#held[0] as Uint8Array) : Buffer.concat(this.#held);
    const isLast = this.#index === this.#count - 1;
    const plain = openSegment(all.subarray(0, wanted), { key: this.#key, index: this.#index++, isLast });
    this.#held = all.length > wanted ? [all.subarray(wanted)] : [];
    this.#heldBytes = Math.max(all.length - wanted, 0);
    return plain.subarray(Math.max(first - at, 0), Math.min(end - at, plain.length));
  }

  cancel(): void {
    this.#raw.cancel();
  }
}
