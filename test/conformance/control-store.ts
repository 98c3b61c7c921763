/** What every `ControlStore` must do; run on LMDB and on memory. `open` gives one more store over the same contents. */
import process from 'node:process';
import type { Test } from 'tap';
import {
  type ControlStore,
  defineTable,
  joinKey,
  type ScanRange,
  splitKey,
  storeFaults,
} from '../../control/contract.ts';
import { stayAlive } from '../../fabric/clock.ts';
import { createSeededRandom } from '../../fabric/random.ts';

export interface StoreSubject {
  open(): Promise<ControlStore>;
  /** Whether stores over the same contents may be open side by side. */
  readonly shared: boolean;
}

interface Counter {
  readonly count: number;
}

const COUNTERS = defineTable<Counter>('test.counters');
const DOCTORS = defineTable<{ onCall: boolean }>('test.doctors');
const NOTES = defineTable<{ text: string; bytes?: Uint8Array; parts?: unknown[] }>('test.notes');

export async function storeConformance(t: Test, subject: StoreSubject): Promise<void> {
  const parts: readonly [string, (t: Test, subject: StoreSubject) => Promise<void>][] = [
    ['rows come back, also after a restart', keepsRows],
    ['scans: prefix, bounds, limit, reverse, own writes', scans],
    ['large rows, many rows', keepsLargeRows],
    ['against a model: random reads, scans and writes', followsModel],
    ['a body that throws writes nothing', throwsWriteNothing],
    ['a snapshot does not move', snapshotsStand],
    ['concurrent increments are exact', increments],
    ['write skew is refused', refusesSkew],
    ['a phantom is noticed', noticesPhantoms],
    ['a body that dawdles does not hold up others for ever', dawdles],
    ['leases: one holder, expiry, fencing', leases],
    ['the change feed', feeds],
    ['waiting for a change', waits],
  ];
  const awake = stayAlive();
  t.teardown(() => awake.cancel());
  for (const [name, run] of parts) await t.test(name, (t) => run(t, subject));
  if (subject.shared) await t.test('two processes over one store', (t) => sharesContents(t, subject));
}

const put = (store: ControlStore, key: string, text: string): Promise<void> =>
  store.write(async (tx) => tx.put(NOTES, key, { text }));

const increment = (store: ControlStore, key = 'one'): Promise<number> =>
  store.write(async (tx) => {
    const count = ((await tx.get(COUNTERS, key))?.count ?? 0) + 1;
    tx.put(COUNTERS, key, { count });
    return count;
  });

async function keepsRows(t: Test, { open }: StoreSubject): Promise<void> {
  let store = await open();
  const bytes = Buffer.from([0, 255, 7]);
  const row = { text: 'Zürich \u{1F30D}', bytes, parts: [1, -2.5, null, true, { a: 'b' }, 2 ** 40] };
  const source = structuredClone(row);
  await store.write(async (tx) => {
    tx.put(NOTES, 'ключ', source);
    source.text = 'changed after put';
    t.equal((await tx.get(NOTES, 'ключ'))?.text, row.text, 'own writes are seen');
    t.equal((await tx.getRow(NOTES, 'ключ'))?.revision, 0);
    t.equal(await tx.get(NOTES, 'other'), undefined);
  });
  await put(store, 'gone', 'x');
  await store.write(async (tx) => tx.delete(NOTES, 'gone'));
  await store.close();
  store = await open();
  await store.read(async (tx) => {
    t.same(await tx.get(NOTES, 'ключ'), row);
    t.equal((await tx.getRow(NOTES, 'ключ'))?.revision, 1);
    t.equal(await tx.get(NOTES, 'gone'), undefined);
    t.equal(tx.revision, 3);
  });
  await t.rejects(put(store, 'k'.repeat(2000), 'x'), { code: storeFaults.tooLarge });
  await t.rejects(put(store, 'k', 'x'.repeat(5e6)), { code: storeFaults.tooLarge });
  await store.write(async (tx) => tx.delete(NOTES, 'ключ'));
  await store.close();
}

