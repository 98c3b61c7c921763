// The crash campaign in short: what `npm run crash` does for as long as it is told to, for half a minute.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { readPids } from '../../cli/cluster/pids.ts';
import { type RoundReport, runCampaign } from './campaign.ts';
import { Ledger } from './ledger.ts';
import { DELAY_MS, missingStrace, runDelayed, runFailing } from './strace.ts';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const EVENTUALLY_MS = 60_000;
const SEED = 20_261;
const TEST_LIMIT_MS = 230_000;
t.setTimeout(TEST_LIMIT_MS);

const notProc = process.platform === 'linux' ? false : 'needs Linux: processes are followed through /proc';

t.test('the ledger knows what a store may show', async (t) => {
  const ledger = new Ledger();
  t.ok(ledger.allows('a', undefined));
  t.notOk(ledger.allows('a', '1'), 'never written');
  ledger.acked('a', '1');
  ledger.failed('a', '2');
  ledger.failed('a', undefined);
  for (const state of ['1', '2', undefined]) t.ok(ledger.allows('a', state), `${state} may be`);
  t.notOk(ledger.allows('a', '3'));
  ledger.saw('a', '2');
  t.notOk(ledger.allows('a', '1'), 'what was shown stays');
  t.ok(ledger.allows('a', undefined), 'what came later may still come');
  ledger.acked('a', '4');
  t.notOk(ledger.allows('a', '2'), 'an acknowledged write ends all doubt before it');
  t.notOk(ledger.isDoubtful('a'));
});

t.test('nothing acknowledged is lost to kill -9', { skip: notProc }, async (t) => {
  t.comment(`seed ${SEED}`);
  const report = await runCampaign({
    rounds: 2,
    seconds: 3,
    seed: SEED,
    mode: 'mixed',
    report: (line) => t.comment(line),
  });
  t.equal(report.rounds.length, 2);
  for (const round of report.rounds) judge(t, round);
  t.same(report.owed, [], 'left alone, it pays all it owes');
  t.equal(report.fsck.exitCode, 0, report.fsck.summary);
  t.ok(report.cleanExit, 'a SIGTERM ends it with 0');
});

function judge(t: Test, { mode, acked, failures, lost, wrongRows, wrongAnswers, fsck }: RoundReport): void {
  t.ok(acked > 0, `${mode}: ${acked} writes acknowledged`);
  t.same({ lost, wrongRows, wrongAnswers }, { lost: [], wrongRows: [], wrongAnswers: [] }, mode);
  // Requests on their way when everything dies are cut; one zone alone is missed by nobody.
  if (mode === 'zone') t.same(failures, {}, 'no failed request while single zones are killed');
  if (fsck) t.ok(fsck.exitCode < 2, fsck.summary);
}

t.test('whatever ends the campaign ends its cluster', { skip: notProc }, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'needletail-crash-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const env = { ...process.env, TMPDIR: folder };
  const campaign = spawn(process.execPath, [MAIN, '--rounds', '1', '--seconds', '60'], { env, stdio: 'ignore' });
  const pids = await eventually(() => {
    const [bench] = readdirSync(folder);
    return bench === undefined ? undefined : readPids(path.join(folder, bench, 'data', 'run'));
  });
  campaign.kill('SIGKILL');
  t.ok(pids, 'the cluster ran');
  const all = pids ? [pids.main, ...Object.values(pids.zones)].filter((pid) => pid > 0) : [];
  const left = (): number[] => all.filter((pid) => existsSync(`/proc/${pid}/exe`));
  await eventually(() => (left().length === 0 ? true : undefined));
  t.same(left(), []);
});

async function eventually<T>(look: () => T | undefined): Promise<T | undefined> {
  const endMs = performance.now() + EVENTUALLY_MS;
  for (let found = look(); ; found = look()) {
    if (found !== undefined || performance.now() > endMs) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

t.test('no 2xx before the disk has it', { skip: notProc || missingStrace() }, async (t) => {
  const report = await runDelayed({ seconds: 3, seed: SEED, report: (line) => t.comment(line) });
  t.ok(report.acked > 0);
  t.ok(report.quickestWriteMs >= DELAY_MS, `the quickest write took ${report.quickestWriteMs} ms`);
  t.same([...report.lost, ...report.wrongRows, ...report.wrongAnswers], []);
});

t.test(
  'a device that cannot sync is out, and nothing depends on it',
  { skip: notProc || missingStrace() },
  async (t) => {
    const report = await runFailing({ seconds: 2, seed: SEED, report: (line) => t.comment(line) });
    t.ok(report.deviceOut, 'reported out');
    t.ok(report.ackedAfter > 0, 'the others go on');
    t.same([...report.lost, ...report.wrongRows, ...report.wrongAnswers], []);
  },
);
