/**
 * An upload's durable side. The session and the finished snapshot are one object under one name: it is made only where nothing
 * is, taken over or committed only against what was read, so of two uploaders, or an uploader and somebody who gave it up,
 * exactly one wins. Order of `beginSession`: the work marker, the session, then the look at what is condemned, whose round is
 * written into the session before the first use of anything that is there already. ADR 14 says why each step is where it is.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import { readCondemned } from './collector-state.ts';
import type { BeginUpload, SnapshotRef } from './contract.ts';
import { repositoryFaults } from './faults.ts';
import type { FingerprintSet } from './fingerprint-set.ts';
import { progressName, snapshotName, workName } from './names.ts';
import type { ObjectClient } from './object-client.ts';
import { decodeRecord, encodeRecord } from './record-format.ts';
import type { Records, SessionRecord, SnapshotRecord } from './records.ts';
import type { World } from './world.ts';

const NONCE_BYTES = 12;

export interface HeldSession {
  readonly record: SessionRecord;
  readonly etag: string;
  readonly resumed: boolean;
  readonly condemned: FingerprintSet;
}

export const newNonce = ({ random }: Pick<World, 'random'>): string => random.bytes(NONCE_BYTES).toString('hex');

/** Fault SnapshotExists, NoSuchSnapshot (the base), InvalidArgument (another volume's upload under this id). */
export async function beginSession(world: World, options: BeginUpload, chunkBytes: number): Promise<HeldSession> {
  const { client } = world;
  const name = snapshotName(options.lineage, options.snapshot);
  const there = await readEntry(client, options);
  if (there?.kind === 'snapshot') throw new Fault(repositoryFaults.snapshotExists, { ...idsOf(options) });
  if (there !== undefined) return await takeOver(world, options, { ...there, chunkBytes });
  const base = options.base === undefined ? undefined : await readBase(client, options, options.base);
  const workNonce = newNonce(world);
  await mark(client, options, { why: 'upload', nonce: workNonce });
  const record: SessionRecord = {
    volume: options.volume,
    sizeBytes: options.sizeBytes,
    chunkBytes,
    createdMs: world.clock.nowMs(),
    nonce: newNonce(world),
    beat: 0,
    seenRound: -1,
    workNonce,
    ...(base && options.base !== undefined ? { base: { snapshot: options.base, tree: base.tree } } : {}),
  };
  const { etag } = await client.put(name, encodeRecord('session', record), 'absent').catch(asExists(options));
  try {
    return await look(world, options, { record, etag, resumed: false });
  } catch (error) {
    // Nobody goes on with it: the base is gone, say.
    await giveUp(world, options, etag).catch(() => {});
    throw error;
  }
}

/**
 * The session stands, so from now on the collector leaves the base alone; was it still there then? Asked until the round is
 * written down, which says that it was.
 */
async function look(world: World, ref: SnapshotRef, held: Omit<HeldSession, 'condemned'>): Promise<HeldSession> {
  const { base, seenRound, workNonce } = held.record;
  // A collector that looked before the session was there took the first marker for a leftover; this one it cannot.
  if (seenRound < 0) await mark(world.client, ref, { why: 'upload', nonce: secondNonce(workNonce) });
  if (base !== undefined && seenRound < 0) await readBase(world.client, ref, base.snapshot);
  const { round, set: condemned } = await readCondemned(world.client, ref.lineage);
  if (seenRound >= 0) return { ...held, condemned };
  const record = { ...held.record, seenRound: round };
  return { ...(await rewrite(world.client, ref, held.etag, record)), resumed: held.resumed, condemned };
}

/** What the first uploader saw stays: its work may refer to what was condemned since, and the old round protects that. */
async function takeOver(
  world: World,
  options: BeginUpload,
  there: { readonly value: SessionRecord; readonly etag: string; readonly chunkBytes: number },
): Promise<HeldSession> {
  const { value, etag, chunkBytes } = there;
  const same =
    value.volume === options.volume &&
    value.sizeBytes === options.sizeBytes &&
    value.chunkBytes === chunkBytes &&
    value.base?.snapshot === options.base;
  if (!same) throw new Fault(repositoryFaults.invalid, { ...idsOf(options), reason: 'an upload of something else' });
  const record = { ...value, nonce: newNonce(world), beat: value.beat + 1 };
  const held = await rewrite(world.client, options, etag, record);
  return await look(world, options, { ...held, resumed: true });
}

