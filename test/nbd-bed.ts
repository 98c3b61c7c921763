/**
 * A folder with NBD servers of every kind for one test: ours, nbdkit's, the storage daemon's; and commands run as a user would.
 * Everything that was started ends with the test, every wait is bounded.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNbd, type NbdClientOptions } from '../block/nbd/client.ts';
import { type NbdClient, type NbdDevice, nbdUri } from '../block/nbd/contract.ts';
import { type NbdServer, type NbdServerOptions, startNbdServer } from '../block/nbd/server.ts';
import { systemClock } from '../fabric/clock.ts';
import type { Endpoint } from '../fabric/net.ts';
import { systemNet } from '../fabric/net.ts';

const COMMAND_MS = 60_000;
const START_MS = 30_000;
const POLL_MS = 10;
/** Flags of a socket that listens: __SO_ACCEPTCON, as in proc_pid_net(5). */
const LISTENS = '00010000';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Cleaner {
  teardown(run: () => unknown): void;
}

export class NbdBed {
  readonly folder = mkdtempSync(join(tmpdir(), 'needletail-nbd-'));
  readonly reports: unknown[] = [];
  #serial = 0;
  readonly #children: ChildProcess[] = [];
  readonly #servers: NbdServer[] = [];
  readonly #clients: NbdClient[] = [];

  static for(t: Cleaner): NbdBed {
    const bed = new NbdBed();
    t.teardown(() => bed.close());
    return bed;
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  socket(): string {
    return this.file(`s${++this.#serial}`);
  }

  /** Exports by name; the empty name is the default one. */
  async serve(devices: Record<string, NbdDevice>, options: Partial<NbdServerOptions> = {}): Promise<NbdServer> {
    const server = await startNbdServer({
      net: systemNet,
      clock: systemClock,
      endpoint: { path: this.socket() },
      exports: { names: () => Object.keys(devices), open: (name) => devices[name] },
      report: (error) => this.reports.push(error),
      ...options,
    });
    this.#servers.push(server);
    return server;
  }

  async connect(endpoint: Endpoint, options: Partial<NbdClientOptions> = {}): Promise<NbdClient> {
    const client = await connectNbd({ net: systemNet, clock: systemClock, endpoint, ...options });
    this.#clients.push(client);
    return client;
  }

  run(command: string, ...args: string[]): Promise<Ran> {
    return new Promise((resolve) => {
      const options = { timeout: COMMAND_MS, killSignal: 'SIGKILL', cwd: this.folder, maxBuffer: 64 << 20 } as const;
      execFile(command, args, options, (error, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
        resolve({ code, stdout, stderr });
      });
    });
  }

  /** Standard output; throws when the command fails. */
  async must(command: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, ...args);
    if (code !== 0)
      throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`.slice(0, 2000));
    return stdout;
  }

  /** Runs on until the test ends; resolves when it listens at its unix socket. */
  async daemon(path: string, command: string, ...args: string[]): Promise<ChildProcess> {
    const child = spawn(command, args, { cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#children.push(child);
    let told = '';
    child.stderr?.on('data', (bytes) => (told += bytes));
    const untilMs = systemClock.monotonicMs() + START_MS;
    while (!isListening(path)) {
      const gone = child.exitCode !== null || child.signalCode !== null;
      if (gone || systemClock.monotonicMs() > untilMs) throw new Error(`${command} ${args.join(' ')}: ${told}`);
      await systemClock.sleep(POLL_MS);
    }
    return child;
  }

  /** An nbdkit with these arguments. */
  async nbdkit(...args: string[]): Promise<{ endpoint: { path: string }; child: ChildProcess }> {
    const path = this.socket();
    const child = await this.daemon(path, 'nbdkit', '--exit-with-parent', '-f', '-U', path, ...args);
    return { endpoint: { path }, child };
  }

  uri(server: { readonly endpoint: Endpoint }, name = '', tls = false): string {
    return nbdUri(server.endpoint, name, tls);
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(this.#servers.map((server) => server.stop(100)));
    await Promise.all(this.#children.map(ended));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Its file is there a moment before anybody listens, and a trial connection would be the only one that some servers serve. */
function isListening(path: string): boolean {
  const sockets = readFileSync('/proc/net/unix', 'latin1').split('\n');
  return sockets.some((line) => line.endsWith(` ${path}`) && line.split(/\s+/)[3] === LISTENS);
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
