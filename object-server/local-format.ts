/**
 * The engine's own bookkeeping, kept in the index beside the registers and written by the same checkpoint transaction.
 * Keys: SPACE_LOCAL, a zero byte, a letter, rest. Projections use SPACE_LOCAL with any other second byte.
 *
 *     C              checkpoint: version u8 (1), 7 zeros, covered lsn 8, feed's oldest lsn 8, highest stamp 8,
 *                    handoff copies f64
 *     P + key        outstanding promise: ballot 8
 *     M              settled marks: writer u32, mark 8, repeated
 *     N + index u32  unsettled operations: stamp 8, lsn 8, arrival ms f64, key count u32, (length u16, key) repeated
 *     U              usage: lane u32, segment u32, live bytes f64, repeated
 *     R + name       feed cursor of a consumer of this device's feed: lsn f64
 *     K + name       bookmark: how far this device has read another one's feed: lsn f64
 *     G + due + key  blob to look at when its time (Unix ms u64, big-endian) has come: nothing
 *     B + segment u32 (big-endian) + key   blob that has, or had, chunks in this bulk segment: nothing
 *     Q + key        quarantined register or blob: lsn f64
 *
 * Little-endian except stamps. LMDB verifies nothing, so each value ends in its xxh64 (8 bytes).
 */

import { Fault } from '../fabric/errors.ts';
import { xxh64 } from '../fabric/hash.ts';
import type { Stamp } from '../fabric/stamp.ts';
import type { Lsn } from './contract.ts';
import { deviceFaults } from './faults.ts';
import { afterPrefix, type Key, SPACE_LOCAL } from './key-format.ts';
import { readLsn, writeLsn } from './segment-format.ts';

const OWN = `${SPACE_LOCAL}\0`;
export const LOCAL = {
  checkpoint: `${OWN}C`,
  promise: `${OWN}P`,
  marks: `${OWN}M`,
  unsettled: `${OWN}N`,
  usage: `${OWN}U`,
  cursor: `${OWN}R`,
  bookmark: `${OWN}K`,
  garbage: `${OWN}G`,
  bulk: `${OWN}B`,
  quarantine: `${OWN}Q`,
} as const;

