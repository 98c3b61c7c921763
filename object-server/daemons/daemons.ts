/**
 * Composes the background work of a zone's devices, and tells of it in their status. Decides what runs; each daemon has a
 * file of its own. Everything is started and stopped together.
 */
import type { Clock } from '../../fabric/clock.ts';
import type { Handler, Peer } from '../../fabric/rpc/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import type { Ring } from '../../ring/contract.ts';
import type { DeviceStatus, Key, ObjectServiceCalls } from '../contract.ts';
import type { Device } from '../device.ts';
import type { DeviceLogger } from '../open-device.ts';
import { CatchUp, type CatchUpOptions } from './catch-up.ts';
import { Confirm } from './confirm.ts';
import { countHandoffs } from './handoff-copies.ts';
import { HandoffDelivery, type HandoffDeliveryOptions } from './handoff-delivery.ts';
import { Repair } from './repair.ts';
import { Scrub, type ScrubOptions } from './scrub.ts';
import type { Daemon, DaemonWorld } from './world.ts';

/** Copies counted per target when several are waited for. */
const HANDOFF_COUNT_MAX = 10_000;

export interface DaemonOptions {
  /** false: not at all. */
  readonly handoffs?: HandoffDeliveryOptions | false;
  readonly catchUp?: CatchUpOptions | false;
  readonly scrub?: ScrubOptions | false;
}

export interface DaemonsOptions {
  readonly devices: ReadonlyMap<number, Device>;
  /** Of every device of the ring; own ones are not called. */
  readonly peers: ReadonlyMap<number, Peer>;
  readonly ring: Ring;
  readonly clock: Clock;
  readonly log: DeviceLogger;
  readonly options?: DaemonOptions;
}

export interface Daemons {
  /** The device's own status, with what the daemons know. */
  describe(device: Device): DeviceStatus;
  start(): void;
  stop(): Promise<void>;
  /** A register or blob of one of the devices was set aside. */
  corrupt(device: number, key: Key): void;
  /** See OpenDeviceOptions.mayReclaim. */
  mayReclaim(device: number, key: Key, ballot: Stamp): Promise<boolean>;
}

export function createDaemons(given: DaemonsOptions): Daemons {
  const { devices, peers, ring, clock, log, options = {} } = given;
  const daemons: Daemon[] = [];
  const catchUps = new Map<number, CatchUp>();
  const repairs = new Map<number, Repair>();
  const confirms = new Map<number, Confirm>();
  for (const device of devices.values()) {
    const others = new Map([...peers].filter(([id]) => id !== device.deviceId));
    const world: DaemonWorld = { device, clock, ring, peers: others, log };
    if (options.handoffs !== false) daemons.push(new HandoffDelivery(world, options.handoffs));
    repairs.set(device.deviceId, new Repair(world));
    confirms.set(device.deviceId, new Confirm(world));
    if (options.scrub !== false) daemons.push(new Scrub(world, options.scrub));
    if (options.catchUp !== false) catchUps.set(device.deviceId, new CatchUp(world, options.catchUp));
  }
  daemons.push(...catchUps.values(), ...repairs.values());
  return {
    describe: (device) => ({
      ...device.status(),
      damage: damageOf(repairs.get(device.deviceId)),
      handoffsFor: countHandoffs(device, HANDOFF_COUNT_MAX),
      behind: catchUps.get(device.deviceId)?.behind() ?? {},
    }),
    start: () => daemons.forEach((daemon) => daemon.start()),
    async stop() {
      await Promise.all(daemons.map((daemon) => daemon.stop()));
    },
    corrupt: (device, key) => repairs.get(device)?.note(key),
    mayReclaim: async (device, key, ballot) => (await confirms.get(device)?.mayReclaim(key, ballot)) ?? false,
  };
}

const damageOf = (repair: Repair | undefined) => ({ found: repair?.found ?? 0, repaired: repair?.repaired ?? 0 });

/** The `status` call of a zone: as the object service's own, until there are daemons to ask. */
export function statusHandler(devices: ReadonlyMap<number, Device>, daemons: () => Daemons | undefined): Handler {
  return ({ device: id }: ObjectServiceCalls['status']['args']) => {
    const chosen = [...devices.values()].filter(({ deviceId }) => id === undefined || deviceId === id);
    const value = { devices: chosen.map((device) => daemons()?.describe(device) ?? device.status()) };
    return { value: value satisfies ObjectServiceCalls['status']['reply'] };
  };
}
