/**
 * Frames on an authenticated connection, all numbers little-endian. See docs/formats/rpc.md.
 *
 *      0               4               8       9      10      12              16              20
 *     +---------------+---------------+-------+-------+-------+---------------+---------------+---------+--------+
 *     | length        | id            | type  | flags | check | header length | extra         | header  | body   |
 *     +---------------+---------------+-------+-------+-------+---------------+---------------+---------+--------+
 *       bytes after     call or stream                  mix of  of msgpack      see below       msgpack   raw
 *       the prefix      (client's)                      the rest
 *
 *     type      from    header                        extra                  body
 *     CALL      client  [method, budgetMs, args]      raw bytes in all       first part of the raw section (may be empty)
 *     REPLY     server  value                         raw bytes in all       likewise
 *     FAULT     server  [code, message, details]      raw bytes in all       likewise
 *     MORE      both    -                             0                      next part of the raw section of the message
 *     DATA      both    -                             0                      next part of the upload or download
 *     END       both    -                             0                      -
 *     FAIL      both    [code, message, details]      raw bytes in all       likewise (the upload or download broke)
 *     CREDIT    both    -                             bytes more             -      to the sender of the stream
 *     CANCEL    both    -                             0                      -      client: the call or its download;
 *                                                                                   server: the upload
 *     PING/PONG both    -                             0                      -
 *
 * The check word finds a stream that lost its step. Bytes are guarded by TCP and, end to end, by the block and record
 * checksums they carry: hashing them here again would cost more than the call. The protocol version is agreed in the hello.
 */

export const PREFIX_BYTES = 20;
/** msgpack of one message. Listings are the largest; raw buffers do not count. */
export const HEADER_BYTES_MAX = 8 * 1024 * 1024;
/** Body of one frame: small enough that a small call never waits long behind it. */
export const BODY_BYTES_MAX = 256 * 1024;

export const frameTypes = {
  call: 1,
  reply: 2,
  fault: 3,
  more: 4,
  data: 5,
  end: 6,
  fail: 7,
  credit: 8,
  cancel: 9,
  ping: 10,
  pong: 11,
} as const;
export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];
const TYPE_MAX = frameTypes.pong;

/** CALL: an upload follows; REPLY: a download follows. */
export const FLAG_STREAM = 1;
const FLAGS_KNOWN = FLAG_STREAM;

export interface Prefix {
  id: number;
  type: number;
  flags: number;
  headerBytes: number;
  bodyBytes: number;
  extra: number;
}

export function emptyPrefix(): Prefix {
  return { id: 0, type: 0, flags: 0, headerBytes: 0, bodyBytes: 0, extra: 0 };
}

/** A frame that cannot be: the connection is closed, nothing after it is believed. */
export class MalformedFrame extends Error {
  override readonly name = 'MalformedFrame';
}

/** XOR of the rotated words, folded: every single flipped bit shows, and garbage passes once in 65,536. */
function check(length: number, id: number, kind: number, headerBytes: number, extra: number): number {
  const words =
    length ^
    ((id << 7) | (id >>> 25)) ^
    (kind << 5) ^
    ((headerBytes << 13) | (headerBytes >>> 19)) ^
    ((extra << 19) | (extra >>> 13));
  return ((words ^ (words >>> 16)) & 0xffff) ^ 0x4e54;
}

/** Writes `PREFIX_BYTES` at `at`. */
export function encodePrefix(into: Buffer, at: number, prefix: Readonly<Prefix>): void {
  const { id, type, flags, headerBytes, extra } = prefix;
  const length = headerBytes + prefix.bodyBytes;
  writeU32(into, at, length);
  writeU32(into, at + 4, id);
  into[at + 8] = type;
  into[at + 9] = flags;
  const sum = check(length, id, (type << 8) | flags, headerBytes, extra);
  into[at + 10] = sum;
  into[at + 11] = sum >>> 8;
  writeU32(into, at + 12, headerBytes);
  writeU32(into, at + 16, extra);
}

/** Reads the prefix at `at` into `out`; throws MalformedFrame on anything that no encoder of ours writes. */
export function decodePrefix(from: Buffer, at: number, out: Prefix): void {
  const length = readU32(from, at);
  const id = readU32(from, at + 4);
  const type = from[at + 8] ?? 0;
  const flags = from[at + 9] ?? 0;
  const headerBytes = readU32(from, at + 12);
  const extra = readU32(from, at + 16);
  const sum = check(length, id, (type << 8) | flags, headerBytes, extra);
  if (sum !== ((from[at + 10] ?? 0) | ((from[at + 11] ?? 0) << 8))) throw new MalformedFrame('check word is wrong');
  if (type < 1 || type > TYPE_MAX) throw new MalformedFrame(`unknown type ${type}`);
  if ((flags & ~FLAGS_KNOWN) !== 0) throw new MalformedFrame(`unknown flags ${flags}`);
  if (headerBytes > HEADER_BYTES_MAX || headerBytes > length)
    throw new MalformedFrame(`header of ${headerBytes} bytes`);
  if (length - headerBytes > BODY_BYTES_MAX) throw new MalformedFrame(`body of ${length - headerBytes} bytes`);
  out.id = id;
  out.type = type;
  out.flags = flags;
  out.headerBytes = headerBytes;
  out.bodyBytes = length - headerBytes;
  out.extra = extra;
}

function writeU32(into: Buffer, at: number, value: number): void {
  into[at] = value;
  into[at + 1] = value >>> 8;
  into[at + 2] = value >>> 16;
  into[at + 3] = value >>> 24;
}

export function readU32(from: Buffer, at: number): number {
  return (
    ((from[at] ?? 0) | ((from[at + 1] ?? 0) << 8) | ((from[at + 2] ?? 0) << 16) | ((from[at + 3] ?? 0) << 24)) >>> 0
  );
}
