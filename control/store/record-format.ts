/**
 * Every value in the control store: rows, entries of the change feed, and the store's own state.
 *
 *      0             8      9      10       12              20
 *     +-------------+------+------+--------+---------------+------------------+
 *     | checksum u64| v1   | kind | 0 0    | revision f64  | msgpack          |
 *     +-------------+------+------+--------+---------------+------------------+
 *
 *     checksum  xxh64 of everything after it, seeded with the xxh64 of the key: a record under a wrong key is damaged too
 *     kind      1 row   2 feed entry   3 state
 *     revision  of the commit that wrote it
 *
 * msgpack of a row is what the service put; of a feed entry `[key, deleted, key, deleted, …]` with row keys as they lie in
 * the store; of the state `StoreState`. Little-endian. A record that fails any of this is a Fault, never a guess.
 */
import { decode, encode } from '../../fabric/codec.ts';
import { Fault } from '../../fabric/errors.ts';
import { xxh64 } from '../../fabric/hash.ts';
import { storeFaults } from '../contract.ts';

const VERSION = 1;
const HEAD_BYTES = 20;
export const RECORD_KIND = { row: 1, feed: 2, state: 3 } as const;
export type RecordKind = (typeof RECORD_KIND)[keyof typeof RECORD_KIND];

export interface StoreState {
  /** Of the last commit. */
  readonly revision: number;
  /** Oldest revision that the feed still has. */
  readonly feedFrom: number;
}

/** A record without revision and checksum: `sealRecord` adds them. */
export function draftRecord(kind: RecordKind, value: unknown): Buffer {
  const payload = encode(value);
  const record = Buffer.alloc(HEAD_BYTES + payload.length);
  record[8] = VERSION;
  record[9] = kind;
  record.set(payload, HEAD_BYTES);
  return record;
}

export function sealRecord(record: Buffer, key: string, revision: number): Buffer {
  record.writeDoubleLE(revision, 12);
  record.writeBigUInt64LE(checksum(record, key), 0);
  return record;
}

/** For drafts: not checked. */
export const recordPayload = (record: Buffer): unknown => decode(record.subarray(HEAD_BYTES));

/** 0 for a draft. */
export const recordRevision = (record: Buffer): number => record.readDoubleLE(12);

/** The value is a copy. Fault StoreDamaged. */
export function openRecord(record: Buffer, key: string, kind: RecordKind): unknown {
  const damaged = (what: string): Fault => new Fault(storeFaults.damaged, { key: printable(key) }, `damaged: ${what}`);
  if (record.length <= HEAD_BYTES) throw damaged('too short');
  if (record.readBigUInt64LE(0) !== checksum(record, key)) throw damaged('checksum');
  if (record[8] !== VERSION || record[9] !== kind) throw damaged(`version ${record[8]}, kind ${record[9]}`);
  return recordPayload(record);
}

function checksum(record: Buffer, key: string): bigint {
  return xxh64(record.subarray(8), xxh64(Buffer.from(key, 'latin1')));
}

const printable = (key: string): string => key.replaceAll('\0', '/').replace(/[^\x20-\x7e]/g, '.');
