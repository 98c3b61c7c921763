/**
 * The one set of operations that both APIs translate to. proxy/s3 and proxy/swift parse a request, call one of these and
 * render the answer; rights, quorums, listings and bytes are settled here, once (proxy/object/*.ts implement it).
 *
 * Names (account, container, object) are JavaScript strings of valid UTF-8; metadata values are latin1 byte strings, as
 * on the wire. Expected failures are Faults with a code of `storeFaults`.
 */
import type { Metadata } from '../../account-container/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import type { AccountInfo } from './account-types.ts';
import type { Acl, AclRequest } from './acl-types.ts';
import type { Caller } from './caller-policies.ts';
import type { EncryptionRequest, LockChange, ObjectLock } from './protection-types.ts';

export type { AccountInfo } from './account-types.ts';
export type { Caller, CallerPolicies } from './caller-policies.ts';
export type { EncryptionMode, EncryptionRequest, LockChange, ObjectLock, Retention } from './protection-types.ts';
export { storeFaults } from './store-faults.ts';

export const ANONYMOUS: Caller = { account: undefined, user: undefined, groups: [], admin: false };

/** What a signed URL or form allows whoever holds it, beside the caller's own rights. */
export interface Grant {
  readonly account: string;
  /** undefined: every container of the account. */
  readonly container: string | undefined;
  /** `account`: its listing and metadata; `containers`: making, changing and removing them. */
  readonly actions: readonly ('read' | 'list' | 'write' | 'account' | 'containers')[];
}

/** What S3's policies want to know of a request: what it does, by S3's name, and what their conditions ask for. */
export interface RequestScope {
  /** S3's name of what is asked for, where `usual` is what the store would call it. */
  action(usual: string): string;
  /** The API's own name of the request, where it has one. */
  readonly operation?: string | undefined;
  /** Who may not list is refused what is not there, instead of being told so: S3's way. */
  readonly onlyListersMiss?: boolean;
  /** Values of a condition key, by lower-case name; undefined when the request has none. */
  fact(key: string): readonly string[] | undefined;
}

export interface Context {
  readonly transId: string;
  readonly caller: Caller;
  readonly grant?: Grant | undefined;
  readonly scope?: RequestScope | undefined;
  /** The client's Referer, for `.r:` ACLs. */
  readonly referer?: string | undefined;
  /** Objects past their time that are not deleted yet are shown, to whom the account belongs. */
  readonly openExpired?: boolean | undefined;
  /** When the write happened, in the cluster they come from. Fault PreconditionFailed over what is not older. */
  readonly at?: Stamp | undefined;
  /** Aborted when the client is gone. */
  readonly signal?: AbortSignal | undefined;
}

export interface ContainerRef {
  readonly account: string;
  readonly container: string;
}

export interface ObjectRef extends ContainerRef {
  readonly object: string;
  /** This version and no other (GET, HEAD, DELETE, source of a copy); `null` is the null version. */
  readonly versionId?: string | undefined;
}

/** Values to set; null removes. Keys are full lower-case header names for accounts and containers. */
export type MetadataChange = Readonly<Record<string, string | null>>;

export interface ContainerInfo {
  readonly account: string;
  readonly container: string;
  readonly policy: number;
  readonly metadata: Metadata;
  readonly s3: Readonly<Record<string, unknown>>;
  readonly objectCount: number;
  readonly bytesUsed: number;
  readonly createdStamp: Stamp;
  readonly modifiedStamp: Stamp;
}

export type ChecksumName = 'crc32' | 'crc32c' | 'crc64nvme' | 'sha1' | 'sha256';

export type Tag = readonly [key: string, value: string];
/** Ordered by key, no key twice. */
export type Tags = readonly Tag[];

export interface PartInfo {
  readonly partNumber: number;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly stamp: Stamp;
  /** Base64, by algorithm. */
  readonly checksums: Readonly<Partial<Record<ChecksumName, string>>>;
  /** Of a copy: the version of its source that was read, where it has any. */
  readonly sourceVersionId?: string | undefined;
}

