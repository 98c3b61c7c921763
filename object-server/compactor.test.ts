import t from 'tap';
import { systemClock } from '../fabric/clock.ts';
import { createMemoryKv, type MemoryKv } from '../fabric/memory-kv.ts';
import { createSeededRandom } from '../fabric/random.ts';
import { type CrashDisk, createCrashDisk } from '../test/crash-disk.ts';
import { apply, blobStream, bodyOf, collect, createBed, objectKey, put, remove, stampAt } from '../test/engine-bed.ts';
import { type Key, KIND } from './contract.ts';
import type { Device } from './device.ts';
import { Housekeeping } from './housekeeping.ts';

const limits = {
  logSegmentBytes: 8 * 1024,
  bulkSegmentBytes: 256 * 1024,
  compactStepBytes: 2 * 1024,
  blobGraceMs: 0,
  blobReadGraceMs: 0,
  tombstoneAgeMs: 0,
};
const random = createSeededRandom(5);
const clock = { ...systemClock, nowMs: () => 1e12 };
const name = (number: number, version: number): string => `${number}:${version}:`.padEnd(300, 'x');
const blobKey = (number: number, id: Buffer): Key => objectKey(number, KIND.blob, id.toString('latin1'));

async function compactAll(device: Device): Promise<number> {
  let freed = 0;
  for (let step = await device.compact(); step.more; step = await device.compact()) freed += step.freedBytes;
  return freed;
}

/** Ten keys, overwritten many times, some deleted; blobs whose objects were overwritten or deleted. */
async function fill(device: Device): Promise<Map<number, Buffer>> {
  const blobs = new Map<number, Buffer>();
  for (let version = 1; version <= 12; version++) {
    for (let number = 0; number < 10; number++) {
      await apply(device, put(objectKey(number), stampAt(100 * version + number), { body: name(number, version) }));
    }
  }
  for (let number = 0; number < 3; number++) await apply(device, remove(objectKey(number), stampAt(5000 + number)));
  for (let number = 20; number < 28; number++) {
    const id = random.bytes(16);
    await device.blobWrite(blobKey(number, id), blobStream(id, Buffer.alloc(100_000, number)));
    await apply(device, put(objectKey(number), stampAt(6000 + number), { refs: id }));
    blobs.set(number, id);
  }
  for (let number = 20; number < 28; number++) {
    if (number % 3 === 0) continue;
    await apply(
      device,
      number % 3 === 1 ? remove(objectKey(number), stampAt(7000)) : put(objectKey(number), stampAt(7000)),
    );
  }
  await device.prepare(objectKey(40), stampAt(9000));
  return blobs;
}

async function verify(t: Tap, device: Device, blobs: ReadonlyMap<number, Buffer>): Promise<void> {
  for (let number = 0; number < 10; number++) {
    if (number < 3) t.not(device.get(objectKey(number))?.tombstone, false, `deleted ${number}`);
    else t.equal(await bodyOf(device, objectKey(number)), name(number, 12));
  }
  for (const [number, id] of blobs) {
    if (number % 3 !== 0) continue;
    const { stream } = await device.blobRead(blobKey(number, id), 0, 1e9);
    t.ok((await collect(stream)).equals(Buffer.alloc(100_000, number)), `blob ${number}`);
  }
  t.equal(device.promised(objectKey(40)), stampAt(9000));
}
type Tap = Pick<typeof t, 'equal' | 'ok' | 'not'>;

t.test('dead space is given back, live data stays, the feed says what is gone', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  let device = await bed.open({ limits, clock });
  const blobs = await fill(device);
  const before = device.status().logBytes;
  const last = (await device.feed(0, 1e6)).entries.length;
  t.equal(last, 120 + 3 + 8 + 5);
  await device.checkpoint();
  const freed = await compactAll(device);
  await device.checkpoint();
  await compactAll(device);
  t.ok(freed > before / 3, `${freed} of ${before}`);
  await verify(t, device, blobs);
  for (const [number, id] of blobs) {
    if (number % 3) await t.rejects(device.blobRead(blobKey(number, id), 0, 1), { code: 'NoSuchBlob' });
  }
  const { oldest, entries } = await device.feed(0, 1e6);
  t.ok(oldest > 0);
  t.ok(entries.length < last, 'copies are no news');
  await device.abandon();
  device = await bed.open({ limits, clock });
  await verify(t, device, blobs);
  t.equal((await device.feed(0, 1e6)).oldest, oldest);
  await device.close();
});

