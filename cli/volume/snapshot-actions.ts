/** What the snapshot commands do; those that wait show how far it is. */
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import type { SnapshotPlace, SnapshotView } from '../../block/volumes/contract.ts';
import { systemClock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import { CommandExit } from '../command-exit.ts';
import {
  type CommonOptions,
  print,
  sizeText,
  statusText,
  table,
  timeText,
  type Volumes,
  withVolumes,
} from './connect.ts';

const POLL_MS = 200;
const EXIT_DAMAGED = 1;

interface TakeOptions extends CommonOptions {
  readonly name?: string;
  readonly streams?: number;
  readonly wait: boolean;
  readonly full?: boolean;
}

export async function take(name: string, kind: 'snapshot' | 'backup', options: TakeOptions): Promise<void> {
  await withVolumes(options, async (volumes) => {
    const { id } = await volumes.volume(name);
    const taken = await volumes.call('takeSnapshot', {
      ...{ volume: id, snapshot: randomUUID(), kind, alone: options.full ?? false },
      ...(options.name !== undefined && { name: options.name }),
      ...(options.streams !== undefined && { streams: options.streams }),
    });
    const done = options.wait ? await waitFor(volumes, taken) : taken;
    print(options, done, `${done.snapshot}\n`);
  });
}

export async function list(name: string | undefined, options: CommonOptions): Promise<void> {
  await withVolumes(options, async (volumes) => {
    const filter = name === undefined ? {} : { volume: (await volumes.volume(name)).id };
    const { snapshots } = await volumes.call('snapshots', filter);
    const rows = snapshots.map((one) => [
      ...[one.snapshot, one.name, one.kind, statusText(one)],
      ...[sizeText(one.sizeBytes), sizeText(one.uploadedBytes), timeText(one.createdMs), one.volume],
    ]);
    print(
      options,
      snapshots,
      table([['ID', 'NAME', 'KIND', 'STATUS', 'SIZE', 'UPLOADED', 'TAKEN', 'VOLUME'], ...rows]),
    );
  });
}

export async function pause(name: string, paused: boolean, options: CommonOptions): Promise<void> {
  await withPlace(name, options, async ({ call }, place) => {
    print(options, await call('pauseSnapshot', { ...place, paused }), '');
  });
}

export async function cancel(name: string, options: CommonOptions): Promise<void> {
  await withPlace(name, options, async ({ call }, place) => {
    await call('cancelSnapshot', place);
    print(options, place, '');
  });
}

export async function remove(name: string, options: CommonOptions): Promise<void> {
  await withPlace(name, options, async ({ call }, place) => {
    await call('deleteSnapshot', place);
    print(options, place, '');
  });
}

export async function serve(name: string, options: CommonOptions): Promise<void> {
  await withPlace(name, options, async ({ call }, place) => {
    const served = await call('exportSnapshot', place);
    print(options, served, `${served.uri}\n`);
  });
}

export async function unserve(name: string, options: CommonOptions): Promise<void> {
  await withPlace(name, options, async ({ call }, place) => {
    await call('unexportSnapshot', place);
    print(options, place, '');
  });
}

export async function check(name: string, options: CommonOptions): Promise<void> {
  await withPlace(name, options, async ({ call }, place) => {
    const found = await call('checkSnapshot', place);
    const said = `${found.chunks} chunks, ${sizeText(found.bytes)}: ${found.damaged.length === 0 ? 'all good' : 'damaged'}\n`;
    print(options, found, `${said}${found.damaged.map((line) => `${line}\n`).join('')}`);
    if (found.damaged.length > 0) throw new CommandExit(EXIT_DAMAGED);
  });
}

interface RestoreOptions extends CommonOptions {
  readonly size?: number;
  readonly into?: string;
  readonly wait?: boolean;
}

export async function restore(name: string, made: string | undefined, options: RestoreOptions): Promise<void> {
  await withVolumes(options, async (volumes) => {
    const from = await volumes.snapshot(name);
    const place = placeOf(from);
    const sizeBytes = options.size ?? from.sizeBytes;
    const volume =
      options.into === undefined
        ? await volumes.call('createVolume', {
            ...{ id: randomUUID(), name: made ?? from.name, sizeBytes, source: { snapshot: place } },
          })
        : await volumes.call('revertVolume', { id: (await volumes.volume(options.into)).id, snapshot: place });
    if (options.wait) await waitFilled(volumes, volume.id);
    print(options, volume, `${volume.id}\n`);
  });
}

interface ImportOptions extends CommonOptions {
  readonly account?: string;
  readonly wait: boolean;
}

export async function importCinder(
  container: string,
  backup: string | undefined,
  options: ImportOptions,
): Promise<void> {
  const where = { container, ...(options.account !== undefined && { account: options.account }) };
  await withVolumes(options, async (volumes) => {
    if (backup === undefined) {
      const { backups } = await volumes.call('findBackups', where);
      const rows = backups.map((one) => [one.id, one.name, one.createdAt, one.parent ?? '-', one.volume]);
      return print(options, backups, table([['ID', 'NAME', 'CREATED', 'PARENT', 'VOLUME'], ...rows]));
    }
    // Its own id: importing twice is going on.
    const begun = await volumes.call('importBackup', { ...where, backup, snapshot: backup });
    const done = options.wait ? await waitFor(volumes, begun) : begun;
    print(options, done, `${done.snapshot}\n`);
  });
}

const placeOf = ({ lineage, snapshot }: SnapshotView): SnapshotPlace => ({ lineage, snapshot });

function withPlace(
  name: string,
  options: CommonOptions,
  work: (volumes: Volumes, place: SnapshotPlace) => Promise<void>,
): Promise<void> {
  return withVolumes(options, async (volumes) => work(volumes, placeOf(await volumes.snapshot(name))));
}

async function waitFor(volumes: Volumes, snapshot: SnapshotView): Promise<SnapshotView> {
  for (;;) {
    const now = await volumes.call('snapshot', placeOf(snapshot));
    if (now.progress) showProgress('uploading', now.progress.doneBytes, now.progress.totalBytes);
    if (now.status === 'available') return endProgress(now);
    if (now.status === 'error') throw new Fault('SnapshotFailed', {}, `the snapshot failed: ${now.error}`);
    await systemClock.sleep(POLL_MS);
  }
}

async function waitFilled(volumes: Volumes, id: string): Promise<void> {
  for (;;) {
    const { fill, error } = await volumes.call('volume', { id });
    if (fill === undefined) return endProgress(undefined);
    if (error !== undefined) process.stderr.write(`${error}\n`);
    showProgress('filling', fill.doneBytes, fill.totalBytes);
    await systemClock.sleep(POLL_MS);
  }
}

function showProgress(what: string, doneBytes: number, totalBytes: number): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r\x1b[K${what}: ${sizeText(doneBytes)} of ${sizeText(totalBytes)}`);
}

function endProgress<T>(value: T): T {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  return value;
}
