/**
 * NBD's transmission phase, all numbers big-endian; source: the NBD protocol document (NetworkBlockDevice/nbd, doc/proto.md).
 * Not our own format, hence no version byte or checksum of ours. Encoders beside decoders; knows no sockets and no state.
 *
 *     request                                                              simple reply
 *      0           4       6       8              16              24     28        0           4           8              16
 *     +-----------+-------+-------+--------------+---------------+------+---       +-----------+-----------+--------------+---
 *     | 25609513  | flags | type  | cookie       | offset        |length| bytes    | 67446698  | errno     | cookie       | bytes
 *     +-----------+-------+-------+--------------+---------------+------+---       +-----------+-----------+--------------+---
 *                                                                       of WRITE                                    of READ
 *     chunk of a structured reply
 *      0           4       6       8              16       20
 *     +-----------+-------+-------+--------------+--------+---------+      DATA   u64 offset, bytes
 *     | 668e33ef  | flags | type  | cookie       | length | payload |      HOLE   u64 offset, u32 length
 *     +-----------+-------+-------+--------------+--------+---------+      STATUS u32 context, { u32 length, u32 flags } …
 *                  DONE=1                                                  ERROR  u32 errno, u16 bytes, text [, u64 offset]
 *
 * A cookie is eight bytes that the server only repeats; ours are two 32-bit words.
 */
import { nbdFaults } from './contract.ts';

export const REQUEST_BYTES = 28;
export const SIMPLE_REPLY_BYTES = 16;
export const CHUNK_HEADER_BYTES = 20;
/** Of DATA, before its bytes. */
export const CHUNK_OFFSET_BYTES = 8;
export const HOLE_BYTES = 12;
export const STATUS_CONTEXT_BYTES = 4;
export const STATUS_EXTENT_BYTES = 8;
export const ERROR_BYTES_MIN = 6;
/** The document's limit of a string, and a little around it. */
export const ERROR_BYTES_MAX = 4096 + 64;

const REQUEST_MAGIC = 0x25609513;
const SIMPLE_MAGIC = 0x67446698;
const CHUNK_MAGIC = 0x668e33ef;
const WORD = 2 ** 32;

export const commands = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
} as const;

export const commandFlags = { fua: 1, noHole: 2, dontFragment: 4, requestOne: 8, fastZero: 16 } as const;

export const transmissionFlags = {
  hasFlags: 1,
  readOnly: 2,
  flush: 4,
  fua: 8,
  rotational: 16,
  trim: 32,
  writeZeroes: 64,
  dontFragment: 128,
  multiConnect: 256,
  cache: 1024,
  fastZero: 2048,
} as const;

export const chunkTypes = { none: 0, data: 1, hole: 2, status: 5, error: 0x8001, errorOffset: 0x8002 } as const;
/** Chunk types with this bit report an error, also those of versions to come. */
export const CHUNK_ERROR_BIT = 0x8000;
export const CHUNK_DONE = 1;

/** errno as NBD numbers it, whatever the systems at both ends use. */
export const errnos = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;

const faultOfErrno: Readonly<Record<number, string>> = {
  [errnos.EPERM]: nbdFaults.notPermitted,
  [errnos.EIO]: nbdFaults.io,
  [errnos.ENOMEM]: nbdFaults.noMemory,
  [errnos.EINVAL]: nbdFaults.invalid,
  [errnos.ENOSPC]: nbdFaults.noSpace,
  [errnos.EOVERFLOW]: nbdFaults.overflow,
  [errnos.ENOTSUP]: nbdFaults.unsupported,
  [errnos.ESHUTDOWN]: nbdFaults.shutdown,
};

/** Fault codes that a device may throw, and the errno a client then sees. Others become EIO. */
export const deviceFaultCodes: Readonly<Record<string, number>> = {
  ...Object.fromEntries(Object.entries(faultOfErrno).map(([errno, code]) => [code, Number(errno)])),
  // The codes of Disk (fabric/disk.ts).
  ENOSPC: errnos.ENOSPC,
  EROFS: errnos.EPERM,
};

/** What a client throws for an errno; unknown ones count as EINVAL, as the document asks. */
export function faultCodeOf(errno: number): string {
  return faultOfErrno[errno] ?? nbdFaults.invalid;
}

