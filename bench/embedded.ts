/**
 * The cluster under measurement when nobody names another one: the command that everybody starts, as a process of its own
 * in a directory of its own. Owns both; `stop` ends the one and removes the other, whatever happened before.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onEnd } from './cleanup.ts';
import { processTree } from './process-tree.ts';
import { type Api, swiftLogin, type Target } from './target.ts';

const START_MS_MAX = 120_000;
const STOP_MS_MAX = 60_000;
const PROGRAM = fileURLToPath(new URL('../cli/main.js', import.meta.url));

/** `all` serves everything, `s3` is the port for S3 alone. */
export type Port = 'all' | 's3';

export interface EmbeddedOptions {
  readonly processes: 'inline' | 'zones';
  /** Parent of the data directory; the system's temporary one by default. */
  readonly parent?: string;
  /** Where Node puts profiles of its JavaScript when the cluster ends; it exists. */
  readonly profiles?: string;
  /** One that `directoryOfCluster` made, for a cluster that starts again; its owner removes it. */
  readonly directory?: string;
}

export interface Embedded {
  readonly pid: number;
  /** From the start of the command to its ready line. */
  readonly readyMs: number;
  /** Of the server's own log so far. */
  log(): string;
  target(api: Api, port: Port): Promise<Target>;
  stop(): Promise<void>;
  /** kill -9 of all its processes; what it stored stays. */
  kill(): Promise<void>;
}

export interface Directory {
  readonly path: string;
  remove(): Promise<void>;
}

export function directoryOfCluster(parent = tmpdir()): Directory {
  const directory = mkdtempSync(path.join(parent, 'needletail-bench-'));
  return { path: directory, remove: onEnd(async () => rmSync(directory, { recursive: true, force: true })) };
}

export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const own = options.directory === undefined ? directoryOfCluster(options.parent) : undefined;
  const directory = options.directory ?? (own as Directory).path;
  const logFile = path.join(directory, 'log');
  const startMs = performance.now();
  const child = spawnCluster(options, path.join(directory, 'data'), logFile);
  const stop = onEnd(async () => {
    await end(child);
    await own?.remove();
  });
  try {
    const line = await readyLine(child);
    const readyMs = performance.now() - startMs;
    const credentials = JSON.parse(readFileSync(wordOf(line, 'credentials'), 'utf8'));
    const { authUrl, user, key } = credentials.swift;
    return {
      pid: child.pid as number,
      readyMs,
      log: () => readFileSync(logFile, 'utf8'),
      async target(api, port) {
        if (api === 'swift') return await swiftLogin(authUrl, user, key);
        return { api, url: wordOf(line, port === 's3' ? 's3' : 's3\\+swift'), keys: credentials.s3 };
      },
      stop,
      async kill() {
        await killTree(child);
        await stop();
      },
    };
  } catch (error) {
    process.stderr.write(readFileSync(logFile, 'utf8').split('\n').slice(-20).join('\n'));
    await stop();
    throw error;
  }
}

function spawnCluster({ processes, profiles }: EmbeddedOptions, data: string, logFile: string): ChildProcess {
  const profiling = profiles === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profiles];
  const args = ['start', '--data', data, '--port', '0', '--s3-port', '0', '--processes', processes];
  const log = openSync(logFile, 'w');
  // A group of its own: it is ended as one, and a Ctrl-C is ours to pass on.
  const child = spawn(process.execPath, [...profiling, PROGRAM, ...args], {
    stdio: ['ignore', 'pipe', log],
    detached: true,
  });
  closeSync(log);
  return child;
}

function readyLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the cluster did not start in time')), START_MS_MAX);
    const lines = createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> });
    lines.on('line', (line) => {
      if (!line.startsWith('ready ')) return;
      clearTimeout(timer);
      resolve(line);
    });
    child.once('exit', (code, signal) => reject(new Error(`the cluster ended at start (${signal ?? code})`)));
    child.once('error', reject);
    lines.once('close', () => clearTimeout(timer));
  });
}

function wordOf(line: string, name: string): string {
  const found = new RegExp(` ${name}=(\\S+)`).exec(line)?.[1];
  if (found === undefined) throw new Error(`no ${name}= in "${line}"`);
  return found;
}

const hasEnded = ({ pid, exitCode, signalCode }: ChildProcess): boolean =>
  pid === undefined || exitCode !== null || signalCode !== null;

/** SIGTERM, then SIGKILL to its whole process group, zones included. */
async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  const timer = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), STOP_MS_MAX);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(timer);
}

/** Zones of their own included, wherever they were put. */
async function killTree(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  for (const pid of processTree([child.pid as number])) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone with its parent.
    }
  }
  await ended;
}
