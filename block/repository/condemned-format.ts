/**
 * One part of a condemned set: content that no manifest referred to, in order of its names.
 *
 *      0       4    5       8         12       16           24
 *     +-------+----+-------+---------+--------+------------+------------------------------------------+
 *     | "NTSD"| v1 | 0 0 0 | entries | 0 0 0 0| xxh64      | entries: hash 32, generation 4, kind 4   |
 *     +-------+----+-------+---------+--------+------------+------------------------------------------+
 *
 *     Little-endian; kind 0 is a chunk, 1 a node. xxh64 covers everything with this field as zero.
 */
import { Fault } from '../../fabric/errors.ts';
import { xxh64 } from '../../fabric/hash.ts';
import { repositoryFaults } from './faults.ts';
import type { ContentId, ContentKind } from './names.ts';

const MAGIC = 0x4453544e;
const VERSION = 1;
const HEAD_BYTES = 24;
const ENTRY_BYTES = 40;
const SUM_AT = 16;

export interface Condemned extends ContentId {
  readonly kind: ContentKind;
}

export function encodeCondemned(entries: readonly Condemned[]): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES + ENTRY_BYTES * entries.length);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes[4] = VERSION;
  bytes.writeUInt32LE(entries.length, 8);
  let at = HEAD_BYTES;
  for (const { hash, generation, kind } of entries) {
    hash.copy(bytes, at);
    bytes.writeUInt32LE(generation, at + 32);
    bytes[at + 36] = kind === 'nodes' ? 1 : 0;
    at += ENTRY_BYTES;
  }
  bytes.writeBigUInt64LE(xxh64(bytes), SUM_AT);
  return bytes;
}

/** Fault SnapshotCorrupt. */
export function decodeCondemned(bytes: Buffer): Condemned[] {
  const corrupt = (reason: string): Fault => new Fault(repositoryFaults.corrupt, { reason: `condemned: ${reason}` });
  if (bytes.length < HEAD_BYTES || bytes.readUInt32LE(0) !== MAGIC || bytes[4] !== VERSION) throw corrupt('magic');
  if (bytes.length !== HEAD_BYTES + ENTRY_BYTES * bytes.readUInt32LE(8)) throw corrupt('length');
  const copy = Buffer.from(bytes);
  copy.writeBigUInt64LE(0n, SUM_AT);
  if (xxh64(copy) !== bytes.readBigUInt64LE(SUM_AT)) throw corrupt('checksum');
  const entries: Condemned[] = [];
  for (let at = HEAD_BYTES; at < copy.length; at += ENTRY_BYTES) {
    const kind = copy[at + 36] === 1 ? 'nodes' : 'chunks';
    entries.push({ hash: copy.subarray(at, at + 32), generation: copy.readUInt32LE(at + 32), kind });
  }
  return entries;
}
