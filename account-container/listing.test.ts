/** Listings against the rules applied name by name; bounds; bytes order; cost of a hundred thousand rows (printed). */
import t from 'tap';
import { createSeededRandom } from '../fabric/random.ts';
import { latin1ToUtf8, utf8ToLatin1 } from '../object-server/contract.ts';
import { listLimits, listPage } from './listing.ts';
import type { ListArgs } from './page.ts';
import { allEntries, listArgs, randomArgs, randomName, rowHead, TestDevice } from './test-device.ts';
import { Totals } from './totals.ts';

const seed = Number(process.env['SEED'] ?? 20260601);

function device(): { store: TestDevice; totals: Totals } {
  const totals = new Totals();
  return { totals, store: new TestDevice(totals) };
}

function namesOf(
  args: ListArgs,
  { store, totals }: ReturnType<typeof device>,
  limits = listLimits as typeof listLimits,
): string[] {
  return listPage(store, totals, args, { tombstones: false, limits }).entries.map((entry) => entry.name);
}

t.test(`pages equal the rules applied name by name (seed ${seed})`, async (t) => {
  const random = createSeededRandom(seed);
  for (let round = 0; round < 60; round++) {
    const world = device();
    const live = new Set<string>();
    const operations = 1 + random.below(250);
    for (let tick = 1; tick <= operations; tick++) {
      const name = randomName(random);
      const deleted = random.below(3) === 0;
      world.store.apply(rowHead({ name, ticks: tick, deleted }));
      if (deleted) live.delete(utf8ToLatin1(name));
      else live.add(utf8ToLatin1(name));
    }
    for (let query = 0; query < 60; query++) {
      const args = randomArgs(random);
      const expected = allEntries(live, args);
      const page = listPage(world.store, world.totals, args, { tombstones: false });
      const note = JSON.stringify({ seed, round, args });
      t.strictSame(
        page.entries.map((entry) => entry.name),
        expected.slice(0, args.limit),
        note,
      );
      t.equal(page.truncated, expected.length > args.limit, note);
      t.ok(
        page.entries.every(
          (entry) =>
            (entry.head === null) === entry.name.includes(args.delimiter, args.prefix.length) || args.delimiter === '',
        ),
      );
    }
  }
});

t.test(`pages follow one another without loss or repetition, however small their bounds (seed ${seed})`, async (t) => {
  const random = createSeededRandom(seed + 1);
  for (let round = 0; round < 40; round++) {
    const world = device();
    const live = new Set<string>();
    for (let tick = 1; tick <= 200; tick++) {
      const name = randomName(random);
      const deleted = random.below(2) === 0;
      world.store.apply(rowHead({ name, ticks: tick, deleted }));
      if (deleted) live.delete(utf8ToLatin1(name));
      else live.add(utf8ToLatin1(name));
    }
    const args = randomArgs(random);
    const limits = { ...listLimits, examinedMax: 1 + random.below(20), rowsMax: 1 + random.below(5) };
    const found: string[] = [];
    let next: ListArgs = args;
    for (let pages = 0; ; pages++) {
      if (pages > 2000) throw new Error('the pages never end');
      const page = listPage(world.store, world.totals, next, { tombstones: false, limits });
      found.push(...page.entries.map((entry) => entry.name));
      if (!page.truncated) break;
      next = { ...next, marker: page.entries.at(-1)?.name ?? next.marker, resume: page.resume };
    }
    t.strictSame(found, allEntries(live, args), JSON.stringify({ seed, round, args, limits }));
  }
});

t.test('a marker inside a common prefix: Swift lists the prefix again, S3 does not', async (t) => {
  const world = device();
  for (const name of ['a/1', 'a/2', 'a/3', 'b', 'c/1']) world.store.apply(rowHead({ name, ticks: 7 }));
  const args = listArgs({ delimiter: '/' });
  t.strictSame(namesOf({ ...args, marker: 'a/1' }, world), ['a/', 'b', 'c/']);
  t.strictSame(namesOf({ ...args, marker: 'a/1', markerSkipsPrefix: true }, world), ['b', 'c/']);
  t.strictSame(namesOf({ ...args, marker: 'a/' }, world), ['b', 'c/']);
  t.strictSame(namesOf({ ...args, marker: 'a/3' }, world), ['b', 'c/']);
  t.strictSame(namesOf({ ...args, marker: 'c/', reverse: true }, world), ['b', 'a/']);
  t.strictSame(namesOf({ ...args, endMarker: 'a/', reverse: true }, world), ['c/', 'b']);
});

