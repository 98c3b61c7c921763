/**
 * A register in the index (LMDB), under its key: where its record lies, and either all of its head or what is asked of it
 * most. Heads of objects stay in the log: most are only read together with their body, which is one read there, and small
 * values make the index a fraction of the size and of the cost.
 *
 *      0      4             8            12           16
 *     +------+-------------+------------+------------+--------------------------+--------------+
 *     | 1 000| segment u32 | offset u32 | origin u32 | first 48 bytes of head   | meta | refs  |   whole
 *     +------+-------------+------------+------------+--------------------------+--------------+
 *
 *      0  1       2      4        8        12       16          20          24        32       40
 *     +---+-------+------+--------+--------+--------+-----------+-----------+---------+--------+---------+
 *     | 2 | flags | refs | segment| offset | origin | head bytes| body bytes| ballot 8| stamp 8| xxh64 8 |   thin
 *     +---+-------+------+--------+--------+--------+-----------+-----------+---------+--------+---------+ 48
 *
 *     segment and offset: where the record's frame begins. origin: see segment-format.ts. A whole head leaves out its key: it
 *     follows from the index key; its own checksum is verified. flags: as in the head. refs u8: 1 if it refers to blobs. The
 *     thin value's xxh64 covers what precedes it and the index key. Little-endian, ballot and stamp big-endian.
 */

import { Fault } from '../fabric/errors.ts';
import { xxh64 } from '../fabric/hash.ts';
import { KEY_BYTES_MAX } from '../fabric/kv.ts';
import { deviceFaults } from './faults.ts';
import { handoffOriginal, type Key, KIND, keyKind, SPACE_HANDOFF, SPACE_REPLICATED } from './key-format.ts';
import { decodeStamp } from './local-format.ts';
import { Entry, type HeadLoader } from './memtable.ts';
import { checkHead, FLAG_TOMBSTONE, HEAD_FIXED_BYTES, headKeyLength } from './register-format.ts';
import { lsnOffset, lsnSegment, makeLsn } from './segment-format.ts';

const WHOLE = 1;
const THIN = 2;
const PLACE_BYTES = 16;
const THIN_SUM_AT = 40;
const THIN_BYTES = 48;
const thinKinds = new Set<string>([KIND.object, KIND.part, KIND.version]);
const scratch = Buffer.alloc(THIN_SUM_AT + KEY_BYTES_MAX);

const isThin = (key: Key): boolean => key.startsWith(SPACE_REPLICATED) && thinKinds.has(keyKind(key));

export function indexValueBytes(key: Key, entry: Entry): number {
  return isThin(key) ? THIN_BYTES : PLACE_BYTES + entry.headBytes - headKeyLength(entry.head);
}

/** Writes the value at `at`; returns its end. */
export function encodeIndexValue(key: Key, entry: Entry, into: Buffer, at: number): number {
  const thin = isThin(key);
  into.writeUInt32LE(thin ? THIN : WHOLE, at);
  into.writeUInt32LE(lsnSegment(entry.lsn), at + 4);
  into.writeUInt32LE(lsnOffset(entry.lsn), at + 8);
  into.writeUInt32LE(entry.origin, at + 12);
  if (thin) return encodeThin(key, entry, into, at);
  const { head } = entry;
  head.copy(into, at + PLACE_BYTES, 0, HEAD_FIXED_BYTES);
  const restAt = HEAD_FIXED_BYTES + headKeyLength(head);
  return at + PLACE_BYTES + HEAD_FIXED_BYTES + head.copy(into, at + PLACE_BYTES + HEAD_FIXED_BYTES, restAt);
}

function encodeThin(key: Key, entry: Entry, into: Buffer, at: number): number {
  into[at + 1] = entry.tombstone ? FLAG_TOMBSTONE : 0;
  into[at + 2] = entry.hasRefs ? 1 : 0;
  into.writeUInt32LE(entry.headBytes, at + 16);
  into.writeUInt32LE(entry.bodyBytes, at + 20);
  into.write(entry.ballot, at + 24, 8, 'hex');
  into.write(entry.stamp, at + 32, 8, 'hex');
  into.writeBigUInt64LE(thinSum(key, into, at), at + THIN_SUM_AT);
  return at + THIN_BYTES;
}

function thinSum(key: Key, value: Buffer, at: number): bigint {
  value.copy(scratch, 0, at, at + THIN_SUM_AT);
  const end = THIN_SUM_AT + scratch.write(key, THIN_SUM_AT, 'latin1');
  return xxh64(scratch.subarray(0, end));
}

/** `value` is not kept. Fault CorruptRegister when it does not check. */
export function decodeIndexValue(key: Key, value: Buffer, load: HeadLoader): Entry {
  if (value[0] === THIN && value.length === THIN_BYTES) return decodeThin(key, value, load);
  if (value[0] !== WHOLE || value.length < PLACE_BYTES + HEAD_FIXED_BYTES) {
    throw new Fault(deviceFaults.corruptRegister, { reason: 'index value' });
  }
  const original = key.startsWith(SPACE_HANDOFF) ? handoffOriginal(key) : key;
  const head = Buffer.allocUnsafe(value.length - PLACE_BYTES + original.length);
  value.copy(head, 0, PLACE_BYTES, PLACE_BYTES + HEAD_FIXED_BYTES);
  head.write(original, HEAD_FIXED_BYTES, 'latin1');
  value.copy(head, HEAD_FIXED_BYTES + original.length, PLACE_BYTES + HEAD_FIXED_BYTES);
  checkHead(head);
  return Entry.of(head, makeLsn(value.readUInt32LE(4), value.readUInt32LE(8)), value.readUInt32LE(12));
}

function decodeThin(key: Key, value: Buffer, load: HeadLoader): Entry {
  if (thinSum(key, value, 0) !== value.readBigUInt64LE(THIN_SUM_AT)) {
    throw new Fault(deviceFaults.corruptRegister, { reason: 'index value' });
  }
  const fields = {
    lsn: makeLsn(value.readUInt32LE(4), value.readUInt32LE(8)),
    origin: value.readUInt32LE(12),
    ballot: decodeStamp(value, 24),
    stamp: decodeStamp(value, 32),
    tombstone: ((value[1] as number) & FLAG_TOMBSTONE) !== 0,
    hasRefs: value[2] !== 0,
    headBytes: value.readUInt32LE(16),
    bodyBytes: value.readUInt32LE(20),
  };
  return Entry.thin(fields, key, load);
}
