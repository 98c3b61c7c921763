import { copyFileSync, cpSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { DiskFault } from '../fabric/disk.ts';
import { createMemoryKv } from '../fabric/memory-kv.ts';
import { createCrashDisk } from '../test/crash-disk.ts';
import { apply, bodyOf, createBed, objectKey, put, remove, stampAt } from '../test/engine-bed.ts';
import type { Key } from './contract.ts';
import { segmentName } from './segment-format.ts';

const LOG = `log/${segmentName(1)}`;

t.test('a torn tail is cut off, wherever it tore', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const device = await bed.open();
  await apply(device, put(objectKey(1), stampAt(1), { body: 'kept' }));
  const before = statSync(join(bed.directory, LOG)).size;
  await apply(
    device,
    put(objectKey(1), stampAt(2), { body: 'torn-1' }),
    put(objectKey(2), stampAt(2), { body: 'torn-2' }),
  );
  const after = statSync(join(bed.directory, LOG)).size;
  await device.abandon();
  const spare = mkdtempSync(join(tmpdir(), 'needletail-torn-'));
  t.teardown(() => rmSync(spare, { recursive: true, force: true }));
  cpSync(bed.directory, spare, { recursive: true });
  for (let cut = before; cut <= after; cut++) {
    copyFileSync(join(spare, LOG), join(bed.directory, LOG));
    truncateSync(join(bed.directory, LOG), cut);
    // Every other time as a file whose length reached the disk before its bytes did.
    if (cut % 2) truncateSync(join(bed.directory, LOG), after + 40);
    const again = await bed.open();
    const first = await bodyOf(again, objectKey(1));
    const second = await bodyOf(again, objectKey(2));
    if (second === undefined ? first !== 'kept' && first !== 'torn-1' : second !== 'torn-2' || first !== 'torn-1') {
      t.fail(`cut at ${cut}: ${first} ${second}`);
    }
    if (cut === after) t.equal(second, 'torn-2');
    if (cut === before) t.equal(first, 'kept');
    if (cut % 16 === 0) t.same(await apply(again, put(objectKey(3), stampAt(9), { body: 'new' })), ['ok']);
    await again.abandon();
  }
});

t.test('rot below the synced position costs the record it hit, and no other', async (t) => {
  const disk = createCrashDisk();
  const kv = createMemoryKv();
  const options = { disk, directory: '/d', openKv: async () => kv.reopen() };
  const bed = createBed();
  t.teardown(() => bed.remove());
  let device = await bed.open(options);
  const positions: number[] = [];
  for (let i = 0; i < 10; i++) {
    await apply(device, put(objectKey(i), stampAt(10 + i), { body: `body-${i}` }));
    positions.push((device.get(objectKey(i))?.lsn ?? 0) % 2 ** 32);
  }
  await device.abandon();
  disk.rot('/d/log/00000001.seg', (positions[3] as number) + 50);
  disk.rot('/d/log/00000001.seg', (positions[6] as number) + 40 + (device.get(objectKey(6))?.head.length ?? 0) + 2);
  const warnings: string[] = [];
  const log = { info() {}, error() {}, warn: (_: object, message: string) => void warnings.push(message) };
  const corrupt: Key[] = [];
  device = await bed.open({ ...options, log, onCorrupt: (key) => void corrupt.push(key) });
  for (let i = 0; i < 10; i++) {
    if (i === 3) t.equal(device.get(objectKey(i)), undefined, 'nobody knows what it was');
    else if (i === 6) await t.rejects(async () => device.read(objectKey(6), true), { code: 'CorruptRegister' });
    else t.equal(await bodyOf(device, objectKey(i)), `body-${i}`);
  }
  t.equal(warnings.length, 2);
  t.equal(device.status().quarantined, 1);
  t.match(device.status().reason, /1 log records are lost/);
  t.same(
    await apply(device, put(objectKey(6), stampAt(16), { body: 'body-6' })),
    ['ok'],
    'the same version again heals it',
  );
  t.equal(await bodyOf(device, objectKey(6)), 'body-6');
  t.equal(device.status().quarantined, 0);
  await device.close();
});

