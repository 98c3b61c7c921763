/** CPU and memory of other processes of ours, from Linux' /proc; elsewhere there is nothing to show. */
import { readFileSync } from 'node:fs';

/** Ticks a second and bytes a page: the kernel's constants on every platform Node runs on with a /proc. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;
/** Fields of /proc/PID/stat behind the command's closing bracket, where field 3 is the first. */
const USER_TICKS = 14 - 3;
const SYSTEM_TICKS = 15 - 3;
const RESIDENT_PAGES = 24 - 3;

export interface ZoneUsage {
  readonly zone: string;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

export function zoneUsage(pids: Readonly<Record<string, number>>): ZoneUsage[] {
  return Object.entries(pids).flatMap(([zone, pid]) => {
    const fields = statFields(pid);
    if (!fields) return [];
    const number = (index: number): number => Number(fields[index]);
    const cpuSeconds = (number(USER_TICKS) + number(SYSTEM_TICKS)) / TICKS_PER_SECOND;
    return [{ zone, cpuSeconds, residentBytes: number(RESIDENT_PAGES) * PAGE_BYTES }];
  });
}

function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    // It ended meanwhile, or there is no /proc.
    return undefined;
  }
}
