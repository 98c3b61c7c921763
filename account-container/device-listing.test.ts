/** Listings and totals on the real device (log, LMDB, checkpoints), through stops, kills and replays. */
import t from 'tap';
import { createSeededRandom } from '../fabric/random.ts';
import { makeStamp } from '../fabric/stamp.ts';
import { utf8ToLatin1 } from '../object-server/contract.ts';
import { createBed } from '../test/engine-bed.ts';
import { listPage } from './listing.ts';
import { allEntries, PREFIX, randomArgs, randomName, rowHead } from './test-device.ts';
import { countRows, Totals } from './totals.ts';

const seed = Number(process.env['SEED'] ?? 20260605);
const BATCH = 40;

t.test(`totals and pages survive stops and kills at any time (seed ${seed})`, async (t) => {
  const random = createSeededRandom(seed);
  const bed = createBed();
  t.teardown(() => bed.remove());
  const live = new Set<string>();
  let ticks = 1;
  for (let life = 0; life < 8; life++) {
    const totals = new Totals(4);
    const device = await bed.open({ projections: [totals], limits: { checkpointRecords: 50 } });
    for (let batch = 0; batch < 6; batch++) {
      const heads: Buffer[] = [];
      for (let i = 0; i < BATCH; i++) {
        const row = {
          name: randomName(random),
          ticks: ticks++,
          deleted: random.below(3) === 0,
          policy: random.below(2),
        };
        heads.push(rowHead(row));
        const name = utf8ToLatin1(row.name);
        if (row.deleted) live.delete(name);
        else live.add(name);
      }
      const outcomes = await device.apply(
        heads.map((head) => ({ head })),
        { writer: 1, settled: makeStamp(0, 0) },
      );
      t.ok(outcomes.every(({ result }) => result === 'ok'));
    }
    for (let query = 0; query < 40; query++) {
      const args = randomArgs(random);
      const page = listPage(device, totals, args, { tombstones: false });
      const note = JSON.stringify({ seed, life, args });
      const expected = allEntries(live, args);
      t.strictSame(
        page.entries.map(({ name }) => name),
        expected.slice(0, args.limit),
        note,
      );
      t.equal(page.truncated, expected.length > args.limit, note);
    }
    const known = totals.read(PREFIX, device);
    t.equal(known.objectCount, live.size);
    t.strictSame(known, countRows(device, PREFIX).snapshot());
    if (random.below(2) === 0) await device.close();
    else await device.abandon();
  }
});
