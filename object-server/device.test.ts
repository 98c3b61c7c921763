import t from 'tap';
import { createMemoryKv } from '../fabric/memory-kv.ts';
import { apply, bodyOf, createBed, objectKey, put, remove, stampAt } from '../test/engine-bed.ts';
import { encodeHead, FLAG_FOREIGN, headStamp, type Key, KIND, type Mutation } from './contract.ts';
import { LOCAL, localRest } from './local-format.ts';

t.test('what is applied is read back, through restarts of both kinds', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  let device = await bed.open();
  const key = objectKey(1);
  t.same(await apply(device, put(key, stampAt(10), { body: 'hello' })), ['ok']);
  t.equal(await bodyOf(device, key), 'hello');
  await device.abandon();
  device = await bed.open();
  t.equal(await bodyOf(device, key), 'hello', 'replayed from the log');
  t.same(await apply(device, put(key, stampAt(11), { body: 'again' })), ['ok']);
  await device.close();
  device = await bed.open();
  t.equal(device.status().checkpointed, device.status().tail, 'a clean stop leaves nothing to replay');
  t.equal(await bodyOf(device, key), 'again', 'found through the index');
  t.same(await apply(device, remove(key, stampAt(12))), ['ok']);
  t.equal(device.get(key)?.tombstone, true);
  await device.close();
});

t.test('rules of acceptance', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const device = await bed.open();
  const key = objectKey(2);
  const container = objectKey(3, KIND.container);
  t.same(await apply(device, put(key, stampAt(20), { body: 'a' })), ['ok']);
  t.same(await apply(device, put(key, stampAt(20), { body: 'a' })), ['ok'], 'the same ballot again');
  t.same(await apply(device, put(key, stampAt(19), { body: 'b' })), [`newer ${stampAt(20)}`]);
  t.same(await device.prepare(key, stampAt(20)), { ok: false, ballot: stampAt(20) });
  const prepared = await device.prepare(key, stampAt(30));
  t.equal(prepared.ok, true);
  t.equal(prepared.ok && prepared.body?.toString(), 'a');
  t.equal((await device.prepare(key, stampAt(30))).ok, true, 'a repeated prepare');
  t.same(await device.prepare(key, stampAt(29)), { ok: false, ballot: stampAt(30) });
  t.same(await apply(device, put(key, stampAt(25))), [`newer ${stampAt(30)}`]);
  t.equal(device.promised(key), stampAt(30));
  t.same(await apply(device, put(key, stampAt(30), { body: 'c' })), ['ok']);
  t.equal(device.promised(key), undefined, 'kept promises are forgotten');

  const guarded = (ballot: number) => ({
    ...put(objectKey(4), stampAt(ballot)),
    guardKey: container,
    guardStamp: stampAt(5),
  });
  t.same(await apply(device, guarded(40)), ['guard'], 'no container');
  t.same(await apply(device, put(container, stampAt(6), { stamp: stampAt(5) }), guarded(41)), ['ok', 'ok']);
  await device.prepare(container, stampAt(50));
  t.same(await apply(device, guarded(51)), [`sealed ${stampAt(50)}`]);
  t.same(await apply(device, put(container, stampAt(52), { stamp: stampAt(5) }), guarded(53)), ['ok', 'ok']);
  t.same(await apply(device, remove(container, stampAt(54)), guarded(55)), ['ok', 'guard']);
  t.same(await apply(device, put(objectKey(5), stampAt(60), { refs: Buffer.alloc(16, 7) })), ['missing-blob']);
  await device.close();
});

t.test('promises, marks and unsettled operations outlive a restart', async (t) => {
  for (const clean of [true, false]) {
    const bed = createBed();
    t.teardown(() => bed.remove());
    let device = await bed.open({ limits: { markEveryMs: 0 } });
    await device.prepare(objectKey(1), stampAt(9));
    await device.apply([put(objectKey(2), stampAt(10, 7)), put(objectKey(3), stampAt(10, 7))], {
      writer: 7,
      settled: stampAt(1, 7),
    });
    await device.apply([put(objectKey(4), stampAt(12, 7))], { writer: 7, settled: stampAt(2, 7) });
    if (clean) await device.close();
    else await device.abandon();
    device = await bed.open();
    t.equal(device.promised(objectKey(1)), stampAt(9));
    t.same(
      device.unsettled(0, 10).map(({ stamp, keys }) => [stamp, keys]),
      [
        [stampAt(10, 7), [objectKey(2), objectKey(3)]],
        [stampAt(12, 7), [objectKey(4)]],
      ],
    );
    await device.apply([], { writer: 7, settled: stampAt(11, 7) });
    t.same(
      device.unsettled(0, 10).map(({ stamp }) => stamp),
      [stampAt(12, 7)],
    );
    await device.close();
  }
});

