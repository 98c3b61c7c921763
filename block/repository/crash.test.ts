// A crash at every single operation on the object store, before and after it took effect, of an upload, its commit, a resumed
// upload, a delete, a reader and every step of the collector. Then a new process: what was acknowledged restores byte for byte,
// nothing half is visible, and garbage is gone in the end. Every step is tried, none is drawn by lot.
import t from 'tap';
import { checkAfterCrash } from '../../test/repository/invariants.ts';
import {
  Died,
  type MemoryClient,
  type MemoryClientOptions,
  MemoryObjects,
} from '../../test/repository/memory-objects.ts';
import { CHUNK, collectAll, MemoryVolume, openMemory, restored, sumOf, take } from '../../test/repository/volume.ts';
import type { Repository } from './contract.ts';

interface Scene {
  readonly name: string;
  /** What is there before: runs once, without crashes. Returns what is acknowledged. */
  prepare(repository: Repository): Promise<Map<string, string>>;
  /** Runs until it dies. Changes `acknowledged` and `maybe` as it learns of outcomes. */
  act(repository: Repository, acknowledged: Map<string, string>, maybe: Map<string, string>): Promise<void>;
}

const line = (snapshot: string) => ({ lineage: 'line', snapshot });

function volumeAt(step: number): { volume: MemoryVolume; changed: ReturnType<MemoryVolume['takeChanged']> } {
  const volume = new MemoryVolume(6 * CHUNK, 11);
  volume.scribble(8, CHUNK);
  for (let i = 0; i < step; i++) {
    volume.takeChanged();
    volume.scribble(2, CHUNK);
  }
  return { volume, changed: volume.takeChanged() };
}

async function takeStep(repository: Repository, step: number, base?: string): Promise<[string, string]> {
  const { volume, changed } = volumeAt(step);
  const based = base === undefined ? {} : { base, changed };
  await take(repository, volume, { snapshot: `s${step}`, streams: 2, pointInTime: 'p', ...based });
  return [`s${step}`, volume.sum()];
}

const twoSnapshots = async (repository: Repository): Promise<Map<string, string>> =>
  new Map([await takeStep(repository, 0), await takeStep(repository, 1, 's0')]);

async function uploadThird(repository: Repository, acknowledged: Map<string, string>, maybe: Map<string, string>) {
  maybe.set('s2', volumeAt(2).volume.sum());
  const [snapshot, sum] = await takeStep(repository, 2, 's1');
  acknowledged.set(snapshot, sum);
}

async function deleteOne(repository: Repository, acknowledged: Map<string, string>, maybe: Map<string, string>) {
  maybe.set('s0', acknowledged.get('s0') ?? '');
  acknowledged.delete('s0');
  await repository.delete(line('s0'));
  maybe.delete('s0');
}

const SCENES: readonly Scene[] = [
  {
    name: 'the first upload',
    prepare: async () => new Map(),
    async act(repository, acknowledged, maybe) {
      maybe.set('s0', volumeAt(0).volume.sum());
      acknowledged.set(...(await takeStep(repository, 0)));
    },
  },
  { name: 'an incremental upload', prepare: twoSnapshots, act: uploadThird },
  { name: 'a delete', prepare: twoSnapshots, act: deleteOne },
  {
    name: 'a collection',
    async prepare(repository) {
      const sums = await twoSnapshots(repository);
      await repository.delete(line('s0'));
      sums.delete('s0');
      return sums;
    },
    act: async (repository) => collectAll(repository),
  },
  {
    name: 'an upload between the steps of a collection',
    async prepare(repository) {
      const sums = await twoSnapshots(repository);
      await repository.delete(line('s1'));
      sums.delete('s1');
      return sums;
    },
    async act(repository, acknowledged, maybe) {
      const collector = await repository.collector({ holder: 'test' });
      await collector.collect();
      maybe.set('s2', volumeAt(2).volume.sum());
      // From s0, reading all: finds what s1 alone had uploaded, which is condemned by now.
      const { volume } = volumeAt(2);
      await take(repository, volume, { snapshot: 's2', base: 's0', streams: 2 });
      acknowledged.set('s2', volume.sum());
      for (let i = 0; i < 4; i++) await collector.collect();
    },
  },
  {
    name: 'a reader of what is deleted',
    prepare: twoSnapshots,
    async act(repository, acknowledged, maybe) {
      const sum = acknowledged.get('s0');
      const open = await repository.open(line('s0'));
      await deleteOne(repository, acknowledged, maybe);
      const collector = await repository.collector({ holder: 'test' });
      for (let i = 0; i < 4; i++) await collector.collect();
      const bytes = Buffer.alloc(open.info.sizeBytes);
      await open.restore({ write: async (offset, chunk) => void bytes.set(chunk, offset) });
      if (sumOf(bytes) !== sum) throw new Error('swept from under a reader');
      await open.close();
    },
  },
  {
    name: 'a cancelled upload',
    prepare: twoSnapshots,
    async act(repository, _, maybe) {
      const { volume } = volumeAt(2);
      maybe.set('s2', volume.sum());
      const base = { lineage: 'line', volume: 'vol', sizeBytes: volume.bytes.length, chunkBytes: CHUNK };
      const session = await repository.beginUpload({
        ...base,
        snapshot: 's2',
        changed: 'all',
        source: volume.source(),
      });
      const running = session.run().then(
        () => undefined,
        (error) => error,
      );
      await session.cancel().catch((error) => {
        if (error instanceof Died) throw error;
      });
      const error = await running;
      if (error instanceof Died) throw error;
    },
  },
];

