/** One object of a backup, unpacked and compared with what it should be; on a thread, because it is megabytes of work. */
import { hash } from 'node:crypto';
import zlib from 'node:zlib';
import { bunzip2 } from '../../fabric/bunzip2.ts';
import { handOver } from '../../fabric/worker-pool.ts';
import type { CinderPiece, Compression } from './cinder-format.ts';

export interface UnpackTask {
  readonly piece: Pick<CinderPiece, 'compression' | 'length' | 'md5'>;
  readonly body: Uint8Array;
}

export type UnpackAnswer = { readonly bytes: Uint8Array } | { readonly reason: string };

type Unpack = (body: Uint8Array, length: number) => Uint8Array;

/** There only in later versions of the runtime. */
const zstd = (zlib as { zstdDecompressSync?: (body: Uint8Array, options: object) => Buffer }).zstdDecompressSync;

const UNPACK: Readonly<Record<Compression, Unpack | undefined>> = {
  none: (body) => body,
  zlib: (body, length) => zlib.inflateSync(body, { maxOutputLength: length + 1 }),
  bz2: (body) => bunzip2(body),
  zstd: zstd && ((body, length) => zstd(body, { maxOutputLength: length + 1 })),
};

export default function answer({ piece, body }: UnpackTask): UnpackAnswer {
  const unpack = UNPACK[piece.compression];
  if (!unpack) return { reason: `${piece.compression} cannot be unpacked by this version of the runtime` };
  let bytes: Uint8Array;
  try {
    bytes = unpack(body, piece.length);
  } catch (error) {
    return { reason: `it cannot be unpacked: ${(error as Error).message}` };
  }
  if (bytes.length !== piece.length) return { reason: `it has ${bytes.length} bytes instead of ${piece.length}` };
  if (hash('md5', bytes, 'hex') !== piece.md5) return { reason: 'its MD5 is another' };
  const own = bytes.byteOffset === 0 && bytes.buffer.byteLength === bytes.length ? bytes : Uint8Array.from(bytes);
  return handOver({ bytes: own }, own.buffer as ArrayBuffer);
}
