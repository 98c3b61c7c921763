/**
 * What is done to a host's volumes while it dies, and what must be true afterwards. All begin with the same volume `v` of
 * lineage `v`: its moments `s1` and `s2` are stored, and it was written to since. An action may be repeated: ids are its own.
 */
import assert from 'node:assert/strict';
import { CHUNK } from '../repository/volume.ts';
import { contentOf, type Host, type HostBed, until, withClient } from './host.ts';

const MIB = 2 ** 20;
const SIZE = MIB;

/** Contents of the volume: at s1, at s2, now; and what a client writes during an action. */
export interface Facts {
  readonly s1: Buffer;
  readonly s2: Buffer;
  readonly now: Buffer;
}

export interface Scenario {
  readonly name: string;
  act(host: Host): Promise<void>;
  /** What must be true whether it was done or not; `acked`: the host had said that it is done. */
  check(host: Host, facts: Facts, acked: boolean): Promise<void>;
}

const place = (snapshot: string, lineage = 'v') => ({ lineage, snapshot });

const statusOf = async (host: Host, id: string): Promise<string> => {
  const { volumes } = await host.volumes.manager.volumes();
  return volumes.find((one) => one.id === id)?.status ?? 'gone';
};

const snapshotStatus = async (host: Host, id: string): Promise<string> => {
  const { snapshots } = await host.volumes.manager.snapshots.list({});
  return snapshots.find((one) => one.snapshot === id)?.status ?? 'gone';
};

const settledVolume = (host: Host, id: string) =>
  until(
    `volume ${id} is settled`,
    async () => {
      const volume = await host.volumes.manager.volume(id);
      return volume.status === 'creating' || volume.fill ? undefined : volume;
    },
    host,
  );

const settledSnapshot = (host: Host, id: string, lineage = 'v') =>
  until(
    `snapshot ${id} is settled`,
    async () => {
      const snapshot = await host.volumes.manager.snapshots.show(place(id, lineage));
      return snapshot.status === 'creating' ? undefined : snapshot;
    },
    host,
  );

/** One volume with two stored moments; nothing runs. */
export async function prepare(bed: HostBed): Promise<Facts> {
  const host = await bed.start();
  const { manager } = host.volumes;
  await manager.createVolume({ id: 'v', sizeBytes: SIZE, chunkBytes: CHUNK });
  const contents: Buffer[] = [];
  const content = Buffer.alloc(SIZE);
  for (const round of [1, 2, 3]) {
    await withClient(host, 'v', async (client) => {
      for (const chunk of [round, round + 4]) {
        const bytes = Buffer.alloc(CHUNK / 2, `round ${round} chunk ${chunk}`);
        await client.write(chunk * CHUNK, bytes);
        content.set(bytes, chunk * CHUNK);
      }
      await client.flush();
    });
    contents.push(Buffer.from(content));
    if (round === 3) break;
    await manager.takeSnapshot({ volume: 'v', snapshot: `s${round}` });
    assert.equal((await settledSnapshot(host, `s${round}`)).status, 'available');
  }
  await until('the volume is at rest', async () => ((await bed.daemons()).length === 0 ? true : undefined));
  await host.stop();
  const [s1, s2, now] = contents as [Buffer, Buffer, Buffer];
  return { s1, s2, now };
}

async function takeWhileWritten(host: Host, snapshot: string, more: { alone?: boolean } = {}): Promise<void> {
  const { manager } = host.volumes;
  await withClient(host, 'v', async (client) => {
    const taken = await manager.takeSnapshot({ volume: 'v', snapshot, ...more });
    await client.write(15 * CHUNK, Buffer.alloc(CHUNK, 'after the moment'));
    await settledSnapshot(host, snapshot, taken.lineage);
  });
}

