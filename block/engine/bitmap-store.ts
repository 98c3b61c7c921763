/**
 * The base bitmap between two runs of a daemon. While it runs the bitmap lives in its memory, beside the plain raw file; an
 * orderly end merges it into a qcow2 that holds nothing else. The state file says whether that copy is complete, and unsays it
 * before the guest's first write: after a crash there is no bitmap, never a wrong one.
 */
import { isFault } from '../../fabric/errors.ts';
import { addBitmap } from './bitmaps.ts';
import { engineFaults } from './contract.ts';
import { bitmapsOf, createImage, dropNodes, NODES } from './graph.ts';
import type { Qmp } from './qmp.ts';
import type { VolumeContext } from './volume-context.ts';

/** The qcow2 holds one bitmap, under this name. */
const SAVED_NAME = 'saved';

const addBitmapFile = (qmp: Qmp, path: string): Promise<unknown> =>
  qmp.command('blockdev-add', {
    'node-name': NODES.bitmaps,
    driver: 'qcow2',
    file: { driver: 'file', filename: path },
  });

/** After the daemon's start, before any export: the base is in its memory, or the state says there is none. */
export async function loadBase(context: VolumeContext, qmp: Qmp): Promise<void> {
  const { base } = context.state;
  if (!base) return;
  const loaded = base.saved && (await tryLoad(context, qmp, base.bitmap));
  await context.save({ base: loaded ? { ...base, saved: false } : undefined });
  await context.world.disk.remove(context.paths.bitmaps);
}

async function tryLoad(context: VolumeContext, qmp: Qmp, bitmap: string): Promise<boolean> {
  try {
    await addBitmapFile(qmp, context.paths.bitmaps);
    await addBitmap(qmp, bitmap, context.state.granularityBytes);
    await qmp.command('block-dirty-bitmap-merge', {
      node: NODES.disk,
      target: bitmap,
      bitmaps: [{ node: NODES.bitmaps, name: SAVED_NAME }],
    });
    return true;
  } catch (error) {
    // Damaged or gone: the next snapshot reads everything.
    if (!isFault(error, engineFaults.refused)) throw error;
    if ((await bitmapsOf(qmp, NODES.disk)).has(bitmap))
      await qmp.command('block-dirty-bitmap-remove', { node: NODES.disk, name: bitmap });
    return false;
  } finally {
    await dropNodes(qmp, [NODES.bitmaps]);
  }
}

/** With no export left. The caller ends the daemon next and only then calls `markSaved`. */
export async function storeBase(context: VolumeContext, qmp: Qmp): Promise<void> {
  const { base, sizeBytes, granularityBytes } = context.state;
  if (!base) return;
  const { clock, disk } = context.world;
  const path = context.paths.bitmaps;
  await disk.remove(path);
  await createImage(qmp, clock, { driver: 'file', filename: path, size: 0 });
  const file = { 'node-name': NODES.copy, driver: 'file', filename: path };
  await qmp.command('blockdev-add', file);
  await createImage(qmp, clock, { driver: 'qcow2', file: NODES.copy, size: sizeBytes });
  await dropNodes(qmp, [NODES.copy]);
  await addBitmapFile(qmp, path);
  await qmp.command('block-dirty-bitmap-add', {
    node: NODES.bitmaps,
    name: SAVED_NAME,
    granularity: granularityBytes,
    persistent: true,
  });
  await qmp.command('block-dirty-bitmap-merge', {
    node: NODES.bitmaps,
    target: SAVED_NAME,
    bitmaps: [{ node: NODES.disk, name: base.bitmap }],
  });
  await dropNodes(qmp, [NODES.bitmaps]);
}

/** The daemon has ended in order and can write no more. */
export async function markSaved(context: VolumeContext): Promise<void> {
  const { base } = context.state;
  if (base) {
    await context.world.files.sync(context.paths.bitmaps);
    await context.world.files.sync(context.paths.dir);
  }
  await context.save({ wanted: false, base: base && { ...base, saved: true } });
}
