/** A simulated zone: one machine with one disk and one index, whose process crashes and starts again. */
import { createContainerService } from '../../account-container/service.ts';
import { Totals } from '../../account-container/totals.ts';
import { isFault } from '../../fabric/errors.ts';
import { createMemoryKv, type MemoryKv } from '../../fabric/memory-kv.ts';
import { createDaemons, type Daemons } from '../../object-server/daemons/daemons.ts';
import type { Device } from '../../object-server/device.ts';
import type { DeviceLimits } from '../../object-server/limits.ts';
import { type DeviceLogger, openDevice } from '../../object-server/open-device.ts';
import { createObjectService } from '../../object-server/service.ts';
import type { Ring } from '../../ring/contract.ts';
import type { Chance } from './chance.ts';
import { Life } from './life.ts';
import type { Plant } from './plants.ts';
import type { Scheduler } from './scheduler.ts';
import { createSimClock, WallClock } from './sim-clock.ts';
import { SimDisk } from './sim-disk.ts';
import type { NetNode, SimNet } from './sim-net.ts';
import type { Trace } from './trace.ts';

export const CLUSTER_ID = 'c1'.repeat(16);

/** Small, so that checkpoints, new segments and compaction happen all the time. */
export const SMALL_LIMITS: Partial<DeviceLimits> = {
  logSegmentBytes: 8 * 1024,
  bulkSegmentBytes: 512 * 1024,
  checkpointRecords: 24,
  checkpointTailBytes: 16 * 1024,
  checkpointIdleMs: 300,
  tableRecordsMax: 200,
  reserveBytes: 0,
  reserveBytesMin: 0,
  spaceCheckBytes: 16 * 1024,
  spaceCheckMs: 500,
  markEveryMs: 50,
  viewCacheEntries: 8,
  blobGraceMs: 120_000,
  blobReadGraceMs: 30_000,
  blobSyncBytes: 128 * 1024,
  cursorLagSegments: 8,
  tombstoneAgeMs: 60_000,
  compactStepBytes: 4 * 1024,
  compactIdleMs: 700,
};

export interface SimParts {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly trace: Trace;
  readonly net: SimNet;
  readonly plant: Plant;
  readonly ring: Ring;
}

export class SimZone implements NetNode {
  readonly name: string;
  readonly deviceId: number;
  readonly disk: SimDisk;
  readonly wall: WallClock;
  readonly #parts: SimParts;
  readonly #chance: Chance;
  life: Life;
  handlers: NetNode['handlers'];
  device: Device | undefined;
  /** The other zones. */
  siblings: readonly SimZone[] = [];
  #kv: MemoryKv | undefined;
  /** Let a transaction under way through, as if the crash had come a moment later. */
  #letCommit: (() => void) | undefined;

  constructor(parts: SimParts, deviceId: number) {
    this.name = `zone${deviceId + 1}`;
    this.deviceId = deviceId;
    this.#parts = parts;
    this.#chance = parts.chance.fork(this.name);
    this.life = new Life(this.name);
    this.life.end();
    const { scheduler, trace, plant } = parts;
    this.wall = new WallClock(scheduler, this.#chance.between(-400, 400));
    this.disk = new SimDisk({
      chance: this.#chance.fork('disk'),
      after: (delayMs, run) => void scheduler.after(delayMs, run),
      ignoresDatasync: plant.ignoresDatasync === true,
      onBug: (error) => scheduler.fail(error),
      trace: (what, text) => trace.add(what, text),
    });
  }

  get up(): boolean {
    return this.handlers !== undefined;
  }

  /** Resolves when it answers, or when it died on the way there. */
  async start(): Promise<void> {
    const { scheduler, trace, net, plant, ring } = this.#parts;
    const life = new Life(this.name);
    this.life = life;
    trace.add('start', this.name);
    const totals = new Totals();
    const clock = createSimClock(scheduler, this.wall, life);
    let daemons: Daemons | undefined;
    const opening = openDevice({
      directory: '/device',
      deviceId: this.deviceId,
      clusterId: CLUSTER_ID,
      disk: this.disk.view(life),
      openKv: async () => this.#openKv(),
      clock,
      random: this.#chance.random,
      limits: plant.reclaimsEarly ? { ...SMALL_LIMITS, tombstoneAgeMs: 0 } : SMALL_LIMITS,
      projections: [totals],
      log: this.#log(),
      onCorrupt: (key) => {
        totals.lost(key);
        daemons?.corrupt(this.deviceId, key);
        if (life.alive) scheduler.fail(new Error(`${this.name}: a record does not check: ${inHex(key)}`));
      },
      mayReclaim: async (key, ballot) =>
        plant.reclaimsEarly || ((await daemons?.mayReclaim(this.deviceId, key, ballot)) ?? false),
    });
    const device = await Promise.race([opening, life.died]).catch((error: unknown) => this.#startFailed(error));
    if (!device || !life.alive) return;
    const devices = new Map([[this.deviceId, device]]);
    const listed = new Map([[this.deviceId, { store: device, totals }]]);
    const handlers = { ...createObjectService(devices), ...createContainerService(listed) };
    this.device = device;
    this.handlers = plant.handlers?.(handlers, device) ?? handlers;
    trace.add('up', this.name);
    net.changed();
    const peers = new Map(this.siblings.map((sibling) => [sibling.deviceId, net.connect(this, sibling)]));
    daemons = createDaemons({
      devices,
      peers,
      ring,
      clock,
      log: this.#log(),
      options: { scrub: false, catchUp: { followEveryMs: 2_000 } },
    });
    daemons.start();
  }

  /** Its disk fails while it starts: the process ends, and whoever looks after it starts it again. */
  #startFailed(error: unknown): undefined {
    if (!isFault(error)) throw error;
    this.#parts.trace.add('failed', `${this.name} does not start: ${error.message}`);
    void this.crash();
    return undefined;
  }

  #log(): DeviceLogger {
    const { trace } = this.#parts;
    const add = (what: string) => (details: object, message: string) =>
      trace.add(what, `${this.name} ${message} ${JSON.stringify(details)}`);
    return { info: () => {}, warn: add('warn'), error: add('error') };
  }

  /** kill -9, or the power fails: the simulator makes no difference, the worse one always happens. */
  async crash(): Promise<void> {
    if (!this.life.alive) return;
    const { trace, net } = this.#parts;
    trace.add('crash', this.name);
    this.life.end();
    this.handlers = undefined;
    this.device = undefined;
    if (this.#letCommit && this.#chance.often(0.5)) {
      this.#letCommit();
      await new Promise((resolve) => void setImmediate(resolve));
    }
    this.#letCommit = undefined;
    this.#kv?.crash();
    this.disk.crash();
    net.died(this);
  }

  #openKv(): MemoryKv {
    const { scheduler } = this.#parts;
    const commitDelay = (): Promise<void> =>
      new Promise((resolve) => {
        this.#letCommit = resolve;
        const { life } = this;
        scheduler.after(this.#chance.delayMs(0.5, 30), () => {
          if (life.alive) resolve();
        });
      });
    this.#kv = this.#kv ? this.#kv.reopen() : createMemoryKv({ commitDelay });
    return this.#kv;
  }

  /** The index as committed now, for looking. */
  committedIndex(): MemoryKv | undefined {
    return this.#kv?.reopen();
  }
}

const inHex = (key: string): string => Buffer.from(key, 'latin1').toString('hex');
