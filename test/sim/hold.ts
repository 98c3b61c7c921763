/** Runs the first seeds of a focus in a test: none may break a rule. */
import type { Test } from 'tap';
import { type Focus, simulate } from './simulate.ts';

export const OPERATIONS = 120;
/** On a machine that is busy elsewhere fewer seeds are run, and their number is told. */
const SEEDS_MS_MAX = 60_000;

export async function hold(t: Test, { seeds, focus }: { seeds: number; focus: Focus }): Promise<void> {
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
