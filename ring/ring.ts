/**
 * Lookup in a finished ring: name hash → partition → primaries and handoffs. Pure: no I/O, no clock, no randomness;
 * everything a lookup needs is computed once, here. It never decides who should own a partition (that is the builder).
 */
import { Fault } from '../fabric/errors.ts';
import { type Device, type Partition, partPowerMax, type Ring, type RingData, ringFaults } from './contract.ts';
import { HandoffWalk } from './handoffs.ts';

/** @throws Fault BadRingFile when the data is inconsistent: a lookup after this cannot fail. */
export function createRing(data: RingData): Ring {
  checkRingData(data);
  return new TableRing(data);
}

class TableRing implements Ring {
  readonly partPower: number;
  readonly partitionCount: number;
  readonly replicaCount: number;
  readonly version: number;
  readonly devices: readonly Device[];
  readonly #byId: readonly (Device | null)[];
  readonly #shift: number;
  /** Partition → index into #sets: equal replica sets are one shared array, so a small cluster has a few dozen. */
  readonly #setOf: Uint32Array;
  readonly #sets: readonly (readonly Device[])[];
  readonly #walk: HandoffWalk;

  constructor(data: RingData) {
    this.partPower = data.partPower;
    this.partitionCount = 2 ** data.partPower;
    this.replicaCount = replicaCountOf(data.table);
    this.version = data.version;
    this.#byId = data.devices;
    this.devices = data.devices.filter((device) => device !== null);
    this.#shift = 32 - data.partPower;
    const { setOf, sets } = internReplicaSets(data);
    this.#setOf = setOf;
    this.#sets = sets;
    this.#walk = new HandoffWalk(data);
  }

  device(id: number): Device | undefined {
    return this.#byId[id] ?? undefined;
  }

  partitionOf(hash: Uint8Array): Partition {
    const top =
      ((hash[0] as number) << 24) | ((hash[1] as number) << 16) | ((hash[2] as number) << 8) | (hash[3] as number);
    // A shift by 32 is a shift by 0 in JavaScript, hence the one-partition ring apart.
    return (this.partPower === 0 ? 0 : top >>> this.#shift) as Partition;
  }

  primaries(partition: Partition): readonly Device[] {
    return this.#sets[this.#setOf[partition] as number] as readonly Device[];
  }

  handoffs(partition: Partition): Generator<Device, void, undefined> {
    return this.#walk.from(partition, this.primaries(partition));
  }
}

/** Full rows count one each, a short last row its share. */
export function replicaCountOf(table: readonly Uint16Array[]): number {
  const first = table[0]?.length ?? 0;
  const last = table.at(-1)?.length ?? 0;
  return first === 0 ? 0 : table.length - 1 + last / first;
}

/** @throws Fault BadRingFile */
export function checkRingData(data: RingData): void {
  const fail = (why: string): never => {
    throw new Fault(ringFaults.badFile, { why }, `bad ring: ${why}`);
  };
  const { partPower, table, devices } = data;
  if (!Number.isInteger(partPower) || partPower < 0 || partPower > partPowerMax) fail(`part power ${partPower}`);
  if (table.length === 0) fail('no partition is assigned yet');
  table.forEach((row, replica) => {
    const whole = row.length === 2 ** partPower;
    const shortLast = replica > 0 && replica === table.length - 1 && row.length < 2 ** partPower;
    if (!whole && !shortLast) fail(`replica ${replica} has ${row.length} partitions`);
    for (let p = 0; p < row.length; p++) {
      if (!devices[row[p] as number])
        fail(`partition ${p} replica ${replica} is on device ${row[p]}, which does not exist`);
    }
  });
  devices.forEach((device, id) => {
    if (device && device.id !== id) fail(`device ${device.id} stands at place ${id}`);
  });
}

/** One shared, frozen array for each distinct list of owners, found by walking a trie of (set so far, next device). */
function internReplicaSets(data: RingData): { setOf: Uint32Array; sets: (readonly Device[])[] } {
  const setOf = new Uint32Array(2 ** data.partPower);
  const sets: (readonly Device[])[] = [[]];
  const longer = new Map<number, number>();
  for (let p = 0; p < setOf.length; p++) {
    let set = 0;
    for (const row of data.table) {
      if (p < row.length) set = extend(set, row[p] as number);
    }
    setOf[p] = set;
  }
  return { setOf, sets: sets.map((set) => Object.freeze(set)) };

  function extend(set: number, id: number): number {
    const key = set * 65_536 + id;
    const known = longer.get(key);
    if (known !== undefined) return known;
    const before = sets[set] as readonly Device[];
    const device = data.devices[id] as Device;
    const index = before.includes(device) ? set : sets.push([...before, device]) - 1;
    longer.set(key, index);
    return index;
  }
}
