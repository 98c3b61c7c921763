/**
 * The agent of a host's volumes dies at steps of everything that it does; the next one finds out what was meant. Here some of
 * them, others in each run; `npm run crash-volumes` takes every one.
 */
import process from 'node:process';
import t from 'tap';
import { createSeededRandom } from '../../fabric/random.ts';
import { missing } from '../../test/tools.ts';
import { crashRun, describe } from '../../test/volumes/crash.ts';
import { HostBed } from '../../test/volumes/host.ts';
import { prepare, SCENARIOS, type Scenario } from '../../test/volumes/scenarios.ts';

t.setTimeout(170_000);
/** What it may take; the last run begins before. */
const RUN_MS_MAX = 12_000;
const LANES = 3;
/** Most actions have fewer; then nobody dies. */
const STEPS_MAX = 45;
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
  const anyStep = (most: number) => ({ step: 1 + random.below(most), afterEffect: random.below(2) === 0 });
  const lane = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const scenario = SCENARIOS[random.below(SCENARIOS.length)] as Scenario;
      const second = random.below(3) === 0 && { second: anyStep(SECOND_STEPS_MAX) };
      const run = { scenario, death: anyStep(STEPS_MAX), ...second };
      await crashRun(prepared, run);
      t.pass(describe(run));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
});
