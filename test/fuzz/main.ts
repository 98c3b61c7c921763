// npm run fuzz -- [--seconds N] [--only REGEX] [--seed S] [--list]
// Each parser for N seconds (5 when absent); prints how many inputs there were and what became of them, as a table.
// Exit 0 when every input ended as it should, else 1.
import process from 'node:process';
import { parseArgs } from 'node:util';
import { systemRandom } from '../../fabric/random.ts';
import { fuzz } from './fuzz.ts';
import { PARSERS } from './parsers.ts';

const OUTCOMES_SHOWN_MAX = 6;
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    seed: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const seed = Number(values.seed ?? systemRandom.below(2 ** 31));
const milliseconds = Number(values.seconds) * 1000;
const wanted = new RegExp(values.only);
const chosen = PARSERS.filter(({ name }) => wanted.test(name));

if (values.list) for (const { name } of chosen) say(name);
else process.exitCode = await run();

async function run(): Promise<number> {
  const failures: string[] = [];
  say(`seed ${seed}\n\n| parser | inputs | taken | refused as | slowest, CPU ms |\n| --- | --- | --- | --- | --- |`);
  for (const parser of chosen) {
    const target = await parser.open();
    const { inputs, outcomes, slowestCpuMs, failure } = await fuzz(target, { seed, milliseconds });
    await target.close?.();
    const refused = [...outcomes].filter(([is]) => is !== 'value').sort(([, a], [, b]) => b - a);
    const shown = refused.slice(0, OUTCOMES_SHOWN_MAX).map(([is, count]) => `${is} ${count}`);
    if (refused.length > OUTCOMES_SHOWN_MAX) shown.push(`${refused.length - OUTCOMES_SHOWN_MAX} more`);
    say(
      `| ${parser.name} | ${inputs} | ${outcomes.get('value') ?? 0} | ${shown.join(', ')} | ${Math.round(slowestCpuMs)} |`,
    );
    if (failure === undefined) continue;
    failures.push(parser.name);
    say(`\n${parser.name}: ${failure}\n`);
  }
  say(failures.length === 0 ? '\nnothing failed' : `\nfailed: ${failures.join(', ')}`);
  return failures.length === 0 ? 0 : 1;
}
