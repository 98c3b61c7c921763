/** A volume goes: its snapshots where asked for, then its files, then its row, with all that it cost. */
import type { WriteTx } from '../../../control/contract.ts';
import type { Cinder } from '../cinder.ts';
import { taskMessage } from '../model/messages.ts';
import { volumeAmounts } from '../model/quota-amounts.ts';
import { allocate } from '../model/scheduler.ts';
import { attachments, connections, snapshots, transfers, types, type VolumeRow, volumes } from '../tables.ts';
import { dropSnapshot, removeSnapshotRow } from './delete-snapshot.ts';
import { change, kind, row } from './kind.ts';
import { isGone, Patience } from './patience.ts';

export interface DeleteInput {
  readonly volumeId: string;
  readonly force: boolean;
  readonly cascade: boolean;
}

export const DELETE_VOLUME = 'cinder.delete-volume';

export function deleteVolumeKind(cinder: Cinder) {
  return kind<DeleteInput>(cinder, {
    name: DELETE_VOLUME,
    steps: [
      {
        name: 'snapshots',
        async run(step) {
          const { volumeId, cascade } = step.task.input;
          if (!cascade) return;
          for (const one of await step.read((tx) => snapshots.by(tx, 'volume', volumeId))) {
            await dropSnapshot(cinder, step, { ...one, snapshot: one.id });
            await step.write((tx) => removeSnapshotRow(cinder, tx, one.id));
          }
        },
      },
      {
        name: 'files',
        async run(step) {
          const { volumeId, force } = step.task.input;
          const volume = await row(step, volumes, volumeId);
          if (volume?.host !== undefined && !(force && !cinder.hosts.has(volume.host)))
            await dropFiles(new Patience(cinder, step), { host: volume.host, id: volumeId, force });
        },
      },
    ],
    async settle(tx, { task, ending, error }) {
      const { volumeId } = task.input;
      if (ending === 'done') return removeVolumeRow(cinder, tx, volumeId);
      const volume = await change(cinder, tx, volumes, { id: volumeId, status: 'error_deleting' });
      if (volume) await taskMessage(tx, cinder, { event: 'delete', row: volume }, { task, error });
    },
  });
}

/** Waits for copies that are being made of it, unless it is forced. */
export async function dropFiles(
  patience: Patience,
  { host, id, force }: { readonly host: string; readonly id: string; readonly force: boolean },
): Promise<void> {
  try {
    const { attachments: open } = await patience.call(host, 'volume', { id });
    for (const { attachmentId } of open) await patience.call(host, 'detachVolume', { id, attachment: attachmentId });
  } catch (error) {
    if (isGone(error)) return;
    throw error;
  }
  await patience.call(host, 'deleteVolume', { id, force }, { throughBusy: true });
}

export async function removeVolumeRow(cinder: Cinder, tx: WriteTx, volumeId: string): Promise<void> {
  const volume = await volumes.get(tx, volumeId);
  if (volume === undefined) return;
  await giveBack(cinder, tx, volume);
  for (const rows of [attachments, connections, transfers])
    for (const { id } of await rows.by(tx, 'volume', volumeId)) await rows.remove(tx, id);
  await volumes.remove(tx, volumeId);
}

async function giveBack(
  { quotas }: Cinder,
  tx: WriteTx,
  { projectId, sizeGb, typeId, host }: VolumeRow,
): Promise<void> {
  const type = await types.get(tx, typeId);
  await quotas.take(tx, projectId, volumeAmounts(sizeGb, type?.name ?? typeId, -1));
  if (host !== undefined) await allocate(tx, host, -sizeGb);
}