async function scans(t: Test, { open }: StoreSubject): Promise<void> {
  const store = await open();
  const names = ['a', joinKey('a', 'x'), joinKey('a', 'y'), 'b', 'ba', 'bb', 'é', '\u{1F30D}'];
  await store.write(async (tx) => {
    for (const key of names) tx.put(NOTES, key, { text: key });
  });
  const keys = (range: object): Promise<string[]> =>
    store.read(async (tx) => (await tx.scan(NOTES, range)).map(({ key, value }) => (key === value.text ? key : '!')));
  t.same(await keys({}), names);
  t.same(await keys({ reverse: true }), [...names].reverse());
  t.same(await keys({ prefix: 'a' }), names.slice(0, 3));
  t.same(
    (await keys({ prefix: joinKey('a', '') })).map((key) => splitKey(key)[1]),
    ['x', 'y'],
  );
  t.same(await keys({ prefix: 'b', after: 'b', limit: 1 }), ['ba']);
  t.same(await keys({ start: 'b', end: 'bb' }), ['b', 'ba']);
  t.same(await keys({ start: 'b', reverse: true, limit: 2 }), ['\u{1F30D}', 'é']);
  t.same(await keys({ start: 'x', end: 'a' }), []);
  t.same(await keys({ limit: 0 }), []);
  await store.write(async (tx) => {
    tx.delete(NOTES, 'b');
    tx.put(NOTES, 'az', { text: 'az' });
    tx.put(NOTES, 'ba', { text: 'new' });
    tx.put(COUNTERS, 'b', { count: 1 });
    const rows = await tx.scan(NOTES, { start: 'az', limit: 3 });
    t.same(
      rows.map(({ key, value }) => [key, value.text]),
      [
        ['az', 'az'],
        ['ba', 'new'],
        ['bb', 'bb'],
      ],
    );
    const back = await tx.scan(NOTES, { end: 'bb', limit: 2, reverse: true });
    t.same(
      back.map(({ key }) => key),
      ['ba', 'az'],
    );
  });
  await store.write(async (tx) => {
    for (const { key } of await tx.scan(NOTES)) tx.delete(NOTES, key);
    tx.delete(COUNTERS, 'b');
    t.same(await tx.scan(NOTES), []);
  });
  await store.close();
}

async function keepsLargeRows(t: Test, { open }: StoreSubject): Promise<void> {
  const store = await open();
  const text = 'large '.repeat(200_000);
  const bytes = Buffer.alloc(100_000, 7);
  await store.write(async (tx) => {
    for (let i = 0; i < 20; i++) tx.put(NOTES, `large ${i}`, i % 2 ? { text: `${i}`, bytes } : { text: `${i}${text}` });
    for (let i = 0; i < 2000; i++) tx.put(NOTES, `many ${i}`, { text: `${i}` });
  });
  await store.write(async (tx) => {
    const rows = await tx.scan(NOTES, { prefix: 'large ' });
    t.equal(rows.length, 20);
    for (const { key, value } of rows) {
      const i = Number(key.slice(6));
      t.ok(i % 2 ? bytes.equals(value.bytes ?? Buffer.alloc(0)) : value.text === `${i}${text}`, key);
      t.same(await tx.get(NOTES, key), value);
      tx.delete(NOTES, key);
    }
    t.equal((await tx.scan(NOTES, { prefix: 'many ' })).length, 2000);
    for (let i = 0; i < 2000; i++) tx.delete(NOTES, `many ${i}`);
  });
  await store.close();
}

