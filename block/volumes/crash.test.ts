/**
 * The agent of a host's volumes dies at steps of everything that it does; the next one finds out what was meant. Here some steps
 * of each action, others in each run; `npm run crash-volumes` takes every one.
 */
import process from 'node:process';
import t from 'tap';
import { createSeededRandom } from '../../fabric/random.ts';
import { missing } from '../../test/tools.ts';
import { crashRun, describe } from '../../test/volumes/crash.ts';
import { HostBed } from '../../test/volumes/host.ts';
import { prepare, SCENARIOS } from '../../test/volumes/scenarios.ts';

t.setTimeout(170_000);
/** What it may take; the last run begins before. */
const RUN_MS_MAX = 12_000;
const SECOND_STEPS_MAX = 12;
const skip = missing('qemu-storage-daemon');

t.test('an agent that dies at any step leaves nothing half done', { skip }, async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  t.comment(`seed ${seed}`);
  const random = createSeededRandom(seed);
  const bed = new HostBed();
  t.teardown(() => bed.close());
  const prepared = { bed, facts: await prepare(bed) };
  const endMs = performance.now() + RUN_MS_MAX;
  const steps = new Map<string, number>();
  for (let round = 0; performance.now() < endMs && !t.bailedOut; round++) {
    for (const scenario of SCENARIOS) {
      if (performance.now() > endMs) break;
      const known = steps.get(scenario.name);
      const at = { step: 1 + random.below(known ?? 1), afterEffect: random.below(2) === 0 };
      const second = { step: 1 + random.below(SECOND_STEPS_MAX), afterEffect: random.below(2) === 0 };
      // The first round counts the steps.
      const run = { scenario, ...(known && { death: at, ...(round % 2 === 0 && { second }) }) };
      const done = await crashRun(prepared, run);
      if (known === undefined) steps.set(scenario.name, done.length);
      t.pass(describe(run));
    }
  }
});
