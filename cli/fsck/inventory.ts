/**
 * What all devices of a cluster hold, read from their disks while nothing runs: of every key the newest state anybody has
 * and who has which, of every blob where it is whole. Gathers only; what it means is judged in judge.ts.
 */
import path from 'node:path';
import type { Disk } from '../../fabric/disk.ts';
import { isFault } from '../../fabric/errors.ts';
import { openLmdb } from '../../fabric/lmdb.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { isBlobKey } from '../../object-server/blob-format.ts';
import {
  handoffOriginal,
  handoffTarget,
  headBallot,
  isTombstone,
  type Key,
  SPACE_HANDOFF,
} from '../../object-server/contract.ts';
import { type ScannedRegister, type ScanProblem, scanDevice } from '../../object-server/scan.ts';
import { checkStoredTotals } from './stored-totals.ts';

/** A torn tail is what a crash leaves; nobody was ever told of those writes. */
const TORN = /^torn/;

export interface Copy {
  readonly device: number;
  readonly ballot: Stamp;
  readonly tombstone: boolean;
}

/** One key, all devices. */
export interface Held {
  /** Head of the newest copy. */
  head: Buffer;
  ballot: Stamp;
  readonly copies: Copy[];
}

export interface Handoff {
  readonly device: number;
  readonly target: number;
  readonly key: Key;
  readonly ballot: Stamp;
}

export interface DeviceProblem extends ScanProblem {
  readonly device: string;
}

export interface Inventory {
  readonly keys: Map<Key, Held>;
  readonly handoffs: Handoff[];
  /** Devices that hold a blob whole, by blob key (of the replicated space, whatever space it lies in). */
  readonly blobs: Map<Key, Set<number>>;
  readonly problems: DeviceProblem[];
  /** Tails that a crash cut. */
  torn: number;
  /** Devices that could not be read at all. */
  readonly unreadable: string[];
  /** Stored totals of a table that are not the sum of its rows. */
  readonly wrongTotals: { readonly device: string; readonly prefix: Key }[];
  records: number;
  chunks: number;
}

export interface DeviceToRead {
  readonly id: number;
  readonly name: string;
}

export async function takeInventory(
  zonesDirectory: string,
  devices: readonly DeviceToRead[],
  { disk, clusterId }: { disk: Disk; clusterId: string },
): Promise<Inventory> {
  const inventory: Inventory = {
    keys: new Map(),
    handoffs: [],
    blobs: new Map(),
    problems: [],
    torn: 0,
    unreadable: [],
    wrongTotals: [],
    records: 0,
    chunks: 0,
  };
  for (const device of devices) {
    try {
      await readDevice(inventory, device, { directory: path.join(zonesDirectory, device.name), disk, clusterId });
    } catch (error) {
      if (!isFault(error)) throw error;
      inventory.unreadable.push(`${device.name}: ${error.message}`);
    }
  }
  return inventory;
}

interface Place {
  readonly directory: string;
  readonly disk: Disk;
  readonly clusterId: string;
}

async function readDevice(inventory: Inventory, device: DeviceToRead, place: Place): Promise<void> {
  const { directory, disk, clusterId } = place;
  const brokenBlobs = new Set<Key>();
  const blobs: Key[] = [];
  const openKv = (kvPath: string) => openLmdb({ path: kvPath, readOnly: true });
  const rows = new Map<Key, ScannedRegister>();
  const { identity, frames, chunks } = await scanDevice({
    directory,
    disk,
    openKv,
    register: (register) => {
      const { key, head } = register;
      if (isBlobKey(key)) {
        if (!isTombstone(head)) blobs.push(key);
      } else if (key.startsWith(SPACE_HANDOFF)) addHandoff(inventory, device.id, key, head);
      else {
        add(inventory, device.id, key, head);
        rows.set(key, register);
      }
    },
    problem: (problem) => {
      if (TORN.test(problem.problem)) inventory.torn++;
      else inventory.problems.push({ ...problem, device: device.name });
      if (problem.key !== undefined && isBlobKey(problem.key)) brokenBlobs.add(problem.key);
    },
  });
  if (identity.deviceId !== device.id || identity.clusterId !== clusterId) {
    inventory.unreadable.push(`${device.name}: ${directory} is not device ${device.id} of this cluster`);
    return;
  }
  inventory.records += frames;
  inventory.chunks += chunks;
  for (const key of blobs) if (!brokenBlobs.has(key)) addBlob(inventory, device.id, key);
  const kv = await openKv(path.join(directory, 'index')).catch((error) => {
    // Reported already, by the scan.
    if (!isFault(error)) throw error;
  });
  if (!kv) return;
  try {
    for (const prefix of checkStoredTotals(kv, rows)) inventory.wrongTotals.push({ device: device.name, prefix });
  } finally {
    await kv.close();
  }
}

function add({ keys }: Inventory, device: number, key: Key, head: Buffer): void {
  const ballot = headBallot(head);
  const copy: Copy = { device, ballot, tombstone: isTombstone(head) };
  const held = keys.get(key);
  if (!held) keys.set(key, { head, ballot, copies: [copy] });
  else {
    held.copies.push(copy);
    if (ballot > held.ballot) {
      held.head = head;
      held.ballot = ballot;
    }
  }
}

/** A handoff copy counts as knowledge of the key, never as one of its replicas. */
function addHandoff(inventory: Inventory, device: number, key: Key, head: Buffer): void {
  const original = handoffOriginal(key);
  const ballot = headBallot(head);
  inventory.handoffs.push({ device, target: handoffTarget(key), key: original, ballot });
  const held = inventory.keys.get(original);
  if (!held) inventory.keys.set(original, { head, ballot, copies: [] });
  else if (ballot > held.ballot) {
    held.head = head;
    held.ballot = ballot;
  }
}

function addBlob({ blobs }: Inventory, device: number, key: Key): void {
  const original = key.startsWith(SPACE_HANDOFF) ? handoffOriginal(key) : key;
  const holders = blobs.get(original);
  if (holders) holders.add(device);
  else blobs.set(original, new Set([device]));
}
