/**
 * One listener for one test: opens the engine, hands out raw connections, and drains at the end. A certificate for the
 * TLS runs is made once a process, in a temporary directory that goes with it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import type { HttpHandler, HttpLimits, HttpListener, HttpRequest, HttpResponse } from '../../fabric/http/contract.ts';
import { type HttpEngineName, listen } from '../../fabric/http/engine.ts';
import { connectRaw, type RawClient } from './http-raw.ts';

export interface Flavour {
  readonly engine: HttpEngineName;
  readonly tls: boolean;
  readonly uws: boolean;
}

export type Suite = Readonly<Record<string, (t: Test, flavour: Flavour) => Promise<void>>>;

export interface Rig {
  readonly listener: HttpListener;
  readonly errors: unknown[];
  connect(): Promise<RawClient>;
}

export async function openRig(
  t: Test,
  flavour: Flavour,
  shape: { handler: HttpHandler; limits?: Partial<HttpLimits> },
): Promise<Rig> {
  const errors: unknown[] = [];
  const clients: RawClient[] = [];
  const listener = await listen(
    flavour.engine,
    shape.handler,
    { host: '127.0.0.1', port: 0, ...(flavour.tls ? { tls: certificate() } : {}), limits: shape.limits ?? {} },
    { clock: systemClock, onError: (error) => errors.push(error) },
  );
  t.equal(listener.engine, flavour.engine, 'the engine under test is the one that runs');
  t.teardown(async () => {
    for (const client of clients) client.close();
    await listener.drain(1_000);
  });
  return {
    listener,
    errors,
    async connect() {
      const client = await connectRaw(listener.port, flavour.tls);
      clients.push(client);
      return client;
    },
  };
}

let files: { certFile: string; keyFile: string } | undefined;

export function certificate(): { certFile: string; keyFile: string } {
  if (files !== undefined) return files;
  const dir = mkdtempSync(join(tmpdir(), 'needletail-tls-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const keyFile = join(dir, 'key.pem');
  const certFile = join(dir, 'cert.pem');
  const key = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', [...key, '-subj', '/CN=localhost', '-keyout', keyFile, '-out', certFile], { stdio: 'pipe' });
  files = { certFile, keyFile };
  return files;
}

/** What a handler saw, as the JSON body of its answer. */
export async function describe(request: HttpRequest): Promise<HttpResponse> {
  const body = await request.body.collect(1 << 24);
  const seen = {
    method: request.method,
    path: request.path,
    query: request.query ?? null,
    lines: request.headerLines(),
    bodyBytes: body.length,
    body: body.length <= 64 ? body.toString('latin1') : '',
  };
  return { status: 200, headers: ['Content-Type', 'application/json'], body: JSON.stringify(seen) };
}

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: string | null;
  readonly lines: string[];
  readonly bodyBytes: number;
  readonly body: string;
}

export function seen(body: Buffer): Seen {
  return JSON.parse(body.toString('utf8')) as Seen;
}

export const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
export const put = (path: string, more: string, body = ''): string =>
  `PUT ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n${body}`;

/** Waits for something another part of the system does; fails after a generous bound. */
export async function eventually(t: Test, what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 2_000 && !holds(); i++) await systemClock.sleep(5);
  t.ok(holds(), what);
}
