// npm run crash -- [--rounds N] [--seconds S] [--seed N] [--mode zone|all|main|mixed] [--keep]
//   --delay-sync: instead, one run of S seconds with every fdatasync and fsync late by 80 ms (strace)
//   --fail-sync: instead, one run in which every fdatasync of one zone fails with EIO from some moment on (strace)
// Exit 0 when nothing acknowledged was lost and no listing was wrong, or when strace cannot be had; else 1.
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type CampaignOptions, isWhole, MODES, type Mode, runCampaign } from './campaign.ts';
import { missingStrace, runDelayed, runFailing } from './strace.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '8' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    mode: { type: 'string', default: 'mixed' },
    'delay-sync': { type: 'boolean', default: false },
    'fail-sync': { type: 'boolean', default: false },
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
  if (values['delay-sync'] || values['fail-sync']) return runStrace(options);
  const report = await runCampaign(options);
  const { rounds, owed, fsck, cleanExit } = report;
  const sum = (pick: (round: (typeof rounds)[number]) => number): number =>
    rounds.reduce((all, one) => all + pick(one), 0);
  for (const debt of owed) say(`still owed: ${debt}`);
  say(`fsck at the end: ${fsck.summary}`);
  say(
    `${rounds.length} rounds, ${sum((r) => r.kills)} kills, ${sum((r) => r.acked)} acked, ${sum((r) => r.failed)} failed, ` +
      `lost ${sum((r) => r.lost.length)}, wrong rows ${sum((r) => r.wrongRows.length)}, ` +
      `wrong answers ${sum((r) => r.wrongAnswers.length)}, clean stop ${cleanExit}`,
  );
  return isWhole(report);
}

async function runStrace(options: CampaignOptions): Promise<boolean> {
  const reason = missingStrace();
  if (reason) {
    say(`skipped: ${reason}`);
    return true;
  }
  const delayed = !values['delay-sync'] || (await runDelayed(options)).passed;
  const failing = !values['fail-sync'] || (await runFailing(options)).passed;
  return delayed && failing;
}

process.exitCode = (await main()) ? 0 : 1;
