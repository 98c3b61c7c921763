/**
 * A real cluster to be killed: the program as it is shipped, in a process group of its own, so that one signal ends all of
 * it without warning. Nothing it starts may outlive `killAll()`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Pids, readPids } from '../../cli/cluster/pids.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const START_LIMIT_MS = 120_000;
const END_LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 10;

export interface ServerOptions {
  readonly directory: string;
  /** Where stderr goes, appended. */
  readonly logFile: string;
  readonly processes: 'inline' | 'zones';
  /** Put in front of the command: strace and its options. */
  readonly wrapper?: readonly string[];
  readonly logLevel?: string;
  /** More options of the command. */
  readonly args?: readonly string[];
  /** Instead of this process's own. */
  readonly env?: NodeJS.ProcessEnv;
}

export class CrashServer {
  readonly #options: ServerOptions;
  #child: ChildProcess | undefined;
  #guardian: ChildProcess | undefined;
  #url = '';

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  /** `http://127.0.0.1:PORT`; changes with every start. Empty where nothing is served over HTTP. */
  get url(): string {
    return this.#url;
  }

  get pids(): Pids {
    const pids = readPids(path.join(this.#options.directory, 'run'));
    if (!pids) throw new Error('no run/pids.json');
    return pids;
  }

  /** Seconds until the ready line. */
  async start(): Promise<number> {
    const { directory, logFile, processes, wrapper = [], logLevel = 'info', args: more = [] } = this.#options;
    const startedMs = performance.now();
    const command = [...wrapper, process.execPath, MAIN, 'start', '--data', directory, ...more];
    const options = ['--port', '0', '--s3-port', '0', '--processes', processes, '--log-level', logLevel];
    const log = openSync(logFile, 'a');
    const [program = '', ...args] = [...command, ...options];
    const { env = process.env } = this.#options;
    const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', log], env });
    closeSync(log);
    this.#child = child;
    this.#guard(child.pid ?? 0);
    this.#url = await this.#ready(child);
    return (performance.now() - startedMs) / 1000;
  }

  /** However this process ends, its end closes a pipe, and that ends the cluster. */
  #guard(group: number): void {
    const script = `read _; kill -KILL -${group}`;
    this.#guardian = spawn('sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    this.#guardian.unref();
    (this.#guardian.stdin as Socket | null)?.unref();
  }

  /** The process group is gone; its number may soon be somebody else's. */
  #forget(): void {
    this.#guardian?.kill('SIGKILL');
    this.#guardian = undefined;
    this.#child = undefined;
  }

  #ready(child: ChildProcess): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = '';
      const fail = (why: string): void => reject(new Error(`the cluster ${why}; see ${this.#options.logFile}`));
      const timer = setTimeout(() => fail('was not ready in time'), START_LIMIT_MS);
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        fail(`ended while it started (${code ?? signal})`);
      });
      child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
        const line = /^ready (.*)\n/m.exec(text)?.[1];
        if (line === undefined) return;
        clearTimeout(timer);
        resolve(/(?:^| )(?:s3\+swift|url)=(\S+)/.exec(line)?.[1] ?? '');
      });
    });
  }

  /** kill -9 of everything, at once; resolves when nothing of it is left. */
  async killAll(): Promise<void> {
    const group = this.#child?.pid;
    if (group === undefined) return;
    signal(-group, 'SIGKILL');
    await gone(() => membersOf(group).length === 0, 'the process group');
    this.#forget();
  }

  /** kill -9 of the main process alone: its zones notice by themselves. */
  async killMain(): Promise<void> {
    const { main } = this.pids;
    signal(main, 'SIGKILL');
    await gone(() => !exists(main), 'the main process');
  }

  /** Returns the pid that is no more. */
  killZone(name: string): number {
    const pid = this.pids.zones[name];
    if (!pid) throw new Error(`zone ${name} has no process`);
    signal(pid, 'SIGKILL');
    return pid;
  }

  /** SIGTERM, as an operator would; resolves with the exit code. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    if (!child?.pid) return null;
    const group = child.pid;
    const code = new Promise<number | null>((resolve) => void child.once('exit', (status) => resolve(status)));
    if (child.exitCode === null) signal(this.pids.main, 'SIGTERM');
    const status = await Promise.race([code, sleep(END_LIMIT_MS, 'late' as const, { ref: false })]);
    if (status === 'late') throw new Error('the cluster does not stop');
    await gone(() => membersOf(group).length === 0, 'the process group');
    this.#forget();
    return status;
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function gone(test: () => boolean, what: string): Promise<void> {
  const limit = performance.now() + END_LIMIT_MS;
  while (!test()) {
    if (performance.now() > limit) throw new Error(`${what} does not end`);
    await sleep(LOOK_EVERY_MS);
  }
}

const exists = (pid: number): boolean => statOf(String(pid)) !== undefined;

/** Live processes of a group; a dead one that nobody has waited for yet holds no file any more. */
function membersOf(group: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && statOf(name)?.group === group)
    .map(Number);
}

function statOf(pid: string): { group: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : { group: Number(group) };
  } catch {
    return undefined;
  }
}