/** Many writers at once, each upon what it read; what they saw and did must be the history of one after another. */
async function followsModel(t: Test, { open }: StoreSubject): Promise<void> {
  const seed = Number(process.env['SEED'] ?? 4711);
  t.comment(`SEED=${seed}`);
  const random = createSeededRandom(seed);
  const store = await open();
  interface Done {
    readonly revision: number;
    readonly reads: readonly (readonly [range: ScanRange, seen: string])[];
    readonly writes: readonly (readonly [key: string, text: string | undefined])[];
  }
  const done: Done[] = [];
  const name = (): string => `m${random.below(12)}`;
  const one = async (index: number): Promise<void> => {
    const plan = Array.from({ length: 1 + random.below(4) }, () => ({
      range: random.below(2)
        ? { start: name(), end: `${name()}~`, limit: 1 + random.below(4), reverse: random.below(2) === 1 }
        : { prefix: name(), limit: 1 },
      key: name(),
      deletes: random.below(4) === 0,
      writes: random.below(3) > 0,
    }));
    let last: Omit<Done, 'revision'> = { reads: [], writes: [] };
    await store.write(async (tx) => {
      const reads: [ScanRange, string][] = [];
      const writes: [string, string | undefined][] = [];
      for (const { range } of plan)
        reads.push([range, show((await tx.scan(NOTES, range)).map(({ key, value }) => [key, value.text]))]);
      for (const { key, deletes, writes: does } of plan) {
        if (!does) continue;
        writes.push([key, deletes ? undefined : `${index}`]);
        if (deletes) tx.delete(NOTES, key);
        else tx.put(NOTES, key, { text: `${index}` });
      }
      tx.put(COUNTERS, `w${index}`, { count: index });
      last = { reads, writes };
    });
    const revision = (await store.read((tx) => tx.getRow(COUNTERS, `w${index}`)))?.revision ?? 0;
    done.push({ revision, ...last });
  };
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 30 }, (_, i) => one(round * 30 + i)));
  const model = new Map<string, string>();
  for (const { revision, reads, writes } of done.sort((a, b) => a.revision - b.revision)) {
    for (const [range, seen] of reads) t.equal(show(scanModel(model, range)), seen, `revision ${revision}`);
    for (const [key, text] of writes) text === undefined ? model.delete(key) : model.set(key, text);
  }
  t.equal(done.length, 300);
  await store.write(async (tx) => {
    for (const { key } of await tx.scan(NOTES)) tx.delete(NOTES, key);
    for (const { key } of await tx.scan(COUNTERS)) tx.delete(COUNTERS, key);
  });
  await store.close();
}

const show = (rows: readonly (readonly string[])[]): string => JSON.stringify(rows);

function scanModel(model: ReadonlyMap<string, string>, range: ScanRange): [string, string][] {
  const { prefix = '', start = '', end = '\uffff', limit = Infinity, reverse } = range;
  const keys = [...model.keys()].filter((key) => key.startsWith(prefix) && key >= start && key < end).sort();
  if (reverse) keys.reverse();
  return keys.slice(0, limit).map((key) => [key, model.get(key) as string]);
}

async function throwsWriteNothing(t: Test, { open }: StoreSubject): Promise<void> {
  const store = await open();
  const before = await store.revision();
  const failing = store.write(async (tx) => {
    tx.put(NOTES, 'half', { text: 'x' });
    throw new Error('on purpose');
  });
  await t.rejects(failing, /on purpose/);
  t.equal(await store.read((tx) => tx.get(NOTES, 'half')), undefined);
  t.equal(await store.revision(), before);
  const escaped = await store.write(async (tx) => tx);
  await t.rejects(escaped.get(NOTES, 'x'), /after its body/);
  await store.close();
}

async function snapshotsStand(t: Test, { open }: StoreSubject): Promise<void> {
  const store = await open();
  await put(store, 'snap', 'old');
  await store.read(async (tx) => {
    await put(store, 'snap', 'new');
    await put(store, 'snap2', 'new');
    t.equal((await tx.get(NOTES, 'snap'))?.text, 'old');
    t.equal((await tx.scan(NOTES, { prefix: 'snap' })).length, 1);
  });
  t.equal((await store.read((tx) => tx.get(NOTES, 'snap')))?.text, 'new', 'a read after a write sees it');
  await store.close();
}

