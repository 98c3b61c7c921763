/**
 * The failure domains of a set of devices as a tree: cluster → region → zone → host → device. The planner writes its
 * numbers into the nodes. A tree belongs to one computation and is thrown away after it.
 */
import type { Device } from './contract.ts';

/** Levels below the root, from the widest failure domain to the narrowest. */
export const tierLevels = ['region', 'zone', 'host', 'device'] as const;

export interface Tier {
  /** `''` for the cluster, then `r1`, `r1z2`, `r1z2-10.0.0.1`, `r1z2-10.0.0.1/7`. */
  readonly name: string;
  /** 0 for the cluster … 4 for a device. */
  readonly level: number;
  readonly children: Tier[];
  /** The device of a leaf. */
  readonly device: Device | undefined;
  /** Devices below that take partitions, i.e. have a weight above 0. */
  deviceCount: number;
  /** Replicas of each partition that weight alone would put here; a fraction is an average over partitions. */
  weighted: number;
  /** The same, spread over failure domains as widely as possible. */
  dispersed: number;
  /** What the ring aims at: `weighted`, moved towards `dispersed` as far as the overload allows. */
  target: number;
  /** More replicas of one partition than this, here, are a risk that other placements would avoid. */
  riskless: number;
  /** Whole part-replicas the tier should hold. */
  quota: number;
  /** Whole part-replicas it holds. */
  held: number;
}

export function buildTierTree(devices: readonly (Device | null)[]): Tier {
  const root = emptyTier('', 0, undefined);
  const known = new Map<string, Tier>();
  for (const device of devices) {
    if (device) addDevice(root, known, device);
  }
  return root;
}

/** The tier names of a device, widest first. */
export function tierNamesOf({ region, zone, ip, id }: Device): [string, string, string, string] {
  return [`r${region}`, `r${region}z${zone}`, `r${region}z${zone}-${ip}`, `r${region}z${zone}-${ip}/${id}`];
}

export function* everyTier(tier: Tier): Generator<Tier, void, undefined> {
  yield tier;
  for (const child of tier.children) yield* everyTier(child);
}

export function leavesOf(tier: Tier): (Tier & { readonly device: Device })[] {
  return [...everyTier(tier)].filter((one): one is Tier & { readonly device: Device } => one.device !== undefined);
}

function addDevice(root: Tier, known: Map<string, Tier>, device: Device): void {
  const counts = device.weight > 0 ? 1 : 0;
  root.deviceCount += counts;
  let parent = root;
  for (const [index, name] of tierNamesOf(device).entries()) {
    const level = index + 1;
    let tier = known.get(name);
    if (!tier) {
      tier = emptyTier(name, level, level === tierLevels.length ? device : undefined);
      known.set(name, tier);
      parent.children.push(tier);
    }
    tier.deviceCount += counts;
    parent = tier;
  }
}

function emptyTier(name: string, level: number, device: Device | undefined): Tier {
  const numbers = { deviceCount: 0, weighted: 0, dispersed: 0, target: 0, riskless: 0, quota: 0, held: 0 };
  return { name, level, children: [], device, ...numbers };
}
