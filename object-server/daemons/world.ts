/**
 * What the daemons of one device are given, and the small questions they all ask of it. Holds no state.
 */
import type { Clock } from '../../fabric/clock.ts';
import type { CallOptions, Peer, Reply } from '../../fabric/rpc/contract.ts';
import { asPartition, type Ring } from '../../ring/contract.ts';
import { type Key, keyHashPrefix, type ObjectServiceCalls } from '../contract.ts';
import type { Device } from '../device.ts';
import type { DeviceLogger } from '../open-device.ts';

/** A small call to a peer: a daemon that waits longer than this is no use, and holds up a stop. */
export const CALL_MS = 5_000;
/** Each step of a stream between devices. */
export const STREAM_MS = 30_000;

export interface DaemonWorld {
  readonly device: Device;
  readonly clock: Clock;
  readonly ring: Ring;
  /** Of every other device of the ring, by device id; several devices may share one. */
  readonly peers: ReadonlyMap<number, Peer>;
  readonly log: DeviceLogger;
}

/** One background activity. After `stop` has resolved, nothing of it is left: no timer, no call, no stream. */
export interface Daemon {
  start(): void;
  stop(): Promise<void>;
}

/** Device ids of the key's primaries, in ring order. `key` is a replicated key. */
export function primariesOf({ ring }: Pick<DaemonWorld, 'ring'>, key: Key): number[] {
  const { partPower } = ring;
  const partition = partPower === 0 ? 0 : keyHashPrefix(key) >>> (32 - partPower);
  return ring.primaries(asPartition(partition, partPower)).map(({ id }) => id);
}

/** Calls another device; a peer that is not there is an `undefined` result of `peerOf`, never a wait. */
export function peerOf({ peers }: Pick<DaemonWorld, 'peers'>, device: number): Peer | undefined {
  const peer = peers.get(device);
  return peer?.up ? peer : undefined;
}

export async function ask<M extends keyof ObjectServiceCalls>(
  peer: Peer,
  method: M,
  args: ObjectServiceCalls[M]['args'],
  options: CallOptions = { deadlineMs: CALL_MS },
): Promise<ObjectServiceCalls[M]['reply']> {
  const reply: Reply = await peer.call(method, args, options);
  return reply.value as ObjectServiceCalls[M]['reply'];
}
