// Each parser for a moment; `npm run fuzz -- --seconds N` for longer. SEED=… repeats a run.
import process from 'node:process';
import t from 'tap';
import { systemRandom } from '../../fabric/random.ts';
import { fuzz } from './fuzz.ts';
import { PARSERS } from './parsers.ts';

const EACH_MS = 250;
const seed = Number(process.env['SEED'] ?? systemRandom.below(2 ** 31));

t.setTimeout(120_000);
t.comment(`SEED=${seed}`);

for (const parser of PARSERS) {
  t.test(parser.name, async (t) => {
    const target = await parser.open();
    if (target.close) t.teardown(target.close);
    const { inputs, outcomes, failure } = await fuzz(target, { seed, milliseconds: EACH_MS });
    t.equal(failure, undefined, `${inputs} inputs`);
    t.comment([...outcomes].map(([is, count]) => `${is} ${count}`).join(', '));
  });
}
