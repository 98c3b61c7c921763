/** What a volume, snapshot or backup costs of its project's quotas, by Cinder's names; a type's own count as well. */
import type { Amounts } from '../../../control/quota.ts';

export const TYPED = /^(?:volumes|gigabytes|snapshots)_.+$/;

export function volumeAmounts(sizeGb: number, typeName: string, sign: 1 | -1 = 1): Amounts {
  return {
    volumes: sign,
    gigabytes: sign * sizeGb,
    [`volumes_${typeName}`]: sign,
    [`gigabytes_${typeName}`]: sign * sizeGb,
  };
}

export function growthAmounts(moreGb: number, typeName: string): Amounts {
  return { gigabytes: moreGb, [`gigabytes_${typeName}`]: moreGb };
}

export function snapshotAmounts(sizeGb: number, typeName: string, sign: 1 | -1 = 1): Amounts {
  return {
    snapshots: sign,
    gigabytes: sign * sizeGb,
    [`snapshots_${typeName}`]: sign,
    [`gigabytes_${typeName}`]: sign * sizeGb,
  };
}

export function backupAmounts(sizeGb: number, sign: 1 | -1 = 1): Amounts {
  return { backups: sign, backup_gigabytes: sign * sizeGb };
}
