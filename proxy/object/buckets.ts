/**
 * The cluster's one registry of S3 bucket names (ADR 7): a name belongs to one container of one account, claimed
 * exclusively. A Swift container whose name is taken, or is no bucket name, lives on unseen by S3.
 */
import { type BucketRecord, decodeRecord, encodeRecord } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headMeta,
  isTombstone,
  type Key,
  KIND,
  makeKey,
} from '../../object-server/contract.ts';
import type { ReadRegister } from '../cluster.ts';
import { decide } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import { noContainer } from './containers.ts';
import { type ContainerRef, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';

const BUCKET_CACHE_MS = 2_000;
const CACHED_MAX = 10_000;

/** S3 API reference, "Bucket naming rules" (general purpose buckets). */
export function isBucketName(name: string): boolean {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) return false;
  if (name.includes('..') || name.includes('.-') || name.includes('-.')) return false;
  return !/^\d{1,3}(\.\d{1,3}){3}$/.test(name) && !name.startsWith('xn--') && !name.endsWith('-s3alias');
}

function bucketKey(engine: Engine, bucket: string): Key {
  return makeKey(engine.cluster.hash('.buckets', bucket), undefined, KIND.bucket);
}

function ownerOf(current: ReadRegister | undefined): BucketRecord | undefined {
  return current && !isTombstone(current.head) ? decodeRecord<BucketRecord>(headMeta(current.head)) : undefined;
}

/** True when the name is this container's now. A claim whose container never came to be is taken over. */
export async function claimBucket(engine: Engine, ref: ContainerRef): Promise<boolean> {
  const key = bucketKey(engine, ref.container);
  const held = ownerOf(await readQuorum(engine.cluster, key, false));
  if (held?.account === ref.account) return true;
  if (held && (await engine.containers.findFresh(held))) return false;
  let mine = false;
  const done = await decide(engine.cluster, key, (current, ballot) => {
    const owner = ownerOf(current);
    mine = owner === undefined || owner.account === ref.account || owner.account === held?.account;
    if (!mine || owner?.account === ref.account) return { keep: true };
    const record: BucketRecord = { account: ref.account, container: ref.container };
    return { write: [{ head: encodeHead({ key, ballot, stamp: ballot, meta: encodeRecord(record) }) }] };
  });
  if (done.result !== 'ok') throw new Fault(storeFaults.quorumUnavailable, { reason: done.result });
  engine.bucketCache.delete(ref.container);
  return mine;
}

export async function releaseBucket(engine: Engine, ref: ContainerRef): Promise<void> {
  const key = bucketKey(engine, ref.container);
  engine.bucketCache.delete(ref.container);
  await decide(engine.cluster, key, async (current, ballot) => {
    if (ownerOf(current)?.account !== ref.account || (await engine.containers.findFresh(ref))) return { keep: true };
    return { write: [{ head: encodeHead({ key, ballot, stamp: ballot, flags: FLAG_TOMBSTONE }) }] };
  });
}

/** The container behind a bucket name; Fault NoSuchContainer. Cached for a moment when there is one. */
export async function resolveBucket(engine: Engine, bucket: string): Promise<ContainerRef> {
  const cache = engine.bucketCache;
  const nowMs = engine.cluster.clock.monotonicMs();
  const known = cache.get(bucket);
  if (known && nowMs - known.readAtMs < BUCKET_CACHE_MS) return known.ref;
  const owner = isBucketName(bucket)
    ? ownerOf(await readQuorum(engine.cluster, bucketKey(engine, bucket), false))
    : undefined;
  if (!owner) throw noContainer();
  const ref = { account: owner.account, container: owner.container };
  if (cache.size >= CACHED_MAX) cache.clear();
  cache.set(bucket, { ref, readAtMs: nowMs });
  return ref;
}
