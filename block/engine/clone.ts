/**
 * A copy of a volume's file at one moment: by shared blocks where the file system can, otherwise read from a snapshot by a job
 * of the volume's own daemon, holes left holes. The target is a volume only when its state file is written, at the very end.
 */
import { createImage, dropNodes, endOfJob, NODES } from './graph.ts';
import type { Qmp } from './qmp.ts';
import { CLONE_JOB } from './snapshot.ts';
import type { VolumeContext } from './volume-context.ts';

/** The guest's writes that were answered are in; as after a power cut, with nothing lost. */
export function tryReflink(context: VolumeContext, targetData: string): Promise<boolean> {
  return context.world.files.reflink(context.paths.data, targetData);
}

/** With a snapshot open; durable when it resolves. */
export async function copySnapshot(context: VolumeContext, qmp: Qmp, targetData: string): Promise<void> {
  const { clock, files, disk } = context.world;
  await disk.remove(targetData);
  await createImage(qmp, clock, { driver: 'file', filename: targetData, size: context.state.sizeBytes });
  await qmp.command('blockdev-add', {
    'node-name': NODES.copy,
    driver: 'raw',
    discard: 'unmap',
    file: { driver: 'file', filename: targetData, discard: 'unmap' },
  });
  try {
    await qmp.command('blockdev-backup', {
      'job-id': CLONE_JOB,
      device: NODES.past,
      target: NODES.copy,
      sync: 'full',
      'auto-dismiss': false,
    });
    await endOfJob(qmp, clock, CLONE_JOB);
  } finally {
    await dropNodes(qmp, [NODES.copy]);
  }
  await files.sync(targetData);
}
