/**
 * A point in time of a running volume: a copy-before-write filter in the guest's path saves what it overwrites into a file of
 * fixed, reserved size; the export shows that file over the live disk. When the reserve is full the filter gives up the
 * snapshot, never the write, and from then on the export is torn without saying so: `verifySnapshot` asks the filter, and
 * nothing read may be published before. Order makes the bitmaps right without a transaction: the new one records before the
 * filter comes in, the old one until after, so that a write between is in both.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import { addBitmap, disableBitmap, joinBitmaps, removeBitmap } from './bitmaps.ts';
import { engineFaults, type SnapshotHandle } from './contract.ts';
import { createImage, dropExport, dropJob, dropNodes, endOfJob, NODES, nodeNames, pointTop } from './graph.ts';
import type { Qmp } from './qmp.ts';
import type { SnapshotState } from './state-format.ts';
import type { VolumeContext } from './volume-context.ts';

const SNAPSHOT_EXPORT = 'past';
/** Snapshots of the engine's own; never a caller's id, which has no colon. */
export const CLONE_PREFIX = 'clone:';
/** Nobody needs the reserve after a crash, and a flush of it would hold the guest up. */
const THROW_AWAY = { 'no-flush': true };
const PROBE_JOB = 'probe';
const PROBE_BYTES = 65536;
/** A copy into the reserve that takes longer than this gives up the snapshot, so that the guest need not wait. */
const COPY_SECONDS_MAX = 5;
const RESERVE_BYTES_DEFAULT = 1024 * 1024 * 1024;
const RESERVE_SHARE_DEFAULT = 16;
const RESERVE_BYTES_MIN = 4 * 1024 * 1024;
/** The second has little left to do. */
const SYNCS_BEFORE_SWITCH = 2;
/** Above this share of the reserve the snapshot is given up. */
const USED_SHARE_MAX = 0.95;

const everything = (sizeBytes: number): number => sizeBytes + Math.ceil(sizeBytes / 1024) + RESERVE_BYTES_MIN;

/** All that can be overwritten and its tables, or a sixteenth of the volume, which is less for all but small ones. */
export function reserveFor(sizeBytes: number, askedBytes?: number): number {
  const usual = Math.max(RESERVE_BYTES_DEFAULT, sizeBytes / RESERVE_SHARE_DEFAULT);
  const wanted = Math.max(askedBytes ?? usual, RESERVE_BYTES_MIN);
  return Math.ceil(Math.min(everything(sizeBytes), wanted) / 65536) * 65536;
}

export function snapshotHandle(context: VolumeContext, snapshot: SnapshotState): SnapshotHandle {
  const { oldBitmap, baseSnapshotId } = snapshot;
  return {
    snapshotId: snapshot.snapshotId,
    exportUri: `nbd+unix:///${snapshot.exportName}?socket=${context.paths.nbdSocket}`,
    sizeBytes: snapshot.sizeBytes,
    reservedBytes: snapshot.reservedBytes,
    ...(oldBitmap !== undefined && { dirtyContext: `qemu:dirty-bitmap:${oldBitmap}` }),
    ...(baseSnapshotId !== undefined && { baseSnapshotId }),
  };
}

/** On failure everything is as before. */
export async function openSnapshot(
  context: VolumeContext,
  qmp: Qmp,
  asked: { readonly snapshotId: string; readonly reserveBytes?: number },
): Promise<SnapshotState> {
  const { base, sizeBytes, serial } = context.state;
  const snapshot: SnapshotState = {
    snapshotId: asked.snapshotId,
    step: 'opening',
    oldBitmap: base?.bitmap,
    newBitmap: `since-${serial}`,
    baseSnapshotId: base?.snapshotId,
    exportName: `past-${serial}`,
    sizeBytes,
    reservedBytes: reserveFor(sizeBytes, asked.reserveBytes),
  };
  const { freeBytes } = await context.world.disk.space(context.paths.dir);
  if (freeBytes < snapshot.reservedBytes + context.world.headroomBytes)
    throw new Fault(engineFaults.noSpace, { freeBytes, reservedBytes: snapshot.reservedBytes });
  await context.save({ snapshot, serial: serial + 1 });
  try {
    await addReserve(context, qmp, snapshot);
    await cut(context, qmp, snapshot);
  } catch (error) {
    await closeSnapshot(context, qmp, false);
    throw error;
  }
  const open: SnapshotState = { ...snapshot, step: 'open' };
  await context.save({ snapshot: open });
  return open;
}

