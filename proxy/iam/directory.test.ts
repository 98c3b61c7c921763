// Users as two proxies see them that share one store, and as a proxy finds them when it starts.
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { createMemoryMap, type MemoryMap } from '../../control/store/memory-map.ts';
import { createMemoryStore } from '../../control/store/open.ts';
import { systemClock } from '../../fabric/clock.ts';
import { createSystemRandom } from '../../fabric/random.ts';
import { createUsers, OWNER } from '../../test/memory-world.ts';
import { openIamDirectory } from './directory.ts';

const PATIENCE_MS = 60_000;
const ALICE = { account: 'test', name: 'alice' };
const ALLOW = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }],
});

async function open(t: Test, map: MemoryMap, secret = 1) {
  const store = createMemoryStore({ map });
  const directory = await openIamDirectory({
    ...{ store, clock: systemClock, random: createSystemRandom(), secret: Buffer.alloc(32, secret) },
    onError: (error) => t.error(error),
  });
  t.teardown(async () => {
    directory.stop();
    await store.close();
  });
  return { directory, users: directory.users(createUsers([OWNER])) };
}

async function until(holds: () => boolean): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS && !holds(); waitedMs += 50) await sleep(50);
  return holds();
}

const mayRead = (users: Awaited<ReturnType<typeof open>>['users'], id: string): boolean => {
  const asked = { action: 's3:GetObject', bucket: 'b', key: 'k', facts: () => undefined };
  return users.byAccessKey(id)?.caller?.own?.ask(asked) === 'allow';
};

t.test('another proxy follows', async (t) => {
  const map = createMemoryMap();
  const [one, two] = [await open(t, map), await open(t, map)];
  await one.directory.create('user', { ...ALICE, path: '/', policies: {} });
  const { accessKeyId, secretAccessKey } = await one.directory.createKey(ALICE);
  t.equal(one.users.byAccessKey(accessKeyId)?.secretAccessKey, secretAccessKey, 'at once');
  t.ok(await until(() => two.users.byAccessKey(accessKeyId)?.secretAccessKey === secretAccessKey));
  t.notOk(mayRead(two.users, accessKeyId));
  await one.directory.change('user', ALICE, (row) => ({ ...row, policies: { read: ALLOW } }));
  t.ok(mayRead(one.users, accessKeyId), 'at once');
  t.ok(await until(() => mayRead(two.users, accessKeyId)));
  await two.directory.setKeyActive(ALICE, accessKeyId, false);
  t.equal(two.users.byAccessKey(accessKeyId), undefined, 'at once');
  t.ok(await until(() => one.users.byAccessKey(accessKeyId) === undefined));
  await two.directory.setKeyActive(ALICE, accessKeyId, true);
  t.ok(await until(() => one.users.byAccessKey(accessKeyId) !== undefined));
  await two.directory.deleteKey(ALICE, accessKeyId);
  t.ok(await until(() => one.users.byAccessKey(accessKeyId) === undefined));
});

t.test('a proxy finds them when it starts', async (t) => {
  const map = createMemoryMap();
  const { directory } = await open(t, map);
  await directory.create('user', { ...ALICE, path: '/', policies: {} });
  const key = await directory.createKey(ALICE);
  const later = await open(t, map);
  t.equal(later.users.byAccessKey(key.accessKeyId)?.secretAccessKey, key.secretAccessKey);
  t.equal(later.users.byName('test', 'alice')?.admin, false);
  t.equal(later.users.byAccessKey(OWNER.accessKeyId), OWNER, 'and those of the file');
  const other = await open(t, map, 2);
  t.not(other.users.byAccessKey(key.accessKeyId)?.secretAccessKey, key.secretAccessKey, 'secrets are the cluster’s');
});

t.test('names of two users are never taken for one', async (t) => {
  const { directory, users } = await open(t, createMemoryMap());
  await directory.create('user', { ...ALICE, path: '/', policies: {} });
  await directory.create('user', { ...ALICE, name: 'alice2', path: '/', policies: {} });
  const { accessKeyId } = await directory.createKey({ account: 'test', name: 'alice2' });
  t.same(await directory.listKeys(ALICE), []);
  await t.rejects(directory.deleteKey(ALICE, accessKeyId), { code: 'NoSuchEntity' });
  await directory.delete('user', ALICE);
  t.ok(users.byAccessKey(accessKeyId));
});
