/**
 * `npm run sim -- [--seeds N] [--start N] [--seed N] [--ops N] [--plant NAME] [--verbose]`: simulates one seed after
 * another, says what it did, stops at the first broken rule with exit status 1. `SEED=N npm run sim` replays one.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type Plant, plants } from './plants.ts';
import { type Report, simulate } from './simulate.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '300' },
    start: { type: 'string', default: '1' },
    seed: { type: 'string' },
    ops: { type: 'string', default: '120' },
    plant: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    tail: { type: 'string', default: '80' },
    keep: { type: 'boolean', default: false },
  },
});

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const counted = (counts: ReadonlyMap<string, number>): string =>
  [...counts]
    .sort()
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

function summary(report: Report): string {
  const { seed, events, simulatedMs, counts, faults, traceHash, undecided } = report;
  const time = `${events} events in ${(simulatedMs / 1000).toFixed(1)} simulated s`;
  const open = undecided > 0 ? `; ${undecided} registers undecided` : '';
  return `seed ${seed}: ${time}; ${counted(counts)}; ${counted(faults)}${open}; trace ${traceHash}`;
}

const only = values.seed ?? process.env['SEED'];
const first = Number(only ?? values.start);
const seeds = only === undefined ? Number(values.seeds) : 1;
const plant = values.plant === undefined ? undefined : (plants as Record<string, Plant>)[values.plant];
if (values.plant !== undefined && !plant)
  throw new Error(`no such plant; there are: ${Object.keys(plants).join(', ')}`);
const print = values.verbose ? say : undefined;
const startedMs = performance.now();
let failed = 0;
for (let seed = first; seed < first + seeds; seed++) {
  const report = await simulate({ seed, operations: Number(values.ops), plant, print });
  if (report.violation === undefined) {
    if (seeds <= 10 || values.verbose) say(summary(report));
    continue;
  }
  failed++;
  if (!values.verbose && Number(values.tail) > 0) for (const line of report.tail.slice(-Number(values.tail))) say(line);
  say(summary(report));
  say(`\nSEED=${seed} breaks a rule after ${seed - first} good ones:\n${report.violation}\n`);
  if (!values.keep) break;
}
say(`${seeds} seeds asked for, ${failed} failed, ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
process.exitCode = failed > 0 ? 1 : 0;
