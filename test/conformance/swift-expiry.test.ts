// Objects that expire: hidden on time, deleted from an index that outlives a restart, and nothing else with them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { withConfig } from '../../cli/cluster/config.ts';
import { startCluster } from '../../cli/cluster/start-cluster.ts';
import { SwiftClient } from './swift-rig.ts';

const SUITE_MS = 170_000;
const GONE_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 250;

t.setTimeout(SUITE_MS);

interface Life {
  readonly client: SwiftClient;
  stop(): Promise<void>;
}

async function start(data: string, config?: string): Promise<Life> {
  const ports = { port: 0, s3Port: 0 };
  const file = config === undefined ? {} : { config };
  const options = { data, host: '127.0.0.1', ...ports, processes: 'inline', logLevel: 'silent', ...file } as const;
  const running = await startCluster(withConfig({ ...options, given: new Set(['data', 'port', 's3Port']) }));
  const { swift, alt, reseller } = running.credentials;
  const port = Number(new URL(running.urls.everything).port);
  const agent = new http.Agent({ keepAlive: true });
  const server = { host: '127.0.0.1', port, owner: swift, stranger: alt.swift, reseller: reseller?.swift ?? swift };
  const client = new SwiftClient({ ...server, close: async () => {} }, agent);
  await client.login(swift);
  return {
    client,
    async stop() {
      agent.destroy();
      await running.stop();
    },
  };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

async function until(what: () => Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + GONE_WITHIN_MS; Date.now() < end; await sleep(LOOK_EVERY_MS)) {
    if (await what()) return true;
  }
  return false;
}

const names = async (client: SwiftClient, container: string): Promise<string[]> =>
  (await client.ask('GET', container)).text.split('\n').filter((name) => name !== '');

/** However slow the machine is. */
const OPEN = { 'X-Open-Expired': 'true' };

const after = (seconds: number): { headers: Record<string, string>; body: string } => ({
  headers: { 'X-Delete-After': String(seconds) },
  body: 'x',
});

async function deleteAtOf(client: SwiftClient, object: string): Promise<string> {
  return (await client.ask('HEAD', object, { headers: OPEN })).headers['x-delete-at'] ?? 'none';
}

t.test('from one life of the cluster to the next', async (t) => {
  const data = mkdtempSync(path.join(tmpdir(), 'needletail-expiry-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  const config = path.join(data, 'needletail.toml');
  writeFileSync(config, 'expired-kept-s = 3600\n');
  const first = await start(data, config);
  await fill(first.client);
  await whileKept(t, first.client);
  await first.stop();
  const second = await start(data);
  t.teardown(() => second.stop());
  await whenDeleted(t, second.client);
});

async function fill(client: SwiftClient): Promise<void> {
  await client.ask('PUT', '/c');
  await client.ask('PUT', '/v', { headers: { 'X-Versions-Enabled': 'true' } });
  for (const name of ['/c/due', '/c/revived', '/c/overwritten', '/c/extended', '/v/due', '/c/by-hand']) {
    await client.ask('PUT', name, after(2));
  }
  await client.ask('COPY', '/c/due', { headers: { Destination: '/c/copy', ...OPEN, 'X-Delete-After': '2' } });
  await client.ask('PUT', '/c/large', { ...after(2), body: 'y'.repeat(200_000) });
  await client.ask('PUT', '/c/far', after(100_000));
  await client.ask('PUT', '/c/plain', { body: 'x' });
  await client.ask('PUT', '/c/overwritten', { body: 'x' });
  await client.ask('POST', '/c/extended', { headers: { 'X-Delete-After': '100000', ...OPEN } });
  await client.ask('POST', '/c/plain', { headers: { 'X-Delete-After': '2' } });
}

async function whileKept(t: Test, client: SwiftClient): Promise<void> {
  const due = await deleteAtOf(client, '/c/by-hand');
  t.match(due, /^\d{10}$/);
  const ifDue = (object: string, at: string): Promise<number> =>
    client.ask('DELETE', object, { headers: { 'X-If-Delete-At': at } }).then(({ status }) => status);
  t.equal(await ifDue('/c/by-hand', 'soon'), 400);
  t.equal(await ifDue('/c/by-hand', '1'), 412);
  t.equal(await ifDue('/c/none', due), 404);
  t.ok(await until(async () => (await client.ask('GET', '/c/plain')).status === 404), 'hidden on time');
  t.ok(await until(async () => (await client.ask('HEAD', '/v/due')).status === 404));
  const open = { headers: OPEN };
  t.equal((await client.ask('GET', '/c/due', open)).text, 'x', 'the owner may look');
  t.equal((await client.ask('POST', '/c/revived')).status, 404);
  t.equal((await client.ask('POST', '/c/revived', open)).status, 202);
  t.equal((await client.ask('GET', '/c/revived')).text, 'x', 'and bring it back');
  t.equal(await ifDue('/c/by-hand', due), 204, 'what is hidden can be deleted by its time');
  t.notOk((await names(client, '/c')).includes('by-hand'));
  t.ok((await names(client, '/c')).includes('due'), 'listed until it is deleted');
}

async function whenDeleted(t: Test, client: SwiftClient): Promise<void> {
  await client.ask('PUT', '/c/young', after(1));
  const left = ['extended', 'far', 'overwritten', 'revived'];
  const isDone = async (): Promise<boolean> => (await names(client, '/c')).length === left.length;
  t.ok(await until(isDone), 'what was due before the restart, and what came after it');
  t.same(await names(client, '/c'), left);
  t.equal((await client.ask('HEAD', '/c')).headers['x-container-object-count'], '4');
  t.ok(await until(async () => (await names(client, '/v')).length === 0));
  const versions = JSON.parse((await client.ask('GET', '/v?versions')).text) as { version_id: string }[];
  t.equal(versions.length, 1, 'its version stays');
  t.equal((await client.ask('GET', `/v/due?version-id=${versions[0]?.version_id}`)).text, 'x');
}
