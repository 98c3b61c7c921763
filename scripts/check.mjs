// npm run check: types, lint and format, tidy. Seconds, so that every commit can afford it.
// All three report before it fails, because a person would rather fix everything in one go.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { checkNode, fail, root, say } from './setup.mjs';

process.chdir(root);
checkNode();
if (!fs.existsSync('node_modules/.package-lock.json')) fail('run "npm ci" first');

const types = run('types', ['node_modules/typescript/bin/tsc']);
const lint = run('lint and format', ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.']);
// tsc emits even where a type is wrong, so tidy always runs what the tree holds.
const tidy = types.then(() => run('tidy', ['build/test/tidy.test.js']));
const failed = (await Promise.all([types, lint, tidy])).filter((name) => name !== undefined);
if (failed.length > 0) fail(`check failed: ${failed.join(', ')}`);
say('check passed: types, lint and format, tidy');

/** Resolves to the name when the step failed, after printing what it said. */
function run(name, args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.on('close', (code) => {
      if (code !== 0) process.stdout.write(Buffer.concat(chunks));
      resolve(code === 0 ? undefined : name);
    });
  });
}
