/** All kinds of task that Cinder's controller works at. */
import type { AnyTaskKind } from '../../../control/tasks/contract.ts';
import type { Cinder } from '../cinder.ts';
import { connectKind, disconnectKind } from './connect.ts';
import { createVolumeKind } from './create-volume.ts';
import { deleteSnapshotKind } from './delete-snapshot.ts';
import { deleteVolumeKind } from './delete-volume.ts';

export function cinderKinds(cinder: Cinder): AnyTaskKind[] {
  return [createVolumeKind, deleteVolumeKind, deleteSnapshotKind, connectKind, disconnectKind].map((make) =>
    make(cinder),
  );
}
