/**
 * From a fresh or found daemon to one that serves what the volume's state says. The node `top` is added last of all nodes: a
 * daemon that has it was built to the end. Exports come after it, so no guest writes before the bitmaps are right.
 */
import { loadBase } from './bitmap-store.ts';
import { engineFaults } from './contract.ts';
import { showExports, syncExports } from './exports.ts';
import { buildFill, finishPivot } from './fill.ts';
import { addDisk, addLimits, addTop, dropCreation, NODES, nodeNames } from './graph.ts';
import type { Qmp } from './qmp.ts';
import { CLONE_PREFIX, closeSnapshot, dropReserveFile } from './snapshot.ts';
import type { VolumeContext } from './volume-context.ts';

export const isBuilt = async (qmp: Qmp): Promise<boolean> => (await nodeNames(qmp)).has(NODES.top);

/** Sparse, durable with its directory entry before the state says that it is there. */
export async function makeFiles(context: VolumeContext): Promise<void> {
  const { files } = context.world;
  const { data, dir } = context.paths;
  if (context.state.phase !== 'lazy') return;
  if ((await files.size(data)) === undefined) await files.createSparse(data, context.state.sizeBytes);
  await files.sync(dir);
  await context.save({ phase: 'ready' });
}

export async function buildFresh(context: VolumeContext, qmp: Qmp): Promise<void> {
  const { state, paths } = context;
  await forgetSnapshot(context);
  await qmp.command('nbd-server-start', { addr: { type: 'unix', data: { path: paths.nbdSocketHidden } } });
  await addLimits(qmp, state.limits);
  if (state.phase === 'filling') {
    await buildFill(context, qmp);
  } else {
    // A pivot was decided and the daemon died before it gave the overlay up.
    await context.world.disk.remove(paths.overlay);
    await noticeGrowth(context);
    await addDisk(qmp, paths.data);
    await loadBase(context, qmp);
    await addTop(qmp, NODES.disk);
  }
  await syncExports(context, qmp);
  await showExports(context);
}

/** The moment of an open snapshot died with the daemon. One that was being ended has ended. */
async function forgetSnapshot(context: VolumeContext): Promise<void> {
  const { snapshot } = context.state;
  await dropReserveFile(context);
  if (!snapshot || snapshot.step === 'failed') return;
  const clone = snapshot.snapshotId.startsWith(CLONE_PREFIX);
  if (snapshot.step !== 'open' || clone) {
    await context.save({ snapshot: undefined });
    return;
  }
  const failure = engineFaults.snapshotLost;
  await context.save({ snapshot: { ...snapshot, step: 'failed', failure } });
  context.emit({ type: 'snapshot-failed', id: context.state.id, snapshotId: snapshot.snapshotId, failure });
}

/** A resize that reached the file but not the state. */
async function noticeGrowth(context: VolumeContext): Promise<void> {
  const found = await context.world.files.size(context.paths.data);
  if (found && found.bytes > context.state.sizeBytes) await context.save({ sizeBytes: found.bytes });
}

/** What an earlier agent left half-done in a daemon that lived on. */
export async function settleFound(context: VolumeContext, qmp: Qmp): Promise<void> {
  const { snapshot, phase } = context.state;
  await dropCreation(qmp, context.world.clock);
  const unfinished = snapshot?.step === 'opening' || snapshot?.step === 'closing';
  const orphan = snapshot?.step === 'open' && snapshot.snapshotId.startsWith(CLONE_PREFIX);
  if (unfinished || orphan) await closeSnapshot(context, qmp, false);
  if (phase === 'ready' && (await nodeNames(qmp)).has(NODES.overlay)) await finishPivot(context, qmp);
  await syncExports(context, qmp);
  await showExports(context);
}
