// The same repository on a real cluster through its public API: several streams, threads, a token that ends, a server whose
// answers get lost; and the disaster drill, which knows a container and its credentials and nothing else.
import t from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import { Fault, fabricFaults } from '../../fabric/errors.ts';
import { createHttpClient, type HttpClient } from '../../fabric/net-http.ts';
import { createSeededRandom, systemRandom } from '../../fabric/random.ts';
import { startServer } from '../../test/clients/server.ts';
import { CHUNK, collectAll, MemoryVolume, restored, sumOf, take, worldOf } from '../../test/repository/volume.ts';
import { repositoryFaults } from './faults.ts';
import { SwiftObjectClient } from './object-client-swift.ts';
import { openRepository } from './open-repository.ts';
import { createThreadSealer } from './sealer.ts';
import { swiftV1Login } from './swift-login.ts';

const collected = async (names: AsyncIterable<{ readonly name: string }>): Promise<string[]> => {
  const all: string[] = [];
  for await (const { name } of names) all.push(name);
  return all;
};

const server = await startServer({ tls: false, processes: 'inline' });
const http = createHttpClient();
t.teardown(async () => {
  await http.close();
  await server.stop();
});
const { authUrl, user, key } = server.credentials.swift;
const clientOf = (container: string, through: HttpClient = http) =>
  new SwiftObjectClient({
    http: through,
    login: swiftV1Login(http, { authUrl, user, key }),
    container,
    clock: systemClock,
    random: systemRandom,
  });

t.test('what the repository relies on', async (t) => {
  const client = clientOf('contract');
  await client.createContainer();
  await client.createContainer();
  t.same(await collected(client.list({ prefix: '' })), []);
  const { etag } = await client.put('a/1', Buffer.from('one'), 'absent');
  await t.rejects(client.put('a/1', Buffer.from('two'), 'absent'), { code: repositoryFaults.preconditionFailed });
  const next = await client.put('a/1', Buffer.from('two'), { etag });
  await t.rejects(client.put('a/1', Buffer.from('three'), { etag }), { code: repositoryFaults.preconditionFailed });
  await t.rejects(client.put('none', Buffer.from('x'), { etag }), { code: repositoryFaults.preconditionFailed });
  t.same(await client.get('a/1'), { body: Buffer.from('two'), etag: next.etag });
  t.equal((await client.get('a/1', { offset: 1, length: 2 })).body.toString(), 'wo');
  t.same(await client.head('a/1'), { bytes: 3, etag: next.etag });
  t.equal(await client.head('a/2'), undefined);
  await t.rejects(client.get('a/2'), { code: repositoryFaults.noSuchObject });
  for (const name of ['a/0', 'a/2', 'b/1']) await client.put(name, Buffer.from(name));
  t.same(await collected(client.list({ prefix: 'a/', pageNames: 2 })), ['a/0', 'a/1', 'a/2']);
  t.same(await collected(client.list({ prefix: 'a/', marker: 'a/0', endMarker: 'a/2' })), ['a/1']);
  await t.rejects(client.delete('a/1', { etag }), { code: repositoryFaults.preconditionFailed });
  t.equal(await client.delete('a/1', { etag: next.etag }), true);
  await t.rejects(client.delete('a/1', { etag: next.etag }), { code: repositoryFaults.preconditionFailed });
  t.equal(await client.delete('a/1'), false);
  await t.rejects(clientOf('nowhere').put('a', Buffer.from('a')), { code: repositoryFaults.storeRefused });
});

t.test('snapshots with threads and streams, and a drill from the container alone', async (t) => {
  const sealer = createThreadSealer(2);
  t.teardown(() => sealer.close());
  const client = clientOf('volumes');
  await client.createContainer();
  const repository = await openRepository(worldOf(client, { sealer }));
  const volume = new MemoryVolume(100 * CHUNK + 5, 21);
  volume.scribble(30);
  volume.takeChanged();
  const sums: Record<string, string> = {};
  await take(repository, volume, { snapshot: 'a', streams: 8 });
  sums['a'] = volume.sum();
  for (const [snapshot, base] of [
    ['b', 'a'],
    ['c', 'b'],
  ] as const) {
    volume.scribble(2);
    await take(repository, volume, { snapshot, base, changed: volume.takeChanged() });
    sums[snapshot] = volume.sum();
  }
  await repository.delete({ lineage: 'line', snapshot: 'b' });
  await collectAll(repository);
  // Another cluster, say: no database, no state, only where the container is.
  const elsewhere = await openRepository(worldOf(clientOf('volumes'), { sealer }));
  const found = await elsewhere.list();
  t.same(
    found.map(({ snapshot }) => snapshot),
    ['a', 'c'],
  );
  for (const { snapshot } of found) t.equal(sumOf(await restored(elsewhere, snapshot)), sums[snapshot], snapshot);
  for (const { snapshot } of found) await elsewhere.delete({ lineage: 'line', snapshot });
  await collectAll(elsewhere);
  t.same(await collected(client.list({ prefix: 'chunks/' })), [], 'all space is given back');
});

t.test('lost answers, errors and an ended token change nothing', async (t) => {
  const random = createSeededRandom(5);
  let troubles = 0;
  const shaky: HttpClient = {
    async call(call) {
      const dice = random.below(12);
      if (dice > 3) return await http.call(call);
      troubles++;
      if (dice === 0) return { status: 503, headers: {}, body: Buffer.alloc(0) };
      if (dice === 1) return { status: 401, headers: {}, body: Buffer.alloc(0) };
      if (dice === 2) throw new Fault(fabricFaults.unreachable, { reason: 'before' });
      await http.call(call);
      throw new Fault(fabricFaults.unreachable, { reason: 'after' });
    },
    close: async () => {},
  };
  const clock = { ...systemClock, sleep: async () => {} };
  const login = swiftV1Login(http, { authUrl, user, key });
  const client = new SwiftObjectClient({ http: shaky, login, container: 'shaky', clock, random, attemptsMax: 50 });
  await client.createContainer();
  const repository = await openRepository(worldOf(client));
  const volume = new MemoryVolume(20 * CHUNK, 22);
  volume.scribble(10);
  for (const snapshot of ['a', 'b', 'c']) {
    await take(repository, volume, { snapshot });
    t.equal(sumOf(await restored(repository, snapshot)), volume.sum());
    volume.scribble(3);
  }
  for (const snapshot of ['a', 'b', 'c']) await repository.delete({ lineage: 'line', snapshot });
  await collectAll(repository);
  t.same(await collected(client.list({ prefix: 'chunks/' })), []);
  t.ok(troubles > 20, `${troubles} requests were disturbed`);
});
