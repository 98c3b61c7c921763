/** Dirty bitmaps of the volume's disk, in the daemon's memory. Each step may be done again after a crash half-way. */
import { bitmapsOf, NODES } from './graph.ts';
import type { Qmp } from './qmp.ts';

export async function addBitmap(qmp: Qmp, name: string, granularityBytes: number): Promise<void> {
  await qmp.command('block-dirty-bitmap-add', { node: NODES.disk, name, granularity: granularityBytes });
}

export async function disableBitmap(qmp: Qmp, name: string): Promise<void> {
  await qmp.command('block-dirty-bitmap-disable', { node: NODES.disk, name });
}

export async function removeBitmap(qmp: Qmp, name: string): Promise<void> {
  if ((await bitmapsOf(qmp, NODES.disk)).has(name))
    await qmp.command('block-dirty-bitmap-remove', { node: NODES.disk, name });
}

/**
 * One bitmap with what either knows, and which one it is. `newer` may not have been made yet; `older` may be merged and
 * removed already.
 */
export async function joinBitmaps(qmp: Qmp, older: string, newer: string): Promise<string> {
  const there = await bitmapsOf(qmp, NODES.disk);
  if (!there.has(newer)) {
    await qmp.command('block-dirty-bitmap-enable', { node: NODES.disk, name: older });
    return older;
  }
  if (there.has(older)) {
    await qmp.command('block-dirty-bitmap-merge', { node: NODES.disk, target: newer, bitmaps: [older] });
    await qmp.command('block-dirty-bitmap-remove', { node: NODES.disk, name: older });
  }
  return newer;
}
