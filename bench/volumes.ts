/**
 * Volumes as people use them: through the cluster that everybody starts and its own object store, qemu-storage-daemon below and
 * fio above. The guest's stall by a snapshot, its throughput during an upload, the first read of a restore, restores after 1
 * and after 50 snapshots, memory for a sparse TiB. `node scripts/run.mjs bench/volumes [--parts …] [--dir DIR]`; Markdown on
 * stdout. What the engine alone costs is in bench/volume.ts, what the repository alone does in bench/snapshot.ts.
 */

import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { connectNbd } from '../block/nbd/client.ts';
import type { NbdClient } from '../block/nbd/contract.ts';
import type { SnapshotView, VolumeView } from '../block/volumes/contract.ts';
import { parseUnixUri } from '../block/volumes/moment.ts';
import { type Volumes, withVolumes } from '../cli/volume/connect.ts';
import { systemClock } from '../fabric/clock.ts';
import { systemNet } from '../fabric/net.ts';
import { cleanUp, cleanUpOnSignals } from './cleanup.ts';
import { directoryOfCluster, startEmbedded } from './embedded.ts';
import { longest, type Span } from './guest-log.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const TIB = MIB * MIB;
const GUEST_BYTES = 256 * MIB;
/** What the guest writes to while snapshots are taken of it. */
const BUSY_BYTES = 16 * MIB;
const SNAPSHOTS = 30;
/** A write that was held up by a snapshot is answered within this after it. */
const AFTER_MS = 40;
const FIO_SECONDS_MAX = 600;
const GENERATIONS = 50;
const FIRST_READS = 10;
const POLL_MS = 20;
const PARTS = 'stall,upload,restore,tebibyte';

type Rows = Map<string, string>;

interface Bench {
  readonly volumes: Volumes;
  readonly pid: number;
  readonly folder: string;
  readonly rows: Rows;
}

const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const quantile = (values: readonly number[], share: number): number =>
  sorted(values)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
const ms = (value: number): string => `${value.toFixed(1)} ms`;

const fio = (uri: string, more: readonly string[]): string[] => [
  ...['--name=guest', '--ioengine=nbd', `--uri=${uri}`, '--rw=randwrite', '--bs=4k', '--iodepth=16', '--time_based'],
  ...more,
];

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, [...args], { maxBuffer: 64 * MIB }, (error, stdout) => (error ? reject(error) : resolve(stdout)));
  });
}

async function make({ volumes }: Bench, sizeBytes: number, dataBytes: number): Promise<{ id: string; uri: string }> {
  const { id } = await volumes.call('createVolume', { id: randomUUID(), sizeBytes });
  const { uri } = await volumes.call('attachVolume', { id, attachment: 'guest', transport: 'unix' });
  const full = ['--name=fill', '--ioengine=nbd', `--uri=${uri}`, '--rw=write', '--bs=1M', `--size=${dataBytes}`];
  if (dataBytes > 0) await run('fio', full);
  return { id, uri };
}

async function stored({ volumes }: Bench, taken: SnapshotView): Promise<SnapshotView> {
  for (;;) {
    const now = await volumes.call('snapshot', { lineage: taken.lineage, snapshot: taken.snapshot });
    if (now.status === 'available') return now;
    if (now.status === 'error') throw new Error(now.error);
    await systemClock.sleep(POLL_MS);
  }
}

const take = ({ volumes }: Bench, volume: string, alone = false): Promise<SnapshotView> =>
  volumes.call('takeSnapshot', { volume, snapshot: randomUUID(), alone });

