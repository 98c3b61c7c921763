/** Kills processes of a cluster that is being written to, and looks for what was acknowledged (docs/crash-campaign.md). */
import process from 'node:process';
import { campaignOptions } from '../campaign-options.ts';
import { type CampaignOptions, isWhole, MODES, type Mode, runCampaign } from './campaign.ts';
import { missingStrace, runDelayed, runFailing } from './strace.ts';

const HELP = `npm run crash -- [options]
  --rounds N      default 8
  --seconds S     of load in each, default 8
  --seed N
  --mode MODE     what is killed: ${MODES.join(', ')}; default mixed
  --keep          the data stays where it is
  --delay-sync    instead, one run of S seconds with every fdatasync and fsync late by 80 ms (strace)
  --fail-sync     instead, one run in which every fdatasync of one zone fails with EIO from some moment on (strace)
exit 0 when nothing acknowledged was lost and no listing was wrong, or when strace cannot be had; else 1
`;

const options = {
  rounds: { type: 'string', default: '8' },
  seconds: { type: 'string', default: '8' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  mode: { type: 'string', default: 'mixed' },
  'delay-sync': { type: 'boolean', default: false },
  'fail-sync': { type: 'boolean', default: false },
  keep: { type: 'boolean', default: false },
} as const;
const values = campaignOptions(HELP, options, ['rounds', 'seconds', 'seed']);

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<boolean> {
  if (!(MODES as readonly string[]).includes(values.mode)) {
    process.stderr.write(`--mode: '${values.mode}' is none of ${MODES.join(', ')} (--help lists the options)\n`);
    process.exit(2);
  }
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
