/**
 * Starts the zones of a cluster on this machine and connects to them: all in this process, or a process each (ADR 8). A
 * zone's process that dies is started again, at first at once, then after growing pauses.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemRandom } from '../../fabric/random.ts';
import { connectPeer } from '../../fabric/rpc/client.ts';
import type { Peer } from '../../fabric/rpc/contract.ts';
import { createLocalPeer } from '../../fabric/rpc/local.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import type { Trace } from '../../fabric/trace.ts';
import type { RingData } from '../../ring/contract.ts';
import { createRing } from '../../ring/ring.ts';
import type { ClusterIdentity } from './identity.ts';
import { claimRunDirectory, writePids } from './pids.ts';
import { traceHandlers } from './traced-calls.ts';
import { openZone } from './zone.ts';
import type { ZoneProcessOptions, ZoneSibling } from './zone-process.ts';

const START_LIMIT_MS = 10 * 60_000;
const STOP_LIMIT_MS = 30_000;
const RESTART_MIN_MS = 500;
const RESTART_MAX_MS = 15_000;

export interface BootOptions {
  readonly directory: string;
  readonly identity: ClusterIdentity;
  readonly ring: RingData;
  readonly processes: 'inline' | 'zones';
  readonly log: Logger;
  /** There when requests are followed through the logs. */
  readonly trace?: Trace | undefined;
  readonly logLevel: string;
  readonly progress: (device: string, doneBytes: number, totalBytes: number) => void;
}

export interface BootedZones {
  /** By device id. */
  readonly peers: ReadonlyMap<number, Peer>;
  /** Pid of each zone's process by zone name; empty when inline. */
  pids(): Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

interface ZonePlan {
  readonly name: string;
  readonly devices: readonly { readonly id: number; readonly name: string }[];
}

export async function bootZones(options: BootOptions): Promise<BootedZones> {
  const plans = planZones(options.ring);
  await claimRunDirectory(runDirectoryOf(options));
  return options.processes === 'inline' ? bootInline(options, plans) : bootProcesses(options, plans);
}

const runDirectoryOf = ({ directory }: BootOptions): string => path.join(directory, 'run');

function planZones({ devices }: RingData): ZonePlan[] {
  const zones = new Map<string, { id: number; name: string }[]>();
  for (const device of devices) {
    if (!device) continue;
    const zone = `r${device.region}z${device.zone}`;
    zones.set(zone, [...(zones.get(zone) ?? []), { id: device.id, name: device.device }]);
  }
  return [...zones].map(([name, list]) => ({ name, devices: list }));
}

async function bootInline(options: BootOptions, plans: readonly ZonePlan[]): Promise<BootedZones> {
  const peers = new Map<number, Peer>();
  const { trace } = options;
  const zones = await Promise.all(
    plans.map(async ({ name, devices }) => {
      const log = options.log.child({ zone: name });
      const zone = await openZone({
        directory: path.join(options.directory, 'zones'),
        clusterId: options.identity.clusterId,
        devices,
        disk: systemDisk,
        clock: systemClock,
        random: systemRandom,
        log,
        progress: options.progress,
      });
      const handlers = trace ? traceHandlers(zone.handlers, { log, trace, clock: systemClock }) : zone.handlers;
      const peer = createLocalPeer(name, handlers, { clock: systemClock, log });
      for (const { id } of devices) peers.set(id, peer);
      return { zone, peer };
    }),
  );
  if (zones.every(({ zone }) => zone.devices.size === 0)) {
    throw new Fault('NoDevice', {}, 'not one device can be opened; the lines above say why');
  }
  const ring = createRing(options.ring);
  for (const { zone } of zones) zone.startDaemons(ring, peers);
  writePids(runDirectoryOf(options), {});
  return {
    peers,
    pids: () => ({}),
    async stop() {
      await Promise.all(zones.map(({ zone }) => zone.stopDaemons()));
      await Promise.all(zones.map(({ peer }) => peer.close()));
      await Promise.all(zones.map(({ zone }) => zone.close()));
      rmSync(runDirectoryOf(options), { recursive: true, force: true });
    },
  };
}

async function bootProcesses(options: BootOptions, plans: readonly ZonePlan[]): Promise<BootedZones> {
  const run = runDirectoryOf(options);
  const pids = (): Record<string, number> => Object.fromEntries(keepers.map(({ plan, pid }) => [plan.name, pid]));
  const onStart = (): void => writePids(run, pids());
  const socketPath = (name: string): string => path.join(run, `${name}.sock`);
  const known = plans.map(({ name, devices }) => ({
    name,
    socketPath: socketPath(name),
    devices: devices.map(({ id }) => id),
  }));
  const keepers: readonly ZoneKeeper[] = plans.map((plan) => {
    const siblings = known.filter(({ name }) => name !== plan.name);
    return new ZoneKeeper({ ...options, onStart, siblings }, plan, socketPath(plan.name));
  });
  const peers = new Map<number, Peer>();
  await Promise.all(keepers.map((keeper) => keeper.start()));
  for (const keeper of keepers) for (const { id } of keeper.plan.devices) peers.set(id, keeper.peer);
  await Promise.all(keepers.map((keeper) => keeper.peer.whenUp(STOP_LIMIT_MS)));
  return {
    peers,
    pids,
    async stop() {
      await Promise.all(keepers.map((keeper) => keeper.stop()));
      rmSync(run, { recursive: true, force: true });
    },
  };
}

interface KeeperOptions extends BootOptions {
  /** A process was started. */
  readonly onStart: () => void;
  readonly siblings: readonly ZoneSibling[];
}

/** One zone's process, kept alive until told otherwise. */
class ZoneKeeper {
  readonly plan: ZonePlan;
  readonly peer: ReturnType<typeof connectPeer>;
  readonly #options: KeeperOptions;
  readonly #socketPath: string;
  #child: ChildProcess | undefined;
  #stopping = false;
  #failures = 0;

