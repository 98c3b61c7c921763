/** Bugs planted on purpose are found within a few seeds: the rules of the simulator are able to fail. */
import t from 'tap';
import { type Plant, plants } from './plants.ts';
import { type Focus, simulate } from './simulate.ts';

const OPERATIONS = 120;
const TIMEOUT_MS = 230_000;

/** Where each is looked for, from which seed on, and within how many it must be found: as many as it takes, and a few. */
const SEARCHES: readonly (readonly [keyof typeof plants, Focus, number, number])[] = [
  ['datasync does nothing', 'all', 1, 3],
  ['quorum of one', 'all', 1, 3],
  ['listing row forgotten', 'all', 1, 3],
  ['listing row not waited for', 'all', 1, 10],
  ['handoff copy counted', 'all', 1, 10],
  ['reads ask one replica', 'all', 1, 15],
  ['conditional write without promise', 'race', 1, 25],
  ['equal stamps', 'all', 1, 30],
  ['guard ignored', 'all', 1, 30],
  ['promises forgotten', 'versions', 85, 10],
];

t.setTimeout(TIMEOUT_MS);
for (const [name, focus, from, seeds] of SEARCHES) {
  t.test(name, { timeout: TIMEOUT_MS }, async (t) => {
    for (let seed = from; seed < from + seeds; seed++) {
      const { violation } = await simulate({ seed, operations: OPERATIONS, focus, plant: plants[name] as Plant });
      if (violation !== undefined) return void t.pass(`seed ${seed}: ${violation.split('\n')[0]}`);
    }
    t.fail(`not found by seeds ${from} to ${from + seeds - 1}`);
  });
}