/** Space is taken at once: neither the snapshot nor a volume finds it gone later. */
async function addReserve(context: VolumeContext, qmp: Qmp, snapshot: SnapshotState): Promise<void> {
  const { clock, disk } = context.world;
  const path = context.paths.reserve;
  const size = snapshot.reservedBytes;
  await disk.remove(path);
  await createImage(qmp, clock, { driver: 'file', filename: path, size, preallocation: 'falloc' });
  await qmp.command('blockdev-add', {
    'node-name': NODES.reserveFile,
    driver: 'raw',
    size,
    cache: THROW_AWAY,
    file: { driver: 'file', filename: path, cache: THROW_AWAY },
  });
  await createImage(qmp, clock, { driver: 'qcow2', file: NODES.reserveFile, size: snapshot.sizeBytes });
  await qmp.command('blockdev-add', reserveOver(NODES.disk));
}

const reserveOver = (backing: string | null) => ({
  'node-name': NODES.reserve,
  driver: 'qcow2',
  cache: THROW_AWAY,
  file: NODES.reserveFile,
  backing,
});

/** A change of the graph flushes while the guest is held up: most of what it would wait for is written before. */
async function switchTop(context: VolumeContext, qmp: Qmp, child: string): Promise<void> {
  for (let i = 0; i < SYNCS_BEFORE_SWITCH; i++) await context.world.files.sync(context.paths.data);
  await pointTop(qmp, child);
}

/** `switchTop` ends at the moment of the snapshot. */
async function cut(context: VolumeContext, qmp: Qmp, snapshot: SnapshotState): Promise<void> {
  await addBitmap(qmp, snapshot.newBitmap, context.state.granularityBytes);
  await qmp.command('blockdev-add', {
    'node-name': NODES.beforeWrite,
    driver: 'copy-before-write',
    discard: 'unmap',
    file: NODES.disk,
    target: NODES.reserve,
    'on-cbw-error': 'break-snapshot',
    'cbw-timeout': COPY_SECONDS_MAX,
  });
  await switchTop(context, qmp, NODES.beforeWrite);
  if (snapshot.oldBitmap !== undefined) await disableBitmap(qmp, snapshot.oldBitmap);
  const bitmaps = snapshot.oldBitmap === undefined ? [] : [{ node: NODES.disk, name: snapshot.oldBitmap }];
  await qmp.command('block-export-add', {
    type: 'nbd',
    id: SNAPSHOT_EXPORT,
    'node-name': NODES.reserve,
    name: snapshot.exportName,
    bitmaps,
  });
}

/**
 * Whether the filter still stands behind what was read so far. Its own view of the past fails once it has given up; 64 KiB of
 * it are copied to nowhere. (That view is not exported: in QEMU 7.2 it reports holes of the present, and two overlapping reads
 * of it end the daemon by an assertion.)
 */
export async function verifySnapshot(context: VolumeContext, qmp: Qmp): Promise<boolean> {
  const { clock } = context.world;
  await dropProbe(context, qmp);
  await qmp.command('blockdev-add', { 'node-name': NODES.past, driver: 'snapshot-access', file: NODES.beforeWrite });
  const size = Math.min(PROBE_BYTES, context.state.sizeBytes);
  const probe = { 'node-name': NODES.probe, driver: 'raw', 'read-only': true, offset: 0, size, file: NODES.past };
  await qmp.command('blockdev-add', probe);
  await qmp.command('blockdev-add', { 'node-name': NODES.nowhere, driver: 'null-co', size, 'read-zeroes': true });
  try {
    await qmp.command('blockdev-backup', {
      'job-id': PROBE_JOB,
      device: NODES.probe,
      target: NODES.nowhere,
      sync: 'full',
      'auto-dismiss': false,
    });
    await endOfJob(qmp, clock, PROBE_JOB);
    return true;
  } catch (error) {
    if (isFault(error, engineFaults.refused)) return false;
    throw error;
  } finally {
    await dropProbe(context, qmp);
  }
}

