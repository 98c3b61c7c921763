import process from 'node:process';
import t from 'tap';
import { createSeededRandom, systemRandom } from '../../fabric/random.ts';
import { Coverage } from './coverage.ts';

const seed = Number(process.env['SEED'] ?? systemRandom.below(2 ** 31));
t.comment(`SEED=${seed}`);

t.test('agrees with a byte map, in any order, with and without overlaps', async (t) => {
  const random = createSeededRandom(seed);
  for (let round = 0; round < 2000; round++) {
    const size = 1 + random.below(40);
    const map = new Uint8Array(size);
    const coverage = new Coverage();
    for (let step = 0; step < 30; step++) {
      const start = random.below(size);
      const length = 1 + random.below(Math.min(6, size - start));
      const clash = map.subarray(start, start + length).includes(1);
      const added = coverage.add(start, length);
      if (added === clash) throw new Error(`round ${round}: add(${start}, ${length}) gave ${added}`);
      if (clash) break;
      map.fill(1, start, start + length);
      if (coverage.covers(size) === map.includes(0)) throw new Error(`round ${round}: covers is wrong`);
    }
  }
  t.pass('same answers');
});
