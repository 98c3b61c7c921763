/**
 * The simulator in short: it does the same twice, the first seeds break no rule, and of conditional writers on one name,
 * coming through different proxies while zones fail, one at a time wins. Long runs: `npm run sim`.
 */
import t, { type Test } from 'tap';
import { type Focus, simulate } from './simulate.ts';

const OPERATIONS = 120;
const SEEDS = 100;
const RACE_SEEDS = 20;
const VERSION_SEEDS = 20;
/** On a machine that is busy elsewhere fewer seeds are run, and their number is told. */
const SEEDS_MS_MAX = 60_000;
const TIMEOUT_MS = 170_000;

const once = (seed: number) => simulate({ seed, operations: OPERATIONS });
t.setTimeout(TIMEOUT_MS);

t.test('the same seed does the same', { timeout: TIMEOUT_MS }, async (t) => {
  const [one, two, other] = [await once(7), await once(7), await once(8)];
  t.equal(one.traceHash, two.traceHash);
  t.not(one.traceHash, other.traceHash);
});

t.test('conditional writers on one name: one at a time wins', { timeout: TIMEOUT_MS }, (t) =>
  hold(t, { seeds: RACE_SEEDS, focus: 'race' }),
);

t.test('writers in a versioned container: every acknowledged version is kept, once', { timeout: TIMEOUT_MS }, (t) =>
  hold(t, { seeds: VERSION_SEEDS, focus: 'versions' }),
);

t.test('no seed breaks a rule', { timeout: TIMEOUT_MS }, (t) => hold(t, { seeds: SEEDS, focus: 'all' }));

async function hold(t: Test, { seeds, focus }: { seeds: number; focus: Focus }): Promise<void> {
  const endMs = performance.now() + SEEDS_MS_MAX;
  let seed = 0;
  while (seed < seeds && performance.now() < endMs) {
    seed++;
    const { violation, tail } = await simulate({ seed, operations: OPERATIONS, focus });
    if (violation === undefined) continue;
    t.comment(tail.slice(-60).join('\n'));
    t.fail(`npm run sim -- --seed ${seed} --focus ${focus}\n${violation}`);
  }
  t.pass(`seeds 1 to ${seed} were run`);
}
