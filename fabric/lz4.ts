/**
 * LZ4 blocks, by the one file that imports lz4-napi. A packed buffer is the raw length as a little-endian u32, then one
 * block of the LZ4 block format (lz4_Block_format.md of the reference implementation): any decoder reads it.
 */
import { compressSync, uncompressSync } from 'lz4-napi';

const PREFIX_BYTES = 4;

export function packLz4(raw: Uint8Array): Buffer {
  return compressSync(raw as Buffer);
}

/** Throws on anything malformed, and before it allocates anything when the length is another than expected. */
export function unpackLz4(packed: Uint8Array, rawBytes: number): Buffer {
  const view = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
  if (view.length < PREFIX_BYTES || view.readUInt32LE(0) !== rawBytes) throw new RangeError('lz4: length');
  const raw = uncompressSync(view);
  if (raw.length !== rawBytes) throw new RangeError('lz4: short');
  return raw;
}
