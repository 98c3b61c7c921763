/**
 * Carries a plan out: each device gets what it lacks of the keys it is a primary of, through the same acceptance rules as
 * any write, and is closed in good order. Interrupted, it may simply be run again.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { totalsKey } from '../../account-container/totals-format.ts';
import { systemClock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import { openLmdb } from '../../fabric/lmdb.ts';
import { systemRandom } from '../../fabric/random.ts';
import { NO_STAMP, type Stamp } from '../../fabric/stamp.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { DAEMON_WRITER, deviceFaults, headBallot, headKey, type Key } from '../../object-server/contract.ts';
import type { Device } from '../../object-server/device.ts';
import type { DeviceLogger } from '../../object-server/open-device.ts';
import type { Ring } from '../../ring/contract.ts';
import { createPathHasher } from '../../ring/path-hash.ts';
import { createRing } from '../../ring/ring.ts';
import { decodeRing } from '../../ring/ring-file-format.ts';
import { type ClusterIdentity, parseIdentity, readIfThere } from '../cluster/identity.ts';
import { lockDirectory } from '../cluster/lock.ts';
import { livingZones } from '../cluster/pids.ts';
import { openStampSource } from '../cluster/stamp-ceiling.ts';
import { openZone } from '../cluster/zone.ts';
import { type Inventory, takeInventory } from '../fsck/inventory.ts';
import { partitionOf } from '../fsck/judge.ts';
import { type Plan, planListings } from './plan.ts';

const BATCH = 500;

export interface Rebuilt extends Omit<Plan, 'heads'> {
  /** Rows, containers and accounts written to devices that lacked them. */
  readonly applied: number;
  /** Devices that could not be read, and got nothing. */
  readonly skipped: readonly string[];
}

export interface RebuildOptions {
  /** Says what would be done, and writes nothing. */
  readonly dryRun: boolean;
  readonly log: DeviceLogger;
}

/** Fault when the directory is no cluster, or is in use. */
export async function rebuildListings(given: string, options: RebuildOptions): Promise<Rebuilt> {
  const directory = path.resolve(given);
  const file = path.join(directory, 'cluster.json');
  const text = readIfThere(file);
  if (text === undefined) throw new Fault('NotACluster', { directory }, `${directory} holds no cluster.json`);
  const identity = parseIdentity(text, file);
  const unlock = lockDirectory(directory);
  try {
    const zone = livingZones(path.join(directory, 'run'))[0];
    if (zone !== undefined)
      throw new Fault('DirectoryInUse', { directory }, `${directory} is in use by process ${zone}`);
    return await rebuildLocked(directory, identity, options);
  } finally {
    unlock();
  }
}

async function rebuildLocked(
  directory: string,
  identity: ClusterIdentity,
  { dryRun, log }: RebuildOptions,
): Promise<Rebuilt> {
  const { clusterId, hashPrefix, hashSuffix } = identity;
  const ringData = decodeRing(readFileSync(path.join(directory, 'ring.gz')));
  const devices = ringData.devices.flatMap((device) => (device ? [{ id: device.id, name: device.device }] : []));
  const zones = path.join(directory, 'zones');
  const inventory = await takeInventory(zones, devices, { disk: systemDisk, clusterId });
  const hashPath = createPathHasher({ prefix: Buffer.from(hashPrefix), suffix: Buffer.from(hashSuffix) });
  const { heads, ...plan } = planListings({
    keys: inventory.keys,
    hash: (account, container, object) => hashPath(account, container, object).toString('latin1'),
    restamp: stampsAbove(directory, inventory),
  });
  if (dryRun) return { ...plan, applied: 0, skipped: inventory.unreadable };
  const byDevice = placed(heads, createRing(ringData));
  const readable = devices.filter(({ name }) => !inventory.unreadable.some((words) => words.startsWith(`${name}:`)));
  let applied = 0;
  const skipped = [...inventory.unreadable];
  for (const device of readable) {
    await doubtTotals(path.join(zones, device.name), device.name, inventory);
    const common = { disk: systemDisk, clock: systemClock, random: systemRandom, log };
    const zone = await openZone({ directory: zones, clusterId, devices: [device], ...common });
    try {
      const opened = zone.devices.get(device.id);
      if (opened) applied += await give(opened, byDevice.get(device.id) ?? []);
      else skipped.push(`${device.name}: it cannot be opened`);
    } finally {
      await zone.close();
    }
  }
  return { ...plan, applied, skipped };
}

/** Stamps above every one on any disk, each issued once in the life of the cluster. */
function stampsAbove(directory: string, { keys }: Inventory): () => Stamp {
  const source = openStampSource(directory, systemClock);
  for (const { ballot } of keys.values()) source.observe(ballot);
  return () => source.next();
}

function placed(heads: ReadonlyMap<Key, Buffer>, ring: Ring): Map<number, Buffer[]> {
  const byDevice = new Map<number, Buffer[]>();
  for (const [key, head] of heads) {
    for (const { id } of ring.primaries(partitionOf(ring, key))) {
      const list = byDevice.get(id);
      if (list) list.push(head);
      else byDevice.set(id, [head]);
    }
  }
  return byDevice;
}

/** Stored totals that are wrong are counted again when they are next asked for. */
async function doubtTotals(directory: string, name: string, { wrongTotals }: Inventory): Promise<void> {
  const wrong = wrongTotals.filter(({ device }) => device === name);
  if (wrong.length === 0) return;
  const kv = await openLmdb({ path: path.join(directory, 'index') });
  await kv.commit(wrong.map(({ prefix }) => [totalsKey(prefix), Buffer.alloc(1)] as const)).finally(() => kv.close());
}

/** Returns how many the device lacked. */
async function give(device: Device, heads: readonly Buffer[]): Promise<number> {
  let applied = 0;
  for (let at = 0; at < heads.length; at += BATCH) {
    const lacking = heads
      .slice(at, at + BATCH)
      .filter((head) => device.get(headKey(head))?.ballot !== headBallot(head));
    const outcomes = await device.apply(
      lacking.map((head) => ({ head })),
      { writer: DAEMON_WRITER, settled: NO_STAMP },
    );
    const refused = outcomes.find(({ result }) => result === 'full' || result === 'out');
    if (refused)
      throw new Fault(deviceFaults.out, { device: device.deviceId }, `device ${device.deviceId} is ${refused.result}`);
    applied += outcomes.filter(({ result }) => result === 'ok').length;
  }
  return applied;
}
