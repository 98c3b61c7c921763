/**
 * DIR/run/pids.json: which processes serve a data directory now, for people, for the crash campaign, and for the next
 * start. Zones end by themselves when their parent is gone, but not at once: a start that finds some of a life before
 * ends them first, because two processes on one device would ruin it.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { systemClock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';

const END_LIMIT_MS = 10_000;
const LOOK_EVERY_MS = 20;

export interface Pids {
  readonly main: number;
  /** By zone name; empty when all zones live in the main process. */
  readonly zones: Readonly<Record<string, number>>;
}

const fileOf = (runDirectory: string): string => path.join(runDirectory, 'pids.json');

export function writePids(runDirectory: string, zones: Pids['zones']): void {
  const file = fileOf(runDirectory);
  writeFileSync(`${file}.new`, `${JSON.stringify({ main: process.pid, zones } satisfies Pids)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** undefined when nobody ever served the directory, or it was stopped in good order. */
export function readPids(runDirectory: string): Pids | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(runDirectory), 'utf8')) as Pids;
  } catch {
    return undefined;
  }
}

/** An empty run directory, with nobody of an earlier life left. Fault DirectoryInUse when one does not end. */
export async function claimRunDirectory(runDirectory: string): Promise<void> {
  const left = livingZones(runDirectory);
  for (const pid of left) end(pid);
  const limitMs = systemClock.monotonicMs() + END_LIMIT_MS;
  for (const pid of left) {
    while (isZoneOf(pid, runDirectory)) {
      if (systemClock.monotonicMs() > limitMs) {
        throw new Fault('DirectoryInUse', { runDirectory, pid }, `process ${pid} of an earlier start does not end`);
      }
      await systemClock.sleep(LOOK_EVERY_MS);
    }
  }
  rmSync(runDirectory, { recursive: true, force: true });
  mkdirSync(runDirectory, { recursive: true, mode: 0o700 });
}

/** Processes that still have the directory's disks open. */
export function livingZones(runDirectory: string): number[] {
  return Object.values(readPids(runDirectory)?.zones ?? {}).filter((pid) => isZoneOf(pid, runDirectory));
}

/** Zones name the run directory on their command line: a number that was given to somebody else since is left alone. */
function isZoneOf(pid: number, runDirectory: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(runDirectory);
  } catch {
    return false;
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
