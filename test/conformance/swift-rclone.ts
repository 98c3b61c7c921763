/** rclone's Swift backend: a tree with odd names up, checked byte by byte, copied on the server, removed with its segments. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import type { Test } from 'tap';
import { findTool, missing } from '../tools.ts';
import type { StartSwift } from './swift-rig.ts';

const COMMAND_MS = 60_000;

export function runRclone(t: Test, start: StartSwift): void {
  t.test('rclone', { skip: missing('rclone') }, async (t) => {
    const server = await start();
    const folder = mkdtempSync(path.join(tmpdir(), 'needletail-rclone-'));
    t.teardown(async () => {
      rmSync(folder, { recursive: true, force: true });
      await server.close();
    });
    const config = path.join(folder, 'rclone.conf');
    const auth = `${server.tls ? 'https' : 'http'}://${server.host}:${server.port}/auth/v1.0`;
    const { user, key } = server.owner;
    const lines = ['[n]', 'type = swift', `user = ${user}`, `key = ${key}`, `auth = ${auth}`, 'auth_version = 1'];
    writeFileSync(config, `${lines.join('\n')}\nchunk_size = 1Mi\n`);
    const flags = ['--config', config, '--retries', '1', ...(server.tls ? ['--no-check-certificate'] : [])];
    const tree = makeTree(folder);
    const rclone = (...args: string[]): Promise<string> => run([...flags, ...args]);

    await rclone('sync', tree, 'n:tree/below');
    await rclone('check', '--download', tree, 'n:tree/below');
    const names = (await rclone('lsf', '-R', '--files-only', 'n:tree')).trim().split('\n').sort();
    t.same(names, ['below/empty', 'below/large', 'below/sub dir/深/文件 100%.txt', 'below/z'].sort());
    await rclone('copyto', 'n:tree/below/large', 'n:tree/copied');
    t.equal((await rclone('size', '--json', 'n:tree/copied')).includes('2500000'), true);
    await rclone('moveto', 'n:tree/below/z', 'n:tree/below/y');
    t.equal(await rclone('cat', 'n:tree/below/y'), 'zzz');
    await rclone('purge', 'n:tree');
    t.equal((await rclone('lsf', '-R', '--files-only', 'n:tree_segments')).trim(), '', 'segments are gone too');
  });
}

function makeTree(folder: string): string {
  const tree = path.join(folder, 'tree');
  mkdirSync(path.join(tree, 'sub dir', '深'), { recursive: true });
  writeFileSync(path.join(tree, 'sub dir', '深', '文件 100%.txt'), '内容');
  writeFileSync(path.join(tree, 'empty'), '');
  writeFileSync(path.join(tree, 'z'), 'zzz');
  writeFileSync(path.join(tree, 'large'), randomBytes(2_500_000));
  return tree;
}

function run(args: string[]): Promise<string> {
  const env = { PATH: process.env['PATH'], LANG: 'C.UTF-8' };
  return new Promise((resolve, reject) => {
    execFile(findTool('rclone') ?? 'rclone', args, { env, timeout: COMMAND_MS }, (error, stdout, stderr) => {
      if (error) reject(new Error(`rclone ${args.slice(2).join(' ')}: ${stderr || error.message}`));
      else resolve(stdout);
    });
  });
}
