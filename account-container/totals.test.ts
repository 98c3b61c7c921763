/** Totals and digests: against a count of the rows, in any order of arrival, through checkpoints, replays and damage. */
import t from 'tap';
import { createSeededRandom, type Random } from '../fabric/random.ts';
import { makeStamp } from '../fabric/stamp.ts';
import { encodeHead, FLAG_TOMBSTONE, type Key } from '../object-server/contract.ts';
import { newestTotals, sameListing } from './page.ts';
import { accountPrefix, tablePrefix } from './prefix.ts';
import { encodeRecord } from './row-format.ts';
import { CONTAINER_HASH, INCARNATION, PREFIX, randomName, rowHead, TestDevice } from './test-device.ts';
import { countRows, Totals } from './totals.ts';

const seed = Number(process.env['SEED'] ?? 20260602);

function randomHeads(random: Random, count: number, prefixes = [PREFIX]): Buffer[] {
  const heads: Buffer[] = [];
  for (let tick = 1; tick <= count; tick++) {
    const row = { name: randomName(random, 3), ticks: tick, deleted: random.below(3) === 0 };
    const change = { sizeBytes: random.below(1e9), policy: random.below(3), flags: random.below(5) === 0 ? 4 : 0 };
    heads.push(rowHead({ ...row, ...change }, prefixes[random.below(prefixes.length)]));
  }
  return heads;
}

function shuffle<T>(random: Random, items: readonly T[]): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}

const tables = (count: number): Key[] =>
  Array.from({ length: count }, (_, i) => tablePrefix(CONTAINER_HASH, makeStamp(i + 1, 1), 0));

t.test(`any order of arrival ends in the same totals, equal to a count (seed ${seed})`, async (t) => {
  const random = createSeededRandom(seed);
  for (let round = 0; round < 30; round++) {
    const heads = randomHeads(random, 1 + random.below(300));
    const [one, two] = [new Totals(), new Totals()];
    const [a, b] = [new TestDevice(one), new TestDevice(two)];
    for (const head of heads) a.apply(head);
    for (const head of shuffle(random, heads)) b.apply(head);
    const totals = one.read(PREFIX, a);
    t.strictSame(two.read(PREFIX, b), totals);
    t.strictSame(countRows(a, PREFIX).snapshot(), totals);
    const live = [...a.views.values()].filter((view) => !view.tombstone);
    t.equal(totals.objectCount, live.length);
    if (live.length === 0) continue;
    a.apply(rowHead({ name: 'one more', ticks: 999 }));
    t.notOk(sameListing(one.read(PREFIX, a), totals));
    t.equal(newestTotals([totals, one.read(PREFIX, a)])?.objectCount, live.length + 1);
  }
});

t.test('the digest sees a swapped ballot, a swapped name and a lost row', async (t) => {
  const digest = (rows: [string, number][]): string => {
    const totals = new Totals();
    const store = new TestDevice(totals);
    for (const [name, ticks] of rows) store.apply(rowHead({ name, ticks, sizeBytes: 1 }));
    return totals.read(PREFIX, store).digest;
  };
  const all = new Set([
    digest([]),
    digest([
      ['a', 1],
      ['b', 2],
    ]),
    digest([
      ['a', 2],
      ['b', 1],
    ]),
    digest([['a', 1]]),
    digest([
      ['ab', 1],
      ['', 2],
    ]),
  ]);
  t.equal(all.size, 5);
  const many = new Set<string>();
  for (let i = 0; i < 20_000; i++) many.add(digest([[`object-${i}`, 1]]).slice(0, 8));
  t.ok(many.size > 19_990, `one lane tells 20,000 similar names apart: ${many.size}`);
});

t.test(`replay from a checkpoint counts nothing twice, with a tiny cache (seed ${seed})`, async (t) => {
  const random = createSeededRandom(seed + 1);
  for (let round = 0; round < 30; round++) {
    const prefixes = tables(12);
    const heads = randomHeads(random, 400, prefixes);
    const disk = new Map<Key, Buffer>();
    const totals = new Totals(2);
    totals.open((key) => disk.get(key));
    const store = new TestDevice(totals);
    let committedAt = 0;
    let underWay: ReturnType<Totals['checkpoint']> = [];
    const commit = (): void => {
      for (const [key, value] of underWay) value === null ? disk.delete(key) : disk.set(key, Buffer.from(value));
      underWay = [];
    };
    heads.forEach((head, i) => {
      store.apply(head);
      const dice = random.below(40);
      if (dice === 0) {
        commit();
        underWay = totals.checkpoint();
        committedAt = i + 1;
      }
      if (dice === 1)
        t.strictSame(totals.read(prefixes[0] as Key, store), countRows(store, prefixes[0] as Key).snapshot());
    });
    commit();
    // A start: registers as of the checkpoint, then the tail of the log.
    const silent = new TestDevice();
    for (const head of heads.slice(0, committedAt)) silent.apply(head);
    const again = new Totals(2);
    again.open((key) => disk.get(key));
    const restarted = new TestDevice(again);
    for (const [key, view] of silent.views) restarted.adopt(key, view);
    for (const head of heads.slice(committedAt)) restarted.apply(head);
    for (const prefix of prefixes) {
      const { newest: _, ...sums } = again.read(prefix, restarted);
      const { newest: __, ...counted } = countRows(restarted, prefix).snapshot();
      t.strictSame(sums, counted, JSON.stringify({ seed, round }));
    }
    t.ok(again.tableCount <= 12);
  }
});

