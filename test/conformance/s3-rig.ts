/**
 * What the S3 suites need of a server: an address, two users, and clients. The suites neither know nor care whether a
 * store in memory or a five-zone cluster answers, on which HTTP engine, with or without TLS.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import type { Test } from 'tap';
import { sha256Hex, signHeaders } from '../s3-signer.ts';
import { missing } from '../tools.ts';

export interface S3User {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface S3Server {
  readonly host: string;
  readonly port: number;
  readonly region: string;
  readonly owner: S3User;
  /** Admin of another account. */
  readonly stranger: S3User;
  /** Of the owner's account, without rights of their own. */
  readonly member: S3User;
  /** Canonical ids, as ACLs name them. */
  readonly ids: { readonly owner: string; readonly stranger: string; readonly member: string };
  readonly close: () => Promise<void>;
}

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

export type StartS3 = (tls: Certificate | undefined) => Promise<S3Server>;

/** Runs with a server that closes afterwards; with `isTls`, behind a certificate made for this run. */
export function withServer(
  t: Test,
  options: { name: string; isTls: boolean; start: StartS3 },
  run: (t: Test, target: Target) => Promise<void>,
): void {
  const { name, isTls, start } = options;
  t.test(name, { skip: isTls ? missing('openssl') : false }, async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'needletail-s3-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const certificate = isTls ? makeCertificate(folder) : undefined;
    const server = await start(certificate);
    t.teardown(() => server.close());
    await run(t, { server, certificate, folder });
  });
}

export interface Target {
  readonly server: S3Server;
  readonly certificate: Certificate | undefined;
  /** For files of the test; removed afterwards. */
  readonly folder: string;
}

export function endpoint({ server, certificate }: Target): string {
  return `${certificate === undefined ? 'http' : 'https'}://localhost:${server.port}`;
}