/** A segment of a Swift static large object; `range` is inclusive. */
export interface SloSegment {
  /** `/container/object`. */
  readonly path: string;
  readonly etag: string;
  readonly sizeBytes: number;
  readonly range?: readonly [first: number, last: number] | undefined;
  readonly subSlo?: boolean | undefined;
  /** Inline data segment, base64. */
  readonly data?: string | undefined;
}

export interface ReadOptions {
  readonly conditions?: Conditions | undefined;
  /** Of an object that is encrypted with a key of the client's. Faults InvalidRequest, AccessDenied. */
  readonly customerKey?: Uint8Array | undefined;
  /** HEAD: judge the key as a read of the bytes would. */
  readonly judgesKey?: boolean | undefined;
}

export interface ObjectInfo {
  readonly name: string;
  /** Version identity and X-Timestamp; Last-Modified is its second. */
  readonly stamp: Stamp;
  readonly sizeBytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly contentType: string;
  /** User metadata by lower-case name without any API's prefix (`color` for X-Object-Meta-Color and x-amz-meta-color). */
  readonly user: Metadata;
  /** content-encoding, content-disposition, content-language, cache-control, expires, x-amz-… kept as sent. */
  readonly headers: Metadata;
  readonly checksums: Readonly<Partial<Record<ChecksumName, string>>>;
  /** 'COMPOSITE' or 'FULL_OBJECT' for multipart checksums. */
  readonly checksumType?: string | undefined;
  /** Sizes of the parts of a multipart object. */
  readonly partSizes?: readonly number[] | undefined;
  /** Their checksums of the one algorithm in `checksums`, as bytes, one after the other; where each had one. */
  readonly partSums?: Uint8Array | undefined;
  /** Static large object: its manifest; sizeBytes and etag are the whole object's. */
  readonly slo?: readonly SloSegment[] | undefined;
  /** Unix seconds. */
  readonly deleteAt?: number | undefined;
  /** Undefined: nobody's but the account owner's. */
  readonly acl?: Acl | undefined;
  /** Undefined in a container without versions. */
  readonly versionId?: string | undefined;
  /** 'hidden': there are some, and the caller may not read them. */
  readonly tags?: Tags | 'hidden' | undefined;
  /** As far as the caller may know of it. */
  readonly lock?: ObjectLock | undefined;
  readonly encryption?: Omit<EncryptionRequest, 'customerKey'> | undefined;
  /** When a lifecycle rule takes it. */
  readonly expiration?: { readonly atMs: number; readonly ruleId: string } | undefined;
}

/** RFC 9110 §13, already parsed. ETags without quotes; '*' for any. */
export interface Conditions {
  readonly ifMatch?: readonly string[] | '*' | undefined;
  readonly ifNoneMatch?: readonly string[] | '*' | undefined;
  /** Compared with the stamp as it is: whoever shows whole seconds says how they are meant. */
  readonly ifModifiedSinceMs?: number | undefined;
  readonly ifUnmodifiedSinceMs?: number | undefined;
  /** Of a write, the store's own: on this very state and no other. Fault ConditionalConflict. */
  readonly ifStamp?: Stamp | 'absent' | undefined;
}

/** What a body comes from: an HttpBody, or a decoder around one (aws-chunked), or bytes already there. */
export interface BodySource {
  readonly lengthBytes: number | undefined;
  read(): Promise<Uint8Array | undefined>;
  collect(limitBytes: number): Promise<Buffer>;
}

export interface ObjectAttributes {
  readonly contentType?: string | undefined;
  readonly user?: Metadata | undefined;
  readonly headers?: Metadata | undefined;
  readonly deleteAt?: number | undefined;
}

