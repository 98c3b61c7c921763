/**
 * A node of a snapshot's manifest: up to 1,024 references in order of their slots; a slot that is missing is a hole. Level 0
 * refers to chunks, level n to nodes of level n-1. Under 60 KiB when full, so that the object store keeps it inline.
 *
 *      0       4    5       6     8         12       16           24
 *     +-------+----+-------+-----+---------+--------+------------+------------------------------+
 *     | "NTSN"| v1 | level | 0 0 | entries | 0 0 0 0| xxh64      | entries, 56 bytes each       |
 *     +-------+----+-------+-----+---------+--------+------------+------------------------------+
 *     entry:
 *      0         32           36       40          46             52     54
 *     +---------+------------+--------+-----------+--------------+------+-----+
 *     | hash    | generation | chunks | raw bytes | stored bytes | slot | 0 0 |
 *     +---------+------------+--------+-----------+--------------+------+-----+
 *
 *     Little-endian; chunks, raw and stored bytes are those below the entry. The object's name is the keyed hash of it all.
 */
import { assert } from '../../fabric/assert.ts';
import { Fault } from '../../fabric/errors.ts';
import { xxh64 } from '../../fabric/hash.ts';
import { repositoryFaults } from './faults.ts';
import type { ContentId } from './names.ts';
import type { RefRecord } from './records.ts';

const MAGIC = 0x4e53544e;
const VERSION = 1;
const HEAD_BYTES = 24;
const ENTRY_BYTES = 56;
const SUM_AT = 16;
export const FANOUT = 1024;
/** 1024^5 chunks are more than any volume has. */
export const LEVEL_MAX = 4;

/** A chunk, or a node and all below it. */
export interface Ref extends ContentId {
  readonly chunks: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
}

/** Slot to reference. */
export type Entries = ReadonlyMap<number, Ref>;

export function encodeNode(level: number, entries: Entries): Buffer {
  assert(level <= LEVEL_MAX && entries.size > 0 && entries.size <= FANOUT, 'a node out of range');
  const bytes = Buffer.alloc(HEAD_BYTES + ENTRY_BYTES * entries.size);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes[4] = VERSION;
  bytes[5] = level;
  bytes.writeUInt32LE(entries.size, 8);
  let at = HEAD_BYTES;
  for (const [slot, ref] of [...entries].sort(([a], [b]) => a - b)) {
    ref.hash.copy(bytes, at);
    bytes.writeUInt32LE(ref.generation, at + 32);
    bytes.writeUInt32LE(ref.chunks, at + 36);
    bytes.writeUIntLE(ref.rawBytes, at + 40, 6);
    bytes.writeUIntLE(ref.storedBytes, at + 46, 6);
    bytes.writeUInt16LE(slot, at + 52);
    at += ENTRY_BYTES;
  }
  bytes.writeBigUInt64LE(xxh64(bytes), SUM_AT);
  return bytes;
}

/** Fault SnapshotCorrupt. */
export function decodeNode(bytes: Buffer, level: number): Entries {
  const corrupt = (reason: string): Fault => new Fault(repositoryFaults.corrupt, { reason: `node: ${reason}` });
  if (bytes.length < HEAD_BYTES || bytes.readUInt32LE(0) !== MAGIC || bytes[4] !== VERSION) throw corrupt('magic');
  if (bytes[5] !== level) throw corrupt('level');
  const count = bytes.readUInt32LE(8);
  if (count === 0 || count > FANOUT || bytes.length !== HEAD_BYTES + ENTRY_BYTES * count) throw corrupt('length');
  const copy = Buffer.from(bytes);
  copy.writeBigUInt64LE(0n, SUM_AT);
  if (xxh64(copy) !== bytes.readBigUInt64LE(SUM_AT)) throw corrupt('checksum');
  const entries = new Map<number, Ref>();
  let last = -1;
  for (let at = HEAD_BYTES; at < copy.length; at += ENTRY_BYTES) {
    const slot = copy.readUInt16LE(at + 52);
    if (slot <= last || slot >= FANOUT) throw corrupt('slots');
    last = slot;
    entries.set(slot, {
      hash: copy.subarray(at, at + 32),
      generation: copy.readUInt32LE(at + 32),
      chunks: copy.readUInt32LE(at + 36),
      rawBytes: copy.readUIntLE(at + 40, 6),
      storedBytes: copy.readUIntLE(at + 46, 6),
    });
  }
  return entries;
}

export const sameContent = (a: ContentId | undefined, b: ContentId | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.generation === b.generation && a.hash.equals(b.hash));

export function totalOf(id: ContentId, entries: Entries): Ref {
  let [chunks, rawBytes, storedBytes] = [0, 0, 0];
  for (const ref of entries.values()) {
    chunks += ref.chunks;
    rawBytes += ref.rawBytes;
    storedBytes += ref.storedBytes;
  }
  return { ...id, chunks, rawBytes, storedBytes };
}

export const refToRecord = (ref: Ref): RefRecord => ({
  hash: ref.hash.toString('hex'),
  generation: ref.generation,
  chunks: ref.chunks,
  rawBytes: ref.rawBytes,
  storedBytes: ref.storedBytes,
});

export const refFromRecord = (record: RefRecord): Ref => ({ ...record, hash: Buffer.from(record.hash, 'hex') });