async function increments(t: Test, { open }: StoreSubject): Promise<void> {
  const store = await open();
  const seen = await Promise.all(Array.from({ length: 300 }, () => increment(store)));
  t.same(
    seen.sort((a, b) => a - b),
    Array.from({ length: 300 }, (_, i) => i + 1),
  );
  await Promise.all(Array.from({ length: 100 }, (_, i) => increment(store, `own ${i}`)));
  const rows = await store.read((tx) => tx.scan(COUNTERS, { prefix: 'own ' }));
  t.equal(rows.length, 100);
  t.equal(new Set(rows.map(({ revision }) => revision)).size, 100, 'a revision for each write');
  await store.close();
}

async function refusesSkew(t: Test, { open }: StoreSubject): Promise<void> {
  const store = await open();
  for (let round = 0; round < 10; round++) {
    await store.write(async (tx) => {
      for (const name of ['ada', 'bob']) tx.put(DOCTORS, name, { onCall: true });
    });
    const leave = (name: string, other: string): Promise<boolean> =>
      store.write(async (tx) => {
        if ((await tx.get(DOCTORS, other))?.onCall !== true) return false;
        tx.put(DOCTORS, name, { onCall: false });
        return true;
      });
    const left = await Promise.all([leave('ada', 'bob'), leave('bob', 'ada')]);
    t.equal(left.filter(Boolean).length, 1, 'one of two may leave');
  }
  await store.close();
}

async function noticesPhantoms(t: Test, { open }: StoreSubject): Promise<void> {
  const store = await open();
  const claim = (name: string, range: object): Promise<boolean> =>
    store.write(async (tx) => {
      if ((await tx.scan(NOTES, range)).length > 0) return false;
      tx.put(NOTES, `room ${name}`, { text: name });
      return true;
    });
  const wins = await Promise.all(Array.from({ length: 20 }, (_, i) => claim(`${i}`, { prefix: 'room ' })));
  t.equal(wins.filter(Boolean).length, 1);
  // Beyond what a scan with a limit has seen, nothing is its business.
  let runs = 0;
  await store.write(async (tx) => {
    runs++;
    await tx.scan(NOTES, { prefix: 'room ', limit: 1 });
    if (runs === 1) await put(store, 'room zz', 'elsewhere');
    tx.put(NOTES, 'unrelated', { text: 'x' });
  });
  t.equal(runs, 1);
  await store.write(async (tx) => {
    for (const { key } of await tx.scan(NOTES)) tx.delete(NOTES, key);
  });
  await store.close();
}

async function dawdles(t: Test, { open }: StoreSubject): Promise<void> {
  const store = await open();
  // A body that writes from within is a mistake; it must end, one way or the other, and not stop the store.
  let runs = 0;
  const nested = store.write(async (tx) => {
    const count = (await tx.get(COUNTERS, 'nested'))?.count ?? 0;
    if (++runs <= 2) await increment(store, 'nested');
    tx.put(COUNTERS, 'nested', { count: count + 10 });
  });
  await nested;
  t.equal((await store.read((tx) => tx.get(COUNTERS, 'nested')))?.count, 12);
  t.ok(runs >= 3);
  await store.close();
}

