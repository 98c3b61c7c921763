/**
 * Two runs that kill -9 cannot give, because it keeps the page cache: every fdatasync late, and fdatasync failing in one
 * zone, both through strace's fault injection. A 2xx must wait for the disk; a device that cannot sync must go out, and
 * nothing acknowledged may depend on it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { missing } from '../tools.ts';
import { Bench, prepare } from './campaign.ts';
import { checkStore, type Findings } from './check.ts';
import { Client } from './client.ts';
import { Ledger } from './ledger.ts';
import { Load, newCounts } from './load.ts';
import { CrashServer, signal } from './server.ts';

export const DELAY_MS = 80;
const WORKERS = 8;
const ATTACH_LIMIT_MS = 60_000;
const STATE_LIMIT_MS = 20_000;
const INJECTED = 'fdatasync,fsync';

export interface StraceOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly report: (line: string) => void;
}

export interface StraceReport extends Findings {
  readonly acked: number;
  readonly failed: number;
  readonly wrongAnswers: readonly string[];
  readonly passed: boolean;
}

/** The reason to skip, or false when strace works here (a sandbox may forbid tracing). */
export function missingStrace(): string | false {
  const absent = missing('strace');
  if (absent) return absent;
  const probe = spawnSync('strace', ['-f', '-qq', '-e', 'trace=none', 'true'], { stdio: 'ignore', timeout: 10_000 });
  return probe.status === 0 ? false : 'strace may not trace here';
}

interface Rig {
  readonly server: CrashServer;
  readonly client: Client;
  readonly ledger: Ledger;
  readonly counts: ReturnType<typeof newCounts>;
  readonly load: Load;
}

async function withRig<T>(
  options: StraceOptions,
  server: { processes: 'inline' | 'zones'; wrapper?: readonly string[] },
  run: (rig: Rig) => Promise<T>,
): Promise<T> {
  const bench = new Bench();
  const cluster = new CrashServer({ directory: bench.data, logFile: bench.logFile, ...server });
  const client = new Client(bench.data);
  const ledger = new Ledger();
  const counts = newCounts();
  const load = new Load({ client, ledger, counts, seed: options.seed, workers: WORKERS });
  try {
    await cluster.start();
    await prepare(client, cluster.url);
    return await run({ server: cluster, client, ledger, counts, load });
  } finally {
    client.close();
    await cluster.killAll();
    bench.remove();
  }
}

/** Every fdatasync of every zone takes DELAY_MS longer: no write may be acknowledged sooner. */
export function runDelayed(options: StraceOptions): Promise<StraceReport & { quickestWriteMs: number }> {
  const inject = `inject=${INJECTED}:delay_exit=${DELAY_MS * 1000}`;
  const wrapper = ['strace', '-f', '--seccomp-bpf', '-qq', '-o', '/dev/null', '-e', `trace=${INJECTED}`, '-e', inject];
  return withRig(options, { processes: 'inline', wrapper }, async ({ client, ledger, counts, load }) => {
    load.start();
    await sleep(options.seconds * 1000);
    await load.stop();
    const findings = await checkStore(client, ledger);
    const { acked, failed, wrong, quickestWriteMs } = counts;
    const passed = acked > 0 && quickestWriteMs >= DELAY_MS && isClean(findings, wrong);
    options.report(
      `fdatasync late by ${DELAY_MS} ms: ${acked} acked, ${failed} failed, quickest write ${quickestWriteMs.toFixed(1)} ms, ` +
        `read ${counts.quickestReadMs.toFixed(1)} ms, ` +
        `lost ${findings.lost.length}, wrong rows ${findings.wrongRows.length}, wrong answers ${wrong.length}`,
    );
    return { ...findings, acked, failed, wrongAnswers: wrong, passed, quickestWriteMs };
  });
}

/** From some moment on every fdatasync of one zone fails: its device goes out, the others carry on. */
export function runFailing(options: StraceOptions): Promise<StraceReport & { deviceOut: boolean; ackedAfter: number }> {
  return withRig(options, { processes: 'zones' }, async ({ server, client, ledger, counts, load }) => {
    load.start();
    await sleep(1000);
    const [zone = '', pid = 0] = Object.entries(server.pids.zones)[options.seed % 5] ?? [];
    const tracer = await attach(pid);
    let deviceOut: boolean;
    let ackedAfter: number;
    try {
      deviceOut = await reportedOut(client, zone);
      const ackedBefore = counts.acked;
      await sleep(options.seconds * 1000);
      ackedAfter = counts.acked - ackedBefore;
      await load.stop();
    } finally {
      await detach(tracer);
    }
    const findings = await checkStore(client, ledger);
    const { acked, failed, wrong } = counts;
    // The disk is well again, and the device that missed everything since comes back.
    await server.killAll();
    await server.start();
    await client.login(server.url);
    const later = await checkStore(client, ledger);
    const lost = [...findings.lost, ...later.lost];
    const wrongRows = [...findings.wrongRows, ...later.wrongRows];
    const all = { ...findings, lost, wrongRows };
    options.report(
      `fdatasync failing in ${zone}: device reported out: ${deviceOut}; ${acked} acked, ${ackedAfter} of them after it, ` +
        `${failed} failed, lost ${lost.length}, wrong rows ${wrongRows.length}, wrong answers ${wrong.length}`,
    );
    for (const finding of [...lost, ...wrongRows, ...wrong].slice(0, 10)) options.report(`    ${finding}`);
    const passed = deviceOut && ackedAfter > 0 && isClean(all, wrong);
    return { ...all, acked, failed, wrongAnswers: wrong, passed, deviceOut, ackedAfter };
  });
}

const isClean = ({ lost, wrongRows }: Findings, wrong: readonly string[]): boolean =>
  lost.length + wrongRows.length + wrong.length === 0;

/** Resolves when strace says that it has the process. */
function attach(pid: number): Promise<ChildProcess> {
  const inject = `inject=${INJECTED}:error=EIO`;
  const args = ['-f', '-p', String(pid), '-e', `trace=${INJECTED}`, '-e', inject, '-o', '/dev/null'];
  const tracer = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('strace does not attach')), ATTACH_LIMIT_MS);
    let text = '';
    tracer.stderr?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (!text.includes('attached')) return;
      clearTimeout(timer);
      resolve(tracer);
    });
    tracer.once('exit', () => {
      clearTimeout(timer);
      reject(new Error(`strace ended: ${text.trim()}`));
    });
  });
}

async function detach(tracer: ChildProcess): Promise<void> {
  if (!tracer.pid || tracer.exitCode !== null) return;
  const ended = new Promise<void>((resolve) => void tracer.once('exit', () => resolve()));
  signal(tracer.pid, 'SIGINT');
  await ended;
}

async function reportedOut(client: Client, zone: string): Promise<boolean> {
  const limit = performance.now() + STATE_LIMIT_MS;
  const line = new RegExp(`^needletail_device_state\\{[^}]*peer="${zone}"[^}]*state="out"\\} 1$`, 'm');
  while (performance.now() < limit) {
    if (line.test(await client.metrics())) return true;
    await sleep(100);
  }
  return false;
}
