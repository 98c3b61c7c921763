/**
 * What the control plane's frame costs: commits of the store, alone and coalesced, and the CPU time of a request through a
 * service without its operation's own work. Run: node build/bench/control.js [folder]. Prints a table; keeps nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type ControlStore, defineTable } from '../control/contract.ts';
import { BASE_RULES } from '../control/policy/defaults.ts';
import { createPolicy } from '../control/policy/rules.ts';
import { createQuotas } from '../control/quota.ts';
import { createService } from '../control/service/create-service.ts';
import { schema } from '../control/service/schema.ts';
import { route } from '../control/service/types.ts';
import { openLmdbStore } from '../control/store/open.ts';
import { systemClock } from '../fabric/clock.ts';
import type { HttpHandler, HttpRequest } from '../fabric/http/contract.ts';
import { systemRandom } from '../fabric/random.ts';

interface Cost {
  readonly times: number;
  readonly wallMs: number;
  readonly cpuMs: number;
}

const ROWS = defineTable<{ name: string; size: number; status: string; metadata: Record<string, string> }>(
  'bench.rows',
);
const row = (i: number): { name: string; size: number; status: string; metadata: Record<string, string> } => ({
  name: `volume ${i}`,
  size: 10,
  status: 'available',
  metadata: { project: 'a'.repeat(32), description: 'd'.repeat(60) },
});

async function measure(times: number, run: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await run();
  const used = process.cpuUsage(cpu);
  return { times, wallMs: performance.now() - start, cpuMs: (used.user + used.system) / 1000 };
}

const each = async (times: number, run: (i: number) => Promise<unknown>): Promise<void> => {
  for (let i = 0; i < times; i++) await run(i);
};
const atOnce = (times: number, run: (i: number) => Promise<unknown>): Promise<unknown> =>
  Promise.all(Array.from({ length: times }, (_, i) => run(i)));

async function measureStore(store: ControlStore): Promise<[string, Cost][]> {
  const put = (i: number): Promise<void> => store.write(async (tx) => tx.put(ROWS, `row ${i}`, row(i)));
  const quotas = createQuotas({ service: 'bench', defaults: { rows: -1 } });
  const create = (i: number): Promise<void> =>
    store.write(async (tx) => {
      await quotas.take(tx, 'p', { rows: 1 });
      tx.put(ROWS, `counted ${i}`, row(i));
    });
  await each(20, put);
  return [
    ['a write, one after another', await measure(300, () => each(300, put))],
    ['a write, 1000 at once', await measure(5000, () => each(5, () => atOnce(1000, put)))],
    ['a write with the same quota row, 1000 at once', await measure(5000, () => each(5, () => atOnce(1000, create)))],
    [
      'a read of one row',
      await measure(50_000, () => each(50_000, (i) => store.read((tx) => tx.get(ROWS, `row ${i % 1000}`)))),
    ],
    [
      'a scan of 1000 rows',
      await measure(50, () => each(50, () => store.read((tx) => tx.scan(ROWS, { prefix: 'row', limit: 1000 })))),
    ],
  ];
}

function makeHandler(): HttpHandler {
  const defaults = { ...BASE_RULES, 'volume:get': 'rule:reader_or_admin', 'volume:create': 'rule:member_or_admin' };
  const body = schema<{ volume: { size: number } }>({
    type: 'object',
    required: ['volume'],
    properties: {
      volume: {
        type: 'object',
        required: ['size'],
        properties: {
          size: { type: 'integer', minimum: 1 },
          name: { type: 'string', maxLength: 255 },
          metadata: { type: 'object' },
        },
        additionalProperties: false,
      },
    },
  });
  const list = [
    { id: 'v3.0', path: '/v3', status: 'CURRENT', minVersion: '3.0', maxVersion: '3.70', updated: '' },
  ] as const;
  const answer = { body: { volume: row(1) } };
  return createService({
    name: 'volume',
    style: 'cinder',
    versions: { shape: 'cinder', list },
    routes: [
      route({
        name: 'get',
        method: 'GET',
        path: '/v3/{project_id}/volumes/{id}',
        policy: 'volume:get',
        run: () => answer,
      }),
      route({
        name: 'create',
        method: 'POST',
        path: '/v3/{project_id}/volumes',
        policy: 'volume:create',
        body,
        run: () => answer,
      }),
    ],
    authenticate: () => ({ userId: 'u', projectId: 'p', roles: ['member', 'reader'] }),
    policy: createPolicy({ defaults }),
    projectParam: 'project_id',
    requestIdHeader: 'x-compute-request-id',
    clock: systemClock,
    random: systemRandom,
    onError: (error) => {
      throw error;
    },
  }).handler;
}

function makeRequest(method: string, path: string, body: string): HttpRequest {
  const bytes = Buffer.from(body);
  const headers = new Map([
    ['x-auth-token', 'token'],
    ['openstack-api-version', 'volume 3.60'],
    ['content-type', 'application/json'],
    ['host', 'localhost:8776'],
  ]);
  const signal = new AbortController().signal;
  const source = { lengthBytes: bytes.length, read: async () => undefined, collect: async () => bytes };
  return {
    method,
    path,
    query: undefined,
    headers,
    headerLines: () => [],
    body: source,
    remoteAddress: '::1',
    tls: false,
    signal,
  };
}

async function measureFrame(): Promise<[string, Cost][]> {
  const handler = makeHandler();
  const get = makeRequest('GET', '/v3/p/volumes/8f0d63c0-51d1-4f5e-b9ac-8b3f0f3a7a11', '');
  const post = makeRequest('POST', '/v3/p/volumes', '{"volume":{"size":10,"name":"data","metadata":{"a":"b"}}}');
  const times = 100_000;
  const send = async (request: HttpRequest): Promise<void> => {
    const { status } = await handler(request);
    if (status !== 200) throw new Error(`status ${status}`);
  };
  await each(20_000, () => send(get));
  await each(20_000, () => send(post));
  return [
    ['GET through the frame', await measure(times, () => each(times, () => send(get)))],
    ['POST through the frame, body checked', await measure(times, () => each(times, () => send(post)))],
  ];
}

const path = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'needletail-bench-control-'));
try {
  const store = await openLmdbStore({ path, clock: systemClock });
  const costs = [...(await measureStore(store)), ...(await measureFrame())];
  await store.close();
  const us = (ms: number, times: number): string => ((ms * 1000) / times).toFixed(1).padStart(9);
  process.stdout.write(`${'each costs'.padEnd(48)} wall µs    CPU µs\n`);
  for (const [name, { times, wallMs, cpuMs }] of costs) {
    process.stdout.write(`${name.padEnd(46)}${us(wallMs, times)} ${us(cpuMs, times)}\n`);
  }
} finally {
  rmSync(path, { recursive: true, force: true });
}
