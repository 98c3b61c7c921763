/** All kinds of task that Cinder's controller works at. */
import type { AnyTaskKind } from '../../../control/tasks/contract.ts';
import type { Cinder } from '../cinder.ts';
import { createBackupKind, deleteBackupKind } from './backup.ts';
import { extendKind, limitsKind, retypeKind } from './change-volume.ts';
import { connectKind, disconnectKind } from './connect.ts';
import { createVolumeKind } from './create-volume.ts';
import { deleteSnapshotKind } from './delete-snapshot.ts';
import { deleteVolumeKind } from './delete-volume.ts';
import { groupKinds } from './group.ts';
import { migrateKind } from './migrate.ts';
import { restoreKind } from './restore.ts';
import { createSnapshotKind, revertKind } from './snapshot.ts';
import { transferKind } from './transfer.ts';

export function cinderKinds(cinder: Cinder): AnyTaskKind[] {
  const single = [
    ...[createVolumeKind, deleteVolumeKind, connectKind, disconnectKind, extendKind, retypeKind, limitsKind],
    ...[createSnapshotKind, deleteSnapshotKind, revertKind, createBackupKind, deleteBackupKind, restoreKind],
    ...[migrateKind, transferKind],
  ].map((make) => make(cinder));
  return [...single, ...groupKinds(cinder)];
}
