// The house rules as a test. First each rule is shown a planted breach, because a check that cannot fail is worth
// nothing; then the tree is judged. Rules are in tidy/rules.ts, the checks in tidy/checks.ts and tidy/docs.ts.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import * as checks from './tidy/checks.ts';
import { checkLinks, checkNamedPaths } from './tidy/docs.ts';
import { checkLockfile, checkPins } from './tidy/lockfile.ts';
import { FILE_LINES_MAX, FUNCTION_LINES_MAX, SOURCE_FOLDERS } from './tidy/rules.ts';
import { listImports, maskText } from './tidy/scan.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BIOME_TIMEOUT_MS = 60_000;

type Check = (source: checks.Source) => string[];

const onOne = (check: Check) => (file: string, text: string) => check(checks.makeSource(file, text));
const arrows = onOne(checks.checkArrows);
const world = onOne(checks.checkWorld);
const shape = onOne(checks.checkShape);
const skips = onOne(checks.checkSkips);
const suppressions = onOne(checks.checkSuppressions);

t.test('the scanner tells code from text', async (t) => {
  const text = "a('x//y'); // Date.now\nb(`p${c('q')}r`); /* z */ d = /['\"`]/.test(e) / f; g = h / i;";
  t.equal(maskText(text).length, text.length);
  t.notMatch(maskText(text), /x\/\/y|Date|\bp\b|\bq\b|\bz\b/);
  t.match(maskText(text), /test\(e\) \/ f; g = h \/ i;/);
  const forms =
    "import a from './a.ts';\nimport type { B } from './b.ts';\nexport * from './c.ts';\nimport './d.ts';\n";
  const late = "const e = await import('./e.ts');\nconst f = \"import g from './g.ts'\";\n// import './h.ts';\n";
  const found = listImports(forms + late).map(({ specifier }) => specifier);
  t.same(found.sort(), ['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts']);
});

t.test('planted: import arrows', async (t) => {
  const breaches: [string, string][] = [
    ['fabric/a.ts', '../ring/ring.ts'],
    ['ring/a.ts', '../object-server/contract.ts'],
    ['object-server/a.ts', '../account-container/listing-db.ts'],
    ['proxy/object/put.ts', '../../object-server/server.ts'],
    ['proxy/s3/put.ts', '../swift/put.ts'],
    ['block/a.ts', '../proxy/server.ts'],
    ['compute/identity/a.ts', '../../proxy/auth.ts'],
    ['proxy/a.ts', '../test/cluster.ts'],
    ['proxy/a.ts', '../bench/load.ts'],
    ['proxy/a.ts', './b.test.ts'],
    ['proxy/a.ts', '../cli/start.ts'],
    ['object-server/contract.ts', './server.ts'],
    ['fabric/a.ts', './b.js'],
    ['fabric/a.test.ts', '../proxy/server.ts'],
  ];
  for (const [file, target] of breaches) {
    t.equal(arrows(file, `import { x } from '${target}';`).length, 1, `${file} -> ${target}`);
    t.equal(arrows(file, `const x = await import('${target}');`).length, 1, `${file} -> ${target}, late`);
  }
  const allowed: [string, string][] = [
    ['ring/a.ts', '../fabric/assert.ts'],
    ['proxy/object/put.ts', '../../object-server/contract.ts'],
    ['object-server/a.ts', '../account-container/contract.ts'],
    ['cli/start.ts', '../proxy/server.ts'],
    ['test/sim/cluster.ts', '../../proxy/server.ts'],
    ['fabric/kv.test.ts', '../test/conformance/kv.ts'],
  ];
  for (const [file, target] of allowed) t.same(arrows(file, `import { x } from '${target}';`), [], file);
});

t.test('planted: import cycles', async (t) => {
  const a = checks.makeSource('fabric/a.ts', "import { b } from './b.ts';");
  const b = checks.makeSource('fabric/b.ts', "import type { c } from './deep/c.ts';");
  const c = checks.makeSource('fabric/deep/c.ts', "export { a } from '../a.ts';");
  t.same(checks.checkCycles([a, b, c]), [
    'import cycle: fabric/a.ts -> fabric/b.ts -> fabric/deep/c.ts -> fabric/a.ts',
  ]);
  t.same(checks.checkCycles([a, b]), []);
});

