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

const ROLE = { account: 'test', name: 'reader', path: '/', description: '', maxSessionS: 3600 };
const CREW = { account: 'test', name: 'crew' };

t.test('another proxy follows groups, policies, roles and other names', async (t) => {
  const map = createMemoryMap();
  const [one, two] = [await open(t, map), await open(t, map)];
  await one.directory.create('user', { ...ALICE, path: '/', policies: {} });
  const { accessKeyId } = await one.directory.createKey(ALICE);
  await one.directory.create('group', { ...CREW, path: '/', policies: { read: ALLOW } });
  await one.directory.setMember(CREW, 'alice', true);
  t.ok(mayRead(one.users, accessKeyId), 'at once');
  t.ok(await until(() => mayRead(two.users, accessKeyId)));
  await two.directory.rename('group', CREW, { name: 'team' });
  await two.directory.rename('user', ALICE, { name: 'alicia', path: '/x/' });
  t.ok(mayRead(two.users, accessKeyId), 'under other names');
  t.ok(await until(() => one.users.byAccessKey(accessKeyId)?.name === 'alicia' && mayRead(one.users, accessKeyId)));
  t.equal(one.users.byName('test', 'alice'), undefined);

  const version = { id: 'v1', document: ALLOW, createdMs: 0 };
  const about = { path: '/', description: '', updatedMs: 0, inForce: 'v1', made: 1, versions: [version] };
  const deny = { ...version, id: 'v2', document: ALLOW.replace('"Allow"', '"Deny"') };
  await one.directory.create('policy', { account: 'test', name: 'p', ...about });
  const role = await one.directory.create('role', { ...ROLE, trust: '', policies: {} });
  await one.directory.attach('role', ROLE, 'arn:aws:iam::test:policy/p');
  const asked = { action: 's3:GetObject', bucket: 'b', key: 'k', facts: () => undefined };
  const said = ({ users }: typeof one): unknown => users.roles?.byId(role.id)?.rights.ask(asked);
  t.equal(said(one), 'allow');
  t.ok(await until(() => said(two) === 'allow'));
  await two.directory.change('policy', { account: 'test', name: 'p' }, (row) => ({
    ...row,
    ...{ inForce: 'v2', versions: [version, deny] },
  }));
  t.equal(said(two), 'deny');
  t.ok(await until(() => said(one) === 'deny'), 'by the policy alone');
  await two.directory.detach('role', ROLE, 'arn:aws:iam::test:policy/p');
  await two.directory.delete('role', ROLE);
  t.ok(await until(() => one.users.roles?.has('test') === false));
});

t.test('what a later version wrote gives no rights, and what an earlier one wrote gives its own', async (t) => {
  const map = createMemoryMap();
  const { directory, users } = await open(t, map);
  await directory.create('user', { ...ALICE, path: '/', policies: { read: ALLOW } });
  const { accessKeyId } = await directory.createKey(ALICE);
  t.ok(mayRead(users, accessKeyId), 'a row without groups, attachments and tags');
  t.ok(mayRead((await open(t, map)).users, accessKeyId));
  await directory.change('user', ALICE, (row) => ({ ...row, format: 2 }));
  t.notOk(mayRead(users, accessKeyId));
  await directory.change('user', ALICE, ({ format: _, ...row }) => ({ ...row, groups: ['gone'] }));
  t.notOk(mayRead(users, accessKeyId), 'a group that is not there might deny');
});
