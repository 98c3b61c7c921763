/** The `swift` command of python-swiftclient, as users have it: whole files, segments, Chinese names and values. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import type { Test } from 'tap';
import { findTool, missing } from '../tools.ts';
import type { StartSwift, SwiftServer } from './swift-rig.ts';

const COMMAND_MS = 30_000;

export function runSwiftCli(t: Test, start: StartSwift): void {
  t.test('the swift command', { skip: missing('swift') }, async (t) => {
    const server = await start();
    const folder = mkdtempSync(path.join(tmpdir(), 'needletail-swift-'));
    t.teardown(async () => {
      rmSync(folder, { recursive: true, force: true });
      await server.close();
    });
    const swift = (...args: string[]): Promise<string> => run(server, folder, args);
    await filesAndNames(t, swift, folder);
    await segments(t, swift, folder);
    await removal(t, swift);
  });
}

type Swift = (...args: string[]) => Promise<string>;

async function filesAndNames(t: Test, swift: Swift, folder: string): Promise<void> {
  mkdirSync(path.join(folder, '目录'));
  writeFileSync(path.join(folder, '目录', '文件 一.txt'), '你好\n');
  await swift('post', '容器', '-m', 'Colour:蓝色', '-r', '.r:*');
  const stat = await swift('stat', '容器');
  t.match(stat, /Meta Colour: 蓝色/);
  t.match(stat, /Read ACL: \.r:\*/);
  await swift('upload', '容器', '目录', '-H', 'X-Object-Meta-Note: 备注');
  t.equal((await swift('list', '容器')).trim(), '目录/文件 一.txt');
  t.match(await swift('stat', '容器', '目录/文件 一.txt'), /Meta Note: 备注/);
  await swift('download', '容器', '目录/文件 一.txt', '-o', 'back.txt');
  t.equal(readFileSync(path.join(folder, 'back.txt'), 'utf8'), '你好\n');
  await swift('post', '容器', '目录/文件 一.txt', '-m', 'Other:其他');
  const posted = await swift('stat', '容器', '目录/文件 一.txt');
  t.match(posted, /Meta Other: 其他/);
  t.notMatch(posted, /备注/);
  await swift('copy', '容器', '目录/文件 一.txt', '-d', '/容器/拷贝');
  await swift('download', '容器', '拷贝', '-o', 'copy.txt');
  t.equal(readFileSync(path.join(folder, 'copy.txt'), 'utf8'), '你好\n');
}

async function segments(t: Test, swift: Swift, folder: string): Promise<void> {
  const bytes = randomBytes(2_500_000);
  writeFileSync(path.join(folder, '大文件'), bytes);
  for (const [container, option] of [
    ['slo', '--use-slo'],
    ['dlo', ''],
  ] as const) {
    const options = ['--segment-size', '1000000', ...(option ? [option] : [])];
    await swift('upload', container, '大文件', ...options);
    t.match(await swift('stat', container, '大文件'), /Content Length: 2500000/);
    t.equal((await swift('list', `${container}_segments`)).trim().split('\n').length, 3);
    await swift('download', container, '大文件', '-o', `${container}.back`);
    t.ok(readFileSync(path.join(folder, `${container}.back`)).equals(bytes), container);
  }
  const again = await swift('upload', 'slo', '大文件', '--segment-size', '1000000', '--use-slo', '--skip-identical');
  t.equal(again.trim(), '大文件', 'the client finds that nothing has changed');
}

async function removal(t: Test, swift: Swift): Promise<void> {
  await swift('delete', 'slo', '大文件');
  t.equal((await swift('list', 'slo_segments')).trim(), '', 'segments went with their manifest');
  await swift('delete', '--all');
  t.equal((await swift('list')).trim(), '');
  t.match(await swift('stat'), /Containers: 0/);
}

function run(server: SwiftServer, folder: string, args: string[]): Promise<string> {
  const env = {
    PATH: process.env['PATH'],
    LANG: 'C.UTF-8',
    ST_AUTH: `${server.tls ? 'https' : 'http'}://${server.host}:${server.port}/auth/v1.0`,
    ST_USER: server.owner.user,
    ST_KEY: server.owner.key,
  };
  return new Promise((resolve, reject) => {
    const options = { cwd: folder, env, timeout: COMMAND_MS };
    const flags = server.tls ? ['--insecure'] : [];
    execFile(findTool('swift') ?? 'swift', [...flags, ...args], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`swift ${args.join(' ')}: ${stderr || error.message}`));
      else resolve(stdout);
    });
  });
}