t.test('planted: dependencies', async (t) => {
  const judge = (...files: [string, string][]) =>
    checks.checkDependencies(files.map(([file, name]) => checks.makeSource(file, `import x from '${name}';`)));
  t.equal(judge(['fabric/kv.ts', 'lmdb'], ['fabric/kv2.ts', 'lmdb']).length, 1, 'two importers');
  t.equal(judge(['proxy/a.ts', 'lmdb']).length, 1, 'not at home');
  t.equal(judge(['fabric/a.ts', 'left-pad']).length, 1, 'unknown');
  t.equal(judge(['fabric/a.ts', 'tap']).length, 1, 'a development dependency');
  t.equal(judge(['fabric/a.ts', '@node-rs/xxhash/sub']).length, 1, 'scoped');
  t.equal(judge(['fabric/a.ts', 'fs']).length, 1, "Node's own without node:");
  t.same(judge(['fabric/kv.ts', 'lmdb'], ['fabric/kv.test.ts', 'lmdb'], ['cli/a.ts', 'commander']), []);
});

t.test('planted: the world outside the adapters', async (t) => {
  const breaches = [
    'const a = Date.now();',
    'const a = new Date();',
    'const a = new Date;',
    'const a = Date();',
    'const a = performance.now();',
    'const a = process.hrtime.bigint();',
    'setTimeout(f, 1);',
    'globalThis.setInterval(f, 1);',
    'await new Promise((done) => setImmediate(done));',
    'const a = Math.random();',
    'const a = crypto.randomUUID();',
    'const a = `${process.env.HOME}`;',
    "import fs from 'node:fs';",
    "import { open } from 'node:fs/promises';",
    "const net = await import('node:net');",
    "import { spawn } from 'node:child_process';",
    "import { setTimeout as sleep } from 'node:timers/promises';",
  ];
  for (const text of breaches) t.ok(world('proxy/a.ts', text).length > 0, text);
  for (const text of breaches) t.same(world('cli/a.ts', text), [], `${text} at the root`);
  for (const text of breaches) t.same(world('proxy/a.test.ts', text), [], `${text} in a test`);
  const fine = [
    'const a = new Date(nowMs);',
    'clock.setTimeout(f, 1);',
    "const a = 'Date.now()'; // Math.random()",
    'const a = clock.now(); const b = this.#setTimeout(c);',
  ];
  for (const text of fine) t.same(world('proxy/a.ts', text), [], text);
  t.same(world('fabric/clock.ts', 'Date.now();'), [], 'an adapter has its own part');
  t.equal(world('fabric/clock.ts', "import fs from 'node:fs';").length, 1, 'an adapter has no other part');
  t.equal(world('fabric/deep/clock.ts', 'Date.now();').length, 1, 'an adapter is one place');
});

t.test('planted: size, names, headers, suppressions, skips', async (t) => {
  const long = `// Owns lines.\n${'x;\n'.repeat(FILE_LINES_MAX)}`;
  t.equal(shape('fabric/a.ts', long).length, 1);
  t.same(shape('fabric/a.ts', long.slice(0, -3)), []);
  t.equal(shape('fabric/fooBar.ts', '// Owns.').length, 1);
  t.equal(shape('fabric/foo-bar.ts', 'export {};').length, 1);
  t.equal(suppressions('fabric/a.ts', '// @ts-ignore').length, 1);
  t.equal(suppressions('fabric/a.ts', '// biome-ignore-all lint: no').length, 1);
  t.equal(suppressions('fabric/a.ts', '// biome-ignore lint/complexity/noExcessiveLinesPerFunction: x').length, 1);
  for (const bare of [
    "t.skip('x')",
    "t.test('x', { skip: true })",
    "t.test('x', { todo: '' })",
    't.plan(0)',
    "t.only('x')",
  ]) {
    t.equal(skips('fabric/a.test.ts', `${bare};`).length, 1, bare);
  }
  t.same(
    skips('fabric/a.test.ts', "t.test('x', { skip: missing('aws') }); t.plan(0, 'why'); t.test('y', { skip: 'no' });"),
    [],
  );
});

t.test('planted: a long function', async (t) => {
  const functionOf = (lines: number) => `function f(): void {\n${'  f();\n'.repeat(lines)}}\n\nf();\n`;
  const folder = t.testdir({
    'fits.ts': functionOf(FUNCTION_LINES_MAX),
    'long.ts': functionOf(FUNCTION_LINES_MAX + 1),
  });
  const args = ['lint', `--config-path=${ROOT}`, '--vcs-enabled=false'];
  t.same(biome([...args, `${folder}/fits.ts`]), []);
  t.match(biome([...args, `${folder}/long.ts`]), [/noExcessiveLinesPerFunction/]);
});

