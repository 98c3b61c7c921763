// Runs built test files side by side, each a plain `node FILE`, and keeps what each wrote.
// `tap run` would load its coverage hooks into every process a test starts, which doubles the CPU time of the whole run;
// `npm run coverage` is what wants those. The longest files start first, so that no core idles at the end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { root } from './setup.mjs';

/** For test files that set none themselves: a machine that is busy with other things must not fail them. */
const FILE_SECONDS_MAX = 240;
/** When the file's own time-out did not end it. */
const KILL_AFTER_MS = (FILE_SECONDS_MAX + 60) * 1000;
/** From the signal at which tap says what it waits for, to the one that is final. */
const LAST_WORDS_MS = 10_000;
/** Files that compute; one more runs beside them, of those that wait for time to pass. */
const JOBS = Math.min(4, Math.max(2, os.availableParallelism()));
/** Files that use less than a third of a core, and take more than five seconds. */
const WAITING = [
  'test/conformance/http-uws',
  'test/conformance/account-deletion',
  'test/conformance/s3-versions',
  'test/crash/full-disk',
  'cli/rebuild-versions',
  'fabric/rpc/socket',
  'test/conformance/http-uws-tls',
  'test/conformance/swift-expiry',
  'test/conformance/http-node',
  'cli/metrics',
  'test/conformance/http-node-tls',
  'test/conformance/swift-versions',
  'test/conformance/s3-lifecycle',
  'test/conformance/s3-locks',
  'object-server/daemons/repair',
  'test/conformance/s3-notification',
];
/** Of the others, by duration; one that is missing here only starts later, and a core may idle at the end. */
const LONGEST = [
  'test/clients/clients',
  'test/sim/sim',
  'test/crash/crash',
  'test/clients/clients-tls',
  'test/clients/clients-aws',
  'test/conformance/swift-cluster',
  'cli/services',
  'test/conformance/s3-cluster-tls',
  'test/conformance/s3-cluster',
  'cli/rebuild-listings',
  'test/clients/clients-openstack',
  'cli/volume',
  'test/sim/plants',
  'cli/damaged-start',
  'cli/zone-loss',
  'cli/logs',
  'cli/fsck',
  'cli/volume-drill',
  'test/sim/stacks',
  'block/cinder/real',
  'block/volumes/crash',
  'cli/main',
  'cli/ring',
  'test/fuzz/fuzz',
  'block/cinder/crash',
];

const built = (name) => `build/${name}.test.js`;

/** Every built test file, the longest first. */
export function listTestFiles() {
  const found = fs
    .readdirSync(path.join(root, 'build'), { recursive: true })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => `build/${name}`);
  const rank = (file) => (LONGEST.map(built).indexOf(file) + LONGEST.length + 1) % (LONGEST.length + 1);
  return found.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/**
 * Resolves when all have ended. A signal to this process ends the tests that run, and no more are started.
 * @param {string[]} files paths below the root
 * @param {string} folder where each file's output is kept, FILE.tap and FILE.err
 * @param {(ended: {file: string, ok: boolean, why: string, seconds: number, tap: string, errors: string}) => void} onEnd
 * @returns {Promise<string | undefined>} the signal that ended the run early
 */
export async function runFiles(files, folder, onEnd) {
  const running = new Set();
  const waits = WAITING.map(built).filter((file) => files.includes(file));
  const computes = files.filter((file) => !waits.includes(file));
  let ended;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      ended = signal;
      for (const child of running) child.kill(signal);
    });
  }
  const lane = async (next) => {
    for (let file = next(); file !== undefined && ended === undefined; file = next()) {
      onEnd(await runFile(file, folder, running));
    }
  };
  const compute = () => computes.shift() ?? waits.shift();
  await Promise.all([lane(() => waits.shift()), ...Array.from({ length: JOBS }, () => lane(compute))]);
  return ended;
}

async function runFile(file, folder, running) {
  const kept = path.join(folder, file.replace(/^build\//, '').replaceAll('/', '.'));
  const [out, err] = [fs.openSync(`${kept}.tap`, 'w'), fs.openSync(`${kept}.err`, 'w')];
  const started = performance.now();
  const child = spawn(process.execPath, ['--enable-source-maps', file], {
    cwd: root,
    env: { TAP_TIMEOUT: String(FILE_SECONDS_MAX), ...process.env },
    stdio: ['ignore', out, err],
  });
  running.add(child);
  const late = setTimeout(() => {
    child.kill('SIGALRM');
    setTimeout(() => child.kill('SIGKILL'), LAST_WORDS_MS).unref();
  }, KILL_AFTER_MS);
  const [code, signal] = await once(child, 'exit');
  clearTimeout(late);
  running.delete(child);
  fs.closeSync(out);
  fs.closeSync(err);
  return {
    file,
    ok: code === 0,
    why: signal === null ? `exit code ${code}` : `ended by ${signal}`,
    seconds: (performance.now() - started) / 1000,
    tap: fs.readFileSync(`${kept}.tap`, 'utf8'),
    errors: fs.readFileSync(`${kept}.err`, 'utf8'),
  };
}
