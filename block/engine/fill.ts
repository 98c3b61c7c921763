/**
 * A volume that is served while it is still being filled from a read-only NBD export. Its raw file is in use from the start: an
 * overlay's tables only tell which clusters are there already, every cluster at its own offset. What a guest zeroed stands in
 * those tables alone, so the written areas are copied onto themselves before the tables are given up. The tables are cached in
 * the daemon, so exports flush after each write until then (exports.ts). A crash at any point goes on where it stopped.
 * Discards are dropped meanwhile, which a discard allows.
 *
 *     1 stream   the source's clusters into the raw file, but those the guest wrote
 *     2 repair   what the guest wrote, from the overlay's view onto the raw file
 *     3 pivot    a mirror sends guest writes to both views, what was written during 2 is repaired, the raw file becomes the
 *                truth in the state file, the overlay leaves the graph under the running exports
 *
 * If a daemon died meanwhile, nobody knows what the guest wrote: then the mirror begins at 2 and copies everything.
 */
import { assert } from '../../fabric/assert.ts';
import type { FillSource } from './contract.ts';
import {
  addDisk,
  addTop,
  bitmapsOf,
  createImage,
  dropJob,
  dropNodes,
  endOfJob,
  findJob,
  type JobInfo,
  NODES,
  nodeNames,
  readyJob,
} from './graph.ts';
import type { Qmp } from './qmp.ts';
import type { VolumeContext } from './volume-context.ts';

const JOBS = { stream: 'fill', repair: 'repair', pivot: 'pivot' } as const;
/** What the guest wrote during 1, and during 2. */
const BITMAPS = { stream: 'fill-1', repair: 'fill-2' } as const;
/** Requests wait this long for a source that is away, then fail. */
const SOURCE_AWAY_SECONDS_MAX = 300;
/** The daemon's start waits this long for it, and is tried again. */
const SOURCE_OPEN_SECONDS_MAX = 1;
const CLUSTER_BYTES = 65536;

const sourceServer = (source: FillSource) =>
  'path' in source.endpoint
    ? { type: 'unix', path: source.endpoint.path }
    : { type: 'inet', host: source.endpoint.host, port: String(source.endpoint.port) };

/** Before any export. The overlay is made on the first call and kept until the pivot. */
export async function buildFill(context: VolumeContext, qmp: Qmp): Promise<void> {
  const { source, granularityBytes } = context.state;
  assert(source !== undefined, 'a volume that is filled has a source');
  await qmp.command('blockdev-add', {
    'node-name': NODES.source,
    driver: 'nbd',
    server: sourceServer(source),
    export: source.exportName,
    'read-only': true,
    'reconnect-delay': SOURCE_AWAY_SECONDS_MAX,
    'open-timeout': SOURCE_OPEN_SECONDS_MAX,
  });
  await qmp.command('blockdev-add', {
    'node-name': NODES.fillFile,
    driver: 'file',
    filename: context.paths.data,
    discard: 'unmap',
  });
  const fresh = (await context.world.files.size(context.paths.overlay)) === undefined;
  if (fresh) await createOverlay(context, qmp);
  // Whoever comes after a daemon that died does not know what the guest had written before.
  await context.save({ fillWritesKnown: fresh });
  await qmp.command('blockdev-add', {
    'node-name': NODES.overlay,
    driver: 'qcow2',
    discard: 'unmap',
    file: { driver: 'file', filename: context.paths.overlay },
    'data-file': NODES.fillFile,
    backing: NODES.source,
  });
  await addFillBitmap(qmp, BITMAPS.stream, granularityBytes);
  await addTop(qmp, NODES.overlay);
}

const addFillBitmap = (qmp: Qmp, name: string, granularity: number): Promise<unknown> =>
  qmp.command('block-dirty-bitmap-add', { node: NODES.overlay, name, granularity });

/** Complete under its own name or not there. */
async function createOverlay(context: VolumeContext, qmp: Qmp): Promise<void> {
  const { clock, disk, files } = context.world;
  const unfinished = `${context.paths.overlay}.new`;
  await disk.remove(unfinished);
  await files.createSparse(unfinished, 0);
  await qmp.command('blockdev-add', { 'node-name': NODES.copy, driver: 'file', filename: unfinished });
  await createImage(qmp, clock, {
    driver: 'qcow2',
    file: NODES.copy,
    'data-file': NODES.fillFile,
    'data-file-raw': false,
    'cluster-size': CLUSTER_BYTES,
    size: context.state.sizeBytes,
  });
  await dropNodes(qmp, [NODES.copy]);
  await files.sync(unfinished);
  await files.rename(unfinished, context.paths.overlay);
  await files.sync(context.paths.dir);
}

