/**
 * A register in the index (LMDB), under its key. The head's own key is left out: it is the index key (a handoff copy's head
 * carries the original key, which follows from it). Pages of the index carry no checksum, the head does: it is verified when
 * the entry is read.
 *
 *      0             4            8            12                         60
 *     +-------------+------------+------------+--------------------------+--------------+
 *     | segment u32 | offset u32 | origin u32 | first 48 bytes of head   | meta | refs  |
 *     +-------------+------------+------------+--------------------------+--------------+
 *
 *     segment and offset: where the record's frame begins. origin: see segment-format.ts. Little-endian.
 */
import { Fault } from '../fabric/errors.ts';
import { handoffOriginal, type Key, SPACE_HANDOFF } from './key-format.ts';
import { Entry } from './memtable.ts';
import { checkHead, HEAD_FIXED_BYTES, headKeyLength } from './register-format.ts';
import { lsnOffset, lsnSegment, makeLsn } from './segment-format.ts';

const PLACE_BYTES = 12;

export function indexValueBytes(entry: Entry): number {
  return PLACE_BYTES + entry.head.length - headKeyLength(entry.head);
}

/** Writes the value at `at`; returns its end. */
export function encodeIndexValue(entry: Entry, into: Buffer, at: number): number {
  const { head } = entry;
  into.writeUInt32LE(lsnSegment(entry.lsn), at);
  into.writeUInt32LE(lsnOffset(entry.lsn), at + 4);
  into.writeUInt32LE(entry.origin, at + 8);
  head.copy(into, at + PLACE_BYTES, 0, HEAD_FIXED_BYTES);
  const restAt = HEAD_FIXED_BYTES + headKeyLength(head);
  return at + PLACE_BYTES + HEAD_FIXED_BYTES + head.copy(into, at + PLACE_BYTES + HEAD_FIXED_BYTES, restAt);
}

/** `value` is not kept. Fault CorruptRegister when the head does not check. */
export function decodeIndexValue(indexKey: Key, value: Buffer): Entry {
  if (value.length < PLACE_BYTES + HEAD_FIXED_BYTES) throw new Fault('CorruptRegister', { reason: 'index value' });
  const key = indexKey.startsWith(SPACE_HANDOFF) ? handoffOriginal(indexKey) : indexKey;
  const head = Buffer.allocUnsafe(value.length - PLACE_BYTES + key.length);
  value.copy(head, 0, PLACE_BYTES, PLACE_BYTES + HEAD_FIXED_BYTES);
  head.write(key, HEAD_FIXED_BYTES, 'latin1');
  value.copy(head, HEAD_FIXED_BYTES + key.length, PLACE_BYTES + HEAD_FIXED_BYTES);
  checkHead(head);
  const lsn = makeLsn(value.readUInt32LE(0), value.readUInt32LE(4));
  return new Entry(head, lsn, value.readUInt32LE(8));
}
