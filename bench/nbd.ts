/**
 * Our NBD server and client beside nbdkit's and QEMU's: I/Os a second and CPU of the measured side per I/O, one file in
 * memory (/dev/shm), fio's nbd engine as the load. `node scripts/run.mjs bench/nbd [seconds]`; prints a Markdown table.
 */
import { type ChildProcess, execFile, fork, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { connectNbd } from '../block/nbd/client.ts';
import { nbdUri } from '../block/nbd/contract.ts';
import { openFileDevice } from '../block/nbd/file-device.ts';
import { MemoryDevice } from '../block/nbd/memory-device.ts';
import { startNbdServer } from '../block/nbd/server.ts';
import { systemClock } from '../fabric/clock.ts';
import { systemNet } from '../fabric/net.ts';
import { createSeededRandom } from '../fabric/random.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import { usageOf } from './process-tree.ts';

const MIB = 1024 * 1024;
const FILE_BYTES = 256 * MIB;
const START_MS = 10_000;

interface Load {
  readonly label: string;
  readonly rw: 'randread' | 'randwrite' | 'read' | 'write';
  readonly bytes: number;
  readonly depth: number;
}

const LOADS: readonly Load[] = [
  { label: '4 KiB random read, depth 1', rw: 'randread', bytes: 4096, depth: 1 },
  { label: '4 KiB random read, depth 16', rw: 'randread', bytes: 4096, depth: 16 },
  { label: '4 KiB random write, depth 16', rw: 'randwrite', bytes: 4096, depth: 16 },
  { label: '1 MiB read, depth 4', rw: 'read', bytes: MIB, depth: 4 },
  { label: '1 MiB write, depth 4', rw: 'write', bytes: MIB, depth: 4 },
];

interface Server {
  readonly name: string;
  readonly path: string;
  readonly exportName: string;
  readonly child: ChildProcess;
}

interface Figure {
  readonly perSecond: number;
  readonly cpuUs: number;
}

async function serve(path: string, file: string): Promise<void> {
  const memory = new MemoryDevice(FILE_BYTES);
  await memory.write(0, [Buffer.alloc(FILE_BYTES, 5)]);
  const open = (name: string) =>
    name === 'memory' ? memory : openFileDevice({ disk: systemDisk, path: file, sizeBytes: FILE_BYTES });
  await startNbdServer({
    net: systemNet,
    clock: systemClock,
    endpoint: { path },
    exports: { names: () => [''], open },
  });
}

async function listening(path: string): Promise<void> {
  const untilMs = systemClock.monotonicMs() + START_MS;
  while (!existsSync(path)) {
    if (systemClock.monotonicMs() > untilMs) throw new Error(`nothing listens at ${path}`);
    await systemClock.sleep(20);
  }
}

function quiet(command: string, ...args: string[]): ChildProcess {
  return spawn(command, args, { stdio: 'ignore' });
}

interface FioJob {
  readonly read: { total_ios: number; iops: number; runtime: number };
  readonly write: { total_ios: number; iops: number; runtime: number };
  readonly usr_cpu: number;
  readonly sys_cpu: number;
}

function fio(server: Server, load: Load, seconds: number): Promise<FioJob> {
  const uri = nbdUri({ path: server.path }, server.exportName);
  const args = [`--uri=${uri}`, `--rw=${load.rw}`, `--bs=${load.bytes}`, `--iodepth=${load.depth}`];
  const fixed = ['--name=b', '--ioengine=nbd', '--time_based', `--runtime=${seconds}`, `--size=${FILE_BYTES}`];
  return new Promise((resolve, reject) => {
    const options = { timeout: (seconds + 20) * 1000, killSignal: 'SIGKILL' } as const;
    execFile('fio', [...fixed, ...args, '--output-format=json'], options, (error, stdout) => {
      if (error) reject(error);
      else resolve(JSON.parse(stdout.slice(stdout.indexOf('{'))).jobs[0]);
    });
  });
}

async function measureServer(server: Server, load: Load, seconds: number): Promise<Figure> {
  const pid = server.child.pid as number;
  const before = usageOf([pid]).cpuUs;
  const job = await fio(server, load, seconds);
  const side = load.rw.endsWith('read') ? job.read : job.write;
  return { perSecond: side.iops, cpuUs: (usageOf([pid]).cpuUs - before) / side.total_ios };
}

async function ourClient({ path }: Server, load: Load, seconds: number): Promise<Figure> {
  const client = await connectNbd({ net: systemNet, clock: systemClock, endpoint: { path } });
  const random = createSeededRandom(1);
  const blocks = FILE_BYTES / load.bytes;
  const cpu = process.cpuUsage();
  const startMs = systemClock.monotonicMs();
  let count = 0;
  const worker = async (first: number): Promise<void> => {
    const buffer = Buffer.alloc(load.bytes, first);
    for (let i = first; systemClock.monotonicMs() - startMs < seconds * 1000; i += load.depth) {
      const offset = (load.rw.startsWith('rand') ? random.below(blocks) : i % blocks) * load.bytes;
      if (load.rw.endsWith('read')) await client.read(offset, load.bytes, { into: buffer });
      else await client.write(offset, buffer);
      count++;
    }
  };
  await Promise.all(Array.from({ length: load.depth }, (_, i) => worker(i)));
  const { user, system } = process.cpuUsage(cpu);
  const tookMs = systemClock.monotonicMs() - startMs;
  await client.close();
  return { perSecond: (count / tookMs) * 1000, cpuUs: (user + system) / count };
}

async function fioClient(server: Server, load: Load, seconds: number): Promise<Figure> {
  const job = await fio(server, load, seconds);
  const side = load.rw.endsWith('read') ? job.read : job.write;
  const cpuUs = (((job.usr_cpu + job.sys_cpu) / 100) * side.runtime * 1000) / side.total_ios;
  return { perSecond: side.iops, cpuUs };
}

function table(title: string, names: readonly string[], rows: readonly (readonly [Load, readonly Figure[]])[]): string {
  const head = `| ${title} | ${names.join(' | ')} |\n| --- |${names.map(() => ' --- |').join('')}`;
  const cell = ({ perSecond, cpuUs }: Figure, first: Figure): string =>
    `${(perSecond / first.perSecond).toFixed(2)}x (${Math.round(perSecond).toLocaleString('en')}/s), ${Math.round(cpuUs)} µs`;
  const lines = rows.map(([{ label }, figures]) => {
    const first = figures[0] as Figure;
    return `| ${label} | ${figures.map((figure) => cell(figure, first)).join(' | ')} |`;
  });
  return [head, ...lines].join('\n');
}

function startAll(folder: string, file: string): Server[] {
  const at = (name: string): string => join(folder, name);
  const nbdkit = (path: string, ...plugin: string[]) =>
    quiet('nbdkit', '--exit-with-parent', '-f', '-U', path, ...plugin);
  const ours = fork(fileURLToPath(import.meta.url), ['serve', at('ours'), file]);
  const qemu = quiet('qemu-nbd', '-f', 'raw', '-t', '-e', '8', '-k', at('qemu'), file);
  const memory = nbdkit(at('memory'), 'memory', String(FILE_BYTES));
  return [
    { name: 'nbdkit file', path: at('nbdkit'), exportName: '', child: nbdkit(at('nbdkit'), 'file', file) },
    { name: 'qemu-nbd raw', path: at('qemu'), exportName: '', child: qemu },
    { name: 'ours, file', path: at('ours'), exportName: '', child: ours },
    { name: 'nbdkit memory', path: at('memory'), exportName: '', child: memory },
    { name: 'ours, memory', path: at('ours'), exportName: 'memory', child: ours },
  ];
}

async function main(seconds: number): Promise<void> {
  const folder = mkdtempSync('/dev/shm/needletail-nbd-');
  const file = join(folder, 'disk');
  writeFileSync(file, Buffer.alloc(FILE_BYTES, 5));
  const all = startAll(folder, file);
  try {
    await Promise.all(all.map(({ path }) => listening(path)));
    const servers: [Load, Figure[]][] = [];
    const clients: [Load, Figure[]][] = [];
    for (const load of LOADS) {
      const figures: Figure[] = [];
      for (const server of all) figures.push(await measureServer(server, load, seconds));
      servers.push([load, figures]);
      const nbdkit = all[0] as Server;
      clients.push([load, [await fioClient(nbdkit, load, seconds), await ourClient(nbdkit, load, seconds)]]);
    }
    const names = all.map(({ name }) => name);
    console.log(table('server, fio as client', names, servers));
    console.log(`\n${table('client of nbdkit file', ['fio (libnbd)', 'ours'], clients)}`);
  } finally {
    for (const { child } of all) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

const [first, ...rest] = process.argv.slice(2);
if (first === 'serve') await serve(rest[0] as string, rest[1] as string);
else await main(Number(first ?? 2));