function copyOf(store: MemoryObjects): MemoryObjects {
  const copy = new MemoryObjects();
  for (const [name, object] of store.objects) copy.objects.set(name, object);
  return copy;
}

async function attempt(
  store: MemoryObjects,
  options: MemoryClientOptions,
  scene: Scene,
  outcome: { acknowledged: Map<string, string>; maybe: Map<string, string> },
): Promise<MemoryClient | undefined> {
  try {
    const { client, repository } = await openMemory(store, options);
    await scene.act(repository, outcome.acknowledged, outcome.maybe);
    return client;
  } catch (error) {
    if (error instanceof Died) return undefined;
    throw error;
  }
}

for (const scene of SCENES) {
  t.test(`a crash at every step of ${scene.name}`, async (t) => {
    const prepared = new MemoryObjects();
    const { repository } = await openMemory(prepared);
    const before = await scene.prepare(repository);
    let steps = 0;
    for (const dieAfterEffect of [false, true]) {
      for (let dieAt = 1; ; dieAt++) {
        const store = copyOf(prepared);
        const outcome = { acknowledged: new Map(before), maybe: new Map<string, string>() };
        const finished = await attempt(store, { dieAt, dieAfterEffect }, scene, outcome);
        const label = `${scene.name}, ${dieAfterEffect ? 'after' : 'before'} operation ${dieAt}`;
        try {
          // Given-up readers stay registered until they are given up: here at once.
          for (const name of store.names('readers/')) store.objects.delete(name);
          await checkAfterCrash(store, outcome.acknowledged, outcome.maybe);
        } catch (error) {
          t.fail(`${label}: ${(error as Error).message}`);
          return;
        }
        if (finished) break;
        steps++;
      }
    }
    t.ok(steps > 4, `${steps} crashes`);
    t.comment(`${steps} crashes`);
  });
}

t.test('an uploader that died is followed by one that ends its work, at every step', async (t) => {
  const leaves = 5;
  const sizeBytes = leaves * 1024 * CHUNK;
  // Two chunks in each leaf, all different.
  const fill = (index: number): Buffer => Buffer.alloc(CHUNK, `chunk ${index}`);
  let reads = 0;
  const source = {
    async read(offset: number) {
      reads++;
      return fill(offset / CHUNK);
    },
    async allocated(offset: number, length: number) {
      const data = { offset: offset + CHUNK, length: 2 * CHUNK, data: true };
      const end = data.offset + data.length;
      return [
        { offset, length: CHUNK, data: false },
        data,
        { offset: end, length: offset + length - end, data: false },
      ];
    },
  };
  const options = {
    lineage: 'line',
    snapshot: 's',
    volume: 'vol',
    sizeBytes,
    chunkBytes: CHUNK,
    changed: 'all',
  } as const;
  const upload = async (repository: Repository) =>
    (await repository.beginUpload({ ...options, source, pointInTime: 'p', streams: 2 })).run();
  let [resumed, spared] = [0, 0];
  for (let dieAt = 1; ; dieAt++) {
    const store = new MemoryObjects();
    await openMemory(store);
    const first = await openMemory(store, { dieAt }, { checkpointLeaves: 1 }).catch(() => undefined);
    if (
      first &&
      (await upload(first.repository).then(
        () => true,
        () => false,
      ))
    )
      break;
    const { repository, client } = await openMemory(store);
    const there = store.names('chunks/').length;
    reads = 0;
    const committed = (await repository.list()).length === 1;
    if (!committed) await upload(repository);
    resumed++;
    if (!committed && reads < 2 * leaves) spared++;
    const uploaded = client.log.filter((each) => each.startsWith('put chunks/')).length;
    t.equal(there + uploaded, 2 * leaves, `operation ${dieAt}: nothing is uploaded again`);
    const { damaged, chunks } = await repository.check({ lineage: 'line', snapshot: 's' });
    t.same({ damaged, chunks }, { damaged: [], chunks: 2 * leaves }, `operation ${dieAt}`);
    await collectAll(repository);
    t.same(store.names('work/').concat(store.names('progress/')), []);
  }
  t.ok(resumed > 30 && spared > 5, `${resumed} uploads were taken up, ${spared} did not look at everything again`);
});

t.test('who lost an upload cannot commit it', async (t) => {
  const store = new MemoryObjects();
  const { repository } = await openMemory(store);
  const { volume } = volumeAt(0);
  const options = { lineage: 'line', volume: 'vol', sizeBytes: volume.bytes.length, chunkBytes: CHUNK } as const;
  const begin = () => repository.beginUpload({ ...options, snapshot: 's', changed: 'all', source: volume.source() });
  const first = await begin();
  const second = await begin();
  t.equal(second.resumed, true);
  await t.rejects(first.run(), { code: 'UploadLost' });
  const third = await begin();
  await repository.abandonUpload(line('s'));
  await t.rejects(third.run(), { code: 'UploadLost' });
  t.same(await repository.list(), []);
  await take(repository, volume, { snapshot: 's' });
  t.equal(sumOf(await restored(repository, 's')), volume.sum());
  await checkAfterCrash(store, new Map([['s', volume.sum()]]), new Map());
});
