/**
 * Brings registers of other devices to this one: the register as the other holds it now, the blobs it refers to, then one
 * local write, judged by ballot alone (guards were judged when the write was answered). It says of each what became of it.
 */

import { Fault, isFault } from '../../fabric/errors.ts';
import type { ByteStream, Peer } from '../../fabric/rpc/contract.ts';
import { NO_STAMP, type Stamp } from '../../fabric/stamp.ts';
import { DAEMON_WRITER, headBallot, isTombstone, type Key, type Mutation, type Outcome } from '../contract.ts';
import { deviceFaults } from '../faults.ts';
import { blobKeysOf, copyBlob, peerSource } from './copy-blob.ts';
import { ask, type DaemonWorld, primariesOf } from './world.ts';

/** Registers asked for at the same time; bounds the bodies in memory. */
export const FETCH_PARALLEL = 32;

export interface Wanted {
  readonly key: Key;
  readonly ballot: Stamp;
}

export type Stopped = () => boolean;

/** Whether this device should hold the register, and does not hold it or anything newer. */
export function lacks({ device, ring }: DaemonWorld, { key, ballot }: Wanted): boolean {
  const held = device.get(key);
  if (held && held.ballot >= ballot) return false;
  return primariesOf({ ring }, key).includes(device.deviceId);
}

/**
 * Fetches from one device; resolves with those that could not be had and should be tried again. Faults: the peer's when it
 * cannot be asked; DeviceFull, DeviceOut when nothing can be stored.
 */
export async function fetchRegisters(
  world: DaemonWorld,
  from: number,
  wanted: readonly Wanted[],
  stopped: Stopped,
): Promise<Wanted[]> {
  const failed: Wanted[] = [];
  for (let at = 0; at < wanted.length && !stopped(); at += FETCH_PARALLEL) {
    failed.push(...(await fetchSome(world, from, wanted.slice(at, at + FETCH_PARALLEL), stopped)));
  }
  return failed;
}

async function fetchSome(
  world: DaemonWorld,
  from: number,
  wanted: readonly Wanted[],
  stopped: Stopped,
): Promise<Wanted[]> {
  const peer = world.peers.get(from);
  if (!peer?.up) throw new Fault('Unreachable', { device: from });
  const mutations = await Promise.all(wanted.map(({ key }) => readFrom(peer, from, key)));
  const failed: Wanted[] = [];
  const sent: { wanted: Wanted; mutation: Mutation }[] = [];
  for (const [i, mutation] of mutations.entries()) {
    const each = wanted[i] as Wanted;
    // Gone there by now, or unreadable there: another replica has it, or nobody.
    if (!mutation) continue;
    if (await fetchBlobs(world, from, each.key, mutation.head, stopped)) sent.push({ wanted: each, mutation });
    else failed.push(each);
  }
  const all = sent.map(({ mutation }) => mutation);
  const outcomes = await world.device.apply(all, { writer: DAEMON_WRITER, settled: NO_STAMP });
  for (const [i, outcome] of outcomes.entries()) {
    const { wanted: each, mutation } = sent[i] as (typeof sent)[number];
    if (!stored(world, each, mutation, outcome)) failed.push(each);
  }
  return failed;
}

async function readFrom(peer: Peer, device: number, key: Key): Promise<Mutation | undefined> {
  try {
    const { head, body } = await ask(peer, 'read', { device, key, body: true });
    return head ? { head, body } : undefined;
  } catch (error) {
    if (isFault(error, deviceFaults.corruptRegister)) return undefined;
    throw error;
  }
}

/** A 'newer' that is only a promise means that it is not here yet. */
function stored({ device }: DaemonWorld, { key }: Wanted, { head }: Mutation, outcome: Outcome): boolean {
  if (outcome.result === 'ok') return true;
  if (outcome.result === 'full' || outcome.result === 'out') {
    throw new Fault(outcome.result === 'full' ? deviceFaults.full : deviceFaults.out, { device: device.deviceId });
  }
  return (device.get(key)?.ballot ?? NO_STAMP) >= headBallot(head);
}

/** Makes this device hold what `head` refers to; false when somebody must be asked again later. */
export async function fetchBlobs(
  world: DaemonWorld,
  from: number,
  key: Key,
  head: Buffer,
  stopped: Stopped,
): Promise<boolean> {
  if (isTombstone(head)) return true;
  const { device } = world;
  for (const blobKey of blobKeysOf(key, head)) {
    if (device.get(blobKey)) continue;
    const others = primariesOf(world, key).filter((id) => id !== from && id !== device.deviceId);
    const sources = [from, ...others].map((id) => peerSource(world, id, blobKey));
    const write = (upload: ByteStream): Promise<unknown> => device.blobWrite(blobKey, upload);
    if (!(await copyBlob(blobKey, sources, write, stopped))) return false;
  }
  return true;
}
