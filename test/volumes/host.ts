/**
 * One host's volumes with real daemons and an object store in memory, in a folder that can be copied: what was prepared once is
 * the start of many runs. Ends every daemon that it finds.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { systemProcesses } from '../../block/host/processes.ts';
import { connectNbd } from '../../block/nbd/client.ts';
import type { NbdClient } from '../../block/nbd/contract.ts';
import { inlineSealer } from '../../block/repository/sealer.ts';
import { parseUnixUri } from '../../block/volumes/moment.ts';
import { type RunningVolumes, startVolumes } from '../../block/volumes/start-volumes.ts';
import { systemClock } from '../../fabric/clock.ts';
import { systemNet } from '../../fabric/net.ts';
import { systemRandom } from '../../fabric/random.ts';
import { MemoryClient, MemoryObjects } from '../repository/memory-objects.ts';
import { openMemory, restored } from '../repository/volume.ts';
import { type Death, Died, Mortal } from './mortal.ts';

const WAIT_MS_MAX = 30_000;
/** A dead agent has nothing to say; what hangs in it is let go. */
const BURIAL_MS_MAX = 5_000;
const POLL_MS = 10;

export interface Host {
  readonly mortal: Mortal;
  readonly volumes: RunningVolumes;
  stop(): Promise<void>;
}

export interface LiveDaemon {
  readonly pid: number;
  kill(): Promise<void>;
}

/** Of the pid files in a runtime directory. */
export async function daemonsIn(runtimeDir: string): Promise<LiveDaemon[]> {
  const found = [];
  for (const name of existsSync(runtimeDir) ? readdirSync(runtimeDir) : []) {
    if (!name.endsWith('.pid') && !name.includes('-p')) continue;
    const pid = Number.parseInt(readFileSync(path.join(runtimeDir, name), 'latin1'), 10);
    const mark = Number.isNaN(pid) ? undefined : await systemProcesses.find(pid, runtimeDir);
    if (mark) found.push({ pid, kill: () => systemProcesses.signal(mark, 'SIGKILL') });
  }
  return found;
}

/** Daemons that were started by a host that died before they had written their pid. */
function killStrays(runtimeDir: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      if (command.startsWith('qemu-storage-daemon\0') && command.includes(`path=${runtimeDir}/`))
        process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
}

export class HostBed {
  readonly folder = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'nt-host-'));
  readonly objects: MemoryObjects;
  readonly #hosts = new Set<Host>();

  constructor(from?: HostBed) {
    this.objects = new MemoryObjects();
    if (!from) return;
    for (const [name, stored] of from.objects.objects) this.objects.objects.set(name, stored);
    cpSync(from.directory, this.directory, { recursive: true });
  }

  get directory(): string {
    return path.join(this.folder, 'volumes');
  }

  get runtimeDir(): string {
    return path.join(this.folder, 'run');
  }

  async start(death?: Death): Promise<Host> {
    const mortal = new Mortal(death);
    const { disk, net, files, processes } = mortal;
    const volumes = await startVolumes(
      {
        ...{ host: 'h1', directory: this.directory, runtimeDir: this.runtimeDir, command: 'qemu-storage-daemon' },
        ...{ fronts: { host: '127.0.0.1', firstPort: 24_000, lastPort: 28_000 }, unfit: () => undefined },
        openStore: async () => mortal.store(new MemoryClient(this.objects)),
        openContainer: () => new MemoryClient(this.objects),
        ...{ sealer: inlineSealer, headroomBytes: 2 ** 20 },
      },
      {
        ...{ clock: systemClock, random: systemRandom, disk, net, files, processes },
        log: { warn: () => {}, error: () => {} },
      },
    );
    const host: Host = {
      mortal,
      volumes,
      stop: async () => {
        this.#hosts.delete(host);
        const stopped = volumes.stop().catch((error: unknown) => {
          if (!mortal.dead) throw error;
        });
        const buried = new Promise<void>((resolve) => void systemClock.after(BURIAL_MS_MAX, resolve));
        await Promise.race([stopped, mortal.dead ? buried : stopped]);
      },
    };
    this.#hosts.add(host);
    return host;
  }

  /** What the object store gives for a snapshot, without asking any host. */
  async restored(snapshot: string, lineage: string): Promise<Buffer> {
    return restored((await openMemory(this.objects)).repository, snapshot, lineage);
  }

  /** What is left of volumes on the disk, beside caches. */
  left(): string[] {
    mkdirSync(this.directory, { recursive: true });
    return readdirSync(this.directory).filter((name) => !name.startsWith('.'));
  }

  daemons(): Promise<LiveDaemon[]> {
    return daemonsIn(this.runtimeDir);
  }

  async close(): Promise<void> {
    for (const host of [...this.#hosts]) await host.stop();
    for (const daemon of await this.daemons()) await daemon.kill();
    killStrays(this.runtimeDir);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export async function until<T>(what: string, look: () => Promise<T | undefined>, host?: Host): Promise<T> {
  const endMs = systemClock.monotonicMs() + WAIT_MS_MAX;
  for (;;) {
    if (host?.mortal.dead) throw new Died(what);
    const found = await look();
    if (found !== undefined) return found;
    if (systemClock.monotonicMs() > endMs) throw new Error(`waited too long until ${what}`);
    await systemClock.sleep(POLL_MS);
  }
}

/** With a client of the volume that is not a part of the host, and goes on when the host dies. */
export async function withClient<T>(host: Host, id: string, use: (client: NbdClient) => Promise<T>): Promise<T> {
  const { manager } = host.volumes;
  const { uri } = await manager.attachVolume({ id, attachment: 'guest', transport: 'unix' });
  const client = await connectNbd({ net: systemNet, clock: systemClock, ...parseUnixUri(uri), reconnectMs: 5_000 });
  try {
    return await use(client);
  } finally {
    await client.close();
    await manager.detachVolume(id, 'guest');
  }
}

export const contentOf = (host: Host, id: string): Promise<Buffer> =>
  withClient(host, id, async (client) => Buffer.from(await client.read(0, client.export.sizeBytes)));
