/**
 * Every step of every action on a volume: the agent dies before it and after it, and for some of them its successor dies too
 * while it starts.
 */
import process from 'node:process';
import { createSeededRandom } from '../../fabric/random.ts';
import { campaignOptions } from '../campaign-options.ts';
import { crashRun, describe, type Run } from './crash.ts';
import { HostBed } from './host.ts';
import { prepare, SCENARIOS } from './scenarios.ts';

const SECOND_STEPS_MAX = 12;

const HELP = `npm run crash-volumes -- [options]
the agent of volumes dies at every step of every action; takes minutes
  --only TEXT   actions whose name holds it
  --from STEP   the first step of each, default 1
  --seed N      of where successors die, too
  --steps       name the steps
exit 1 when something was not true afterwards
`;

const options = {
  only: { type: 'string', default: '' },
  from: { type: 'string', default: '1' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  steps: { type: 'boolean', default: false },
} as const;
const values = campaignOptions(HELP, options, ['from', 'seed']);
const random = createSeededRandom(Number(values.seed));
const say = (line: string): void => void process.stdout.write(`${line}\n`);
say(`seed ${values.seed}`);

// Timers of the clock keep no process alive; where a host is dead there may be nothing else.
const alive = setInterval(() => {}, 60_000);
const bed = new HostBed();
let runs = 0;
let failures = 0;
try {
  const facts = await prepare(bed);
  const attempt = async (run: Run): Promise<readonly string[]> => {
    runs++;
    try {
      return await crashRun({ bed, facts }, run);
    } catch (error) {
      failures++;
      say(`FAILED ${(error as Error).message}`);
      return [];
    }
  };
  for (const scenario of SCENARIOS.filter(({ name }) => name.includes(values.only))) {
    const steps = await attempt({ scenario });
    say(`${scenario.name}: ${steps.length} steps`);
    if (values.steps) for (const [index, step] of steps.entries()) say(`  ${index + 1} ${step}`);
    for (let step = Number(values.from); step <= steps.length; step++) {
      for (const afterEffect of [false, true]) {
        const second = { step: 1 + random.below(SECOND_STEPS_MAX), afterEffect: random.below(2) === 0 };
        const run = { scenario, death: { step, afterEffect }, ...(random.below(3) === 0 && { second }) };
        const before = failures;
        await attempt(run);
        if (failures > before) say(`  ${describe(run)}: ${steps[step - 1]}`);
      }
    }
  }
} finally {
  await bed.close();
  clearInterval(alive);
}
say(`${runs} runs, ${failures} failures`);
process.exit(failures === 0 ? 0 : 1);
