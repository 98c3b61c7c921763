/**
 * A range of a blob as a stream of verified buffers, one chunk's share at a time, with one chunk read ahead. Only the blocks
 * that the range touches are read. Keeps the segments open that it reads from, so that a compactor never gets in its way.
 */

import type { DiskFile } from '../fabric/disk.ts';
import { Fault } from '../fabric/errors.ts';
import { xxh64 } from '../fabric/hash.ts';
import type { ByteStream } from '../fabric/rpc/contract.ts';
import type { BlobPlaces } from './blob-format.ts';
import { BLOCK_BYTES, CHUNK_BYTES, type ChunkHead, chunkHeadBytes, decodeChunkHead } from './chunk-format.ts';
import { deviceFaults } from './faults.ts';
import type { Segment, Segments } from './segments.ts';

export interface BlobReaderOptions {
  readonly places: BlobPlaces;
  readonly segments: Segments;
  /** latin1. */
  readonly blobId: string;
  readonly from: number;
  readonly end: number;
  /** What to throw for this failure, after it was dealt with. */
  readonly failed: (error: Error) => Error;
}

export class BlobReader implements ByteStream {
  readonly #options: BlobReaderOptions;
  readonly #held = new Map<number, Segment>();
  #at: number;
  #ahead: Promise<Uint8Array> | undefined;
  #reading = 0;
  #cancelled = false;

  constructor(options: BlobReaderOptions) {
    this.#options = options;
    this.#at = options.from;
    const { places, segments, from, end } = options;
    for (let chunk = Math.floor(from / CHUNK_BYTES); chunk * CHUNK_BYTES < end; chunk++) {
      const { segment: number } = places.place(chunk);
      const segment = segments.get(number);
      if (!segment?.readable || this.#held.has(number)) continue;
      segment.acquire();
      this.#held.set(number, segment);
    }
  }

  async next(): Promise<Uint8Array | undefined> {
    const current = this.#ahead ?? this.#start();
    if (!current) {
      this.cancel();
      return undefined;
    }
    this.#ahead = undefined;
    try {
      const bytes = await current;
      this.#ahead = this.#start();
      return bytes;
    } catch (error) {
      this.cancel();
      throw error;
    }
  }

  cancel(): void {
    this.#cancelled = true;
    if (this.#reading === 0) this.#release();
  }

  #release(): void {
    for (const segment of this.#held.values()) segment.release();
    this.#held.clear();
  }

  /** Begins to read the next chunk's share, if there is one. */
  #start(): Promise<Uint8Array> | undefined {
    const { end } = this.#options;
    if (this.#cancelled || this.#at >= end) return undefined;
    const chunk = Math.floor(this.#at / CHUNK_BYTES);
    const from = this.#at - chunk * CHUNK_BYTES;
    const to = Math.min(CHUNK_BYTES, end - chunk * CHUNK_BYTES);
    this.#at = chunk * CHUNK_BYTES + to;
    const reading = this.#readChunk(chunk, from, to);
    reading.catch(() => undefined);
    return reading;
  }

  async #readChunk(chunk: number, from: number, to: number): Promise<Uint8Array> {
    this.#reading++;
    try {
      const { places, blobId } = this.#options;
      const place = places.place(chunk);
      const file = this.#held.get(place.segment)?.file;
      if (!file) throw new Fault(deviceFaults.corruptChunk, { reason: 'segment is missing' });
      return await readBlocks({ file, ...place, blobId, index: chunk, from, to });
    } catch (error) {
      throw this.#options.failed(error as Error);
    } finally {
      this.#reading--;
      if (this.#cancelled && this.#reading === 0) this.#release();
    }
  }
}

interface BlockRange {
  readonly file: DiskFile;
  /** Of the chunk's head. */
  readonly offset: number;
  readonly payloadBytes: number;
  readonly blobId: string;
  readonly index: number;
  /** Within the payload. */
  readonly from: number;
  readonly to: number;
}

/** Reads the chunk's head and the blocks around [from, to), verifies both, returns just the range. Fault CorruptChunk. */
export async function readBlocks(range: BlockRange): Promise<Buffer> {
  const { bytes, headBytes, firstByte } = await readVerified(range);
  return bytes.subarray(headBytes + range.from - firstByte, headBytes + range.to - firstByte);
}

/** A whole chunk, head and payload, verified: to be written elsewhere as it is. */
export async function readRecord(place: Omit<BlockRange, 'from' | 'to'>): Promise<Buffer> {
  const { bytes } = await readVerified({ ...place, from: 0, to: place.payloadBytes });
  return bytes;
}

interface Verified {
  readonly bytes: Buffer;
  readonly headBytes: number;
  /** Offset in the payload of what follows the head in `bytes`. */
  readonly firstByte: number;
}

async function readVerified({ file, offset, payloadBytes, blobId, index, from, to }: BlockRange): Promise<Verified> {
  const headBytes = chunkHeadBytes(payloadBytes);
  const firstByte = from - (from % BLOCK_BYTES);
  const lastByte = Math.min(payloadBytes, Math.ceil(to / BLOCK_BYTES) * BLOCK_BYTES);
  const bytes = Buffer.allocUnsafeSlow(headBytes + lastByte - firstByte);
  if (firstByte === 0) await readAll(file, bytes, offset);
  else {
    await readAll(file, bytes.subarray(0, headBytes), offset);
    await readAll(file, bytes.subarray(headBytes), offset + headBytes + firstByte);
  }
  const head = decodeChunkHead(bytes);
  if (head.blobId.toString('latin1') !== blobId || head.index !== index || head.payloadBytes !== payloadBytes) {
    throw new Fault(deviceFaults.corruptChunk, { reason: 'another chunk' });
  }
  checkBlocks(head, bytes.subarray(headBytes), firstByte);
  return { bytes, headBytes, firstByte };
}

async function readAll(file: DiskFile, into: Uint8Array, at: number): Promise<void> {
  if ((await file.read(into, at)) < into.length) throw new Fault(deviceFaults.corruptChunk, { reason: 'short' });
}

function checkBlocks(head: ChunkHead, blocks: Buffer, firstByte: number): void {
  for (let at = 0; at < blocks.length; at += BLOCK_BYTES) {
    const sum = xxh64(blocks.subarray(at, Math.min(at + BLOCK_BYTES, blocks.length)));
    if (sum !== head.sum((firstByte + at) / BLOCK_BYTES))
      throw new Fault(deviceFaults.corruptChunk, { reason: 'block checksum' });
  }
}
