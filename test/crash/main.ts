// npm run crash -- [--rounds N] [--seconds S] [--seed N] [--mode zone|all|main|mixed] [--keep]
//                  [--strace delay|fail]: instead, one run with every fdatasync late, or failing in one zone.
// Exit 0 when nothing acknowledged was lost and no listing was wrong, else 1.
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type CampaignOptions, isClean, MODES, type Mode, runCampaign } from './campaign.ts';
import { runDelayed, runFailing } from './strace.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '8' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    mode: { type: 'string', default: 'mixed' },
    strace: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<boolean> {
  if (!(MODES as readonly string[]).includes(values.mode)) throw new Error(`--mode is one of ${MODES.join(', ')}`);
  const options: CampaignOptions = {
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
    seed: Number(values.seed),
    mode: values.mode as Mode,
    keep: values.keep,
    report: say,
  };
  say(`seed ${options.seed}, mode ${options.mode}, ${options.rounds} rounds of ${options.seconds} s`);
  if (values.strace === 'delay') return (await runDelayed(options)).passed;
  if (values.strace === 'fail') return (await runFailing(options)).passed;
  const { rounds, fsck, cleanExit } = await runCampaign(options);
  const sum = (pick: (round: (typeof rounds)[number]) => number): number =>
    rounds.reduce((all, one) => all + pick(one), 0);
  say(`fsck at the end: ${fsck.summary}`);
  say(
    `${rounds.length} rounds, ${sum((r) => r.kills)} kills, ${sum((r) => r.acked)} acked, ${sum((r) => r.failed)} failed, ` +
      `lost ${sum((r) => r.lost.length)}, wrong rows ${sum((r) => r.wrongRows.length)}, ` +
      `wrong answers ${sum((r) => r.wrongAnswers.length)}, clean stop ${cleanExit}`,
  );
  return cleanExit && rounds.every(isClean) && fsck.exitCode < 2;
}

process.exitCode = (await main()) ? 0 : 1;
