/** A snapshot goes out of the object store: at once, or with the last volume that is still filled from it. */
import type { WriteTx } from '../../../control/contract.ts';
import type { StepContext } from '../../../control/tasks/contract.ts';
import type { SnapshotPlace } from '../../volumes/contract.ts';
import type { Cinder } from '../cinder.ts';
import { taskMessage } from '../model/messages.ts';
import { snapshotAmounts } from '../model/quota-amounts.ts';
import { snapshots, types, volumes } from '../tables.ts';
import { change, kind, row } from './kind.ts';
import { isBusy, isGone, Patience } from './patience.ts';

export interface SnapshotInput {
  readonly snapshotId: string;
}

export const DELETE_SNAPSHOT = 'cinder.delete-snapshot';

export function deleteSnapshotKind(cinder: Cinder) {
  return kind<SnapshotInput>(cinder, {
    name: DELETE_SNAPSHOT,
    steps: [
      {
        name: 'drop',
        async run(step) {
          const snapshot = await row(step, snapshots, step.task.input.snapshotId);
          if (snapshot) await dropSnapshot(cinder, step, { ...snapshot, snapshot: snapshot.id });
        },
      },
    ],
    async settle(tx, { task, ending, error }) {
      const { snapshotId } = task.input;
      if (ending === 'done') return removeSnapshotRow(cinder, tx, snapshotId);
      const snapshot = await change(cinder, tx, snapshots, { id: snapshotId, status: 'error_deleting' });
      if (snapshot) await taskMessage(tx, cinder, { event: 'snapshotDelete', row: snapshot }, { task, error });
    },
  });
}

/** Of a snapshot or backup, wherever it stands: being taken, failed, stored, gone. */
export async function dropSnapshot(
  cinder: Cinder,
  step: Pick<StepContext, 'signal' | 'progress' | 'read'>,
  { host, lineage, snapshot }: SnapshotPlace & { readonly host: string },
): Promise<void> {
  const patience = new Patience(cinder, step);
  const place = { lineage, snapshot };
  await untilUnneeded(cinder, step, { host, snapshot });
  // Any host can delete what is stored; one that is gone for good keeps nothing alive.
  const by = cinder.hosts.has(host) ? host : (cinder.hosts.names[0] ?? host);
  try {
    await patience.call(by, 'deleteSnapshot', place);
  } catch (error) {
    if (isGone(error)) return;
    if (!isBusy(error)) throw error;
    await cancelTaken(patience, by, place);
  }
}

async function cancelTaken(patience: Patience, host: string, place: SnapshotPlace): Promise<void> {
  for (const method of ['cancelSnapshot', 'deleteSnapshot'] as const) {
    try {
      await patience.call(host, method, place);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}

/** Its own host knows which of its volumes are filled from it; those of other hosts are asked here. */
async function untilUnneeded(
  cinder: Cinder,
  step: Pick<StepContext, 'signal' | 'progress' | 'read'>,
  { host, snapshot }: { readonly host: string; readonly snapshot: string },
): Promise<void> {
  const patience = new Patience(cinder, step);
  const users = await step.read(async (tx) => [
    ...(await volumes.by(tx, 'snapshot', snapshot)),
    ...(await volumes.by(tx, 'backup', snapshot)),
  ]);
  for (const one of users) {
    if (one.host === undefined || one.host === host || !cinder.hosts.has(one.host) || one.status === 'error') continue;
    try {
      await patience.filled(one.host, one.id);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}

export async function removeSnapshotRow({ quotas }: Cinder, tx: WriteTx, id: string): Promise<void> {
  const snapshot = await snapshots.get(tx, id);
  if (snapshot === undefined) return;
  const type = await types.get(tx, snapshot.typeId);
  await quotas.take(tx, snapshot.projectId, snapshotAmounts(snapshot.sizeGb, type?.name ?? snapshot.typeId, -1));
  await snapshots.remove(tx, id);
}
