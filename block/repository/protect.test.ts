// What keeps content from the collector, one guard at a time: uploads that build on what is deleted, uploads that began before a
// condemnation, readers, and a collector that was put out of office in the middle of a delete. And when it must stop.
import t from 'tap';
import { MemoryClient, MemoryObjects } from '../../test/repository/memory-objects.ts';
import { CHUNK, collectAll, MemoryVolume, openMemory, restored, take, worldOf } from '../../test/repository/volume.ts';
import type { Repository } from './contract.ts';
import { readLineage } from './lineage.ts';
import { contentName } from './names.ts';
import { refFromRecord } from './node-format.ts';
import { NodeStore } from './node-store.ts';
import { openRepository } from './open-repository.ts';
import type { RefRecord } from './records.ts';
import { readEntry } from './upload-state.ts';

const line = (snapshot: string) => ({ lineage: 'line', snapshot });

/** Ten chunks, all different; `seed` sets them apart from other volumes'. */
function filled(seed: string): MemoryVolume {
  const volume = new MemoryVolume(10 * CHUNK, 1);
  for (let at = 0; at < 10; at++) volume.bytes.fill(`${seed} ${at} `, at * CHUNK, (at + 1) * CHUNK);
  return volume;
}

async function steps(repository: Repository, count: number): Promise<{ swept: number; waited: boolean }> {
  const collector = await repository.collector({ holder: 'test' });
  let swept = 0;
  let waited = false;
  for (let step = 0; step < count; step++) {
    const result = await collector.collect();
    if (result.stopped.length > 0) throw new Error(JSON.stringify(result.stopped));
    swept += result.swept;
    waited ||= result.waiting.length > 0;
  }
  return { swept, waited };
}

const begin = (repository: Repository, volume: MemoryVolume, rest: { snapshot: string; base?: string }) =>
  repository.beginUpload({
    ...{ lineage: 'line', volume: 'vol', sizeBytes: volume.bytes.length, chunkBytes: CHUNK },
    ...{ changed: rest.base === undefined ? 'all' : [], source: volume.source(), ...rest },
  });

t.test('the base of an upload may be deleted meanwhile', async (t) => {
  const { repository } = await openMemory(new MemoryObjects());
  const volume = filled('a');
  await take(repository, volume, { snapshot: 'base' });
  const session = await begin(repository, volume, { snapshot: 'next', base: 'base' });
  await repository.delete(line('base'));
  t.equal((await steps(repository, 6)).swept, 0);
  await session.run();
  await collectAll(repository);
  t.ok(volume.bytes.equals(await restored(repository, 'next')));
});

t.test('also a base that was condemned while it was uploaded', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  const volume = filled('a');
  await take(repository, filled('junk'), { snapshot: 'junk' });
  await repository.delete(line('junk'));
  let puts = 0;
  const slow = new MemoryClient(store, {
    async wait(operation, name) {
      // The session, the round it saw, the commit: before that, all of it is condemned, because nothing refers to it.
      if (operation === 'put' && name === 'snapshots/line/base' && ++puts === 3)
        t.ok((await steps(repository, 1)).swept === 0);
    },
  });
  await take(await openRepository(worldOf(slow)), volume, { snapshot: 'base' });
  const session = await begin(repository, volume, { snapshot: 'next', base: 'base' });
  await repository.delete(line('base'));
  t.ok((await steps(repository, 1)).swept > 0, 'the upload has seen the round, so that the sweep need not wait');
  await session.run();
  await collectAll(repository);
  t.ok(volume.bytes.equals(await restored(repository, 'next')));
});

t.test('what an upload has found is not swept, though it was condemned since', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  const volume = filled('a');
  await take(repository, volume, { snapshot: 'old' });
  const session = await begin(repository, volume, { snapshot: 'next' });
  await repository.delete(line('old'));
  const { swept, waited } = await steps(repository, 4);
  t.same({ swept, waited }, { swept: 0, waited: true });
  const { counters } = await session.run();
  t.equal(counters.foundChunks, 10, 'it saw nothing condemned, and may use it all');
  t.equal((await steps(repository, 6)).swept, 0, 'chunks and manifest, the same bytes, are live again');
  t.ok(volume.bytes.equals(await restored(repository, 'next')));
});

t.test('what is condemned is uploaded anew, under a name that no late delete can hit', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  const volume = filled('a');
  await take(repository, volume, { snapshot: 'old' });
  await repository.delete(line('old'));
  // A collector whose first delete of content is stuck on its way.
  let stuck = (): void => {};
  let release = (): void => {};
  const reached = new Promise<void>((resolve) => {
    stuck = resolve;
  });
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = new MemoryClient(store, {
    async wait(operation, name) {
      if (operation !== 'delete' || !name.startsWith('chunks/')) return;
      stuck();
      await held;
    },
  });
  const late = await (await openRepository(worldOf(slow))).collector({ holder: 'late' });
  t.equal((await late.collect()).condemned, 11);
  const first = await take(repository, volume, { snapshot: 'during' });
  t.equal(first.counters.uploadedChunks, 10, 'condemned content is not used');
  const lateSweep = late.collect().then(
    () => 'swept',
    (error) => error.code,
  );
  await reached;
  await repository.delete(line('during'));
  await collectAll(repository);
  await take(repository, volume, { snapshot: 'again' });
  release();
  t.match(await lateSweep, /NotRepositoryOwner|swept/);
  t.ok(volume.bytes.equals(await restored(repository, 'again')), 'the late deletes hit nothing');
  await collectAll(repository);
  t.ok(volume.bytes.equals(await restored(repository, 'again')));
});

