/** How large a volume of a project may be. */
import type { ReadTx } from '../../../control/contract.ts';
import { apiFaults } from '../../../control/service/faults.ts';
import { Fault } from '../../../fabric/errors.ts';
import { VOLUME_BYTES_MAX } from '../../volumes/contract.ts';
import type { Cinder } from '../cinder.ts';
import { invalidInput } from '../refusals.ts';

const GIB = 2 ** 30;
export const SIZE_GB_MAX = Math.floor(VOLUME_BYTES_MAX / GIB);

export async function checkSize({ quotas }: Cinder, tx: ReadTx, projectId: string, sizeGb: number): Promise<void> {
  if (!Number.isSafeInteger(sizeGb) || sizeGb < 1)
    throw invalidInput(`Volume size '${sizeGb}' must be an integer and greater than 0.`);
  if (sizeGb > SIZE_GB_MAX)
    throw invalidInput(`Volume size ${sizeGb}GB is above the most a volume can have, ${SIZE_GB_MAX}GB.`);
  const limit = (await quotas.show(tx, projectId))['per_volume_gigabytes']?.limit ?? -1;
  if (limit === -1 || sizeGb <= limit) return;
  const message = `VolumeSizeExceedsLimit: Requested volume size ${sizeGb}G is larger than maximum allowed limit ${limit}G.`;
  throw new Fault(apiFaults.overQuota, { resource: 'per_volume_gigabytes', limit, used: 0, asked: sizeGb }, message);
}
