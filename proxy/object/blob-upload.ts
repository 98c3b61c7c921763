/**
 * Streams a large body to the primaries of its key as one blob, chunk by chunk, checksums computed once. The slowest live
 * replica sets the pace; one that makes no progress for LAG_MS with its bounded queue full is cut off, and its copy is
 * made good later. The blob is not visible until a record refers to it.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { CHUNK_BYTES, deviceFaults, encodeChunkHead, type Key, KIND, makeKey } from '../../object-server/contract.ts';
import type { Replica } from '../cluster.ts';
import { type BodySource, storeFaults } from './contract.ts';
import type { Digest } from './digest.ts';
import type { Engine } from './engine.ts';
import { createFanOut, type FanOut, type Lane } from './fan-out.ts';
import type { Extent } from './object-format.ts';

/** Longest time one replica may take for one blob; bodies of many GiB at a trickle are real. */
const BLOB_DEADLINE_MS = 24 * 3600 * 1000;
/** How long the last replica may lag behind the majority at the end before it is left to repair. */
const STRAGGLER_MS = 2_000;

export interface BlobUpload {
  readonly extents: readonly Extent[];
  readonly sizeBytes: number;
}

export interface BlobTarget {
  /** Path hash and incarnation of the record that will refer to it. */
  readonly hash: string;
  readonly incarnation: Stamp;
  readonly body: BodySource;
  readonly digest: Digest;
  readonly bodyBytesMax: number;
  readonly allocate: (bytes: number) => Buffer;
  /** Of the blob to be, 16 bytes; absent: a random one. */
  readonly blobId?: Buffer | undefined;
  /** Bytes read from the body already. */
  readonly start?: Uint8Array | undefined;
}

export async function uploadBlob(engine: Engine, target: BlobTarget): Promise<BlobUpload> {
  const { cluster } = engine;
  const blobId = target.blobId ?? Buffer.from(engine.random.bytes(16));
  const key = makeKey(target.hash, target.incarnation, KIND.blob, blobId.toString('latin1'));
  const fanOut = createFanOut(cluster.clock, (payload) => engine.digests.recycle(payload));
  const writes = cluster.primaries(key).filter((each) => each.peer.up);
  const tally: Tally = { good: 0, full: 0, open: writes.length };
  const done = writes.map((replica) => sendBlob(replica, key, { lane: fanOut.lane(), tally }));
  try {
    if (writes.length < cluster.quorum) throw new Fault(storeFaults.quorumUnavailable, { reason: 'primaries down' });
    const sizeBytes = await pump(target, blobId, { fanOut, tally, need: cluster.quorum });
    fanOut.end();
    await majority(engine, done, tally);
    return { sizeBytes, extents: [{ id: blobId.toString('latin1'), offset: 0, length: sizeBytes }] };
  } catch (error) {
    fanOut.fail(error);
    target.digest.cancel();
    await Promise.allSettled(done);
    throw error;
  }
}

/** What came of the replicas so far. */
interface Tally {
  good: number;
  full: number;
  open: number;
}

async function sendBlob(
  { device, peer }: Replica,
  key: Key,
  { lane, tally }: { lane: Lane; tally: Tally },
): Promise<void> {
  try {
    await peer.call('blobWrite', { device, key }, { deadlineMs: BLOB_DEADLINE_MS, upload: lane });
    tally.good++;
  } catch (error) {
    // Before the lane goes: whoever waits for it then asks why.
    if (isFault(error, deviceFaults.full)) tally.full++;
    lane.cancel();
    if (!isFault(error)) throw error;
  } finally {
    tally.open--;
  }
}

/** Too few replicas took it: for want of space, if that is why it is too few. */
function tooFew({ good, full, open }: Tally, need: number, reason: string): Fault {
  const forSpace = full > 0 && good + open + full >= need;
  return forSpace ? new Fault(storeFaults.insufficientStorage) : new Fault(storeFaults.quorumUnavailable, { reason });
}

interface Sink {
  readonly fanOut: FanOut;
  readonly tally: Tally;
  /** Replicas without which the upload is pointless. */
  readonly need: number;
}

async function pump(target: BlobTarget, blobId: Buffer, { fanOut, tally, need }: Sink): Promise<number> {
  const { body, digest, bodyBytesMax } = target;
  let sizeBytes = 0;
  let index = 0;
  let rest = target.start;
  while (true) {
    const { payload, left } = await nextChunk(target, rest);
    rest = left;
    if (payload.length === 0) break;
    sizeBytes += payload.length;
    if (sizeBytes > bodyBytesMax) throw new Fault(storeFaults.bodyTooLarge, { limit: bodyBytesMax });
    // Held by the digest and by this step, so that nobody reuses it too early.
    fanOut.hold(payload);
    fanOut.hold(payload);
    const hashed = digest.update(payload, () => fanOut.release(payload));
    const live = await fanOut.push(encodeChunkHead(blobId, index++, payload), payload);
    fanOut.release(payload);
    if (live < need) throw tooFew(tally, need, 'replicas failed during the upload');
    await hashed;
    if (payload.length < CHUNK_BYTES) break;
  }
  if (body.lengthBytes !== undefined && sizeBytes !== body.lengthBytes) throw new Fault(storeFaults.incompleteBody);
  return sizeBytes;
}

/** CHUNK_BYTES of the body, less only at its end. */
async function nextChunk(
  { body, allocate }: BlobTarget,
  rest: Uint8Array | undefined,
): Promise<{ payload: Buffer; left: Uint8Array | undefined }> {
  const known = body.lengthBytes;
  const chunk = allocate(known === undefined ? CHUNK_BYTES : Math.min(CHUNK_BYTES, Math.max(1, known)));
  let filled = 0;
  let piece = rest;
  while (filled < chunk.length) {
    piece ??= await body.read();
    if (piece === undefined) break;
    const take = Math.min(piece.length, chunk.length - filled);
    chunk.set(take === piece.length ? piece : piece.subarray(0, take), filled);
    filled += take;
    piece = take === piece.length ? undefined : piece.subarray(take);
  }
  return { payload: chunk.subarray(0, filled), left: piece };
}

/** A majority must have every byte on disk; the rest gets a moment more, so that it need not be repaired. */
async function majority({ cluster }: Engine, writes: readonly Promise<void>[], tally: Tally): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let timer: { cancel(): void } | undefined;
    const check = (): void => {
      if (tally.open === 0) {
        timer?.cancel();
        if (tally.good >= cluster.quorum) resolve();
        else reject(tooFew(tally, cluster.quorum, 'blob'));
      } else if (tally.good >= cluster.quorum) timer ??= cluster.clock.after(STRAGGLER_MS, resolve);
    };
    for (const write of writes) write.then(check, reject);
  });
}