/** Bytes that no correct peer sends; the connection ends. */
export class MalformedNbd extends Error {
  override readonly name = 'MalformedNbd';
}

export interface Request {
  flags: number;
  type: number;
  cookieHigh: number;
  cookieLow: number;
  offset: number;
  length: number;
}

export function emptyRequest(): Request {
  return { flags: 0, type: 0, cookieHigh: 0, cookieLow: 0, offset: 0, length: 0 };
}

export function encodeRequest(request: Readonly<Request>): Buffer {
  const into = Buffer.allocUnsafe(REQUEST_BYTES);
  into.writeUInt32BE(REQUEST_MAGIC, 0);
  into.writeUInt16BE(request.flags, 4);
  into.writeUInt16BE(request.type, 6);
  into.writeUInt32BE(request.cookieHigh, 8);
  into.writeUInt32BE(request.cookieLow, 12);
  writeU64(into, request.offset, 16);
  into.writeUInt32BE(request.length, 24);
  return into;
}

/** Offsets from 2^53 on lose their low bits; they are beyond any export, so bounds checks refuse them all the same. */
export function decodeRequest(from: Buffer, at: number, out: Request): void {
  if (from.readUInt32BE(at) !== REQUEST_MAGIC) throw new MalformedNbd('request without its magic number');
  out.flags = from.readUInt16BE(at + 4);
  out.type = from.readUInt16BE(at + 6);
  out.cookieHigh = from.readUInt32BE(at + 8);
  out.cookieLow = from.readUInt32BE(at + 12);
  out.offset = readU64(from, at + 16);
  out.length = from.readUInt32BE(at + 24);
}

type Cookie = Pick<Request, 'cookieHigh' | 'cookieLow'>;

export function encodeSimpleReply(cookie: Readonly<Cookie>, errno: number): Buffer {
  const into = Buffer.allocUnsafe(SIMPLE_REPLY_BYTES);
  into.writeUInt32BE(SIMPLE_MAGIC, 0);
  into.writeUInt32BE(errno, 4);
  into.writeUInt32BE(cookie.cookieHigh, 8);
  into.writeUInt32BE(cookie.cookieLow, 12);
  return into;
}

/** Room for `extra` bytes after the header, which the caller fills; `length` is the whole payload's. */
function chunk(
  cookie: Readonly<Cookie>,
  type: number,
  flags: number,
  sizes: { length: number; extra: number },
): Buffer {
  const into = Buffer.allocUnsafe(CHUNK_HEADER_BYTES + sizes.extra);
  into.writeUInt32BE(CHUNK_MAGIC, 0);
  into.writeUInt16BE(flags, 4);
  into.writeUInt16BE(type, 6);
  into.writeUInt32BE(cookie.cookieHigh, 8);
  into.writeUInt32BE(cookie.cookieLow, 12);
  into.writeUInt32BE(sizes.length, 16);
  return into;
}

/** Header and offset; `length` bytes of data follow. */
export function encodeDataChunk(cookie: Readonly<Cookie>, flags: number, offset: number, length: number): Buffer {
  const into = chunk(cookie, chunkTypes.data, flags, {
    length: CHUNK_OFFSET_BYTES + length,
    extra: CHUNK_OFFSET_BYTES,
  });
  writeU64(into, offset, CHUNK_HEADER_BYTES);
  return into;
}

export function encodeHoleChunk(cookie: Readonly<Cookie>, flags: number, offset: number, length: number): Buffer {
  const into = chunk(cookie, chunkTypes.hole, flags, { length: HOLE_BYTES, extra: HOLE_BYTES });
  writeU64(into, offset, CHUNK_HEADER_BYTES);
  into.writeUInt32BE(length, CHUNK_HEADER_BYTES + 8);
  return into;
}

export function decodeHole(payload: Buffer): { offset: number; length: number } {
  if (payload.length !== HOLE_BYTES) throw new MalformedNbd(`hole of ${payload.length} bytes`);
  return { offset: readU64(payload, 0), length: payload.readUInt32BE(8) };
}

export interface WireExtent {
  readonly length: number;
  readonly flags: number;
}

