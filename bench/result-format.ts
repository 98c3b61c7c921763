/** The JSON that a run writes and `compare` reads. `version` rises when a field changes its meaning. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import path from 'node:path';

export const RESULT_VERSION = 1;

export interface Row {
  /** What two results are matched by, together with size and connections: `swift PUT`, `s3@s3 LIST 1000`, … */
  readonly name: string;
  readonly sizeBytes: number;
  readonly connections: number;
  readonly opsPerSecond: number;
  /** 10^6 bytes of bodies a second, either way; absent where bodies are not the point. */
  readonly megabytesPerSecond?: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Any error makes the row invalid. */
  readonly errors: number;
  readonly errorSamples: readonly string[];
  /** User and system time of every process of the server; absent when they are not known. */
  readonly cpuUsPerOp?: number;
  readonly diskBytesPerByte?: number;
  readonly pssMiB?: number;
  readonly clientCpuUsPerOp: number;
  /** Share of the machine used by others meanwhile. */
  readonly otherCpuShare: number;
}

export interface Ceilings {
  /** 4 KiB records a second, appended and synced in groups of 64, one file, one writer. */
  readonly appendsPerSecond: number;
  /** 10^6 bytes a second, one core. */
  readonly md5MegabytesPerSecond: number;
}

export interface Result {
  readonly version: typeof RESULT_VERSION;
  readonly date: string;
  readonly machine: string;
  readonly command: string;
  readonly idlePssMiB?: number;
  readonly ceilings: Ceilings;
  readonly rows: readonly Row[];
}

/** One line: processor, cores, memory, kernel, Node. */
export function machineLine(): string {
  const all = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${all.length} × ${all[0]?.model.trim() ?? 'unknown'}, ${memory} GiB, Linux ${release()}, Node ${process.version}`;
}

export function readResult(file: string): Result {
  if (!existsSync(file)) throw new Error(`there is no result ${file}`);
  let result: Result;
  try {
    result = JSON.parse(readFileSync(file, 'utf8')) as Result;
  } catch {
    throw new Error(`${file} is not a result of this bench`);
  }
  if (result.version !== RESULT_VERSION) throw new Error(`${file} is a result of version ${result.version}`);
  return result;
}

/** Makes the directory as well: what took minutes to measure must not be lost for want of one. */
export function writeResult(file: string, result: object): void {
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
}
