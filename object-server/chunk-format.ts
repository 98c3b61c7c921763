/**
 * A chunk of a blob as it travels to and lies in a device's bulk segments. Large bodies are cut into chunks at the proxy,
 * which computes the block checksums once; a device appends header and payload as they come.
 *
 *      0       4    5        8          12              16            24
 *     +-------+----+--------+----------+---------------+-------------+----------------------+
 *     | "NTCK"| v1 | 0 0 0  | index    | payload bytes | head xxh64  | blob id 16           |
 *     +-------+----+--------+----------+---------------+-------------+----------------------+ 40
 *     | xxh64 of each 64 KiB block of the payload (the last may be short), 8 bytes each
 *     +------------------------------------------------------------------------------- - -
 *     | payload
 *     +------------------------------------------------------------------------------- - -
 *
 *     All chunks of a blob but the last hold CHUNK_BYTES. head xxh64 covers header and sums with this field as zero.
 */

import { assert } from '../fabric/assert.ts';
import { Fault } from '../fabric/errors.ts';
import { xxh64 } from '../fabric/hash.ts';
import { deviceFaults } from './faults.ts';

export const CHUNK_BYTES = 1024 * 1024;
export const BLOCK_BYTES = 64 * 1024;
export const CHUNK_HEAD_FIXED_BYTES = 40;
const MAGIC = 0x4b43544e;
const SUM_AT = 16;

export const blockCount = (payloadBytes: number): number => Math.ceil(payloadBytes / BLOCK_BYTES);
export const chunkHeadBytes = (payloadBytes: number): number => CHUNK_HEAD_FIXED_BYTES + 8 * blockCount(payloadBytes);
export const chunkCount = (blobBytes: number): number => Math.ceil(blobBytes / CHUNK_BYTES);

export function encodeChunkHead(blobId: Uint8Array, index: number, payload: Uint8Array): Buffer {
  assert(blobId.length === 16 && payload.length > 0 && payload.length <= CHUNK_BYTES, 'chunk out of range');
  const head = Buffer.alloc(chunkHeadBytes(payload.length));
  head.writeUInt32LE(MAGIC, 0);
  head[4] = 1;
  head.writeUInt32LE(index, 8);
  head.writeUInt32LE(payload.length, 12);
  head.set(blobId, 24);
  for (let block = 0; block * BLOCK_BYTES < payload.length; block++) {
    const sum = xxh64(payload.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES));
    head.writeBigUInt64LE(sum, CHUNK_HEAD_FIXED_BYTES + 8 * block);
  }
  head.writeBigUInt64LE(xxh64(head), SUM_AT);
  return head;
}

export interface ChunkHead {
  readonly blobId: Buffer;
  readonly index: number;
  readonly payloadBytes: number;
  readonly headBytes: number;
  /** Expected checksum of a block. */
  sum(block: number): bigint;
}

/** Fault CorruptChunk when the header does not check. `bytes` may be longer than the header. */
export function decodeChunkHead(bytes: Buffer): ChunkHead {
  const corrupt = (reason: string) => new Fault(deviceFaults.corruptChunk, { reason });
  if (bytes.length < CHUNK_HEAD_FIXED_BYTES || bytes.readUInt32LE(0) !== MAGIC || bytes[4] !== 1)
    throw corrupt('magic');
  const payloadBytes = bytes.readUInt32LE(12);
  if (payloadBytes === 0 || payloadBytes > CHUNK_BYTES) throw corrupt('length');
  const headBytes = chunkHeadBytes(payloadBytes);
  if (bytes.length < headBytes) throw corrupt('short');
  const head = Buffer.from(bytes.subarray(0, headBytes));
  head.writeBigUInt64LE(0n, SUM_AT);
  if (xxh64(head) !== bytes.readBigUInt64LE(SUM_AT)) throw corrupt('checksum');
  return {
    blobId: head.subarray(24, 40),
    index: head.readUInt32LE(8),
    payloadBytes,
    headBytes,
    sum: (block) => head.readBigUInt64LE(CHUNK_HEAD_FIXED_BYTES + 8 * block),
  };
}
