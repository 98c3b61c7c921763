/**
 * A stopped cluster's directory, and what can happen to its disks: bytes that flip, files that vanish, and registers that
 * only some devices have. For tests of whatever must notice.
 */
import { closeSync, cpSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { parseIdentity } from '../cli/cluster/identity.ts';
import { openZone } from '../cli/cluster/zone.ts';
import { systemClock } from '../fabric/clock.ts';
import { createSeededRandom } from '../fabric/random.ts';
import { MAX_STAMP, makeStamp, type Stamp } from '../fabric/stamp.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headMeta,
  isTombstone,
  type Key,
  KIND,
  keyKind,
} from '../object-server/contract.ts';
import type { Device } from '../object-server/device.ts';
import { decodeMeta, type ObjectRecord } from '../proxy/object/object-format.ts';
import { decodeRing } from '../ring/ring-file-format.ts';
import { type Bench, prepare } from './crash/campaign.ts';
import { Client } from './crash/client.ts';
import { untilQuiet } from './crash/quiet.ts';
import { CrashServer } from './crash/server.ts';

const QUIET_LIMIT_MS = 30_000;
const silent = { info() {}, warn() {}, error() {} };

/** Runs a cluster in `bench.data`, lets `write` fill it, waits until nothing is owed, and stops it in good order. */
export async function writeCluster(bench: Bench, write: (client: Client) => Promise<void>): Promise<void> {
  const server = new CrashServer({ directory: bench.data, logFile: bench.logFile, processes: 'inline' });
  const client = new Client(bench.data);
  try {
    await server.start();
    await prepare(client, server.url);
    await write(client);
    const owed = await untilQuiet(client, QUIET_LIMIT_MS);
    if (owed.length > 0) throw new Error(`the cluster does not come to rest: ${owed.join(', ')}`);
    const code = await server.stop();
    if (code !== 0) throw new Error(`the cluster ended with ${code}`);
  } finally {
    client.close();
    await server.killAll();
  }
}

/** One directory, to be cut up at will. */
export class Patient {
  readonly data: string;

  constructor(data: string) {
    this.data = data;
  }

  /** A copy beside it. */
  clone(name: string): Patient {
    const copy = `${this.data}-${name}`;
    cpSync(this.data, copy, { recursive: true });
    return new Patient(copy);
  }

  remove(): void {
    rmSync(this.data, { recursive: true, force: true });
  }

  /** Directory names of the devices, by id. */
  get devices(): readonly string[] {
    const { devices } = decodeRing(readFileSync(path.join(this.data, 'ring.gz')));
    return devices.map((device) => device?.device ?? '');
  }

  file(...parts: string[]): string {
    return path.join(this.data, 'zones', ...parts);
  }

  /** Files of a lane that hold these bytes, with the position of each first one. */
  find(lane: 'log' | 'bulk', bytes: Buffer): { file: string; at: number }[] {
    return this.devices.flatMap((device) =>
      readdirSync(this.file(device, lane)).flatMap((name) => {
        const file = this.file(device, lane, name);
        const at = readFileSync(file).indexOf(bytes);
        return at < 0 ? [] : [{ file, at }];
      }),
    );
  }

  flip({ file, at }: { file: string; at: number }): void {
    const was = readFileSync(file)[at] as number;
    const handle = openSync(file, 'r+');
    writeSync(handle, Buffer.from([was ^ 0x40]), 0, 1, at);
    closeSync(handle);
  }

  /** Opens devices as the server does, behind the other zones' backs; what is done is durable afterwards. */
  async operate(ids: readonly number[], work: (device: Device) => Promise<void>): Promise<void> {
    const file = path.join(this.data, 'cluster.json');
    const { clusterId } = parseIdentity(readFileSync(file, 'utf8'), file);
    const zone = await openZone({
      directory: this.file(),
      clusterId,
      devices: ids.map((id) => ({ id, name: this.devices[id] as string })),
      disk: systemDisk,
      clock: systemClock,
      random: createSeededRandom(1),
      log: silent,
    });
    try {
      for (const device of zone.devices.values()) await work(device);
    } finally {
      await zone.close();
    }
  }
}

const LATER_MS = 200_000;

/** Newer than everything, and by so much that whatever was written before cannot be under way any more. */
export const later = (): Stamp => makeStamp((systemClock.nowMs() + LATER_MS) * 100, 7);

/** The key of a live register: the object `name`, or its row. */
export function keyOf(device: Device, kind: string, name: string): Key | undefined {
  let found: Key | undefined;
  device.forEach({ start: '\x01', end: '\x02' }, (key, { head }) => {
    if (keyKind(key) !== kind || isTombstone(head)) return;
    const named = kind === KIND.row ? key.endsWith(name) : decodeMeta<ObjectRecord>(head).name === name;
    if (named) found = key;
  });
  return found;
}

/** Deletes a register, as a write would, on the first `devicesMax` devices that hold it. */
export async function bury(patient: Patient, { kind, name }: { kind: string; name: string }, devicesMax: number) {
  const stamp = later();
  let left = devicesMax;
  await patient.operate(
    patient.devices.map((_, id) => id),
    async (device) => {
      const key = keyOf(device, kind, name);
      if (key === undefined || left-- <= 0) return;
      const meta = Buffer.from(headMeta(device.get(key)?.head as Buffer));
      const head = encodeHead({ key, ballot: stamp, stamp, flags: FLAG_TOMBSTONE, meta });
      const [outcome] = await device.apply([{ head }], { writer: 7, settled: MAX_STAMP });
      if (outcome?.result !== 'ok') throw new Error(`planting: ${outcome?.result}`);
    },
  );
}