export interface PutOptions extends ObjectAttributes {
  readonly body: BodySource;
  /** Expected MD5, 32 hex digits: BadDigest when it differs. */
  readonly md5?: string | undefined;
  readonly conditions?: Conditions | undefined;
  /** S3 ACL of the new object. Fault AclNotSupported. */
  readonly acl?: AclRequest | undefined;
  /** Faults InvalidTag, TooManyTags; AccessDenied for who may write but not tag. */
  readonly tags?: Tags | undefined;
  /**
   * Called after the last byte and before anything becomes visible: throws to refuse (BadDigest, IncompleteBody, a bad
   * chunk signature …), returns checksums to store. `md5` is of the bytes received.
   */
  readonly finish?:
    | ((received: { md5: string; sizeBytes: number }) => { checksums?: ObjectInfo['checksums'] })
    | undefined;
  /** Makes a static large object; the body is then empty. */
  readonly slo?: { segments: readonly SloSegment[]; sizeBytes: number; etag: string } | undefined;
  readonly bodyBytesMax?: number | undefined;
  /** Fault InvalidRequest in a container without object lock. */
  readonly lock?: ObjectLock | undefined;
  /** Absent: the bucket's default. */
  readonly encryption?: EncryptionRequest | undefined;
  /** With aws:kms: the ETag says nothing about the text, as S3 has it; Swift takes every ETag for an MD5. */
  readonly opaqueEtag?: boolean | undefined;
}

export interface Body {
  readonly lengthBytes: number;
  /** Set when the bytes are at hand already (small objects). */
  readonly bytes?: Buffer | undefined;
  next(): Promise<Uint8Array | undefined>;
  cancel(): void;
}

export interface OpenObject {
  readonly info: ObjectInfo;
  /** Bytes [offset, offset + length) of the object; may be called several times (multipart/byteranges). */
  open(offset: number, length: number): Body;
}

export interface ListQuery {
  readonly prefix?: string | undefined;
  readonly delimiter?: string | undefined;
  /** Exclusive. */
  readonly marker?: string | undefined;
  /** Exclusive. */
  readonly endMarker?: string | undefined;
  readonly limit: number;
  readonly reverse?: boolean | undefined;
  /** S3's rule: a common prefix that the marker lies inside of is not listed again. Swift lists it. */
  readonly markerSkipsPrefix?: boolean | undefined;
}

export type ObjectEntry =
  | { readonly prefix: string }
  | {
      readonly name: string;
      readonly sizeBytes: number;
      readonly etag: string;
      readonly contentType: string;
      readonly stamp: Stamp;
      readonly extra: Readonly<Record<string, unknown>>;
    };

/** A version of an object, or a delete marker. */
export type VersionEntry =
  | { readonly prefix: string }
  | {
      readonly name: string;
      readonly versionId: string;
      readonly isLatest: boolean;
      readonly deleteMarker: boolean;
      readonly sizeBytes: number;
      readonly etag: string;
      readonly contentType: string;
      readonly stamp: Stamp;
      readonly extra: Readonly<Record<string, unknown>>;
    };

/** `versionId`: of what was deleted, or of the marker that was written; undefined without versions. */
export interface Deleted {
  readonly existed: boolean;
  readonly versionId?: string | undefined;
  /** A delete marker was written, or was what the version id named. */
  readonly deleteMarker?: boolean | undefined;
  /** Where `versionId` is of a new marker: whether it took the place of an object. */
  readonly hadObject?: boolean | undefined;
  /** Where a version was named: what plain requests get now; undefined where they get nothing. */
  readonly currentVersionId?: string | undefined;
}

export interface DeleteOptions {
  readonly conditions?: Conditions | undefined;
  /**
   * Swift's way with versions: the object's place stays empty, where S3's would go to the version before or, with
   * versioning suspended, to a delete marker.
   */
  readonly vacates?: boolean | undefined;
  /** Only with this very delete-at, even past its time. Fault PreconditionFailed. */
  readonly ifDeleteAt?: number | undefined;
  /** Overrule governance, if the caller may. */
  readonly bypassGovernance?: boolean | undefined;
}

export type ContainerEntry =
  | { readonly prefix: string }
  | { readonly name: string; readonly objectCount: number; readonly bytesUsed: number; readonly stamp: Stamp };

export interface Page<Entry> {
  readonly entries: readonly Entry[];
  readonly truncated: boolean;
}

export interface UploadInfo {
  readonly uploadId: string;
  readonly name: string;
  readonly stamp: Stamp;
  readonly attributes: ObjectAttributes;
  readonly checksumAlgorithm?: string | undefined;
  readonly checksumType?: string | undefined;
  readonly encryption?: ObjectInfo['encryption'];
  /** Canonical id of whoever began it; undefined: the container's owner. */
  readonly initiator?: string | undefined;
  /** When a lifecycle rule aborts it; not told by listings of uploads. */
  readonly abort?: ObjectInfo['expiration'];
  /** Of the object to be; undefined: the container's owner. */
  readonly owner?: string | undefined;
}