t.test('planted: documents that name what is not there', async (t) => {
  const exists = (path: string) => ['fabric/rpc.ts', 'docs/adr/'].includes(path);
  const text =
    '`fabric/rpc.ts` `fabric/{rpc,gone}.ts` `docs/adr/NNNN-title.md` `/auth/v1.0` `application/json` `ring/x.ts:12`';
  t.same(checkNamedPaths('A.md', text, exists), [
    'A.md names fabric/gone.ts, which does not exist',
    'A.md names ring/x.ts, which does not exist',
  ]);
  const links = '[a](../fabric/rpc.ts#x) [b](gone.md) [c](https://example.org) [d](#here)';
  t.same(checkLinks('docs/a.md', links, exists), ['docs/a.md links to docs/gone.md, which does not exist']);
});

t.test('planted: lockfile and pins', async (t) => {
  const lacking = {
    packages: { 'node_modules/a': { optionalDependencies: { 'a-linux': '1.0.0', 'a-mac': '1.0.0' } } },
  };
  t.equal(checkLockfile(lacking).length, 2);
  t.equal(checkLockfile({ packages: { ...lacking.packages, 'node_modules/a-linux': {} } }).length, 1);
  t.equal(checkPins({ dependencies: { a: '^1.0.0' }, devDependencies: { b: 'latest', c: 'npm:d@1' } }).length, 3);
  t.same(checkPins({ dependencies: { a: '1.0.0', b: 'npm:c@1.2.3' } }), []);
});

const sources = SOURCE_FOLDERS.flatMap((folder) => walk(folder))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => checks.makeSource(file, read(file)));

t.test('the tree', async (t) => {
  const each = (check: Check) => sources.flatMap(check);
  t.ok(sources.length > 5, 'the tree was found');
  t.same(each(checks.checkArrows), [], 'imports point one way');
  t.same(checks.checkCycles(sources), [], 'no import cycle');
  t.same(checks.checkDependencies(sources), [], 'dependencies have one home');
  t.same(each(checks.checkWorld), [], 'the world is passed in');
  t.same(each(checks.checkShape), [], 'files are short, named and introduced');
  t.same(each(checks.checkSuppressions), [], 'nothing is hushed without a reason');
  t.same(each(checks.checkSkips), [], 'skips have reasons');
});

t.test('the documents', async (t) => {
  const exists = (path: string) => existsSync(ROOT + path);
  if (exists('ARCHITECTURE.md')) {
    t.same(
      checkNamedPaths('ARCHITECTURE.md', read('ARCHITECTURE.md'), exists),
      [],
      'ARCHITECTURE.md names what exists',
    );
  }
  const documents = [...readdirSync(ROOT), ...walk('docs')].filter((file) => file.endsWith('.md'));
  t.same(
    documents.flatMap((file) => checkLinks(file, read(file), exists)),
    [],
    'links lead somewhere',
  );
});

t.test('the dependencies', async (t) => {
  t.same(checkLockfile(JSON.parse(read('package-lock.json'))), [], 'npm ci works everywhere');
  t.same(checkPins(JSON.parse(read('package.json'))), [], 'versions are exact');
});

t.test('lint and format', async (t) => {
  t.same(biome(['check', '--error-on-warnings', '.']), [], 'npm run format may mend it');
});

/** What biome objects to, a line each; throws when it did not get as far as judging. */
function biome(args: readonly string[]): string[] {
  const command = ['node_modules/@biomejs/biome/bin/biome', ...args, '--reporter=github', '--max-diagnostics=200'];
  const run = spawnSync(process.execPath, command, { cwd: ROOT, encoding: 'utf8', timeout: BIOME_TIMEOUT_MS });
  const lines = run.stdout.matchAll(/^::\w+ title=(.*?),file=(.*?),line=(\d+).*?::(.*)$/gm);
  const found = [...lines].map(([, rule, file, line, text]) => `${file?.replace(ROOT, '')}:${line} ${rule}: ${text}`);
  if (run.status !== 0 && found.length === 0) throw new Error(`biome failed: ${run.stderr}`);
  return run.status === 0 ? [] : found;
}

function walk(folder: string): string[] {
  if (!existsSync(ROOT + folder)) return [];
  return readdirSync(ROOT + folder, { withFileTypes: true }).flatMap((entry) => {
    const file = `${folder}/${entry.name}`;
    return entry.isDirectory() ? walk(file) : [file];
  });
}

function read(file: string): string {
  return readFileSync(ROOT + file, 'utf8');
}
