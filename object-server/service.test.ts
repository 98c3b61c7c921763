import t from 'tap';
import { createSeededRandom } from '../fabric/random.ts';
import type { ByteStream, CallContext, Handler, Reply } from '../fabric/rpc/contract.ts';
import { blobStream, collect, createBed, objectKey, put, stampAt } from '../test/engine-bed.ts';
import { handoffKey, headBallot, KIND, type ObjectServiceCalls } from './contract.ts';
import { createObjectService } from './service.ts';

type Calls = ObjectServiceCalls;

t.test('every call of the contract', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const device = await bed.open();
  const handlers = createObjectService(new Map([[3, device]]));
  const invoke = (method: string, args: unknown, upload?: ByteStream): Reply | Promise<Reply> => {
    const context: CallContext = { peerName: 'test', deadlineAtMs: Infinity, upload };
    return (handlers[method] as Handler)(args as never, context);
  };
  const call = async <M extends keyof Calls>(method: M, args: Calls[M]['args'], upload?: ByteStream) =>
    (await invoke(method, args, upload)).value as Calls[M]['reply'];
  const key = objectKey(1);
  const id = createSeededRandom(1).bytes(16);
  const blob = objectKey(1, KIND.blob, id.toString('latin1'));
  const bytes = Buffer.alloc(1_200_000, 'b');

  t.same(await call('blobWrite', { device: 3, key: blob }, blobStream(id, bytes)), { lengthBytes: bytes.length });
  const mutations = [put(key, stampAt(5), { body: 'hi', refs: id }), put(objectKey(2), stampAt(5))];
  const applied = await call('apply', { device: 3, mutations, writer: 1, settled: stampAt(1) });
  t.same(applied.outcomes, [{ result: 'ok' }, { result: 'ok' }]);
  const direct = invoke('read', { device: 3, key, body: true });
  t.notOk(direct instanceof Promise, 'what is durable and cached is answered at once');
  t.equal(((await direct).value as Calls['read']['reply']).body?.toString(), 'hi');
  t.same(await call('read', { device: 3, key: objectKey(9), body: true }), { head: null });
  t.same(await call('check', { device: 3, key }), { ballot: stampAt(5) });
  t.same(await call('check', { device: 3, key: objectKey(9) }), { ballot: '' });
  t.equal((await call('prepare', { device: 3, key, ballot: stampAt(9) })).ok, true);
  const { heads, more } = await call('scan', { device: 3, start: objectKey(0), end: objectKey(50), limit: 10 });
  t.same(heads.map(headBallot), [stampAt(5), stampAt(5)], 'without the blob');
  t.equal(more, false);
  const read = await invoke('blobRead', { device: 3, key: blob, offset: 1000, length: 1_100_000 });
  t.same(read.value, { lengthBytes: bytes.length });
  t.ok((await collect(read.download as ByteStream)).equals(bytes.subarray(1000, 1_101_000)));
  const feed = await call('feed', { device: 3, after: 0, limit: 1 });
  t.same(
    feed.entries.map((entry) => entry.key),
    [key],
  );
  t.ok(feed.settled < (feed.entries[0]?.lsn ?? 0), 'not settled yet');
  const rest = await call('feed', { device: 3, after: feed.next, limit: 10 });
  t.same(
    rest.entries.map((entry) => entry.key),
    [objectKey(2)],
  );
  t.same((await call('feed', { device: 3, after: rest.next, limit: 10 })).entries, []);
  const { operations } = await call('unsettled', { device: 3, olderThanMs: 0, limit: 10 });
  t.same(operations, [{ stamp: stampAt(5), keys: [key, objectKey(2)] }]);
  const { devices } = await call('status', {});
  t.match(devices, [{ device: 3, state: 'up', unsettled: 1, handoffCopies: 0, maxStamp: stampAt(9) }]);
  await t.rejects(async () => invoke('status', { device: 4 }), { code: 'NoSuchDevice' });
  await device.close();
});

t.test('handoff copies are kept apart, newest ballot wins, and go when delivered', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  let device = await bed.open();
  const key = objectKey(1);
  const id = createSeededRandom(2).bytes(16);
  const blob = objectKey(1, KIND.blob, id.toString('latin1'));
  const context = { writer: 1, settled: stampAt(0), handoffFor: 8 };
  await device.blobWrite(blob, blobStream(id, Buffer.alloc(1000, 'h')), 8);
  t.same(await device.apply([put(key, stampAt(5), { body: 'copy', refs: id })], context), [{ result: 'ok' }]);
  t.same(await device.apply([put(key, stampAt(4))], context), [{ result: 'newer', ballot: stampAt(5) }]);
  t.equal(device.get(key), undefined, 'it does not count as this device holding the key');
  t.match(device.unsettled(0, 10), [{ stamp: stampAt(5), keys: [handoffKey(8, key)] }], 'it may be all there is');
  for (const how of ['abandon', 'close'] as const) {
    await device[how]();
    device = await bed.open();
    t.equal(device.status().handoffCopies, 1);
    t.equal((await device.read(handoffKey(8, key), true)).body?.toString(), 'copy');
    const { stream } = await device.blobRead(handoffKey(8, blob), 0, 10_000);
    t.equal((await collect(stream)).length, 1000);
  }
  t.equal(await device.dropHandoff(handoffKey(8, key), stampAt(4)), false);
  t.equal(await device.dropHandoff(handoffKey(8, key), stampAt(5)), true);
  await device.abandon();
  device = await bed.open();
  t.equal(device.status().handoffCopies, 0);
  t.equal(device.get(handoffKey(8, key)), undefined);
  await device.close();
});

t.test('projections see every change once, also across restarts', async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  const counter = () => {
    let count = 0;
    return {
      kinds: [KIND.object],
      applied(_key: string, previous: unknown) {
        if (!previous) count++;
      },
      checkpoint: () => [['\x03count', Buffer.from([count])] as const],
      open(get: (key: string) => Buffer | undefined) {
        count = get('\x03count')?.[0] ?? 0;
      },
      get count() {
        return count;
      },
    };
  };
  let projection = counter();
  let device = await bed.open({ projections: [projection] });
  const context = { writer: 1, settled: stampAt(0) };
  let made = 0;
  for (const how of ['abandon', 'close', 'abandon'] as const) {
    for (let i = 0; i < 5; i++) await device.apply([put(objectKey(made++), stampAt(5 + made))], context);
    await device.checkpoint();
    for (let i = 0; i < 5; i++) await device.apply([put(objectKey(made++), stampAt(5 + made))], context);
    await device.apply(
      [put(objectKey(0), stampAt(1000 + made)), put(objectKey(0, KIND.container), stampAt(made))],
      context,
    );
    t.equal(projection.count, made);
    await device[how]();
    projection = counter();
    device = await bed.open({ projections: [projection] });
    t.equal(projection.count, made);
  }
  await device.close();
});
