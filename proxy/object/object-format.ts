/**
 * Meta of the registers that objects, parts and uploads are (object-server/register-format.ts holds the envelope): one
 * version byte, then msgpack of a record. Unknown fields are kept by older readers; a field is never given a new meaning.
 *
 *     +-----+---------------------------------------------+
 *     | v1  | msgpack map, the interfaces below           |
 *     +-----+---------------------------------------------+
 *
 * Names are separate from bytes: a body is inline in the register, or a list of extents of blobs. A blob belongs to the
 * key prefix (path hash, incarnation) it was uploaded under; a record elsewhere that refers to it holds a pin there.
 */
import type { Metadata } from '../../account-container/contract.ts';
import { assert } from '../../fabric/assert.ts';
import { decode, encode } from '../../fabric/codec.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_FOREIGN,
  FLAG_TOMBSTONE,
  headMeta,
  headStamp,
  type Key,
  KIND,
  KIND_AT,
  SPACE_REPLICATED,
} from '../../object-server/contract.ts';
import type { Acl } from './acl-types.ts';
import type {
  EncryptionMode,
  ObjectAttributes,
  ObjectInfo,
  ObjectLock,
  Retention,
  SloSegment,
  Tags,
} from './contract.ts';

const VERSION = 1;

/** Bytes [offset, offset + length) of a blob. `home`: path hash and incarnation (24 bytes, latin1) when not the record's own. */
export interface Extent {
  readonly id: string;
  readonly offset: number;
  readonly length: number;
  readonly home?: string | undefined;
}

/** Keeps foreign blobs alive: a register at `home` under this id. */
export interface Pin {
  readonly home: string;
  readonly id: string;
}

/**
 * How the body is encrypted (sealed-format.ts); `size` is the plain text's, extents are of what lies on disk, one for each
 * stream. `salt` or `inline` (sealed-format.ts) is an inline body's; a blob's id is its stream's salt. `check` knows the
 * client's key again, salted.
 */
export interface Sealed {
  readonly mode: EncryptionMode;
  readonly keyId?: string | undefined;
  readonly wrapped?: Uint8Array | undefined;
  readonly context?: string | undefined;
  readonly bucketKey?: boolean | undefined;
  readonly salt?: Uint8Array | undefined;
  readonly inline?: number | undefined;
  readonly check?: Uint8Array | undefined;
  readonly checkSalt?: Uint8Array | undefined;
}

export interface ObjectRecord {
  readonly account: string;
  readonly container: string;
  readonly name: string;
  readonly size: number;
  readonly etag: string;
  readonly type: string;
  readonly user?: Metadata | undefined;
  readonly headers?: Metadata | undefined;
  readonly sums?: ObjectInfo['checksums'] | undefined;
  readonly sumType?: string | undefined;
  readonly extents?: readonly Extent[] | undefined;
  readonly pins?: readonly Pin[] | undefined;
  readonly parts?: readonly number[] | undefined;
  /** Checksums of the parts, digest after digest. */
  readonly partSums?: Uint8Array | undefined;
  readonly slo?: readonly SloSegment[] | undefined;
  readonly deleteAt?: number | undefined;
  /** S3 ACL, where it says more than that the account's owner may do everything. */
  readonly acl?: Acl | undefined;
  /** Ordered by key; absent where there is none. */
  readonly tags?: Tags | undefined;
  /** Version id, where the container had versioning enabled when this was written; without one it is the null version. */
  readonly version?: string | undefined;
  /** When an older version was made the object again. */
  readonly restored?: Stamp | undefined;
  /** A delete marker: to plain requests there is no object. */
  readonly marker?: true | undefined;
  readonly sealed?: Sealed | undefined;
  /** Room, unused so far: policy and fragment. */
  readonly policy?: number | undefined;
  readonly fragment?: number | undefined;
  /** Object lock: until when this version stays, and whether it is held besides. */
  readonly retention?: Retention | undefined;
  readonly hold?: boolean | undefined;
}

export interface PartRecord {
  readonly size: number;
  readonly etag: string;
  readonly sums?: ObjectInfo['checksums'] | undefined;
  readonly extents: readonly Extent[];
  readonly pins?: readonly Pin[] | undefined;
}