/** Whatever it is, it is settled; a volume that is there has these bytes, unless it failed before anybody was told of it. */
async function checkVolume(host: Host, id: string, acked: boolean, contents: readonly Buffer[]): Promise<void> {
  const status = await statusOf(host, id);
  if (acked) assert.equal(status, 'available', `${id} was there`);
  else assert.ok(['available', 'error', 'gone'].includes(status), `${id} is ${status}`);
  if (status !== 'available') return;
  const found = await contentOf(host, id);
  assert.ok(
    contents.some((one) => one.equals(found)),
    `${id} has the wrong bytes`,
  );
}

const bigger = (content: Buffer, bytes: number): Buffer =>
  Buffer.concat([content, Buffer.alloc(bytes - content.length)]);
const written = (content: Buffer): Buffer => {
  const after = Buffer.from(content);
  after.fill('after the moment', 15 * CHUNK);
  return after;
};
const checkSame = (host: Host, facts: Facts): Promise<void> =>
  checkVolume(host, 'v', true, [facts.now, written(facts.now)]);

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'create and attach',
    async act(host) {
      await host.volumes.manager.createVolume({ id: 'n', sizeBytes: SIZE, limits: { iopsTotal: 1000 } });
      await withClient(host, 'n', (client) => client.write(0, Buffer.alloc(4096, 1)));
    },
    async check(host, facts, acked) {
      const first = Buffer.alloc(SIZE);
      first.fill(1, 0, 4096);
      await checkVolume(host, 'n', acked, acked ? [first] : [first, Buffer.alloc(SIZE)]);
      if ((await statusOf(host, 'n')) === 'available')
        assert.deepEqual((await host.volumes.manager.volume('n')).limits, { iopsTotal: 1000 });
      await checkSame(host, facts);
    },
  },
  {
    name: 'create from a snapshot',
    async act(host) {
      await host.volumes.manager.createVolume({ id: 'r', sizeBytes: 2 * SIZE, source: { snapshot: place('s1') } });
      await settledVolume(host, 'r');
    },
    async check(host, facts, acked) {
      await checkVolume(host, 'r', acked, [bigger(facts.s1, 2 * SIZE)]);
      await checkSame(host, facts);
    },
  },
  {
    name: 'create from a snapshot that is deleted meanwhile',
    async act(host) {
      const { manager } = host.volumes;
      await manager.createVolume({ id: 'r', sizeBytes: SIZE, source: { snapshot: place('s2') } });
      await manager.snapshots.delete(place('s2'));
      await settledVolume(host, 'r');
      await until(
        'the snapshot is gone',
        async () => ((await snapshotStatus(host, 's2')) === 'gone' ? true : undefined),
        host,
      );
    },
    async check(host, facts, acked) {
      await checkVolume(host, 'r', acked, [facts.s2]);
      if (acked) assert.equal(await snapshotStatus(host, 's2'), 'gone');
      await checkSame(host, facts);
    },
  },
  {
    name: 'copy',
    async act(host) {
      await host.volumes.manager.createVolume({ id: 'c', sizeBytes: SIZE, source: { volume: 'v' } });
      await settledVolume(host, 'c');
    },
    async check(host, facts, acked) {
      await checkVolume(host, 'c', acked, [facts.now]);
      await checkSame(host, facts);
    },
  },
  {
    name: 'snapshot',
    act: (host) => takeWhileWritten(host, 's3'),
    async check(host, facts, acked) {
      const status = await snapshotStatus(host, 's3');
      if (acked) assert.equal(status, 'available');
      else assert.ok(['available', 'error', 'gone'].includes(status), `s3 is ${status}`);
      await checkSame(host, facts);
    },
  },
  {
    name: 'backup that stands alone',
    act: (host) => takeWhileWritten(host, 's3', { alone: true }),
    async check(host, facts, acked) {
      const status = await snapshotStatus(host, 's3');
      if (acked) assert.equal(status, 'available');
      else assert.ok(['available', 'error', 'gone'].includes(status), `s3 is ${status}`);
      await checkSame(host, facts);
    },
  },
  {
    name: 'cancel a snapshot',
    async act(host) {
      const { manager } = host.volumes;
      await withClient(host, 'v', async () => {
        const taken = await manager.takeSnapshot({ volume: 'v', snapshot: 's3' });
        if (taken.status === 'creating') await manager.snapshots.cancel(taken).catch(() => {});
      });
    },
    async check(host, facts) {
      await checkSame(host, facts);
    },
  },
  {
    name: 'delete the newest snapshot',
    act: (host) => host.volumes.manager.snapshots.delete(place('s2')),
    async check(host, facts, acked) {
      const status = await snapshotStatus(host, 's2');
      assert.ok(acked ? status === 'gone' : ['gone', 'available'].includes(status), `s2 is ${status}`);
      await checkSame(host, facts);
    },
  },
  {
    name: 'revert',
    async act(host) {
      await host.volumes.manager.revertVolume('v', place('s1'));
      await settledVolume(host, 'v');
    },
    async check(host, facts, acked) {
      await checkVolume(host, 'v', acked, acked ? [facts.s1] : [facts.s1, facts.now]);
    },
  },
  {
    name: 'delete',
    act: (host) => host.volumes.manager.deleteVolume('v', false),
    async check(host, facts, acked) {
      if (acked) assert.equal(await statusOf(host, 'v'), 'gone');
      else if ((await statusOf(host, 'v')) !== 'gone') await checkSame(host, facts);
    },
  },
  {
    name: 'extend while attached',
    async act(host) {
      await withClient(host, 'v', () => host.volumes.manager.extendVolume('v', 2 * SIZE));
    },
    async check(host, facts, acked) {
      const grown = bigger(facts.now, 2 * SIZE);
      await checkVolume(host, 'v', true, acked ? [grown] : [grown, facts.now]);
      const { sizeBytes } = await host.volumes.manager.volume('v');
      assert.equal(sizeBytes, (await contentOf(host, 'v')).length, 'the size that is told is the one that clients see');
    },
  },
];