export const localRange = (prefix: Key): { start: Key; end: Key } => ({ start: prefix, end: afterPrefix(prefix) });
export function localU32(value: number): string {
  return String.fromCharCode(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

export const localRest = (key: Key): string => key.slice(OWN.length + 1);

export function seal(value: Buffer): Buffer {
  const sealed = Buffer.allocUnsafe(value.length + 8);
  value.copy(sealed);
  sealed.writeBigUInt64LE(xxh64(value), value.length);
  return sealed;
}

/** A copy without the checksum; Fault CorruptIndex when it does not hold. */
export function unseal(key: Key, sealed: Buffer): Buffer {
  const length = sealed.length - 8;
  if (length < 0 || xxh64(sealed.subarray(0, length)) !== sealed.readBigUInt64LE(length)) {
    throw new Fault(deviceFaults.corruptIndex, { key: Buffer.from(key, 'latin1').toString('hex') });
  }
  return Buffer.from(sealed.subarray(0, length));
}

export interface CheckpointRecord {
  readonly covered: Lsn;
  readonly oldest: Lsn;
  readonly maxStamp: Stamp;
  readonly handoffCopies: number;
}

export function encodeCheckpoint({ covered, oldest, maxStamp, handoffCopies }: CheckpointRecord): Buffer {
  const bytes = Buffer.alloc(40);
  bytes[0] = 1;
  writeLsn(bytes, covered, 8);
  writeLsn(bytes, oldest, 16);
  bytes.write(maxStamp, 24, 8, 'hex');
  bytes.writeDoubleLE(handoffCopies, 32);
  return bytes;
}

export function decodeCheckpoint(bytes: Buffer): CheckpointRecord {
  if (bytes.length !== 40 || bytes[0] !== 1)
    throw new Fault(deviceFaults.corruptIndex, { reason: 'checkpoint version' });
  return {
    covered: readLsn(bytes, 8),
    oldest: readLsn(bytes, 16),
    maxStamp: decodeStamp(bytes, 24),
    handoffCopies: bytes.readDoubleLE(32),
  };
}

export const encodeStamp = (stamp: Stamp): Buffer => Buffer.from(stamp, 'hex');
export const decodeStamp = (bytes: Buffer, at = 0): Stamp => bytes.toString('hex', at, at + 8) as Stamp;

export function encodeLsn(lsn: Lsn): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  writeLsn(bytes, lsn, 0);
  return bytes;
}

export function encodeMs(ms: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleLE(ms);
  return bytes;
}

export function encodeMarks(marks: Iterable<readonly [writer: number, mark: Stamp]>): Buffer {
  const parts: Buffer[] = [];
  for (const [writer, mark] of marks) {
    const one = Buffer.allocUnsafe(12);
    one.writeUInt32LE(writer);
    one.write(mark, 4, 8, 'hex');
    parts.push(one);
  }
  return Buffer.concat(parts);
}

export function decodeMarks(bytes: Buffer): [number, Stamp][] {
  const marks: [number, Stamp][] = [];
  for (let at = 0; at + 12 <= bytes.length; at += 12) marks.push([bytes.readUInt32LE(at), decodeStamp(bytes, at + 4)]);
  return marks;
}

export interface UnsettledRecord {
  readonly stamp: Stamp;
  readonly lsn: Lsn;
  readonly arrivedMs: number;
  readonly keys: readonly Key[];
}

export function encodeUnsettled(records: readonly UnsettledRecord[]): Buffer {
  const parts: Buffer[] = [];
  for (const { stamp, lsn, arrivedMs, keys } of records) {
    const fixed = Buffer.allocUnsafe(28);
    fixed.write(stamp, 0, 8, 'hex');
    writeLsn(fixed, lsn, 8);
    fixed.writeDoubleLE(arrivedMs, 16);
    fixed.writeUInt32LE(keys.length, 24);
    parts.push(fixed);
    for (const key of keys) parts.push(Buffer.from([key.length & 0xff, key.length >> 8]), Buffer.from(key, 'latin1'));
  }
  return Buffer.concat(parts);
}

export function decodeUnsettled(bytes: Buffer): UnsettledRecord[] {
  const records: UnsettledRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    const stamp = decodeStamp(bytes, at);
    const lsn = readLsn(bytes, at + 8);
    const arrivedMs = bytes.readDoubleLE(at + 16);
    const count = bytes.readUInt32LE(at + 24);
    at += 28;
    const keys: Key[] = [];
    for (let i = 0; i < count; i++) {
      const length = bytes.readUInt16LE(at);
      keys.push(bytes.toString('latin1', at + 2, at + 2 + length));
      at += 2 + length;
    }
    records.push({ stamp, lsn, arrivedMs, keys });
  }
  return records;
}

export interface UsageRecord {
  readonly lane: number;
  readonly segment: number;
  readonly liveBytes: number;
}

export function encodeUsage(records: Iterable<UsageRecord>): Buffer {
  const parts: Buffer[] = [];
  for (const { lane, segment, liveBytes } of records) {
    const one = Buffer.allocUnsafe(16);
    one.writeUInt32LE(lane, 0);
    one.writeUInt32LE(segment, 4);
    one.writeDoubleLE(liveBytes, 8);
    parts.push(one);
  }
  return Buffer.concat(parts);
}

export function decodeUsage(bytes: Buffer): UsageRecord[] {
  const records: UsageRecord[] = [];
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    records.push({
      lane: bytes.readUInt32LE(at),
      segment: bytes.readUInt32LE(at + 4),
      liveBytes: bytes.readDoubleLE(at + 8),
    });
  }
  return records;
}
