/**
 * Bodies on their way through encryption: plain text in and segments out for an upload, a range of plain text for a read.
 * Holds one segment at a time; hands out nothing that was not authenticated.
 */

import type { ReadRegister } from '../cluster.ts';
import type { Body, BodySource } from './contract.ts';
import type { Digest, DigestPool } from './digest.ts';
import type { Engine } from './engine.ts';
import { openExtents } from './extent-body.ts';
import { inlineBody } from './inline-body.ts';
import type { Extent, ObjectRecord } from './object-format.ts';
import {
  inlineKey,
  openSegment,
  PLAIN_SEGMENT_BYTES,
  plainBytes,
  SEALED_SEGMENT_BYTES,
  sealedBytes,
  sealInto,
  segmentCount,
  streamKey,
} from './sealed-format.ts';

interface SealingParts {
  readonly source: BodySource;
  readonly start?: Uint8Array | undefined;
  readonly key: Uint8Array;
  /** Takes the plain text; its memory comes from `allocate` and goes back to `recycle`. */
  readonly digest: Digest | undefined;
  readonly pool: Pick<DigestPool, 'allocate' | 'recycle'>;
}

/** Segments that are sealed at a time: as many as make a chunk of a blob. */
const BATCH = 16;

/** A plain body as the stream of its segments. What `read` gives is valid until it is called again. */
export class SealingBody implements BodySource {
  readonly lengthBytes: number | undefined;
  /** Of plain text, so far. */
  plain = 0;
  readonly #parts: SealingParts;
  readonly #batch: number;
  #out: Buffer | undefined;
  #rest: Uint8Array | undefined;
  #index = 0;
  #ended = false;

  constructor(parts: SealingParts) {
    const { lengthBytes } = parts.source;
    this.lengthBytes = lengthBytes === undefined ? undefined : sealedBytes(lengthBytes);
    this.#batch = lengthBytes === undefined ? BATCH : Math.min(BATCH, segmentCount(lengthBytes));
    this.#parts = parts;
    this.#rest = parts.start?.length ? parts.start : undefined;
  }

  async read(): Promise<Uint8Array | undefined> {
    if (this.#ended) return undefined;
    const { digest, pool } = this.#parts;
    const isWhole = this.#batch === BATCH;
    const memory = pool.allocate(isWhole ? BATCH * SEALED_SEGMENT_BYTES : this.#batch * PLAIN_SEGMENT_BYTES);
    const plain = await this.#fill(memory.subarray(0, this.#batch * PLAIN_SEGMENT_BYTES));
    this.plain += plain.length;
    const sealed = this.#seal(plain);
    if (digest) await digest.update(plain, () => pool.recycle(memory));
    else pool.recycle(memory);
    return sealed;
  }

  /** As much of it as the body has left. */
  async #fill(memory: Buffer): Promise<Buffer> {
    let filled = 0;
    while (filled < memory.length && (await this.#hasMore())) {
      const rest = this.#rest as Uint8Array;
      const take = Math.min(rest.length, memory.length - filled);
      memory.set(take === rest.length ? rest : rest.subarray(0, take), filled);
      filled += take;
      this.#rest = take === rest.length ? undefined : rest.subarray(take);
    }
    // Whether a segment is the last one shows only in what comes after it.
    await this.#hasMore();
    return memory.subarray(0, filled);
  }

  async #hasMore(): Promise<boolean> {
    while (!this.#ended && (this.#rest === undefined || this.#rest.length === 0)) {
      this.#rest = await this.#parts.source.read();
      this.#ended = this.#rest === undefined;
    }
    return !this.#ended;
  }

  #seal(plain: Buffer): Buffer {
    const { key } = this.#parts;
    this.#out ??= Buffer.allocUnsafeSlow(this.#batch * SEALED_SEGMENT_BYTES);
    const count = segmentCount(plain.length);
    for (let i = 0; i < count; i++) {
      const segment = plain.subarray(i * PLAIN_SEGMENT_BYTES, (i + 1) * PLAIN_SEGMENT_BYTES);
      const place = { key, index: this.#index++, isLast: this.#ended && i === count - 1 };
      sealInto(this.#out, i * SEALED_SEGMENT_BYTES, segment, place);
    }
    return this.#out.subarray(0, sealedBytes(plain.length));
  }

  async collect(): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    for (let piece = await this.read(); piece; piece = await this.read()) pieces.push(Buffer.from(piece));
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
  const key = inlineKey(dataKey, record.sealed ?? {});
  const whole = openSegment(register.body ?? Buffer.alloc(0), { key, index: 0, isLast: true });
  return inlineBody(whole, offset, length);
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

  /** What has arrived of whole segments, at least one. */
  async next(): Promise<Uint8Array | undefined> {
    const { end, extent } = this.#piece;
    if (this.#index * PLAIN_SEGMENT_BYTES >= end) return undefined;
    while (this.#heldBytes < this.#wanted(extent)) {
      const bytes = await this.#raw.next();
      if (bytes === undefined) break;
      this.#held.push(bytes);
      this.#heldBytes += bytes.length;
    }
    const all = this.#held.length === 1 ? (this.#held[0] as Uint8Array) : Buffer.concat(this.#held);
    const opened: Buffer[] = [];
    let at = 0;
    do {
      const wanted = this.#wanted(extent);
      opened.push(this.#open(all.subarray(at, at + wanted)));
      at += wanted;
    } while (this.#index * PLAIN_SEGMENT_BYTES < end && at + this.#wanted(extent) <= all.length);
    this.#held = all.length > at ? [all.subarray(at)] : [];
    this.#heldBytes = Math.max(all.length - at, 0);
    return opened.length === 1 ? opened[0] : Buffer.concat(opened);
  }

  /** Bytes of the next segment. */
  #wanted(extent: Extent): number {
    return Math.min(SEALED_SEGMENT_BYTES, extent.length - this.#index * SEALED_SEGMENT_BYTES);
  }

  /** What of it is asked for. */
  #open(sealed: Uint8Array): Buffer {
    const { first, end } = this.#piece;
    const from = this.#index * PLAIN_SEGMENT_BYTES;
    const isLast = this.#index === this.#count - 1;
    const plain = openSegment(sealed, { key: this.#key, index: this.#index++, isLast });
    return plain.subarray(Math.max(first - from, 0), Math.min(end - from, plain.length));
  }

  cancel(): void {
    this.#raw.cancel();
  }
}
