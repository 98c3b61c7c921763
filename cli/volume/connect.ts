/** A connection of the volume commands to the host's volume service, and how they name things and print. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { type SnapshotView, VOLUME_SERVICE, type VolumeCalls, type VolumeView } from '../../block/volumes/contract.ts';
import { stayAlive, systemClock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import { systemRandom } from '../../fabric/random.ts';
import { connectPeer } from '../../fabric/rpc/client.ts';
import { parseIdentity } from '../cluster/identity.ts';

export interface CommonOptions {
  readonly data: string;
  readonly json?: boolean;
}

const CONNECT_MS = 3_000;
const CALL_MS = 120_000;

export interface Volumes {
  call<M extends keyof VolumeCalls>(method: M, args: VolumeCalls[M]['args']): Promise<VolumeCalls[M]['reply']>;
  /** By id, or by a name that only one has. */
  volume(name: string): Promise<VolumeView>;
  snapshot(name: string): Promise<SnapshotView>;
}

export function volumeSocket(directory: string): string {
  return path.join(directory, 'run', 'volumes.sock');
}

/** Runs `work` with a connection; one line and exit 1 when the service is not there. */
export async function withVolumes<T>(options: CommonOptions, work: (volumes: Volumes) => Promise<T>): Promise<T> {
  const directory = path.resolve(options.data);
  const file = path.join(directory, 'cluster.json');
  const { clusterId, clusterSecret } = parseIdentity(readIdentity(file, directory), file);
  const alive = stayAlive();
  const peer = connectPeer({
    ...{ endpoint: { path: volumeSocket(directory) }, secret: Buffer.from(clusterSecret, 'hex'), clusterId },
    ...{ clock: systemClock, random: systemRandom, peerName: VOLUME_SERVICE, name: 'operator' },
  });
  try {
    await peer.whenUp(CONNECT_MS).catch(() => {
      throw new Fault('NoVolumeService', {}, `the cluster in ${directory} does not answer: is it running?`);
    });
    const call: Volumes['call'] = async (method, args) =>
      (await peer.call(method, args, { deadlineMs: CALL_MS })).value as never;
    return await work({
      call,
      volume: async (name) => pick('volume', name, (await call('volumes', {})).volumes, ({ id }) => id),
      snapshot: async (name) => pick('snapshot', name, (await call('snapshots', {})).snapshots, (one) => one.snapshot),
    });
  } finally {
    await peer.close();
    alive.cancel();
  }
}

function readIdentity(file: string, directory: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new Fault('NoCluster', {}, `there is no cluster in ${directory}`);
  }
}

function pick<T extends { readonly name: string }>(
  what: string,
  name: string,
  all: readonly T[],
  idOf: (one: T) => string,
): T {
  const found = all.find((one) => idOf(one) === name);
  const named = all.filter((one) => one.name === name);
  if (found) return found;
  if (named.length > 1) throw new Fault('Ambiguous', {}, `${named.length} ${what}s are called ${name}: use the id`);
  if (named[0]) return named[0];
  throw new Fault('NotFound', {}, `there is no ${what} ${name}`);
}

/** JSON for programs, `text` for people. */
export function print(options: CommonOptions, value: unknown, text: string): void {
  process.stdout.write(options.json ? `${JSON.stringify(value, null, 2)}\n` : text);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function sizeText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Of a snapshot: what it is, how far, or why not. */
export function statusText({ status, progress, error }: SnapshotView): string {
  if (error !== undefined) return `${status}: ${error}`;
  if (status !== 'creating' || progress === undefined) return status;
  const share = Math.floor((100 * progress.doneBytes) / Math.max(1, progress.totalBytes));
  return `${progress.paused ? 'paused' : status} ${share} %`;
}

export const timeText = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** Columns as wide as they need to be. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
