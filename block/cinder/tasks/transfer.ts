/**
 * A volume changes hands: first its host begins a new lineage for what is to come, then rows, quotas and ownership change in one
 * transaction. So no snapshot of the new owner ever shares chunks with the old owner's later ones.
 */
import type { WriteTx } from '../../../control/contract.ts';
import type { Cinder } from '../cinder.ts';
import { snapshotAmounts, volumeAmounts } from '../model/quota-amounts.ts';
import { typeName } from '../model/types.ts';
import { LINEAGES, snapshots, type TransferRow, transfers, type VolumeRow, volumes } from '../tables.ts';
import { change, kind, row } from './kind.ts';
import { Patience } from './patience.ts';

export const ACCEPT_TRANSFER = 'cinder.accept-transfer';

export interface TransferInput {
  readonly transferId: string;
  readonly volumeId: string;
  readonly toProject: string;
  readonly toUser: string;
  readonly lineage: string;
}

export function transferKind(cinder: Cinder) {
  return kind<TransferInput>(cinder, {
    name: ACCEPT_TRANSFER,
    steps: [
      {
        name: 'lineage',
        async run(step) {
          const { volumeId, lineage } = step.task.input;
          const volume = await row(step, volumes, volumeId);
          if (volume?.host === undefined) return;
          const asked = { id: volumeId, lineage };
          await new Patience(cinder, step).call(volume.host, 'moveVolume', asked, { throughBusy: true });
        },
      },
      { name: 'owner', run: async ({ task }) => ({ commit: (tx) => changeHands(cinder, tx, task.input) }) },
    ],
    async settle(tx, { task, ending }) {
      if (ending === 'done') return;
      // The row's lineage stays the old one; its host is told so with the next snapshot.
      const transfer = await transfers.get(tx, task.input.transferId);
      if (transfer) await transfers.put(tx, { ...transfer, accepted: false, destinationProjectId: undefined });
    },
  });
}

async function changeHands(cinder: Cinder, tx: WriteTx, input: TransferInput): Promise<void> {
  const { transferId, volumeId, toProject, toUser, lineage } = input;
  const volume = await volumes.get(tx, volumeId);
  const transfer = await transfers.get(tx, transferId);
  if (volume === undefined || transfer === undefined) return;
  tx.put(LINEAGES, lineage, { projectId: toProject });
  await moveQuota(cinder, tx, { volume, transfer, toProject });
  await change(cinder, tx, volumes, {
    id: volumeId,
    projectId: toProject,
    userId: toUser,
    lineage,
    status: 'available',
  });
  if (!transfer.noSnapshots)
    for (const { id } of await snapshots.by(tx, 'volume', volumeId))
      await change(cinder, tx, snapshots, { id, projectId: toProject, userId: toUser });
  await transfers.remove(tx, transferId);
}

async function moveQuota(
  { quotas }: Cinder,
  tx: WriteTx,
  { volume, transfer, toProject }: { volume: VolumeRow; transfer: TransferRow; toProject: string },
): Promise<void> {
  const name = await typeName(tx, volume.typeId);
  await quotas.take(tx, toProject, volumeAmounts(volume.sizeGb, name));
  await quotas.take(tx, volume.projectId, volumeAmounts(volume.sizeGb, name, -1));
  if (transfer.noSnapshots) return;
  for (const one of await snapshots.by(tx, 'volume', volume.id)) {
    const own = await typeName(tx, one.typeId);
    await quotas.take(tx, toProject, snapshotAmounts(one.sizeGb, own));
    await quotas.take(tx, one.projectId, snapshotAmounts(one.sizeGb, own, -1));
  }
}
