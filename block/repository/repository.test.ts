// Snapshots on a store in memory: what is read is what was written, whatever was changed, deleted or grown around it.
import t from 'tap';
import { isFault } from '../../fabric/errors.ts';
import { MemoryObjects } from '../../test/repository/memory-objects.ts';
import { CHUNK, collectAll, MemoryVolume, openMemory, restored, sumOf, take } from '../../test/repository/volume.ts';
import { repositoryFaults } from './faults.ts';

const MIB = 1024 * 1024;

t.test('full, incremental, scan: each restores to its own point in time', async (t) => {
  const store = new MemoryObjects();
  const { repository, client } = await openMemory(store);
  const volume = new MemoryVolume(9 * MIB + 12345, 1);
  volume.scribble(20);
  volume.takeChanged();
  const first = await take(repository, volume, { snapshot: 'a' });
  const sums = new Map([['a', volume.sum()]]);
  volume.scribble(3);
  const before = client.putBytes;
  const second = await take(repository, volume, { snapshot: 'b', base: 'a', changed: volume.takeChanged() });
  sums.set('b', volume.sum());
  t.ok(client.putBytes - before < first.counters.uploadedBytes, 'less than the first');
  t.equal(second.parent, 'a');
  volume.scribble(3);
  const scan = await take(repository, volume, { snapshot: 'c', base: 'b', changed: 'all' });
  sums.set('c', volume.sum());
  t.ok(scan.counters.sameChunks > 0 && scan.counters.readBytes === volume.bytes.length, 'read all, took over the rest');
  const alone = await take(repository, volume, { snapshot: 'd', changed: 'all' });
  sums.set('d', volume.sum());
  t.equal(alone.counters.uploadedChunks, 0, 'without a base everything is found in the lineage');
  for (const [snapshot, sum] of sums) t.equal(sumOf(await restored(repository, snapshot)), sum, snapshot);
  t.same(
    (await repository.list()).map(({ snapshot }) => snapshot),
    ['a', 'b', 'c', 'd'],
  );
  t.same(store.names('work/'), [], 'no marker is left');
  t.same(store.names('readers/'), [], 'no reader is left');
  t.same(store.names('progress/'), []);
});

t.test('ranges, maps, comparison, statistics, check', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  const volume = new MemoryVolume(200 * CHUNK + 77, 2);
  volume.bytes.fill('x', 10 * CHUNK, 20 * CHUNK);
  volume.bytes.fill('y', 200 * CHUNK);
  await take(repository, volume, { snapshot: 'a' });
  volume.bytes.fill('z', 15 * CHUNK + 5, 15 * CHUNK + 6);
  volume.bytes.fill('z', 100 * CHUNK, 101 * CHUNK);
  const changed = [
    { offset: 15 * CHUNK + 5, length: 1 },
    { offset: 100 * CHUNK, length: CHUNK },
  ];
  await take(repository, volume, { snapshot: 'b', base: 'a', changed });
  const open = await repository.open({ lineage: 'line', snapshot: 'b' });
  t.same(await open.map(0, volume.bytes.length), [
    { offset: 0, length: 10 * CHUNK, data: false },
    { offset: 10 * CHUNK, length: 10 * CHUNK, data: true },
    { offset: 20 * CHUNK, length: 80 * CHUNK, data: false },
    { offset: 100 * CHUNK, length: CHUNK, data: true },
    { offset: 101 * CHUNK, length: 99 * CHUNK, data: false },
    { offset: 200 * CHUNK, length: 77, data: true },
  ]);
  for (const [offset, length] of [
    [0, 1],
    [15 * CHUNK + 4, 3],
    [19 * CHUNK, 3 * CHUNK],
    [200 * CHUNK - 3, 80],
  ] as const)
    t.ok(volume.bytes.subarray(offset, offset + length).equals(await open.read(offset, length)), `${offset}+${length}`);
  await t.rejects(open.read(200 * CHUNK, 78), { code: repositoryFaults.invalid });
  t.equal(await open.chunks().readChunk(0), undefined);
  t.equal((await open.chunks().readChunk(200))?.length, 77);
  t.type(await open.chunks().chunkName(10), 'string');
  await open.close();
  const differing = [];
  const [a, b] = [
    { lineage: 'line', snapshot: 'a' },
    { lineage: 'line', snapshot: 'b' },
  ];
  for await (const extent of repository.compare(a, b)) differing.push(extent);
  t.same(differing, [
    { offset: 15 * CHUNK, length: CHUNK },
    { offset: 100 * CHUNK, length: CHUNK },
  ]);
  const statistics = await repository.statistics(b);
  t.equal(statistics.logicalBytes, volume.bytes.length);
  t.ok(statistics.uniqueBytes > 0 && statistics.sharedBytes > 0);
  t.same(await repository.check(b), { chunks: 12, bytes: 11 * CHUNK + 77, damaged: [] });
});