  constructor(options: KeeperOptions, plan: ZonePlan, socketPath: string) {
    this.#options = options;
    this.plan = plan;
    this.#socketPath = socketPath;
    const { identity, log } = options;
    this.peer = connectPeer({
      endpoint: { path: socketPath },
      peerName: plan.name,
      name: 'proxy',
      secret: Buffer.from(identity.clusterSecret, 'hex'),
      clusterId: identity.clusterId,
      clock: systemClock,
      random: systemRandom,
      log,
    });
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves when the zone answers; rejects when it ends before that. */
  start(): Promise<void> {
    rmSync(this.#socketPath, { force: true });
    const { directory, identity, logLevel, progress, siblings } = this.#options;
    const { name, devices } = this.plan;
    const argument: ZoneProcessOptions = {
      name,
      devices,
      directory: path.join(directory, 'zones'),
      clusterId: identity.clusterId,
      clusterSecret: identity.clusterSecret,
      socketPath: this.#socketPath,
      ringFile: path.join(directory, 'ring.gz'),
      siblings,
      logLevel,
    };
    const child = fork(new URL('./zone-process.js', import.meta.url), [JSON.stringify(argument)], { execArgv: [] });
    this.#child = child;
    this.#options.onStart();
    child.once('exit', (code, signal) => this.#ended(code, signal));
    return new Promise((resolve, reject) => {
      const timer = systemClock.after(START_LIMIT_MS, () =>
        reject(new Fault('ZoneStart', { name }, `zone ${name} did not start`)),
      );
      child.on(
        'message',
        (message: { ready?: boolean; progress?: { device: string; doneBytes: number; totalBytes: number } }) => {
          if (message.progress)
            progress(message.progress.device, message.progress.doneBytes, message.progress.totalBytes);
          if (!message.ready) return;
          timer.cancel();
          this.#failures = 0;
          resolve();
        },
      );
      child.once('exit', () => reject(new Fault('ZoneStart', { name }, `zone ${name} ended while it started`)));
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
      if (child.connected) child.send({ stop: true });
      const timer = systemClock.after(STOP_LIMIT_MS, () => void child.kill('SIGKILL'));
      await ended;
      timer.cancel();
    }
    await this.peer.close();
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#stopping) return;
    const pauseMs = Math.min(RESTART_MAX_MS, RESTART_MIN_MS * 2 ** this.#failures++);
    this.#options.log.error({ zone: this.plan.name, code, signal, pauseMs }, 'zone process ended; starting it again');
    systemClock.after(pauseMs, () => {
      if (!this.#stopping) this.start().catch(() => {});
    });
  }
}
