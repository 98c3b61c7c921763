/**
 * Segment files: what the log (DIR/log) and the bulk lane (DIR/bulk) are made of. Integers are little-endian.
 *
 * Segment header, the first 64 bytes of every file:
 *
 *      0        4    5       6     8         12        16              32             48           56
 *     +--------+----+-------+-----+---------+---------+---------------+--------------+------------+-----------+
 *     | "NTSG" | v1 | lane  | 0 0 | number  | epoch   | cluster id 16 | device id 16 | first lsn 8| xxh64 8   |
 *     +--------+----+-------+-----+---------+---------+---------------+--------------+------------+-----------+ 64
 *
 *     lane 1 log, 2 bulk. epoch: drawn at random for each file, repeated in every frame, so that bytes left in a reused
 *     block never parse. first lsn: everything below was durable when this file was made.
 *
 * Log frame, aligned to 8 bytes:
 *
 *      0        4      5       6     8            12           16       20        24            32
 *     +--------+------+-------+-----+------------+------------+--------+---------+-------------+---------+
 *     | "NTFR" | type | flags | for | head bytes | body bytes | epoch  | origin  | synced lsn 8| xxh64 8 |
 *     +--------+------+-------+-----+------------+------------+--------+---------+-------------+---------+ 40
 *     | head | body | zeros to a multiple of 8
 *     +------+------+------------------------------ - -
 *
 *     xxh64 covers the 40 bytes (this field zero) and the head; a register's body has a checksum in its head.
 *     synced: end of the log known to be durable when the frame was written: damage below it is rot, above a torn tail.
 *     origin: number of the segment in which this version was first written (for moved copies; else the file's own).
 *     flags   1 moved by the compactor: not news, the change feed skips it. 2 handoff copy, held for device `for`.
 *     A log position (Lsn) is segment number * 2^32 + offset; both lanes count segments from 1.
 */

import { assert } from '../fabric/assert.ts';
import { Fault } from '../fabric/errors.ts';
import { xxh64 } from '../fabric/hash.ts';
import type { Lsn } from './contract.ts';
import { deviceFaults } from './faults.ts';

export const SEGMENT_HEADER_BYTES = 64;
export const FRAME_HEADER_BYTES = 40;
export const LANE = { log: 1, bulk: 2 } as const;
export type Lane = (typeof LANE)[keyof typeof LANE];

export const FRAME = {
  /** head: register head; body: its inline body. */
  register: 1,
  /** head: a register head whose ballot is promised and nothing else is set. */
  promise: 2,
  /** head: pairs of writer id u32 and settled mark 8. */
  settled: 3,
  /** head: ballot 8, index key: the key is gone if it is still at that ballot (delivered handoff copy, dead blob). */
  drop: 4,
} as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];
export const FRAME_MOVED = 1;
export const FRAME_HANDOFF = 2;

const SEGMENT_MAGIC = 0x4753544e;
const FRAME_MAGIC = 0x5246544e;
const SEGMENT_SUM_AT = 56;
const FRAME_SUM_AT = 32;
const TWO_32 = 2 ** 32;

export const makeLsn = (segment: number, offset: number): Lsn => segment * TWO_32 + offset;
export const lsnSegment = (lsn: Lsn): number => Math.floor(lsn / TWO_32);
export const lsnOffset = (lsn: Lsn): number => lsn % TWO_32;
export const align8 = (bytes: number): number => (bytes + 7) & ~7;
export const frameBytes = (headBytes: number, bodyBytes: number): number =>
  align8(FRAME_HEADER_BYTES + headBytes + bodyBytes);

export const segmentName = (number: number): string => `${String(number).padStart(8, '0')}.seg`;
export function segmentNumber(fileName: string): number | undefined {
  return /^\d{8}\.seg$/.test(fileName) ? Number.parseInt(fileName, 10) : undefined;
}

export interface SegmentHeader {
  readonly lane: Lane;
  readonly number: number;
  readonly epoch: number;
  readonly clusterId: string;
  readonly deviceUuid: string;
  readonly firstLsn: Lsn;
}

/** Both ids are 32 hex digits. */
export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  bytes.writeUInt32LE(SEGMENT_MAGIC, 0);
  bytes[4] = 1;
  bytes[5] = header.lane;
  bytes.writeUInt32LE(header.number, 8);
  bytes.writeUInt32LE(header.epoch, 12);
  assert(bytes.write(header.clusterId, 16, 16, 'hex') === 16, 'cluster id is 16 bytes of hex');
  assert(bytes.write(header.deviceUuid, 32, 16, 'hex') === 16, 'device uuid is 16 bytes of hex');
  writeLsn(bytes, header.firstLsn, 48);
  bytes.writeBigUInt64LE(xxh64(bytes), SEGMENT_SUM_AT);
  return bytes;
}

