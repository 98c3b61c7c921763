// Installs the Debian packages that tests use, where that is possible, and says what to type where it is not.
// A failure here never fails the tests: a test whose tool is missing is skipped, and says so.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { root, say } from './setup.mjs';

/** All of apt together: a machine without a mirror must not hold up its tests. */
const INSTALL_MS = 6 * 60_000;
const APT_OPTIONS = ['Acquire::http::Timeout=20', 'Acquire::Retries=1', 'DPkg::Lock::Timeout=60'];
const PROBE_TIMEOUT_MS = 20_000;
const PYTHONS = ['python3', '/usr/bin/python3'];

/** @returns {{name: string, probe: string}[]} what scripts/system-packages.txt lists */
export function listPackages() {
  const text = fs.readFileSync(path.join(root, 'scripts/system-packages.txt'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => line.trim().split(/\s+/))
    .map(([name, probe]) => ({ name, probe }));
}

/** Makes the packages present if it may. @param {boolean} mayInstall */
export function ensureSystemPackages(mayInstall) {
  const missing = missingPackages();
  if (missing.length === 0) return;
  const names = missing.join(' ');
  if (!mayInstall || process.getuid?.() !== 0 || !inPath('apt-get')) {
    say(`tests that need ${names} will be skipped; to have them run, as root: ${byHand(missing)}`);
    return;
  }
  say(`installing Debian packages for the tests: ${names} …`);
  const told = install(missing);
  const still = missingPackages();
  if (still.length === 0) return;
  const why = told === 'ok' ? 'installed, yet not found' : told;
  say(`could not install ${still.join(' ')} (${why}); their tests will be skipped. By hand: ${byHand(still)}`);
}

const byHand = (names) => `apt-get update && apt-get install -y --no-install-recommends ${names.join(' ')}`;

/**
 * Package lists may be absent or stale on a fresh machine, so a failure is tried again after an update; then one by one,
 * because one that this distribution lacks keeps all the others out.
 */
function install(names) {
  const deadline = Date.now() + INSTALL_MS;
  const add = (...some) => apt(['install', '-y', '-q', '--no-install-recommends', ...some], deadline);
  if (add(...names) === 'ok') return 'ok';
  const updated = apt(['update', '-q'], deadline);
  const told = add(...names);
  if (told === 'ok' || updated !== 'ok' || names.length === 1) return told;
  return names.map((name) => add(name)).findLast((answer) => answer !== 'ok') ?? 'ok';
}

/** 'ok', or the last that was said. */
function apt(args, deadline) {
  const timeout = deadline - Date.now();
  if (timeout <= 0) return `gave up after ${INSTALL_MS / 60_000} minutes`;
  const result = spawnSync('apt-get', [...APT_OPTIONS.flatMap((option) => ['-o', option]), ...args], {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout,
  });
  if (result.status === 0) return 'ok';
  const lastLine = (result.stderr ?? '').trim().split('\n').pop();
  return lastLine || result.error?.message || `apt-get ended with ${result.status ?? result.signal}`;
}

function missingPackages() {
  return listPackages()
    .filter(({ probe }) => !isPresent(probe))
    .map(({ name }) => name);
}

/** A module counts where any Python has it: Debian's is not always the first in PATH. */
function isPresent(probe) {
  if (!probe.startsWith('py:')) return inPath(probe);
  const code = `import ${probe.slice('py:'.length)}`;
  return PYTHONS.some((python) => {
    return spawnSync(python, ['-c', code], { stdio: 'ignore', timeout: PROBE_TIMEOUT_MS }).status === 0;
  });
}

function inPath(command) {
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .some((folder) => folder !== '' && fs.existsSync(path.join(folder, command)));
}
