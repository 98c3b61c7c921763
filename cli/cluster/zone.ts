/**
 * One zone: its devices, the calls it answers about them, and their daemons and housekeeping once it knows the other zones.
 * The same in this process and in one of its own; who calls it, and how, is the caller's business.
 */
import path from 'node:path';
import { createContainerService, type ListedDevice } from '../../account-container/service.ts';
import { Totals } from '../../account-container/totals.ts';
import type { Clock } from '../../fabric/clock.ts';
import type { Disk } from '../../fabric/disk.ts';
import { openLmdb } from '../../fabric/lmdb.ts';
import type { Random } from '../../fabric/random.ts';
import type { Handlers, Peer } from '../../fabric/rpc/contract.ts';
import { createDaemons, type DaemonOptions, type Daemons, statusHandler } from '../../object-server/daemons/daemons.ts';
import type { Device } from '../../object-server/device.ts';
import { Housekeeping } from '../../object-server/housekeeping.ts';
import { type DeviceLimits, defaultLimits } from '../../object-server/limits.ts';
import { type DeviceLogger, openDevice } from '../../object-server/open-device.ts';
import { createObjectService } from '../../object-server/service.ts';
import type { Ring } from '../../ring/contract.ts';

export interface ZoneOptions {
  /** DIR/zones of the cluster's data directory. */
  readonly directory: string;
  readonly clusterId: string;
  /** Id and directory name of each device. */
  readonly devices: readonly { readonly id: number; readonly name: string }[];
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: DeviceLogger;
  readonly limits?: Partial<DeviceLimits>;
  readonly progress?: (device: string, doneBytes: number, totalBytes: number) => void;
}

export interface Zone {
  readonly handlers: Handlers;
  readonly devices: ReadonlyMap<number, Device>;
  /** Once; `peers` are those of every device of the ring, by device id. */
  startDaemons(ring: Ring, peers: ReadonlyMap<number, Peer>, options?: DaemonOptions): void;
  /** Before the peers are closed. */
  stopDaemons(): Promise<void>;
  /** Final checkpoints: the next start replays nothing. */
  close(): Promise<void>;
}

export async function openZone(options: ZoneOptions): Promise<Zone> {
  const devices = new Map<number, Device>();
  const listed = new Map<number, ListedDevice>();
  const { clock, log } = options;
  let daemons: Daemons | undefined;
  for (const place of options.devices) {
    const totals = new Totals();
    const store = await openOrLeaveOut(options, { ...place, totals, daemons: () => daemons });
    if (!store) continue;
    devices.set(place.id, store);
    listed.set(place.id, { store, totals });
  }
  const housekeeping = [...devices.values()].map((device) => keepHouse(device, options));
  const stopDaemons = async (): Promise<void> => {
    await Promise.all([daemons?.stop(), ...housekeeping.map((each) => each.stop())]);
  };
  return {
    handlers: {
      ...createObjectService(devices),
      ...createContainerService(listed),
      status: statusHandler(devices, () => daemons),
    },
    devices,
    startDaemons(ring, peers, daemonOptions) {
      daemons = createDaemons({ devices, peers, ring, clock, log, ...(daemonOptions && { options: daemonOptions }) });
      daemons.start();
      for (const each of housekeeping) each.start();
    },
    stopDaemons,
    async close() {
      await stopDaemons();
      await Promise.all([...devices.values()].map((device) => device.close()));
    },
  };
}

interface DevicePlace {
  readonly id: number;
  readonly name: string;
  readonly totals: Totals;
  /** Once they run. */
  readonly daemons: () => Daemons | undefined;
}

/** One device that cannot be opened must not keep the others from coming up: it is left out, as if its disk were gone. */
async function openOrLeaveOut(options: ZoneOptions, place: DevicePlace): Promise<Device | undefined> {
  try {
    return await openOne(options, place);
  } catch (error) {
    options.log.error({ device: place.id, name: place.name, err: error }, 'device left out: it cannot be opened');
    return undefined;
  }
}

function openOne(options: ZoneOptions, { id, name, totals, daemons }: DevicePlace): Promise<Device> {
  const { clusterId, disk, clock, random, log, limits } = options;
  return openDevice({
    directory: path.join(options.directory, name),
    deviceId: id,
    clusterId,
    disk,
    openKv: (kvPath) => openLmdb({ path: kvPath }),
    clock,
    random,
    log,
    limits,
    projections: [totals],
    onCorrupt: (key) => {
      log.warn({ device: id, key: Buffer.from(key, 'latin1').toString('hex') }, 'damaged record set aside');
      totals.lost(key);
      daemons()?.corrupt(id, key);
    },
    mayReclaim: async (key, ballot) => (await daemons()?.mayReclaim(id, key, ballot)) ?? false,
    progress: (doneBytes, totalBytes) => options.progress?.(name, doneBytes, totalBytes),
  });
}

function keepHouse(device: Device, { clock, log, limits }: ZoneOptions): Housekeeping {
  const { compactBytesPerSecond: bytesPerSecond, compactIdleMs: idleMs } = { ...defaultLimits, ...limits };
  return new Housekeeping({ device, clock, log, bytesPerSecond, idleMs });
}