export function encodeStatusChunk(
  cookie: Readonly<Cookie>,
  flags: number,
  contextId: number,
  extents: readonly WireExtent[],
): Buffer {
  const length = STATUS_CONTEXT_BYTES + extents.length * STATUS_EXTENT_BYTES;
  const into = chunk(cookie, chunkTypes.status, flags, { length, extra: length });
  let at = into.writeUInt32BE(contextId, CHUNK_HEADER_BYTES);
  for (const extent of extents) {
    at = into.writeUInt32BE(extent.length, at);
    at = into.writeUInt32BE(extent.flags, at);
  }
  return into;
}

export function decodeStatus(payload: Buffer): { contextId: number; extents: WireExtent[] } {
  const listBytes = payload.length - STATUS_CONTEXT_BYTES;
  if (listBytes < STATUS_EXTENT_BYTES || listBytes % STATUS_EXTENT_BYTES !== 0)
    throw new MalformedNbd(`block status of ${payload.length} bytes`);
  const extents: WireExtent[] = [];
  for (let at = STATUS_CONTEXT_BYTES; at < payload.length; at += STATUS_EXTENT_BYTES) {
    const length = payload.readUInt32BE(at);
    if (length === 0) throw new MalformedNbd('extent without length');
    extents.push({ length, flags: payload.readUInt32BE(at + 4) });
  }
  return { contextId: payload.readUInt32BE(0), extents };
}

export function encodeErrorChunk(cookie: Readonly<Cookie>, errno: number, message: string): Buffer {
  const text = Buffer.from(message.slice(0, 1024)).subarray(0, 1024);
  const length = ERROR_BYTES_MIN + text.length;
  const into = chunk(cookie, chunkTypes.error, CHUNK_DONE, { length, extra: length });
  into.writeUInt32BE(errno, CHUNK_HEADER_BYTES);
  into.writeUInt16BE(text.length, CHUNK_HEADER_BYTES + 4);
  text.copy(into, CHUNK_HEADER_BYTES + ERROR_BYTES_MIN);
  return into;
}

export function decodeError(payload: Buffer): { errno: number; message: string } {
  if (payload.length < ERROR_BYTES_MIN) throw new MalformedNbd(`error of ${payload.length} bytes`);
  const errno = payload.readUInt32BE(0);
  const textBytes = payload.readUInt16BE(4);
  if (errno === 0) throw new MalformedNbd('error without a number');
  if (ERROR_BYTES_MIN + textBytes > payload.length) throw new MalformedNbd('error text is cut off');
  return { errno, message: payload.toString('utf8', ERROR_BYTES_MIN, ERROR_BYTES_MIN + textBytes) };
}

/** The header of either kind of reply. */
export interface ReplyHeader {
  structured: boolean;
  errno: number;
  flags: number;
  type: number;
  cookieHigh: number;
  cookieLow: number;
  length: number;
}

export function emptyReplyHeader(): ReplyHeader {
  return { structured: false, errno: 0, flags: 0, type: 0, cookieHigh: 0, cookieLow: 0, length: 0 };
}

/** Bytes of the header that starts with these four. */
export function replyHeaderBytes(from: Buffer, at: number): number {
  const magic = from.readUInt32BE(at);
  if (magic === SIMPLE_MAGIC) return SIMPLE_REPLY_BYTES;
  if (magic === CHUNK_MAGIC) return CHUNK_HEADER_BYTES;
  throw new MalformedNbd('reply without its magic number');
}

export function decodeReplyHeader(from: Buffer, at: number, out: ReplyHeader): void {
  out.structured = from.readUInt32BE(at) === CHUNK_MAGIC;
  out.cookieHigh = from.readUInt32BE(at + 8);
  out.cookieLow = from.readUInt32BE(at + 12);
  out.errno = out.structured ? 0 : from.readUInt32BE(at + 4);
  out.flags = out.structured ? from.readUInt16BE(at + 4) : CHUNK_DONE;
  out.type = out.structured ? from.readUInt16BE(at + 6) : chunkTypes.none;
  out.length = out.structured ? from.readUInt32BE(at + 16) : 0;
}

export function writeU64(into: Buffer, value: number, at: number): void {
  into.writeUInt32BE(Math.floor(value / WORD), at);
  into.writeUInt32BE(value % WORD, at + 4);
}

export function readU64(from: Buffer, at: number): number {
  return from.readUInt32BE(at) * WORD + from.readUInt32BE(at + 4);
}
