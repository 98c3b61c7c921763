/**
 * The volume engine beside a plain storage daemon on the same raw file, fio's nbd engine as the load: short slices in turn in one
 * run, ratios of each round. Then the guest's stall by a snapshot, its throughput while one is read, and memory of a daemon.
 * `node scripts/run.mjs bench/volume [--seconds N] [--rounds N] [--dir DIR] [--parts …]`; Markdown on stdout, JSON in bench/results/.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { VolumeEngine } from '../block/engine/contract.ts';
import { createQsdEngine } from '../block/engine/qsd-engine.ts';
import type { EngineWorld } from '../block/engine/volume-context.ts';
import { systemFiles } from '../block/host/files.ts';
import { systemProcesses } from '../block/host/processes.ts';
import { systemClock } from '../fabric/clock.ts';
import { systemNet } from '../fabric/net.ts';
import { systemRandom } from '../fabric/random.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import { longest, type Span } from './guest-log.ts';
import { usageOf } from './process-tree.ts';

const MIB = 1024 * 1024;
const VOLUME_BYTES = 512 * MIB;
const TEBIBYTE = 2 ** 40;
const SNAPSHOTS = 40;
const SNAPSHOT_READS = 5;
const SNAPSHOT_EVERY_MS = 250;
/** A write that was held up by a snapshot is answered within this after it. */
const AFTER_MS = 40;
const START_MS = 10_000;
const FIO_SECONDS_MAX = 300;

const LOADS = [
  { label: '1 MiB sequential write, depth 4', rw: 'write', bs: '1M', depth: 4 },
  { label: '1 MiB sequential read, depth 4', rw: 'read', bs: '1M', depth: 4 },
  { label: '4 KiB random write, depth 16', rw: 'randwrite', bs: '4k', depth: 16 },
  { label: '4 KiB random read, depth 16', rw: 'randread', bs: '4k', depth: 16 },
] as const;
type Load = (typeof LOADS)[number];
const KINDS = ['plain', 'engine', 'engine with bitmap'] as const;
type Kind = (typeof KINDS)[number];

interface Bench {
  readonly engine: VolumeEngine;
  readonly folder: string;
  readonly seconds: number;
  readonly rounds: number;
}

interface FioSide {
  readonly bw_bytes: number;
  readonly iops: number;
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { maxBuffer: 64 * MIB }, (error, stdout) => (error ? reject(error) : resolve(stdout)));
  });
}

const fioArgs = (uri: string, load: Load, seconds: number): string[] => [
  '--name=bench',
  '--ioengine=nbd',
  `--uri=${uri}`,
  `--rw=${load.rw}`,
  `--bs=${load.bs}`,
  `--iodepth=${load.depth}`,
  `--size=${VOLUME_BYTES}`,
  '--time_based',
  `--runtime=${seconds}`,
];

async function bytesPerSecond(uri: string, load: Load, seconds: number): Promise<number> {
  const told = await run('fio', [...fioArgs(uri, load, seconds), '--output-format=json']);
  const { jobs } = JSON.parse(told.slice(told.indexOf('{'))) as { jobs: { read: FioSide; write: FioSide }[] };
  const job = jobs[0];
  return job ? job.read.bw_bytes + job.write.bw_bytes : 0;
}

