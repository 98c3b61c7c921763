/** Runs one command of a client in the folder of its place, as a user would, with nothing of the caller's settings. */
import { spawn, spawnSync } from 'node:child_process';
import process from 'node:process';
import type { Place } from './contract.ts';

const COMMAND_MS = 60_000;
const MESSAGE_CHARS = 1_500;
const VERSION_MS = 20_000;

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: Buffer;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Standard output; throws when the command fails or does not end. */
export async function run(place: Place, line: readonly string[], options: CommandOptions = {}): Promise<string> {
  return (await runBytes(place, line, options)).toString('utf8');
}

export async function runBytes(place: Place, line: readonly string[], options: CommandOptions = {}): Promise<Buffer> {
  const { code, stdout, stderr } = await attempt(place, line, options);
  if (code === 0) return stdout;
  const told = `${stderr}${stdout.toString('utf8')}`.trim().slice(-MESSAGE_CHARS);
  throw new Error(`${line.join(' ')} ended with ${code ?? 'a signal'}: ${told}`);
}

/** For commands that may rightly fail. */
export function attempt(place: Place, line: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  const [command = '', ...args] = line;
  const kept = ['PATH', 'PYENV_ROOT'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  const env = { ...Object.fromEntries(kept), HOME: place.folder, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', ...options.env };
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: place.folder, env, timeout: COMMAND_MS, killSignal: 'SIGKILL' });
    const chunks: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
    // A command that reads no input may close it first.
    child.stdin.on('error', () => {});
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout: Buffer.concat(chunks), stderr }));
    child.stdin.end(options.input ?? Buffer.alloc(0));
  });
}

/** The first dotted number that a command prints about itself; empty when it says nothing of the kind. */
export function versionFrom(...line: readonly string[]): string {
  const [command = '', ...args] = line;
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: VERSION_MS });
  return /\d+(?:\.\d+)+/.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[0] ?? '';
}