t.test('after a failed sync the device is out, for good, and nothing was acknowledged', async (t) => {
  const disk = createCrashDisk();
  const bed = createBed();
  t.teardown(() => bed.remove());
  const device = await bed.open({ disk, directory: '/d', openKv: async () => createMemoryKv() });
  await apply(device, put(objectKey(1), stampAt(1), { body: 'old' }));
  let failing = true;
  disk.intercept = (operation, path) =>
    failing && operation === 'datasync' ? new DiskFault('EIO', path, 'the disk is gone') : undefined;
  const pending = [2, 3].map((ballot) => apply(device, put(objectKey(1), stampAt(ballot), { body: 'new' })));
  for (const one of pending) await t.rejects(one, { code: 'DeviceOut' });
  failing = false;
  t.equal(device.status().state, 'out');
  t.same(await apply(device, put(objectKey(2), stampAt(5))), ['out'], 'it is never tried again');
  await t.rejects(device.prepare(objectKey(2), stampAt(6)), { code: 'DeviceOut' });
  await device.close();
});

t.test('a disk that fills up refuses writes before it breaks, and still takes deletes', async (t) => {
  const disk = createCrashDisk();
  const bed = createBed();
  t.teardown(() => bed.remove());
  const limits = { reserveBytesMin: 1000, reserveBytes: 1000, spaceCheckMs: 0 };
  const device = await bed.open({ disk, directory: '/d', openKv: async () => createMemoryKv(), limits });
  await apply(device, put(objectKey(1), stampAt(1), { body: 'a' }));
  disk.freeBytes = 999;
  await apply(device, put(objectKey(2), stampAt(2)));
  t.same(await apply(device, put(objectKey(3), stampAt(3))), ['full']);
  t.equal(device.status().state, 'full');
  const stream = { next: async () => undefined, cancel() {} };
  await t.rejects(device.blobWrite(objectKey(1), stream), { code: 'DeviceFull' });
  t.same(await apply(device, remove(objectKey(1), stampAt(4))), ['ok']);
  disk.freeBytes = 5000;
  await apply(device, remove(objectKey(2), stampAt(5)));
  t.same(await apply(device, put(objectKey(3), stampAt(6))), ['ok']);
  t.equal(device.status().state, 'up');
  await device.close();
});

t.test('a read error sets the record aside', async (t) => {
  const disk = createCrashDisk();
  const bed = createBed();
  t.teardown(() => bed.remove());
  const corrupt: Key[] = [];
  const onCorrupt = (key: Key): void => void corrupt.push(key);
  const device = await bed.open({ disk, directory: '/d', openKv: async () => createMemoryKv(), onCorrupt });
  await apply(device, put(objectKey(1), stampAt(1), { body: 'a' }), put(objectKey(2), stampAt(1), { body: 'b' }));
  disk.intercept = (operation, path) =>
    operation === 'readSync' ? new DiskFault('EIO', path, 'bad block') : undefined;
  await t.rejects(async () => device.read(objectKey(1), true), { code: 'CorruptRegister' });
  disk.intercept = undefined;
  t.same(corrupt, [objectKey(1)]);
  t.equal(await bodyOf(device, objectKey(2)), 'b');
  t.equal(device.status().state, 'up');
  await device.close();
});

t.test('an index that takes no more leaves everything readable and is tried again', async (t) => {
  const disk = createCrashDisk();
  const bed = createBed();
  t.teardown(() => bed.remove());
  let full = true;
  const commitDelay = async (): Promise<void> => {
    if (full) throw new DiskFault('ENOSPC', '/d/index', 'no space');
  };
  const kv = createMemoryKv({ commitDelay });
  const device = await bed.open({ disk, directory: '/d', openKv: async () => kv });
  await apply(device, put(objectKey(1), stampAt(1), { body: 'a' }));
  await device.checkpoint();
  t.equal(device.status().checkpointed, 0);
  await apply(device, put(objectKey(2), stampAt(2), { body: 'b' }));
  t.equal(await bodyOf(device, objectKey(1)), 'a');
  full = false;
  await device.checkpoint();
  await device.checkpoint();
  t.equal(device.status().checkpointed, device.status().tail);
  t.equal(await bodyOf(device, objectKey(1)), 'a');
  t.equal(await bodyOf(device, objectKey(2)), 'b');
  await device.close();
});

