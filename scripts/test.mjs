// npm test [-- FILES] [--no-install] [--coverage]: set-up, client tools, build, every test, one closing line.
// FILES are built ones (build/ring/ring.test.js) or their sources (ring/ring.test.ts).
// Fails when a test fails, when a test is skipped without a reason, and when nothing ran.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { prepareTestRunner, root, say, setUp } from './setup.mjs';
import { ensureSystemPackages } from './system-packages.mjs';
import { listTestFiles, runFiles } from './test-runner.mjs';

/** What every test file wrote, for whoever wants more than this prints. */
const OUTPUT = 'build/test-output';
/** Coverage slows a file down. */
const COVERED_FILE_SECONDS_MAX = 300;
const SKIPS_SHOWN_MAX = 50;
const FAILURES_SHOWN_MAX = 50;
const ERROR_BYTES_SHOWN_MAX = 8_000;

const args = process.argv.slice(2);
const own = new Set(['--no-install', '--coverage']);
setUp();
prepareTestRunner();
ensureSystemPackages(!args.includes('--no-install'));
// Imported late, because it needs an installed package.
const { countTests } = await import('./tap-count.mjs');
fs.rmSync(OUTPUT, { recursive: true, force: true });
fs.mkdirSync(OUTPUT, { recursive: true });

const files = args.filter((arg) => !own.has(arg)).map(asBuilt);
process.exitCode = await (args.includes('--coverage') ? runCovered(files) : runPlain(files));

function asBuilt(arg) {
  return arg.endsWith('.test.ts') ? `build/${arg.replace(/^\.\//, '').slice(0, -'.ts'.length)}.js` : arg;
}

async function runPlain(named) {
  const total = { passed: 0, failed: 0, skipped: [], failures: [] };
  const signal = await runFiles(named.length > 0 ? named : listTestFiles(), OUTPUT, (ended) => {
    const { file, ok, why, seconds, tap, errors } = ended;
    const count = countTests(tap, { name: file, ok, why });
    for (const key of ['passed', 'failed']) total[key] += count[key];
    for (const key of ['skipped', 'failures']) total[key].push(...count[key]);
    const verdict = count.failed > 0 ? 'FAIL' : 'pass';
    process.stdout.write(`${verdict}  ${file}  ${count.passed} passed in ${seconds.toFixed(1)} s\n`);
    if (count.failed > 0) process.stderr.write(errors.slice(-ERROR_BYTES_SHOWN_MAX));
  });
  if (signal !== undefined) say(`ended by ${signal}`);
  return report(total, signal === undefined ? 0 : 1);
}

/** By tap's own runner, whose hooks see which lines run. A signal sent to this process alone is handed on. */
async function runCovered(named) {
  const output = `${OUTPUT}/all.tap`;
  const command = ['node_modules/tap/dist/esm/run.mjs', '--reporter=base', `--timeout=${COVERED_FILE_SECONDS_MAX}`];
  command.push(`--output-file=${output}`, '--no-disable-coverage', '--coverage-report=text');
  command.push('--allow-incomplete-coverage', '--allow-empty-coverage', ...named);
  // The reporter redraws its last lines unless CI is set, which is noise in a file.
  const env = process.stdout.isTTY ? process.env : { CI: 'true', ...process.env };
  const tap = spawn(process.execPath, command, { cwd: root, stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => tap.kill(signal));
  const [code] = await once(tap, 'close');
  return report(countTests(fs.existsSync(output) ? fs.readFileSync(output, 'utf8') : ''), code ?? 1);
}

function report({ passed, failed, skipped, failures }, status) {
  for (const failure of failures.slice(0, FAILURES_SHOWN_MAX)) say(`failed: ${failure}\n`);
  for (const { name, reason } of skipped.slice(0, SKIPS_SHOWN_MAX)) {
    say(`skipped: ${name}: ${reason || 'NO REASON GIVEN'}`);
  }
  const unreasoned = skipped.filter((skip) => skip.reason === '').length;
  if (unreasoned > 0) say(`${unreasoned} skipped without a reason, which counts as failed`);
  if (passed + failed + skipped.length === 0) say('no test ran');
  // A crash of the runner itself is a failure even where no test reported one.
  const failedTotal = failed + unreasoned || (status === 0 ? 0 : 1);
  process.stdout.write(`\n${passed} passed, ${failedTotal} failed, ${skipped.length - unreasoned} skipped\n`);
  return failedTotal > 0 || passed === 0 ? 1 : 0;
}