function makeCertificate(folder: string): Certificate {
  const certFile = path.join(folder, 'cert.pem');
  const keyFile = path.join(folder, 'key.pem');
  const names = 'subjectAltName=DNS:localhost,DNS:*.s3.localhost,IP:127.0.0.1';
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  const cert = ['-x509', '-days', '2', '-subj', '/CN=localhost', '-addext', names, '-out', certFile];
  const done = spawnSync('openssl', ['req', ...key, ...cert], { timeout: 20_000, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`openssl: ${done.stderr}`);
  return { certFile, keyFile };
}

export interface Answer {
  readonly status: number;
  /** Lower-case names; latin1. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly text: string;
  /** Of an error document. */
  readonly code: string | undefined;
}

export interface Sent {
  readonly query?: string;
  /** Lower-case names; all are signed. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  readonly payload?: string;
  /** Undefined: the owner. Null: nobody. */
  readonly user?: S3User | null;
  readonly timestamp?: string;
  /** Not signed. */
  readonly extra?: Readonly<Record<string, string>>;
  readonly host?: string;
}

const ANSWER_MS = 20_000;
let bucketCount = 0;

/** Signs by itself and sends exactly what it is told. */
export class S3Client {
  readonly #target: Target;
  readonly #agent: http.Agent;
  readonly #tls: https.AgentOptions | undefined;

  constructor(target: Target) {
    this.#target = target;
    const { certificate } = target;
    this.#tls =
      certificate === undefined ? undefined : { ca: readFileSync(certificate.certFile), servername: 'localhost' };
    this.#agent = this.#tls ? new https.Agent({ ...this.#tls, keepAlive: true }) : new http.Agent({ keepAlive: true });
  }

  get host(): string {
    return `localhost:${this.#target.server.port}`;
  }

  get region(): string {
    return this.#target.server.region;
  }

  get owner(): S3User {
    return this.#target.server.owner;
  }

  get isTls(): boolean {
    return this.#tls !== undefined;
  }

  get stranger(): S3User {
    return this.#target.server.stranger;
  }

  get member(): S3User {
    return this.#target.server.member;
  }

  get ids(): S3Server['ids'] {
    return this.#target.server.ids;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** A new bucket's name. */
  async makeBucket(headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const name = `raw-${process.pid}-${++bucketCount}`;
    const made = await this.ask('PUT', `/${name}`, { headers });
    if (made.status !== 200) throw new Error(`no bucket: ${made.status} ${made.text}`);
    return name;
  }

  /** `rawPath` as it goes on the wire. */
  ask(method: string, rawPath: string, sent: Sent = {}): Promise<Answer> {
    const body = sent.body === undefined ? undefined : Buffer.from(sent.body as string);
    const payload = sent.payload ?? sha256Hex(body ?? '');
    const headers: Record<string, string> = { host: sent.host ?? this.host, ...sent.headers };
    const timestamp = sent.timestamp ?? amzNow();
    const query = sent.query ?? '';
    const user = sent.user === undefined ? this.owner : sent.user;
    const toSign = { method, path: rawPath, query, headers, payload, timestamp };
    const signed = user === null ? headers : signHeaders({ ...user, region: this.region }, toSign);
    return this.send(method, query === '' ? rawPath : `${rawPath}?${query}`, { ...signed, ...sent.extra }, body);
  }

  send(method: string, target: string, headers: Record<string, string>, body?: Buffer): Promise<Answer> {
    const { port } = this.#target.server;
    const all = body === undefined ? headers : { 'content-length': String(body.length), ...headers };
    const options = { host: 'localhost', port, method, path: target, headers: all, agent: this.#agent };
    return new Promise((resolve, reject) => {
      const lib = this.#tls ? https : http;
      const request = lib.request({ ...options, timeout: ANSWER_MS }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => resolve(toAnswer(response, Buffer.concat(chunks))));
      });
      request.on('timeout', () => request.destroy(new Error('no answer in time')));
      request.on('error', reject);
      if (body !== undefined && body.length > 0) request.write(body);
      request.end();
    });
  }
}

export interface Rig {
  readonly t: Test;
  readonly client: S3Client;
  /** Made for this test. */
  readonly bucket: string;
}

export type S3Suite = Readonly<Record<string, (rig: Rig) => Promise<void>>>;

function toAnswer(response: http.IncomingMessage, body: Buffer): Answer {
  const headers: Record<string, string> = {};
  const raw = response.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) headers[raw[i]!.toLowerCase()] = raw[i + 1]!;
  const text = body.toString('utf8');
  const code = /<Error><Code>([A-Za-z0-9.]+)<\/Code>/.exec(text)?.[1];
  return { status: response.statusCode ?? 0, headers, body, text, code };
}

export function amzNow(offsetMs = 0): string {
  const iso = new Date(Date.now() + offsetMs).toISOString();
  return `${iso.slice(0, 19).replace(/[-:]/g, '')}Z`;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a client as its users do, with the owner's keys in the environment. */
export function runClient(
  target: Target,
  command: string,
  args: readonly string[],
  options: { timeoutMs: number; env?: Readonly<Record<string, string>>; input?: string },
): Promise<Finished> {
  const { server, certificate, folder } = target;
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    AWS_ACCESS_KEY_ID: server.owner.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.owner.secretAccessKey,
    AWS_DEFAULT_REGION: server.region,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_MAX_ATTEMPTS: '1',
    S3_ENDPOINT: endpoint(target),
    STRANGER_ACCESS_KEY_ID: server.stranger.accessKeyId,
    STRANGER_SECRET_ACCESS_KEY: server.stranger.secretAccessKey,
    ...(certificate === undefined ? {} : { AWS_CA_BUNDLE: certificate.certFile }),
    ...(process.env['PYENV_ROOT'] === undefined ? {} : { PYENV_ROOT: process.env['PYENV_ROOT'] }),
    ...options.env,
  };
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: folder,
      env,
      timeout: options.timeoutMs,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(options.input ?? '');
  });
}
