// The bootstrap run again and again, as at every start: it adds what is missing, and takes nothing back.
import t from 'tap';
import { createMemoryStore } from '../../control/store/open.ts';
import { systemClock } from '../../fabric/clock.ts';
import { systemRandom } from '../../fabric/random.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { bootstrapIdentity, type CatalogEntry } from './bootstrap.ts';
import { startIdentity } from './start.ts';
import { type PlainRow, tables } from './tables.ts';

const at = (region: string, url: string): CatalogEntry => ({ type: 'identity', name: 'keystone', region, url });

t.test('bootstrap', async (t) => {
  const store = createMemoryStore({ clock: systemClock, runTwice: true });
  const world = {
    store,
    clock: systemClock,
    random: systemRandom,
    disk: systemDisk,
    onError: (error: unknown) => t.fail(String(error)),
  };
  const options = { directory: t.testdir(), settings: { passwordCost: { logN: 4, r: 8, p: 1 } } };
  const start = async (adminPassword: string, endpoints: readonly CatalogEntry[]) => {
    const service = await startIdentity(options, world);
    const ids = await bootstrapIdentity(service.identity, { adminPassword, endpoints });
    service.stop();
    return ids;
  };
  const count = (): Promise<number[]> =>
    store.read((tx) => Promise.all(Object.values(tables).map(async (table) => (await tx.scan<unknown>(table)).length)));
  const endpoints = (): Promise<PlainRow[]> =>
    store.read(async (tx) => (await tx.scan(tables.endpoints)).map(({ value }) => value));

  const first = await start('one', [at('RegionOne', 'http://one')]);
  const [rows, revision] = [await count(), await store.revision()];
  t.same(await start('another', [at('RegionOne', 'http://one')]), first);
  t.same(await count(), rows);
  t.equal(await store.revision(), revision, 'nothing at all was written');

  await start('one', [at('RegionOne', 'http://moved')]);
  t.same(await count(), rows);
  t.same(new Set((await endpoints()).map(({ url }) => url)), new Set(['http://moved']));

  await start('one', [at('RegionTwo', 'http://two')]);
  const seen = (await endpoints()).map((row) => `${row['region_id']} ${row['interface']} ${row['url']}`).sort();
  t.same(seen, [
    'RegionOne admin http://moved',
    'RegionOne internal http://moved',
    'RegionOne public http://moved',
    'RegionTwo admin http://two',
    'RegionTwo internal http://two',
    'RegionTwo public http://two',
  ]);

  const admin = await store.read(async (tx) => (await tx.scan(tables.assignments)).map(({ value }) => value));
  t.equal(admin.length, 3, 'project, domain, system');
  await store.write(async (tx) => {
    for (const { key } of await tx.scan(tables.assignments)) tx.delete(tables.assignments, key);
    for (const { key } of await tx.scan(tables.impliedRoles)) tx.delete(tables.impliedRoles, key);
  });
  await start('one', []);
  t.same(await store.read((tx) => tx.scan(tables.assignments)), [], 'what an operator took away stays away');
  t.same(await store.read((tx) => tx.scan(tables.impliedRoles)), []);
  await store.close();
});
