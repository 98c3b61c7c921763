/**
 * Which host a new volume goes to: filters, then the most free room. A volume is a file on its host, so the host is bound here,
 * when the row is made, though the file itself comes with the first attachment. What is promised is counted in the same
 * transaction as the volume's row: two creations at once never share the last gigabyte.
 */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import type { CinderSettings } from '../settings.ts';
import { ALLOCATED, services, type TypeRow, type VolumeRow } from '../tables.ts';
import type { Pool } from './hosts.ts';

const GIB = 2 ** 30;

export interface Wish {
  readonly sizeGb: number;
  readonly type: TypeRow;
  /** Undefined: any that the type allows. */
  readonly zone: string | undefined;
  /** Where its source is, when it can be copied only there. */
  readonly onlyHost?: string | undefined;
  readonly sameHosts?: readonly string[] | undefined;
  readonly otherHosts?: readonly string[] | undefined;
}

export interface Choice {
  readonly host: string;
  readonly zone: string;
}

export async function allocatedGb(tx: ReadTx, host: string): Promise<number> {
  return (await tx.get(ALLOCATED, host))?.gigabytes ?? 0;
}

/** Negative gives back. */
export async function allocate(tx: WriteTx, host: string, gigabytes: number): Promise<void> {
  tx.put(ALLOCATED, host, { gigabytes: Math.max(0, (await allocatedGb(tx, host)) + gigabytes) });
}

/** Switched off: for what is new. */
export async function disabledHosts(tx: ReadTx): Promise<Set<string>> {
  return new Set((await services.all(tx)).filter((one) => one.disabled).map((one) => one.id));
}

export async function choose(
  tx: ReadTx,
  wish: Wish,
  { pools, settings, disabled }: { pools: readonly Pool[]; settings: CinderSettings; disabled: ReadonlySet<string> },
): Promise<Choice | undefined> {
  let best: (Choice & { readonly room: number }) | undefined;
  for (const pool of pools) {
    if (disabled.has(pool.host) || !fits(pool, wish)) continue;
    const room = roomOf(pool, await allocatedGb(tx, pool.host), settings);
    if (room < wish.sizeGb || (best && best.room >= room)) continue;
    best = { host: pool.host, zone: pool.zone, room };
  }
  return best && { host: best.host, zone: best.zone };
}

/** GiB that may still be promised there. */
export function roomOf({ status }: Pool, allocated: number, settings: CinderSettings): number {
  if (status === undefined) return 0;
  const usable = (status.totalBytes / GIB) * (1 - settings.reservedPercent / 100);
  const promised = Math.max(allocated, status.provisionedBytes / GIB);
  // A full disk takes nothing, whatever is promised of it.
  const left = Math.min(
    usable * settings.overSubscription - promised,
    (status.freeBytes / GIB) * settings.overSubscription,
  );
  return Math.floor(left);
}

export function fits({ host, zone, status, backendName, capabilities }: Pool, wish: Omit<Wish, 'sizeGb'>): boolean {
  if (status === undefined || status.unfit !== undefined) return false;
  if (wish.zone !== undefined && wish.zone !== zone) return false;
  if (wish.onlyHost !== undefined && wish.onlyHost !== host) return false;
  if (wish.sameHosts && !wish.sameHosts.includes(host)) return false;
  if (wish.otherHosts?.includes(host)) return false;
  const zones = wish.type.extraSpecs['RESKEY:availability_zones'];
  if (zones !== undefined && !zones.split(',').some((one) => one.trim() === zone)) return false;
  const has: Record<string, string> = {
    volume_backend_name: backendName,
    multiattach: 'True',
    thin_provisioning_support: 'True',
    ...capabilities,
  };
  return Object.entries(wish.type.extraSpecs).every(([key, wanted]) => meets(has, key, wanted));
}

/** The host of a new group: the one with the most free space that fits all types of its volumes. */
export function chooseForGroup(
  { types, zone }: { readonly types: readonly TypeRow[]; readonly zone: string },
  { pools, disabled }: { readonly pools: readonly Pool[]; readonly disabled: ReadonlySet<string> },
): string | undefined {
  const fitting = pools.filter((pool) => !disabled.has(pool.host) && types.every((type) => fits(pool, { type, zone })));
  const free = ({ status }: Pool): number => status?.freeBytes ?? 0;
  return fitting.sort((a, b) => free(b) - free(a))[0]?.host;
}

/** Scopes other than `capabilities` are not about scheduling, as in Cinder. */
function meets(has: Readonly<Record<string, string>>, key: string, wanted: string): boolean {
  const [scope, name] = key.includes(':') ? (key.split(':', 2) as [string, string]) : ['capabilities', key];
  if (scope !== 'capabilities') return true;
  const value = has[name];
  if (value === undefined) return false;
  const [operator, ...rest] = wanted.trim().split(/\s+/);
  const operand = rest.join(' ');
  switch (operator) {
    case '<is>':
      return isTrue(value) === isTrue(operand);
    case '<in>':
      return value.includes(operand);
    case '<or>':
      return wanted.split('<or>').some((one) => one.trim() !== '' && one.trim() === value);
    case 's==':
    case '=':
    case '==':
      return value === operand;
    case '>=':
      return Number(value) >= Number(operand);
    case '<=':
      return Number(value) <= Number(operand);
    case 's!=':
      return value !== operand;
    default:
      return value === wanted;
  }
}

export const isTrue = (text: string): boolean => /^(?:1|t|true|on|y|yes)$/i.test(text);

export const isMultiattach = ({ extraSpecs }: TypeRow): boolean =>
  isTrue((extraSpecs['multiattach'] ?? '').replace('<is>', '').trim());

/** Hosts of the volumes that a hint names; none of them known is none at all. */
export const hostsOf = (volumes: readonly (VolumeRow | undefined)[]): string[] =>
  volumes.flatMap((row) => (row?.host === undefined ? [] : [row.host]));