export interface CompletedPart {
  readonly partNumber: number;
  readonly etag: string;
  readonly checksums?: ObjectInfo['checksums'] | undefined;
}

export interface CopyOptions {
  readonly source: ObjectRef;
  readonly sourceConditions?: Conditions | undefined;
  readonly conditions?: Conditions | undefined;
  /** Inclusive-exclusive byte range of the source (UploadPartCopy). */
  readonly range?: { readonly offset: number; readonly length: number } | undefined;
  /** 'copy' keeps the source's attributes, 'replace' takes `attributes` alone, 'merge' lays them over (Swift's COPY). */
  readonly directive: 'copy' | 'replace' | 'merge';
  /** With 'copy': these headers in place of the source's. */
  readonly overlay?: Metadata | undefined;
  readonly attributes?: ObjectAttributes | undefined;
  /** S3 ACL of the copy; never the source's. */
  readonly acl?: AclRequest | undefined;
  /** Never the source's. */
  readonly lock?: ObjectLock | undefined;
  /** Of the copy; never the source's. */
  readonly encryption?: EncryptionRequest | undefined;
  /** Of the source. */
  readonly sourceKey?: Uint8Array | undefined;
  /** As for a PUT. */
  readonly opaqueEtag?: boolean | undefined;
  /** Undefined: the source's, which the caller must be allowed to read. */
  readonly tags?: Tags | undefined;
}

export interface Peeked {
  readonly account: Metadata;
  /** Undefined: there is no such container. */
  readonly container: Metadata | undefined;
  /** What S3 keeps of the container. */
  readonly s3?: Readonly<Record<string, unknown>> | undefined;
  /** Undefined for a container that never had versions. */
  readonly versioning?: 'Enabled' | 'Suspended' | undefined;
  /** Where totals were asked for. */
  readonly objectCount?: number | undefined;
}

/** All operations check the caller's rights themselves. */
export interface Store {
  /**
   * Metadata as it was a moment ago, for what an API decides before anybody is authorised (keys of signed URLs, CORS).
   * Nothing of it may be shown.
   */
  peek(ref: ContainerRef, options?: { totals?: boolean }): Peeked | Promise<Peeked>;
  headAccount(context: Context, account: string): Promise<AccountInfo>;
  updateAccount(context: Context, account: string, change: MetadataChange): Promise<void>;
  /** For resellers. Resolves to whether it was made now; changes its metadata either way. Fault AccountDeleted. */
  createAccount(context: Context, account: string, change: MetadataChange): Promise<{ created: boolean }>;
  /** For resellers. What is in it is out of reach and goes in the background. Faults NoSuchAccount, AccountDeleted. */
  deleteAccount(context: Context, account: string): Promise<void>;
  listContainers(
    context: Context,
    account: string,
    query: ListQuery,
  ): Promise<Page<ContainerEntry> & { info: AccountInfo }>;

  /** Swift's PUT (idempotent, `exclusive` false) and S3's CreateBucket. Resolves to whether it was made now. */
  createContainer(
    context: Context,
    ref: ContainerRef,
    options: { policy?: number; metadata?: MetadataChange; s3?: Record<string, unknown>; exclusive?: boolean },
  ): Promise<{ created: boolean }>;
  updateContainer(
    context: Context,
    ref: ContainerRef,
    change: { metadata?: MetadataChange; s3?: Record<string, unknown> },
  ): Promise<void>;
  headContainer(context: Context, ref: ContainerRef): Promise<ContainerInfo>;
  deleteContainer(context: Context, ref: ContainerRef): Promise<void>;
  listObjects(
    context: Context,
    ref: ContainerRef,
    query: ListQuery,
  ): Promise<Page<ObjectEntry> & { info: ContainerInfo }>;
  /**
   * Every version, by name and then newest first. `marker` with `versionIdMarker`: after this version; alone: after all
   * versions of this name. Fault NoSuchVersion for an id that cannot be one.
   */
  listVersions(
    context: Context,
    ref: ContainerRef,
    query: ListQuery & { versionIdMarker?: string | undefined },
  ): Promise<Page<VersionEntry>>;
  /** The container behind an S3 bucket name; Fault NoSuchContainer. */
  resolveBucket(context: Context, bucket: string): Promise<ContainerRef>;
  /** Buckets of the caller's account: containers whose name is registered as a bucket. */
  listBuckets(context: Context): Promise<readonly { name: string; createdStamp: Stamp }[]>;

