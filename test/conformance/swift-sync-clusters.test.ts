// Container sync between two clusters as they are shipped, both ways: what is written, overwritten, described, deleted on
// one side is so on the other, with the same time; also over a restart in the middle, and within one cluster.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { withConfig } from '../../cli/cluster/config.ts';
import { type RunningCluster, startCluster } from '../../cli/cluster/start-cluster.ts';
import { type Answer, SwiftClient } from './swift-rig.ts';

t.setTimeout(240_000);

const ARRIVES_MS = 60_000;
const LOOK_EVERY_MS = 50;
const KEY = 'between us';

/** Of two, because each must know the other's address before either is up. */
async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

class Side {
  readonly name: string;
  readonly port: number;
  readonly #data: string;
  readonly #config: string;
  readonly #agent = new http.Agent({ keepAlive: true });
  #running: RunningCluster | undefined;
  client: SwiftClient;

  constructor(name: string, port: number, config: string) {
    this.name = name;
    this.port = port;
    this.#config = config;
    this.#data = mkdtempSync(path.join(tmpdir(), `needletail-sync-${name}-`));
    this.client = this.#newClient();
  }

  #newClient(): SwiftClient {
    const nobody = { user: '', key: '' };
    const server = { host: '127.0.0.1', port: this.port, owner: nobody, stranger: nobody, reseller: nobody };
    return new SwiftClient({ ...server, close: async () => {} }, this.#agent);
  }