t.test('a reader elsewhere keeps a deleted snapshot until it is done', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  const { repository: elsewhere } = await openMemory(store);
  const volume = filled('a');
  await take(repository, volume, { snapshot: 'a' });
  const open = await elsewhere.open(line('a'));
  await repository.delete(line('a'));
  t.equal((await steps(repository, 6)).swept, 0);
  t.ok(volume.bytes.equals(await open.read(0, volume.bytes.length)));
  await open.close();
  await collectAll(repository);
  t.same(store.names('chunks/'), []);
});

t.test('it stops: a manifest that cannot be read, a chunk or a snapshot that is not listed', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  await take(repository, filled('a'), { snapshot: 'a' });
  await take(repository, filled('b'), { snapshot: 'b' });
  await take(repository, filled('c'), { snapshot: 'c' });
  await repository.delete(line('c'));
  await (await repository.collector({ holder: 'test' })).collect();
  await take(repository, filled('d'), { snapshot: 'd' });
  await repository.delete(line('d'));
  const whole = new Map(store.objects);
  const stopsWithout = async (victim: string, reason: RegExp): Promise<void> => {
    t.ok(store.objects.delete(victim), victim);
    const before = store.names('chunks/').length;
    const { stopped, swept } = await (await repository.collector({ holder: 'test' })).collect();
    t.match(stopped, [{ lineage: 'line', reason }], victim);
    t.equal(swept + store.names('chunks/').length, before, 'nothing is taken');
    store.objects.clear();
    for (const [name, object] of whole) store.objects.set(name, object);
  };
  const root = refFromRecord((await rootOf(store, 'a'))!);
  await stopsWithout(contentName('nodes', 'line', root), /NoSuchStoredObject/);
  await stopsWithout('snapshots/line/a', /vanished/);
  await collectAll(repository);
  await take(repository, filled('e'), { snapshot: 'e' });
  await repository.delete(line('e'));
  const nodes = new NodeStore(new MemoryClient(store), await readLineage(new MemoryClient(store), 'line'));
  const [chunk] = [...(await nodes.read(root, 0)).values()];
  store.objects.delete(contentName('chunks', 'line', chunk!));
  const { stopped } = await (await repository.collector({ holder: 'test' })).collect();
  t.match(stopped, [{ reason: /live content is missing/ }], 'a lost chunk');
});

async function rootOf(store: MemoryObjects, snapshot: string): Promise<RefRecord | undefined> {
  const entry = await readEntry(new MemoryClient(store), line(snapshot));
  return entry?.kind === 'snapshot' ? entry.value.tree.root : undefined;
}

t.test('a reader that registers too late finds nothing, rather than what is being swept', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  await take(repository, filled('a'), { snapshot: 'a' });
  let registering = false;
  const client = new MemoryClient(store, {
    async wait(operation, name) {
      if (registering || operation !== 'put' || !name.startsWith('readers/')) return;
      registering = true;
      await repository.delete(line('a'));
      await collectAll(repository);
    },
  });
  const elsewhere = await openRepository(worldOf(client));
  await t.rejects(elsewhere.open(line('a')), { code: 'NoSuchSnapshot' });
  t.same(store.names('readers/'), []);
});

t.test('who does not move for long is given up; an idle repository is left alone', async (t) => {
  const store = new MemoryObjects();
  let nowMs = 1_000_000;
  const clock = {
    ...{ nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => ({ cancel() {} }), nextTurn: setImmediate },
    sleep: async () => {},
  };
  const { repository, client } = await openMemory(store, {}, { clock });
  const volume = filled('a');
  await take(repository, volume, { snapshot: 'a' });
  await repository.open(line('a'));
  await begin(repository, volume, { snapshot: 'dead' });
  await repository.delete(line('a'));
  const collector = await repository.collector({ holder: 'test', abandonMs: 3_600_000 });
  for (let step = 0; step < 4; step++) await collector.collect();
  t.same(store.names('readers/').length, 1);
  nowMs += 3_700_000;
  for (let step = 0; step < 12; step++) await collector.collect();
  t.same(store.names('readers/'), []);
  t.same(await repository.uploads(), []);
  t.same(store.names('chunks/'), [], 'and all of it is collected');
  const before = client.operations;
  t.equal((await collector.collect()).idle, true);
  t.equal(client.operations - before, 1, 'one listing');
});
