/**
 * What the rest of the system may know of a ring: partitions, devices, and who holds what. Types and pure functions
 * only; how a ring is built (builder.ts), looked up (ring.ts) and stored (*-file-format.ts) stays behind it.
 */
import { Fault } from '../fabric/errors.ts';

/** A partition number, 0 ≤ p < 2^partPower. Made only by `asPartition` and `Ring.partitionOf`. */
export type Partition = number & { readonly brand: 'partition' };

/** 2^23 partitions of 3 replicas are a table of 48 MiB plus as many replica sets: the most one process should hold. */
export const partPowerMax = 23;
/** Device ids are stored in 16 bits, as in Swift's first ring format; the last value means "nobody". */
export const deviceCountMax = 65_535;
export const nobody = 0xffff;

/** One disk (or directory) of one host. Weight is relative capacity; `meta` is the operator's free text. */
export interface Device {
  readonly id: number;
  readonly region: number;
  readonly zone: number;
  readonly weight: number;
  readonly ip: string;
  readonly port: number;
  /** Where replication reaches the host; equal to `ip` and `port` unless the operator says otherwise. */
  readonly replicationIp: string;
  readonly replicationPort: number;
  /** The device's name on its host, e.g. `sdb1`. */
  readonly device: string;
  readonly meta: string;
}

/** A ring as data: what every ring file holds. `table[replica][partition]` is a device id; the last row may be short. */
export interface RingData {
  readonly partPower: number;
  /** Counts the builder's changes; of two rings of one builder the higher version is the newer. */
  readonly version: number;
  /** Set while the part power is being raised (Swift's `next_part_power`). */
  readonly nextPartPower?: number;
  /** Indexed by device id; a hole is a removed device. */
  readonly devices: readonly (Device | null)[];
  readonly table: readonly Uint16Array[];
}

/** Lookups: pure, no I/O, nothing allocated but by `handoffs`. */
export interface Ring {
  readonly partPower: number;
  readonly partitionCount: number;
  /** May be fractional: 3.25 means that a quarter of the partitions have a fourth replica. */
  readonly replicaCount: number;
  readonly version: number;
  /** Every device in the ring, by ascending id, also those without partitions. */
  readonly devices: readonly Device[];
  device(id: number): Device | undefined;
  /** The top `partPower` bits of a path hash (Swift's rule). */
  partitionOf(hash: Uint8Array): Partition;
  /** The devices that own the partition, in replica order, each once. Shared and frozen: never modify it. */
  primaries(partition: Partition): readonly Device[];
  /** Every other device in use, in the order in which it stands in for a primary (Swift's `get_more_nodes`). */
  handoffs(partition: Partition): Generator<Device, void, undefined>;
}

/** Faults of this folder. */
export const ringFaults = {
  /** A file is not what it should be: damaged, cut short, or of an unknown version. */
  badFile: 'BadRingFile',
  /** An argument breaks a rule of the ring (unknown device, negative weight, …). */
  badArgument: 'BadRingArgument',
  /** The ring asked for cannot exist (fewer devices than replicas, …). */
  impossible: 'ImpossibleRing',
} as const;

/** @throws Fault BadRingArgument when `value` is no partition of a ring of this size. */
export function asPartition(value: number, partPower: number): Partition {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** partPower) {
    throw new Fault(
      ringFaults.badArgument,
      { value, partPower },
      `${value} is not a partition of 0…${2 ** partPower - 1}`,
    );
  }
  return value as Partition;
}
