/**
 * PUT of an object, the write path: authorise, receive the bytes, commit name and listing row in one round. Small bodies
 * travel inside that round; large ones are on a majority's disks before it starts.
 */
import { Fault } from '../../fabric/errors.ts';
import { md5Hex } from '../../fabric/hash.ts';
import { INLINE_BODY_BYTES_MAX } from '../../object-server/contract.ts';
import { archiveOf, keeping } from './archive.ts';
import { type Action, authorise } from './authorise.ts';
import { uploadBlob } from './blob-upload.ts';
import { collectSmall } from './collect-small.ts';
import { type ContainerState, noContainer } from './containers.ts';
import {
  type BodySource,
  type Context,
  type ObjectInfo,
  type ObjectRef,
  type PutOptions,
  storeFaults,
} from './contract.ts';
import { encryptionOf, type Sealing, startSealing } from './encryption.ts';
import type { Engine } from './engine.ts';
import { announced, createdBy, toldOf } from './events.ts';
import { checkAttributes, checkObjectName } from './limits.ts';
import type { EventName } from './notification-rules.ts';
import { newAcl } from './object-acl.ts';
import type { Extent, ObjectRecord, Sealed } from './object-format.ts';
import { checkNewLock } from './object-lock.ts';
import { newTags } from './object-tags.ts';
import { checkQuota } from './quota.ts';
import { checkWritable } from './read-only.ts';
import { receiveSealed } from './sealed-upload.ts';
import { renewed, type StoreOptions, storeRecord } from './store-record.ts';

/** Swift's and S3's single-request limit. */
export const OBJECT_BYTES_MAX = 5 * 1024 ** 3;

export async function putObject(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  options: PutOptions,
): Promise<ObjectInfo> {
  checkObjectName(ref.object);
  checkAttributes(options);
  const container = await writable(engine, context, ref);
  const acl = newAcl(container.record, context, options.acl);
  const tags = options.tags && newTags(container.record, context, ref, options.tags);
  checkNewLock(context, ref, container.record, options.lock);
  const { lengthBytes } = options.body;
  const refused = checkQuota(engine, container, lengthBytes ?? 0);
  if (refused) await refused;
  const wanted = options.slo === undefined ? encryptionOf(container.record, options.encryption) : undefined;
  const sealing = wanted && (await startSealing(engine, ref, wanted));
  const received = await receive(engine, container, ref.object, sealing ? { ...options, sealing } : options);
  // The size of a body without a length shows only now.
  if (refused && lengthBytes === undefined) await checkQuota(engine, container, received.sizeBytes);
  const made = makeRecord(ref, options, received);
  const record = acl === undefined && tags === undefined ? made : { ...made, acl, tags };
  const by = { context, event: createdBy(context) };
  return store(engine, container, record, { body: received.body, conditions: options.conditions, at: context.at, by });
}

/** The container, when the caller may write into it. */
export async function writable(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  action: Action = 'write',
): Promise<ContainerState> {
  const found = engine.containers.find(ref);
  const container = found instanceof Promise ? ((await found) ?? (await engine.containers.findFresh(ref))) : found;
  authorise(context, action, ref, container?.record);
  if (!container) throw noContainer();
  const checked = checkWritable(engine, container.record, action);
  if (checked) await checked;
  return container;
}

/** Commits a record whose bytes are safe already (extents) or travel along (body). */
export function store(
  engine: Engine,
  container: ContainerState,
  record: ObjectRecord,
  options: StoreOptions & { readonly by: { readonly context: Context; readonly event: EventName } },
): Promise<ObjectInfo> {
  // Who is to hear of it may have changed while a long body came.
  const now = renewed(engine, container);
  return now instanceof Promise
    ? now.then((fresh) => storeTold(engine, fresh, record, options))
    : storeTold(engine, now, record, options);
}

function storeTold(
  engine: Engine,
  container: ContainerState,
  record: ObjectRecord,
  options: Parameters<typeof store>[3],
): Promise<ObjectInfo> {
  const happening = { container, name: record.name, ...options.by };
  return announced(engine, happening, () => storeOrKeep(engine, container, record, options), toldOf);
}

function storeOrKeep(
  engine: Engine,
  container: ContainerState,
  record: ObjectRecord,
  options: StoreOptions,
): Promise<ObjectInfo> {
  const archive = archiveOf(container.record);
  if (archive === undefined) return storeRecord(engine, container, record, options);
  const kept = { container, archive, name: record.name, conditions: options.conditions, at: options.at };
  return keeping(engine, kept, (conditions) => storeRecord(engine, container, record, { ...options, conditions }));
}

/** What arrived: inline or as extents, with its MD5 and the checksums the API verified. */
export interface Received {
  readonly sizeBytes: number;
  readonly md5: string;
  readonly body?: Buffer | undefined;
  readonly extents?: readonly Extent[] | undefined;
  readonly checksums?: ObjectInfo['checksums'] | undefined;
  /** `md5` is then what the ETag is made of. */
  readonly sealed?: Sealed | undefined;
}

/** Takes the body in and checks it; nothing is visible yet. `inlineMax` 0 forces extents (parts must be referable). */
export async function receive(
  engine: Engine,
  container: ContainerState,
  name: string,
  options: PutOptions & { readonly sealing?: Sealing | undefined },
  inlineMax = INLINE_BODY_BYTES_MAX,
): Promise<Received> {
  const { body, sealing } = options;
  const limit = options.bodyBytesMax ?? OBJECT_BYTES_MAX;
  if (body.lengthBytes !== undefined && body.lengthBytes > limit) throw new Fault(storeFaults.bodyTooLarge, { limit });
  if (sealing) return receiveSealed(engine, { container, name, sealing, limit, isPart: inlineMax === 0 }, options);
  const small = await collectSmall(body, inlineMax);
  const received = small.whole
    ? { sizeBytes: small.whole.length, md5: md5Hex(small.whole), body: small.whole }
    : await receiveLarge(engine, container, name, { body, limit, start: small.start });
  if (options.md5 !== undefined && options.md5 !== received.md5)
    throw new Fault(storeFaults.badDigest, { algorithm: 'md5' });
  const finished = options.finish?.({ md5: received.md5, sizeBytes: received.sizeBytes });
  return finished?.checksums ? { ...received, checksums: finished.checksums } : received;
}

async function receiveLarge(
  engine: Engine,
  container: ContainerState,
  name: string,
  { body, limit, start }: { body: BodySource; limit: number; start?: Buffer | undefined },
): Promise<Received> {
  const digest = engine.digests.md5();
  const { account, name: containerName } = container.record;
  const hash = engine.cluster.hash(account, containerName, name);
  const { allocate } = engine.digests;
  const target = { hash, incarnation: container.incarnation, body, digest, allocate, bodyBytesMax: limit, start };
  const { extents, sizeBytes } = await uploadBlob(engine, target);
  return { sizeBytes, extents, md5: await digest.hex() };
}

function makeRecord(ref: ObjectRef, options: PutOptions, received: Received): ObjectRecord {
  const { slo, lock } = options;
  return {
    account: ref.account,
    container: ref.container,
    name: ref.object,
    size: slo?.sizeBytes ?? received.sizeBytes,
    etag: slo?.etag ?? received.md5,
    type: options.contentType ?? 'application/octet-stream',
    user: options.user,
    headers: options.headers,
    sums: received.checksums,
    extents: received.extents,
    sealed: received.sealed,
    slo: slo?.segments,
    deleteAt: options.deleteAt,
    retention: lock?.retention,
    hold: lock?.hold,
  };
}
