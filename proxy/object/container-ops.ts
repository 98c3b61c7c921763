/**
 * Creating, changing and deleting containers. Each is decided (ADR 1): a container is created once, its metadata of two
 * writers never mix, and one that holds anything is never deleted: the promise that precedes the deletion seals the
 * container on a majority, so that no row gets in between the look and the deed.
 */
import { type AccountRow, type ContainerRecord, decodeRecord, encodeRecord } from '../../account-container/contract.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  accountRowRest,
  encodeHead,
  FLAG_TOMBSTONE,
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  makeKey,
  withBallot,
} from '../../object-server/contract.ts';
import type { ReadRegister, Replica } from '../cluster.ts';
import { pause } from '../pause.ts';
import { type Decision, decide, KEEP, type OwnRounds, writeUnder } from '../quorum-decide.ts';
import type { QuorumWrite, WriteResult } from '../quorum-write.ts';
import { SYNC_KEY, SYNC_TO } from '../sync-realms.ts';
import { accountDeleted, ensureAccount, findHeldAccount } from './accounts.ts';
import { authorise, authoriseAccount } from './authorise.ts';
import { claimBucket, isBucketName, releaseBucket } from './buckets.ts';
import { containerInfo } from './container-info.ts';
import { containerTotals, versionsTable } from './container-totals.ts';
import { CONTAINER_CACHE_MS, containerKey, containerState, noContainer } from './containers.ts';
import { type ContainerInfo, type ContainerRef, type Context, type MetadataChange, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { noteBucket } from './lifecycle-index.ts';
import { checkContainerName } from './limits.ts';
import { applyChange } from './metadata.ts';
import { stateFault } from './object-lock.ts';
import { checkAccountWritable, checkWritable } from './read-only.ts';
import type { AccountState } from './recent-accounts.ts';
import { listRows } from './rows.ts';
import { versioningOf } from './version-format.ts';

const TRIES_MAX = 12;
/** Tries that may meet a sealed account before its unfinished decision is finished here. */
const SEALED_TRIES = 6;

export interface CreateOptions {
  readonly policy?: number;
  readonly metadata?: MetadataChange;
  readonly s3?: Record<string, unknown>;
  readonly exclusive?: boolean;
}

/** Resolves to whether it was made now. Faults ContainerExists (exclusive), BucketTaken (exclusive), PolicyMismatch. */
export async function createContainer(
  engine: Engine,
  context: Context,
  ref: ContainerRef,
  options: CreateOptions,
): Promise<{ created: boolean }> {
  checkContainerName(ref.container);
  authoriseAccount(context, ref.account, 'containers', ref.container);
  await checkAccountWritable(engine, context, ref.account);
  const bucket = isBucketName(ref.container) && (await claimBucket(engine, ref));
  if (options.exclusive && !bucket) throw new Fault(storeFaults.bucketTaken);
  const account = await ensureAccount(engine, ref.account);
  const key = containerKey(engine.cluster, ref);
  let created = false;
  const create = (own: OwnRounds): Promise<WriteResult> =>
    decide(
      engine.cluster,
      key,
      async (current, ballot, _granted, mine) => {
        created = mine;
        const record = liveRecord(current);
        if (record?.closed) return { keep: true, refuse: accountDeleted() };
        if (record && current && !mine) return changeExisting(record, { key, current, ballot }, options);
        created = true;
        const made = record && current ? withBallot(current.head, ballot) : newContainer({ key, ref, options, ballot });
        await listInAccount(engine, account, { name: ref.container, head: made, bucket });
        return { write: [{ head: made }] };
      },
      { unseal: true, own },
    );
  await toldAnew(engine, ref, options.metadata, () => decided(engine, ref, create));
  // A release of the name by an earlier deletion may have come between the claim and the creation.
  if (created && bucket) await claimBucket(engine, ref);
  return { created };
}

/** A container that is sent elsewhere from now on: what it holds already, too. */
function toldAnew(
  { sync }: Engine,
  ref: ContainerRef,
  metadata: MetadataChange | undefined,
  change: () => Promise<void>,
): Promise<void> {
  const starts = metadata !== undefined && [SYNC_TO, SYNC_KEY].some((name) => typeof metadata[name] === 'string');
  return starts && sync ? sync.anew(ref, change) : change();
}

interface NewContainer {
  readonly key: Key;
  readonly ref: ContainerRef;
  readonly options: CreateOptions;
  readonly ballot: Stamp;
}

function newContainer({ key, ref, options, ballot }: NewContainer): Buffer {
  const record: ContainerRecord = {
    account: ref.account,
    name: ref.container,
    policy: options.policy ?? 0,
    metadata: applyChange({}, options.metadata),
    s3: options.s3,
    createdStamp: ballot,
    modifiedStamp: ballot,
  };
  return encodeHead({ key, ballot, stamp: ballot, meta: encodeRecord(record) });
}

interface Listed {
  readonly name: string;
  /** The container's register as it will be. */
  readonly head: Buffer;
  readonly bucket: boolean;
}

/**
 * The container's row, before the container itself is there: the row's guard is what stands between a container and an
 * account that is deleted meanwhile, and whoever reaps the account finds by its rows what may still come to be.
 */
async function listInAccount(engine: Engine, account: AccountState, { name, head, bucket }: Listed): Promise<void> {
  const { cluster } = engine;
  const { policy } = decodeRecord<ContainerRecord>(headMeta(head));
  const about = { incarnation: headStamp(head), policy, objectCount: 0, bytesUsed: 0, bucket };
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const stamp = cluster.settled.open();
    const write = accountRowWrite(account, name, { stamp, row: { ...about, modifiedStamp: stamp } });
    const done = await writeUnder(cluster, stamp, [write]);
    if (done.result === 'ok' && done.passed === undefined) return;
    if (done.result === 'ok') cluster.stamps.observe(done.passed as Stamp);
    else if (done.result === 'full') throw new Fault(storeFaults.insufficientStorage);
    else if (done.result === 'guard') await recallAccount(engine, account);
    else if (done.result !== 'sealed') throw new Fault(storeFaults.quorumUnavailable, { reason: done.result });
    else if (attempt === SEALED_TRIES) await decide(cluster, account.key, () => KEEP, { unseal: true });
    await pause(cluster, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable, { reason: 'contended' });
}

/** A replica may have missed the account: it is told. Fault AccountDeleted when it is not there any more. */
async function recallAccount(engine: Engine, { key, guardStamp, record }: AccountState): Promise<void> {
  const found = await findHeldAccount(engine, record.name);
  if (found?.guardStamp !== guardStamp) throw accountDeleted();
  await decide(engine.cluster, key, () => KEEP, { unseal: true });
}

/** A container's row in its account's listing; `row` undefined removes it. */
export function accountRowWrite(
  account: AccountState,
  container: string,
  { stamp, row }: { stamp: Stamp; row: AccountRow | undefined },
): QuorumWrite {
  const key = makeKey(account.hash, account.stamp, KIND.accountRow, accountRowRest(container));
  const head = row
    ? encodeHead({ key, ballot: stamp, stamp: row.incarnation, meta: encodeRecord(row) })
    : encodeHead({ key, ballot: stamp, stamp, flags: FLAG_TOMBSTONE });
  return { head, guardKey: account.key, guardStamp: account.guardStamp, newerIsFine: true };
}

interface Existing {
  readonly key: string;
  readonly current: ReadRegister;
  readonly ballot: Stamp;
}

function changeExisting(record: ContainerRecord, existing: Existing, options: CreateOptions): Decision {
  if (options.exclusive) return { keep: true, refuse: new Fault(storeFaults.containerExists) };
  if (options.policy !== undefined && options.policy !== record.policy) {
    return { keep: true, refuse: new Fault(storeFaults.policyMismatch, { policy: record.policy }) };
  }
  if (!options.metadata || Object.keys(options.metadata).length === 0) return { keep: true };
  return { write: [changedContainer(record, existing, { metadata: options.metadata })] };
}

function changedContainer(
  record: ContainerRecord,
  { key, current, ballot }: Existing,
  { metadata, s3 }: { metadata?: MetadataChange | undefined; s3?: Record<string, unknown> | undefined },
): QuorumWrite {
  const next: ContainerRecord = {
    ...record,
    metadata: applyChange(record.metadata, metadata),
    s3: s3 ? { ...record.s3, ...s3 } : record.s3,
    modifiedStamp: ballot,
  };
  return { head: encodeHead({ key, ballot, stamp: headStamp(current.head), meta: encodeRecord(next) }) };
}

function liveRecord(current: ReadRegister | undefined): ContainerRecord | undefined {
  return current && !isTombstone(current.head) ? decodeRecord<ContainerRecord>(headMeta(current.head)) : undefined;
}

export async function updateContainer(
  engine: Engine,
  context: Context,
  ref: ContainerRef,
  change: { metadata?: MetadataChange; s3?: Record<string, unknown> },
): Promise<void> {
  const key = containerKey(engine.cluster, ref);
  const known = await engine.containers.findFresh(ref);
  authorise(context, 'manage', ref, known?.record);
  if (known && context.caller.reseller !== true) await checkWritable(engine, known.record);
  // First: a bucket with rules that no worker knows of would keep everything.
  if (known && change.s3?.['lifecycle']) await noteBucket(engine.cluster, ref);
  const update = (own: OwnRounds): Promise<WriteResult> =>
    decide(
      engine.cluster,
      key,
      (current, ballot) => {
        const record = liveRecord(current);
        if (!record || !current || record.closed) return { keep: true, refuse: noContainer() };
        const refuse = stateFault(record, change.s3);
        if (refuse) return { keep: true, refuse };
        return { write: [changedContainer(record, { key, current, ballot }, change)] };
      },
      { unseal: true, own },
    );
  await toldAnew(engine, ref, change.metadata, () => decided(engine, ref, update));
  // Another proxy that still takes the container for one without versions would overwrite instead of setting aside.
  if (change.s3?.['versioning'] !== undefined) await engine.cluster.clock.sleep(CONTAINER_CACHE_MS);
}

export async function headContainer(engine: Engine, context: Context, ref: ContainerRef): Promise<ContainerInfo> {
  const container = await engine.containers.findFresh(ref);
  authorise(context, 'list', ref, container?.record);
  if (!container) throw noContainer();
  return containerInfo(container, await containerTotals(engine.cluster, container));
}

/** Fault ContainerNotEmpty when a majority, sealed, holds a live row between them. */
export async function deleteContainer(engine: Engine, context: Context, ref: ContainerRef): Promise<void> {
  const known = await engine.containers.findFresh(ref);
  authorise(context, 's3:DeleteBucket', ref, known?.record);
  if (known) await checkWritable(engine, known.record, 's3:DeleteBucket');
  const account = await ensureAccount(engine, ref.account);
  const key = containerKey(engine.cluster, ref);
  const remove = (own: OwnRounds): Promise<WriteResult> =>
    decide(
      engine.cluster,
      key,
      async (current, ballot, granted, mine) => {
        if (!current || (isTombstone(current.head) && !mine)) return { keep: true, refuse: noContainer() };
        const state = containerState(key, current.head, 0);
        if (state.record.closed) return { keep: true, refuse: noContainer() };
        const tables = versioningOf(state) === undefined ? [] : [versionsTable(state)];
        if (!(await areEmpty(engine, [state.rowPrefix, ...tables], granted))) {
          return { keep: true, refuse: new Fault(storeFaults.containerNotEmpty, { versions: tables.length > 0 }) };
        }
        const meta = encodeRecord({ ...state.record, modifiedStamp: ballot });
        const head = encodeHead({ key, ballot, stamp: ballot, flags: FLAG_TOMBSTONE, meta });
        return { write: [{ head }, accountRowWrite(account, ref.container, { stamp: ballot, row: undefined })] };
      },
      { unseal: true, own },
    );
  await engine.holdTotals(key, () => decided(engine, ref, remove));
  if (isBucketName(ref.container)) await releaseBucket(engine, ref);
}

/** Judged on the replicas that promised, no others: a row can still reach the rest, but no longer a majority. */
export async function areEmpty(
  engine: Engine,
  prefixes: readonly Key[],
  granted: readonly Replica[],
): Promise<boolean> {
  const everything = { prefix: '', delimiter: '', marker: '', endMarker: '', limit: 1, reverse: false };
  for (const prefix of prefixes) {
    if ((await listRows(engine.cluster, prefix, everything, granted)).entries.length > 0) return false;
  }
  return true;
}

/** Runs a decision again while companions meet sealed guards; forgets the cached container either way. */
export async function decided(
  engine: Engine,
  ref: ContainerRef,
  run: (own: OwnRounds) => Promise<WriteResult>,
): Promise<void> {
  const own: OwnRounds = new Set();
  try {
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const { result } = await run(own);
      if (result === 'ok') return;
      if (result === 'full') throw new Fault(storeFaults.insufficientStorage);
      if (result !== 'sealed' && result !== 'newer') throw new Fault(storeFaults.quorumUnavailable, { reason: result });
      await pause(engine.cluster, attempt);
    }
    throw new Fault(storeFaults.quorumUnavailable, { reason: 'contended' });
  } catch (error) {
    // No client set a condition here: to it this is no more than an unknown outcome.
    if (!isFault(error, storeFaults.conditionalConflict)) throw error;
    throw new Fault(storeFaults.quorumUnavailable, { reason: 'overtaken' });
  } finally {
    engine.containers.forget(ref);
  }
}
