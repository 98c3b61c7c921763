/**
 * What the hostile suites share: one five-zone cluster with both APIs and identity, on both listeners, clients of its users,
 * and what must hold after each test: no request met a bug, the cluster still answers, its memory stayed within bounds.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import type { Test } from 'tap';
import { withConfig } from '../../cli/cluster/config.ts';
import { type RunningCluster, startCluster } from '../../cli/cluster/start-cluster.ts';
import { connectRaw, type RawResponse } from './http-raw.ts';
import { type Answer, S3Client } from './s3-rig.ts';
import { SwiftClient } from './swift-rig.ts';

/** New buckets have ACLs, so that ACLs that allow can be met at all. */
const CONFIG = 's3-object-ownership = "ObjectWriter"\n';
const SOON_MS = 300;
const GROWTH_BYTES_MAX = 700 * 1024 * 1024;

export interface Negative {
  readonly t: Test;
  readonly running: RunningCluster;
  /** Port of everything, and of S3 alone. */
  readonly ports: { readonly everything: number; readonly s3: number };
  /** S3 on --port. */
  readonly s3: S3Client;
  /** S3 on --s3-port: another engine. */
  readonly s3Only: S3Client;
  readonly swift: SwiftClient;
  readonly stranger: SwiftClient;
  readonly anonymous: SwiftClient;
  /** A bucket and Swift container of the owner, made for this test, with the object `safe`. */
  readonly bucket: string;
}

export type NegativeSuite = Readonly<Record<string, (rig: Negative) => Promise<void>>>;

type Bed = Omit<Negative, 't' | 'bucket'>;

export async function runNegative(t: Test, suites: Readonly<Record<string, NegativeSuite>>): Promise<void> {
  const data = mkdtempSync(path.join(tmpdir(), 'needletail-negative-'));
  const bed = await openBed(t, data);
  const before = process.resourceUsage().maxRSS;
  let count = 0;
  for (const [area, suite] of Object.entries(suites)) {
    for (const [name, test] of Object.entries(suite)) {
      await t.test(`${area}: ${name}`, async (t) => {
        const bucket = `n${++count}-bucket`;
        t.equal((await bed.s3.ask('PUT', `/${bucket}`)).status, 200);
        t.equal((await bed.s3.ask('PUT', `/${bucket}/safe`, { body: 'safe' })).status, 200);
        const earlier = await failuresOf(bed);
        await test({ t, ...bed, bucket });
        t.equal(await failuresOf(bed), earlier, 'no request met a bug');
        t.equal((await bed.s3.ask('GET', `/${bucket}/safe`)).text, 'safe', 'and all is as it was');
      });
    }
  }
  const grownBytes = (process.resourceUsage().maxRSS - before) * 1024;
  t.ok(grownBytes < GROWTH_BYTES_MAX, `memory grew by ${Math.round(grownBytes / 1024 ** 2)} MiB`);
}

async function openBed(t: Test, data: string): Promise<Bed> {
  const config = path.join(data, 'needletail.toml');
  writeFileSync(config, CONFIG);
  const host = '127.0.0.1';
  const options = { data, config, host, port: 0, s3Port: 0, processes: 'inline', logLevel: 'silent' } as const;
  const running = await startCluster(withConfig({ ...options, given: new Set(['port', 's3Port']) }));
  const agent = new http.Agent({ keepAlive: true });
  const { s3, alt, member, swift, reseller } = running.credentials;
  const ports = {
    everything: Number(new URL(running.urls.everything).port),
    s3: Number(new URL(running.urls.s3).port),
  };
  const ids = { owner: 'AUTH_test', stranger: 'AUTH_test2', member: 'test:member' };
  const people = { owner: s3, stranger: alt.s3, member: member.s3, ids };
  const close = async (): Promise<void> => {};
  const s3At = (port: number): S3Client =>
    new S3Client({ server: { host, port, region: s3.region, ...people, close }, certificate: undefined, folder: data });
  const clients = [s3At(ports.everything), s3At(ports.s3)] as const;
  t.teardown(async () => {
    agent.destroy();
    for (const client of clients) client.close();
    await running.stop();
    rmSync(data, { recursive: true, force: true });
  });
  const server = { host, port: ports.everything, owner: swift, stranger: alt.swift, close };
  const swiftServer = { ...server, reseller: reseller?.swift ?? swift, member: member.swift };
  const owner = new SwiftClient(swiftServer, agent);
  await owner.login(swift);
  const stranger = new SwiftClient(swiftServer, agent);
  await stranger.login(alt.swift);
  const anonymous = new SwiftClient(swiftServer, agent);
  anonymous.base = owner.base;
  return { running, ports, s3: clients[0], s3Only: clients[1], swift: owner, stranger, anonymous };
}

/** How many requests ended in a status from 500 on, except what is not built. */
async function failuresOf({ anonymous }: Bed): Promise<number> {
  let count = 0;
  for (const line of (await anonymous.raw('GET', '/metrics')).text.split('\n')) {
    const found = /^needletail_requests_total\{[^}]*="(5\d\d)"[^}]*\} (\d+)/.exec(line);
    if (found && found[1] !== '501') count += Number(found[2]);
  }
  return count;
}

/** `400 MalformedXML`. */
export const codeOf = ({ status, code }: Answer): string => `${status} ${code}`;

/** Sends these very bytes and gives the first answer, whatever becomes of the connection. */
export async function exchange(port: number, bytes: string | Buffer, method = 'GET'): Promise<RawResponse> {
  const client = await connectRaw(port, false);
  try {
    return await client.send(bytes).response(method);
  } finally {
    client.close();
  }
}

/** The first bytes that come within a moment, '' when none do; then the client hangs up. */
export async function answerSoon(port: number, bytes: string | Buffer): Promise<string> {
  const client = await connectRaw(port, false);
  client.send(bytes);
  const came = await new Promise<string>((resolve) => {
    client.socket.once('data', (data: Buffer) => resolve(data.toString('latin1')));
    client.socket.once('end', () => resolve(''));
    setTimeout(resolve, SOON_MS, '');
  });
  client.close();
  return came;
}

/** A 4xx that names the very reason. */
export function refusedAs(t: Test, answer: Answer, expected: string, what: string): void {
  t.equal(codeOf(answer), expected, what);
}

/** Names of all that a bucket holds, by the other API and thus by another way of writing them down. */
export async function namesIn({ swift }: Pick<Negative, 'swift'>, bucket: string): Promise<string[]> {
  const got = await swift.ask('GET', `/${bucket}?format=json`);
  return (JSON.parse(got.text) as { name: string }[]).map(({ name }) => name);
}
