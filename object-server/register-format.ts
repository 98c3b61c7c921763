/**
 * A register: one key's newest accepted state on a device, live or tombstone. The head is encoded once, at the proxy, and
 * travels and is stored as it is; the inline body follows it on disk but has a checksum of its own, so that it too is
 * computed once and never copied.
 *
 *      0    1      2        4          8          12         16            24
 *     +----+------+--------+----------+----------+----------+-------------+-------------+
 *     | v1 | flags| keyLen | metaLen  | refsLen  | bodyLen  | ballot 8    | stamp 8     |
 *     +----+------+--------+----------+----------+----------+-------------+-------------+ 32
 *     | body xxh64 8       | head xxh64 8         | key  | meta | refs (blob ids, 16 each)
 *     +--------------------+----------------------+------+------+------------------- - -
 *
 *     flags   1 tombstone   2 durable mark: every primary is known to hold it (reserved for erasure-coded policies)
 *             4 refers to blobs of other keys
 *     ballot  orders writes of the key (ADR 1);  stamp  is the version's identity (a container's: its incarnation)
 *     head xxh64 covers the head with this field as zero. All integers little-endian except ballot and stamp (big-endian).
 *
 * What `meta` means is the domain's business (proxy/object/object-format.ts, account-container/row-format.ts …).
 */

import { assert } from '../fabric/assert.ts';
import { Fault } from '../fabric/errors.ts';
import { xxh64 } from '../fabric/hash.ts';
import type { Stamp } from '../fabric/stamp.ts';
import { deviceFaults } from './faults.ts';
import type { Key } from './key-format.ts';

export const REGISTER_VERSION = 1;
export const HEAD_FIXED_BYTES = 48;
export const FLAG_TOMBSTONE = 1;
export const FLAG_DURABLE = 2;
/** Refers to blobs under other keys (a server-side copy): whoever replaces it removes its pins. */
export const FLAG_FOREIGN = 4;
/** Bodies up to this size lie in the log record itself; larger ones are blobs. */
export const INLINE_BODY_BYTES_MAX = 64 * 1024;
export const META_BYTES_MAX = 4 * 1024 * 1024;

const HEAD_SUM_AT = 40;
const EMPTY = Buffer.alloc(0);

export interface RegisterFields {
  readonly key: Key;
  readonly ballot: Stamp;
  readonly stamp: Stamp;
  readonly flags?: number;
  readonly meta?: Uint8Array;
  readonly body?: Uint8Array | undefined;
  /** Blob ids, 16 bytes each, that this register keeps alive on devices of its own partition. */
  readonly refs?: Uint8Array | undefined;
}

export function encodeHead(fields: RegisterFields): Buffer {
  const { key, body, meta = EMPTY, refs = EMPTY } = fields;
  assert(meta.length <= META_BYTES_MAX && refs.length % 16 === 0, 'register meta or refs out of range');
  const metaAt = HEAD_FIXED_BYTES + key.length;
  const head = Buffer.allocUnsafe(metaAt + meta.length + refs.length);
  head[0] = REGISTER_VERSION;
  head[1] = fields.flags ?? 0;
  head.writeUInt16LE(key.length, 2);
  head.writeUInt32LE(meta.length, 4);
  head.writeUInt32LE(refs.length, 8);
  head.writeUInt32LE(body?.length ?? 0, 12);
  head.write(fields.ballot, 16, 8, 'hex');
  head.write(fields.stamp, 24, 8, 'hex');
  head.writeBigUInt64LE(body?.length ? xxh64(body) : 0n, 32);
  head.writeBigUInt64LE(0n, HEAD_SUM_AT);
  head.write(key, HEAD_FIXED_BYTES, 'latin1');
  head.set(meta, metaAt);
  head.set(refs, metaAt + meta.length);
  head.writeBigUInt64LE(xxh64(head), HEAD_SUM_AT);
  return head;
}

/** Checks version, lengths and checksum of a head that came from a disk or a wire; Fault CorruptRegister. */
export function checkHead(head: Buffer): void {
  if (head.length < HEAD_FIXED_BYTES || head[0] !== REGISTER_VERSION || head.length !== headLength(head)) {
    throw new Fault(deviceFaults.corruptRegister, { reason: 'length or version' });
  }
  // The field is zeroed and put back within this synchronous call: cheaper than a copy, and nobody can see it.
  const low = head.readUInt32LE(HEAD_SUM_AT);
  const high = head.readUInt32LE(HEAD_SUM_AT + 4);
  head.writeUInt32LE(0, HEAD_SUM_AT);
  head.writeUInt32LE(0, HEAD_SUM_AT + 4);
  const sum = xxh64(head);
  head.writeUInt32LE(low, HEAD_SUM_AT);
  head.writeUInt32LE(high, HEAD_SUM_AT + 4);
  if (sum !== head.readBigUInt64LE(HEAD_SUM_AT))
    throw new Fault(deviceFaults.corruptRegister, { reason: 'head checksum' });
}

/** Fault CorruptRegister unless `body` is the one the head was made for. */
export function checkBody(head: Buffer, body: Uint8Array | undefined): void {
  const length = body?.length ?? 0;
  if (length !== headBodyLength(head)) throw new Fault(deviceFaults.corruptRegister, { reason: 'body length' });
  if (body && length > 0 && xxh64(body) !== headBodySum(head)) {
    throw new Fault(deviceFaults.corruptRegister, { reason: 'body checksum' });
  }
}

/** Total head length by the fixed part, which must be there. */
export function headLength(head: Buffer, at = 0): number {
  return HEAD_FIXED_BYTES + head.readUInt16LE(at + 2) + head.readUInt32LE(at + 4) + head.readUInt32LE(at + 8);
}

export const headKey = (head: Buffer): Key =>
  head.toString('latin1', HEAD_FIXED_BYTES, HEAD_FIXED_BYTES + head.readUInt16LE(2));
export const headKeyLength = (head: Buffer): number => head.readUInt16LE(2);
export const headRefsLength = (head: Buffer): number => head.readUInt32LE(8);
export const headBallot = (head: Buffer): Stamp => head.toString('hex', 16, 24) as Stamp;
export const headStamp = (head: Buffer): Stamp => head.toString('hex', 24, 32) as Stamp;
/** Whether ballot and stamp are one, as a plain write leaves them. */
export const isUnderOwnBallot = (head: Buffer): boolean =>
  head.readUInt32LE(16) === head.readUInt32LE(24) && head.readUInt32LE(20) === head.readUInt32LE(28);
export const headBodyLength = (head: Buffer): number => head.readUInt32LE(12);
export const headBodySum = (head: Buffer): bigint => head.readBigUInt64LE(32);
export const isTombstone = (head: Buffer): boolean => ((head[1] as number) & FLAG_TOMBSTONE) !== 0;
/** A view, not a copy. */
export function headMeta(head: Buffer): Buffer {
  const at = HEAD_FIXED_BYTES + head.readUInt16LE(2);
  return head.subarray(at, at + head.readUInt32LE(4));
}
/** A view, not a copy. */
export function headRefs(head: Buffer): Buffer {
  return head.subarray(head.length - head.readUInt32LE(8));
}

/** The same version under a new ballot: what a CASPaxos round writes back when it changes nothing. */
export function withBallot(head: Buffer, ballot: Stamp): Buffer {
  const copy = Buffer.from(head);
  copy.write(ballot, 16, 8, 'hex');
  copy.writeBigUInt64LE(0n, HEAD_SUM_AT);
  copy.writeBigUInt64LE(xxh64(copy), HEAD_SUM_AT);
  return copy;
}