t.test('clean tables are evicted, changed ones are kept', async (t) => {
  const disk = new Map<Key, Buffer>();
  const totals = new Totals(3);
  totals.open((key) => disk.get(key));
  const store = new TestDevice(totals);
  const prefixes = tables(20);
  for (const prefix of prefixes) store.apply(rowHead({ name: 'x', ticks: 1 }, prefix));
  t.equal(totals.tableCount, 20);
  for (const [key, value] of totals.checkpoint()) if (value) disk.set(key, Buffer.from(value));
  t.equal(totals.tableCount, 20, 'still needed: the checkpoint may not be committed yet');
  t.strictSame(totals.checkpoint(), []);
  t.equal(totals.tableCount, 3);
  for (const prefix of prefixes) t.equal(totals.read(prefix, store).objectCount, 1);
  store.apply(rowHead({ name: 'x', ticks: 2, deleted: true }, prefixes[0]));
  t.ok(
    totals.checkpoint().every(([, value]) => value === null),
    'an empty table leaves no record',
  );
});

t.test('damaged totals are counted again, now or after another start', async (t) => {
  const disk = new Map<Key, Buffer>();
  const totals = new Totals();
  const store = new TestDevice(totals);
  const commit = (change = (bytes: Buffer): Buffer => bytes): void => {
    for (const [key, value] of totals.checkpoint()) if (value) disk.set(key, change(Buffer.from(value)));
  };
  for (let i = 0; i < 10; i++) store.apply(rowHead({ name: `n${i}`, ticks: 1, sizeBytes: 5 }));
  commit((bytes) => {
    bytes[20] = (bytes[20] as number) ^ 1;
    return bytes;
  });
  totals.open((key) => disk.get(key));
  store.apply(rowHead({ name: 'n10', ticks: 1, sizeBytes: 5 }));
  commit();
  totals.open((key) => disk.get(key));
  t.strictSame([totals.read(PREFIX, store).objectCount, totals.read(PREFIX, store).bytesUsed], [11, 55]);
  commit();
  totals.open((key) => disk.get(key));
  t.equal(totals.read(PREFIX, new TestDevice()).objectCount, 11, 'whole again: nothing was counted');
});

t.test('a register that was set aside and repaired is not counted twice', async (t) => {
  const totals = new Totals();
  const store = new TestDevice(totals);
  for (const name of ['a', 'b']) store.apply(rowHead({ name, ticks: 1 }));
  store.remove(`${PREFIX}a`);
  totals.lost(`${PREFIX}a`);
  t.equal(totals.read(PREFIX, store).objectCount, 1);
  totals.lost(`${PREFIX}a`);
  store.apply(rowHead({ name: 'a', ticks: 1 }));
  t.equal(totals.read(PREFIX, store).objectCount, 2);
});

t.test('sizes of manifests are not counted, policies are told apart', async (t) => {
  const totals = new Totals();
  const store = new TestDevice(totals);
  store.apply(rowHead({ name: 'plain', ticks: 1, sizeBytes: 10 }));
  store.apply(rowHead({ name: 'manifest', ticks: 1, sizeBytes: 1000, flags: 4 }));
  store.apply(rowHead({ name: 'other', ticks: 1, sizeBytes: 7, policy: 3 }));
  const { objectCount, bytesUsed, perPolicy } = totals.read(PREFIX, store);
  t.strictSame([objectCount, bytesUsed], [3, 17]);
  t.strictSame(perPolicy[3], { rowCount: 1, objectCount: 1, bytesUsed: 7 });
});

t.test('an account counts its containers and sums what they report', async (t) => {
  const totals = new Totals();
  const store = new TestDevice(totals);
  const prefix = accountPrefix(CONTAINER_HASH, undefined);
  const put = (name: string, ticks: number, objectCount: number, deleted = false): void => {
    const stamp = makeStamp(ticks, 1);
    const record = {
      incarnation: INCARNATION,
      policy: 0,
      objectCount,
      bytesUsed: objectCount * 100,
      modifiedStamp: stamp,
    };
    const fields = { key: prefix + name, ballot: stamp, stamp };
    store.apply(encodeHead(deleted ? { ...fields, flags: FLAG_TOMBSTONE } : { ...fields, meta: encodeRecord(record) }));
  };
  put('one', 1, 5);
  put('two', 2, 7);
  put('one', 3, 6);
  put('three', 4, 1);
  put('three', 5, 0, true);
  // Not a record at all: counts as an empty container, in and out.
  store.apply(
    encodeHead({ key: `${prefix}odd`, ballot: makeStamp(6, 1), stamp: makeStamp(6, 1), meta: Buffer.from('?') }),
  );
  const { rowCount, objectCount, bytesUsed } = totals.read(prefix, store);
  t.strictSame({ rowCount, objectCount, bytesUsed }, { rowCount: 3, objectCount: 13, bytesUsed: 1300 });
});

t.test('cost of one applied row (printed, not asserted)', async (t) => {
  const totals = new Totals();
  const heads = Array.from({ length: 1000 }, (_, i) =>
    rowHead({ name: `photos/2026/holiday/IMG_${String(i).padStart(8, '0')}.jpg`, ticks: i + 1 }),
  );
  const store = new TestDevice();
  for (const head of heads) store.apply(head);
  const pairs = [...store.views];
  const run = (rounds: number): void => {
    for (let round = 0; round < rounds; round++) for (const [key, view] of pairs) totals.applied(key, undefined, view);
  };
  run(200);
  const before = process.cpuUsage();
  run(500);
  const { user, system } = process.cpuUsage(before);
  t.comment(`${((user + system) / 500 / pairs.length).toFixed(3)} us CPU per new row`);
  t.equal(totals.read(PREFIX, store).objectCount, 700 * 1000);
});
