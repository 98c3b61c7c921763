/**
 * Figures about an assignment, for operators: how far each device is from its weight's share (balance), how many
 * replicas sit in the same failure domain without need (dispersion), and what a rebalance moved. Reads, never changes.
 */
import { type Device, nobody } from './contract.ts';
import { everyTier, type Tier, tierLevels, tierNamesOf } from './tiers.ts';

/** Shown for a device that holds partitions but has no weight: infinitely too many. */
export const balanceMax = 999.99;

export interface DeviceBalance {
  readonly id: number;
  readonly partitions: number;
  /** Percent above (positive) or below the share of its weight. */
  readonly balance: number;
}

export interface BalanceReport {
  readonly devices: readonly DeviceBalance[];
  /** The largest deviation of any device, in percent. */
  readonly worst: number;
}

/** Dispersion of one failure domain: how many partitions have 0, 1, 2… replicas in it, and how many would be riskless. */
export interface TierDispersion {
  readonly tier: string;
  readonly risklessMax: number;
  readonly partitionsByReplicas: readonly number[];
}

export interface DispersionReport {
  /** Percent of all part-replicas that share a failure domain though another placement would avoid it. */
  readonly atRisk: number;
  readonly tiers: readonly TierDispersion[];
}

export interface Movement {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export interface MovementReport {
  /** Part-replicas that were on one device and are now on another. */
  readonly moved: number;
  /** Part-replicas that had no device before. */
  readonly assigned: number;
  /** Partitions with at least one moved replica. */
  readonly partitionsMoved: number;
  /** Grouped by the two devices, largest first. */
  readonly movements: readonly Movement[];
}

export function countPartitions(table: readonly Uint16Array[], idCount: number): Uint32Array {
  const counts = new Uint32Array(idCount);
  for (const row of table) for (const id of row) if (id !== nobody) counts[id] = (counts[id] ?? 0) + 1;
  return counts;
}

export function reportBalance(devices: readonly (Device | null)[], table: readonly Uint16Array[]): BalanceReport {
  const counts = countPartitions(table, devices.length);
  const slots = table.reduce((sum, row) => sum + row.length, 0);
  const weights = devices.reduce((sum, device) => sum + (device?.weight ?? 0), 0);
  const present = devices.filter((device) => device !== null);
  const rows = present.map(({ id, weight }) => {
    const partitions = counts[id] ?? 0;
    const share = weights > 0 ? (slots * weight) / weights : 0;
    if (share === 0) return { id, partitions, balance: partitions > 0 ? balanceMax : 0 };
    return { id, partitions, balance: (100 * partitions) / share - 100 };
  });
  return { devices: rows, worst: rows.reduce((worst, { balance }) => Math.max(worst, Math.abs(balance)), 0) };
}

/** `root` is a planned tree of the same devices (`riskless` filled in). */
export function reportDispersion(
  root: Tier,
  devices: readonly (Device | null)[],
  table: readonly Uint16Array[],
): DispersionReport {
  const tiers = [...everyTier(root)].slice(1);
  const pathOf = tierPaths(tiers, devices);
  const partitionCount = table[0]?.length ?? 0;
  const partitionsByReplicas = tiers.map(() => new Array<number>(table.length + 1).fill(0));
  const here = new Int32Array(tiers.length);
  const atLevel = new Int32Array(tierLevels.length);
  let atRisk = 0;
  for (let p = 0; p < partitionCount; p++) {
    atLevel.fill(0);
    for (const row of table) {
      for (const number of p < row.length ? (pathOf[row[p] as number] ?? []) : []) {
        const { riskless, level } = tiers[number] as Tier;
        const count = (here[number] as number) + 1;
        here[number] = count;
        if (count > riskless) atLevel[level - 1] = (atLevel[level - 1] as number) + 1;
      }
    }
    // A replica that shares a zone shares the region too: it counts once, at the level where it is worst.
    for (let level = 0, worst = 0; level < atLevel.length; level++) {
      const more = Math.max(0, (atLevel[level] as number) - worst);
      atRisk += more;
      worst += more;
    }
    for (const row of table) {
      for (const number of p < row.length ? (pathOf[row[p] as number] ?? []) : []) {
        const counts = partitionsByReplicas[number] as number[];
        const count = here[number] as number;
        if (count > 0) counts[count] = (counts[count] ?? 0) + 1;
        here[number] = 0;
      }
    }
  }
  const slots = table.reduce((sum, row) => sum + row.length, 0);
  for (const counts of partitionsByReplicas) counts[0] = partitionCount - counts.reduce((sum, count) => sum + count, 0);
  return {
    atRisk: slots > 0 ? (100 * atRisk) / slots : 0,
    tiers: tiers.map(({ name, riskless }, i) => {
      return { tier: name, risklessMax: riskless, partitionsByReplicas: partitionsByReplicas[i] ?? [] };
    }),
  };
}

/** Device id → the numbers of its tiers in `tiers`. */
function tierPaths(tiers: readonly Tier[], devices: readonly (Device | null)[]): (readonly number[])[] {
  const numberOf = new Map(tiers.map(({ name }, number) => [name, number]));
  return devices.map((device) => (device ? tierNamesOf(device).flatMap((name) => numberOf.get(name) ?? []) : []));
}

export function reportMovement(before: readonly Uint16Array[], after: readonly Uint16Array[]): MovementReport {
  const pairs = new Map<number, number>();
  const movedPartitions = new Set<number>();
  let assigned = 0;
  after.forEach((row, replica) => {
    const old = before[replica];
    assigned += row.length - Math.min(row.length, old?.length ?? 0);
    old?.subarray(0, row.length).forEach((from, partition) => {
      const to = row[partition] as number;
      if (from === to) return;
      const pair = from * 65_536 + to;
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
      movedPartitions.add(partition);
    });
  });
  const movements = [...pairs].map(([pair, count]) => ({ from: Math.floor(pair / 65_536), to: pair % 65_536, count }));
  movements.sort((a, b) => b.count - a.count || a.from - b.from || a.to - b.to);
  const moved = movements.reduce((sum, { count }) => sum + count, 0);
  return { moved, assigned, partitionsMoved: movedPartitions.size, movements };
}
