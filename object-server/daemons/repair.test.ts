import { closeSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createSeededRandom } from '../../fabric/random.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { TestCluster, until } from '../../test/daemon-bed.ts';
import { blobStream, collect, objectKey, put, remove } from '../../test/engine-bed.ts';
import { type Key, KIND } from '../contract.ts';

const random = createSeededRandom(7);
const key = (number: number): Key => objectKey(Math.imul(number, 0x9e3779b1));

/** Flips a bit of the first occurrence of `bytes` in the files of `folder`. */
function rot(folder: string, bytes: Buffer): void {
  for (const name of readdirSync(folder)) {
    const fd = openSync(join(folder, name), 'r+');
    const contents = Buffer.alloc(16 * 1024 * 1024);
    const length = readSync(fd, contents, 0, contents.length, 0);
    const at = contents.subarray(0, length).indexOf(bytes);
    if (at >= 0) writeSync(fd, Buffer.from([(bytes[10] as number) ^ 4]), 0, 1, at + 10);
    closeSync(fd);
    if (at >= 0) return;
  }
  throw new Error('not found');
}

t.test('a rotten body is refused, replaced from another replica, and served again', async (t) => {
  const cluster = await TestCluster.open();
  t.teardown(() => cluster.close());
  const bodies = Array.from({ length: 20 }, () => random.bytes(3000));
  await cluster.writeAll(20, (i) => put(key(i), cluster.stamp(), { body: bodies[i] as Buffer }));
  for (const i of [3, 11]) {
    const id = cluster.primaries(key(i))[1] as number;
    const device = cluster.device(id);
    rot(join(cluster.zone(id).directory, 'log'), bodies[i] as Buffer);
    t.throws(() => device.read(key(i), true), { code: 'CorruptRegister' });
    await until('repaired', () => device.status().quarantined === 0);
    const { body } = await device.read(key(i), true);
    t.ok(body?.equals(bodies[i] as Buffer));
  }
  t.same(cluster.differences(), []);
});

t.test('damage outlives a restart, and is repaired when another replica is back', async (t) => {
  const cluster = await TestCluster.open();
  t.teardown(() => cluster.close());
  const body = random.bytes(5000);
  await cluster.write(put(key(1), cluster.stamp(), { body }));
  const [id, ...others] = cluster.primaries(key(1)) as [number, ...number[]];
  for (const other of others) await cluster.stop(other);
  rot(join(cluster.zone(id).directory, 'log'), body);
  t.throws(() => cluster.device(id).read(key(1), true), { code: 'CorruptRegister' });
  await cluster.stop(id);
  for (const other of others) await cluster.start(other);
  await cluster.start(id);
  await until('repaired', () => cluster.device(id).status().quarantined === 0);
  t.ok((await cluster.device(id).read(key(1), true)).body?.equals(body));
});

t.test('the scrub finds what nobody reads, in registers and blobs', async (t) => {
  const cluster = await TestCluster.open({ scrub: { passMs: 100, startPauseMs: 10 } });
  t.teardown(() => cluster.close());
  const body = random.bytes(4000);
  await cluster.write(put(key(1), cluster.stamp(), { body }));
  const bytes = random.bytes(2_200_000);
  const blobId = random.bytes(16);
  const blobKey = objectKey(Math.imul(2, 0x9e3779b1), KIND.blob, blobId.toString('latin1'));
  for (const each of cluster.primaries(blobKey))
    await cluster.device(each).blobWrite(blobKey, blobStream(blobId, bytes));
  await cluster.write(put(key(2), cluster.stamp(), { refs: blobId }));
  const first = cluster.primaries(key(1))[0] as number;
  const second = cluster.primaries(key(2))[2] as number;
  rot(join(cluster.zone(first).directory, 'log'), body);
  rot(join(cluster.zone(second).directory, 'bulk'), bytes.subarray(1_500_000, 1_500_100));
  await until('found', () => cluster.damaged.length === 2);
  await until('repaired', () => [first, second].every((id) => cluster.device(id).status().quarantined === 0));
  t.same([...cluster.damaged].sort(), [key(1), blobKey].sort());
  const { stream } = await cluster.device(second).blobRead(blobKey, 0, bytes.length);
  t.ok((await collect(stream)).equals(bytes));
  t.ok((await cluster.device(first).read(key(1), true)).body?.equals(body));
});

t.test('a tombstone is given up only when everybody knows of it and nobody owes anything', async (t) => {
  const cluster = await TestCluster.open({ handoffs: false, catchUp: false });
  t.teardown(() => cluster.close());
  await cluster.write(put(key(5), cluster.stamp(), { body: 'x' }));
  const deleted: Stamp = cluster.stamp();
  const [first, second, third] = cluster.primaries(key(5)) as [number, number, number];
  const ask = async (): Promise<boolean> =>
    (await cluster.zone(first).daemons?.mayReclaim(first, key(5), deleted)) ?? false;
  await cluster.write(remove(key(5), deleted), [third]);
  t.equal(await ask(), false, 'a handoff copy waits, and the third holds the older version');
  for (const id of [0, 1, 2, 3, 4]) await cluster.stop(id);
  for (const id of [0, 1, 2, 3, 4]) await cluster.start(id, {});
  await until('level', () => cluster.differences().length === 0);
  t.equal(await ask(), true);
  await cluster.stop(second);
  t.equal(await ask(), false, 'one does not answer');
});