/** `done` is set when the upload was completed: the answer a repeated Complete gets. */
export interface UploadRecord {
  readonly account: string;
  readonly container: string;
  readonly name: string;
  readonly attributes: ObjectAttributes;
  /** Canonical id of whoever began it, when that is not the account's owner. */
  readonly by?: string | undefined;
  /** Of the object to be. */
  readonly acl?: Acl | undefined;
  readonly lock?: ObjectLock | undefined;
  readonly sealed?: Sealed | undefined;
  readonly tags?: Tags | undefined;
  readonly algorithm?: string | undefined;
  readonly sumType?: string | undefined;
  readonly done?: {
    readonly stamp: Stamp;
    readonly etag: string;
    readonly parts: readonly string[];
    readonly object: ObjectRecord;
  };
}

/** A tombstone still says whose it is, so that a half-finished delete can be finished by whoever finds it. */
export interface Gravestone {
  readonly account: string;
  readonly container: string;
  readonly name: string;
  /** Of a version that is gone: where its row was among those of the name. */
  readonly order?: Stamp | undefined;
}

export function encodeMeta(record: ObjectRecord | PartRecord | UploadRecord | Gravestone): Buffer {
  const packed = encode(record);
  const meta = Buffer.allocUnsafe(packed.length + 1);
  meta[0] = VERSION;
  meta.set(packed, 1);
  return meta;
}

export function decodeMeta<T extends ObjectRecord | PartRecord | UploadRecord | Gravestone>(head: Buffer): T {
  const meta = headMeta(head);
  assert(meta[0] === VERSION, 'unknown object meta version');
  return decode(meta.subarray(1)) as T;
}

/** Blob ids a register keeps alive on its own devices. */
export function refsOf(extents: readonly Extent[] | undefined): Buffer | undefined {
  if (!extents) return undefined;
  const own = new Set<string>();
  for (const extent of extents) if (!extent.home) own.add(extent.id);
  return own.size === 0 ? undefined : Buffer.from([...own].join(''), 'latin1');
}

interface HeadFields {
  readonly key: Key;
  readonly stamp: Stamp;
  readonly ballot?: Stamp;
  readonly body?: Uint8Array | undefined;
}

/** A live register of a record with a body or extents. */
export function recordHead(
  record: ObjectRecord | PartRecord,
  { key, stamp, ballot = stamp, body }: HeadFields,
): Buffer {
  const flags = record.pins?.length ? FLAG_FOREIGN : 0;
  return encodeHead({ key, ballot, stamp, flags, meta: encodeMeta(record), body, refs: refsOf(record.extents) });
}

/** `at`: when it was deleted, where that was elsewhere. */
export function gravestoneHead(stone: Gravestone, key: Key, stamp: Stamp, at = stamp): Buffer {
  const { account, container, name } = stone;
  return encodeHead({
    key,
    ballot: stamp,
    stamp: at,
    flags: FLAG_TOMBSTONE,
    meta: encodeMeta({ account, container, name }),
  });
}

/** Key of the blob behind an extent of the record under `key`. */
export function blobKey(key: Key, extent: Extent): Key {
  const prefix = extent.home === undefined ? key.slice(0, KIND_AT) : SPACE_REPLICATED + extent.home;
  return prefix + KIND.blob + extent.id;
}

/** `versioned`: the container has versions, so that an object without an id is the null version. */
export function toInfo(record: ObjectRecord, head: Buffer, versioned = false): ObjectInfo {
  return {
    name: record.name,
    stamp: headStamp(head),
    sizeBytes: record.size,
    etag: record.etag,
    contentType: record.type,
    user: record.user ?? NOTHING,
    headers: record.headers ?? NOTHING,
    checksums: record.sums ?? NOTHING,
    checksumType: record.sumType,
    partSizes: record.parts,
    partSums: record.partSums,
    slo: record.slo,
    deleteAt: record.deleteAt,
    acl: record.acl,
    versionId: record.version ?? (versioned ? 'null' : undefined),
    lock: locksOf(record),
    encryption: record.sealed && shownEncryption(record.sealed),
    tags: record.tags,
  };
}

/** Nothing of it is secret. */
export function shownEncryption({ mode, keyId, context, bucketKey }: Sealed): ObjectInfo['encryption'] {
  return mode === 'aws:kms' ? { mode, keyId, context, bucketKey } : { mode };
}

function locksOf({ retention, hold }: ObjectRecord): ObjectLock | undefined {
  return retention === undefined && hold === undefined ? undefined : { retention, hold };
}

const NOTHING: Metadata = Object.freeze({});
