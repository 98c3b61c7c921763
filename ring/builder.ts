/**
 * The ring's master copy and its only author: devices come and go here, and `rebalance` turns them into an assignment.
 * Swift's rules: weights, min_part_hours, overload, replicas as unique as possible by region, zone, host and device.
 * No I/O and no clock: the caller passes time and randomness in, so the same builder, seed and time give the same ring.
 */
import { Fault } from '../fabric/errors.ts';
import type { Random } from '../fabric/random.ts';
import { type Device, deviceCountMax, nobody, partPowerMax, type RingData, ringFaults } from './contract.ts';
import { Domains } from './domains.ts';
import { placeAll } from './first-placement.ts';
import { Mover } from './moves.ts';
import { floorOf, planReplicas, setQuotas } from './plan.ts';
import {
  type BalanceReport,
  countPartitions,
  type DispersionReport,
  type MovementReport,
  reportBalance,
  reportDispersion,
  reportMovement,
} from './report.ts';
import { checkRingData, replicaCountOf } from './ring.ts';
import { buildTierTree, leavesOf, type Tier } from './tiers.ts';

/** Hours since a partition moved are one byte; more than this is all the same. */
const hoursMax = 255;

/** Everything a builder file holds. `table` is empty before the first rebalance. */
export interface BuilderState {
  version: number;
  readonly partPower: number;
  replicas: number;
  minPartHours: number;
  /** 0.1 lets a device take 10 % more than its weight's share where that spreads replicas better. */
  overload: number;
  devices: (Device | null)[];
  /** Still in `devices` with weight 0; the next rebalance empties and drops them. */
  removing: number[];
  /** Devices or settings changed since the last rebalance. */
  changed: boolean;
  table: Uint16Array[];
  /** Per partition, hours from its last move to `movedAtSeconds`. */
  movedHoursAgo: Uint8Array;
  /** Unix seconds. */
  movedAtSeconds: number;
}

export interface RingSettings {
  readonly partPower: number;
  readonly replicas: number;
  readonly minPartHours: number;
  readonly overload?: number;
}

/** A device to add; the id defaults to the next never used, replication address and port to the plain ones. */
export type NewDevice = Omit<Device, 'id' | 'replicationIp' | 'replicationPort' | 'meta'> &
  Partial<Pick<Device, 'id' | 'replicationIp' | 'replicationPort' | 'meta'>>;

export interface RebalanceReport extends MovementReport {
  /** No rebalance could have moved fewer, given what each device should hold now. */
  readonly movedAtLeast: number;
  /** Partitions left alone because they moved less than min_part_hours ago. */
  readonly partitionsHeld: number;
  readonly removedDevices: readonly number[];
  readonly balance: number;
  readonly dispersion: number;
}

export class RingBuilder {
  readonly #state: BuilderState;

  constructor(state: BuilderState) {
    this.#state = state;
  }

  /** @throws Fault BadRingArgument */
  static create(settings: RingSettings): RingBuilder {
    const { partPower, replicas, minPartHours, overload = 0 } = settings;
    const whole = Number.isInteger(partPower) && partPower >= 0 && partPower <= partPowerMax;
    need(whole, `part power must be a whole number of 0…${partPowerMax} (was ${partPower})`);
    const builder = new RingBuilder({
      version: 0,
      partPower,
      replicas: 1,
      minPartHours: 0,
      overload: 0,
      devices: [],
      removing: [],
      changed: false,
      table: [],
      movedHoursAgo: new Uint8Array(2 ** partPower).fill(hoursMax),
      movedAtSeconds: 0,
    });
    builder.set({ replicas, minPartHours, overload });
    return builder;
  }

