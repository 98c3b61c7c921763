/** Merged listings of replicas that each miss something, against the newest state of every name; repairs; gaps. */
import t from 'tap';
import { createSeededRandom, type Random } from '../fabric/random.ts';
import { makeStamp } from '../fabric/stamp.ts';
import { headKey, isTombstone, utf8ToLatin1 } from '../object-server/contract.ts';
import { type ListLimits, listLimits, listPage } from './listing.ts';
import { ListMerge, type MergeOptions, mergeListings, mergePages } from './merge.ts';
import type { ListArgs, ListPage } from './page.ts';
import { allEntries, listArgs, PREFIX, randomArgs, randomName, rowHead, TestDevice } from './test-device.ts';
import { Totals } from './totals.ts';

const seed = Number(process.env['SEED'] ?? 20260603);

class Replica {
  readonly totals = new Totals();
  readonly store = new TestDevice(this.totals);
  readonly limits: { -readonly [name in keyof ListLimits]: number } = { ...listLimits };
  asked = 0;

  readonly listAll = async (args: ListArgs): Promise<ListPage> => this.page(args);

  page(args: ListArgs): ListPage {
    this.asked++;
    return listPage(this.store, this.totals, args, { tombstones: true, limits: this.limits });
  }
}

interface World {
  readonly replicas: Replica[];
  /** Live names, by the newest ballot that anybody holds. */
  readonly live: Set<string>;
}

/** Every write reaches each replica with a chance of its own, but always one. */
function randomWorld(random: Random, operations: number): World {
  const replicas = Array.from({ length: 2 + random.below(2) }, () => new Replica());
  const live = new Set<string>();
  const loss = 2 + random.below(8);
  const deletes = 2 + random.below(3);
  for (let tick = 1; tick <= operations; tick++) {
    const row = { name: randomName(random), ticks: tick, deleted: random.below(deletes) === 0 };
    const head = rowHead(row);
    const sure = random.below(replicas.length);
    for (const [i, replica] of replicas.entries()) if (i === sure || random.below(loss) > 0) replica.store.apply(head);
    const name = utf8ToLatin1(row.name);
    if (row.deleted) live.delete(name);
    else live.add(name);
  }
  return { replicas, live };
}

function randomBounds(random: Random, replicas: readonly Replica[]): MergeOptions {
  if (random.below(2) === 0) return {};
  for (const { limits } of replicas)
    Object.assign(limits, { examinedMax: 1 + random.below(15), rowsMax: 1 + random.below(6) });
  return { slackEntries: 1 + random.below(3), gapRows: 1 + random.below(4) };
}

const names = (page: ListPage): string[] => page.entries.map((entry) => entry.name);

t.test(`a merge equals the newest state of every name (seed ${seed})`, async (t) => {
  const random = createSeededRandom(seed);
  for (let round = 0; round < 150; round++) {
    const { replicas, live } = randomWorld(random, 1 + random.below(250));
    const options = randomBounds(random, replicas);
    for (let query = 0; query < 12; query++) {
      const args = randomArgs(random);
      const note = JSON.stringify({ seed, round, args, options });
      const expected = allEntries(live, args);
      const merge = new ListMerge(args, replicas.length, options);
      for (let rounds = 0; merge.wants().length > 0; rounds++) {
        if (rounds > 5000) throw new Error(`no progress: ${note}`);
        for (const ask of merge.wants()) merge.give(ask.replica, (replicas[ask.replica] as Replica).page(ask.args));
      }
      const page = merge.page();
      t.strictSame(names(page), expected.slice(0, args.limit), note);
      t.equal(page.truncated, expected.length > args.limit, note);
    }
  }
});

t.test(`once the repairs are stored, any replica alone gives the merged page (seed ${seed})`, async (t) => {
  const random = createSeededRandom(seed + 1);
  for (let round = 0; round < 150; round++) {
    const { replicas } = randomWorld(random, 1 + random.below(150));
    const args = randomArgs(random);
    const page = await mergeListings(
      args,
      replicas.map((replica) => replica.listAll),
      { gapRows: 3 },
    );
    for (const repair of page.repairs) replicas[repair.replica]?.store.apply(repair.head);
    for (const replica of replicas) {
      const alone = listPage(replica.store, replica.totals, args, { tombstones: false });
      t.strictSame(names(alone), names(page), JSON.stringify({ seed, round, args }));
    }
    const again = await mergeListings(
      { ...args, limit: page.entries.length },
      replicas.map((replica) => replica.listAll),
    );
    t.strictSame(again.repairs, [], 'nothing is left to repair');
  }
});

