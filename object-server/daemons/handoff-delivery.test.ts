import t from 'tap';
import { createSeededRandom } from '../../fabric/random.ts';
import { TestCluster, until } from '../../test/daemon-bed.ts';
import { blobStream, collect, objectKey, put, remove } from '../../test/engine-bed.ts';
import { type Key, KIND } from '../contract.ts';

const random = createSeededRandom(5);
const key = (number: number): Key => objectKey(Math.imul(number, 0x9e3779b1));
const settled = (cluster: TestCluster) => (): boolean => cluster.differences().length === 0;

t.test('what a stopped zone misses is delivered when it returns, deletes included', async (t) => {
  const cluster = await TestCluster.open({});
  t.teardown(() => cluster.close());
  await cluster.writeAll(100, (i) => put(key(i), cluster.stamp(), { body: `before ${i}` }));
  await cluster.stop(2);
  await cluster.writeAll(100, (i) => put(key(i + 50), cluster.stamp(), { body: `while ${i + 50}` }));
  await cluster.writeAll(60, (i) => remove(key(i), cluster.stamp()));
  t.ok(cluster.differences().some((line) => line.includes('owes')));
  await cluster.start(2);
  await until('delivered', settled(cluster));
  for (let i = 0; i < 150; i++) {
    if (!cluster.primaries(key(i)).includes(2)) continue;
    const { body } = await cluster.device(2).read(key(i), true);
    const wanted = i < 60 ? undefined : i < 50 ? `before ${i}` : `while ${i}`;
    t.equal(body?.toString(), wanted);
  }
});

t.test('a restart of the holder in the middle loses nothing; delivering again changes nothing', async (t) => {
  const cluster = await TestCluster.open({});
  t.teardown(() => cluster.close());
  await cluster.stop(1);
  await cluster.writeAll(300, (i) => put(key(i), cluster.stamp(), { body: random.bytes(2000) }));
  const back = cluster.start(1);
  for (const id of [0, 2, 3, 4]) {
    await cluster.stop(id, 'crash');
    await cluster.start(id);
  }
  await back;
  await until('delivered', settled(cluster));
});

t.test('blobs go before the registers that refer to them, from wherever they are', async (t) => {
  const cluster = await TestCluster.open({ handoffs: { restoreAfterMs: 100 } });
  t.teardown(() => cluster.close());
  const name = key(7);
  const [first, , third] = cluster.primaries(name) as [number, number, number];
  await cluster.stop(third);
  const id = random.bytes(16);
  const bytes = random.bytes(2_500_000);
  const blobKey = objectKey(Math.imul(7, 0x9e3779b1), KIND.blob, id.toString('latin1'));
  for (const device of cluster.primaries(name).slice(0, 2))
    await cluster.device(device).blobWrite(blobKey, blobStream(id, bytes));
  await cluster.write(put(name, cluster.stamp(), { refs: id }));
  const stand = cluster.handoffs(name)[0] as number;
  await until('third copy', () => cluster.device(stand).forEach !== undefined && holdsBlob(cluster, stand));
  // Both other primaries lose the bytes from the target's point of view: only the stand-in has them.
  for (const device of cluster.primaries(name).slice(0, 2)) await cluster.stop(device);
  await cluster.start(third);
  await until('delivered', () => cluster.device(stand).status().handoffCopies === 0);
  const { stream } = await cluster.device(third).blobRead(blobKey, 0, bytes.length);
  t.ok((await collect(stream)).equals(bytes));
  await cluster.start(first);
});

function holdsBlob(cluster: TestCluster, id: number): boolean {
  let held = false;
  cluster.device(id).forEach({ start: '\x02', end: '\x03' }, (each) => {
    held ||= each[27] === KIND.blob;
  });
  return held;
}
