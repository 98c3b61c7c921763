/**
 * A cluster as it is shipped, with volumes, and the `needletail volume` command against it; or any of its services alone, by a
 * configuration. Ends the cluster and every daemon of its volumes, which would outlive it, and removes its folder.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { runtimeDirectory } from '../../cli/cluster/volumes.ts';
import { runProgram } from '../../cli/program.ts';
import { systemClock } from '../../fabric/clock.ts';
import { CrashServer, type ServerOptions } from '../crash/server.ts';
import { daemonsIn } from './host.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const COMMAND_MS_MAX = 60_000;
const WAIT_MS_MAX = 60_000;

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Never throws: the exit code tells. */
export function runTool(command: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(command, [...args], { timeout: COMMAND_MS_MAX, maxBuffer: 64 * 2 ** 20 }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
      resolve({ code, stdout, stderr });
    });
  });
}

export async function mustRun(command: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runTool(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`);
  return stdout;
}

export class VolumeCluster {
  readonly folder: string;
  readonly data: string;
  #server: CrashServer | undefined;

  constructor(t: Test, { under = os.tmpdir() } = {}) {
    this.folder = mkdtempSync(path.join(under, 'nt-vc-'));
    this.data = path.join(this.folder, 'data');
    t.teardown(() => this.#close());
  }

  /** By these lines of TOML. */
  async startWith(...lines: readonly string[]): Promise<void> {
    const config = this.file('needletail.toml');
    writeFileSync(config, lines.map((line) => `${line}\n`).join(''));
    await this.start({ args: ['--config', config] });
  }

  async start(options: Partial<Pick<ServerOptions, 'args' | 'env'>> = {}): Promise<void> {
    const { data: directory, folder } = this;
    const common = { directory, logFile: path.join(folder, 'log'), processes: 'inline', logLevel: 'warn' } as const;
    this.#server = new CrashServer({ ...common, ...options });
    await this.#server.start();
  }

  get url(): string {
    return this.#server?.url ?? '';
  }

  async kill(): Promise<void> {
    await this.#server?.killAll();
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  credentials() {
    return JSON.parse(readFileSync(path.join(this.data, 'credentials.json'), 'utf8')) as {
      volumes: { swift: { authUrl: string; user: string; key: string } };
      keystone: { authUrl: string; username: string; password: string; projectName: string };
    };
  }

  /** What the daemons of volumes hold open. */
  async daemonFiles(): Promise<string[]> {
    const daemons = await daemonsIn(runtimeDirectory(this.data));
    return daemons.flatMap(({ pid }) =>
      readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`)),
    );
  }

  /** The daemons of volumes are gone, as with their host. */
  async endDaemons(): Promise<void> {
    for (const daemon of await daemonsIn(runtimeDirectory(this.data))) await daemon.kill();
  }

  /** The command in this process, which says what it would say; the tests have nothing to say meanwhile. */
  async volume(...args: string[]): Promise<Outcome> {
    const { stdout, stderr } = process;
    const told = { stdout: '', stderr: '' };
    const real = [stdout.write, stderr.write] as const;
    const keep =
      (where: keyof typeof told) =>
      (text: unknown): boolean => {
        told[where] += String(text);
        return true;
      };
    stdout.write = keep('stdout');
    stderr.write = keep('stderr');
    try {
      const code = await runProgram(['volume', ...args, '--data', this.data]);
      return { code, ...told };
    } finally {
      [stdout.write, stderr.write] = real;
    }
  }

  /** The same as a process of its own. */
  volumeProcess(...args: string[]): Promise<Outcome> {
    return runTool(process.execPath, [MAIN, 'volume', ...args, '--data', this.data]);
  }

  /** Its answer as JSON; an exit code other than 0 throws. */
  async json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.volume(...args, '--json');
    if (code !== 0) throw new Error(`volume ${args.join(' ')}: exit ${code}: ${stderr}${this.log()}`);
    return JSON.parse(stdout) as T;
  }

  async until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const endMs = systemClock.monotonicMs() + WAIT_MS_MAX;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (systemClock.monotonicMs() > endMs) throw new Error(`waited too long until ${what}: ${this.log()}`);
      await systemClock.sleep(50);
    }
  }

  log(): string {
    const file = path.join(this.folder, 'log');
    return existsSync(file) ? readFileSync(file, 'utf8').slice(-4000) : '';
  }

  file(name: string): string {
    return path.join(this.folder, name);
  }

  async #close(): Promise<void> {
    await this.kill();
    await this.endDaemons();
    const runtime = runtimeDirectory(this.data);
    rmSync(runtime, { recursive: true, force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Of everything that an export gives. */
export async function sumOfUri(uri: string, file: string, options: readonly string[] = []): Promise<string> {
  rmSync(file, { force: true });
  await mustRun('nbdcopy', [...options, uri, file]);
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  return hash.digest('hex');
}