/** Nothing is under way any more. */
export async function settle(host: Host): Promise<void> {
  const { manager } = host.volumes;
  await until('nothing is under way', async () => {
    const { volumes } = await manager.volumes();
    const busy = volumes.some(({ status, fill, jobs }) => {
      const isMoving = status === 'creating' || status === 'deleting' || fill !== undefined;
      return isMoving || jobs.some((job) => job.status !== 'error');
    });
    return busy ? undefined : true;
  });
  // A client that died with its host.
  for (const { id, attachments } of (await manager.volumes()).volumes)
    for (const { attachmentId } of attachments) await manager.detachVolume(id, attachmentId);
}

/** Every snapshot that is told of is whole, and the next one of the volume is true, whatever it is incremental to. */
export async function checkSnapshots(bed: HostBed, host: Host, facts: Facts): Promise<void> {
  const { manager } = host.volumes;
  const { snapshots } = await manager.snapshots.list({});
  assert.ok(
    snapshots.some(({ snapshot }) => snapshot === 's1'),
    's1 is still there',
  );
  const known: Readonly<Record<string, Buffer>> = { s1: facts.s1, s2: facts.s2, s3: facts.now };
  for (const { snapshot, lineage, status } of snapshots) {
    if (status === 'error') await manager.snapshots.delete({ lineage, snapshot });
    else assert.ok(known[snapshot]?.equals(await bed.restored(snapshot, lineage)), `${snapshot} has the wrong bytes`);
  }
  if ((await statusOf(host, 'v')) !== 'available') return;
  await manager.takeSnapshot({ volume: 'v', snapshot: 'last' });
  assert.equal((await settledSnapshot(host, 'last')).status, 'available');
  const now = await contentOf(host, 'v');
  assert.ok(now.equals(await bed.restored('last', 'v')), 'the next snapshot has the wrong bytes');
}

/** What failed can be cleared away, and then nothing is left of anything. */
export async function clearAway(bed: HostBed, host: Host): Promise<void> {
  const { manager } = host.volumes;
  for (const { id } of (await manager.volumes()).volumes) await manager.deleteVolume(id, false);
  assert.deepEqual(bed.left(), []);
  assert.deepEqual(await bed.daemons(), []);
}