t.test('a volume grows through levels of the tree', async (t) => {
  const { repository } = await openMemory(new MemoryObjects());
  const volume = new MemoryVolume(CHUNK + 100, 3);
  volume.bytes.fill('a', 0, CHUNK + 100);
  await take(repository, volume, { snapshot: 'a' });
  const old = volume.bytes;
  volume.bytes = Buffer.alloc(1025 * CHUNK);
  old.copy(volume.bytes);
  volume.bytes.fill('b', 1024 * CHUNK + 3, 1024 * CHUNK + 9);
  const changed = [{ offset: 1024 * CHUNK, length: 10 }];
  await take(repository, volume, { snapshot: 'b', base: 'a', changed });
  t.ok(volume.bytes.equals(await restored(repository, 'b')), 'only the new part changed');
  await take(repository, volume, { snapshot: 'c', base: 'a', changed: [] });
  volume.bytes.fill(0, 1024 * CHUNK);
  t.ok(volume.bytes.equals(await restored(repository, 'c')), 'nothing changed but the size');
  const refs = ['a', 'b'].map((snapshot) => ({ lineage: 'line', snapshot }));
  const differing = [];
  for await (const extent of repository.compare(refs[0]!, refs[1]!)) differing.push(extent);
  t.same(differing, [{ offset: 1024 * CHUNK, length: CHUNK }]);
  await t.rejects(take(repository, new MemoryVolume(CHUNK, 1), { snapshot: 'd', base: 'b', changed: [] }), {
    code: repositoryFaults.invalid,
  });
});

t.test('fifty snapshots: any goes, the others stay as they are', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  const volume = new MemoryVolume(12 * CHUNK + 7, 4);
  const sums = new Map<string, string>();
  for (let i = 0; i < 50; i++) {
    volume.scribble(i === 0 ? 30 : 2, CHUNK);
    const changed = volume.takeChanged();
    await take(repository, volume, i === 0 ? { snapshot: 's0' } : { snapshot: `s${i}`, base: `s${i - 1}`, changed });
    sums.set(`s${i}`, volume.sum());
  }
  const order = [...sums.keys()].sort((a, b) => (sumOf(Buffer.from(a)) < sumOf(Buffer.from(b)) ? -1 : 1));
  for (const gone of order.slice(0, 49)) {
    await repository.delete({ lineage: 'line', snapshot: gone });
    sums.delete(gone);
    await collectAll(repository);
    for (const [snapshot, sum] of sums)
      if (sumOf(await restored(repository, snapshot)) !== sum) t.fail(`${snapshot} after ${gone}`);
  }
  t.equal(sums.size, 1);
  const [last = ''] = sums.keys();
  t.equal((await repository.check({ lineage: 'line', snapshot: last })).damaged.length, 0);
  await repository.delete({ lineage: 'line', snapshot: last });
  await collectAll(repository);
  t.same(store.names('chunks/'), []);
  t.same(store.names('nodes/'), []);
  t.same(
    store.names().map((name) => name.split('/')[0]),
    ['gc', 'lineages', 'owner', 'repository'],
  );
});

t.test('tenants share nothing, and what is stored is what pays', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  const volume = new MemoryVolume(4 * CHUNK, 5);
  volume.scribble(4);
  volume.bytes.fill('same', 0, CHUNK);
  await take(repository, volume, { snapshot: 'a', lineage: 'one' });
  const other = await take(repository, volume, { snapshot: 'a', lineage: 'two' });
  t.equal(other.counters.foundChunks, 0);
  const hashes = store.names('chunks/').map((name) => name.split('/')[2]);
  t.equal(new Set(hashes).size, hashes.length, 'no name says that the contents are the same');
  t.ok(volume.bytes.equals(await restored(repository, 'a', 'two')));
});

t.test('refusals', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  const volume = new MemoryVolume(2 * CHUNK, 6);
  await take(repository, volume, { snapshot: 'a' });
  await t.rejects(take(repository, volume, { snapshot: 'a' }), { code: repositoryFaults.snapshotExists });
  await t.rejects(take(repository, volume, { snapshot: 'b', base: 'gone' }), { code: repositoryFaults.noSuchSnapshot });
  await t.rejects(take(repository, volume, { snapshot: 'b', changed: [] }), { code: repositoryFaults.invalid });
  await t.rejects(take(repository, volume, { snapshot: '../b' }), { code: repositoryFaults.invalid });
  await t.rejects(take(repository, volume, { snapshot: 'b', chunkBytes: 100_000 }), { code: repositoryFaults.invalid });
  await t.rejects(repository.open({ lineage: 'line', snapshot: 'b' }), { code: repositoryFaults.noSuchSnapshot });
  await t.rejects(repository.open({ lineage: 'none', snapshot: 'b' }), { code: repositoryFaults.noSuchLineage });
  await repository.delete({ lineage: 'line', snapshot: 'b' });
  t.same(await repository.uploads(), []);
  const foreign = new MemoryObjects();
  foreign.objects.set('letter', { body: Buffer.from('x'), etag: 'x' });
  await t.rejects(openMemory(foreign), { code: repositoryFaults.unknownFormat });
});

