/**
 * Gives a parser one odd input after another for a while: each ends in a value or in a Fault with a known code, soon, and
 * without much memory. Stops at the first that does not, with what is needed to see it again.
 */
import { AssertionError } from 'node:assert';
import process from 'node:process';
import { isFault } from '../../fabric/errors.ts';
import { createSeededRandom } from '../../fabric/random.ts';
import type { FuzzTarget } from './contract.ts';
import { mutate } from './mutate.ts';

/** Of this process's own time, and only when it takes as long three times: others use the machine too. */
const CPU_MS_MAX = 1000;
/** Of real time, in which even a busy machine is done. */
const ENDS_MS_MAX = 15_000;
const SLOW_TRIES = 3;
/** Of the whole run over what it began with. */
const GROWTH_BYTES_MAX = 512 * 1024 * 1024;
const SHOWN_BYTES_MAX = 600;

export interface FuzzResult {
  readonly inputs: number;
  readonly outcomes: ReadonlyMap<string, number>;
  readonly slowestCpuMs: number;
  /** Undefined when all went well. */
  readonly failure: string | undefined;
}

export interface FuzzOptions {
  readonly seed: number;
  readonly milliseconds: number;
}

export async function fuzz(target: FuzzTarget, { seed, milliseconds }: FuzzOptions): Promise<FuzzResult> {
  const random = createSeededRandom(seed);
  const seeds = target.seeds.map((one) => Buffer.from(one as string, 'utf8'));
  const outcomes = new Map<string, number>();
  const startRss = process.memoryUsage.rss();
  const endMs = performance.now() + milliseconds;
  let inputs = 0;
  let slowestCpuMs = 0;
  let failure: string | undefined;
  while (failure === undefined && (inputs < seeds.length || performance.now() < endMs)) {
    const bases = target.make && random.below(2) === 0 ? [target.make(random)] : seeds;
    const input = inputs < seeds.length ? (seeds[inputs] as Buffer) : mutate(random, bases, target.words ?? []);
    inputs++;
    const startCpu = process.cpuUsage();
    const outcome = await judge(target, input, seed);
    const cpuMs = cpuMsSince(startCpu);
    slowestCpuMs = Math.max(slowestCpuMs, cpuMs);
    if ('failure' in outcome) failure = outcome.failure;
    else outcomes.set(outcome.is, (outcomes.get(outcome.is) ?? 0) + 1);
    if (cpuMs > CPU_MS_MAX && (await isSlow(target, input, seed)))
      failure = shown(input, `took ${Math.round(cpuMs)} ms`);
  }
  const grownBytes = process.memoryUsage.rss() - startRss;
  if (failure === undefined && grownBytes > GROWTH_BYTES_MAX)
    failure = `grew by ${Math.round(grownBytes / 1024 ** 2)} MiB`;
  return { inputs, outcomes, slowestCpuMs, failure: failure && `SEED=${seed} input ${inputs}: ${failure}` };
}

type Judgement = { readonly is: string } | { readonly failure: string };

async function judge(target: FuzzTarget, input: Buffer, seed: number): Promise<Judgement> {
  try {
    return { is: (await inTime(target.run(input, createSeededRandom(seed)))) ?? 'value' };
  } catch (error) {
    if (isFault(error) && target.codes.has(error.code)) return { is: error.code };
    const what = error instanceof AssertionError ? error.message : (error as Error)?.stack;
    return { failure: shown(input, what ?? String(error)) };
  }
}

/** Nothing may wait for what never comes. */
async function inTime<T>(running: T | Promise<T>): Promise<T> {
  if (!(running instanceof Promise)) return running;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${ENDS_MS_MAX} ms`)), ENDS_MS_MAX);
  });
  return Promise.race([running, late]).finally(() => clearTimeout(timer));
}

async function isSlow(target: FuzzTarget, input: Buffer, seed: number): Promise<boolean> {
  for (let tries = 1; tries < SLOW_TRIES; tries++) {
    const start = process.cpuUsage();
    await judge(target, input, seed);
    if (cpuMsSince(start) <= CPU_MS_MAX) return false;
  }
  return true;
}

function cpuMsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function shown(input: Buffer, what: string): string {
  const text = JSON.stringify(input.subarray(0, SHOWN_BYTES_MAX).toString('latin1'));
  return `${what}\nof ${input.length} bytes: ${text}\nbase64: ${input.toString('base64').slice(0, 4 * SHOWN_BYTES_MAX)}`;
}