/** Fault CorruptSegment when it does not check. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader {
  const copy = Buffer.from(bytes.subarray(0, SEGMENT_HEADER_BYTES));
  if (copy.length < SEGMENT_HEADER_BYTES || copy.readUInt32LE(0) !== SEGMENT_MAGIC || copy[4] !== 1) {
    throw new Fault(deviceFaults.corruptSegment, { reason: 'magic or version' });
  }
  const sum = copy.readBigUInt64LE(SEGMENT_SUM_AT);
  copy.writeBigUInt64LE(0n, SEGMENT_SUM_AT);
  if (xxh64(copy) !== sum) throw new Fault(deviceFaults.corruptSegment, { reason: 'header checksum' });
  return {
    lane: copy[5] as Lane,
    number: copy.readUInt32LE(8),
    epoch: copy.readUInt32LE(12),
    clusterId: copy.toString('hex', 16, 32),
    deviceUuid: copy.toString('hex', 32, 48),
    firstLsn: readLsn(copy, 48),
  };
}

export interface FrameFields {
  readonly type: FrameType;
  readonly flags: number;
  /** Target device of a handoff copy, else 0. */
  readonly target: number;
  readonly bodyBytes: number;
  readonly epoch: number;
  readonly origin: number;
  readonly synced: Lsn;
}

/** Writes header and head at `at`; the caller puts the body behind it. Returns the offset after the head. */
export function writeFrame(into: Buffer, at: number, frame: FrameFields, head: Uint8Array): number {
  into.writeUInt32LE(FRAME_MAGIC, at);
  into[at + 4] = frame.type;
  into[at + 5] = frame.flags;
  into.writeUInt16LE(frame.target, at + 6);
  into.writeUInt32LE(head.length, at + 8);
  into.writeUInt32LE(frame.bodyBytes, at + 12);
  into.writeUInt32LE(frame.epoch, at + 16);
  into.writeUInt32LE(frame.origin, at + 20);
  writeLsn(into, frame.synced, at + 24);
  into.writeUInt32LE(0, at + FRAME_SUM_AT);
  into.writeUInt32LE(0, at + FRAME_SUM_AT + 4);
  into.set(head, at + FRAME_HEADER_BYTES);
  const end = at + FRAME_HEADER_BYTES + head.length;
  into.writeBigUInt64LE(xxh64(into.subarray(at, end)), at + FRAME_SUM_AT);
  return end;
}

export interface Frame extends FrameFields {
  readonly headBytes: number;
  /** Whole frame with padding. */
  readonly totalBytes: number;
}

/** Fields of a frame header, or undefined where no frame of this file can begin. Nothing is verified yet. */
export function peekFrame(bytes: Buffer, at: number, epoch: number): Frame | undefined {
  if (at + FRAME_HEADER_BYTES > bytes.length) return undefined;
  if (bytes.readUInt32LE(at) !== FRAME_MAGIC || bytes.readUInt32LE(at + 16) !== epoch) return undefined;
  const headBytes = bytes.readUInt32LE(at + 8);
  const bodyBytes = bytes.readUInt32LE(at + 12);
  return {
    type: bytes[at + 4] as FrameType,
    flags: bytes[at + 5] as number,
    target: bytes.readUInt16LE(at + 6),
    headBytes,
    bodyBytes,
    epoch,
    origin: bytes.readUInt32LE(at + 20),
    synced: readLsn(bytes, at + 24),
    totalBytes: frameBytes(headBytes, bodyBytes),
  };
}

/** Whether header and head at `at`, which must be there whole, are as written. */
export function checkFrame(bytes: Buffer, at: number, headBytes: number): boolean {
  const end = at + FRAME_HEADER_BYTES + headBytes;
  const low = bytes.readUInt32LE(at + FRAME_SUM_AT);
  const high = bytes.readUInt32LE(at + FRAME_SUM_AT + 4);
  bytes.writeUInt32LE(0, at + FRAME_SUM_AT);
  bytes.writeUInt32LE(0, at + FRAME_SUM_AT + 4);
  const sum = xxh64(bytes.subarray(at, end));
  bytes.writeUInt32LE(low, at + FRAME_SUM_AT);
  bytes.writeUInt32LE(high, at + FRAME_SUM_AT + 4);
  return sum === bytes.readBigUInt64LE(at + FRAME_SUM_AT);
}

export function writeLsn(into: Buffer, lsn: Lsn, at: number): void {
  into.writeUInt32LE(lsnOffset(lsn), at);
  into.writeUInt32LE(lsnSegment(lsn), at + 4);
}

export function readLsn(from: Buffer, at: number): Lsn {
  return makeLsn(from.readUInt32LE(at + 4), from.readUInt32LE(at));
}
