import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '../fabric/clock.ts';
import { defineTable } from './contract.ts';
import { createQuotas, DEFAULT_CLASS, UNLIMITED } from './quota.ts';
import { apiFaults } from './service/faults.ts';
import { createMemoryStore, openLmdbStore } from './store/open.ts';

const THINGS = defineTable<{ size: number }>('test.things');
const quotas = createQuotas({ service: 'test', defaults: { things: 50, gigabytes: UNLIMITED } });

t.test('200 creations at once, limit 50: exactly 50', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'needletail-quota-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  let store = await openLmdbStore({ path, clock: systemClock });
  const create = (id: string): Promise<void> =>
    store.write(async (tx) => {
      await quotas.take(tx, 'p', { things: 1, gigabytes: 10 });
      tx.put(THINGS, id, { size: 10 });
    });
  const results = await Promise.allSettled(Array.from({ length: 200 }, (_, i) => create(`t${i}`)));
  const refused = results.filter((one): one is PromiseRejectedResult => one.status === 'rejected');
  t.equal(refused.length, 150);
  for (const { reason } of refused) {
    if (reason.code !== apiFaults.overQuota) t.fail(String(reason));
  }
  t.match(refused[0]?.reason.details, { resource: 'things', limit: 50, used: 50, asked: 1 });
  const remove = (id: string): Promise<void> =>
    store.write(async (tx) => {
      const thing = await tx.get(THINGS, id);
      if (!thing) return;
      tx.delete(THINGS, id);
      await quotas.give(tx, 'p', { things: 1, gigabytes: thing.size });
    });
  const made = await store.read((tx) => tx.scan(THINGS));
  t.equal(made.length, 50);
  // Removed and created at once, each twice: nothing is counted twice.
  const ids = made.slice(0, 20).map(({ key }) => key);
  await Promise.all([...ids, ...ids].map(remove));
  await Promise.all(Array.from({ length: 10 }, (_, i) => create(`again ${i}`)));
  await store.close();
  store = await openLmdbStore({ path, clock: systemClock });
  t.same(await store.read((tx) => quotas.show(tx, 'p')), {
    things: { limit: 50, inUse: 40 },
    gigabytes: { limit: UNLIMITED, inUse: 400 },
  });
  t.equal((await store.read((tx) => tx.scan(THINGS))).length, 40);
  await store.close();
});

t.test('limits of projects and classes', async (t) => {
  const store = createMemoryStore({ runTwice: true });
  await store.write((tx) => quotas.setClass(tx, DEFAULT_CLASS, { things: 3 }));
  t.same(await store.read((tx) => quotas.defaults(tx)), { things: 3, gigabytes: -1 });
  t.same(await store.read((tx) => quotas.showClass(tx, 'other')), { things: 50, gigabytes: -1 });
  await store.write((tx) => quotas.take(tx, 'p', { things: 3 }));
  await t.rejects(
    store.write((tx) => quotas.take(tx, 'p', { things: 1 })),
    { code: apiFaults.overQuota },
  );
  await store.write((tx) => quotas.setLimits(tx, 'p', { things: 4 }));
  await store.write((tx) => quotas.take(tx, 'p', { things: 1 }));
  await store.write((tx) => quotas.take(tx, 'q', { things: 3 }));
  await t.rejects(
    store.write((tx) => quotas.setLimits(tx, 'p', { things: 3 })),
    { code: apiFaults.overQuota },
  );
  await store.write((tx) => quotas.setLimits(tx, 'p', { things: 0 }, { force: true }));
  await store.write((tx) => quotas.give(tx, 'p', { things: 1 }));
  t.same((await store.read((tx) => quotas.show(tx, 'p')))['things'], { limit: 0, inUse: 3 });
  await store.write(async (tx) => quotas.resetLimits(tx, 'p'));
  t.same((await store.read((tx) => quotas.show(tx, 'p')))['things'], { limit: 3, inUse: 3 });
  await store.write((tx) => quotas.setLimits(tx, 'p', { things: UNLIMITED }));
  await store.write((tx) => quotas.take(tx, 'p', { things: 1000 }));
  await t.rejects(
    store.write((tx) => quotas.take(tx, 'p', { cars: 1 })),
    { code: apiFaults.badRequest },
  );
  await t.rejects(
    store.write((tx) => quotas.setLimits(tx, 'p', { things: -2 })),
    { code: apiFaults.badRequest },
  );
  await store.close();
});
