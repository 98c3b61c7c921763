/**
 * Containers with versions in the simulator: names are judged as stacks of versions and markers, containers are switched
 * between Enabled and Suspended, versions are locked and deleted. And the rules can fail: planted bugs are found.
 */
import t from 'tap';
import { hold, OPERATIONS } from './hold.ts';
import { type Plant, plants } from './plants.ts';
import { type Focus, simulate } from './simulate.ts';

const SEEDS = 10;
const TIMEOUT_MS = 170_000;

/** Within how many seeds each must be found. */
const PLANTED: readonly (readonly [keyof typeof plants, number])[] = [
  ['version not set aside', 3],
  ['version row forgotten', 3],
  ['lock forgotten', 4],
  ['versioning answered at once', 8],
];

/** Seeds that broke a rule once: a copy that its writer and all devices forgot; one of a write that reached no primary. */
const BROKEN_ONCE: readonly (readonly [Focus, number])[] = [
  ['versions', 83],
  ['versions', 50],
];

t.setTimeout(TIMEOUT_MS);

t.test('versions, markers and locks: no seed breaks a rule', { timeout: TIMEOUT_MS }, (t) =>
  hold(t, { seeds: SEEDS, focus: 'stacks' }),
);

t.test('seeds that broke a rule once', { timeout: TIMEOUT_MS }, async (t) => {
  for (const [focus, seed] of BROKEN_ONCE) {
    const { violation } = await simulate({ seed, operations: OPERATIONS, focus });
    t.equal(violation, undefined, `npm run sim -- --seed ${seed} --focus ${focus}`);
  }
});

for (const [name, seeds] of PLANTED) {
  t.test(`planted: ${name}`, { timeout: TIMEOUT_MS }, async (t) => {
    for (let seed = 1; seed <= seeds; seed++) {
      const { violation } = await simulate({
        seed,
        operations: OPERATIONS,
        focus: 'stacks',
        plant: plants[name] as Plant,
      });
      if (violation !== undefined) return void t.pass(`seed ${seed}: ${violation.split('\n')[0]}`);
    }
    t.fail(`not found by seeds 1 to ${seeds}`);
  });
}
