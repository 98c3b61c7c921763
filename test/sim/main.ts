/**
 * `npm run sim`: simulates one seed after another and says what it did; `--help` lists the options. Exit status: 0 when every
 * rule held (with --plant: when the planted bug was found), 1 when not, 2 when it was asked for what it cannot do.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type Plant, plants } from './plants.ts';
import { FOCUSES, type Focus, type Report, simulate } from './simulate.ts';

const PROGRESS_EVERY_MS = 10_000;
const SUMMARISED_SEEDS_MAX = 10;

const HELP = `npm run sim -- [options]

A cluster of five zones and two or three proxies on simulated clocks, disks and network is worked, hurt and healed, once for
each seed; what its clients were told is checked for linearizability. The same seed does the same.

  --seeds N      how many seeds (default 300)
  --from N       the first one (default 1)
  --seed N       this one alone; so does the environment variable SEED
  --ops N        operations of all clients together (default 120)
  --focus NAME   what clients do most: ${FOCUSES.join(', ')} (default all)
  --plant NAME   with a planted bug, which must be found:
                 ${Object.keys(plants).join(', ')}
  --keep         go on after a broken rule
  --tail N       lines of the trace shown before a broken rule (default 80)
  --verbose      every line of the trace
  --help         this text
`;

interface Wish {
  readonly from: number;
  readonly seeds: number;
  readonly operations: number;
  readonly focus: Focus;
  readonly plant: Plant | undefined;
  readonly keep: boolean;
  readonly tail: number;
  readonly verbose: boolean;
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function wishOf(args: string[]): Wish | 'help' {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const options = { seeds: text, from: text, seed: text, ops: text, focus: text, plant: text, tail: text };
  const { values } = parseArgs({ args, options: { ...options, keep: flag, verbose: flag, help: flag } });
  if (values.help) return 'help';
  const only = values.seed ?? process.env['SEED'];
  if (only !== undefined && (values.seeds !== undefined || values.from !== undefined))
    throw new Error('--seed (or SEED) excludes --seeds and --from');
  return {
    from: numberOf('seed', only ?? values.from, 1),
    seeds: only === undefined ? numberOf('seeds', values.seeds, 300) : 1,
    operations: numberOf('ops', values.ops, 120),
    focus: FOCUSES[oneOf('focus', values.focus ?? 'all', FOCUSES)] as Focus,
    plant: values.plant === undefined ? undefined : plantOf(values.plant),
    keep: values.keep,
    tail: numberOf('tail', values.tail, 80, 0),
    verbose: values.verbose,
  };
}

function numberOf(name: string, text: string | undefined, otherwise: number, least = 1): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || !Number.isSafeInteger(value))
    throw new Error(`--${name}: '${text}' is not a whole number of ${least} or more`);
  return value;
}

function oneOf(name: string, word: string, words: readonly string[]): number {
  const at = words.indexOf(word);
  if (at < 0) throw new Error(`--${name}: no '${word}'; there are: ${words.join(', ')}`);
  return at;
}

function plantOf(name: string): Plant {
  oneOf('plant', name, Object.keys(plants));
  return plants[name as keyof typeof plants];
}

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

function sayBroken(report: Report, { tail, verbose, from }: Wish): void {
  if (!verbose && tail > 0) for (const line of report.tail.slice(-tail)) say(line);
  say(summary(report));
  say(`\nSEED=${report.seed} breaks a rule after ${report.seed - from} seeds:\n${report.violation}\n`);
}

async function run(wish: Wish): Promise<number> {
  const { from, seeds, operations, focus, plant, keep, verbose } = wish;
  const startedMs = performance.now();
  let progressMs = startedMs;
  let failed = 0;
  let ran = 0;
  for (let seed = from; seed < from + seeds && (keep || failed === 0); seed++) {
    const report = await simulate({ seed, operations, focus, plant, print: verbose ? say : undefined });
    ran++;
    if (report.violation !== undefined) {
      failed++;
      sayBroken(report, wish);
    } else if (seeds <= SUMMARISED_SEEDS_MAX || verbose) say(summary(report));
    if (performance.now() - progressMs < PROGRESS_EVERY_MS) continue;
    progressMs = performance.now();
    say(`${ran} of ${seeds} seeds, ${failed} failed`);
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  say(`seeds ${from} to ${from + ran - 1}: ${ran} run, ${failed} failed, ${seconds} s`);
  return failed;
}

async function main(): Promise<number> {
  let wish: Wish | 'help';
  try {
    wish = wishOf(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`sim: ${(error as Error).message.split('\n')[0]} (--help lists the options)\n`);
    return 2;
  }
  if (wish === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const found = (await run(wish)) > 0;
  return found === (wish.plant !== undefined) ? 0 : 1;
}

process.exitCode = await main();
