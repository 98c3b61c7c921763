// npm test [-- FILES] [--no-install] [--coverage]: set-up, client tools, build, every test, one closing line.
// FILES are built ones (build/ring/ring.test.js) or their sources (ring/ring.test.ts).
// Fails when a test fails, when a test is skipped without a reason, and when nothing ran.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { prepareTestRunner, root, say, setUp } from './setup.mjs';
import { ensureSystemPackages } from './system-packages.mjs';

const OUTPUT = 'build/test-output.tap';
/** For test files that set none themselves: a machine that is busy with other things must not fail them. */
const FILE_SECONDS_MAX = 240;
const SKIPS_SHOWN_MAX = 50;
const FAILURES_SHOWN_MAX = 50;

const args = process.argv.slice(2);
const own = new Set(['--no-install', '--coverage']);
setUp();
prepareTestRunner();
ensureSystemPackages(!args.includes('--no-install'));

const tapExit = await runTap(args.filter((arg) => !own.has(arg)).map(asBuilt));
// Imported late, because it needs an installed package.
const { countTests } = await import('./tap-count.mjs');
const output = fs.existsSync(OUTPUT) ? fs.readFileSync(OUTPUT, 'utf8') : '';
process.exitCode = report(countTests(output), tapExit);

function asBuilt(arg) {
  return arg.endsWith('.test.ts') ? `build/${arg.replace(/^\.\//, '').slice(0, -'.ts'.length)}.js` : arg;
}

/** Resolves to tap's exit code. A signal sent to this process alone is handed on, so that no test outlives it. */
async function runTap(tapArgs) {
  const coverage = args.includes('--coverage')
    ? ['--no-disable-coverage', '--allow-incomplete-coverage', '--allow-empty-coverage', '--coverage-report=text']
    : [];
  fs.rmSync(OUTPUT, { force: true });
  const command = ['node_modules/tap/dist/esm/run.mjs', '--reporter=base', `--timeout=${FILE_SECONDS_MAX}`];
  command.push(`--output-file=${OUTPUT}`);
  // The reporter redraws its last lines unless CI is set, which is noise in a file.
  const env = process.stdout.isTTY ? process.env : { CI: 'true', ...process.env };
  const tap = spawn(process.execPath, [...command, ...coverage, ...tapArgs], { cwd: root, stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => tap.kill(signal));
  const [code] = await once(tap, 'close');
  return code ?? 1;
}

function report({ passed, failed, skipped, failures }, tapStatus) {
  for (const failure of failures.slice(0, FAILURES_SHOWN_MAX)) say(`failed: ${failure}\n`);
  for (const { name, reason } of skipped.slice(0, SKIPS_SHOWN_MAX)) {
    say(`skipped: ${name}: ${reason || 'NO REASON GIVEN'}`);
  }
  const unreasoned = skipped.filter((skip) => skip.reason === '').length;
  if (unreasoned > 0) say(`${unreasoned} skipped without a reason, which counts as failed`);
  if (passed + failed + skipped.length === 0) say('no test ran');
  // A crash of the runner itself is a failure even where no test reported one.
  const failedTotal = failed + unreasoned || (tapStatus === 0 ? 0 : 1);
  process.stdout.write(`\n${passed} passed, ${failedTotal} failed, ${skipped.length - unreasoned} skipped\n`);
  return failedTotal > 0 || passed === 0 ? 1 : 0;
}
