/**
 * A directory with another store in it, run by scripts of its own: PEER/start.sh prints `export NAME=value` lines for
 * STORAGE_URL, AUTH_TOKEN and SERVER_PIDFILE and leaves the store running, PEER/stop.sh ends it; FRESH=1 and WIPE=1 ask
 * for an empty one and to leave nothing. load/load.sh runs one load and prints one line of JSON. docs/benchmarks.md has
 * the whole interface. Nothing here knows which store it is.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { onEnd } from '../cleanup.ts';
import type { PeerRow } from './rows.ts';

const START_MS_MAX = 400_000;
const STOP_MS_MAX = 120_000;
/** A load writes the objects it reads before its clock runs. */
const LOAD_EXTRA_MS_MAX = 400_000;

/** Where a peer's scripts and the load generator are. */
export interface PeerDirectory {
  readonly name: string;
  readonly directory: string;
  readonly load: string;
}

export interface Served {
  readonly storageUrl: string;
  readonly token: string;
  readonly pidfile: string;
}

export interface Peer extends Served {
  stop(): Promise<void>;
}

export interface Sample {
  readonly opsPerSecond: number;
  /** Absent when the processes are not known. */
  readonly cpuUsPerOp?: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
  /** Per cent of the machine that was neither the server's nor the load's. */
  readonly otherCpuPercent: number;
}

export async function startPeer({ name, directory }: PeerDirectory): Promise<Peer> {
  const script = (file: string): string[] => ['bash', path.join(directory, file)];
  if (!existsSync(script('start.sh')[1] as string)) throw new Error(`there is no ${name}/start.sh in ${directory}`);
  console.log(`starting ${name} …`);
  // From the first moment: an interrupted start leaves servers behind.
  let started = true;
  const stop = onEnd(async () => {
    if (started) await output(script('stop.sh'), { WIPE: '1' }, STOP_MS_MAX);
  });
  let text: string;
  try {
    text = await output(script('start.sh'), { FRESH: '1' }, START_MS_MAX);
  } catch (error) {
    // What ran before is somebody else's; what came up in part is ours to stop.
    started = !/already running/.test((error as Error).message);
    await stop();
    throw error;
  }
  const value = (key: string): string => {
    const found = new RegExp(`^export ${key}=(.*)$`, 'm').exec(text)?.[1];
    if (found === undefined) throw new Error(`${name}/start.sh did not print ${key}`);
    return found;
  };
  return { storageUrl: value('STORAGE_URL'), token: value('AUTH_TOKEN'), pidfile: value('SERVER_PIDFILE'), stop };
}

type Load = Pick<PeerRow, 'op' | 'size' | 'connections' | 'names'>;

/** One run of load/load.sh. */
export async function runCLoad(row: Load, at: Served & { load: string; seconds: number }): Promise<Sample> {
  const { storageUrl, token, pidfile, load, seconds } = at;
  const args = ['--url', storageUrl, '--token', token, '--pidfile', pidfile, '--prefix', 'needletail'];
  args.push('--op', row.op, '--size', row.size, '-c', String(row.connections), '-d', String(seconds));
  if (row.names !== undefined) args.push('-n', String(row.names));
  const command = ['bash', path.join(load, 'load.sh'), ...args];
  const text = await output(command, {}, seconds * 1000 + LOAD_EXTRA_MS_MAX);
  const line = JSON.parse(text.trim().split('\n').at(-1) ?? '') as Record<string, number | null>;
  const cpu = line['server_cpu_s_per_1000'];
  return {
    opsPerSecond: line['ops_s'] ?? 0,
    ...(cpu ? { cpuUsPerOp: cpu * 1000 } : {}),
    p50Ms: line['p50_ms'] ?? 0,
    p99Ms: line['p99_ms'] ?? 0,
    errors: line['errors'] ?? 1,
    otherCpuPercent: line['other_cpu_pct'] ?? 0,
  };
}

/** Standard output of a command; its whole process group is ended when it takes too long or we are interrupted. */
async function output(command: readonly string[], env: Record<string, string>, limitMs: number): Promise<string> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const out: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  // Servers that a script leaves running hold no pipe of ours, and must not be waited for.
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', (error) => reject(error));
    child.once('exit', (code, signal) => resolve(signal ?? String(code)));
  });
  const kill = onEnd(() => endGroup(child));
  const timer = setTimeout(() => void endGroup(child), limitMs);
  const status = await ended.finally(() => clearTimeout(timer));
  // The last bytes may still be in the pipe.
  await new Promise((resolve) => setImmediate(resolve));
  await kill();
  if (status === '0') return Buffer.concat(out).toString();
  const why = Buffer.concat(errors).toString().trim().split('\n').slice(-5).join('\n');
  throw new Error(`${command.slice(0, 2).join(' ')} ended with ${status}: ${why}`);
}

async function endGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  process.kill(-child.pid, 'SIGTERM');
}
