/**
 * A chunk's way to its object and back: hash, pack, check. Pure and CPU-bound, so it runs in a thread (seal-thread.ts) or in
 * place. The hash is HMAC-SHA256 under a key of the lineage: nobody outside it can tell or try what it holds, and equal bytes
 * of two tenants have nothing in common. Packing is given up early where a sample says that it does not pay.
 */
import { createHmac } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { Fault } from '../../fabric/errors.ts';
import { packLz4, unpackLz4 } from '../../fabric/lz4.ts';
import { CHUNK_HEAD_BYTES, type ChunkObject, type Codec, decodeChunk, encodeChunk } from './chunk-format.ts';
import { CHUNK_BYTES_MAX } from './contract.ts';
import { repositoryFaults } from './faults.ts';

const SAMPLE_BYTES = 8 * 1024;
/** Packed bytes that are more than this part of the raw ones are not worth the unpacking. */
const WORTH = 7 / 8;
const DEFLATE_LEVEL = 1;
const ZEROS = Buffer.alloc(CHUNK_BYTES_MAX);

export interface SealTask {
  readonly raw: Uint8Array;
  readonly key: Uint8Array;
  readonly codec: Codec;
  /** The hash that the base has in this place. */
  readonly known?: Uint8Array | undefined;
}

export type Sealed =
  | { readonly kind: 'zero' | 'same' }
  | { readonly kind: 'new'; readonly hash: Uint8Array; readonly object: Uint8Array };

export interface UnsealTask {
  readonly object: Uint8Array;
  readonly key: Uint8Array;
  readonly hash: Uint8Array;
}

export function keyFor(what: 'chunk' | 'node', lineageKey: Uint8Array): Buffer {
  return createHmac('sha256', lineageKey).update(`needletail snapshot ${what} v1`).digest();
}

export function keyedHash(key: Uint8Array, bytes: Uint8Array): Buffer {
  return createHmac('sha256', key).update(bytes).digest();
}

export function isZero(bytes: Uint8Array): boolean {
  return ZEROS.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
}

export function seal({ raw, key, codec, known }: SealTask): Sealed {
  if (isZero(raw)) return { kind: 'zero' };
  const hash = keyedHash(key, raw);
  if (known !== undefined && hash.equals(known)) return { kind: 'same' };
  return { kind: 'new', hash, object: pack(raw, codec) };
}

function pack(raw: Uint8Array, codec: Codec): Buffer {
  if (codec === 'none' || !looksPackable(raw)) return encodeChunk('none', raw.length, raw);
  const packed = packBytes(raw, codec);
  if (packed.length > raw.length * WORTH) return encodeChunk('none', raw.length, raw);
  return encodeChunk(codec, raw.length, packed);
}

const packBytes = (raw: Uint8Array, codec: Codec): Buffer =>
  codec === 'deflate' ? deflateRawSync(raw, { level: DEFLATE_LEVEL }) : packLz4(raw);

/** Two samples, because files begin with headers and chunks with free space. */
function looksPackable(raw: Uint8Array): boolean {
  if (raw.length <= 4 * SAMPLE_BYTES) return true;
  const middle = raw.length >>> 1;
  const samples = [raw.subarray(SAMPLE_BYTES, 2 * SAMPLE_BYTES), raw.subarray(middle, middle + SAMPLE_BYTES)];
  return samples.some((sample) => packLz4(sample).length <= SAMPLE_BYTES * WORTH);
}

/** The raw bytes, proven by checksum and keyed hash. Fault SnapshotCorrupt. */
export function unseal({ object, key, hash }: UnsealTask): Uint8Array {
  const chunk = decodeChunk(Buffer.from(object.buffer, object.byteOffset, object.byteLength));
  const raw = unpack(chunk);
  if (!keyedHash(key, raw).equals(hash)) throw new Fault(repositoryFaults.corrupt, { reason: 'chunk: hash' });
  return raw;
}

function unpack({ codec, rawBytes, payload }: ChunkObject): Buffer {
  try {
    const raw = unpackBytes(codec, payload, rawBytes);
    if (raw.length === rawBytes) return raw;
  } catch {
    // Told below, as a wrong length is.
  }
  throw new Fault(repositoryFaults.corrupt, { reason: `chunk: ${codec}` });
}

function unpackBytes(codec: Codec, payload: Buffer, rawBytes: number): Buffer {
  if (codec === 'none') return payload;
  return codec === 'lz4' ? unpackLz4(payload, rawBytes) : inflateRawSync(payload, { maxOutputLength: rawBytes });
}

export const storedBytesMax = (chunkBytes: number): number => CHUNK_HEAD_BYTES + chunkBytes;
