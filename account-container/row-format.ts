/**
 * Meta of the registers that accounts and containers are made of (object-server/register-format.ts holds the envelope).
 *
 * Row of a container (KIND.row), a fixed head so that totals are read without decoding, then strings:
 *
 *      0     1       2          4            12        14         16        18
 *     +-----+-------+----------+------------+---------+----------+---------+----------------------+
 *     | v1  | flags | policy   | size f64   | etagLen | typeLen  | extraLen| etag, type, extra    |
 *     +-----+-------+----------+------------+---------+----------+---------+----------------------+
 *
 *     flags  1 delete marker (versions)   2 null version   4 the size is shown but not counted in totals (manifests:
 *            their segments are counted where they are)
 *     etag   as a listing shows it, without quotes; type: content type; both UTF-8
 *     extra  msgpack of what only some rows have (storage class, owner, checksum algorithm, version id …)
 *
 * Container, account, account row and bucket: one version byte, then msgpack of the interfaces below.
 */
import { assert } from '../fabric/assert.ts';
import { decode, encode } from '../fabric/codec.ts';
import type { Stamp } from '../fabric/stamp.ts';

const VERSION = 1;
const FIXED_BYTES = 18;
export const ROW_FIXED_BYTES = FIXED_BYTES;
export const ROW_DELETE_MARKER = 1;
export const ROW_NULL_VERSION = 2;
/** The row counts as one object but its size not towards bytes used. */
export const ROW_SIZE_UNCOUNTED = 4;

export interface Row {
  readonly sizeBytes: number;
  readonly etag: string;
  readonly contentType: string;
  readonly policy?: number;
  readonly flags?: number;
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
}

export function encodeRow(row: Row): Buffer {
  const etagBytes = Buffer.byteLength(row.etag);
  const typeBytes = Buffer.byteLength(row.contentType);
  const extra = row.extra ? encode(row.extra) : undefined;
  const extraBytes = extra?.length ?? 0;
  assert(etagBytes < 65536 && typeBytes < 65536 && extraBytes < 65536, 'row field too long');
  const bytes = Buffer.allocUnsafe(FIXED_BYTES + etagBytes + typeBytes + extraBytes);
  bytes[0] = VERSION;
  bytes[1] = row.flags ?? 0;
  bytes.writeUInt16LE(row.policy ?? 0, 2);
  bytes.writeDoubleLE(row.sizeBytes, 4);
  bytes.writeUInt16LE(etagBytes, 12);
  bytes.writeUInt16LE(typeBytes, 14);
  bytes.writeUInt16LE(extraBytes, 16);
  bytes.write(row.etag, FIXED_BYTES);
  bytes.write(row.contentType, FIXED_BYTES + etagBytes);
  if (extra) bytes.set(extra, FIXED_BYTES + etagBytes + typeBytes);
  return bytes;
}

export function decodeRow(bytes: Buffer): Row {
  assert(bytes[0] === VERSION, 'unknown row version');
  const typeAt = FIXED_BYTES + bytes.readUInt16LE(12);
  const extraAt = typeAt + bytes.readUInt16LE(14);
  const extraBytes = bytes.readUInt16LE(16);
  return {
    sizeBytes: bytes.readDoubleLE(4),
    etag: bytes.toString('latin1', FIXED_BYTES, typeAt),
    contentType: bytes.toString('utf8', typeAt, extraAt),
    policy: bytes.readUInt16LE(2),
    flags: bytes[1] as number,
    extra: extraBytes ? (decode(bytes.subarray(extraAt, extraAt + extraBytes)) as Record<string, unknown>) : undefined,
  };
}

export const rowSize = (meta: Buffer): number => meta.readDoubleLE(4);
export const rowPolicy = (meta: Buffer): number => meta.readUInt16LE(2);
export const rowFlags = (meta: Buffer): number => meta[1] as number;
/** The same, where the meta starts at `at` in a head: no view is made. */
export const rowPolicyAt = (head: Buffer, at: number): number => head.readUInt16LE(at + 2);
export const countedBytesAt = (head: Buffer, at: number): number =>
  (head[at + 1] as number) & ROW_SIZE_UNCOUNTED ? 0 : head.readDoubleLE(at + 4);

/** Metadata as clients set it: lower-case header-like name → value (latin1 byte strings, as on the wire). */
export type Metadata = Readonly<Record<string, string>>;

/** A container's register; its stamp is the creation stamp = incarnation. */
export interface ContainerRecord {
  readonly account: string;
  readonly name: string;
  readonly policy: number;
  /** x-container-meta-*, x-container-read … by full lower-case header name. */
  readonly metadata: Metadata;
  /** S3 side: owner, canned ACL/grants, versioning state, region … */
  readonly s3?: Readonly<Record<string, unknown>> | undefined;
  readonly createdStamp: Stamp;
  readonly modifiedStamp: Stamp;
  /** Its account is deleted: nobody sees it any more but who empties it. */
  readonly closed?: true | undefined;
}

/** An account's register; its stamp is what its rows' guard names. */
export interface AccountRecord {
  readonly name: string;
  readonly metadata: Metadata;
  readonly createdStamp: Stamp;
  /** Deleted, at the register's stamp: the incarnation under which its rows wait to be reaped. */
  readonly deletedRows?: Stamp | undefined;
}

/** Of the rows of an account whose register has this stamp. */
export function accountRowsStamp({ deletedRows }: AccountRecord, stamp: Stamp): Stamp {
  return deletedRows ?? stamp;
}

/** One container in its account's listing; totals are brought up to date soon after the container's change. */
export interface AccountRow {
  readonly incarnation: Stamp;
  readonly policy: number;
  readonly objectCount: number;
  readonly bytesUsed: number;
  readonly modifiedStamp: Stamp;
  /** Its name is registered as an S3 bucket. */
  readonly bucket?: boolean | undefined;
}

/** The cluster-wide owner of an S3 bucket name. */
export interface BucketRecord {
  readonly account: string;
  readonly container: string;
}

export function encodeRecord(record: ContainerRecord | AccountRecord | AccountRow | BucketRecord): Buffer {
  return Buffer.concat([Buffer.of(VERSION), encode(record)]);
}

export function decodeRecord<T extends ContainerRecord | AccountRecord | AccountRow | BucketRecord>(meta: Buffer): T {
  assert(meta[0] === VERSION, 'unknown record version');
  return decode(meta.subarray(1)) as T;
}