async function leases(t: Test, { open }: StoreSubject): Promise<void> {
  const store = await open();
  const mine = await store.lease('job', 'me', 60_000);
  if (!mine) throw new Error('a free lease is not had');
  t.equal(await store.lease('job', 'you', 60_000), undefined);
  const renewed = await store.renew(mine, 90_000);
  t.equal(renewed?.token, mine.token);
  t.ok((renewed?.expiresAtMs ?? 0) > mine.expiresAtMs);
  await store.write(async (tx) => tx.put(NOTES, 'fenced', { text: 'mine' }), { fence: mine });
  await store.release(mine);
  const yours = await store.lease('job', 'you', 0);
  t.ok((yours?.token ?? 0) > mine.token, 'tokens grow');
  const stale = store.write(async (tx) => tx.put(NOTES, 'fenced', { text: 'stale' }), { fence: mine });
  await t.rejects(stale, { code: storeFaults.leaseLost });
  t.equal((await store.read((tx) => tx.get(NOTES, 'fenced')))?.text, 'mine');
  t.equal(await store.renew(mine, 1000), undefined);
  // Expired at once, so somebody else may have it; its holder may write until then.
  if (yours) await store.write(async (tx) => tx.put(NOTES, 'fenced', { text: 'yours' }), { fence: yours });
  const again = await store.lease('job', 'me', 60_000);
  t.ok(again);
  const restarted = await store.lease('job', 'me', 60_000);
  t.ok((restarted?.token ?? 0) > (again?.token ?? 0), 'the same holder anew fences itself off');
  if (again)
    await t.rejects(
      store.write(async () => 1, { fence: again }),
      { code: storeFaults.leaseLost },
    );
  // Taken between the body's run and its commit.
  if (!restarted) throw new Error('the lease is not had again');
  const raced = store.write(
    async (tx) => {
      await store.lease('job', 'me', 1000);
      tx.put(NOTES, 'fenced', { text: 'raced' });
    },
    { fence: restarted },
  );
  await t.rejects(raced, { code: storeFaults.leaseLost });
  await store.close();
}

async function feeds(t: Test, { open }: StoreSubject): Promise<void> {
  const store = await open();
  const after = await store.revision();
  await put(store, 'f1', 'x');
  await store.write(async (tx) => {
    tx.delete(NOTES, 'f1');
    tx.put(COUNTERS, 'f2', { count: 1 });
  });
  await store.lease('quiet', 'me', 1000);
  const all = await store.changes({ after });
  t.same(all, {
    revision: after + 3,
    changes: [
      { revision: after + 1, table: 'test.notes', key: 'f1', deleted: false },
      { revision: after + 2, table: 'test.notes', key: 'f1', deleted: true },
      { revision: after + 2, table: 'test.counters', key: 'f2', deleted: false },
    ],
  });
  const some = await store.changes({ after, tables: [COUNTERS], limit: 2 });
  t.same(
    some.changes.map(({ key }) => key),
    ['f2'],
  );
  t.equal(some.revision, after + 2);
  t.same(await store.changes({ after: after + 3 }), { changes: [], revision: after + 3 });
  await store.close();
}

async function waits(t: Test, { open }: StoreSubject): Promise<void> {
  const store = await open();
  const now = await store.revision();
  t.equal(await store.waitForChange(now, 1), now);
  const waiting = store.waitForChange(now, 10_000);
  await increment(store, 'waited');
  t.equal(await waiting, now + 1);
  t.equal(await store.waitForChange(now, 10_000), now + 1);
  const closing = store.waitForChange(now + 1, 10_000);
  await store.revision();
  await store.close();
  t.equal(await closing, now + 1);
}

async function sharesContents(t: Test, { open }: StoreSubject): Promise<void> {
  const [a, b] = [await open(), await open()];
  const start = (await a.read((tx) => tx.get(COUNTERS, 'shared')))?.count ?? 0;
  const revision = await b.revision();
  const learnt = b.waitForChange(revision, 10_000);
  await a.write(async (tx) => tx.put(NOTES, 'from a', { text: 'a' }));
  t.equal(await learnt, revision + 1);
  t.equal((await b.read((tx) => tx.get(NOTES, 'from a')))?.text, 'a');
  await Promise.all(Array.from({ length: 200 }, (_, i) => increment(i % 2 ? a : b, 'shared')));
  t.equal((await a.read((tx) => tx.get(COUNTERS, 'shared')))?.count, start + 200);
  const lease = await a.lease('between', 'a', 60_000);
  t.equal(await b.lease('between', 'b', 60_000), undefined);
  if (lease) await a.release(lease);
  t.ok(await b.lease('between', 'b', 60_000));
  await a.close();
  await b.close();
}
