/** Opens a repository in a container of an object store: checks that it is one of ours, and puts the parts together. */
import { Fault, isFault } from '../../fabric/errors.ts';
import { checkSnapshot, countShared } from './check.ts';
import { openCollector } from './collector.ts';
import { compareTrees } from './compare.ts';
import {
  type BeginUpload,
  CHUNK_BYTES_DEFAULT,
  type Extent,
  type Repository,
  type SnapshotInfo,
  type SnapshotRef,
} from './contract.ts';
import { repositoryFaults } from './faults.ts';
import { geometryOf } from './geometry.ts';
import { snapshotInfo } from './info.ts';
import { readLineage, readOrMakeLineage } from './lineage.ts';
import { checkId, REPOSITORY_NAME, snapshotPrefix } from './names.ts';
import { NodeStore } from './node-store.ts';
import type { ObjectClient } from './object-client.ts';
import { forEach } from './parallel.ts';
import { openSnapshot, readSnapshot } from './reader.ts';
import { decodeRecord, encodeRecord } from './record-format.ts';
import { Tree } from './tree.ts';
import { Upload } from './upload.ts';
import { beginSession, giveUp, mark, newNonce, readEntry } from './upload-state.ts';
import type { World } from './world.ts';

const READS_AT_ONCE = 16;
const LABELS_BYTES_MAX = 16 * 1024;

/** Fault UnknownRepositoryFormat when the container is not a repository, or a newer one. An empty container becomes one. */
export async function openRepository(world: World): Promise<Repository> {
  await checkFormat(world);
  return {
    list: (lineage) => listEntries(world, lineage, 'snapshot'),
    uploads: (lineage) => listEntries(world, lineage, 'session'),
    get: async (ref) => snapshotInfo(checked(ref), await readSnapshot(world, ref)),
    beginUpload: (options) => beginUpload(world, options),
    abandonUpload: (ref) => abandonUpload(world, checked(ref)),
    open: (ref) => openSnapshot(world, checked(ref)),
    delete: (ref) => deleteSnapshot(world, checked(ref)),
    compare: (older, newer) => compare(world, checked(older), checked(newer)),
    async check(ref) {
      const open = await openSnapshot(world, checked(ref));
      return await checkSnapshot(open).finally(() => open.close());
    },
    statistics: async (ref) => countShared(world, checked(ref), await listEntries(world, ref.lineage, 'snapshot')),
    collector: (options) => openCollector(world, options),
  };
}

async function checkFormat({ client, random }: World): Promise<void> {
  if (await isRepository(client)) return;
  for await (const { name } of client.list({ prefix: '', pageNames: 1 })) {
    // Somebody else may have made it a repository, and begun to use it, meanwhile.
    if (await isRepository(client)) return;
    throw new Fault(repositoryFaults.unknownFormat, { name });
  }
  const record = encodeRecord('repository', { version: 1, nonce: newNonce({ random }) });
  await client.put(REPOSITORY_NAME, record, 'absent').catch((failure) => {
    if (!isFault(failure, repositoryFaults.preconditionFailed)) throw failure;
  });
}

async function isRepository(client: ObjectClient): Promise<boolean> {
  try {
    const { body } = await client.get(REPOSITORY_NAME);
    if (decodeRecord(body, 'repository').value.version === 1) return true;
  } catch (error) {
    if (isFault(error, repositoryFaults.noSuchObject)) return false;
    if (!isFault(error, repositoryFaults.corrupt)) throw error;
  }
  throw new Fault(repositoryFaults.unknownFormat);
}

function checked(ref: SnapshotRef): SnapshotRef {
  checkId('lineage', ref.lineage);
  checkId('snapshot', ref.snapshot);
  return { lineage: ref.lineage, snapshot: ref.snapshot };
}

