/**
 * Child processes that outlive this one. A process is known by pid, start time and boot, so that a reused pid is never taken
 * for ours nor killed. Output goes to a file, never to a pipe that dies with the agent.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';

export interface ProcessMark {
  readonly pid: number;
  /** Since boot, in the kernel's ticks (/proc/PID/stat, field 22). */
  readonly startTicks: number;
  readonly bootId: string;
}

export interface SpawnOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Both outputs are appended here. */
  readonly logPath: string;
}

export interface Processes {
  /** Starts a process in a session of its own. Fails when the command cannot be run. */
  spawnDetached(options: SpawnOptions): Promise<ProcessMark>;
  /** The live process of that pid if `commandLine` (a part of one of its arguments) is found; undefined otherwise. */
  find(pid: number, commandLinePart: string): Promise<ProcessMark | undefined>;
  isAlive(mark: ProcessMark): Promise<boolean>;
  /** No error if it is gone; never signals another process that has got its pid. */
  signal(mark: ProcessMark, name: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

interface ProcStat {
  readonly state: string;
  readonly startTicks: number;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    // Gone, or going: ENOENT, ESRCH.
    return undefined;
  }
}

/** The command name stands in parentheses and may hold spaces and parentheses itself. */
function parseStat(text: string): ProcStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTicks: Number(fields[19]) };
}

async function liveStat(pid: number): Promise<ProcStat | undefined> {
  const text = await readText(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const found = parseStat(text);
  return found.state === 'Z' || found.state === 'X' ? undefined : found;
}

async function bootId(): Promise<string> {
  return (await readText('/proc/sys/kernel/random/boot_id'))?.trim() ?? 'unknown';
}

async function markOf(pid: number): Promise<ProcessMark | undefined> {
  const found = await liveStat(pid);
  return found && { pid, startTicks: found.startTicks, bootId: await bootId() };
}

async function isAlive(mark: ProcessMark): Promise<boolean> {
  const now = await markOf(mark.pid);
  return now !== undefined && now.startTicks === mark.startTicks && now.bootId === mark.bootId;
}

/**
 * Libraries leave files open across exec (LMDB its data): a daemon that outlives us would keep them, and their disk, busy. Such
 * descriptors, from the third on, are covered by `fd`.
 */
function covered(fd: number): (number | 'ignore')[] {
  const stdio: (number | 'ignore')[] = [];
  for (const name of readdirSync('/proc/self/fd')) {
    const number = Number(name);
    if (number <= STDERR || number > INHERITED_MAX || !isInherited(name)) continue;
    while (stdio.length <= number - STDERR - 1) stdio.push('ignore');
    stdio[number - STDERR - 1] = fd;
  }
  return stdio;
}

function isInherited(name: string): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, 'latin1'))?.[1] ?? '';
    return (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch {
    // Closed meanwhile.
    return false;
  }
}

const STDERR = 2;
const INHERITED_MAX = 65_536;
/** As /proc says it on Linux. */
const O_CLOEXEC = 0o2000000;

async function spawnDetached({ command, args, logPath }: SpawnOptions): Promise<ProcessMark> {
  const log = await open(logPath, 'a', 0o600);
  try {
    const stdio = ['ignore' as const, log.fd, log.fd, ...covered(log.fd)];
    const child = spawn(command, [...args], { detached: true, stdio });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid as number;
    return (await markOf(pid)) ?? { pid, startTicks: -1, bootId: await bootId() };
  } finally {
    await log.close();
  }
}

async function find(pid: number, commandLinePart: string): Promise<ProcessMark | undefined> {
  const line = await readText(`/proc/${pid}/cmdline`);
  return line?.split('\0').some((argument) => argument.includes(commandLinePart)) ? markOf(pid) : undefined;
}

async function signal(mark: ProcessMark, name: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (!(await isAlive(mark))) return;
  try {
    process.kill(mark.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export const systemProcesses: Processes = { spawnDetached, find, isAlive, signal };