t.test(`stopping early loses nothing: the pages add up (seed ${seed})`, async (t) => {
  const random = createSeededRandom(seed + 2);
  for (let round = 0; round < 80; round++) {
    const { replicas, live } = randomWorld(random, 150);
    for (const { limits } of replicas) limits.rowsMax = 1 + random.below(4);
    const args = randomArgs(random);
    const found: string[] = [];
    let next = args;
    for (let pages = 0; ; pages++) {
      if (pages > 3000) throw new Error(`the pages never end: ${JSON.stringify({ seed, round, args })}`);
      const page = mergePages(
        replicas.map((replica) => replica.page(next)),
        next,
      );
      found.push(...names(page));
      if (!page.truncated) break;
      next = { ...next, marker: page.entries.at(-1)?.name ?? next.marker, resume: page.resume };
    }
    t.strictSame(found, allEntries(live, args), JSON.stringify({ seed, round, args }));
  }
});

t.test('a prefix whose only rows were deleted elsewhere is not listed, however many they are', async (t) => {
  const [stale, fresh] = [new Replica(), new Replica()];
  for (let i = 0; i < 5000; i++) {
    const name = `gone/${String(i).padStart(5, '0')}`;
    stale.store.apply(rowHead({ name, ticks: 1 }));
    fresh.store.apply(rowHead({ name, ticks: 2, deleted: true }));
  }
  for (const { store } of [stale, fresh]) store.apply(rowHead({ name: 'here/1', ticks: 3 }));
  const page = await mergeListings(listArgs({ delimiter: '/' }), [stale.listAll, fresh.listAll]);
  t.strictSame(names(page), ['here/']);
  t.equal(page.repairs.length, 5000);
  t.ok(page.repairs.every(({ replica, head }) => replica === 0 && isTombstone(head)));
  t.ok(stale.asked <= 8, `asked in pages, not row by row: ${stale.asked}`);
});

t.test('a row beyond the end of the other replica’s page is not shown before that one was asked for it', async (t) => {
  const [a, b] = [new Replica(), new Replica()];
  for (let i = 0; i < 10; i++) a.store.apply(rowHead({ name: `n${i}`, ticks: 1 }));
  for (let i = 0; i < 10; i++) b.store.apply(rowHead({ name: `n${i}`, ticks: i < 5 ? 1 : 2, deleted: i >= 5 }));
  b.limits.rowsMax = 3;
  const short = mergePages([a.page(listArgs()), b.page(listArgs())], listArgs());
  t.strictSame([names(short), short.truncated], [['n0', 'n1', 'n2'], true]);
  const whole = await mergeListings(listArgs(), [a.listAll, b.listAll]);
  t.strictSame([names(whole), whole.truncated], [['n0', 'n1', 'n2', 'n3', 'n4'], false]);
});

t.test('replicas that agree need one round, and no repairs', async (t) => {
  const replicas = [new Replica(), new Replica(), new Replica()];
  for (let i = 0; i < 500; i++) for (const { store } of replicas) store.apply(rowHead({ name: `n${i}`, ticks: 1 }));
  const page = await mergeListings(
    listArgs({ limit: 100 }),
    replicas.map((replica) => replica.listAll),
  );
  t.strictSame(
    [page.entries.length, page.truncated, page.repairs.length, page.totals.objectCount],
    [100, true, 0, 500],
  );
  t.strictSame(
    replicas.map((replica) => replica.asked),
    [1, 1, 1],
  );
});

t.test('tombstones reclaimed elsewhere are not sent back there', async (t) => {
  const [a, b] = [new Replica(), new Replica()];
  a.store.apply(rowHead({ name: 'old', ticks: 5, deleted: true }));
  a.store.apply(rowHead({ name: 'young', ticks: 50, deleted: true }));
  const page = await mergeListings(listArgs(), [a.listAll, b.listAll], { reclaimedBelow: makeStamp(10, 0) });
  t.strictSame(
    page.repairs.map(({ replica, head }) => [replica, headKey(head).slice(PREFIX.length)]),
    [[1, 'young']],
  );
});
