// The command as a user meets it: one process per run, its exit code and its two streams.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { EXIT, runProgram } from './program.ts';

const MAIN = fileURLToPath(new URL('main.js', import.meta.url));
const RUN_TIMEOUT_MS = 60_000;
/** Five processes start. */
const ZONES_TIMEOUT_MS = 90_000;

t.setTimeout(4 * RUN_TIMEOUT_MS);

function needletail(args: readonly string[]) {
  const env = { ...process.env, DEBUG: '' };
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout: RUN_TIMEOUT_MS, env });
}

t.test('help and version go to stdout and succeed', async (t) => {
  for (const args of [['--help'], ['help', 'start'], ['start', '--help']]) {
    const run = needletail(args);
    t.equal(run.status, EXIT.done, args.join(' '));
    t.match(run.stdout, /^Usage: needletail/);
    t.equal(run.stderr, '');
  }
  t.match(needletail(['--version']).stdout, /^\d+\.\d+\.\d+\n$/);
});

t.test('misuse is one line, a hint and exit 2', async (t) => {
  const misuses = [
    ['bogus'],
    ['start', '--bogus'],
    ['start', '--port', '70000'],
    ['start', '--processes', 'many'],
    ['start', '--tls-cert', 'only.pem'],
    ['start', 'extra'],
  ];
  for (const args of misuses) {
    const run = needletail(args);
    t.equal(run.status, EXIT.misused, args.join(' '));
    t.match(run.stderr, /^needletail: [^\n]+\n\(try "needletail --help"\)\n$/);
  }
  t.equal(needletail([]).status, EXIT.misused);
});

t.test('a start that cannot listen ends, with every process it began', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  t.teardown(() => holder.close());
  await once(holder, 'listening');
  const port = String((holder.address() as import('node:net').AddressInfo).port);
  const config = (text: string): string => {
    const file = path.join(t.testdirName, `${text.length}.toml`);
    writeFileSync(file, text);
    return file;
  };
  const data = path.join(t.testdir(), 'data');
  const listen = `volumes-listen = "127.0.0.1:${port}"\n`;
  const elsewhere = 'services = ["volumes"]\nvolumes-auth-url = "http://127.0.0.1:1/auth/v1.0"\n';
  const free = ['--port', '0', '--s3-port', '0', '--config'];
  for (const options of [
    ['--port', port, '--s3-port', '0'],
    ['--port', port, '--s3-port', '0', '--processes', 'zones'],
    [...free, config(listen)],
    [...free, config(elsewhere + listen)],
  ]) {
    const args = ['start', '--data', data, ...options];
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let told = '';
    child.stderr.on('data', (text: Buffer) => {
      told += text;
    });
    const timer = setTimeout(() => child.kill(), ZONES_TIMEOUT_MS);
    // 'close' and not 'exit': a zone that lived on would hold the stream open.
    t.same(await once(child, 'close'), [EXIT.failed, null], options.join(' '));
    clearTimeout(timer);
    t.match(told, /^needletail: .*address (already )?in use/m);
  }
});

t.test('a failing command gives one line without a stack', async (t) => {
  const lines: string[] = [];
  t.capture(process.stderr, 'write', (text: string) => lines.push(text));
  const fails = { register: (program: import('commander').Command) => void program.command('fail').action(refuse) };
  t.equal(await runProgram(['fail'], { commands: [fails] }), EXIT.failed);
  t.same(lines, ['needletail: the disk is gone\n']);
});

function refuse(): never {
  throw new Error('the disk is gone');
}