t.test('the index hears of promises that outlive a checkpoint, and of no others', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const kv = createMemoryKv();
  const puts: (readonly [string, boolean])[] = [];
  const listening = {
    ...kv,
    commit(batch: Parameters<typeof kv.commit>[0]) {
      for (const [key, value] of batch) if (key.startsWith(LOCAL.promise)) puts.push([localRest(key), value !== null]);
      return kv.commit(batch);
    },
  };
  let device = await bed.open({ openKv: async () => listening, limits: { checkpointIdleMs: 3_600_000 } });
  await apply(device, put(objectKey(3), stampAt(1)));
  await device.checkpoint();
  await device.prepare(objectKey(1), stampAt(9));
  await apply(device, put(objectKey(1), stampAt(9)));
  await device.prepare(objectKey(2), stampAt(10));
  await device.checkpoint();
  t.same(puts, [[objectKey(2), true]], 'what was kept before is nobody else’s concern');
  await device.prepare(objectKey(2), stampAt(11));
  await apply(device, put(objectKey(2), stampAt(12)));
  await device.checkpoint();
  t.same(puts.slice(1), [[objectKey(2), false]]);
  await device.prepare(objectKey(2), stampAt(20));
  await device.checkpoint();
  await device.abandon();
  device = await bed.open({ openKv: async () => listening, limits: { checkpointIdleMs: 3_600_000 } });
  t.equal(device.promised(objectKey(1)), undefined);
  t.equal(device.promised(objectKey(2)), stampAt(20));
  puts.length = 0;
  await apply(device, put(objectKey(2), stampAt(21)));
  await device.checkpoint();
  t.same(puts, [[objectKey(2), false]], 'nor is it forgotten who was remembered by an earlier life');
  await device.close();
});

t.test('ranges merge memory and index, both ways', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const device = await bed.open();
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  for (const number of numbers.filter((n) => n % 3 !== 1)) await apply(device, put(objectKey(number), stampAt(10)));
  await device.checkpoint();
  for (const number of numbers.filter((n) => n % 3 === 1)) await apply(device, put(objectKey(number), stampAt(11)));
  for (const number of numbers.filter((n) => n % 6 === 0)) await apply(device, remove(objectKey(number), stampAt(12)));
  for (const reverse of [false, true]) {
    const seen: [number, string][] = [];
    device.forEach({ start: objectKey(5), end: objectKey(95), reverse }, (key, view) => {
      seen.push([Buffer.from(key, 'latin1').readUInt32BE(1), view.ballot]);
      return seen.length < 80;
    });
    const wanted = numbers.slice(5, 95).map((n) => [n, stampAt(n % 6 === 0 ? 12 : n % 3 === 1 ? 11 : 10)]);
    t.same(seen, (reverse ? wanted.reverse() : wanted).slice(0, 80));
  }
  const { heads, more } = await device.scan(objectKey(0), objectKey(1000), 30);
  t.equal(heads.length, 30);
  t.equal(more, true);
  await device.close();
});

t.test('a foreign disk is refused', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  await (await bed.open()).close();
  await t.rejects(bed.open({ deviceId: 4 }), { code: 'ForeignDisk' });
  await t.rejects(bed.open({ clusterId: 'd2'.repeat(16) }), { code: 'ForeignDisk' });
  await (await bed.open()).close();
});

t.test('what is made of other keys’ blobs is handed back when it is replaced', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const device = await bed.open();
  const context = { writer: 1, settled: stampAt(0) };
  const foreign = (key: Key, ballot: number): Mutation => ({
    head: encodeHead({ key, ballot: stampAt(ballot), stamp: stampAt(ballot), flags: FLAG_FOREIGN }),
  });
  const replaced = async (mutation: Mutation): Promise<string | undefined> => {
    const [outcome] = await device.apply([mutation], context);
    return outcome?.result === 'ok' && outcome.replaced ? headStamp(outcome.replaced) : undefined;
  };
  const [key, plain] = [objectKey(20), objectKey(21)];
  await apply(device, foreign(key, 10), put(plain, stampAt(10)));
  await device.checkpoint();
  t.equal(await replaced(foreign(key, 10)), undefined, 'the same again replaces nothing');
  t.equal(await replaced(foreign(key, 9)), undefined, 'nor does what is older');
  t.equal(await replaced(foreign(key, 11)), stampAt(10));
  t.equal(await replaced(remove(key, stampAt(12))), stampAt(11));
  t.equal(await replaced(put(key, stampAt(13))), undefined, 'a tombstone is made of nothing');
  t.equal(await replaced(remove(plain, stampAt(11))), undefined, 'nor is what has its own');
  await device.close();
});
