/** A volume's status out of its attachments, once nothing else is under way. */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import type { Cinder } from '../cinder.ts';
import { attachments, type VolumeRow, volumes } from '../tables.ts';

/** The first that any attachment has, decides. */
const ORDER = [
  ['attached', 'in-use'],
  ['attaching', 'attaching'],
  ['detaching', 'detaching'],
  ['reserved', 'reserved'],
] as const;

/** Statuses that attachments make; all else is a task's. */
export const ATTACH_STATUSES: readonly string[] = ['available', ...ORDER.map(([, status]) => status)];

export async function statusByAttachments(tx: ReadTx, volumeId: string): Promise<string> {
  const all = await attachments.by(tx, 'volume', volumeId);
  return ORDER.find(([one]) => all.some(({ status }) => status === one))?.[1] ?? 'available';
}

/** Nothing happens to one that a task has in hand. */
export async function followAttachments(
  { clock }: Cinder,
  tx: WriteTx,
  volumeId: string,
): Promise<VolumeRow | undefined> {
  const volume = await volumes.get(tx, volumeId);
  if (volume === undefined || !ATTACH_STATUSES.includes(volume.status)) return volume;
  const status = await statusByAttachments(tx, volumeId);
  return volumes.put(tx, { ...volume, status, updatedAtMs: clock.nowMs() });
}
