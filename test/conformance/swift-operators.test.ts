// What an operator sets in section [swift] of the configuration file, on a cluster that has it all.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { withConfig } from '../../cli/cluster/config.ts';
import { startCluster } from '../../cli/cluster/start-cluster.ts';
import { SwiftClient } from './swift-rig.ts';

t.setTimeout(60_000);

const CONFIG = `[swift]
storage-domains = ["store.test"]
default-reseller-prefix = "AUTH"
forbidden-chars = "<>"
path-bytes-max = 100
account-rate = 1000
container-rates = [[3, 1]]
rate-sleep-max-s = 0.5
rate-buffer-s = 0
quoted-etags = true
cross-domain-policy = '<allow-access-from domain="*.example.com" />'

[[swift.policies]]
name = "gold"
aliases = ["yellow"]

[[swift.policies]]
name = "silver"

[[swift.policies]]
name = "old"
deprecated = true
`;

t.test('a cluster with everything set', async (t) => {
  const data = mkdtempSync(path.join(tmpdir(), 'needletail-operators-'));
  const config = path.join(data, 'needletail.toml');
  writeFileSync(config, CONFIG);
  const ports = { port: 0, s3Port: 0 };
  const options = { data, config, host: '127.0.0.1', ...ports, processes: 'inline', logLevel: 'silent' } as const;
  const running = await startCluster(withConfig({ ...options, given: new Set(['data', 'port', 's3Port']) }));
  const agent = new http.Agent({ keepAlive: true });
  t.teardown(async () => {
    agent.destroy();
    await running.stop();
    rmSync(data, { recursive: true, force: true });
  });
  const { swift, alt, reseller } = running.credentials;
  const port = Number(new URL(running.urls.everything).port);
  const server = { host: '127.0.0.1', port, owner: swift, stranger: alt.swift, reseller: reseller?.swift ?? swift };
  const client = new SwiftClient({ ...server, close: async () => {} }, agent);
  await client.login(swift);

  const info = JSON.parse((await client.raw('GET', '/info')).text) as Record<string, unknown>;
  t.match(Object.keys(info).join(), /name_check.*ratelimit.*crossdomain.*domain_remap/);

  await t.test('hosts', (t) => hosts(t, client));
  await t.test('names', (t) => names(t, client));
  await t.test('rates', (t) => rates(t, client));
  await t.test('ETags and players', (t) => etags(t, client));
  await t.test('policies', (t) => policies(t, client));
});

async function hosts(t: Test, client: SwiftClient): Promise<void> {
  await client.ask('PUT', '/box');
  await client.ask('PUT', '/box/o%20x', { body: 'here' });
  const at = (host: string, what: string, token = client.token): ReturnType<SwiftClient['raw']> =>
    client.raw('GET', what, { headers: { Host: host, ...(token ? { 'X-Auth-Token': token } : {}) } });
  t.equal((await at('box.auth-test.store.test', '/o%20x')).text, 'here');
  t.equal((await at(`box.AUTH_test.store.test:${client.server.port}`, '/v1/o%20x')).text, 'here');
  t.equal((await at('auth-test.store.test', '/box/o%20x')).text, 'here');
  t.equal((await at('test.store.test', '/box/o%20x')).text, 'here', 'the default prefix');
  t.equal((await at('a.b.c.store.test', '/o')).status, 400);
  t.equal((await at('elsewhere.test', `${client.base}/box/o%20x`)).text, 'here', 'other hosts as ever');
  await client.ask('POST', '/box', {
    headers: { 'X-Container-Read': '.r:*,.rlistings', 'X-Container-Meta-Web-Index': 'index.html' },
  });
  await client.ask('PUT', '/box/sub/index.html', { body: 'site' });
  const moved = await at('box.auth-test.store.test', '/sub', '');
  t.match([moved.status, moved.headers['location']], [301, 'http://box.auth-test.store.test/sub/']);
  t.equal((await at('box.auth-test.store.test', '/sub/', '')).text, 'site');
}

async function names(t: Test, client: SwiftClient): Promise<void> {
  t.equal((await client.ask('PUT', '/box/a%3Cb', { body: '' })).status, 400);
  t.equal((await client.ask('PUT', `/box/${'n'.repeat(100)}`, { body: '' })).status, 400);
  t.equal((await client.ask('PUT', '/box/a/../b', { body: '' })).status, 400);
}

async function rates(t: Test, client: SwiftClient): Promise<void> {
  await client.ask('PUT', '/slow');
  for (const name of ['1', '2', '3']) await client.ask('PUT', `/slow/${name}`, { body: '' });
  const statuses = [];
  for (let i = 0; i < 4; i++) statuses.push((await client.ask('PUT', '/slow/4', { body: '' })).status);
  t.equal(statuses[0], 201);
  t.ok(statuses.includes(498), `too many at once: ${statuses}`);
  t.equal((await client.ask('GET', '/slow/1')).status, 200, 'reads are free');
}

async function etags(t: Test, client: SwiftClient): Promise<void> {
  t.match((await client.ask('HEAD', '/box/o%20x')).headers['etag'], /^"[0-9a-f]{32}"$/);
  const policy = await client.raw('GET', '/crossdomain.xml');
  t.match([policy.status, policy.headers['content-type'], policy.text], [200, 'application/xml', '*.example.com']);
}

async function policies(t: Test, client: SwiftClient): Promise<void> {
  const info = JSON.parse((await client.raw('GET', '/info')).text) as object;
  t.match(info, { swift: { policies: [{ name: 'gold', default: true }, { name: 'silver' }, { deprecated: true }] } });
  const make = (name: string, policy: string): Promise<number> =>
    client.ask('PUT', name, { headers: { 'X-Storage-Policy': policy } }).then(({ status }) => status);
  t.equal(await make('/silver', 'SILVER'), 201);
  t.equal(await make('/silver', 'yellow'), 409);
  t.equal(await make('/none', 'old'), 400);
  t.equal(await make('/none', 'bronze'), 400);
  t.equal((await client.ask('HEAD', '/silver')).headers['x-storage-policy'], 'silver');
  t.equal((await client.ask('HEAD', '/box')).headers['x-storage-policy'], 'gold');
  await client.ask('PUT', '/silver/o', { body: 'four' });
  const account = (await client.ask('HEAD', '')).headers;
  t.equal(account['x-account-storage-policy-silver-container-count'], '1');
  t.equal(account['x-account-storage-policy-gold-container-count'], '2');
  t.equal(account['x-account-storage-policy-old-container-count'], undefined);
}
