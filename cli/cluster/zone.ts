/**
 * One zone: its devices, the calls it answers about them, and their daemons once it knows the other zones. The same in this
 * process and in one of its own; who calls it, and how, is the caller's business.
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
  for (const { id, name } of options.devices) {
    const totals = new Totals();
    const device = await openDevice({
      directory: path.join(options.directory, name),
      deviceId: id,
      clusterId: options.clusterId,
      disk: options.disk,
      openKv: (kvPath) => openLmdb({ path: kvPath }),
      clock: options.clock,
      random: options.random,
      log: options.log,
      projections: [totals],
      onCorrupt: (key) => {
        log.warn({ device: id, key: Buffer.from(key, 'latin1').toString('hex') }, 'damaged record set aside');
        totals.lost(key);
        daemons?.corrupt(id, key);
      },
      mayReclaim: async (key, ballot) => (await daemons?.mayReclaim(id, key, ballot)) ?? false,
      progress: (doneBytes, totalBytes) => options.progress?.(name, doneBytes, totalBytes),
    });
    devices.set(id, device);
    listed.set(id, { store: device, totals });
  }
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
    },
    async stopDaemons() {
      await daemons?.stop();
    },
    async close() {
      await daemons?.stop();
      await Promise.all([...devices.values()].map((device) => device.close()));
    },
  };
}
