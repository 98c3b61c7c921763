/** Parts of a multipart upload: stored as blobs and a register each, guarded by the upload's register. */
import { Fault, isFault } from '../../fabric/errors.ts';
import {
  afterPrefix,
  encodeHead,
  FLAG_TOMBSTONE,
  headBallot,
  headKey,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  makeKey,
  type ObjectServiceCalls,
  packHex,
  partRest,
  REST_AT,
} from '../../object-server/contract.ts';
import type { Replica } from '../cluster.ts';
import { decide, KEEP, writeUnder } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import { readOrder } from '../read-order.ts';
import { borrow } from './borrow.ts';
import {
  type Context,
  type CopyOptions,
  type ObjectRef,
  type PartInfo,
  type PutOptions,
  storeFaults,
  type UploadInfo,
} from './contract.ts';
import { asSource, openSource } from './copy.ts';
import { sealingOfPart } from './encryption.ts';
import type { Engine } from './engine.ts';
import { withAbort } from './expiration.ts';
import { infoOf, openBody } from './get.ts';
import { decodeMeta, type Extent, type PartRecord, recordHead } from './object-format.ts';
import { dropPins } from './pins.ts';
import { receive } from './put.ts';
import { again, findOpenUpload, type OpenUpload, TRIES_MAX, toUploadInfo } from './upload.ts';

export const PART_NUMBER_MAX = 10_000;
const SCAN_DEADLINE_MS = 10_000;

export async function putPart(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  { uploadId, partNumber, ...options }: PutOptions & { uploadId: string; partNumber: number },
): Promise<PartInfo> {
  const upload = await findOpenUpload(engine, context, ref, uploadId);
  const { sealed, ...names } = upload.record;
  const isPlain = sealed === undefined && options.encryption === undefined;
  const sealing = isPlain ? undefined : await sealingOfPart(engine, { ...names, sealed }, options.encryption);
  const received = await receive(engine, upload.container, ref.object, sealing ? { ...options, sealing } : options, 0);
  const record: PartRecord = {
    size: received.sizeBytes,
    etag: received.md5,
    sums: received.checksums,
    extents: received.extents ?? [],
  };
  return storePart(engine, upload, partNumber, record);
}

export async function copyPart(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  { uploadId, partNumber, ...options }: CopyOptions & { uploadId: string; partNumber: number },
): Promise<PartInfo> {
  const upload = await findOpenUpload(engine, context, ref, uploadId);
  const found = await openSource(engine, context, options);
  const { versionId: sourceVersionId } = infoOf(found);
  const { offset, length } = options.range ?? { offset: 0, length: found.record.size };
  if (offset + length > found.record.size) throw new Fault(storeFaults.invalidRange, { sizeBytes: found.record.size });
  const body = asSource(openBody(engine, context, found, { offset, length }));
  const isSealed = found.record.sealed !== undefined || upload.record.sealed !== undefined;
  if (!found.record.extents || isSealed) {
    const { encryption, opaqueEtag } = options;
    const part = await putPart(engine, context, ref, { uploadId, partNumber, body, encryption, opaqueEtag });
    return { ...part, sourceVersionId };
  }
  const slices = sliceExtents(found.record.extents, offset, length);
  const [etag, borrowed] = await Promise.all([
    partEtag(engine, found.record, { offset, length, body }),
    borrow(engine, upload.container, ref, { found, extents: slices }),
  ]);
  const record: PartRecord = { size: length, etag, extents: borrowed.extents ?? [], pins: borrowed.pins };
  return { ...(await storePart(engine, upload, partNumber, record)), sourceVersionId };
}

/** A part's ETag is the MD5 of its bytes: known for a whole plain object, read once (never written) for a range. */
async function partEtag(
  engine: Engine,
  record: { size: number; etag: string },
  { offset, length, body }: { offset: number; length: number; body: PutOptions['body'] },
): Promise<string> {
  if (offset === 0 && length === record.size && !record.etag.includes('-')) return record.etag;
  const digest = engine.digests.md5();
  for (let bytes = await body.read(); bytes; bytes = await body.read()) await digest.update(bytes);
  return digest.hex();
}

function sliceExtents(extents: readonly Extent[], offset: number, length: number): Extent[] {
  const slices: Extent[] = [];
  let from = 0;
  for (const extent of extents) {
    const first = Math.max(offset, from);
    const last = Math.min(offset + length, from + extent.length);
    if (first < last) slices.push({ ...extent, offset: extent.offset + first - from, length: last - first });
    from += extent.length;
  }
  return slices;
}

