/**
 * How a multipart upload ends. Completing writes the object's record, its row and the upload's new state in one round:
 * bytes stay where the parts put them. Aborting closes the upload first, then frees its parts.
 */
import { createHash } from 'node:crypto';
import { Fault, isFault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { encodeHead, FLAG_TOMBSTONE, headStamp, isTombstone } from '../../object-server/contract.ts';
import { pause } from '../pause.ts';
import { decide } from '../quorum-decide.ts';
import type { QuorumWrite } from '../quorum-write.ts';
import { archiveOf, keeping } from './archive.ts';
import { commit, objectKey } from './commit.ts';
import { type Committed, commitVersion, type NewVersion } from './commit-version.ts';
import {
  type ChecksumName,
  type CompletedPart,
  type Conditions,
  type Context,
  type ObjectInfo,
  type ObjectRef,
  storeFaults,
} from './contract.ts';
import type { Engine } from './engine.ts';
import { announced, toldOf } from './events.ts';
import { withExpiration } from './expiration.ts';
import { noteExpiry } from './expiry-index.ts';
import {
  decodeMeta,
  type Extent,
  encodeMeta,
  type ObjectRecord,
  type Pin,
  recordHead,
  toInfo,
  type UploadRecord,
} from './object-format.ts';
import { withDefaultLock } from './object-lock.ts';
import { removeParts, type StoredPart, scanParts } from './parts.ts';
import { checkQuota } from './quota.ts';
import { rowOf } from './row-writes.ts';
import type { Version } from './set-aside.ts';
import { renewed } from './store-record.ts';
import { findOpenUpload, findUpload, loadUpload, type OpenUpload, uploadRow } from './upload.ts';
import { versioningOf } from './version-format.ts';

/** All parts but the last must have this size (S3 API reference, CompleteMultipartUpload). */
export const PART_BYTES_MIN = 5 * 1024 * 1024;

/** How often another request that completes the same upload is waited for. */
const OTHER_TRIES_MAX = 6;

export interface CompleteOptions {
  readonly parts: readonly CompletedPart[];
  readonly conditions?: Conditions | undefined;
  readonly checksums?: ObjectInfo['checksums'] | undefined;
  readonly sizeBytes?: number | undefined;
}

export async function completeUpload(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  { uploadId, ...options }: CompleteOptions & { uploadId: string },
): Promise<ObjectInfo> {
  const upload = await findUpload(engine, context, ref, uploadId);
  if (upload.record.done) return repeated(upload, options);
  const parts = choose(await scanParts(engine, upload), options.parts);
  const object = assemble(upload, parts, options);
  await checkQuota(engine, upload.container, object.size);
  const happening = {
    container: upload.container,
    name: object.name,
    event: 'ObjectCreated:CompleteMultipartUpload',
    context,
  } as const;
  const info = await announced(engine, happening, () => publish(engine, upload, object, options), toldOf);
  engine.later('free parts', () => removeParts(engine, upload, { keepPins: true }));
  return info;
}

function repeated({ record, uploadId, container }: OpenUpload, { parts }: CompleteOptions): ObjectInfo {
  const done = record.done as NonNullable<UploadRecord['done']>;
  const same = parts.length === done.parts.length && parts.every((part, i) => part.etag === done.parts[i]);
  if (!same) throw new Fault(storeFaults.noSuchUpload, { uploadId });
  return { ...toInfo(done.object, NO_HEAD, versioningOf(container) !== undefined), stamp: done.stamp };
}

const NO_HEAD = Buffer.alloc(48);

/** The stored parts that the client named; Faults InvalidPart, InvalidPartOrder, PartTooSmall. */
function choose(stored: readonly StoredPart[], wanted: readonly CompletedPart[]): readonly StoredPart[] {
  const byNumber = new Map(stored.map((part) => [part.partNumber, part]));
  let last = 0;
  const chosen = wanted.map(({ partNumber, etag, checksums }) => {
    if (partNumber <= last) throw new Fault(storeFaults.invalidPartOrder);
    last = partNumber;
    const part = byNumber.get(partNumber);
    if (!part || part.record.etag !== etag) throw new Fault(storeFaults.invalidPart, { partNumber, etag });
    for (const [name, value] of Object.entries(checksums ?? {})) {
      const known = part.record.sums?.[name as keyof ObjectInfo['checksums']];
      if (known !== undefined && known !== value) throw new Fault(storeFaults.invalidPart, { partNumber, etag });
    }
    return part;
  });
  if (chosen.length === 0) throw new Fault(storeFaults.invalidPart, { partNumber: 0 });
  for (const { record, partNumber } of chosen.slice(0, -1)) {
    if (record.size < PART_BYTES_MIN)
      throw new Fault(storeFaults.partTooSmall, { partNumber, etag: record.etag, sizeBytes: record.size });
  }
  return chosen;
}

function assemble(upload: OpenUpload, parts: readonly StoredPart[], options: CompleteOptions): ObjectRecord {
  const { account, container, name, attributes, sumType } = upload.record;
  const size = parts.reduce((sum, { record }) => sum + record.size, 0);
  if (options.sizeBytes !== undefined && options.sizeBytes !== size)
    throw new Fault(storeFaults.badDigest, { algorithm: 'size' });
  const extents: Extent[] = parts.flatMap(({ record }) => record.extents);
  const pins: Pin[] = parts.flatMap(({ record }) => record.pins ?? []);
  const etags = createHash('md5');
  for (const { record } of parts) etags.update(record.etag, 'hex');
  return {
    account,
    container,
    name,
    size,
    etag: `${etags.digest('hex')}-${parts.length}`,
    type: attributes.contentType ?? 'binary/octet-stream',
    user: attributes.user,
    headers: attributes.headers,
    deleteAt: attributes.deleteAt,
    acl: upload.record.acl,
    sealed: upload.record.sealed,
    retention: upload.record.lock?.retention,
    hold: upload.record.lock?.hold,
    tags: upload.record.tags,
    sums: options.checksums,
    sumType: options.checksums ? sumType : undefined,
    extents,
    pins: pins.length > 0 ? pins : undefined,
    parts: parts.map(({ record }) => record.size),
    ...(options.checksums ? { partSums: joinSums(upload.record.algorithm, parts) } : {}),
  };
}

/** Undefined unless every part has one. */
function joinSums(algorithm: string | undefined, parts: readonly StoredPart[]): Buffer | undefined {
  const sums = parts.map(({ record }) => record.sums?.[algorithm as ChecksumName]);
  if (sums.includes(undefined)) return undefined;
  return Buffer.concat(sums.map((sum) => Buffer.from(sum as string, 'base64')));
}

/** Object, row, upload state and the upload's row: one round, the object's register ahead of the upload's on every device. */
async function publish(
  engine: Engine,
  upload: OpenUpload,
  object: ObjectRecord,
  options: CompleteOptions,
): Promise<ObjectInfo> {
  const container = await renewed(engine, upload.container);
  const { account, container: containerName, name, deleteAt } = object;
  if (deleteAt !== undefined) await noteExpiry(engine, { account, container: containerName, object: name }, deleteAt);
  const key = objectKey(engine, container, object.name);
  const etags = options.parts.map((part) => part.etag);
  const finished = (ballot: Stamp, { stamp, record }: { stamp: Stamp; record: ObjectRecord }): QuorumWrite[] => {
    const done = { stamp, etag: object.etag, parts: etags, object: record };
    const meta = encodeMeta({ ...upload.record, done });
    return [
      { head: encodeHead({ key: upload.key, ballot, stamp: ballot, meta }) },
      uploadRow(container, object.name, { uploadId: upload.uploadId, stamp: ballot, row: undefined }),
    ];
  };
  if (versioningOf(container) !== undefined) {
    const { conditions } = options;
    const record = withDefaultLock(container.record, object, engine.cluster.clock.nowMs());
    const made = { container, name: object.name, record, conditions, companions: finished };
    const done = await publishVersion(engine, upload, made);
    if (done === undefined) return repeated(await reloaded(engine, upload), options);
    return withExpiration(engine, container, done.record, toInfo(done.record, done.head, true));
  }
  let head: Buffer | undefined;
  const write = (conditions: Conditions | undefined): Promise<Stamp> =>
    commit(engine, {
      container,
      name: object.name,
      writes: (stamp) => {
        head = recordHead(object, { key, stamp });
        return [{ head }, ...finished(stamp, { stamp, record: object })];
      },
      row: rowOf(object),
      conditions,
      pins: object.pins,
    });
  const archive = archiveOf(container.record);
  if (archive) await keeping(engine, { container, archive, name: object.name, conditions: options.conditions }, write);
  else await write(options.conditions);
  const info = { ...toInfo(object, head as Buffer), stamp: headStamp(head as Buffer) };
  return withExpiration(engine, container, object, info);
}

/**
 * One version for one upload, also of two requests at a time: two would share their pins, and deleting one would take them
 * from the other. Undefined when the other request has made it.
 */
async function publishVersion(engine: Engine, upload: OpenUpload, made: NewVersion): Promise<Committed | undefined> {
  let isThere = false;
  const only = (current: Version | undefined): boolean => {
    isThere = current !== undefined && isMadeOf(current.record, made.record);
    return !isThere;
  };
  try {
    return await commitVersion(engine, { ...made, only });
  } catch (error) {
    if (!isThere || !isFault(error, storeFaults.preconditionFailed)) throw error;
  }
  for (let attempt = 0; attempt < OTHER_TRIES_MAX; attempt++) {
    if ((await reloaded(engine, upload)).record.done) return undefined;
    await pause(engine.cluster, attempt);
  }
  // The other one died in the middle: its version may stand on a few replicas alone.
  return commitVersion(engine, made);
}

function reloaded(engine: Engine, { container, record, uploadId }: OpenUpload): Promise<OpenUpload> {
  return loadUpload(engine, container, record.name, uploadId);
}

/** The same bytes, not equal ones: blobs have ids of their own. */
function isMadeOf({ extents = [] }: ObjectRecord, { extents: ours = [] }: ObjectRecord): boolean {
  return (
    ours.length > 0 &&
    extents.length === ours.length &&
    extents.every(({ id, offset }, i) => id === ours[i]?.id && offset === ours[i]?.offset)
  );
}

/** The upload's register becomes a tombstone first: from then on no part gets in, and what is there can be freed. */
export async function abortUpload(engine: Engine, context: Context, ref: ObjectRef, uploadId: string): Promise<void> {
  await abortFound(engine, await findOpenUpload(engine, context, ref, uploadId));
}

/** Whoever asks. */
export async function abortFound(engine: Engine, upload: OpenUpload): Promise<void> {
  const { uploadId } = upload;
  const done = await decide(engine.cluster, upload.key, (current, ballot, _granted, own) => {
    const open = current && !isTombstone(current.head) && !decodeMeta<UploadRecord>(current.head).done;
    if (!open && !own) return { keep: true, refuse: new Fault(storeFaults.noSuchUpload, { uploadId }) };
    const { account, container, name } = upload.record;
    const head = encodeHead({
      key: upload.key,
      ballot,
      stamp: ballot,
      flags: FLAG_TOMBSTONE,
      meta: encodeMeta({ account, container, name }),
    });
    return { write: [{ head }, uploadRow(upload.container, name, { uploadId, stamp: ballot, row: undefined })] };
  });
  if (done.result !== 'ok' && done.result !== 'guard')
    throw new Fault(storeFaults.quorumUnavailable, { reason: done.result });
  await removeParts(engine, upload, { keepPins: false });
}
