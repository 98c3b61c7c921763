import t from 'tap';
import { createSeededRandom } from '../../fabric/random.ts';
import { TestCluster, until } from '../../test/daemon-bed.ts';
import { blobStream, collect, objectKey, put, remove } from '../../test/engine-bed.ts';
import { type DeviceStatus, type Key, KIND } from '../contract.ts';

const random = createSeededRandom(6);
const key = (number: number): Key => objectKey(Math.imul(number, 0x9e3779b1));

async function status(cluster: TestCluster, device: number): Promise<DeviceStatus> {
  const { value } = await cluster.peer(device).call('status', { device });
  return (value as { devices: DeviceStatus[] }).devices[0] as DeviceStatus;
}

const level = (cluster: TestCluster, device: number) => async (): Promise<boolean> =>
  Object.keys((await status(cluster, device)).behind).length === 0;

/** Handoff copies never leave: only the feeds can help. */
const FEEDS_ONLY = { handoffs: false, catchUp: { followEveryMs: 50 } } as const;

const agrees = (cluster: TestCluster) => (): boolean => !cluster.differences().some((line) => !line.includes('owes'));

t.test('a zone that was away pulls what it missed, deletes and blobs included', async (t) => {
  const cluster = await TestCluster.open(FEEDS_ONLY);
  t.teardown(() => cluster.close());
  await cluster.writeAll(200, (i) => put(key(i), cluster.stamp(), { body: `before ${i}` }));
  await until('level', level(cluster, 2));
  await cluster.stop(2, 'crash');
  await cluster.writeAll(1400, (i) => put(key(i + 100), cluster.stamp(), { body: `while ${i}` }));
  await cluster.writeAll(120, (i) => remove(key(i), cluster.stamp()));
  const named = [...Array(20).keys()].map((i) => i + 2000).find((i) => cluster.primaries(key(i)).includes(2)) as number;
  const id = random.bytes(16);
  const bytes = random.bytes(1_500_000);
  const blobKey = objectKey(Math.imul(named, 0x9e3779b1), KIND.blob, id.toString('latin1'));
  for (const device of cluster.primaries(key(named)).filter((each) => each !== 2)) {
    await cluster.device(device).blobWrite(blobKey, blobStream(id, bytes));
  }
  await cluster.write(put(key(named), cluster.stamp(), { refs: id }));
  t.notSame(cluster.differences(), []);
  await cluster.start(2);
  await until('caught up', level(cluster, 2));
  t.ok(agrees(cluster)());
  const { stream } = await cluster.device(2).blobRead(blobKey, 0, bytes.length);
  t.ok((await collect(stream)).equals(bytes));
});

t.test('positions outlive a restart: what was gone through is not gone through again', async (t) => {
  const cluster = await TestCluster.open(FEEDS_ONLY);
  t.teardown(() => cluster.close());
  await cluster.writeAll(500, (i) => put(key(i), cluster.stamp(), { body: 'x' }));
  await until('level', level(cluster, 3));
  const { synced } = cluster.device(0).status();
  await until('bookmarked', () =>
    [...cluster.device(3).bookmarks].some(([name, lsn]) => name.startsWith('pull 0 ') && lsn >= synced - 1),
  );
  await until('told', () => (cluster.device(0).cursor('device 3') ?? 0) >= synced - 1);
  await cluster.device(3).checkpoint();
  await cluster.stop(3, 'crash');
  await cluster.start(3, { catchUp: false, handoffs: false });
  const [, lsn] = [...cluster.device(3).bookmarks].find(([name]) => name.startsWith('pull 0 ')) as [string, number];
  t.ok(lsn >= synced - 1);
});

t.test('a replaced, empty disk fills itself; others notice that its log is another one', async (t) => {
  const cluster = await TestCluster.open(FEEDS_ONLY);
  t.teardown(() => cluster.close());
  await cluster.writeAll(600, (i) => put(key(i), cluster.stamp(), { body: `body ${i}` }));
  await cluster.writeAll(100, (i) => remove(key(i), cluster.stamp()));
  await until('level', level(cluster, 0));
  await cluster.stop(4);
  cluster.replaceDisk(4);
  await cluster.start(4);
  await until('filled', level(cluster, 4));
  t.same(cluster.differences(), []);
  await until(
    'known',
    () => [...cluster.device(0).bookmarks.keys()].filter((name) => name.startsWith('pull 4 ')).length === 1,
  );
  await cluster.stop(0);
  await cluster.writeAll(100, (i) => put(key(i + 700), cluster.stamp()));
  await cluster.start(0);
  await until('caught up', level(cluster, 0));
  t.ok(agrees(cluster)());
});

t.test('where the feed is gone, everything is compared', async (t) => {
  const cluster = await TestCluster.open(FEEDS_ONLY, {
    logSegmentBytes: 64 * 1024,
    cursorLagSegments: 2,
    compactLiveShare: 0.9,
  });
  t.teardown(() => cluster.close());
  await until('level', level(cluster, 1));
  await cluster.stop(1);
  for (let round = 0; round < 4; round++) {
    await cluster.writeAll(300, (i) => put(key(i), cluster.stamp(), { body: random.bytes(1000) }));
  }
  await cluster.writeAll(50, (i) => remove(key(i), cluster.stamp()));
  for (const id of [0, 2, 3, 4]) {
    await cluster.device(id).checkpoint();
    await until('the feed lost its beginning', async () => {
      await cluster.device(id).compact();
      return (await cluster.device(id).feed(0, 0)).oldest > 0;
    });
  }
  await cluster.start(1);
  await until('caught up', level(cluster, 1));
  t.ok(agrees(cluster)());
});
