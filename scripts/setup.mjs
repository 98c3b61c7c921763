// What every entry command does first: check Node, install from the lockfile, build what changed.
// Plain JavaScript with nothing but Node's own modules, because it runs before anything is installed.
// It prints to stderr only, so that a command's own output stays clean, and never deletes what it did not make.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NODE_MAJOR_MIN = 20;
const SOURCE_FOLDERS = [
  'account-container',
  'bench',
  'block',
  'cli',
  'compute',
  'control',
  'control',
  'fabric',
  'object-server',
  'proxy',
  'ring',
  'test',
];
const STAMP = 'build/.stamp';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

export function say(line) {
  process.stderr.write(`needletail: ${line}\n`);
}

export function fail(line) {
  say(line);
  process.exit(1);
}

/** Brings a clone to the state in which build/ can run: dependencies as locked, build/ as the sources. */
export function setUp() {
  process.chdir(root);
  checkNode();
  if (!dependenciesMatch()) installDependencies();
  if (!buildMatches()) build();
}

/** Runs one built module in this process, as if node had been given it: signals and exit code need no relay. */
export async function runBuilt(entry, args) {
  const file = path.join(root, 'build', `${entry}.js`);
  if (!fs.existsSync(file)) fail(`${entry}.ts does not exist`);
  process.argv = [process.execPath, file, ...args];
  await import(pathToFileURL(file).href);
}

export function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (!(major >= NODE_MAJOR_MIN)) fail(`needs Node ${NODE_MAJOR_MIN} or newer, and this is ${process.version}`);
}

// ---- dependencies

/** Compared by content, not by time: npm records in node_modules what it put there. */
function dependenciesMatch() {
  const wanted = readJson('package-lock.json');
  const present = readJson('node_modules/.package-lock.json');
  if (wanted === undefined) fail('package-lock.json is missing or damaged');
  if (present === undefined) return false;
  return Object.entries(wanted.packages).every(([where, entry]) => {
    if (where === '') return true;
    const found = present.packages[where];
    // An optional package for another platform is rightly absent.
    if (found === undefined) return entry.optional === true;
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

function installDependencies() {
  const started = Date.now();
  say('installing dependencies from package-lock.json (npm ci), about half a minute …');
  // Development dependencies hold the compiler, so they are wanted even where NODE_ENV is production.
  const result = npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  if (result.status !== 0) {
    process.stderr.write(`${result.stdout}${result.stderr}`);
    fail(`npm ci failed (${reason(result)}); the lines above are its own`);
  }
  say(`dependencies installed in ${seconds(started)}`);
}

/** The test runner generates its plugin set once; npm ci does it unless scripts were switched off. */
export function prepareTestRunner() {
  if (fs.existsSync('.tap/plugins')) return;
  const result = npm(['run', 'prepare']);
  if (result.status !== 0) fail(`"npm run prepare" failed (${reason(result)})`);
}

function npm(args) {
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, stdio: ['ignore', 'pipe', 'pipe'] };
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js')) return spawnSync(process.execPath, [script, ...args], options);
  return spawnSync('npm', args, options);
}

// ---- build

/** Compiles everything; exits with the compiler's lines when a type is wrong. */
export function build() {
  const started = Date.now();
  const sources = listSources();
  say(`building ${sources.length} files …`);
  fs.rmSync(STAMP, { force: true });
  removeOrphans(sources);
  const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc'], { cwd: root, stdio: 'inherit' });
  if (tsc.status !== 0) fail(`the build failed (${reason(tsc)})`);
  fs.writeFileSync(STAMP, fingerprint(sources));
  // A source saved while the compiler ran must count as newer.
  fs.utimesSync(STAMP, new Date(started), new Date(started));
  say(`built in ${seconds(started)}`);
}

function buildMatches() {
  const sources = listSources();
  if (readText(STAMP) !== fingerprint(sources)) return false;
  const builtMs = fs.statSync(STAMP).mtimeMs;
  return [...sources, 'tsconfig.json'].every((file) => fs.statSync(file).mtimeMs < builtMs);
}

/** The set of files and the dependencies; what is in the files is judged by their times. */
function fingerprint(sources) {
  const hash = createHash('sha256').update(process.version).update(sources.join('\n'));
  return hash.update(readText('package-lock.json') ?? '').digest('hex');
}

function listSources() {
  return SOURCE_FOLDERS.flatMap((folder) => walk(folder))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .sort();
}

/** A test whose source is gone would otherwise run for ever. */
function removeOrphans(sources) {
  const known = new Set(sources.map((file) => file.slice(0, -'.ts'.length)));
  for (const file of SOURCE_FOLDERS.flatMap((folder) => walk(`build/${folder}`))) {
    const stem = /^build\/(.*)\.js(?:\.map)?$/.exec(file)?.[1];
    if (stem !== undefined && !known.has(stem)) fs.rmSync(file, { force: true });
  }
}

function walk(folder) {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = `${folder}/${entry.name}`;
    return entry.isDirectory() ? walk(file) : [file];
  });
}

// ---- small helpers

function readText(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function readJson(file) {
  try {
    return JSON.parse(readText(file) ?? '');
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function seconds(startedMs) {
  return `${((Date.now() - startedMs) / 1000).toFixed(1)} s`;
}

function reason(result) {
  if (result.error) return result.error.message;
  return result.signal ? `signal ${result.signal}` : `exit ${result.status}`;
}
