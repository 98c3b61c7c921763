import { closeSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createSeededRandom } from '../fabric/random.ts';
import { apply, blobStream, collect, createBed, objectKey, put, stampAt } from '../test/engine-bed.ts';
import { type Key, KIND } from './contract.ts';

const random = createSeededRandom(11);
const MIB = 1024 * 1024;
const blobKey = (number: number, id: Buffer): Key => objectKey(number, KIND.blob, id.toString('latin1'));

t.test('blobs are stored, read in ranges, and survive restarts', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  let device = await bed.open({ limits: { blobSyncBytes: MIB, bulkSegmentBytes: 4 * MIB } });
  const bytes = random.bytes(5 * MIB + 12_345);
  const ids = Array.from({ length: 4 }, () => random.bytes(16));
  const stored = await Promise.all(
    ids.map((id, i) => device.blobWrite(blobKey(i, id), blobStream(id, bytes, 70_000 * (i + 1)))),
  );
  t.same(
    stored,
    ids.map(() => ({ lengthBytes: bytes.length })),
  );
  for (const how of ['open', 'abandon', 'close'] as const) {
    if (how !== 'open') {
      await device[how]();
      device = await bed.open();
    }
    for (const [i, id] of ids.entries()) {
      const { lengthBytes, stream } = await device.blobRead(blobKey(i, id), 0, Infinity);
      t.equal(lengthBytes, bytes.length);
      t.ok((await collect(stream)).equals(bytes));
    }
    for (let round = 0; round < 20; round++) {
      const offset = random.below(bytes.length);
      const length = random.below(2 * MIB);
      const { stream } = await device.blobRead(blobKey(1, ids[1] as Buffer), offset, length);
      t.ok((await collect(stream)).equals(bytes.subarray(offset, offset + length)), `range ${offset}+${length}`);
    }
  }
  const again = { next: async () => t.fail('must not be read') as never, cancel() {} };
  t.same(await device.blobWrite(blobKey(0, ids[0] as Buffer), again), { lengthBytes: bytes.length });
  await t.rejects(device.blobRead(blobKey(9, ids[0] as Buffer), 0, 1), { code: 'NoSuchBlob' });
  t.same(
    await apply(device, put(objectKey(0), stampAt(5), { refs: ids[0] as Buffer })),
    ['ok'],
    'a reference to it holds',
  );
  await device.close();
});

t.test('an upload that does not check stores nothing', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const device = await bed.open();
  const id = random.bytes(16);
  const bytes = random.bytes(MIB + 5);
  const broken = Buffer.from(bytes);
  const stream = blobStream(id, broken);
  broken[100] = (broken[100] as number) ^ 1;
  await t.rejects(device.blobWrite(blobKey(1, id), stream), { code: 'CorruptChunk' });
  await t.rejects(device.blobWrite(blobKey(1, random.bytes(16)), blobStream(id, bytes)), { code: 'CorruptChunk' });
  const full = blobStream(id, bytes);
  const cut = { next: async () => (await full.next()) ?? Promise.reject(new Error('client went away')), cancel() {} };
  await t.rejects(device.blobWrite(blobKey(1, id), cut), /went away/);
  await t.rejects(device.blobRead(blobKey(1, id), 0, 1), { code: 'NoSuchBlob' });
  t.same(await device.blobWrite(blobKey(1, id), blobStream(id, bytes)), { lengthBytes: bytes.length });
  await device.close();
});

t.test('a block that rots is never returned; storing the blob again heals it', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const corrupt: Key[] = [];
  const device = await bed.open({ onCorrupt: (key) => void corrupt.push(key) });
  const id = random.bytes(16);
  const key = blobKey(1, id);
  const bytes = random.bytes(3 * MIB);
  await device.blobWrite(key, blobStream(id, bytes));
  const folder = join(bed.directory, 'bulk');
  const fd = openSync(join(folder, readdirSync(folder)[0] as string), 'r+');
  writeSync(fd, 'rotten', 1.5 * MIB);
  closeSync(fd);
  const before = await device.blobRead(key, 0, MIB);
  t.ok((await collect(before.stream)).equals(bytes.subarray(0, MIB)), 'other chunks are whole');
  const { stream } = await device.blobRead(key, 0, bytes.length);
  await t.rejects(collect(stream), { code: 'CorruptChunk' });
  t.same(corrupt, [key]);
  t.equal(device.status().quarantined, 1);
  t.same(await apply(device, put(objectKey(1), stampAt(5), { refs: id })), ['missing-blob']);
  await device.blobWrite(key, blobStream(id, bytes));
  t.equal(device.status().quarantined, 0);
  t.ok((await collect((await device.blobRead(key, 0, bytes.length)).stream)).equals(bytes));
  await device.close();
});

t.test('a bulk file without a readable header is still read', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  let device = await bed.open();
  const id = random.bytes(16);
  const key = blobKey(1, id);
  const bytes = random.bytes(MIB);
  await device.blobWrite(key, blobStream(id, bytes));
  await device.close();
  const folder = join(bed.directory, 'bulk');
  const fd = openSync(join(folder, readdirSync(folder)[0] as string), 'r+');
  writeSync(fd, 'rotten', 8);
  closeSync(fd);
  device = await bed.open();
  t.ok((await collect((await device.blobRead(key, 0, bytes.length)).stream)).equals(bytes));
  await device.close();
});

t.test('a bulk file that was made and no more, before the process was killed, is made anew', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  await (await bed.open()).close();
  const file = join(bed.directory, 'bulk', '00000001.seg');
  writeFileSync(file, '');
  const device = await bed.open();
  const id = random.bytes(16);
  const bytes = random.bytes(MIB);
  await device.blobWrite(blobKey(1, id), blobStream(id, bytes));
  t.ok((await collect((await device.blobRead(blobKey(1, id), 0, bytes.length)).stream)).equals(bytes));
  await device.close();
  t.equal(readFileSync(file).toString('latin1', 0, 4), 'NTSG', 'it begins with its header');
});
