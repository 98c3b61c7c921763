/**
 * The simulator in short: it does the same twice, the first seeds break no rule, and of conditional writers on one name,
 * coming through different proxies while zones fail, one at a time wins. Long runs: `npm run sim`.
 */
import t from 'tap';
import { hold, OPERATIONS } from './hold.ts';
import { simulate } from './simulate.ts';

const SEEDS = 100;
const RACE_SEEDS = 20;
const VERSION_SEEDS = 20;
const TIMEOUT_MS = 230_000;

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
