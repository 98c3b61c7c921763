/**
 * The local cache of chunks of NBD exports: one file of equal slots, numbers little-endian. See docs/formats/chunk-cache.md.
 *
 *      0      4   5   6           8            12          16             24            32            40
 *     +------+---+---+-----------+------------+-----------+--------------+-------------+-------------+---------+-----+
 *     | NTCC | 1 | 0 | name      | bytes of   | 0         | sequence of  | xxh64 of    | xxh64 of    | name    | 0 … |
 *     |      |   |   | length    | the chunk  |           | the filling  | the chunk   | 0 to 31,name| (ASCII) |     |
 *     +------+---+---+-----------+------------+-----------+--------------+-------------+-------------+---------+-----+
 *      4096: the chunk; the slot ends after as many bytes as the largest chunk has
 *
 * A cache may be lost, torn or old: whatever does not check is a slot that is free. Nothing is ever synced.
 */
import { xxh64 } from '../../fabric/hash.ts';

export const SLOT_HEADER_BYTES = 4096;
/** Enough of the header for all that is in it. */
export const SLOT_HEAD_BYTES = 256;
export const NAME_LENGTH_MAX = 200;
const MAGIC = 0x4343544e;
const VERSION = 1;
const NAME_AT = 40;
const CHECKED_BYTES = 32;
const namePattern = /^[\x21-\x7e]+$/;

export interface SlotHeader {
  readonly name: string;
  readonly lengthBytes: number;
  readonly sequence: number;
  readonly checksum: bigint;
}

export function nameFits(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX && namePattern.test(name);
}

/** SLOT_HEADER_BYTES long. */
export function encodeSlotHeader(header: SlotHeader): Buffer {
  const into = Buffer.alloc(SLOT_HEADER_BYTES);
  into.writeUInt32LE(MAGIC, 0);
  into[4] = VERSION;
  into.writeUInt16LE(header.name.length, 6);
  into.writeUInt32LE(header.lengthBytes, 8);
  into.writeBigUInt64LE(BigInt(header.sequence), 16);
  into.writeBigUInt64LE(header.checksum, 24);
  into.write(header.name, NAME_AT, 'latin1');
  into.writeBigUInt64LE(headerChecksum(into, header.name.length), 32);
  return into;
}

/** From the first SLOT_HEAD_BYTES; undefined for anything that no encoder of ours wrote. */
export function decodeSlotHeader(from: Buffer): SlotHeader | undefined {
  if (from.length < SLOT_HEAD_BYTES || from.readUInt32LE(0) !== MAGIC || from[4] !== VERSION) return undefined;
  const nameLength = from.readUInt16LE(6);
  if (nameLength === 0 || nameLength > NAME_LENGTH_MAX) return undefined;
  if (from.readBigUInt64LE(32) !== headerChecksum(from, nameLength)) return undefined;
  return {
    name: from.toString('latin1', NAME_AT, NAME_AT + nameLength),
    lengthBytes: from.readUInt32LE(8),
    sequence: Number(from.readBigUInt64LE(16)),
    checksum: from.readBigUInt64LE(24),
  };
}

export function chunkChecksum(chunk: Uint8Array): bigint {
  return xxh64(chunk);
}

function headerChecksum(header: Buffer, nameLength: number): bigint {
  return xxh64(Buffer.concat([header.subarray(0, CHECKED_BYTES), header.subarray(NAME_AT, NAME_AT + nameLength)]));
}
