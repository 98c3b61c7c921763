/** Limits of a volume out of the QoS specs of its type. */
import type { ReadTx } from '../../../control/contract.ts';
import type { VolumeLimits } from '../../volumes/contract.ts';
import { NO_LIMITS, qosSpecs, types, type Words } from '../tables.ts';

/** Names of specs that the engine carries out, and per GiB where Cinder has such a one. */
const NAMES = {
  total_iops_sec: 'iopsTotal',
  read_iops_sec: 'iopsRead',
  write_iops_sec: 'iopsWrite',
  total_bytes_sec: 'bytesTotal',
  read_bytes_sec: 'bytesRead',
  write_bytes_sec: 'bytesWrite',
} as const;

export function limitsOfSpecs(specs: Words, sizeGb: number): VolumeLimits {
  const limits: Record<string, number> = {};
  for (const [name, field] of Object.entries(NAMES)) {
    const fixed = whole(specs[name]);
    const perGb = whole(specs[`${name}_per_gb`]);
    const least = whole(specs[`${name}_per_gb_min`]) ?? 0;
    const value = fixed ?? (perGb === undefined ? undefined : Math.max(perGb * sizeGb, least));
    if (value !== undefined && value > 0) limits[field] = value;
  }
  return limits;
}

function whole(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

export async function limitsOf(
  tx: ReadTx,
  { typeId, sizeGb }: { typeId: string; sizeGb: number },
): Promise<VolumeLimits> {
  const type = await types.get(tx, typeId);
  const qos = type?.qosId === undefined ? undefined : await qosSpecs.get(tx, type.qosId);
  return qos ? limitsOfSpecs(qos.specs, sizeGb) : NO_LIMITS;
}