t.test('damage is found, told where, and never returned', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  const volume = new MemoryVolume(8 * CHUNK, 7);
  volume.bytes.fill('q', 0, 8 * CHUNK);
  for (let i = 0; i < 8; i++) volume.bytes.writeUInt32LE(i, i * CHUNK);
  await take(repository, volume, { snapshot: 'a' });
  const names = store.names('chunks/');
  const rotten = Buffer.from(store.objects.get(names[0]!)!.body);
  rotten[40]! ^= 1;
  store.objects.set(names[0]!, { body: rotten, etag: 'x' });
  store.objects.set(names[1]!, store.objects.get(names[2]!)!);
  store.objects.delete(names[3]!);
  const { damaged, chunks } = await repository.check({ lineage: 'line', snapshot: 'a' });
  t.equal(chunks, 5);
  t.same(new Set(damaged.map(({ reason }) => reason)).size, 3, 'rotten, swapped, missing');
  const fault = await restored(repository, 'a').catch((error) => error);
  t.ok(isFault(fault), 'no wrong byte is handed out');
});

t.test('a terabyte of holes: nothing is read, little is held, little is sent', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  const TIB = 1024 * 1024 * MIB;
  const chunkBytes = 256 * 1024;
  const place = 700 * 1024 * MIB;
  let [reads, atOnce, atOnceMax, version] = [0, 0, 0, 1];
  const source = {
    async read(_: number, length: number) {
      reads++;
      atOnceMax = Math.max(atOnceMax, ++atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce--;
      return Buffer.alloc(length, `version ${version}`);
    },
    async allocated(offset: number, length: number) {
      const [end, dataEnd] = [offset + length, place + 64 * chunkBytes];
      const [from, to] = [Math.max(offset, place), Math.min(end, dataEnd)];
      if (from >= to) return [{ offset, length, data: false }];
      const parts = [
        { offset, length: from - offset, data: false },
        { offset: from, length: to - from, data: true },
        { offset: to, length: end - to, data: false },
      ];
      return parts.filter((part) => part.length > 0);
    },
  };
  const ids = { lineage: 'line', volume: 'vol', sizeBytes: TIB, chunkBytes, source, streams: 4 };
  const first = await repository.beginUpload({ ...ids, snapshot: 'a', changed: 'all' });
  const info = await first.run();
  t.equal(reads, 64, 'only what is allocated');
  t.equal(atOnceMax, 4, 'no more chunks in memory than there are streams');
  t.equal(info.chunks, 64);
  t.equal(info.counters.uploadedChunks, 1, 'equal chunks are sent once');
  version = 2;
  const changed = [{ offset: place + 5, length: 1 }];
  const second = await (await repository.beginUpload({ ...ids, snapshot: 'b', base: 'a', changed })).run();
  t.ok(second.counters.manifestBytes < 64 * 56 + 1024, 'three nodes of what they hold, the others are shared');
  const open = await repository.open({ lineage: 'line', snapshot: 'b' });
  t.same(await open.map(0, TIB), [
    { offset: 0, length: place, data: false },
    { offset: place, length: 64 * chunkBytes, data: true },
    { offset: place + 64 * chunkBytes, length: TIB - place - 64 * chunkBytes, data: false },
  ]);
  t.equal(Buffer.from(await open.read(place, 9)).toString(), 'version 2');
  await open.close();
});

t.test('one per cent of a volume costs little more than that', async (t) => {
  const { repository } = await openMemory(new MemoryObjects());
  const volume = new MemoryVolume(100 * MIB, 8);
  for (let at = 0; at < 100; at++) volume.bytes.fill(`${at} `, at * MIB, at * MIB + MIB / 2);
  const chunkBytes = 256 * 1024;
  await take(repository, volume, { snapshot: 'a', chunkBytes });
  const noise = new MemoryVolume(MIB, 9);
  noise.scribble(200);
  noise.bytes.copy(volume.bytes, 37 * MIB);
  const changed = [{ offset: 37 * MIB, length: MIB }];
  const { counters } = await take(repository, volume, { snapshot: 'b', base: 'a', changed, chunkBytes });
  t.ok(counters.uploadedBytes <= 0.015 * volume.bytes.length, `${counters.uploadedBytes} bytes`);
  t.equal(counters.readBytes, MIB);
});

t.test('pause, resume, progress', async (t) => {
  const { repository } = await openMemory(new MemoryObjects());
  const volume = new MemoryVolume(20 * CHUNK, 10);
  for (let at = 0; at < 20; at++) volume.bytes.fill(`${at} `, at * CHUNK, (at + 1) * CHUNK);
  const seen: number[] = [];
  const session = await repository.beginUpload({
    ...{ lineage: 'line', snapshot: 'a', volume: 'vol', sizeBytes: volume.bytes.length, chunkBytes: CHUNK },
    ...{ changed: 'all', source: volume.source(), streams: 1 },
    onProgress({ doneBytes, totalBytes }) {
      seen.push(doneBytes / totalBytes);
      if (seen.length === 5) session.pause();
    },
  });
  const running = session.run();
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.equal(seen.length, 5, 'nothing goes on');
  t.same(await repository.list(), []);
  session.resume();
  await running;
  t.equal(seen.at(-1), 1);
  t.ok(volume.bytes.equals(await restored(repository, 'a')));
});
