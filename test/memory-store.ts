/**
 * The Store contract in memory, for tests of the two APIs without a cluster: real semantics, one process, nothing durable.
 * Who may do what is decided by the real rules.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../fabric/clock.ts';
import { Fault } from '../fabric/errors.ts';
import { createStampSource, type Stamp, type StampSource } from '../fabric/stamp.ts';
import { authoriseReseller } from '../proxy/object/accounts.ts';
import type { AclRequest } from '../proxy/object/acl-types.ts';
import { type Action, authorise, authoriseAccount, authoriseFound, mayAlso } from '../proxy/object/authorise.ts';
import {
  type AccountInfo,
  type Conditions,
  type ContainerEntry,
  type ContainerInfo,
  type ContainerRef,
  type Context,
  type CopyOptions,
  type ListQuery,
  type MetadataChange,
  type ObjectAttributes,
  type ObjectEntry,
  type ObjectInfo,
  type ObjectRef,
  type OpenObject,
  type Page,
  type PartInfo,
  type Peeked,
  type PutOptions,
  type Store,
  storeFaults,
  type Tags,
  type UploadInfo,
  type VersionEntry,
} from '../proxy/object/contract.ts';
import { readableTags } from '../proxy/object/copy.ts';
import { canonicalId } from '../proxy/object/grants.ts';
import { openThroughLinks, withLinkOf } from '../proxy/object/links.ts';
import { applyChange } from '../proxy/object/metadata.ts';
import { changedAcl, newAcl } from '../proxy/object/object-acl.ts';
import type { ObjectRecord } from '../proxy/object/object-format.ts';
import { newTags } from '../proxy/object/object-tags.ts';
import { bufferBody, openSlo } from '../proxy/object/slo.ts';
import { checkTags, keptTags } from '../proxy/object/tags.ts';
import {
  attributesOf,
  bytesSource,
  chooseParts,
  copiedAttributes,
  joinSums,
  readAll,
  receive,
} from './memory-store-body.ts';
import { checkNewer, checkRead, checkWrite, listNames, removeFrom } from './memory-store-rules.ts';
import {
  accountInfo,
  containerInfo,
  newContainer,
  objectEntry,
  REAPED_AFTER_MS,
  recordOf,
  type StoredAccount,
  type StoredContainer,
  type StoredObject,
  type Upload,
} from './memory-store-state.ts';
import { begunUpload, type MultipartOptions, openUpload, pageOfUploads } from './memory-store-uploads.ts';

const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

type PartRef = { uploadId: string; partNumber: number };

export class MemoryStore implements Store {
  readonly #accounts = new Map<string, StoredAccount>();
  readonly #buckets = new Map<string, StoredContainer>();
  readonly #clock: Clock;
  readonly #stamps: StampSource;
  #uploadCount = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#stamps = createStampSource({ clock, writerId: 1 });
  }

  async peek({ account, container }: ContainerRef): Promise<Peeked> {
    const stored = this.#accounts.get(account);
    const found = stored?.containers.get(container);
    return { account: stored?.metadata ?? {}, container: found?.metadata, s3: found?.s3 };
  }

  async headAccount(context: Context, account: string): Promise<AccountInfo> {
    return accountInfo(this.#account(context, account, 'account'));
  }

  async updateAccount(context: Context, account: string, change: MetadataChange): Promise<void> {
    const stored = this.#account(context, account);
    stored.metadata = applyChange(stored.metadata, change);
  }

  async createAccount(context: Context, account: string, change: MetadataChange): Promise<{ created: boolean }> {
    authoriseReseller(context);
    const created = !this.#has(account);
    await this.updateAccount(context, account, change);
    return { created };
  }

  async deleteAccount(context: Context, account: string): Promise<void> {
    authoriseReseller(context);
    const stored = this.#has(account) && this.#account(context, account);
    if (!stored) throw new Fault(storeFaults.noSuchAccount);
    stored.deletedAtMs = this.#clock.nowMs();
    stored.containers.clear();
    for (const [name, bucket] of this.#buckets) if (bucket.account === account) this.#buckets.delete(name);
  }

  #has(account: string): boolean {
    const { deletedAtMs = Number.POSITIVE_INFINITY } = this.#accounts.get(account) ?? {};
    if (this.#clock.nowMs() > deletedAtMs + REAPED_AFTER_MS) this.#accounts.delete(account);
    return this.#accounts.has(account);
  }

  async listContainers(
    context: Context,
    account: string,
    query: ListQuery,
  ): Promise<Page<ContainerEntry> & { info: AccountInfo }> {
    const stored = this.#account(context, account, 'account');
    const page = listNames([...stored.containers.keys()], query);
    const entries = page.entries.map((entry): ContainerEntry => {
      if ('prefix' in entry) return entry;
      const { objectCount, bytesUsed, modifiedStamp } = containerInfo(stored.containers.get(entry.name)!);
      return { name: entry.name, objectCount, bytesUsed, stamp: modifiedStamp };
    });
    return { entries, truncated: page.truncated, info: accountInfo(stored) };
  }

  async createContainer(
    context: Context,
    ref: ContainerRef,
    options: { policy?: number; metadata?: MetadataChange; s3?: Record<string, unknown>; exclusive?: boolean },
  ): Promise<{ created: boolean }> {
    const account = this.#account(context, ref.account, 'containers');
    const bucketOwner = this.#buckets.get(ref.container);
    if (options.exclusive && bucketOwner && bucketOwner.account !== ref.account)
      throw new Fault(storeFaults.bucketTaken);
    const present = account.containers.get(ref.container);
    if (!present) {
      this.#makeContainer(account, ref, options);
      return { created: true };
    }
    if (options.exclusive) throw new Fault(storeFaults.containerExists);
    if (options.policy !== undefined && options.policy !== present.policy) throw new Fault(storeFaults.policyMismatch);
    present.metadata = applyChange(present.metadata, options.metadata ?? {});
    present.s3 = { ...present.s3, ...options.s3 };
    present.modifiedStamp = this.#stamps.next();
    return { created: false };
  }

  #makeContainer(
    account: StoredAccount,
    ref: ContainerRef,
    options: { policy?: number; metadata?: MetadataChange; s3?: Record<string, unknown> },
  ): void {
    const made = newContainer(ref, options, this.#stamps.next());
    account.containers.set(ref.container, made);
    if (BUCKET_NAME.test(ref.container) && !this.#buckets.has(ref.container)) this.#buckets.set(ref.container, made);
  }

  async updateContainer(
    context: Context,
    ref: ContainerRef,
    change: { metadata?: MetadataChange; s3?: Record<string, unknown> },
  ): Promise<void> {
    const container = this.#container(context, ref, 'manage');
    if (change.s3?.['versioning'] !== undefined) throw new Fault('NotImplemented');
    container.metadata = applyChange(container.metadata, change.metadata ?? {});
    container.s3 = { ...container.s3, ...change.s3 };
    container.modifiedStamp = this.#stamps.next();
  }

  async headContainer(context: Context, ref: ContainerRef): Promise<ContainerInfo> {
    return containerInfo(this.#container(context, ref, 'list'));
  }

  async deleteContainer(context: Context, ref: ContainerRef): Promise<void> {
    const container = this.#container(context, ref, 's3:DeleteBucket');
    if (container.objects.size > 0) throw new Fault(storeFaults.containerNotEmpty);
    this.#accounts.get(ref.account)?.containers.delete(ref.container);
    if (this.#buckets.get(ref.container) === container) this.#buckets.delete(ref.container);
  }

  async listObjects(
    context: Context,
    ref: ContainerRef,
    query: ListQuery,
  ): Promise<Page<ObjectEntry> & { info: ContainerInfo }> {
    const container = this.#container(context, ref, 'list');
    const page = listNames([...container.objects.keys()], query);
    const entries = page.entries.map((entry) => ('prefix' in entry ? entry : objectEntry(container, entry.name)));
    return { entries, truncated: page.truncated, info: containerInfo(container) };
  }

  /** No versions here (test/conformance/s3-versions.ts runs on the cluster only): every object is its null version. */
  async listVersions(context: Context, ref: ContainerRef, query: ListQuery): Promise<Page<VersionEntry>> {
    const page = await this.listObjects(context, ref, { ...query, markerSkipsPrefix: true });
    const entries = page.entries.map((entry): VersionEntry => {
      if ('prefix' in entry) return entry;
      return { ...entry, versionId: 'null', isLatest: true, deleteMarker: false };
    });
    return { entries, truncated: page.truncated };
  }

  async resolveBucket(_context: Context, bucket: string): Promise<ContainerRef> {
    const container = this.#buckets.get(bucket);
    if (!container) throw new Fault(storeFaults.noSuchContainer);
    return { account: container.account, container: container.container };
  }

  async listBuckets(context: Context): Promise<readonly { name: string; createdStamp: Stamp }[]> {
    const { account, admin, own, session } = context.caller;
    if (account === undefined) throw new Fault(storeFaults.accessDenied);
    if (own ?? session) authoriseAccount(context, account);
    return [...this.#buckets.values()]
      .filter((container) => container.account === account && (admin || own !== undefined))
      .map(({ container, createdStamp }) => ({ name: container, createdStamp }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async putObject(context: Context, ref: ObjectRef, options: PutOptions): Promise<ObjectInfo> {
    // Neither versions to lock nor keys: test/conformance/s3-locks.ts and s3-encryption.ts run on the cluster only.
    if (options.lock || options.encryption) throw new Fault('NotImplemented');
    const container = this.#container(context, ref, 'write');
    const acl = newAcl(recordOf(container), context, options.acl);
    const tags = options.tags && newTags(recordOf(container), context, ref, options.tags);
    checkWrite(container.objects.get(ref.object)?.info, options.conditions);
    const received = await receive(options);
    this.#checkQuota(container, received.bytes.length);
    checkWrite(container.objects.get(ref.object)?.info, options.conditions);
    checkNewer(container, ref.object, context.at);
    if (context.at) this.#stamps.observe(context.at);
    const { slo } = options;
    const stored: StoredObject = {
      bytes: received.bytes,
      info: {
        ...attributesOf(options),
        name: ref.object,
        stamp: context.at ?? this.#stamps.next(),
        sizeBytes: slo?.sizeBytes ?? received.bytes.length,
        etag: slo?.etag ?? received.md5,
        checksums: received.checksums ?? {},
        slo: slo?.segments,
        acl,
        tags,
      },
    };
    container.objects.set(ref.object, stored);
    return stored.info;
  }

  async getObject(context: Context, ref: ObjectRef, options: { conditions?: Conditions } = {}): Promise<OpenObject> {
    const stored = this.#object(context, ref);
    checkRead(stored.info, options.conditions);
    return this.#open(context, ref.account, { stored, depth: 0 });
  }

  #open(context: Context, account: string, { stored, depth }: { stored: StoredObject; depth: number }): OpenObject {
    const { info, bytes } = stored;
    const segments = info.slo;
    if (!segments) return { info, open: (offset, length) => bufferBody(bytes.subarray(offset, offset + length)) };
    const read = async (path: string, below: number): Promise<OpenObject> => {
      const slash = path.indexOf('/', 1);
      const ref = { account, container: path.slice(1, slash), object: path.slice(slash + 1) };
      const open = async (at: ObjectRef): Promise<OpenObject> =>
        this.#open(context, at.account, { stored: this.#object(context, at), depth: below });
      return (await openThroughLinks(ref, open, (opened) => opened.info)).opened;
    };
    return { info, open: (offset, length) => openSlo({ read, segments, depth }, offset, length) };
  }

  async headObject(context: Context, ref: ObjectRef, options: { conditions?: Conditions } = {}): Promise<ObjectInfo> {
    const { info } = this.#object(context, ref);
    checkRead(info, options.conditions);
    return info;
  }

  async updateObject(context: Context, ref: ObjectRef, attributes: ObjectAttributes): Promise<ObjectInfo> {
    const container = this.#container(context, ref, 'write');
    const stored = container.objects.get(ref.object);
    if (!stored) throw new Fault(storeFaults.noSuchObject);
    checkNewer(container, ref.object, context.at);
    const contentType = attributes.contentType ?? stored.info.contentType;
    stored.info = {
      ...stored.info,
      ...attributesOf({ ...attributes, contentType, headers: withLinkOf(stored.info.headers, attributes.headers) }),
      stamp: context.at ?? this.#stamps.next(),
    };
    return stored.info;
  }

  async setObjectAcl(context: Context, ref: ObjectRef, request: AclRequest): Promise<void> {
    const stored = this.#object(context, ref, 's3:PutObjectAcl');
    const container = recordOf(this.#accounts.get(ref.account)!.containers.get(ref.container)!);
    const acl = changedAcl(container, context, { request, old: stored.info.acl });
    if (acl) stored.info = { ...stored.info, acl };
  }

  async setObjectTags(context: Context, ref: ObjectRef, tags: Tags): Promise<ObjectInfo> {
    const kept = keptTags(checkTags(tags, 'object'));
    const stored = this.#object(context, ref, 's3:PutObjectTagging');
    stored.info = { ...stored.info, tags: kept };
    return stored.info;
  }

  /** Neither versions nor locks here (test/conformance/s3-locks.ts runs on the cluster only). */
  async restoreVersion(_context: Context, { versionId }: ObjectRef): Promise<ObjectInfo> {
    throw new Fault(storeFaults.noSuchVersion, { versionId });
  }

  async setObjectLock(): Promise<void> {
    throw new Fault('NotImplemented');
  }

  async deleteObject(
    context: Context,
    ref: ObjectRef,
    options: { conditions?: Conditions } = {},
  ): Promise<{ existed: boolean }> {
    const container = this.#container(context, ref, 's3:DeleteObject');
    checkWrite(container.objects.get(ref.object)?.info, options.conditions);
    return { existed: removeFrom(container, ref.object, context.at ?? this.#stamps.next()) };
  }

  async copyObject(
    context: Context,
    target: ObjectRef,
    options: CopyOptions,
  ): Promise<{ info: ObjectInfo; source: ObjectInfo }> {
    const source = await this.getObject(context, options.source, { conditions: options.sourceConditions ?? {} });
    const bytes = await readAll(source, options.range);
    const attributes = copiedAttributes(source.info, options);
    const body = bytesSource(bytes);
    const { conditions, acl } = options;
    const tags = options.tags ?? readableTags(source.info);
    const info = await this.putObject(context, target, { ...attributes, body, conditions, acl, tags });
    return { info, source: source.info };
  }

  async createUpload(
    context: Context,
    ref: ObjectRef,
    options: Parameters<Store['createUpload']>[2],
  ): Promise<UploadInfo> {
    const container = this.#container(context, ref, 'write');
    const uploadId = `upload${String(++this.#uploadCount).padStart(8, '0')}`;
    const { checksumAlgorithm, checksumType, acl: wanted, tags: asked, ...attributes } = options;
    const acl = newAcl(recordOf(container), context, wanted);
    const tags = asked && newTags(recordOf(container), context, ref, asked);
    const info = {
      uploadId,
      name: ref.object,
      stamp: this.#stamps.next(),
      attributes,
      checksumAlgorithm,
      checksumType,
      initiator: canonicalId(context.caller),
      owner: acl?.owner,
    };
    container.uploads.set(uploadId, { info, acl, tags, parts: new Map(), completed: undefined });
    return info;
  }

  async headUpload(context: Context, ref: ObjectRef, uploadId: string): Promise<UploadInfo> {
    return this.#upload(context, ref, uploadId).info;
  }

  async putPart(context: Context, ref: ObjectRef, part: PartRef, options: PutOptions): Promise<PartInfo> {
    const upload = this.#upload(context, ref, part.uploadId);
    const { bytes, md5, checksums = {} } = await receive(options);
    const { partNumber } = part;
    const info = { partNumber, sizeBytes: bytes.length, etag: md5, stamp: this.#stamps.next(), checksums };
    upload.parts.set(part.partNumber, { info, bytes });
    return info;
  }

  async copyPart(context: Context, ref: ObjectRef, part: PartRef, options: CopyOptions): Promise<PartInfo> {
    const source = await this.getObject(context, options.source, { conditions: options.sourceConditions ?? {} });
    return this.putPart(context, ref, part, { body: bytesSource(await readAll(source, options.range)) });
  }

  async listParts(
    context: Context,
    ref: ObjectRef,
    uploadId: string,
    query: { after: number; limit: number },
  ): Promise<{ parts: readonly PartInfo[]; truncated: boolean; upload: UploadInfo }> {
    const upload = this.#upload(context, ref, uploadId);
    const all = [...upload.parts.values()].map((part) => part.info).sort((a, b) => a.partNumber - b.partNumber);
    const left = all.filter((part) => part.partNumber > query.after);
    return { parts: left.slice(0, query.limit), truncated: left.length > query.limit, upload: upload.info };
  }

  async listUploads(
    context: Context,
    ref: ContainerRef,
    query: ListQuery & { uploadIdMarker?: string },
  ): Promise<Page<{ prefix: string } | UploadInfo>> {
    return pageOfUploads(this.#container(context, ref, 'list'), query);
  }

  async completeUpload(
    context: Context,
    ref: ObjectRef,
    uploadId: string,
    options: MultipartOptions,
  ): Promise<ObjectInfo> {
    const upload = this.#upload(context, ref, uploadId, true);
    if (upload.completed) return upload.completed;
    const container = this.#container(context, ref, 'write');
    checkWrite(container.objects.get(ref.object)?.info, options.conditions);
    const parts = chooseParts(upload, options.parts);
    const md5s = createHash('md5');
    for (const part of parts) md5s.update(Buffer.from(part.info.etag, 'hex'));
    const bytes = Buffer.concat(parts.map((part) => part.bytes));
    if (options.sizeBytes !== undefined && options.sizeBytes !== bytes.length) throw new Fault(storeFaults.badDigest);
    const info: ObjectInfo = {
      ...attributesOf(upload.info.attributes),
      acl: upload.acl,
      tags: upload.tags,
      name: ref.object,
      stamp: this.#stamps.next(),
      sizeBytes: bytes.length,
      etag: `${md5s.digest('hex')}-${parts.length}`,
      checksums: options.checksums ?? {},
      checksumType: upload.info.checksumType,
      partSizes: parts.map((part) => part.bytes.length),
      partSums: options.checksums && joinSums(upload.info.checksumAlgorithm, parts),
    };
    container.objects.set(ref.object, { info, bytes });
    upload.completed = info;
    upload.parts.clear();
    return info;
  }

  async abortUpload(context: Context, ref: ObjectRef, uploadId: string): Promise<void> {
    this.#upload(context, ref, uploadId);
    this.#accounts.get(ref.account)?.containers.get(ref.container)?.uploads.delete(uploadId);
  }

  #account(context: Context, account: string, action?: 'account' | 'containers'): StoredAccount {
    authoriseAccount(context, account, action);
    let stored = this.#has(account) ? this.#accounts.get(account) : undefined;
    if (stored?.deletedAtMs !== undefined) throw new Fault(storeFaults.accountDeleted);
    if (!stored) {
      stored = { metadata: {}, createdStamp: this.#stamps.next(), containers: new Map() };
      this.#accounts.set(account, stored);
    }
    return stored;
  }

  #container(context: Context, ref: ContainerRef, action: Action): StoredContainer {
    const container = this.#accounts.get(ref.account)?.containers.get(ref.container);
    authorise(context, action, ref, container && recordOf(container));
    if (!container) throw new Fault(storeFaults.noSuchContainer);
    return container;
  }

  #checkQuota(container: StoredContainer, sizeBytes: number): void {
    const account = this.#accounts.get(container.account) as StoredAccount;
    for (const [start, metadata, totals] of [
      ['x-container-meta-quota-', container.metadata, containerInfo(container)],
      ['x-account-meta-quota-', account.metadata, accountInfo(account)],
    ] as const) {
      const isFull =
        totals.bytesUsed + sizeBytes > Number(metadata[`${start}bytes`] ?? Number.POSITIVE_INFINITY) ||
        totals.objectCount + 1 > Number(metadata[`${start}count`] ?? Number.POSITIVE_INFINITY);
      if (isFull) throw new Fault(storeFaults.quotaExceeded);
    }
  }

  #object(context: Context, ref: ObjectRef, action: Action = 'read'): StoredObject {
    const container = this.#container(context, ref, action);
    const stored = container.objects.get(ref.object);
    const record = recordOf(container);
    const found = stored ? ({ acl: stored.info.acl, tags: stored.info.tags } as ObjectRecord) : null;
    const isSettled = authorise(context, action, ref, record) && found !== null;
    if (!isSettled) authoriseFound(context, action, ref, { container: record, found });
    if (!stored || !found) throw new Fault(storeFaults.noSuchObject);
    const isHidden = found.tags && !mayAlso(context, 's3:GetObjectTagging', ref, { container: record, found });
    return isHidden && action === 'read' ? { ...stored, info: { ...stored.info, tags: 'hidden' } } : stored;
  }

  #upload(context: Context, ref: ObjectRef, uploadId: string, evenCompleted = false): Upload {
    const begun = begunUpload(context, ref, this.#accounts.get(ref.account)?.containers.get(ref.container), uploadId);
    return begun ?? openUpload(this.#container(context, ref, 'write'), ref, { uploadId, evenCompleted });
  }
}
