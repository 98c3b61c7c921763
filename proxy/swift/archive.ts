/**
 * Reading tar archives from a request's body as it arrives, packed or not: one file after the other, never more of it in
 * memory than is on its way. Names and sizes are whatever the archive says; the caller judges them. The only file that
 * imports tar-stream.
 */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Extract, extract } from 'tar-stream';
import { Fault, fabricFaults } from '../../fabric/errors.ts';
import { bunzipOnThread } from '../../fabric/worker-bunzip.ts';
import { type BodySource, storeFaults } from '../object/contract.ts';

export type Packing = 'tar' | 'tar.gz' | 'tar.bz2';

/** Archives in bzip2 unpacked at a time, each on a thread of its own. */
const BUNZIPS_MAX = 4;
let bunzips = 0;

/** `tar-stream`'s own, for what it says of a file. */
type Entry = Extract extends AsyncIterable<infer Each> ? Each : never;

export interface ArchivedFile {
  readonly name: string;
  readonly sizeBytes: number;
  /** Extended attributes: lower-case header name → value in latin1. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly body: BodySource;
}

/** Regular files in order; each body must be read or left before the next file comes. Throws what is wrong with the archive. */
export async function* readArchive(source: BodySource, packing: Packing): AsyncGenerator<ArchivedFile> {
  const archive = extract();
  const raw = Readable.from(piecesOf(source));
  const tar = unpacked(raw, packing);
  const fed = feed(tar, archive);
  try {
    for await (const entry of archive) {
      if (!isSize(entry.header.size)) throw new Error('a size that is no number of bytes');
      if (entry.header.type === 'file' || entry.header.type === 'contiguous-file') yield fileOf(entry);
      entry.resume();
    }
    await fed;
  } finally {
    archive.destroy(new Error('left'));
    raw.destroy();
    tar.destroy();
    await fed;
  }
}

/** A negative one is read as -0 where it is -1. */
function isSize(size: number | undefined | null): boolean {
  return Number.isSafeInteger(size) && (size as number) >= 0 && !Object.is(size, -0);
}

function unpacked(raw: Readable, packing: Packing): Readable {
  if (packing === 'tar') return raw;
  if (packing === 'tar.gz') return pipeline(raw, createGunzip(), () => {});
  if (bunzips >= BUNZIPS_MAX) throw new Fault(fabricFaults.overloaded, { bunzips });
  return Readable.from(counted(bunzipOnThread(raw)));
}

async function* counted(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  bunzips++;
  try {
    yield* pieces;
  } finally {
    bunzips--;
  }
}

async function* piecesOf(source: BodySource): AsyncGenerator<Uint8Array> {
  for (let piece = await source.read(); piece; piece = await source.read()) yield piece;
}

/** Never rejects: a failure is the archive's, whose reader hears of it. */
async function feed(tar: AsyncIterable<Buffer>, archive: Extract): Promise<void> {
  let closed = false;
  let wake = (): void => {};
  archive.on('drain', () => wake());
  archive.on('close', () => {
    closed = true;
    wake();
  });
  archive.on('error', () => {});
  try {
    for await (const piece of tar) {
      if (closed) return;
      if (archive.write(piece)) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (closed) resolve();
      });
    }
    archive.end(undefined);
  } catch (error) {
    archive.destroy(error as Error);
  }
}

function fileOf(entry: Entry): ArchivedFile {
  const { name, size = 0 } = entry.header;
  const { pax } = entry.header as { pax?: Readonly<Record<string, string>> | null };
  const pieces = entry[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const read = async (): Promise<Uint8Array | undefined> => {
    const next = await pieces.next();
    return next.done ? undefined : next.value;
  };
  const collect = async (limitBytes: number): Promise<Buffer> => {
    const found: Uint8Array[] = [];
    let bytes = 0;
    for (let piece = await read(); piece; piece = await read()) {
      bytes += piece.length;
      if (bytes > limitBytes) throw new Fault(storeFaults.bodyTooLarge);
      found.push(piece);
    }
    return Buffer.concat(found);
  };
  return { name, sizeBytes: size, attributes: attributesOf(pax), body: { lengthBytes: size, read, collect } };
}

/** `user.mime_type` and `user.meta.name`, as GNU tar and bsdtar store extended attributes. */
function attributesOf(pax: Readonly<Record<string, string>> | null | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(pax ?? {})) {
    const match = /^(?:SCHILY|LIBARCHIVE)\.xattr\.user\.(mime_type|meta\.[^\0]+)$/.exec(key);
    if (match?.[1] === 'mime_type') found['content-type'] = latin1(value);
    else if (match?.[1]) found[`x-object-meta-${latin1(match[1].slice('meta.'.length)).toLowerCase()}`] = latin1(value);
  }
  return found;
}

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