  /** A builder for a ring that another tool made. When its partitions moved is unknown: all are taken as moved now. */
  static fromRing(data: RingData, { minPartHours, nowMs }: { minPartHours: number; nowMs: number }): RingBuilder {
    const { partPower, version, table } = data;
    const underway = data.nextPartPower !== undefined;
    need(!underway, 'the ring is having its part power raised: finish that first');
    const builder = RingBuilder.create({ partPower, replicas: replicaCountOf(table), minPartHours });
    const movedHoursAgo = new Uint8Array(2 ** partPower);
    const state = { version, devices: [...data.devices], table: table.map((row) => row.slice()), changed: false };
    Object.assign(builder.#state, state, { movedHoursAgo, movedAtSeconds: Math.floor(nowMs / 1000) });
    builder.validate();
    return builder;
  }

  get state(): Readonly<BuilderState> {
    return this.#state;
  }

  get partitionCount(): number {
    return 2 ** this.#state.partPower;
  }

  /** @throws Fault BadRingArgument */
  set(settings: Partial<Omit<RingSettings, 'partPower'>>): void {
    const { replicas, minPartHours, overload } = { ...this.#state, ...settings };
    need(Number.isFinite(replicas) && replicas >= 1, `replicas must be at least 1 (was ${replicas})`);
    const hours = Number.isInteger(minPartHours) && minPartHours >= 0 && minPartHours <= hoursMax;
    need(hours, `min part hours must be a whole number of 0…${hoursMax} (was ${minPartHours})`);
    need(Number.isFinite(overload) && overload >= 0, `overload must not be negative (was ${overload})`);
    Object.assign(this.#state, { replicas, minPartHours, overload });
    this.#change();
  }

  /** Takes effect at the next rebalance, as every change of devices does. @throws Fault BadRingArgument */
  addDevice(added: NewDevice): Device {
    const { devices } = this.#state;
    const id = added.id ?? devices.length;
    need(
      Number.isInteger(id) && id >= 0 && id < deviceCountMax,
      `device id must be of 0…${deviceCountMax - 1} (was ${id})`,
    );
    need(!devices[id], `device id ${id} is taken`);
    const { ip, port, replicationIp = ip, replicationPort = port, meta = '' } = added;
    const { region, zone, weight, device: name } = added;
    const device: Device = { id, region, zone, ip, port, replicationIp, replicationPort, device: name, weight, meta };
    checkDevice(device);
    const twin = devices.find((one) => one?.ip === ip && one.port === port && one.device === name);
    need(!twin, `device ${twin?.id} is already ${ip}:${port}/${name}`);
    while (devices.length < id) devices.push(null);
    devices[id] = device;
    this.#change();
    return device;
  }

  /** @throws Fault BadRingArgument */
  setWeight(id: number, weight: number): void {
    const device = { ...this.#present(id), weight };
    checkDevice(device);
    this.#state.devices[id] = device;
    this.#change();
  }

  /** The next rebalance moves everything off, whatever min_part_hours says. @throws Fault BadRingArgument */
  removeDevice(id: number): void {
    this.setWeight(id, 0);
    this.#state.removing.push(id);
  }

  /** Lets the next rebalance move every partition. Unsafe while an earlier rebalance is still being replicated. */
  forgetMoves(): void {
    this.#state.movedHoursAgo.fill(hoursMax);
  }

  /** Seconds until every partition may move again. */
  secondsUntilFree(nowMs: number): number {
    const { movedHoursAgo, minPartHours, movedAtSeconds } = this.#state;
    const latest = movedHoursAgo.reduce((least, hours) => Math.min(least, hours), hoursMax);
    if (latest >= minPartHours) return 0;
    return Math.max(0, Math.ceil((minPartHours - latest) * 3600 - (nowMs / 1000 - movedAtSeconds)));
  }

  /**
   * Assigns every partition anew, moving as little as the changes since the last time require.
   * @throws Fault ImpossibleRing when there are too few devices; nothing is changed then.
   */
  rebalance({ nowMs, random }: { readonly nowMs: number; readonly random: Random }): RebalanceReport {
    const state = this.#state;
    const root = this.#plannedTree();
    this.#ageMoves(nowMs);
    const before = state.table;
    const table = resizedTable(before, slotLengths(this.partitionCount, state.replicas));
    const touched = this.#takeOffRemoved(table);
    const movedAtLeast = this.#setHeldAndQuotas(root, table);
    const mayTouch = (partition: number) =>
      !touched.has(partition) && (state.movedHoursAgo[partition] as number) >= state.minPartHours;
    const held = this.#countHeld();
    if (before.length === 0) placeAll(table, root, random);
    else {
      const domains = new Domains(root, state.devices.length);
      new Mover({ table, root, domains, random, mayTouch, touched: (partition) => void touched.add(partition) }).run();
    }
    return this.#adopt(table, { touched, movedAtLeast, partitionsHeld: held, root });
  }

  balance(): BalanceReport {
    return reportBalance(this.#state.devices, this.#state.table);
  }

  /** @throws Fault ImpossibleRing */
  dispersion(): DispersionReport {
    return reportDispersion(this.#plannedTree(), this.#state.devices, this.#state.table);
  }

  /** The overload at which replicas would be spread as widely as the devices allow. @throws Fault ImpossibleRing */
  requiredOverload(): number {
    const { devices, replicas, overload } = this.#state;
    return planReplicas(buildTierTree(devices), replicas, overload);
  }

  /** What servers load. Shares nothing with the builder. */
  ringData(): RingData {
    const { partPower, version, devices, table } = this.#state;
    return { partPower, version, devices: [...devices], table: table.map((row) => row.slice()) };
  }

  /** @throws Fault BadRingFile when the assignment is not one that a ring may have. */
  validate(): void {
    const { table, devices } = this.#state;
    const data = this.ringData();
    checkRingData(data);
    devices.forEach((device) => void (device && checkDevice(device)));
    for (let p = 0; p < this.partitionCount; p++) {
      const owners = table.filter((row) => p < row.length).map((row) => row[p]);
      if (new Set(owners).size !== owners.length) {
        throw new Fault(
          ringFaults.badFile,
          { partition: p, owners },
          `partition ${p} is twice on one device (${owners.join(', ')})`,
        );
      }
    }
  }

  #change(): void {
    this.#state.version += 1;
    this.#state.changed = true;
  }

  #present(id: number): Device {
    const device = this.#state.devices[id];
    if (!device) throw new Fault(ringFaults.badArgument, { id }, `there is no device ${id}`);
    need(!this.#state.removing.includes(id), `device ${id} is being removed`);
    return device;
  }

  #plannedTree(): Tier {
    const { devices, replicas, overload } = this.#state;
    const root = buildTierTree(devices);
    planReplicas(root, replicas, overload);
    return root;
  }

  #ageMoves(nowMs: number): void {
    const state = this.#state;
    const hours = Math.floor((nowMs / 1000 - state.movedAtSeconds) / 3600);
    if (hours <= 0) return;
    state.movedHoursAgo = state.movedHoursAgo.map((ago) => Math.min(hoursMax, ago + hours));
    state.movedAtSeconds = Math.floor(nowMs / 1000);
  }

  #countHeld(): number {
    const { movedHoursAgo, minPartHours } = this.#state;
    return movedHoursAgo.reduce((count, hours) => (hours < minPartHours ? count + 1 : count), 0);
  }

  #takeOffRemoved(table: readonly Uint16Array[]): Set<number> {
    const removing = new Set(this.#state.removing);
    const touched = new Set<number>();
    if (removing.size === 0) return touched;
    for (const row of table) {
      row.forEach((id, partition) => {
        if (!removing.has(id)) return;
        row[partition] = nobody;
        touched.add(partition);
      });
    }
    return touched;
  }

  /** @returns the fewest part-replicas that must change hands to meet the quotas, new replicas not counted. */
  #setHeldAndQuotas(root: Tier, table: readonly Uint16Array[]): number {
    const counts = countPartitions(table, this.#state.devices.length);
    const hold = (tier: Tier): number => {
      tier.held = tier.device
        ? (counts[tier.device.id] ?? 0)
        : tier.children.reduce((sum, child) => sum + hold(child), 0);
      return tier.held;
    };
    hold(root);
    const slots = table.reduce((sum, row) => sum + row.length, 0);
    setQuotas(root, slots, this.partitionCount);
    const wanted = leavesOf(root).reduce((sum, leaf) => sum + Math.max(0, leaf.quota - leaf.held), 0);
    const slotsBefore = this.#state.table.reduce((sum, row) => sum + row.length, 0);
    return Math.max(0, wanted - Math.max(0, slots - slotsBefore));
  }

  #adopt(
    table: Uint16Array[],
    run: { touched: ReadonlySet<number>; movedAtLeast: number; partitionsHeld: number; root: Tier },
  ): RebalanceReport {
    const state = this.#state;
    const movement = reportMovement(state.table, table);
    const removedDevices = state.removing;
    for (const id of removedDevices) state.devices[id] = null;
    for (const partition of run.touched) state.movedHoursAgo[partition] = 0;
    Object.assign(state, { table, removing: [], changed: false, version: state.version + 1 });
    const { movedAtLeast, partitionsHeld } = run;
    const dispersion = reportDispersion(run.root, state.devices, table).atRisk;
    return { ...movement, movedAtLeast, partitionsHeld, removedDevices, balance: this.balance().worst, dispersion };
  }
}

/** Lengths of the table's rows: whole ones, then what is left of a fractional replica. */
function slotLengths(partitionCount: number, replicas: number): number[] {
  const whole = floorOf(replicas);
  const rest = floorOf((replicas - whole) * partitionCount);
  const lengths = new Array<number>(whole).fill(partitionCount);
  return rest > 0 ? [...lengths, rest] : lengths;
}

function resizedTable(before: readonly Uint16Array[], lengths: readonly number[]): Uint16Array[] {
  return lengths.map((length, replica) => {
    const row = new Uint16Array(length).fill(nobody);
    row.set(before[replica]?.subarray(0, length) ?? []);
    return row;
  });
}

function checkDevice({ id, region, zone, weight, ip, port, device }: Device): void {
  const whole = (value: number, max: number) => Number.isInteger(value) && value >= 0 && value <= max;
  need(whole(region, 0xffffffff), `device ${id}: region must be a whole number (was ${region})`);
  need(whole(zone, 0xffffffff), `device ${id}: zone must be a whole number (was ${zone})`);
  need(Number.isFinite(weight) && weight >= 0, `device ${id}: weight must not be negative (was ${weight})`);
  need(whole(port, 65_535), `device ${id}: port must be of 0…65535 (was ${port})`);
  need(ip !== '' && device !== '', `device ${id}: address and device name must not be empty`);
}

function need(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Fault(ringFaults.badArgument, {}, message);
}
