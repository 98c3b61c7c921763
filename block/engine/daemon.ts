/**
 * One storage daemon process: started detached, found again, ended. The pid file names it, its command line proves it: a pid
 * that now belongs to something else is never connected to nor signalled. Knows nothing of volumes.
 */
import type { Clock } from '../../fabric/clock.ts';
import type { Disk } from '../../fabric/disk.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Net } from '../../fabric/net.ts';
import type { Processes, ProcessMark } from '../host/processes.ts';
import { engineFaults } from './contract.ts';
import { connectQmp, type Qmp } from './qmp.ts';

export interface DaemonWorld {
  readonly net: Net;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly processes: Processes;
  /** The qemu-storage-daemon to run; found in PATH where it is a bare name. */
  readonly command: string;
}

export interface DaemonPaths {
  readonly socket: string;
  readonly pidFile: string;
  readonly log: string;
}

export interface Daemon {
  readonly mark: ProcessMark;
  readonly qmp: Qmp;
}

const START_MS_MAX = 15_000;
const START_ATTEMPTS_MAX = 2;
const START_POLL_MS = 2;
/** A living daemon whose socket nobody listens on after so long is given up. */
const DEAF_MS_MAX = 2000;
/** Who fails sooner was refused; who is silent for longer may only be slow. */
const REFUSAL_MS_MAX = 1000;
const QUIT_MS_MAX = 5000;
const KILL_MS_MAX = 5000;
const END_POLL_MS = 10;

const daemonArgs = (paths: DaemonPaths): string[] => [
  '--chardev',
  `socket,id=control,path=${paths.socket},server=on,wait=off`,
  '--monitor',
  'chardev=control',
  '--pidfile',
  paths.pidFile,
];

function connect(world: DaemonWorld, paths: DaemonPaths, closed: (reason: string) => void): Promise<Qmp> {
  return connectQmp({ net: world.net, clock: world.clock, endpoint: { path: paths.socket }, closed });
}

/** `closed` is called when the control connection ends, however it does; the daemon may still live. */
export async function startDaemon(
  world: DaemonWorld,
  paths: DaemonPaths,
  closed: (reason: string) => void,
): Promise<Daemon> {
  for (let attempt = 1; ; attempt++) {
    await world.disk.remove(paths.socket);
    const mark = await spawn(world, paths);
    try {
      return { mark, qmp: await connectFresh(world, paths, { mark, closed }) };
    } catch (error) {
      await killDaemon(world, mark);
      if (attempt < START_ATTEMPTS_MAX) continue;
      const reason = (error as Error).message;
      throw new Fault(engineFaults.unavailable, { log: paths.log }, `the storage daemon did not start: ${reason}`);
    }
  }
}

/** Tries while nobody listens yet. One that listens and is silent stays so, also on a second connection. */
async function connectFresh(
  world: DaemonWorld,
  paths: DaemonPaths,
  { mark, closed }: { readonly mark: ProcessMark; readonly closed: (reason: string) => void },
): Promise<Qmp> {
  const { clock, processes } = world;
  const deadlineMs = clock.monotonicMs() + START_MS_MAX;
  for (;;) {
    await clock.sleep(START_POLL_MS);
    const triedMs = clock.monotonicMs();
    try {
      return await connect(world, paths, closed);
    } catch (error) {
      const nowMs = clock.monotonicMs();
      const isLate = nowMs > deadlineMs || nowMs - triedMs > REFUSAL_MS_MAX;
      if (isLate || !(await processes.isAlive(mark))) throw error;
    }
  }
}

async function spawn(world: DaemonWorld, paths: DaemonPaths): Promise<ProcessMark> {
  try {
    return await world.processes.spawnDetached({
      command: world.command,
      args: daemonArgs(paths),
      logPath: paths.log,
    });
  } catch (error) {
    throw new Fault(engineFaults.unavailable, {}, `the storage daemon cannot be run: ${(error as Error).message}`);
  }
}

async function liveMark(world: DaemonWorld, paths: DaemonPaths): Promise<ProcessMark | undefined> {
  let text: string;
  try {
    text = (await world.disk.readFile(paths.pidFile)).toString('latin1');
  } catch {
    return undefined;
  }
  const pid = Number.parseInt(text, 10);
  return Number.isSafeInteger(pid) && pid > 1 ? world.processes.find(pid, `path=${paths.socket},`) : undefined;
}

/** The daemon of an earlier agent; undefined: none lives. `unavailable` when it lives and does not answer. */
export async function findDaemon(
  world: DaemonWorld,
  paths: DaemonPaths,
  closed: (reason: string) => void,
): Promise<Daemon | undefined> {
  const mark = await liveMark(world, paths);
  if (!mark) return undefined;
  const deadlineMs = world.clock.monotonicMs() + DEAF_MS_MAX;
  for (;;) {
    const triedMs = world.clock.monotonicMs();
    try {
      return { mark, qmp: await connect(world, paths, closed) };
    } catch (error) {
      if (!(await world.processes.isAlive(mark))) return undefined;
      if (world.clock.monotonicMs() - triedMs > REFUSAL_MS_MAX) throw error;
      // The earlier agent may have died just after it started this one: it will listen soon.
      if (world.clock.monotonicMs() < deadlineMs) {
        await world.clock.sleep(START_POLL_MS);
        continue;
      }
      // Two were started, and the other one, which ended, took the socket's place: nobody can ever talk to this one.
      await killDaemon(world, mark);
      return undefined;
    }
  }
}

async function waitForEnd(world: DaemonWorld, mark: ProcessMark, msMax: number): Promise<boolean> {
  const deadlineMs = world.clock.monotonicMs() + msMax;
  while (await world.processes.isAlive(mark)) {
    if (world.clock.monotonicMs() > deadlineMs) return false;
    await world.clock.sleep(END_POLL_MS);
  }
  return true;
}

export async function killDaemon(world: DaemonWorld, mark: ProcessMark): Promise<void> {
  await world.processes.signal(mark, 'SIGKILL');
  if (!(await waitForEnd(world, mark, KILL_MS_MAX)))
    throw new Fault(engineFaults.unavailable, { pid: mark.pid }, 'the storage daemon cannot be killed');
}

/** Orderly if it does so in time, otherwise not; gone when the promise resolves. */
export async function endDaemon(world: DaemonWorld, daemon: Daemon): Promise<void> {
  // Requests to a server that is away can keep it from ending: its answer is not waited for.
  const asked = daemon.qmp.command('quit').catch(() => {});
  const ended = await waitForEnd(world, daemon.mark, QUIT_MS_MAX);
  daemon.qmp.close();
  await asked;
  if (!ended) await killDaemon(world, daemon.mark);
}
