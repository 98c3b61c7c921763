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
}

export interface Embedded {
  readonly pid: number;
  target(api: Api, port: Port): Promise<Target>;
  stop(): Promise<void>;
}

export async function startEmbedded({ processes, parent }: EmbeddedOptions): Promise<Embedded> {
  const directory = mkdtempSync(path.join(parent ?? tmpdir(), 'needletail-bench-'));
  const logFile = path.join(directory, 'log');
  const log = openSync(logFile, 'w');
  const args = [
    'start',
    '--data',
    path.join(directory, 'data'),
    '--port',
    '0',
    '--s3-port',
    '0',
    '--processes',
    processes,
  ];
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', log], detached: true });
  closeSync(log);
  const stop = onEnd(async () => {
    await end(child);
    rmSync(directory, { recursive: true, force: true });
  });
  try {
    const line = await readyLine(child);
    const credentials = JSON.parse(readFileSync(wordOf(line, 'credentials'), 'utf8'));
    const { authUrl, user, key } = credentials.swift;
    return {
      pid: child.pid as number,
      async target(api, port) {
        if (api === 'swift') return await swiftLogin(authUrl, user, key);
        return { api, url: wordOf(line, port === 's3' ? 's3' : 's3\\+swift'), keys: credentials.s3 };
      },
      stop,
    };
  } catch (error) {
    process.stderr.write(readFileSync(logFile, 'utf8').split('\n').slice(-20).join('\n'));
    await stop();
    throw error;
  }
}

function readyLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the cluster did not start in time')), START_MS_MAX);
    const lines = createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> });
    lines.on('line', (line) => void (line.startsWith('ready ') && resolve(line)));
    child.once('exit', (code, signal) => reject(new Error(`the cluster ended at start (${signal ?? code})`)));
    child.once('error', reject);
    lines.once('close', () => clearTimeout(timer));
    lines.on('line', () => clearTimeout(timer));
  });
}

function wordOf(line: string, name: string): string {
  const found = new RegExp(` ${name}=(\\S+)`).exec(line)?.[1];
  if (found === undefined) throw new Error(`no ${name}= in "${line}"`);
  return found;
}

/** SIGTERM, then SIGKILL to its whole process group, zones included. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  const { pid } = child;
  const timer = setTimeout(() => process.kill(-pid, 'SIGKILL'), STOP_MS_MAX);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(timer);
}