  putObject(context: Context, ref: ObjectRef, options: PutOptions): Promise<ObjectInfo>;
  /** Rights, conditions and existence are settled before the promise resolves; bytes flow after. */
  getObject(context: Context, ref: ObjectRef, options?: ReadOptions): Promise<OpenObject>;
  headObject(context: Context, ref: ObjectRef, options?: ReadOptions): Promise<ObjectInfo>;
  /** Replaces attributes, not bytes (Swift POST: user metadata is replaced as a whole; content type kept when absent). */
  updateObject(context: Context, ref: ObjectRef, attributes: ObjectAttributes): Promise<ObjectInfo>;
  /** Replaces the object's S3 ACL and nothing else. Faults AclNotSupported, AccessDenied for a public one that is blocked. */
  setObjectAcl(context: Context, ref: ObjectRef, acl: AclRequest): Promise<void>;
  /** Replaces the object's tags and nothing else. Faults InvalidTag, TooManyTags. */
  setObjectTags(context: Context, ref: ObjectRef, tags: Tags): Promise<ObjectInfo>;
  /** Resolves to whether there was an object (Swift answers 404 when not; S3 does not care). */
  deleteObject(context: Context, ref: ObjectRef, options?: DeleteOptions): Promise<Deleted>;
  /** Faults AccessDenied for what the version's lock forbids, InvalidRequest in a container without object lock. */
  setObjectLock(context: Context, ref: ObjectRef, change: LockChange): Promise<void>;
  /** Makes the version that `ref` names the object again. Faults NoSuchVersion, IsDeleteMarker. */
  restoreVersion(context: Context, ref: ObjectRef): Promise<ObjectInfo>;
  copyObject(
    context: Context,
    target: ObjectRef,
    options: CopyOptions,
  ): Promise<{ info: ObjectInfo; source: ObjectInfo }>;

  createUpload(
    context: Context,
    ref: ObjectRef,
    options: ObjectAttributes & {
      checksumAlgorithm?: string;
      checksumType?: string;
      acl?: AclRequest | undefined;
      tags?: Tags | undefined;
      lock?: ObjectLock | undefined;
      encryption?: EncryptionRequest | undefined;
    },
  ): Promise<UploadInfo>;
  /** `encryption`: what the request says of it. Fault InvalidRequest where that is not how the upload was announced. */
  headUpload(
    context: Context,
    ref: ObjectRef,
    uploadId: string,
    encryption?: EncryptionRequest | undefined,
  ): Promise<UploadInfo>;
  putPart(
    context: Context,
    ref: ObjectRef,
    part: { uploadId: string; partNumber: number },
    options: PutOptions,
  ): Promise<PartInfo>;
  copyPart(
    context: Context,
    ref: ObjectRef,
    part: { uploadId: string; partNumber: number },
    options: CopyOptions,
  ): Promise<PartInfo>;
  listParts(
    context: Context,
    ref: ObjectRef,
    uploadId: string,
    query: { after: number; limit: number },
  ): Promise<{ parts: readonly PartInfo[]; truncated: boolean; upload: UploadInfo }>;
  listUploads(
    context: Context,
    ref: ContainerRef,
    query: ListQuery & { uploadIdMarker?: string },
  ): Promise<Page<{ prefix: string } | UploadInfo>>;
  /** A repeated Complete of the same upload gives the same answer. */
  completeUpload(
    context: Context,
    ref: ObjectRef,
    uploadId: string,
    options: {
      parts: readonly CompletedPart[];
      conditions?: Conditions;
      checksums?: ObjectInfo['checksums'];
      sizeBytes?: number;
    },
  ): Promise<ObjectInfo>;
  abortUpload(context: Context, ref: ObjectRef, uploadId: string): Promise<void>;
}
