/** A snapshot that is asked for: its row, what it costs, and the task that takes it, in one transaction. */
import type { WriteTx } from '../../../control/contract.ts';
import type { Call } from '../../../control/service/types.ts';
import { oneOf } from '../api/shared.ts';
import { type Cinder, newId, startTask } from '../cinder.ts';
import { invalidVolume } from '../refusals.ts';
import { type SnapshotRow, snapshots, type VolumeRow, type Words } from '../tables.ts';
import { CREATE_SNAPSHOT } from '../tasks/snapshot.ts';
import { snapshotAmounts } from './quota-amounts.ts';
import { typeName } from './types.ts';

export interface NewSnapshot {
  readonly call: Call;
  readonly volume: VolumeRow;
  /** Statuses of the volume. */
  readonly allowed: readonly string[];
  readonly name: string | null;
  readonly description: string | null;
  readonly metadata: Words;
  readonly groupSnapshotId?: string;
}

export async function putSnapshot(cinder: Cinder, tx: WriteTx, asked: NewSnapshot): Promise<SnapshotRow> {
  const { call, volume, allowed, name, description, metadata, groupSnapshotId } = asked;
  const { host, sizeGb, typeId, status, lineage, projectId } = volume;
  if (!allowed.includes(status) || host === undefined)
    throw invalidVolume(`Volume ${volume.id} status must be ${oneOf(allowed)}, but current status is: ${status}.`);
  const id = newId(cinder);
  await cinder.quotas.take(tx, projectId, snapshotAmounts(sizeGb, await typeName(tx, typeId)));
  startTask(cinder, tx, { kind: CREATE_SNAPSHOT, input: { snapshotId: id }, resource: `snapshot/${id}`, call });
  return snapshots.put(tx, {
    ...{ id, projectId, userId: call.credentials.userId, groupSnapshotId },
    ...{ volumeId: volume.id, name, description, sizeGb, status: 'creating', progress: '0%', host, typeId, lineage },
    ...{ createdAtMs: cinder.clock.nowMs(), metadata },
  });
}