t.test('names sort by their UTF-8 bytes, not by UTF-16 units', async (t) => {
  const world = device();
  // As UTF-16, the emoji's surrogates (d83d …) sort before U+FF01; as UTF-8, f0 sorts after ef.
  const names = ['a', 'z', 'é', '\uff01', '\u{1f600}'];
  names.toReversed().forEach((name, i) => void world.store.apply(rowHead({ name, ticks: i + 1 })));
  t.strictSame(namesOf(listArgs(), world).map(latin1ToUtf8), names);
});

t.test('names of 1,024 bytes, and names that are not UTF-8, list and page like any other', async (t) => {
  const world = device();
  const long = (last: string): string => `${'n'.repeat(1023)}${last}`;
  for (const [i, name] of [long('a'), long('b'), 'n'].entries()) world.store.apply(rowHead({ name, ticks: i + 1 }));
  // A row key made of bytes, as another writer might have made it.
  const bytes = rowHead({ name: '', ticks: 9 }, `${listArgs().rowPrefix}\xff\xff/x`);
  world.store.apply(bytes);
  t.strictSame(namesOf(listArgs(), world), ['n', long('a'), long('b'), '\xff\xff/x']);
  t.strictSame(namesOf(listArgs({ marker: long('a') }), world), [long('b'), '\xff\xff/x']);
  t.strictSame(namesOf(listArgs({ delimiter: '/', prefix: '\xff' }), world), ['\xff\xff/']);
  t.strictSame(namesOf(listArgs({ prefix: '\xff\xff\xff' }), world), []);
});

t.test('a range of tombstones costs a bounded page that says where it stopped', async (t) => {
  const world = device();
  const count = 3000;
  for (let i = 0; i < count; i++)
    world.store.apply(rowHead({ name: `d${String(i).padStart(5, '0')}`, ticks: 1, deleted: true }));
  world.store.apply(rowHead({ name: 'e', ticks: 1 }));
  const limits = { ...listLimits, examinedMax: 1000 };
  const first = listPage(world.store, world.totals, listArgs(), { tombstones: false, limits });
  t.strictSame([first.entries.length, first.truncated, first.resume], [0, true, 'd00999']);
  let calls = 1;
  let page = first;
  while (page.truncated) {
    page = listPage(world.store, world.totals, listArgs({ resume: page.resume }), { tombstones: false, limits });
    calls++;
  }
  t.strictSame([calls, page.entries.map((entry) => entry.name)], [4, ['e']]);
});

t.test('limit 0 gives an empty, complete page', async (t) => {
  const world = device();
  world.store.apply(rowHead({ name: 'a', ticks: 1 }));
  const page = listPage(world.store, world.totals, listArgs({ limit: 0 }), { tombstones: false });
  t.strictSame([page.entries.length, page.truncated, page.totals.objectCount], [0, false, 1]);
});

t.test('prefixes of many rows are passed by seek, of few by stepping', async (t) => {
  const many = device();
  for (let i = 0; i < 20_000; i++)
    many.store.apply(rowHead({ name: `d${String(i % 100).padStart(3, '0')}/${i}`, ticks: 1 }));
  many.store.seeks = 0;
  t.equal(namesOf(listArgs({ delimiter: '/' }), many).length, 100);
  t.equal(many.store.seeks, 101);
  const few = device();
  for (let i = 0; i < 200; i++)
    few.store.apply(rowHead({ name: `d${String(i >> 1).padStart(3, '0')}/${i}`, ticks: 1 }));
  few.store.seeks = 0;
  t.equal(namesOf(listArgs({ delimiter: '/' }), few).length, 100);
  t.equal(few.store.seeks, 1);
});

t.test('cost over 100,000 rows in memory (printed, not asserted)', async (t) => {
  const world = device();
  for (let i = 0; i < 100_000; i++) {
    const number = String(i).padStart(6, '0');
    world.store.apply(rowHead({ name: `photos/${number.slice(0, 4)}/${number.slice(4)}.jpg`, ticks: i + 1 }));
  }
  const time = (label: string, per: number, args: Partial<ListArgs>): void => {
    for (let i = 0; i < 20; i++) namesOf(listArgs(args), world);
    const before = process.cpuUsage();
    for (let i = 0; i < 50; i++) namesOf(listArgs(args), world);
    const { user, system } = process.cpuUsage(before);
    t.comment(`${label}: ${((user + system) / 50 / per).toFixed(2)} us CPU each`);
  };
  time('row of a page of 1,000', 1000, { marker: 'photos/0500/00.jpg' });
  time('common prefix, 1,000 of 100 rows each', 1000, { prefix: 'photos/', delimiter: '/' });
  t.equal(namesOf(listArgs({ prefix: 'photos/', delimiter: '/' }), world).length, 1000);
});
