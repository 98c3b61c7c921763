// npm test [-- FILES] [--no-install] [--coverage]: set-up, client tools, build, every test, one closing line.
// FILES are built ones (build/ring/ring.test.js) or their sources (ring/ring.test.ts).
// Fails when a test fails, when a test is skipped without a reason, and when nothing ran.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { once } from 'node:events';
import { prepareTestRunner, root, say, setUp } from './setup.mjs';
import { ensureSystemPackages } from './system-packages.mjs';

const OUTPUT = 'build/test-output.tap';
const SKIPS_SHOWN_MAX = 50;

const args = process.argv.slice(2);
const own = new Set(['--no-install', '--coverage']);
setUp();
prepareTestRunner();
ensureSystemPackages(!args.includes('--no-install'));

const exitCode = await runTap(args.filter((arg) => !own.has(arg)).map(asBuilt));
const count = await countTests(OUTPUT);
process.exitCode = report(count, exitCode);

function asBuilt(arg) {
  return arg.endsWith('.test.ts') ? `build/${arg.replace(/^\.\//, '').slice(0, -'.ts'.length)}.js` : arg;
}

/** Resolves to tap's exit code. Signals reach tap by the process group or, sent to us alone, from here. */
async function runTap(tapArgs) {
  const coverage = args.includes('--coverage')
    ? ['--disable-coverage=false', '--allow-incomplete-coverage', '--coverage-report=text-summary']
    : [];
  fs.rmSync(OUTPUT, { force: true });
  const command = ['node_modules/tap/dist/esm/run.mjs', '--reporter=base', `--output-file=${OUTPUT}`];
  const tap = spawn(process.execPath, [...command, ...coverage, ...tapArgs], { cwd: root, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => tap.kill(signal));
  const [code] = await once(tap, 'close');
  return code ?? 1;
}

/** Counts test blocks (the innermost t.test, or a file that has none), not single assertions. */
async function countTests(file) {
  const { Parser } = await import('tap-parser');
  const count = { passed: 0, failed: 0, skipped: [] };
  const parser = new Parser();
  visit(parser, '', count);
  parser.end(fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '');
  return count;
}

function visit(parser, name, count) {
  let blocks = 0;
  parser.on('child', (child) => {
    blocks += 1;
    visit(child, name === '' ? child.name : `${name} > ${child.name}`, count);
  });
  parser.on('assert', (point) => {
    if (point.skip === false || point.skip === undefined) return;
    blocks += 1;
    count.skipped.push({ name: `${name} > ${point.name}`, reason: typeof point.skip === 'string' ? point.skip : '' });
  });
  parser.on('complete', (result) => {
    if (name === '') return;
    if (typeof result.skip === 'string') count.skipped.push({ name, reason: result.skip });
    else if (blocks > 0 && result.ok) return;
    else if (result.ok) count.passed += 1;
    else if (blocks === 0 || ownFailures(result) > 0) count.failed += 1;
  });
}

/** A parent of a failed block fails too, and would count twice: only its own failed points count. */
function ownFailures(result) {
  return result.failures.filter((failure) => failure.tapError !== undefined).length;
}

function report(count, tapExit) {
  const { passed, failed, skipped } = count;
  for (const skip of skipped.slice(0, SKIPS_SHOWN_MAX)) say(`skipped: ${skip.name}: ${skip.reason || 'NO REASON GIVEN'}`);
  const unreasoned = skipped.filter((skip) => skip.reason === '').length;
  if (unreasoned > 0) say(`${unreasoned} tests are skipped without a reason, which counts as a failure`);
  if (passed + failed + skipped.length === 0) say('no test ran');
  // A crash of the runner itself is a failure even where no test reported one.
  const failedShown = failed + unreasoned === 0 && tapExit !== 0 ? 1 : failed + unreasoned;
  process.stdout.write(`\n${passed} passed, ${failedShown} failed, ${skipped.length - unreasoned} skipped\n`);
  return failedShown > 0 || passed === 0 ? 1 : 0;
}