t.test('a lost index is rebuilt from the log, in bounded memory', async (t) => {
  const disk = createCrashDisk();
  const bed = createBed();
  t.teardown(() => bed.remove());
  const limits = { logSegmentBytes: 4_000, tableRecordsMax: 20, checkpointRecords: 10 };
  const device = await bed.open({ disk, directory: '/d', openKv: async () => createMemoryKv(), limits });
  for (let i = 0; i < 100; i++) await apply(device, put(objectKey(i % 60), stampAt(10 + i), { body: `body ${i}` }));
  await device.prepare(objectKey(1), stampAt(500));
  await device.abandon();
  let most = 0;
  const empty = createMemoryKv();
  const counting = {
    ...empty,
    commit: (puts: Parameters<typeof empty.commit>[0]) => {
      most = Math.max(most, puts.length);
      return empty.commit(puts);
    },
  };
  const again = await bed.open({ disk, directory: '/d', openKv: async () => counting, limits });
  t.ok(most > 0 && most < 40, `${most} in one transaction`);
  for (let i = 40; i < 100; i++) t.equal(await bodyOf(again, objectKey(i % 60)), `body ${i}`);
  t.equal(again.promised(objectKey(1)), stampAt(500));
  await again.close();
});

t.test('a log file whose header rotted still speaks; one that never lived goes', async (t) => {
  const disk = createCrashDisk();
  const kv = createMemoryKv();
  const bed = createBed();
  t.teardown(() => bed.remove());
  const options = { disk, directory: '/d', openKv: async () => kv.reopen(), limits: { logSegmentBytes: 1_000 } };
  let device = await bed.open(options);
  for (let i = 0; i < 30; i++) await apply(device, put(objectKey(i), stampAt(10 + i), { body: `body ${i}` }));
  await device.abandon();
  const last = (await disk.list('/d/log')).length;
  t.ok(last > 3);
  for (const number of [1, 2, last]) disk.rot(`/d/log/${segmentName(number)}`, 20);
  await (await disk.open(`/d/log/${segmentName(last + 1)}`, 'create')).close();
  device = await bed.open(options);
  t.equal(device.status().state, 'up');
  for (let i = 0; i < 30; i++) t.equal(await bodyOf(device, objectKey(i)), `body ${i}`);
  t.equal((await disk.list('/d/log')).length, last);
  t.same(await apply(device, put(objectKey(50), stampAt(99), { body: 'x' })), ['ok']);
  await device.abandon();
  for (let at = 64; at < disk.sizeOf(`/d/log/${segmentName(2)}`); at += 8) disk.rot(`/d/log/${segmentName(2)}`, at);
  const lost = await bed.open(options);
  t.equal(lost.status().state, 'read-only', 'nothing of it can be read: it takes no more writes');
  t.equal(await bodyOf(lost, objectKey(0)), 'body 0');
  t.equal(await bodyOf(lost, objectKey(29)), 'body 29');
  t.same(await apply(lost, put(objectKey(51), stampAt(100))), ['out']);
  await lost.close();
});

t.test('a head that rots in the log is noticed, left out of scans, and healed by the same version', async (t) => {
  const disk = createCrashDisk();
  let kv = createMemoryKv();
  const bed = createBed();
  t.teardown(() => bed.remove());
  const corrupt: Key[] = [];
  const onCorrupt = (key: Key): void => void corrupt.push(key);
  const options = { disk, directory: '/d', openKv: async () => kv, onCorrupt };
  let device = await bed.open(options);
  for (let i = 0; i < 5; i++) await apply(device, put(objectKey(i), stampAt(10 + i), { body: `body ${i}` }));
  await device.close();
  kv = kv.reopen();
  device = await bed.open(options);
  const lsn = device.get(objectKey(2))?.lsn ?? 0;
  disk.rot('/d/log/00000001.seg', (lsn % 2 ** 32) + 40 + 50);
  t.equal(await device.check(objectKey(2)), stampAt(12), 'what it is is known without reading it');
  const { heads } = await device.scan(objectKey(0), objectKey(9), 10);
  t.equal(heads.length, 4);
  t.same(corrupt, [objectKey(2)]);
  await t.rejects(async () => device.read(objectKey(2), true), { code: 'CorruptRegister' });
  await t.rejects(async () => device.read(objectKey(2), false), { code: 'CorruptRegister' });
  t.same(await apply(device, put(objectKey(2), stampAt(12), { body: 'body 2' })), ['ok']);
  t.equal(await bodyOf(device, objectKey(2)), 'body 2');
  disk.rot('/d/log/00000001.seg', ((device.get(objectKey(3))?.lsn ?? 0) % 2 ** 32) + 40 + 50);
  t.same(await apply(device, put(objectKey(3), stampAt(99), { body: 'newer' })), ['ok'], 'it can be written over');
  t.equal(await bodyOf(device, objectKey(3)), 'newer');
  await device.close();
});
