/**
 * S3 multipart uploads, from the outside: begin, find. Parts (parts.ts) live in a hidden namespace under their object's
 * own path hash, so that their bytes are where the finished object's must be: completing (complete.ts) writes one record
 * that lists extents and copies nothing.
 *
 * The upload's register guards its parts: its stamp changes when it is completed and it is a tombstone once aborted, so
 * that no part is accepted any more. It stays behind as the memory of a completed upload, so that a repeated Complete gets
 * the same answer.
 */
import { encodeRow } from '../../account-container/contract.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  makeKey,
  packHex,
  rowRest,
  TABLE,
} from '../../object-server/contract.ts';
import { pause } from '../pause.ts';
import { writeUnder } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import type { QuorumWrite, WriteResult } from '../quorum-write.ts';
import { isForbidden } from './authorise.ts';
import { goneOrNew, stillThere } from './commit.ts';
import type { ContainerState } from './containers.ts';
import { type Context, type ObjectRef, type Store, storeFaults, type UploadInfo } from './contract.ts';
import { encryptionOf, startSealing } from './encryption.ts';
import type { Engine } from './engine.ts';
import { withAbort } from './expiration.ts';
import { canonicalId } from './grants.ts';
import { checkAttributes, checkObjectName } from './limits.ts';
import { newAcl } from './object-acl.ts';
import { decodeMeta, encodeMeta, shownEncryption, type UploadRecord } from './object-format.ts';
import { checkNewLock } from './object-lock.ts';
import { newTags } from './object-tags.ts';
import { writable } from './put.ts';

export const TRIES_MAX = 12;

/** An upload as found: its container, keys and record. */
export interface OpenUpload {
  readonly container: ContainerState;
  readonly uploadId: string;
  readonly key: Key;
  /** Path hash of the object. */
  readonly hash: string;
  readonly stamp: Stamp;
  readonly record: UploadRecord;
}

export async function createUpload(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  {
    checksumAlgorithm,
    checksumType,
    acl: wanted,
    tags: asked,
    lock,
    encryption,
    ...attributes
  }: Parameters<Store['createUpload']>[2],
): Promise<UploadInfo> {
  checkObjectName(ref.object);
  checkAttributes(attributes);
  const container = await writable(engine, context, ref);
  const acl = newAcl(container.record, context, wanted);
  const tags = asked && newTags(container.record, context, ref, asked);
  checkNewLock(context, ref, container.record, lock);
  const asWanted = encryptionOf(container.record, encryption);
  const sealed = asWanted && (await startSealing(engine, ref, asWanted)).sealed;
  const uploadId = engine.random.bytes(16).toString('hex');
  const names = { account: ref.account, container: ref.container, name: ref.object };
  const begunBy = canonicalId(context.caller);
  const record: UploadRecord = {
    ...names,
    attributes,
    by: begunBy === ref.account ? undefined : begunBy,
    algorithm: checksumAlgorithm,
    sumType: checksumType,
    acl,
    tags,
    lock,
    sealed,
  };
  const key = uploadKey(engine, container, ref.object, uploadId);
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const stamp = engine.cluster.settled.open();
    const head = encodeHead({ key, ballot: stamp, stamp, meta: encodeMeta(record) });
    const row = encodeRow({
      sizeBytes: 0,
      etag: '',
      contentType: attributes.contentType ?? '',
      extra: shownExtra(uploadId, record),
    });
    const done = await writeUnder(engine.cluster, stamp, [
      { head },
      uploadRow(container, ref.object, { uploadId, stamp, row }),
    ]);
    if (done.result === 'ok') return withAbort(engine, container, toUploadInfo(uploadId, stamp, record));
    if (done.result === 'guard' && !(await stillThere(engine, container))) throw await goneOrNew(engine, container);
    await again(engine, done, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable);
}

/** What listings of uploads show of it. */
function shownExtra(uploadId: string, record: UploadRecord): Record<string, unknown> {
  const { attributes, algorithm, sumType, by } = record;
  const owner = ownerOf(record);
  const storageClass = attributes.headers?.['x-amz-storage-class'];
  const about = { ...(algorithm ? { algorithm, sumType } : {}), ...(storageClass ? { class: storageClass } : {}) };
  return { uploadId, ...about, ...(by ? { by } : {}), ...(owner ? { owner } : {}) };
}

