/**
 * Five small zones in temporary directories for the tests of the daemons: real devices, in-process peers that can be taken
 * away and brought back, and a writer that places copies as the proxy does.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../fabric/clock.ts';
import { Fault, fabricFaults } from '../fabric/errors.ts';
import { openLmdb } from '../fabric/lmdb.ts';
import { createSeededRandom } from '../fabric/random.ts';
import type { Peer } from '../fabric/rpc/contract.ts';
import { createLocalPeer } from '../fabric/rpc/local.ts';
import { makeStamp, type Stamp } from '../fabric/stamp.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import {
  headKey,
  type Key,
  keyHashPrefix,
  type Mutation,
  SPACE_HANDOFF,
  SPACE_LOCAL,
} from '../object-server/contract.ts';
import { createDaemons, type DaemonOptions, type Daemons, statusHandler } from '../object-server/daemons/daemons.ts';
import type { Device } from '../object-server/device.ts';
import type { DeviceLimits } from '../object-server/limits.ts';
import { openDevice } from '../object-server/open-device.ts';
import { createObjectService } from '../object-server/service.ts';
import type { Partition, Ring } from '../ring/contract.ts';
import { fiveZoneRing } from '../ring/five-zone-ring.ts';

const CLUSTER = 'c1'.repeat(16);
const PART_POWER = 6;
const quiet = { info() {}, warn() {}, error: (details: object, message: string) => console.error(message, details) };

export interface Zone {
  readonly id: number;
  readonly directory: string;
  device: Device | undefined;
  daemons: Daemons | undefined;
}

export class TestCluster {
  readonly root = mkdtempSync(join(tmpdir(), 'needletail-zones-'));
  readonly ring: Ring = fiveZoneRing({ partPower: PART_POWER });
  readonly zones: readonly Zone[] = [0, 1, 2, 3, 4].map((id) => ({
    id,
    directory: join(this.root, `zone${id}`),
    device: undefined,
    daemons: undefined,
  }));
  readonly #peers = new Map<number, Peer>();
  readonly #limits: Partial<DeviceLimits>;
  readonly #daemons: DaemonOptions | undefined;
  /** Keys that a device has set aside, in order. */
  readonly damaged: Key[] = [];
  #ticks = 1_000_000;

  constructor(daemons?: DaemonOptions, limits: Partial<DeviceLimits> = {}) {
    this.#daemons = daemons;
    this.#limits = limits;
    for (const zone of this.zones) this.#peers.set(zone.id, this.#peer(zone));
  }

  static async open(daemons?: DaemonOptions, limits?: Partial<DeviceLimits>): Promise<TestCluster> {
    const cluster = new TestCluster(daemons, limits);
    await Promise.all(cluster.zones.map(({ id }) => cluster.start(id)));
    return cluster;
  }

  /** Answers while its zone is up, as a socket would. */
  #peer(zone: Zone): Peer {
    let of: Device | undefined;
    let local: Peer | undefined;
    const name = `zone${zone.id}`;
    return {
      name,
      get up() {
        return zone.device !== undefined;
      },
      load: { calls: 0, queuedBytes: 0, latencyMs: 0 },
      call(method, args, options) {
        if (!zone.device || !zone.daemons) {
          options?.upload?.cancel();
          return Promise.reject(new Fault(fabricFaults.unreachable, { name }));
        }
        if (of !== zone.device) {
          of = zone.device;
          const devices = new Map([[zone.id, zone.device]]);
          const status = statusHandler(devices, () => zone.daemons);
          local = createLocalPeer(name, { ...createObjectService(devices), status }, { clock: systemClock });
        }
        return (local as Peer).call(method, args, options);
      },
      close: async () => {},
    };
  }

  async start(id: number, daemons: DaemonOptions | undefined = this.#daemons): Promise<Device> {
    const zone = this.zone(id);
    let started: Daemons | undefined;
    const device = await openDevice({
      directory: zone.directory,
      deviceId: id,
      clusterId: CLUSTER,
      disk: systemDisk,
      openKv: (path) => openLmdb({ path }),
      clock: systemClock,
      random: createSeededRandom(id + 1),
      limits: { reserveBytes: 0, reserveBytesMin: 0, checkpointIdleMs: 50, ...this.#limits },
      onCorrupt: (key) => {
        this.damaged.push(key);
        started?.corrupt(id, key);
      },
      mayReclaim: async (key, ballot) => (await started?.mayReclaim(id, key, ballot)) ?? false,
    });
    started = createDaemons({
      devices: new Map([[id, device]]),
      peers: this.#peers,
      ring: this.ring,
      clock: systemClock,
      log: quiet,
      options: { scrub: false, ...daemons },
    });
    zone.daemons = started;
    zone.device = device;
    started.start();
    return device;
  }

  /** `crash`: nothing more is written, as by kill -9. */
  async stop(id: number, how: 'clean' | 'crash' = 'clean'): Promise<void> {
    const zone = this.zone(id);
    const { device, daemons } = zone;
    if (!device) return;
    zone.device = undefined;
    await daemons?.stop();
    if (how === 'clean') await device.close();
    else await device.abandon();
  }

  /** The zone comes back with nothing at all. */
  replaceDisk(id: number): void {
    rmSync(this.zone(id).directory, { recursive: true });
  }

  zone(id: number): Zone {
    return this.zones[id] as Zone;
  }

  device(id: number): Device {
    return this.zone(id).device as Device;
  }

  peer(id: number): Peer {
    return this.#peers.get(id) as Peer;
  }

  stamp(): Stamp {
    return makeStamp(this.#ticks++, 1);
  }

  partition(key: Key): Partition {
    return (keyHashPrefix(key) >>> (32 - PART_POWER)) as Partition;
  }

  primaries(key: Key): number[] {
    return this.ring.primaries(this.partition(key)).map(({ id }) => id);
  }

  handoffs(key: Key): number[] {
    return [...this.ring.handoffs(this.partition(key))].map(({ id }) => id);
  }

  /** To every primary that is up; a handoff copy for each that is not (or for `skip`). */
  async write(mutation: Mutation, skip: readonly number[] = []): Promise<void> {
    const key = headKey(mutation.head);
    const context = { mutations: [mutation], writer: 1, settled: this.stamp() };
    const missing: number[] = [];
    for (const device of this.primaries(key)) {
      if (!this.peer(device).up || skip.includes(device)) missing.push(device);
      else await this.peer(device).call('apply', { device, ...context });
    }
    const stands = this.handoffs(key).filter((id) => this.peer(id).up);
    for (const handoffFor of missing) {
      const device = stands[0];
      if (device !== undefined) await this.peer(device).call('apply', { device, ...context, handoffFor });
    }
  }

  /** Many at once; of one key only one. */
  async writeAll(count: number, make: (i: number) => Mutation): Promise<void> {
    const all = Array.from({ length: count }, (_, i) => make(i));
    for (let at = 0; at < count; at += 64) await Promise.all(all.slice(at, at + 64).map((each) => this.write(each)));
  }

  /** What differs between the primaries of any key, as text; empty when all agree and nobody owes anything. */
  differences(): string[] {
    const held = new Map<Key, Map<number, Stamp>>();
    const found: string[] = [];
    for (const { id, device } of this.zones) {
      device?.forEach({ start: '\x01', end: SPACE_HANDOFF }, (key, { ballot }) => {
        held.set(key, (held.get(key) ?? new Map()).set(id, ballot));
      });
      device?.forEach({ start: SPACE_HANDOFF, end: SPACE_LOCAL }, (key) => {
        if (device.status().handoffCopies > 0) found.push(`${id} owes ${Buffer.from(key, 'latin1').toString('hex')}`);
      });
    }
    for (const [key, ballots] of held) {
      const values = this.primaries(key).map((id) => ballots.get(id));
      const name = Buffer.from(key, 'latin1').toString('hex');
      if (new Set(values).size > 1) found.push(`${name} on ${this.primaries(key)}: ${values}`);
      if (ballots.size > values.length) found.push(`${name} on strangers`);
    }
    return found;
  }

  async close(): Promise<void> {
    await Promise.all(this.zones.map(({ id }) => this.stop(id)));
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Resolves once `met` holds; throws with `what` after 30 s. */
export async function until(what: string, met: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = systemClock.monotonicMs() + 30_000;
  while (!(await met())) {
    if (systemClock.monotonicMs() > endMs) throw new Error(`never: ${what}`);
    await systemClock.sleep(20);
  }
}