/** Spans with a call in them, and spans as long just before it, when the last upload is over. */
async function stall(bench: Bench): Promise<void> {
  const { id, uri } = await make(bench, GUEST_BYTES, BUSY_BYTES);
  await stored(bench, await take(bench, id));
  const log = path.join(bench.folder, 'guest');
  const logs = [`--write_lat_log=${log}`, '--log_unix_epoch=1', '--disable_slat=1', '--disable_clat=1'];
  const args = fio(uri, [`--size=${BUSY_BYTES}`, `--runtime=${FIO_SECONDS_MAX}`, ...logs]);
  const guest = spawn('fio', args, { stdio: 'ignore' });
  const gone = new Promise((resolve) => guest.once('exit', resolve));
  await systemClock.sleep(1000);
  const during: Span[] = [];
  const beside: Span[] = [];
  const calls: number[] = [];
  const uploads: number[] = [];
  for (let i = 0; i < SNAPSHOTS; i++) {
    await systemClock.sleep(500);
    const fromMs = systemClock.nowMs();
    const taken = await take(bench, id);
    const toMs = systemClock.nowMs();
    during.push({ fromMs, toMs: toMs + AFTER_MS });
    beside.push({ fromMs: fromMs - (toMs - fromMs) - AFTER_MS, toMs: fromMs });
    calls.push(toMs - fromMs);
    await stored(bench, taken);
    uploads.push(systemClock.nowMs() - fromMs);
  }
  guest.kill('SIGINT');
  await gone;
  const text = readFileSync(`${log}_lat.1.log`, 'latin1');
  const [with_, without] = [longest(text, during), longest(text, beside)];
  const both = (values: readonly number[]): string => `${ms(quantile(values, 0.5))}, ${ms(quantile(values, 0.99))}`;
  bench.rows.set(`longest 4 KiB write while a snapshot is taken (${SNAPSHOTS}): median, 99 %`, both(with_));
  bench.rows.set('in as long a time just before: median, 99 %', both(without));
  const extra = with_.map((value, i) => Math.max(0, value - (without[i] ?? 0)));
  bench.rows.set('what the snapshot added, by pairs: median, 99 %', both(extra));
  bench.rows.set('the call, a look at the object store included: median', ms(quantile(calls, 0.5)));
  bench.rows.set('until it is stored, 16 MiB overwritten at random: median', ms(quantile(uploads, 0.5)));
  await bench.volumes.call('deleteVolume', { id, force: true });
}

async function guestIops(uri: string, seconds: number): Promise<number> {
  const args = fio(uri, [`--size=${GUEST_BYTES}`, `--runtime=${seconds}`, '--output-format=json']);
  const told = await run('fio', args);
  const { jobs } = JSON.parse(told.slice(told.indexOf('{'))) as { jobs: { write: { iops: number } }[] };
  return jobs[0]?.write.iops ?? Number.NaN;
}

async function upload(bench: Bench): Promise<void> {
  const { id, uri } = await make(bench, GUEST_BYTES, GUEST_BYTES);
  const ratios: number[] = [];
  const rates: number[] = [];
  for (let round = 0; round < 3; round++) {
    const before = await guestIops(uri, 3);
    const startMs = performance.now();
    const taken = await take(bench, id, true);
    const done = stored(bench, taken).then(() =>
      rates.push(GUEST_BYTES / MIB / ((performance.now() - startMs) / 1000)),
    );
    ratios.push((await guestIops(uri, 3)) / before);
    await done;
    await bench.volumes.call('deleteSnapshot', taken);
  }
  bench.rows.set('4 KiB random writes during a full upload, of before: median', quantile(ratios, 0.5).toFixed(2));
  bench.rows.set('the upload meanwhile: median', `${quantile(rates, 0.5).toFixed(0)} MiB/s`);
  await bench.volumes.call('deleteVolume', { id, force: true });
}

async function restoreOnce(
  bench: Bench,
  place: SnapshotView,
  isFilled = true,
): Promise<{ readMs: number; filledMs: number }> {
  const { call } = bench.volumes;
  const startMs = performance.now();
  const source = { snapshot: { lineage: place.lineage, snapshot: place.snapshot } };
  const { id } = await call('createVolume', { id: randomUUID(), sizeBytes: place.sizeBytes, source });
  const { uri } = await call('attachVolume', { id, attachment: 'guest', transport: 'unix' });
  const client = await openClient(uri);
  await client.read(8 * MIB, 4 * KIB);
  const readMs = performance.now() - startMs;
  await client.close();
  for (let now: VolumeView; isFilled; await systemClock.sleep(POLL_MS)) {
    now = await call('volume', { id });
    if (!now.fill) break;
  }
  const filledMs = performance.now() - startMs;
  await call('deleteVolume', { id, force: true });
  return { readMs, filledMs };
}

