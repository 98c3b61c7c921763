/** Runs `needletail fsck` on a stopped cluster's directory, as an operator would. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const FSCK_LIMIT_MS = 300_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export interface FsckResult {
  /** 0 all at target, 1 something is degraded, 2 data is lost. */
  readonly exitCode: number;
  readonly summary: string;
}

export function runFsck(directory: string): FsckResult {
  const options = { encoding: 'utf8', timeout: FSCK_LIMIT_MS, maxBuffer: OUTPUT_BYTES_MAX } as const;
  const run = spawnSync(process.execPath, [MAIN, 'fsck', directory], options);
  const lines = run.stdout.trim().split('\n');
  const summary = lines.at(-1) || run.stderr.trim().split('\n').at(-1) || '';
  return { exitCode: run.status ?? 3, summary: `exit ${run.status}: ${summary}` };
}