/** Steps 1 and 2, hours perhaps: everything else goes on meanwhile. A job that runs already is waited for. */
export async function streamAndRepair(context: VolumeContext, qmp: Qmp): Promise<void> {
  const { clock } = context.world;
  await resetToStream(context, qmp);
  if (!(await findJob(qmp, JOBS.stream)))
    await qmp.command('block-stream', { 'job-id': JOBS.stream, device: NODES.overlay, 'auto-dismiss': false });
  await endOfJob(qmp, clock, JOBS.stream);
  if (context.state.fillWritesKnown === true) {
    await splitBitmaps(context, qmp);
    await addRepairTarget(context, qmp);
    await repair(context, qmp, BITMAPS.stream);
  } else {
    // Not the repair's job: it would write out every hole.
    await startMirror(context, qmp, 'top');
    await readyJob(qmp, clock, JOBS.pivot);
  }
}

/** Whatever of 2 and 3 was begun is undone. The bitmaps record again before the mirror goes: no write is in neither. */
async function resetToStream(context: VolumeContext, qmp: Qmp): Promise<void> {
  const { clock } = context.world;
  await dropJob(qmp, clock, JOBS.repair);
  for (const name of (await bitmapsOf(qmp, NODES.overlay)).keys())
    await qmp.command('block-dirty-bitmap-enable', { node: NODES.overlay, name });
  await dropJob(qmp, clock, JOBS.pivot);
  await dropNodes(qmp, [NODES.disk]);
}

/** From here the second bitmap records; the first has all from before, also what a failed attempt had in the second. */
async function splitBitmaps(context: VolumeContext, qmp: Qmp): Promise<void> {
  const node = NODES.overlay;
  const again = (await bitmapsOf(qmp, node)).has(BITMAPS.repair);
  if (!again) await addFillBitmap(qmp, BITMAPS.repair, context.state.granularityBytes);
  await qmp.command('block-dirty-bitmap-disable', { node, name: BITMAPS.stream });
  if (again) await qmp.command('block-dirty-bitmap-merge', { node, target: BITMAPS.stream, bitmaps: [BITMAPS.repair] });
}

/** A second view of the same file; its locks would shut it out of what its twin holds. */
async function addRepairTarget(context: VolumeContext, qmp: Qmp): Promise<void> {
  if ((await nodeNames(qmp)).has(NODES.repair)) return;
  await qmp.command('blockdev-add', {
    'node-name': NODES.repair,
    driver: 'raw',
    discard: 'unmap',
    file: { driver: 'file', filename: context.paths.data, discard: 'unmap', locking: 'off' },
  });
}

/** Each area is read and written once; a guest's write to it waits for that, so nothing newer is lost. */
async function repair(context: VolumeContext, qmp: Qmp, bitmap: string): Promise<void> {
  await qmp.command('blockdev-backup', {
    'job-id': JOBS.repair,
    device: NODES.overlay,
    target: NODES.repair,
    'auto-dismiss': false,
    sync: 'bitmap',
    bitmap,
    'bitmap-mode': 'never',
  });
  await endOfJob(qmp, context.world.clock, JOBS.repair);
}

/** From its start each write is in both views when it is answered. `top` (all there is above the source): copies it as well. */
async function startMirror(context: VolumeContext, qmp: Qmp, sync: 'none' | 'top'): Promise<void> {
  await addDisk(qmp, context.paths.data, { locking: 'off' });
  await qmp.command('blockdev-mirror', {
    'job-id': JOBS.pivot,
    'filter-node-name': NODES.pivot,
    device: NODES.top,
    target: NODES.disk,
    replaces: NODES.overlay,
    sync,
    'copy-mode': 'write-blocking',
    'auto-dismiss': false,
  });
}

/** Step 3. A failure leaves step 1's graph. */
export async function pivot(context: VolumeContext, qmp: Qmp): Promise<void> {
  const { clock, files } = context.world;
  try {
    if (context.state.fillWritesKnown === true) {
      await startMirror(context, qmp, 'none');
      await readyJob(qmp, clock, JOBS.pivot);
      await qmp.command('block-dirty-bitmap-disable', { node: NODES.overlay, name: BITMAPS.repair });
      await repair(context, qmp, BITMAPS.repair);
    }
    await files.sync(context.paths.data);
  } catch (error) {
    await resetToStream(context, qmp);
    throw error;
  }
  // Both views are equal and stay so until the mirror ends: from here the raw file alone is the volume.
  await context.save({ phase: 'ready', source: undefined });
  await finishPivot(context, qmp);
}

/** Also of a pivot that an earlier agent decided on and did not finish. */
export async function finishPivot(context: VolumeContext, qmp: Qmp): Promise<void> {
  const { clock, disk } = context.world;
  const job = await findJob(qmp, JOBS.pivot);
  if (job && job.status !== 'concluded') await qmp.command('job-complete', { id: JOBS.pivot });
  if (job) await endOfJob(qmp, clock, JOBS.pivot);
  await dropNodes(qmp, [NODES.repair, NODES.overlay, NODES.source, NODES.fillFile]);
  await disk.remove(context.paths.overlay);
}

export const fillProgress = (qmp: Qmp): Promise<JobInfo | undefined> => findJob(qmp, JOBS.stream);