function listEntries(world: World, lineage: string | undefined, kind: 'snapshot'): Promise<SnapshotInfo[]>;
function listEntries(world: World, lineage: string | undefined, kind: 'session'): Promise<SnapshotRef[]>;
async function listEntries({ client }: World, of: string | undefined, kind: 'snapshot' | 'session') {
  const found: SnapshotRef[] = [];
  await forEach(client.list({ prefix: snapshotPrefix(of) }), READS_AT_ONCE, async ({ name }) => {
    const [, lineage = '', snapshot = ''] = name.split('/');
    const entry = await readEntry(client, { lineage, snapshot });
    if (entry?.kind !== kind) return;
    found.push(entry.kind === 'snapshot' ? snapshotInfo({ lineage, snapshot }, entry.value) : { lineage, snapshot });
  });
  const key = (ref: SnapshotRef): string => `${ref.lineage}/${ref.snapshot}`;
  return found.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

async function beginUpload(world: World, options: BeginUpload): Promise<Upload> {
  checked(options);
  if (options.base !== undefined) checkId('base', options.base);
  const { base, changed, sizeBytes, chunkBytes = CHUNK_BYTES_DEFAULT, labels = {} } = options;
  const geometry = geometryOf(sizeBytes, chunkBytes);
  if (Buffer.byteLength(JSON.stringify(labels)) > LABELS_BYTES_MAX)
    throw new Fault(repositoryFaults.invalid, { reason: 'labels' });
  if (base === undefined && changed !== 'all')
    throw new Fault(repositoryFaults.invalid, { reason: 'without a base everything has changed' });
  const lineage = await readOrMakeLineage(world, options.lineage);
  const fits = base !== undefined && (await baseFits(world, { lineage: options.lineage, snapshot: base }, options));
  const { base: _, ...plain } = options;
  const effective = fits ? options : plain;
  const held = await beginSession(world, effective, chunkBytes);
  return new Upload({ world, lineage, geometry, options: effective, held });
}

/** A base with other chunks, or of a larger volume, is no base: then everything must be read. Fault NoSuchSnapshot. */
async function baseFits(world: World, base: SnapshotRef, options: BeginUpload): Promise<boolean> {
  // An upload in work protects what it builds on; the base itself may be gone by now.
  const there = await readEntry(world.client, options);
  if (there?.kind === 'session') return there.value.base !== undefined;
  const record = await readSnapshot(world, base);
  const chunkBytes = options.chunkBytes ?? CHUNK_BYTES_DEFAULT;
  if (record.chunkBytes === chunkBytes && record.sizeBytes <= options.sizeBytes) return true;
  if (options.changed !== 'all') throw new Fault(repositoryFaults.invalid, { reason: 'the base does not fit' });
  return false;
}

async function abandonUpload(world: World, ref: SnapshotRef): Promise<void> {
  const entry = await readEntry(world.client, ref);
  if (entry?.kind === 'snapshot') throw new Fault(repositoryFaults.snapshotExists, { ...ref });
  if (entry !== undefined) await giveUp(world, ref, entry.etag);
}

async function deleteSnapshot(world: World, ref: SnapshotRef): Promise<void> {
  const entry = await readEntry(world.client, ref);
  if (entry === undefined) return;
  if (entry.kind === 'session') throw new Fault(repositoryFaults.notAvailable, { ...ref });
  await mark(world.client, ref, { why: 'delete', nonce: newNonce(world) });
  await world.client.delete(`${snapshotPrefix(ref.lineage)}${ref.snapshot}`);
}

async function* compare(world: World, older: SnapshotRef, newer: SnapshotRef): AsyncGenerator<Extent> {
  const nodes = new NodeStore(world.client, await readLineage(world.client, newer.lineage));
  const [a, b] = await Promise.all([readSnapshot(world, older), readSnapshot(world, newer)]);
  const { chunkBytes, sizeBytes } = b;
  if (older.lineage !== newer.lineage || a.chunkBytes !== chunkBytes)
    throw new Fault(repositoryFaults.invalid, { reason: 'not comparable' });
  yield* compareTrees({
    nodes,
    older: Tree.from(nodes, a.tree),
    newer: Tree.from(nodes, b.tree),
    chunkBytes,
    sizeBytes,
  });
}
