/**
 * Small records of a repository: a head that can be checked, then JSON that people can read without us.
 *
 *      0       4    5      6     8            12       16           24
 *     +-------+----+------+-----+------------+--------+------------+---------------------+
 *     | "NTSR"| v1 | kind | 0 0 | body bytes | 0 0 0 0| xxh64      | body: JSON, UTF-8   |
 *     +-------+----+------+-----+------------+--------+------------+---------------------+
 *
 *     Little-endian. xxh64 covers head and body with this field as zero. Kinds: RECORD_KINDS.
 */
import { Fault } from '../../fabric/errors.ts';
import { xxh64 } from '../../fabric/hash.ts';
import { repositoryFaults } from './faults.ts';
import type { Records } from './records.ts';

const MAGIC = 0x5253544e;
const VERSION = 1;
const HEAD_BYTES = 24;
const SUM_AT = 16;

/** The byte is on disk: never reuse one. */
export const RECORD_KINDS = {
  repository: 1,
  owner: 2,
  lineage: 3,
  session: 4,
  snapshot: 5,
  progress: 6,
  reader: 7,
  collector: 8,
  work: 9,
} as const;
export type RecordKind = keyof typeof RECORD_KINDS;

export function encodeRecord<K extends RecordKind>(kind: K, value: Records[K]): Buffer {
  const body = Buffer.from(JSON.stringify(value));
  const bytes = Buffer.alloc(HEAD_BYTES + body.length);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes[4] = VERSION;
  bytes[5] = RECORD_KINDS[kind];
  bytes.writeUInt32LE(body.length, 8);
  body.copy(bytes, HEAD_BYTES);
  bytes.writeBigUInt64LE(xxh64(bytes), SUM_AT);
  return bytes;
}

/** The record when it is of one of these kinds. Fault SnapshotCorrupt otherwise; UnknownRepositoryFormat when it is newer. */
export function decodeRecord<K extends RecordKind>(bytes: Buffer, ...kinds: readonly K[]): DecodedRecord<K> {
  const corrupt = (reason: string): Fault => new Fault(repositoryFaults.corrupt, { reason: `record: ${reason}` });
  if (bytes.length < HEAD_BYTES || bytes.readUInt32LE(0) !== MAGIC) throw corrupt('magic');
  if (bytes[4] !== VERSION) throw new Fault(repositoryFaults.unknownFormat, { version: bytes[4] });
  if (bytes.readUInt32LE(8) !== bytes.length - HEAD_BYTES) throw corrupt('length');
  const copy = Buffer.from(bytes);
  copy.writeBigUInt64LE(0n, SUM_AT);
  if (xxh64(copy) !== bytes.readBigUInt64LE(SUM_AT)) throw corrupt('checksum');
  const kind = kinds.find((each) => RECORD_KINDS[each] === bytes[5]);
  if (kind === undefined) throw corrupt('kind');
  return { kind, value: JSON.parse(bytes.toString('utf8', HEAD_BYTES)) } as DecodedRecord<K>;
}

/** A union over the kinds, so that `kind` tells what `value` is. */
export type DecodedRecord<K extends RecordKind> = { [Kind in K]: { kind: Kind; value: Records[Kind] } }[K];