const openClient = (uri: string): Promise<NbdClient> =>
  connectNbd({ net: systemNet, clock: systemClock, ...parseUnixUri(uri) });

async function restore(bench: Bench): Promise<void> {
  const { id, uri } = await make(bench, 64 * MIB, 64 * MIB);
  const client = await openClient(uri);
  const first = await stored(bench, await take(bench, id));
  let last = first;
  for (let generation = 2; generation <= GENERATIONS; generation++) {
    await client.write((generation % 64) * MIB, Buffer.alloc(MIB, `generation ${generation} `));
    last = await stored(bench, await take(bench, id));
  }
  await client.close();
  const times = { first: [] as number[], last: [] as number[], reads: [] as number[] };
  for (let round = 0; round < FIRST_READS; round++) {
    for (const which of ['first', 'last'] as const) {
      const { readMs, filledMs } = await restoreOnce(bench, which === 'first' ? first : last);
      times[which].push(filledMs);
      times.reads.push(readMs);
    }
  }
  bench.rows.set('from the call to the first read of a restored volume: median', ms(quantile(times.reads, 0.5)));
  bench.rows.set('the same, slowest of 20', ms(Math.max(...times.reads)));
  bench.rows.set('64 MiB restored to the last byte, of 1 snapshot: median', ms(quantile(times.first, 0.5)));
  bench.rows.set(`the same, of the newest of ${GENERATIONS}`, ms(quantile(times.last, 0.5)));
  await bench.volumes.call('deleteVolume', { id, force: true });
}

const memoryMib = (pid: number, field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / KIB;

async function tebibyte(bench: Bench): Promise<void> {
  const { volumes, pid, rows } = bench;
  const { id, uri } = await make(bench, TIB, 0);
  const client = await openClient(uri);
  for (let at = 0; at < 64; at++) await client.write(at * 16 * KIB * MIB, Buffer.alloc(MIB, `place ${at} `));
  await client.close();
  const before = memoryMib(pid, 'VmRSS');
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, memoryMib(pid, 'VmRSS'));
  }, POLL_MS);
  const startMs = performance.now();
  const taken = await stored(bench, await take(bench, id));
  rows.set('1 TiB sparse, 64 MiB of data: first snapshot', ms(performance.now() - startMs));
  const { readMs } = await restoreOnce(bench, taken, false);
  clearInterval(watch);
  rows.set('the same: from the call to the first read of a restored volume', ms(readMs));
  rows.set("the cluster's memory meanwhile, all of it", `${before.toFixed(0)} MiB, at most ${peak.toFixed(0)} MiB`);
  await volumes.call('deleteVolume', { id, force: true });
}

const { values } = parseArgs({
  options: { parts: { type: 'string', default: PARTS }, dir: { type: 'string', default: tmpdir() } },
});
const work = { stall, upload, restore, tebibyte } as const;
cleanUpOnSignals();
const directory = directoryOfCluster(values.dir);
const cluster = await startEmbedded({ processes: 'inline', directory: directory.path });
const rows: Rows = new Map();
try {
  await withVolumes({ data: path.join(directory.path, 'data') }, async (volumes) => {
    const bench = { volumes, pid: cluster.pid, folder: directory.path, rows };
    try {
      for (const part of values.parts.split(',')) await work[part as keyof typeof work](bench);
    } finally {
      for (const { id } of (await volumes.call('volumes', {})).volumes)
        await volumes.call('deleteVolume', { id, force: true });
    }
  });
} finally {
  const lines = [...rows].map(([what, value]) => `| ${what} | ${value} |\n`);
  process.stdout.write(`| figure | value |\n| --- | ---: |\n${lines.join('')}`);
  await cluster.stop();
  await directory.remove();
  await cleanUp();
}
