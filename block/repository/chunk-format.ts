/**
 * A chunk as an object: what a volume holds in one place, packed where that pays.
 *
 *      0       4    5       6     8           12              16           24
 *     +-------+----+-------+-----+-----------+---------------+------------+---------------+
 *     | "NTSC"| v1 | codec | 0 0 | raw bytes | payload bytes | xxh64      | payload       |
 *     +-------+----+-------+-----+-----------+---------------+------------+---------------+
 *
 *     Little-endian. xxh64 covers head and payload with this field as zero. Codecs: CODECS.
 *     The name is the keyed hash of the raw bytes (see seal.ts), so one that was swapped for another is found out as well.
 */
import { assert } from '../../fabric/assert.ts';
import { Fault } from '../../fabric/errors.ts';
import { xxh64 } from '../../fabric/hash.ts';
import { CHUNK_BYTES_MAX } from './contract.ts';
import { repositoryFaults } from './faults.ts';

const MAGIC = 0x4353544e;
const VERSION = 1;
export const CHUNK_HEAD_BYTES = 24;
const SUM_AT = 16;

/** The byte is on disk: never reuse one. `deflate` is RFC 1951; `lz4` see fabric/lz4.ts. */
export const CODECS = { none: 0, deflate: 1, lz4: 2 } as const;
export type Codec = keyof typeof CODECS;
const CODEC_NAMES = Object.keys(CODECS) as Codec[];

/** A buffer of its own, which may be handed over to another thread. */
export function encodeChunk(codec: Codec, rawBytes: number, payload: Uint8Array): Buffer {
  assert(rawBytes > 0 && rawBytes <= CHUNK_BYTES_MAX && payload.length <= rawBytes, 'a chunk out of range');
  const bytes = Buffer.from(new ArrayBuffer(CHUNK_HEAD_BYTES + payload.length));
  bytes.writeUInt32LE(MAGIC, 0);
  bytes[4] = VERSION;
  bytes[5] = CODECS[codec];
  bytes.writeUInt32LE(rawBytes, 8);
  bytes.writeUInt32LE(payload.length, 12);
  bytes.set(payload, CHUNK_HEAD_BYTES);
  bytes.writeBigUInt64LE(xxh64(bytes), SUM_AT);
  return bytes;
}

export interface ChunkObject {
  readonly codec: Codec;
  readonly rawBytes: number;
  /** A view of what was decoded. */
  readonly payload: Buffer;
}

/** Fault SnapshotCorrupt. The checksum field of `bytes` is zeroed on the way. */
export function decodeChunk(bytes: Buffer): ChunkObject {
  const corrupt = (reason: string): Fault => new Fault(repositoryFaults.corrupt, { reason: `chunk: ${reason}` });
  if (bytes.length < CHUNK_HEAD_BYTES || bytes.readUInt32LE(0) !== MAGIC || bytes[4] !== VERSION)
    throw corrupt('magic');
  const codec = CODEC_NAMES.find((name) => CODECS[name] === bytes[5]);
  const rawBytes = bytes.readUInt32LE(8);
  if (codec === undefined || rawBytes === 0 || rawBytes > CHUNK_BYTES_MAX) throw corrupt('head');
  if (bytes.readUInt32LE(12) !== bytes.length - CHUNK_HEAD_BYTES) throw corrupt('length');
  const sum = bytes.readBigUInt64LE(SUM_AT);
  bytes.writeBigUInt64LE(0n, SUM_AT);
  if (xxh64(bytes) !== sum) throw corrupt('checksum');
  return { codec, rawBytes, payload: bytes.subarray(CHUNK_HEAD_BYTES) };
}
