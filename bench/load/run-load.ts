/** Runs one plan in a load generator of its own and reads the server's counters at the edges of its window. */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { onEnd } from '../cleanup.ts';
import { machineBusyUs, processTree, pssBytes, usageOf } from '../process-tree.ts';
import type { LoadMessage, LoadPlan, LoadResult } from './plan.ts';

export interface ServerCost {
  /** Of every process of the server; zero when nobody said which they are. */
  readonly cpuUsPerOp: number;
  readonly diskBytes: number;
  readonly pssBytes: number;
}

export interface Measured extends LoadResult {
  readonly server: ServerCost | undefined;
  /** Share of the machine that neither the server nor the load generator used: noise. */
  readonly otherCpuShare: number;
}

/** Past the measured time: answers in flight, checks. */
const DRAIN_SECONDS_MAX = 180;

interface Mark {
  readonly ms: number;
  readonly cpuUs: number;
  readonly writtenBytes: number;
  readonly machineUs: number;
}

export async function runLoad(plan: LoadPlan, roots: readonly number[]): Promise<Measured> {
  const child = fork(new URL('./child.js', import.meta.url), [], { execArgv: [] });
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  const stop = onEnd(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const pids = processTree(roots);
  const mark = (): Mark => ({ ms: performance.now(), machineUs: machineBusyUs(), ...usageOf(pids) });
  try {
    const { begin, end, result } = await collect(child, plan, mark);
    const cpuUs = end.cpuUs - begin.cpuUs;
    const wallMs = end.ms - begin.ms;
    // The parent reads a little later than the child counts, so rates are compared, not sums.
    const perOp = (amount: number): number => amount / wallMs / (result.ops / (result.windowSeconds * 1000));
    const server =
      roots.length === 0
        ? undefined
        : {
            cpuUsPerOp: perOp(cpuUs),
            diskBytes: perOp(end.writtenBytes - begin.writtenBytes) * result.ops,
            pssBytes: pssBytes(processTree(roots)),
          };
    const otherUs = end.machineUs - begin.machineUs - cpuUs - result.clientCpuUs;
    return { ...result, server, otherCpuShare: Math.max(0, otherUs / (wallMs * 1000) / availableParallelism()) };
  } finally {
    await stop();
  }
}

function collect(
  child: ChildProcess,
  plan: LoadPlan,
  mark: () => Mark,
): Promise<{ begin: Mark; end: Mark; result: LoadResult }> {
  return new Promise((resolve, reject) => {
    let begin = mark();
    let end = begin;
    child.on('message', (message: LoadMessage) => {
      if (message.at === 'begin') begin = mark();
      else if (message.at === 'end') end = mark();
      else resolve({ begin, end, result: message.result });
    });
    const limitMs = (plan.warmupSeconds + plan.seconds + DRAIN_SECONDS_MAX) * 1000;
    const timer = setTimeout(() => reject(new Error(`${plan.kind}: no end after ${limitMs / 1000} s`)), limitMs);
    child.once('exit', () => clearTimeout(timer));
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`the load generator ended (${signal ?? code})`)));
    child.send(plan);
  });
}