/** Durably says that there may be garbage, before there is any. */
export async function mark(client: ObjectClient, ref: SnapshotRef, work: Records['work']): Promise<void> {
  await client.put(workName({ lineage: ref.lineage, id: ref.snapshot, ...work }), encodeRecord('work', work));
}

/** The uploader lives. Fault UploadLost when the session is somebody else's now. */
export async function beat(client: ObjectClient, ref: SnapshotRef, held: HeldSession): Promise<HeldSession> {
  const record = { ...held.record, beat: held.record.beat + 1 };
  return { ...held, ...(await rewrite(client, ref, held.etag, record)) };
}

/** The commit point. Fault UploadLost. */
export async function commit(
  client: ObjectClient,
  ref: SnapshotRef,
  held: HeldSession,
  snapshot: SnapshotRecord,
): Promise<void> {
  const name = snapshotName(ref.lineage, ref.snapshot);
  await client.put(name, encodeRecord('snapshot', snapshot), { etag: held.etag }).catch(asLost(ref));
  // From here on the snapshot stands; what is left over would be tidied by the collector.
  await client.delete(progressName(ref.lineage, ref.snapshot));
  for (const nonce of [snapshot.workNonce, secondNonce(snapshot.workNonce)])
    await client.delete(workName({ lineage: ref.lineage, id: ref.snapshot, why: 'upload', nonce }));
}

const secondNonce = (nonce: string): string => `${nonce}01`;

/**
 * The id is free again, its garbage is the collector's, who is told of it first. Fault StoredObjectChanged when it was committed
 * or taken over meanwhile.
 */
export async function giveUp(world: World, ref: SnapshotRef, etag: string): Promise<void> {
  await mark(world.client, ref, { why: 'upload', nonce: newNonce(world) });
  await world.client.delete(progressName(ref.lineage, ref.snapshot));
  await world.client.delete(snapshotName(ref.lineage, ref.snapshot), { etag });
}

/** What is under a snapshot's name, of either kind; undefined when nothing is. */
export async function readEntry(client: ObjectClient, ref: SnapshotRef) {
  try {
    const { body, etag } = await client.get(snapshotName(ref.lineage, ref.snapshot));
    return { ...decodeRecord(body, 'session', 'snapshot'), etag };
  } catch (error) {
    if (isFault(error, repositoryFaults.noSuchObject)) return undefined;
    throw error;
  }
}

async function readBase(client: ObjectClient, { lineage }: SnapshotRef, snapshot: string): Promise<SnapshotRecord> {
  const entry = await readEntry(client, { lineage, snapshot });
  if (entry?.kind !== 'snapshot') throw new Fault(repositoryFaults.noSuchSnapshot, { lineage, snapshot });
  return entry.value;
}

async function rewrite(
  client: ObjectClient,
  ref: SnapshotRef,
  etag: string,
  record: SessionRecord,
): Promise<{ readonly record: SessionRecord; readonly etag: string }> {
  const body = encodeRecord('session', record);
  const written = await client.put(snapshotName(ref.lineage, ref.snapshot), body, { etag }).catch(asLost(ref));
  return { record, etag: written.etag };
}

const idsOf = ({ lineage, snapshot }: SnapshotRef): SnapshotRef => ({ lineage, snapshot });

const asLost = (ref: SnapshotRef) => turned(ref, repositoryFaults.uploadLost);
const asExists = (ref: SnapshotRef) => turned(ref, repositoryFaults.snapshotExists);

function turned(ref: SnapshotRef, code: string): (error: unknown) => never {
  return (error) => {
    if (isFault(error, repositoryFaults.preconditionFailed)) throw new Fault(code, { ...idsOf(ref) });
    throw error;
  };
}