async function dropProbe(context: VolumeContext, qmp: Qmp): Promise<void> {
  await dropJob(qmp, context.world.clock, PROBE_JOB);
  await dropNodes(qmp, [NODES.probe, NODES.nowhere, NODES.past]);
}

/** Takes the point in time away and settles the bitmaps; may be done again after a crash at any step. */
export async function closeSnapshot(context: VolumeContext, qmp: Qmp, keep: boolean): Promise<void> {
  const { snapshot } = context.state;
  if (!snapshot) return;
  const direction = snapshot.step === 'closing' ? snapshot.keep === true : keep;
  await context.save({ snapshot: { ...snapshot, step: 'closing', keep: direction } });
  await takeAway(context, qmp);
  await context.save({ snapshot: undefined, base: await settleBitmaps(qmp, snapshot, direction) });
}

/** As `closeSnapshot` without keeping, but the failure stays to be seen until somebody ends the snapshot. */
export async function failSnapshot(context: VolumeContext, qmp: Qmp, failure: string): Promise<void> {
  const { snapshot, id } = context.state;
  if (snapshot?.step !== 'open') return;
  await closeSnapshot(context, qmp, false);
  await context.save({ snapshot: { ...snapshot, step: 'failed', failure } });
  context.emit({ type: 'snapshot-failed', id, snapshotId: snapshot.snapshotId, failure });
}

async function takeAway(context: VolumeContext, qmp: Qmp): Promise<void> {
  const { clock } = context.world;
  await dropExport(qmp, clock, SNAPSHOT_EXPORT);
  await dropProbe(context, qmp);
  const there = await nodeNames(qmp);
  // First the reserve lets go of the disk: QEMU 7.2 ends by an assertion when a filter between the two is taken out.
  if (there.has(NODES.reserve)) await qmp.command('blockdev-reopen', { options: [reserveOver(null)] });
  if (there.has(NODES.beforeWrite)) await switchTop(context, qmp, NODES.disk);
  await dropNodes(qmp, [NODES.beforeWrite, NODES.reserve, NODES.reserveFile]);
  await dropReserveFile(context);
}

export const dropReserveFile = (context: VolumeContext): Promise<void> =>
  context.world.disk.remove(context.paths.reserve);

async function settleBitmaps(
  qmp: Qmp,
  snapshot: SnapshotState,
  keep: boolean,
): Promise<VolumeContext['state']['base']> {
  const { oldBitmap, newBitmap, baseSnapshotId, snapshotId } = snapshot;
  if (keep) {
    if (oldBitmap !== undefined) await removeBitmap(qmp, oldBitmap);
    return { snapshotId, bitmap: newBitmap, saved: false };
  }
  if (oldBitmap === undefined || baseSnapshotId === undefined) {
    await removeBitmap(qmp, newBitmap);
    return undefined;
  }
  const bitmap = await joinBitmaps(qmp, oldBitmap, newBitmap);
  return { snapshotId: baseSnapshotId, bitmap, saved: false };
}

interface NodeStats {
  readonly 'node-name'?: string;
  readonly stats: { readonly wr_highest_offset: number };
}

/** How far into the reserve anything was written, tried or done. */
export async function reserveUsedBytes(qmp: Qmp): Promise<number> {
  const stats = await qmp.command<NodeStats[]>('query-blockstats', { 'query-nodes': true });
  return stats.find((one) => one['node-name'] === NODES.reserveFile)?.stats.wr_highest_offset ?? 0;
}

export const reserveIsLow = (snapshot: SnapshotState, usedBytes: number): boolean =>
  snapshot.reservedBytes < everything(snapshot.sizeBytes) && usedBytes > snapshot.reservedBytes * USED_SHARE_MAX;