  async start(): Promise<void> {
    const config = path.join(this.#data, 'needletail.toml');
    writeFileSync(config, this.#config);
    const given = new Set(['data', 'port', 's3Port']);
    const options = { data: this.#data, config, host: '127.0.0.1', port: this.port, s3Port: 0, given } as const;
    this.#running = await startCluster(withConfig({ ...options, processes: 'inline', logLevel: 'silent' }));
    this.client = this.#newClient();
    await this.client.login(this.#running.credentials.swift);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    await this.stop();
    rmSync(this.#data, { recursive: true, force: true });
  }

  async make(container: string, to: string, key = KEY): Promise<void> {
    const headers = { 'X-Container-Sync-To': to, 'X-Container-Sync-Key': key };
    const made = await this.client.ask('PUT', container, { headers });
    if (made.status >= 300) throw new Error(`${made.status} ${made.text}`);
  }

  put(name: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
    return this.client.ask('PUT', name, { body, headers });
  }
}

/** The answer that `isIt` likes; what came last when none does in time. */
async function waitFor(ask: () => Promise<Answer>, isIt: (answer: Answer) => boolean): Promise<Answer> {
  const until = Date.now() + ARRIVES_MS;
  for (;;) {
    const answer = await ask();
    if (isIt(answer) || Date.now() > until) return answer;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

const arrives = (side: Side, name: string, text: string | Buffer): Promise<Answer> =>
  waitFor(
    () => side.client.ask('GET', name),
    ({ status, body }) => status === 200 && body.equals(Buffer.from(text as string)),
  );

t.test('two clusters', async (t) => {
  const [eastPort, westPort] = [await freePort(), await freePort()];
  const config = (current: string): string => `[swift.container-sync]
current = "//Globe/${current}"
[swift.container-sync.realms.Globe]
key = "of the operators"
clusters = { east = "http://127.0.0.1:${eastPort}/v1/", west = "http://127.0.0.1:${westPort}/v1" }
`;
  const east = new Side('east', eastPort, config('east'));
  const west = new Side('west', westPort, config('west'));
  t.teardown(() => Promise.all([east.close(), west.close()]));
  await east.start();
  await west.start();
  await t.test('what was there before, and what comes', (t) => oneWay(t, east, west));
  await t.test('both ways', (t) => bothWays(t, east, west));
  await t.test('manifests, links, names', (t) => special(t, east, west));
  await t.test('within one cluster', (t) => within(t, east));
  await t.test('by full URLs', (t) => byUrl(t, east, west));
  await t.test('what is refused holds nothing up', (t) => refused(t, east, west));
  await t.test('an outage and a restart', (t) => outage(t, east, west));
});

async function oneWay(t: Test, east: Side, west: Side): Promise<void> {
  await east.client.ask('PUT', '/old');
  for (let i = 0; i < 5; i++) await east.put(`/old/${i}`, `old ${i}`);
  await west.make('/copy', '', KEY);
  await east.make('/old', '//globe/WEST/AUTH_test/copy');
  for (let i = 0; i < 5; i++) t.equal((await arrives(west, `/copy/${i}`, `old ${i}`)).text, `old ${i}`);
  await east.put('/old/new', 'new', { 'X-Object-Meta-Colour': 'gr\xfcn', 'Content-Type': 'text/x-new' });
  const there = await arrives(west, '/copy/new', 'new');
  const here = await east.client.ask('HEAD', '/old/new');
  for (const name of ['x-timestamp', 'last-modified', 'etag', 'content-type', 'x-object-meta-colour']) {
    t.equal(there.headers[name], here.headers[name], name);
  }
  const listed = (await west.client.ask('GET', '/copy?format=json&prefix=new')).text;
  t.equal(listed, (await east.client.ask('GET', '/old?format=json&prefix=new')).text, 'listed with the same time');
  const big = Buffer.alloc(3_000_000, 'big');
  await east.put('/old/big', big);
  t.equal((await arrives(west, '/copy/big', big)).body.length, big.length);
  await east.client.ask('DELETE', '/old/0');
  const gone = await waitFor(
    () => west.client.ask('HEAD', '/copy/0'),
    ({ status }) => status === 404,
  );
  t.equal(gone.status, 404, 'deleted');
  await west.put('/copy/back', 'not sent back');
  await east.put('/old/last', 'x');
  await arrives(west, '/copy/last', 'x');
  t.equal((await east.client.ask('HEAD', '/old/back')).status, 404, 'one way only');
}

async function bothWays(t: Test, east: Side, west: Side): Promise<void> {
  await east.make('/shared', '//Globe/west/AUTH_test/shared');
  await west.make('/shared', '//Globe/east/AUTH_test/shared');
  await east.put('/shared/o', 'east');
  await arrives(west, '/shared/o', 'east');
  await west.put('/shared/o', 'west');
  t.equal((await arrives(east, '/shared/o', 'west')).text, 'west', 'overwritten');
  await east.client.ask('POST', '/shared/o', { headers: { 'X-Object-Meta-Said': 'in the east' } });
  const told = await waitFor(
    () => west.client.ask('HEAD', '/shared/o'),
    ({ headers }) => headers['x-object-meta-said'] !== undefined,
  );
  t.equal(told.headers['x-object-meta-said'], 'in the east');
  t.equal(told.headers['x-timestamp'], (await east.client.ask('HEAD', '/shared/o')).headers['x-timestamp']);
  await west.client.ask('DELETE', '/shared/o');
  const gone = await waitFor(
    () => east.client.ask('HEAD', '/shared/o'),
    ({ status }) => status === 404,
  );
  t.equal(gone.status, 404);
  await east.put('/shared/o', 'again');
  t.equal((await arrives(west, '/shared/o', 'again')).text, 'again', 'made anew after it was deleted');
  const names = Array.from({ length: 20 }, (_, i) => `/shared/n${i}`);
  await Promise.all(names.map((name, i) => (i % 2 ? east : west).put(name, name)));
  for (const name of names) {
    t.equal((await arrives(east, name, name)).text, name);
    t.equal((await arrives(west, name, name)).text, name);
  }
}

async function special(t: Test, east: Side, west: Side): Promise<void> {
  await west.make('/special', '', KEY);
  await east.make('/special', '//Globe/west/AUTH_test/special');
  const parts = ['one,', 'two'];
  for (const [i, part] of parts.entries()) await east.put(`/special/seg/${i}`, part);
  const manifest = JSON.stringify(parts.map((_, i) => ({ path: `/special/seg/${i}` })));
  const made = await east.put('/special/slo?multipart-manifest=put', manifest, { 'X-Object-Meta-Large': 'static' });
  t.equal(made.status, 201);
  const slo = await arrives(west, '/special/slo', 'one,two');
  t.equal(slo.text, 'one,two', 'a static large object');
  t.match(slo.headers, { 'x-static-large-object': 'True', 'x-object-meta-large': 'static' });
  t.equal(slo.headers['etag'], (await east.client.ask('HEAD', '/special/slo')).headers['etag']);
  await east.put('/special/dlo', '', { 'X-Object-Manifest': 'special/seg/' });
  t.equal((await arrives(west, '/special/dlo', 'one,two')).headers['x-object-manifest'], 'special/seg/');
  await east.put('/special/link', '', { 'X-Symlink-Target': 'special/seg/0' });
  t.equal((await arrives(west, '/special/link', 'one,')).text, 'one,');
  t.equal(
    (await west.client.ask('HEAD', '/special/link?symlink=get')).headers['x-symlink-target'],
    'special/seg/0',
    'a link stays one',
  );
  for (const name of ['a/../b', 'a//b', '%C3%A9t%C3%A9%20%3F%23%25', "it's~(*)!"]) {
    await east.put(`/special/${name}`, name);
    t.equal((await arrives(west, `/special/${name}`, name)).text, name, name);
  }
  const later = Math.floor(Date.now() / 1000) + 1000;
  await east.put('/special/goes', 'x', { 'X-Delete-At': String(later), 'Content-Encoding': 'odd' });
  t.match((await arrives(west, '/special/goes', 'x')).headers, {
    'x-delete-at': String(later),
    'content-encoding': 'odd',
  });
}

async function within(t: Test, east: Side): Promise<void> {
  await east.make('/target', '', KEY);
  await east.make('/source', '//Globe/East/AUTH_test/target');
  await east.put('/source/o', 'near');
  t.equal((await arrives(east, '/target/o', 'near')).text, 'near');
}

async function byUrl(t: Test, east: Side, west: Side): Promise<void> {
  await west.make('/url', '', 'plain');
  await east.make('/url', `http://127.0.0.1:${west.port}/v1/AUTH_test/url`, 'plain');
  await east.put('/url/o', 'by its address');
  t.equal((await arrives(west, '/url/o', 'by its address')).text, 'by its address');
}

async function refused(t: Test, east: Side, west: Side): Promise<void> {
  await west.make('/small', '', KEY);
  await west.client.ask('POST', '/small', { headers: { 'X-Container-Meta-Quota-Bytes': '10' } });
  await west.put('/small/own', 'own');
  await east.make('/large', '//Globe/west/AUTH_test/small');
  t.equal((await east.client.ask('DELETE', '/large/own')).status, 404);
  await east.put('/large/big', 'more than ten bytes');
  await east.put('/large/fits', 'fits');
  t.equal((await arrives(west, '/small/fits', 'fits')).text, 'fits');
  t.equal((await west.client.ask('HEAD', '/small/big')).status, 404);
  await west.client.ask('POST', '/small', { headers: { 'X-Remove-Container-Meta-Quota-Bytes': 'x' } });
  t.equal((await arrives(west, '/small/big', 'more than ten bytes')).text, 'more than ten bytes', 'tried again');
  t.equal((await west.client.ask('GET', '/small/own')).text, 'own', 'nothing was deleted that was not there');
}

async function outage(t: Test, east: Side, west: Side): Promise<void> {
  await west.make('/after', '', KEY);
  await east.make('/after', '//Globe/west/AUTH_test/after');
  await east.put('/after/kept', 'before');
  await east.put('/after/gone', 'before');
  await arrives(west, '/after/kept', 'before');
  await arrives(west, '/after/gone', 'before');
  await west.stop();
  for (let i = 0; i < 5; i++) {
    t.equal((await east.put('/after/kept', `change ${i}`)).status, 201, 'no write waits for the other side');
  }
  await east.client.ask('DELETE', '/after/gone');
  await east.stop();
  await west.start();
  await east.start();
  t.equal((await arrives(west, '/after/kept', 'change 4')).text, 'change 4', 'sent after a restart of both');
  const gone = await waitFor(
    () => west.client.ask('HEAD', '/after/gone'),
    ({ status }) => status === 404,
  );
  t.equal(gone.status, 404, 'and the deletion');
}
