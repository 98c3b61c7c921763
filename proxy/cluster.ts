/**
 * The proxy's view of the cluster: which devices a key lives on and how to reach them. Placement is the ring's; this file
 * only joins it with the peers. It never talks to anybody.
 */
import { assert } from '../fabric/assert.ts';
import type { Clock } from '../fabric/clock.ts';
import type { Random } from '../fabric/random.ts';
import type { Peer } from '../fabric/rpc/contract.ts';
import type { StampSource } from '../fabric/stamp.ts';
import { type Key, keyHashPrefix } from '../object-server/contract.ts';
import type { Device, Partition, Ring } from '../ring/contract.ts';
import type { PathHasher } from '../ring/path-hash.ts';
import type { SettledMarks } from './settled.ts';

/** One device as a call's target. */
export interface Replica {
  readonly device: number;
  readonly peer: Peer;
}

/** A register with the inline body where it was asked for and is there. */
export interface ReadRegister {
  readonly head: Buffer;
  readonly body?: Buffer | undefined;
  /** Where it was read: bytes of its blobs are there too. */
  readonly replica: Replica;
}

export interface Cluster {
  readonly clock: Clock;
  readonly random: Random;
  readonly stamps: StampSource;
  readonly settled: SettledMarks;
  /** Majority of the ring's replicas: 2 of 3. */
  readonly quorum: number;
  /** `strict`: no answer without a quorum of primaries. `available`: a single primary may answer a read (ADR 2). */
  readonly consistency: 'strict' | 'available';
  readonly devices: readonly Replica[];
  replica(device: number): Replica;
  /** The key's primaries, in ring order; shared, never modified. */
  primaries(key: Key): readonly Replica[];
  /** Stand-ins for the key in ring order, primaries left out. */
  handoffs(key: Key): Iterable<Replica>;
  /** MD5 of the path as a latin1 string, the first part of every key. */
  hash(account: string, container?: string, object?: string): string;
}

export interface ClusterOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly stamps: StampSource;
  readonly settled: SettledMarks;
  readonly ring: Ring;
  /** Peer of each device, by device id; several devices may share one. */
  readonly peers: ReadonlyMap<number, Peer>;
  readonly hashPath: PathHasher;
  readonly consistency?: 'strict' | 'available';
}

export function createCluster(options: ClusterOptions): Cluster {
  const { ring, peers, hashPath } = options;
  const byDevice = new Map<number, Replica>();
  for (const { id } of ring.devices) {
    const peer = peers.get(id);
    assert(peer !== undefined, () => `no peer for device ${id}`);
    byDevice.set(id, { device: id, peer });
  }
  const replica = (device: number): Replica => {
    const found = byDevice.get(device);
    assert(found !== undefined, () => `unknown device ${device}`);
    return found;
  };
  const shift = 32 - ring.partPower;
  const partitionOf = (key: Key): Partition => (keyHashPrefix(key) >>> shift) as Partition;
  const primaries: (readonly Replica[] | undefined)[] = new Array(ring.partitionCount);
  return {
    clock: options.clock,
    random: options.random,
    stamps: options.stamps,
    settled: options.settled,
    quorum: Math.floor(ring.replicaCount / 2) + 1,
    consistency: options.consistency ?? 'strict',
    devices: [...byDevice.values()],
    replica,
    primaries(key) {
      const partition = partitionOf(key);
      const known = primaries[partition];
      if (known) return known;
      const found = Object.freeze(ring.primaries(partition).map((device: Device) => replica(device.id)));
      primaries[partition] = found;
      return found;
    },
    *handoffs(key) {
      for (const device of ring.handoffs(partitionOf(key))) yield replica(device.id);
    },
    hash: (account, container, object) => hashPath(account, container, object).toString('latin1'),
  };
}
