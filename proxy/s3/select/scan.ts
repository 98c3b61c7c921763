/** The bytes of an object as a query reads them: unpacked, in slices, and counted both ways. */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { isFault } from '../../../fabric/errors.ts';
import { bunzipOnThread } from '../../../fabric/worker-bunzip.ts';
import type { Body } from '../../object/contract.ts';
import { s3Fault } from '../errors.ts';
import { SLICE_BYTES } from './limits.ts';
import type { Compression } from './request.ts';

/** Objects in bzip2 that are unpacked at a time, each on a thread of its own. */
const BUNZIPS_MAX = 4;
let bunzips = 0;

export interface Scanned {
  /** Of the object. */
  scanned: number;
  /** Once unpacked. */
  processed: number;
}

/** Faults of the store, InvalidCompressionFormat, TruncatedInput. */
export async function* scan(body: Body, compression: Compression, counts: Scanned): AsyncGenerator<Buffer> {
  const isPlain = compression === 'NONE';
  const raw = rawPieces(body, isPlain ? undefined : counts);
  for await (const piece of isPlain ? raw : unpacked(raw, compression)) {
    for (let at = 0; at < piece.length; at += SLICE_BYTES) {
      const slice = piece.subarray(at, at + SLICE_BYTES);
      counts.processed += slice.length;
      if (isPlain) counts.scanned += slice.length;
      yield slice;
    }
  }
}

async function* rawPieces(body: Body, counts: Scanned | undefined): AsyncGenerator<Buffer> {
  for (let piece = await body.next(); piece; piece = await body.next()) {
    if (counts) counts.scanned += piece.length;
    yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
  }
}

async function* unpacked(raw: AsyncGenerator<Buffer>, compression: 'GZIP' | 'BZIP2'): AsyncGenerator<Buffer> {
  try {
    if (compression === 'BZIP2') yield* bunzip(raw);
    else yield* gunzip(raw);
  } catch (error) {
    if (isFault(error)) throw error;
    throw s3Fault(isCutShort(error) ? 'TruncatedInput' : 'InvalidCompressionFormat');
  }
}

async function* bunzip(raw: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  if (bunzips >= BUNZIPS_MAX) throw s3Fault('Busy');
  bunzips++;
  try {
    yield* bunzipOnThread(raw);
  } finally {
    bunzips--;
  }
}

async function* gunzip(raw: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const source = Readable.from(raw);
  const out = pipeline(source, createGunzip({ chunkSize: SLICE_BYTES }), () => {});
  try {
    for await (const piece of out) yield piece as Buffer;
  } finally {
    source.destroy();
    out.destroy();
  }
}

const isCutShort = (error: unknown): boolean => (error as { code?: string }).code === 'Z_BUF_ERROR';
