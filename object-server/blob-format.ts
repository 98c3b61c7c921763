/**
 * Where the chunks of a blob lie on this device: the meta of its blob register. Local to the device; registers of kind blob
 * are never sent to another one.
 *
 *      0    1       4            8                 16           20          24
 *     +----+-------+------------+-----------------+------------+-----------+---------------+
 *     | v1 | 0 0 0 | chunks u32 | blob bytes f64  | segment u32| offset u32| payload u32   | 12 bytes a chunk
 *     +----+-------+------------+-----------------+------------+-----------+---------------+
 *
 * Ballot and stamp of a blob register are the first 8 bytes of the blob id: the same on every device, so that digests
 * agree, and no information, because a blob never changes. Little-endian.
 */
import { assert } from '../fabric/assert.ts';
import type { Stamp } from '../fabric/stamp.ts';
import { CHUNK_BYTES, chunkHeadBytes } from './chunk-format.ts';
import { HASH_AT, type Key, KIND, KIND_AT, REST_AT, SPACE_HANDOFF, unpackHex } from './key-format.ts';
import { encodeHead, FLAG_TOMBSTONE, headMeta } from './register-format.ts';

export const BLOB_ID_BYTES = 16;
const FIXED_BYTES = 16;
const PLACE_BYTES = 12;

export interface ChunkPlace {
  readonly segment: number;
  /** Of the chunk's head. */
  readonly offset: number;
  readonly payloadBytes: number;
}

export interface BlobPlaces {
  readonly lengthBytes: number;
  readonly chunkCount: number;
  place(index: number): ChunkPlace;
}

/** Handoff keys are two bytes longer in front of everything that follows the space byte. */
const shift = (key: Key): number => (key.startsWith(SPACE_HANDOFF) ? 2 : 0);
export const isBlobKey = (key: Key): boolean => key[KIND_AT + shift(key)] === KIND.blob;
export const blobIdOf = (key: Key): string => key.slice(REST_AT + shift(key));
/** Blob key for `id` (16 latin1 characters) beside any key of the same name and space. */
export const blobKeyBeside = (key: Key, id: string): Key => key.slice(0, KIND_AT + shift(key)) + KIND.blob + id;
/** Start of all keys of the same name. */
export const namePrefix = (key: Key): Key => key.slice(0, KIND_AT + shift(key));
export const hashOf = (key: Key): string => key.slice(HASH_AT + shift(key), HASH_AT + shift(key) + 16);

export function encodeBlobHead(key: Key, places: readonly ChunkPlace[]): Buffer {
  const meta = Buffer.alloc(FIXED_BYTES + PLACE_BYTES * places.length);
  meta[0] = 1;
  meta.writeUInt32LE(places.length, 4);
  let at = FIXED_BYTES;
  let lengthBytes = 0;
  for (const { segment, offset, payloadBytes } of places) {
    meta.writeUInt32LE(segment, at);
    meta.writeUInt32LE(offset, at + 4);
    meta.writeUInt32LE(payloadBytes, at + 8);
    at += PLACE_BYTES;
    lengthBytes += payloadBytes;
  }
  meta.writeDoubleLE(lengthBytes, 8);
  const stamp = blobStamp(key);
  return encodeHead({ key, ballot: stamp, stamp, meta });
}

export function encodeBlobTombstone(key: Key): Buffer {
  const stamp = blobStamp(key);
  return encodeHead({ key, ballot: stamp, stamp, flags: FLAG_TOMBSTONE });
}

export function blobStamp(key: Key): Stamp {
  const id = blobIdOf(key);
  assert(id.length === BLOB_ID_BYTES, 'not a blob key');
  return unpackHex(id.slice(0, 8)) as Stamp;
}

export function decodeBlob(head: Buffer): BlobPlaces {
  const meta = headMeta(head);
  assert(meta[0] === 1 && meta.length >= FIXED_BYTES, 'not a blob register');
  return {
    lengthBytes: meta.readDoubleLE(8),
    chunkCount: meta.readUInt32LE(4),
    place(index) {
      const at = FIXED_BYTES + PLACE_BYTES * index;
      return {
        segment: meta.readUInt32LE(at),
        offset: meta.readUInt32LE(at + 4),
        payloadBytes: meta.readUInt32LE(at + 8),
      };
    },
  };
}

export const chunkRecordBytes = (payloadBytes: number): number => chunkHeadBytes(payloadBytes) + payloadBytes;
export const chunkOf = (offset: number): number => Math.floor(offset / CHUNK_BYTES);
