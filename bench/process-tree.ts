/**
 * What a server costs, from /proc: CPU time, bytes sent to disk and memory of a process and all its descendants. Linux
 * alone. Never counts the load generator: that is why it runs in a process beside the server, not below it.
 */
import { readdirSync, readFileSync } from 'node:fs';

const TICK_US = 1e6 / 100;

export interface Usage {
  /** User and system time, children that were reaped included. */
  readonly cpuUs: number;
  /** What the kernel was given for the disk (write_bytes), and not the network. */
  readonly writtenBytes: number;
}

/** `roots` and everything below them that lives now. */
export function processTree(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? statOf(pid) : undefined;
    if (stat) children.set(stat.parent, [...(children.get(stat.parent) ?? []), pid]);
  }
  const found = new Set<number>();
  const open = roots.filter((pid) => statOf(pid) !== undefined);
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    if (found.has(pid)) continue;
    found.add(pid);
    open.push(...(children.get(pid) ?? []));
  }
  return [...found];
}

/** Sum over the processes; those that ended meanwhile count in their parent's reaped time. */
export function usageOf(pids: readonly number[]): Usage {
  let cpuUs = 0;
  let writtenBytes = 0;
  for (const pid of pids) {
    cpuUs += (statOf(pid)?.ticks ?? 0) * TICK_US;
    writtenBytes += Number(/^write_bytes: (\d+)$/m.exec(read(`/proc/${pid}/io`))?.[1] ?? 0);
  }
  return { cpuUs, writtenBytes };
}

export interface Memory {
  /** Proportional set size: pages shared by several processes count once. */
  readonly pssBytes: number;
  /** The part that no file backs: heaps, stacks, buffers. */
  readonly anonymousBytes: number;
}

export function memoryOf(pids: readonly number[]): Memory {
  let pss = 0;
  let anonymous = 0;
  for (const pid of pids) {
    const text = read(`/proc/${pid}/smaps_rollup`);
    pss += Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
    anonymous += Number(/^Pss_Anon:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
  }
  return { pssBytes: pss, anonymousBytes: anonymous };
}

export function pssBytes(pids: readonly number[]): number {
  return memoryOf(pids).pssBytes;
}

/** First word of each line is a pid. */
export function pidsOfFile(file: string): number[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid > 0);
}

/** CPU time of the whole machine that was used, µs. */
export function machineBusyUs(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] =
    read('/proc/stat').split('\n', 1)[0]?.trim().split(/\s+/).map(Number) ?? [];
  return (user + nice + system + irq + softirq) * TICK_US;
}

function statOf(pid: number): { parent: number; ticks: number } | undefined {
  const text = read(`/proc/${pid}/stat`);
  // The name in brackets may hold blanks and brackets.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  if (fields.length < 16) return undefined;
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15);
  return { parent: fields[1] ?? 0, ticks: user + system + childUser + childSystem };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