t.test('housekeeping gives space back by itself, and stops', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const device = await bed.open({ limits, clock });
  const blobs = await fill(device);
  await device.checkpoint();
  const before = device.status().logBytes;
  const log = { info() {}, warn() {}, error: (_: object, message: string) => t.fail(message) };
  const housekeeping = new Housekeeping({ device, clock, log, bytesPerSecond: 1e9, idleMs: 1 });
  housekeeping.start();
  while (device.status().logBytes > before / 2) await clock.sleep(1);
  await housekeeping.stop();
  await verify(t, device, blobs);
  await device.close();
});

t.test('a segment that a feed consumer has not read stays', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const device = await bed.open({ limits, clock });
  device.setCursor('peer-7', 2 ** 32);
  await fill(device);
  await device.checkpoint();
  await compactAll(device);
  t.equal((await device.feed(0, 1e6)).oldest, 0);
  t.equal((await device.feed(0, 1e6)).entries.length, 136);
  device.removeCursor('peer-7');
  await compactAll(device);
  t.ok((await device.feed(0, 1e6)).oldest > 0);
  await device.close();
});

t.test('tombstones go when the primaries agree, and what they deleted stays deleted', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const asked: Key[] = [];
  const mayReclaim = async (key: Key): Promise<boolean> => {
    asked.push(key);
    return key !== objectKey(1);
  };
  let device = await bed.open({ limits, clock, mayReclaim });
  await fill(device);
  const churn = async (from: number): Promise<void> => {
    for (let i = 0; i < 60; i++) await apply(device, put(objectKey(9), stampAt(from + i), { body: 'y'.repeat(300) }));
    await device.checkpoint();
    await compactAll(device);
  };
  for (let round = 0; round < 4; round++) await churn(10_000 + 100 * round);
  t.ok(asked.includes(objectKey(0)));
  await device.checkpoint();
  await device.abandon();
  device = await bed.open({ limits, clock });
  t.equal(device.get(objectKey(0)), undefined, 'reclaimed');
  t.equal(device.get(objectKey(1))?.tombstone, true, 'not confirmed, so kept');
  await device.close();
});

t.test('reads go on while their segment is being removed', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const device = await bed.open({ limits, clock });
  const blobs = await fill(device);
  const open = await Promise.all(
    [...blobs]
      .filter(([n]) => n % 3 === 0)
      .map(async ([number, id]) => {
        const { stream } = await device.blobRead(blobKey(number, id), 0, 1e9);
        return { number, stream };
      }),
  );
  await device.checkpoint();
  let done = false;
  const compacting = compactAll(device).finally(() => {
    done = true;
  });
  while (!done) {
    for (let number = 3; number < 10; number++) t.equal(await bodyOf(device, objectKey(number)), name(number, 12));
    await new Promise((resolve) => void setImmediate(resolve));
  }
  await compacting;
  for (const { number, stream } of open) t.ok((await collect(stream)).equals(Buffer.alloc(100_000, number)));
  await device.close();
});

t.test('a crash at any step of compaction loses nothing', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const openOn = (disk: CrashDisk, kv: MemoryKv): Promise<Device> =>
    bed.open({ disk, directory: '/d', openKv: async () => kv, limits, clock, mayReclaim: async () => true });
  let steps = Infinity;
  for (let stopAfter = 0; stopAfter < steps; stopAfter += stopAfter < 40 ? 1 : 7) {
    const disk = createCrashDisk();
    const kv = createMemoryKv();
    const device = await openOn(disk, kv);
    const blobs = await fill(device);
    await device.checkpoint();
    const from = disk.changes;
    if (stopAfter < 1e6) disk.intercept = () => (disk.changes - from > stopAfter ? 'stop' : undefined);
    let finished = false;
    const all = compactAll(device).then(() => {
      finished = true;
    });
    const stuck = async (): Promise<void> => {
      while (!finished && disk.changes - from <= stopAfter) await new Promise((resolve) => void setImmediate(resolve));
    };
    await Promise.race([all, stuck()]);
    if (finished) steps = 0;
    kv.crash();
    const again = await openOn(disk.crash(random), kv.reopen());
    const quiet = { equal: fatal((a, b) => a === b), ok: fatal((a) => Boolean(a)), not: fatal((a, b) => a !== b) };
    await verify(quiet as unknown as Tap, again, blobs);
    await compactAll(again);
    await verify(quiet as unknown as Tap, again, blobs);
    await again.close();
    t.pass(`stopped after ${stopAfter} changes`);
  }
});

/** A check that fails the test by throwing: thousands of them need no line each. */
function fatal(holds: (a: unknown, b: unknown) => boolean): (a: unknown, b?: unknown, message?: string) => void {
  return (a, b, message) => {
    if (!holds(a, b)) throw new Error(`${message ?? ''} ${String(a).slice(0, 60)} / ${String(b).slice(0, 60)}`);
  };
}
