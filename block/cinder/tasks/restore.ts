/** A backup becomes a volume's bytes again: of a new volume, or of one that is there. It serves at once and is filled behind. */
import type { StepContext } from '../../../control/tasks/contract.ts';
import type { Cinder } from '../cinder.ts';
import { limitsOf } from '../model/limits.ts';
import { taskMessage } from '../model/messages.ts';
import { backups, volumes } from '../tables.ts';
import { GIB } from './create-volume.ts';
import { change, kind, row } from './kind.ts';
import { Patience } from './patience.ts';

export const RESTORE_BACKUP = 'cinder.restore-backup';

export interface RestoreInput {
  readonly backupId: string;
  readonly volumeId: string;
  /** The volume is made by this restore. */
  readonly isNew: boolean;
}

export function restoreKind(cinder: Cinder) {
  return kind<RestoreInput>(cinder, {
    name: RESTORE_BACKUP,
    steps: [{ name: 'restore', run: (step) => restore(cinder, step) }],
    async settle(tx, { task, ending, error }) {
      const { backupId, volumeId } = task.input;
      const done = ending === 'done';
      await change(cinder, tx, backups, { id: backupId, status: 'available' });
      const volume = await change(cinder, tx, volumes, {
        id: volumeId,
        status: done ? 'available' : 'error_restoring',
      });
      const backup = await backups.get(tx, backupId);
      if (!done && volume && backup)
        await taskMessage(tx, cinder, { event: 'backupRestore', row: backup }, { task, error });
    },
  });
}

async function restore(cinder: Cinder, step: StepContext<RestoreInput>): Promise<void> {
  const { backupId, volumeId, isNew } = step.task.input;
  const backup = await row(step, backups, backupId);
  const volume = await row(step, volumes, volumeId);
  if (backup === undefined || volume?.host === undefined) return;
  const place = { lineage: backup.lineage, snapshot: backupId };
  const patience = new Patience(cinder, step);
  const { host, sizeGb, name, lineage } = volume;
  if (isNew) {
    const limits = await step.read((tx) => limitsOf(tx, volume));
    const asked = {
      id: volumeId,
      name: name ?? '',
      sizeBytes: sizeGb * GIB,
      lineage,
      limits,
      source: { snapshot: place },
    };
    await patience.call(host, 'createVolume', asked, { throughBusy: true });
    await patience.made(host, volumeId);
  } else await patience.call(host, 'revertVolume', { id: volumeId, snapshot: place }, { throughBusy: true });
}
