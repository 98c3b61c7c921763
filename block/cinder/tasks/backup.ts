/**
 * Backups: of a volume as it is, or of a snapshot by way of a volume that lives as long as the task; incremental ones share the
 * chunks of the volume's family, full ones share nothing. Each restores and goes alone.
 */
import type { WriteTx } from '../../../control/contract.ts';
import type { StepContext } from '../../../control/tasks/contract.ts';
import type { Cinder } from '../cinder.ts';
import { taskMessage } from '../model/messages.ts';
import { backupAmounts } from '../model/quota-amounts.ts';
import { statusByAttachments } from '../model/volume-status.ts';
import { type BackupRow, backups, snapshots, volumes } from '../tables.ts';
import { GIB } from './create-volume.ts';
import { dropSnapshot } from './delete-snapshot.ts';
import { dropFiles } from './delete-volume.ts';
import { change, kind, row } from './kind.ts';
import { forgetLeftovers } from './leftovers.ts';
import { Patience } from './patience.ts';
import { take } from './snapshot.ts';

export interface BackupInput {
  readonly backupId: string;
}

export const CREATE_BACKUP = 'cinder.create-backup';
export const DELETE_BACKUP = 'cinder.delete-backup';

export function createBackupKind(cinder: Cinder) {
  return kind<BackupInput>(cinder, {
    name: CREATE_BACKUP,
    steps: [
      { name: 'stage', run: (step) => stage(cinder, step) },
      {
        name: 'take',
        async run(step) {
          const backup = await row(step, backups, step.task.input.backupId);
          if (backup) await takeBackup(cinder, step, backup);
        },
      },
      { name: 'unstage', run: (step) => unstage(cinder, step) },
    ],
    cleanup: (step) => unstage(cinder, step),
    async settle(tx, { task, ending, error }) {
      const done = ending === 'done';
      if (done) await forgetLeftovers(tx, task.id);
      const changes = done ? { status: 'available' } : { status: 'error', failReason: error?.message };
      const backup = await change(cinder, tx, backups, { id: task.input.backupId, ...changes });
      if (backup === undefined) return;
      if (backup.snapshotId !== undefined)
        await change(cinder, tx, snapshots, { id: backup.snapshotId, status: 'available' });
      else await back(cinder, tx, backup.volumeId);
      if (!done) await taskMessage(tx, cinder, { event: 'backupCreate', row: backup }, { task, error });
    },
  });
}

async function back(cinder: Cinder, tx: WriteTx, volumeId: string): Promise<void> {
  const volume = await volumes.get(tx, volumeId);
  if (volume?.status === 'backing-up')
    await change(cinder, tx, volumes, { id: volumeId, status: await statusByAttachments(tx, volumeId) });
}

/** A volume of the snapshot, under the backup's own id. */
async function stage(cinder: Cinder, step: StepContext<BackupInput>): Promise<void> {
  const backup = await row(step, backups, step.task.input.backupId);
  const snapshot = backup?.snapshotId === undefined ? undefined : await row(step, snapshots, backup.snapshotId);
  if (backup === undefined || snapshot === undefined) return;
  const { id, host } = backup;
  const { lineage } = snapshot;
  const source = { snapshot: { lineage, snapshot: snapshot.id } };
  const patience = new Patience(cinder, step);
  const asked = { id, name: 'backup', sizeBytes: snapshot.sizeGb * GIB, lineage, source };
  await patience.call(host, 'createVolume', asked, { throughBusy: true });
  await patience.filled(host, id);
}

async function takeBackup(cinder: Cinder, step: StepContext<BackupInput>, backup: BackupRow): Promise<void> {
  const { id, host, volumeId, snapshotId, name, isIncremental, lineage } = backup;
  const volume = snapshotId === undefined ? volumeId : id;
  const asked = { volume, snapshot: id, name: name ?? '', kind: 'backup', alone: !isIncremental } as const;
  await take(cinder, step, { host, lineage, asked: { ...asked, labels: { project: backup.projectId } } });
}

async function unstage(cinder: Cinder, step: StepContext<BackupInput>): Promise<void> {
  const backup = await row(step, backups, step.task.input.backupId);
  if (backup?.snapshotId === undefined) return;
  await dropFiles(new Patience(cinder, step), { host: backup.host, id: backup.id, force: true });
}

export function deleteBackupKind(cinder: Cinder) {
  return kind<BackupInput>(cinder, {
    name: DELETE_BACKUP,
    steps: [
      {
        name: 'drop',
        async run(step) {
          const backup = await row(step, backups, step.task.input.backupId);
          if (backup) await dropSnapshot(cinder, step, { ...backup, snapshot: backup.id });
        },
      },
    ],
    async settle(tx, { task, ending, error }) {
      const { backupId: id } = task.input;
      const backup = await backups.get(tx, id);
      if (backup === undefined) return;
      if (ending === 'done') {
        await cinder.quotas.take(tx, backup.projectId, backupAmounts(backup.sizeGb, -1));
        return backups.remove(tx, id);
      }
      await change(cinder, tx, backups, { id, status: 'error_deleting', failReason: error?.message });
      await taskMessage(tx, cinder, { event: 'backupDelete', row: backup }, { task, error });
    },
  });
}
