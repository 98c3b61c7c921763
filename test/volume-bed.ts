/**
 * A volume engine with real daemons in a folder of its own, and what tests ask of its volumes: clients of exports, the daemon's
 * death, the agent's death, exact contents. Ends every daemon that it finds, whoever started it.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { EngineEvent, FillSource, VolumeEngine } from '../block/engine/contract.ts';
import { createQsdEngine } from '../block/engine/qsd-engine.ts';
import type { EngineWorld } from '../block/engine/volume-context.ts';
import { systemFiles } from '../block/host/files.ts';
import { systemProcesses } from '../block/host/processes.ts';
import type { NbdClientOptions } from '../block/nbd/client.ts';
import type { Extent, NbdClient } from '../block/nbd/contract.ts';
import { systemClock } from '../fabric/clock.ts';
import { systemNet } from '../fabric/net.ts';
import { systemRandom } from '../fabric/random.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import { NbdBed } from './nbd-bed.ts';
import { missing } from './tools.ts';

export const MIB = 1024 * 1024;
export const BLOCK = 4096;
const WAIT_MS_MAX = 20_000;
const POLL_MS = 10;
const MEMORY = '/dev/shm';

/** The reason to skip a test of the engine, or false. */
export const missingEngine = missing('qemu-storage-daemon') || missing('qemu-io') || missing('nbdkit');

export const bedWorld: EngineWorld = {
  net: systemNet,
  clock: systemClock,
  disk: systemDisk,
  files: systemFiles,
  processes: systemProcesses,
  random: systemRandom,
  command: 'qemu-storage-daemon',
  fronts: { host: '127.0.0.1', firstPort: 24_000, lastPort: 28_000 },
  headroomBytes: MIB,
};

interface Cleaner {
  teardown(run: () => unknown): void;
}

export interface UnixUri {
  readonly endpoint: { readonly path: string };
  readonly exportName: string;
}

export function parseUnixUri(uri: string): UnixUri {
  const { pathname, searchParams } = new URL(uri);
  return { endpoint: { path: searchParams.get('socket') ?? '' }, exportName: decodeURIComponent(pathname.slice(1)) };
}

export class VolumeBed {
  readonly nbd: NbdBed;
  readonly events: EngineEvent[] = [];
  /** Where the volumes are. */
  readonly folder: string;
  #engine: VolumeEngine | undefined;

  private constructor(memory: boolean) {
    this.nbd = new NbdBed();
    this.folder = memory ? mkdtempSync(join(MEMORY, 'needletail-volumes-')) : join(this.nbd.folder, 'volumes');
  }

  /** `memory`: volumes where a flush costs nothing, if there is such a place. */
  static async for(t: Cleaner, { memory = false } = {}): Promise<VolumeBed> {
    const bed = new VolumeBed(memory && existsSync(MEMORY));
    t.teardown(() => bed.#close());
    await bed.startAgent();
    return bed;
  }

  get engine(): VolumeEngine {
    if (!this.#engine) throw new Error('there is no agent');
    return this.#engine;
  }

  get runtimeDir(): string {
    return this.nbd.file('run');
  }

  place(id: string): { id: string; dir: string } {
    return { id, dir: join(this.folder, id) };
  }

  data(id: string): string {
    return join(this.place(id).dir, 'data.raw');
  }

  async startAgent(): Promise<void> {
    const onEvent = (event: EngineEvent): unknown => this.events.push(event);
    this.#engine = await createQsdEngine({ world: bedWorld, runtimeDir: this.runtimeDir, onEvent });
  }

  /** The agent is gone, its daemons are not. */
  async dropAgent(): Promise<void> {
    await this.#engine?.release();
    this.#engine = undefined;
  }

  /** A client of an attachment or a snapshot that rides out the daemon's death. */
  client(uri: string, options: Partial<NbdClientOptions> = {}): Promise<NbdClient> {
    const { endpoint, exportName } = parseUnixUri(uri);
    return this.nbd.connect(endpoint, { exportName, reconnectMs: WAIT_MS_MAX, ...options });
  }

  /** A new volume with one writable attachment and its client. */
  async attached(id: string, sizeBytes: number): Promise<NbdClient> {
    await this.engine.create({ ...this.place(id), sizeBytes });
    const { uri } = await this.engine.attach(id, { attachmentId: 'guest', transport: 'unix' });
    return this.client(uri);
  }

  async extents(client: NbdClient, context: string): Promise<Extent[]> {
    const out: Extent[] = [];
    for await (const extent of client.extents(context)) out.push(extent);
    return out;
  }

  async killDaemon(id: string): Promise<void> {
    const { daemonPid } = await this.engine.status(id);
    if (daemonPid === undefined) throw new Error('no daemon');
    process.kill(daemonPid, 'SIGKILL');
  }

  async until(what: string, reached: () => Promise<boolean> | boolean): Promise<void> {
    const untilMs = systemClock.monotonicMs() + WAIT_MS_MAX;
    while (!(await reached())) {
      if (systemClock.monotonicMs() > untilMs) throw new Error(`never came: ${what} ${JSON.stringify(this.events)}`);
      await systemClock.sleep(POLL_MS);
    }
  }

  seen(type: EngineEvent['type']): boolean {
    return this.events.some((event) => event.type === type);
  }

  /** nbdkit over a file, read-only, slow if told so, at a socket that stays the same. */
  async source(path: string, ...filters: string[]): Promise<FillSource & { stop(): Promise<void> }> {
    const { endpoint, child } = await this.nbd.nbdkit('-r', ...filters.slice(0, 1), 'file', path, ...filters.slice(1));
    const stop = async (): Promise<void> => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null)
        await new Promise((resolve) => child.once('exit', resolve));
    };
    return { endpoint, exportName: '', stop };
  }

  /** QEMU's server: nbdkit 1.32 sometimes ends when a client with requests under way is killed. */
  async sturdySource(path: string): Promise<FillSource> {
    const socket = this.nbd.socket();
    await this.nbd.daemon(socket, 'qemu-nbd', '-r', '-t', '-e', '8', '-f', 'raw', '-k', socket, path);
    return { endpoint: { path: socket }, exportName: '' };
  }

  /** Pids of daemons whose pid file is there. */
  async #daemons(): Promise<void> {
    let names: string[] = [];
    try {
      names = readdirSync(this.runtimeDir);
    } catch {
      return;
    }
    for (const name of names.filter((one) => one.endsWith('.pid') || one.includes('-p'))) {
      const pid = Number.parseInt(readFileSync(join(this.runtimeDir, name), 'latin1'), 10);
      const mark = await systemProcesses.find(pid, this.runtimeDir);
      if (mark) await systemProcesses.signal(mark, 'SIGKILL');
    }
  }

  async #close(): Promise<void> {
    await this.dropAgent();
    await this.#daemons();
    await this.nbd.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