/** Of the object to be; undefined: the account's owner. */
const ownerOf = ({ account, acl }: UploadRecord): string | undefined =>
  acl === undefined || acl.owner === account ? undefined : acl.owner;

export function uploadKey(engine: Engine, container: ContainerState, name: string, uploadId: string): Key {
  const { account, name: containerName } = container.record;
  return makeKey(
    engine.cluster.hash(account, containerName, name),
    container.incarnation,
    KIND.upload,
    packHex(uploadId),
  );
}

/** Row of the uploads table: names in order, uploads of one name by id. */
export function uploadRow(
  container: ContainerState,
  name: string,
  { uploadId, stamp, row }: { uploadId: string; stamp: Stamp; row: Buffer | undefined },
): QuorumWrite {
  const key = makeKey(container.hash, container.incarnation, KIND.row, rowRest(TABLE.uploads, `${name}\0${uploadId}`));
  const head = row
    ? encodeHead({ key, ballot: stamp, stamp, meta: row })
    : encodeHead({ key, ballot: stamp, stamp, flags: FLAG_TOMBSTONE });
  return { head, guardKey: container.key, guardStamp: container.incarnation, newerIsFine: true };
}

export function toUploadInfo(uploadId: string, stamp: Stamp, record: UploadRecord): UploadInfo {
  const { name, attributes, algorithm, sumType, sealed } = record;
  return {
    uploadId,
    name,
    stamp,
    attributes,
    checksumAlgorithm: algorithm,
    checksumType: sumType,
    encryption: sealed && shownEncryption(sealed),
    initiator: record.by,
    owner: ownerOf(record),
  };
}

/** The upload, open or completed; Fault NoSuchUpload when it never was or was aborted. */
export async function findUpload(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  uploadId: string,
): Promise<OpenUpload> {
  try {
    return await loadUpload(engine, await writable(engine, context, ref), ref.object, uploadId);
  } catch (error) {
    if (!isFault(error, storeFaults.accessDenied)) throw error;
    const own = await ownUpload(engine, context, ref, uploadId);
    if (own === undefined) throw error;
    return own;
  }
}

/** What whoever began an upload may always do, unless a policy forbids it. */
const OF_INITIATOR: ReadonlySet<string> = new Set(['s3:AbortMultipartUpload', 's3:ListMultipartUploadParts']);

async function ownUpload(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  uploadId: string,
): Promise<OpenUpload | undefined> {
  const me = canonicalId(context.caller);
  if (me === undefined || !OF_INITIATOR.has(context.scope?.action('write') ?? '')) return undefined;
  const container = await engine.containers.findFresh(ref);
  if (!container || isForbidden(context, 'write', ref, container.record)) return undefined;
  try {
    const upload = await loadUpload(engine, container, ref.object, uploadId);
    return upload.record.by === me ? upload : undefined;
  } catch (error) {
    if (isFault(error, storeFaults.noSuchUpload)) return undefined;
    throw error;
  }
}

/** Whoever asks. */
export async function loadUpload(
  engine: Engine,
  container: ContainerState,
  name: string,
  uploadId: string,
): Promise<OpenUpload> {
  if (!/^[0-9a-f]{32}$/.test(uploadId)) throw new Fault(storeFaults.noSuchUpload, { uploadId });
  const key = uploadKey(engine, container, name, uploadId);
  const register = await readQuorum(engine.cluster, key, false);
  if (!register || isTombstone(register.head)) throw new Fault(storeFaults.noSuchUpload, { uploadId });
  const record = decodeMeta<UploadRecord>(register.head);
  return { container, uploadId, key, hash: key.slice(1, 17), stamp: headStamp(register.head), record };
}

export async function findOpenUpload(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  uploadId: string,
): Promise<OpenUpload> {
  const upload = await findUpload(engine, context, ref, uploadId);
  if (upload.record.done) throw new Fault(storeFaults.noSuchUpload, { uploadId });
  return upload;
}

/** Returns when another try makes sense; who meets a guard has made sure that it was wrong. */
export async function again(engine: Engine, done: WriteResult, attempt: number): Promise<void> {
  if (done.result === 'full') throw new Fault(storeFaults.insufficientStorage);
  if (done.result !== 'newer' && done.result !== 'sealed' && done.result !== 'guard')
    throw new Fault(storeFaults.quorumUnavailable, { reason: done.result });
  if (done.result === 'newer') engine.cluster.stamps.observe(done.ballot);
  await pause(engine.cluster, attempt);
}
