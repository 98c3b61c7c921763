/**
 * The order in which other devices stand in for a partition's primaries: Swift's, device by device, because an operator
 * who brings a ring along has data lying there. Four rounds over the table, from a start that depends on the partition:
 * first devices in regions not yet used, then zones, then hosts, then any device left.
 */
import { hash } from 'node:crypto';
import type { Device, Partition, RingData } from './contract.ts';

/** Swift visits at most this many places of a bigger ring in a round. */
const visitsMax = 65_536;

export class HandoffWalk {
  readonly #data: RingData;
  readonly #partitionCount: number;
  readonly #step: number;
  /** Per level (region, zone, host, device): device id → number of its region, zone, …; and how many there are in use. */
  readonly #levels: readonly { readonly groupOf: Int32Array; readonly groupCount: number }[];

  constructor(data: RingData) {
    this.#data = data;
    this.#partitionCount = 2 ** data.partPower;
    this.#step = Math.floor(this.#partitionCount / visitsMax) || 1;
    const used = usedDevices(data);
    this.#levels = [
      numberGroups(data, used, (device) => `${device.region}`),
      numberGroups(data, used, (device) => `${device.region} ${device.zone}`),
      numberGroups(data, used, (device) => `${device.region} ${device.zone} ${device.ip}`),
      numberGroups(data, used, (device) => `${device.id}`),
    ];
  }

  *from(partition: Partition, primaries: readonly Device[]): Generator<Device, void, undefined> {
    const start = this.#start(partition);
    const seen = this.#levels.map(({ groupOf }) => new Set(primaries.map((device) => groupOf[device.id] as number)));
    const taken = seen[3] as Set<number>;
    for (const [level, { groupOf, groupCount }] of this.#levels.entries()) {
      const groups = seen[level] as Set<number>;
      if (groups.size === groupCount) continue;
      for (const id of this.#devicesFrom(start)) {
        if (groups.has(groupOf[id] as number) || taken.has(this.#groupAt(3, id))) continue;
        seen.forEach((set, i) => void set.add(this.#groupAt(i, id)));
        yield this.#data.devices[id] as Device;
        if (groups.size === groupCount) break;
      }
    }
  }

  #groupAt(level: number, id: number): number {
    return this.#levels[level]?.groupOf[id] as number;
  }

  #start(partition: Partition): number {
    if (this.#data.partPower === 0) return 0;
    return Number.parseInt(hash('md5', String(partition), 'hex').slice(0, 8), 16) >>> (32 - this.#data.partPower);
  }

  *#devicesFrom(start: number): Generator<number, void, undefined> {
    const count = this.#partitionCount;
    const step = this.#step;
    for (let p = start; p < count; p += step) yield* this.#ownersOf(p);
    // The second half begins where the stride falls past the end, and so leaves out place 0 when it divides evenly:
    // an oddity of Swift's that is part of the order.
    for (let p = step - ((count - start) % step); p < start; p += step) yield* this.#ownersOf(p);
  }

  *#ownersOf(partition: number): Generator<number, void, undefined> {
    for (const row of this.#data.table) {
      if (partition < row.length) yield row[partition] as number;
    }
  }
}

function usedDevices(data: RingData): Uint8Array {
  const used = new Uint8Array(data.devices.length);
  for (const row of data.table) for (const id of row) used[id] = 1;
  return used;
}

/** Numbers the groups; only groups with a partition somewhere count, so that a round can end early. */
function numberGroups(data: RingData, used: Uint8Array, nameOf: (device: Device) => string) {
  const numbers = new Map<string, number>();
  const groupOf = new Int32Array(data.devices.length).fill(-1);
  const inUse = new Set<number>();
  for (const device of data.devices) {
    if (!device) continue;
    const name = nameOf(device);
    const group = numbers.get(name) ?? numbers.size;
    numbers.set(name, group);
    groupOf[device.id] = group;
    if (used[device.id]) inUse.add(group);
  }
  return { groupOf, groupCount: inUse.size };
}
