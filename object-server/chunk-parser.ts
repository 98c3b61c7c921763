/**
 * Cuts an upload stream (chunk head, payload, chunk head, payload …) into verified chunks, however the buffers are split.
 * Payloads stay in the buffers they came in; only a block or head that straddles two buffers is copied, to be checked.
 */

import { Fault } from '../fabric/errors.ts';
import { xxh64 } from '../fabric/hash.ts';
import type { ByteStream } from '../fabric/rpc/contract.ts';
import {
  BLOCK_BYTES,
  CHUNK_BYTES,
  CHUNK_HEAD_FIXED_BYTES,
  type ChunkHead,
  chunkHeadBytes,
  decodeChunkHead,
} from './chunk-format.ts';
import { deviceFaults } from './faults.ts';

export interface Chunk {
  readonly head: Buffer;
  readonly payload: readonly Uint8Array[];
  readonly payloadBytes: number;
}

const corrupt = (reason: string): Fault => new Fault(deviceFaults.corruptChunk, { reason });

export class ChunkParser {
  readonly #stream: ByteStream;
  readonly #blobId: string;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #index = 0;
  #lastBytes = CHUNK_BYTES;

  /** `blobId` as a latin1 string. */
  constructor(stream: ByteStream, blobId: string) {
    this.#stream = stream;
    this.#blobId = blobId;
  }

  /** undefined at the end. Fault CorruptChunk when the stream is not what it should be. */
  async next(): Promise<Chunk | undefined> {
    if (!(await this.#fill(CHUNK_HEAD_FIXED_BYTES))) {
      if (this.#pendingBytes > 0) throw corrupt('stream ends within a chunk head');
      return undefined;
    }
    const fixed = joined(this.#peek(CHUNK_HEAD_FIXED_BYTES));
    const headBytes = chunkHeadBytes(Math.min(fixed.readUInt32LE(12), CHUNK_BYTES));
    if (!(await this.#fill(headBytes))) throw corrupt('stream ends within a chunk head');
    const head = joined(this.#take(headBytes));
    const decoded = decodeChunkHead(head);
    this.#checkPlace(decoded);
    if (!(await this.#fill(decoded.payloadBytes))) throw corrupt('stream ends within a chunk');
    const payload = this.#take(decoded.payloadBytes);
    if (!this.#stream.unmoved) checkBlocks(decoded, payload);
    return { head, payload, payloadBytes: decoded.payloadBytes };
  }

  #checkPlace({ blobId, index, payloadBytes }: ChunkHead): void {
    if (blobId.toString('latin1') !== this.#blobId) throw corrupt('chunk of another blob');
    if (index !== this.#index++) throw corrupt('chunk out of order');
    if (this.#lastBytes !== CHUNK_BYTES) throw corrupt('a chunk that is not the last is short');
    this.#lastBytes = payloadBytes;
  }

  async #fill(bytes: number): Promise<boolean> {
    while (this.#pendingBytes < bytes) {
      const buffer = await this.#stream.next();
      if (!buffer) return false;
      if (buffer.length === 0) continue;
      this.#pending.push(buffer);
      this.#pendingBytes += buffer.length;
    }
    return true;
  }

  #peek(bytes: number): Uint8Array[] {
    return slices(this.#pending, 0, bytes);
  }

  #take(bytes: number): Uint8Array[] {
    const taken = slices(this.#pending, 0, bytes);
    this.#pending = slices(this.#pending, bytes, this.#pendingBytes - bytes);
    this.#pendingBytes -= bytes;
    return taken;
  }
}

function slices(buffers: readonly Uint8Array[], from: number, bytes: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (bytes === 0) break;
    if (from >= buffer.length) {
      from -= buffer.length;
      continue;
    }
    const count = Math.min(bytes, buffer.length - from);
    parts.push(count === buffer.length ? buffer : buffer.subarray(from, from + count));
    bytes -= count;
    from = 0;
  }
  return parts;
}

function joined(parts: readonly Uint8Array[]): Buffer {
  const only = parts[0];
  if (parts.length === 1 && only) return Buffer.from(only.buffer, only.byteOffset, only.length);
  return Buffer.concat(parts);
}

function checkBlocks(head: ChunkHead, payload: readonly Uint8Array[]): void {
  for (let block = 0; block * BLOCK_BYTES < head.payloadBytes; block++) {
    const bytes = Math.min(BLOCK_BYTES, head.payloadBytes - block * BLOCK_BYTES);
    if (xxh64(joined(slices(payload, block * BLOCK_BYTES, bytes))) !== head.sum(block)) throw corrupt('block checksum');
  }
}
