/**
 * The server as it is shipped, in a process of its own: `needletail start` on a new directory, stopped by SIGTERM. The stop
 * throws when the process fails, does not end, or leaves one of its zones behind.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { CredentialsFile } from '../../cli/cluster/credentials.ts';
import type { Pids } from '../../cli/cluster/pids.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const START_MS = 60_000;
const STOP_MS = 60_000;
const OPENSSL_MS = 20_000;
const LOG_CHARS = 4_000;

export interface ShippedServer {
  /** Both speak S3; `everything` speaks Swift too. */
  readonly urls: { readonly everything: string; readonly s3: string };
  readonly credentials: CredentialsFile;
  readonly caFile: string | undefined;
  /** Removed by stop. */
  readonly folder: string;
  /** The end of what it logged, warnings and worse. */
  log(): string;
  stop(): Promise<void>;
}

export async function startServer(options: { tls: boolean; processes: 'inline' | 'zones' }): Promise<ShippedServer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'needletail-clients-'));
  try {
    const certificate = options.tls ? makeCertificate(folder) : undefined;
    const data = path.join(folder, 'data');
    const tls = certificate ? ['--tls-cert', certificate.cert, '--tls-key', certificate.key] : [];
    const ports = ['--port', '0', '--s3-port', '0'];
    const args = [MAIN, 'start', '--data', data, ...ports, '--processes', options.processes, '--log-level', 'warn'];
    const child = spawn(process.execPath, [...args, ...tls], { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = keepLog(child);
    const guardian = guard(child.pid ?? 0, folder);
    const ready = await readReady(child, log);
    const pids = JSON.parse(readFileSync(path.join(data, 'run', 'pids.json'), 'utf8')) as Pids;
    return {
      urls: { everything: ready['s3+swift'] ?? '', s3: ready['s3'] ?? '' },
      credentials: JSON.parse(readFileSync(ready['credentials'] ?? '', 'utf8')) as CredentialsFile,
      caFile: certificate?.cert,
      folder,
      log,
      async stop() {
        const code = await end(child);
        const left = Object.entries(pids.zones).filter(([, pid]) => existsSync(`/proc/${pid}`));
        for (const [, pid] of left) process.kill(pid, 'SIGKILL');
        guardian.kill('SIGKILL');
        rmSync(folder, { recursive: true, force: true });
        if (left.length > 0)
          throw new Error(`left behind: ${left.map(([name, pid]) => `${name} (${pid})`).join(', ')}`);
        if (code !== 0) throw new Error(`the server ended with ${code}`);
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** However this process ends, its end closes a pipe, and that ends the server (whose zones follow) and removes the folder. */
function guard(pid: number, folder: string): ChildProcess {
  const script = `read _; kill -9 "$1"; sleep 2; rm -rf "$2"`;
  const stdio = ['pipe', 'ignore', 'ignore'] as const;
  const guardian = spawn('sh', ['-c', script, 'guard', String(pid), folder], { detached: true, stdio: [...stdio] });
  guardian.unref();
  (guardian.stdin as Socket | null)?.unref();
  return guardian;
}

function keepLog(child: ChildProcess): () => string {
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => (log = (log + chunk).slice(-LOG_CHARS)));
  return () => log;
}

/** The fields of the line that begins with `ready`; a server that does not say it is killed. */
function readReady(child: ChildProcess, log: () => string): Promise<Readonly<Record<string, string>>> {
  return new Promise((resolve, reject) => {
    let out = '';
    const fail = (why: string): void => {
      child.kill('SIGKILL');
      reject(new Error(`the server did not start (${why}): ${log()}`));
    };
    const timer = setTimeout(() => fail('no ready line'), START_MS);
    const ended = (code: number | null): void => fail(`exit ${code}`);
    child.once('exit', ended);
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk;
      const line = /^ready (.*)\n/m.exec(out)?.[1];
      if (line === undefined) return;
      clearTimeout(timer);
      child.off('exit', ended);
      resolve(Object.fromEntries(line.split(' ').map((field) => splitAt(field, field.indexOf('=')))));
    });
  });
}

const splitAt = (text: string, at: number): [string, string] => [text.slice(0, at), text.slice(at + 1)];

function end(child: ChildProcess): Promise<number | string> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      resolve(code ?? signal ?? 'nothing');
    });
    child.kill('SIGTERM');
  });
}

function makeCertificate(folder: string): { cert: string; key: string } {
  const [cert, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
  const names = 'subjectAltName=DNS:localhost,DNS:*.s3.localhost,IP:127.0.0.1';
  const line = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  const done = spawnSync('openssl', [...line, '-addext', names, '-keyout', key, '-out', cert], {
    timeout: OPENSSL_MS,
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`openssl: ${done.stderr}`);
  return { cert, key };
}