async function plainDaemon(path: string, file: string): Promise<ChildProcess> {
  const child = spawn(
    'qemu-storage-daemon',
    [
      '--blockdev',
      `driver=file,node-name=f,filename=${file},discard=unmap,locking=off`,
      '--blockdev',
      'driver=raw,node-name=d,file=f,discard=unmap',
      '--nbd-server',
      `addr.type=unix,addr.path=${path}`,
      '--export',
      'type=nbd,id=e,node-name=d,name=guest,writable=on',
    ],
    { stdio: 'ignore' },
  );
  const untilMs = systemClock.monotonicMs() + START_MS;
  while (!existsSync(path) && systemClock.monotonicMs() < untilMs) await systemClock.sleep(10);
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

interface Sample {
  readonly bytesPerSecond: number;
  /** CPU time of the daemon for each I/O. */
  readonly cpuUs: number;
}
type Figures = Map<string, Record<Kind, Sample[]>>;

async function slice(uri: string, pid: number, load: Load, seconds: number): Promise<Sample> {
  const before = usageOf([pid]).cpuUs;
  const speed = await bytesPerSecond(uri, load, seconds);
  const ioBytes = load.bs === '1M' ? MIB : 4096;
  return { bytesPerSecond: speed, cpuUs: (usageOf([pid]).cpuUs - before) / ((speed * seconds) / ioBytes) };
}

/**
 * Both daemons stand over the same file, one at a time has work, in short slices and in turned order: what the machine does to
 * one it does to the others. The plain one opens the file without locks.
 */
async function compare(bench: Bench): Promise<Figures> {
  const { engine, folder, seconds } = bench;
  const { uri } = await engine.attach('bench', { attachmentId: 'guest', transport: 'unix' });
  const socket = join(folder, 'plain');
  const plain = await plainDaemon(socket, join(folder, 'bench', 'data.raw'));
  const pids = { plain: plain.pid ?? 0, engine: (await engine.status('bench')).daemonPid ?? 0 };
  const figures: Figures = new Map(
    LOADS.map((load) => [load.label, { plain: [], engine: [], 'engine with bitmap': [] }]),
  );
  for (let round = 0; round < bench.rounds; round++) {
    for (const load of LOADS) {
      for (let i = 0; i < KINDS.length; i++) {
        const kind = KINDS[(i + round) % KINDS.length] as Kind;
        await engine.forgetBase('bench');
        if (kind === 'engine with bitmap') await takeBase(engine);
        const sample =
          kind === 'plain'
            ? await slice(`nbd+unix:///guest?socket=${socket}`, pids.plain, load, seconds)
            : await slice(uri, pids.engine, load, seconds);
        figures.get(load.label)?.[kind].push(sample);
      }
    }
  }
  await ended(plain);
  await engine.detach('bench', 'guest');
  await engine.close('bench');
  return figures;
}

async function takeBase(engine: VolumeEngine): Promise<void> {
  await engine.beginSnapshot('bench', { snapshotId: 'base', reserveBytes: MIB });
  await engine.endSnapshot('bench', { snapshotId: 'base', keep: true });
}

const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const quantile = (values: readonly number[], share: number): number =>
  sorted(values)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Spans with a snapshot's beginning in them, and as many as long beside them. */
async function stall(bench: Bench): Promise<Record<string, number>> {
  const { engine, folder } = bench;
  const { uri } = await engine.attach('bench', { attachmentId: 'guest', transport: 'unix' });
  const load = LOADS[2];
  const log = ['--write_lat_log', join(folder, 'fio'), '--log_unix_epoch=1', '--disable_slat=1', '--disable_clat=1'];
  const fio = spawn('fio', [...fioArgs(uri, load, FIO_SECONDS_MAX), ...log], { stdio: 'ignore' });
  const gone = new Promise((resolve) => fio.once('exit', resolve));
  await systemClock.sleep(1000);
  const during: Span[] = [];
  const beside: Span[] = [];
  const callsMs: number[] = [];
  for (let i = 0; i < SNAPSHOTS; i++) {
    const fromMs = systemClock.nowMs();
    await engine.beginSnapshot('bench', { snapshotId: `s${i}` });
    const toMs = systemClock.nowMs();
    callsMs.push(toMs - fromMs);
    during.push({ fromMs, toMs: toMs + AFTER_MS });
    await systemClock.sleep(AFTER_MS);
    await engine.endSnapshot('bench', { snapshotId: `s${i}`, keep: true });
    await systemClock.sleep(SNAPSHOT_EVERY_MS);
    const nowMs = systemClock.nowMs();
    beside.push({ fromMs: nowMs - (toMs - fromMs) - AFTER_MS, toMs: nowMs });
  }
  // It writes its log before it ends.
  fio.kill('SIGINT');
  await gone;
  const text = readFileSync(join(folder, 'fio_lat.1.log'), 'latin1');
  const [with_, without] = [longest(text, during), longest(text, beside)];
  await engine.detach('bench', 'guest');
  await engine.close('bench');
  return {
    'longest write while a snapshot begins, median ms': median(with_),
    'the same, 99 % ms': quantile(with_, 0.99),
    'longest write in as long a time without, median ms': median(without),
    'the same without, 99 % ms': quantile(without, 0.99),
    'beginSnapshot call, median ms': median(callsMs),
    snapshots: SNAPSHOTS,
  };
}

/** Random writes while the snapshot is read from end to end, over and over. */
async function whileRead(bench: Bench): Promise<Record<string, number>> {
  const { engine } = bench;
  const { uri } = await engine.attach('bench', { attachmentId: 'guest', transport: 'unix' });
  const ratios: number[] = [];
  for (let round = 0; round < SNAPSHOT_READS; round++) {
    const before = await bytesPerSecond(uri, LOADS[2], bench.seconds);
    const { exportUri } = await engine.beginSnapshot('bench', { snapshotId: 'read', reserveBytes: 2 * VOLUME_BYTES });
    let stop = false;
    const reading = (async () => {
      while (!stop) await run('nbdcopy', [exportUri, 'null:']);
    })();
    ratios.push((await bytesPerSecond(uri, LOADS[2], bench.seconds)) / before);
    stop = true;
    await reading;
    await engine.endSnapshot('bench', { snapshotId: 'read', keep: false });
  }
  await engine.detach('bench', 'guest');
  await engine.close('bench');
  return { '4 KiB random writes while a snapshot is read, ratio to before': median(ratios) };
}

function pssKib(pid: number): number {
  const line = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1').match(/^Pss:\s+(\d+) kB/m);
  return Number(line?.[1]);
}

async function memory(bench: Bench): Promise<Record<string, number>> {
  const { engine, folder } = bench;
  await engine.create({ id: 'big', dir: join(folder, 'big'), sizeBytes: TEBIBYTE });
  const startedMs = systemClock.monotonicMs();
  await engine.attach('big', { attachmentId: 'guest', transport: 'unix' });
  const attachMs = systemClock.monotonicMs() - startedMs;
  const pid = (await engine.status('big')).daemonPid ?? 0;
  const idleKib = pssKib(pid);
  await engine.beginSnapshot('big', { snapshotId: 'one', reserveBytes: 64 * MIB });
  await engine.endSnapshot('big', { snapshotId: 'one', keep: true });
  const bitmapKib = pssKib(pid);
  await engine.detach('big', 'guest');
  await engine.close('big');
  return {
    'first attachment of a 1 TiB volume, ms': attachMs,
    'daemon of it, MiB (PSS)': idleKib / 1024,
    'with a base bitmap, MiB': bitmapKib / 1024,
  };
}

function print(figures: Figures, others: Record<string, number>): void {
  const lines = [
    '| load | plain, MB/s | engine | with bitmap | plain, CPU µs an I/O | engine | with bitmap |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
  ];
  for (const [label, kinds] of figures) {
    const ratio = (kind: Kind, field: keyof Sample): string =>
      median(kinds[kind].map((sample, i) => sample[field] / (kinds.plain[i]?.[field] ?? 1))).toFixed(2);
    const speed = (median(kinds.plain.map((sample) => sample.bytesPerSecond)) / 1e6).toFixed(0);
    const cpu = median(kinds.plain.map((sample) => sample.cpuUs)).toFixed(0);
    const columns = KINDS.slice(1);
    const speeds = columns.map((kind) => ratio(kind, 'bytesPerSecond'));
    const costs = columns.map((kind) => ratio(kind, 'cpuUs'));
    lines.push(`| ${[label, speed, ...speeds, cpu, ...costs].join(' | ')} |`);
  }
  lines.push('', '| figure | value |', '| --- | ---: |');
  for (const [name, value] of Object.entries(others)) lines.push(`| ${name} | ${Number(value.toFixed(2))} |`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '9' },
    dir: { type: 'string', default: tmpdir() },
    parts: { type: 'string', default: 'compare,stall,read,memory' },
  },
});
const folder = mkdtempSync(join(values.dir, 'nt-volume-'));
const world: EngineWorld = {
  net: systemNet,
  clock: systemClock,
  disk: systemDisk,
  files: systemFiles,
  processes: systemProcesses,
  random: systemRandom,
  command: 'qemu-storage-daemon',
  fronts: { host: '127.0.0.1', firstPort: 28_100, lastPort: 28_200 },
  headroomBytes: MIB,
};
const engine = await createQsdEngine({ world, runtimeDir: join(folder, 'run') });
try {
  const bench: Bench = { engine, folder, seconds: Number(values.seconds), rounds: Number(values.rounds) };
  await engine.create({ id: 'bench', dir: join(folder, 'bench'), sizeBytes: VOLUME_BYTES });
  const { uri } = await engine.attach('bench', { attachmentId: 'fill', transport: 'unix' });
  await run('fio', [
    '--name=fill',
    '--ioengine=nbd',
    `--uri=${uri}`,
    '--rw=write',
    '--bs=1M',
    `--size=${VOLUME_BYTES}`,
  ]);
  await engine.detach('bench', 'fill');
  await engine.close('bench');
  const parts = new Set(values.parts.split(','));
  const figures: Figures = parts.has('compare') ? await compare(bench) : new Map();
  const others = {
    ...(parts.has('stall') && (await stall(bench))),
    ...(parts.has('read') && (await whileRead(bench))),
    ...(parts.has('memory') && (await memory(bench))),
  };
  print(figures, others);
  const results = join(process.cwd(), 'bench', 'results');
  mkdirSync(results, { recursive: true });
  const document = { figures: Object.fromEntries(figures), others, options: values };
  writeFileSync(join(results, `volume-${systemClock.nowMs()}.json`), JSON.stringify(document, undefined, 2));
} finally {
  for (const id of ['bench', 'big'])
    await engine
      .status(id)
      .then(async ({ attachments }) => {
        for (const { attachmentId } of attachments) await engine.detach(id, attachmentId);
        await engine.remove(id);
      })
      .catch(() => {});
  await engine.release();
  rmSync(folder, { recursive: true, force: true });
}