async function storePart(
  engine: Engine,
  upload: OpenUpload,
  partNumber: number,
  record: PartRecord,
): Promise<PartInfo> {
  const key = makeKey(upload.hash, upload.container.incarnation, KIND.part, partRest(upload.uploadId, partNumber));
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const stamp = engine.cluster.settled.open();
    const head = recordHead(record, { key, stamp });
    const done = await writeUnder(engine.cluster, stamp, [{ head, guardKey: upload.key, guardStamp: upload.stamp }]);
    if (done.result === 'ok') {
      // What it replaces keeps its pins: the upload may be on its way to being completed with that.
      return { partNumber, sizeBytes: record.size, etag: record.etag, stamp, checksums: record.sums ?? {} };
    }
    if (done.result === 'guard' && !(await stillOpen(engine, upload))) {
      throw new Fault(storeFaults.noSuchUpload, { uploadId: upload.uploadId });
    }
    await again(engine, done, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable);
}

/** Whether a guard's refusal was wrong: a replica may have missed the upload's beginning. It is told. */
async function stillOpen({ cluster }: Engine, { key, stamp }: OpenUpload): Promise<boolean> {
  const register = await readQuorum(cluster, key, false);
  if (!register || isTombstone(register.head) || headStamp(register.head) !== stamp) return false;
  await decide(cluster, key, () => KEEP, { unseal: true });
  return true;
}

/** A live part as a majority has it. */
export interface StoredPart {
  readonly key: Key;
  readonly partNumber: number;
  readonly head: Buffer;
  readonly record: PartRecord;
}

/** All live parts in order of their numbers: the newest of what two primaries hold of each. */
export async function scanParts(engine: Engine, upload: OpenUpload): Promise<readonly StoredPart[]> {
  const { cluster } = engine;
  const start = makeKey(upload.hash, upload.container.incarnation, KIND.part, packHex(upload.uploadId));
  const answers: Buffer[][] = [];
  for (const replica of readOrder(cluster, upload.key)) {
    if (answers.length === cluster.quorum) break;
    const heads = await scanAll(replica, start).catch((error) => {
      if (!isFault(error)) throw error;
      return undefined;
    });
    if (heads) answers.push(heads);
  }
  if (answers.length < cluster.quorum) throw new Fault(storeFaults.quorumUnavailable, { phase: 'scan' });
  const newest = new Map<Key, Buffer>();
  for (const head of answers.flat()) {
    const known = newest.get(headKey(head));
    if (!known || headBallot(head) > headBallot(known)) newest.set(headKey(head), head);
  }
  return [...newest]
    .filter(([, head]) => !isTombstone(head))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, head]) => ({ key, head, partNumber: partNumberOf(key), record: decodeMeta<PartRecord>(head) }));
}

const partNumberOf = (key: Key): number => (key.charCodeAt(REST_AT + 16) << 8) | key.charCodeAt(REST_AT + 17);

async function scanAll(replica: Replica, prefix: Key): Promise<Buffer[]> {
  const heads: Buffer[] = [];
  let start = prefix;
  while (true) {
    const args = { device: replica.device, start, end: afterPrefix(prefix), limit: 1000 };
    const reply = (await replica.peer.call('scan', args, { deadlineMs: SCAN_DEADLINE_MS }))
      .value as ObjectServiceCalls['scan']['reply'];
    heads.push(...reply.heads);
    const last = reply.heads.at(-1);
    if (!reply.more || !last) return heads;
    start = `${headKey(last)}\0`;
  }
}

export async function listParts(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  { uploadId, after, limit }: { uploadId: string; after: number; limit: number },
): Promise<{ parts: readonly PartInfo[]; truncated: boolean; upload: UploadInfo }> {
  const upload = await findOpenUpload(engine, context, ref, uploadId);
  const rest = (await scanParts(engine, upload)).filter((part) => part.partNumber > after);
  const parts = rest.slice(0, limit).map(({ partNumber, head, record }) => ({
    partNumber,
    sizeBytes: record.size,
    etag: record.etag,
    stamp: headStamp(head),
    checksums: record.sums ?? {},
  }));
  const info = withAbort(engine, upload.container, toUploadInfo(uploadId, upload.stamp, upload.record));
  return { parts, truncated: rest.length > limit, upload: info };
}

/** Frees the parts of an upload that is over. Blobs that the completed object refers to stay, and with them its pins. */
export async function removeParts(
  engine: Engine,
  upload: OpenUpload,
  { keepPins }: { keepPins: boolean },
): Promise<void> {
  const parts = await scanParts(engine, upload);
  for (let at = 0; at < parts.length; at += 100) {
    const stamp = engine.cluster.settled.open();
    const batch = parts.slice(at, at + 100);
    const writes = batch.map(({ key }) => ({ head: encodeHead({ key, ballot: stamp, stamp, flags: FLAG_TOMBSTONE }) }));
    const done = await writeUnder(engine.cluster, stamp, writes);
    if (done.result === 'ok' && !keepPins) dropPins(engine, done.replaced);
  }
}
