/** The `aws` command, as users have it: buckets, files large and small, folders, removal. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import type { Test } from 'tap';
import { createSeededRandom } from '../../fabric/random.ts';
import { missing } from '../tools.ts';
import { endpoint, runClient, type Target } from './s3-rig.ts';

const COMMAND_MS = 60_000;
/** Above the command's threshold of 8 MiB for multipart uploads. */
const LARGE_BYTES = 9 * 1024 * 1024 + 7;

export async function runAwsCli(t: Test, target: Target): Promise<void> {
  await t.test('command', { skip: missing('aws') }, async (t) => {
    const aws = async (...args: string[]): Promise<string> => {
      const all = ['--endpoint-url', endpoint(target), ...args];
      const done = await runClient(target, 'aws', all, { timeoutMs: COMMAND_MS });
      if (done.code !== 0) throw new Error(`aws ${args.join(' ')}: ${done.stderr}${done.stdout}`);
      return done.stdout;
    };
    const bucket = `s3://cli-${process.pid}`;
    const folder = path.join(target.folder, 'tree');
    mkdirSync(path.join(folder, 'sub dir'), { recursive: true });
    const large = createSeededRandom(5).bytes(LARGE_BYTES);
    writeFileSync(path.join(folder, 'large'), large);
    writeFileSync(path.join(folder, 'sub dir', 'ü+ &.txt'), 'small');
    await aws('s3', 'mb', bucket);
    t.match(await aws('s3', 'ls'), `cli-${process.pid}`);
    await aws('s3', 'sync', folder, `${bucket}/tree`);
    t.equal(await aws('s3', 'sync', folder, `${bucket}/tree`), '', 'nothing is sent twice');
    t.match(await aws('s3', 'ls', '--recursive', bucket), 'tree/sub dir/ü+ &.txt');
    await aws('s3', 'cp', `${bucket}/tree/large`, path.join(target.folder, 'back'));
    t.ok(readFileSync(path.join(target.folder, 'back')).equals(large));
    await aws('s3', 'cp', `${bucket}/tree/large`, `${bucket}/copy`);
    await aws('s3', 'mv', `${bucket}/copy`, `${bucket}/moved`);
    t.match(await aws('s3', 'ls', `${bucket}/`), `${LARGE_BYTES} moved`);
    const head = JSON.parse(await aws('s3api', 'head-object', '--bucket', `cli-${process.pid}`, '--key', 'moved')) as {
      ContentLength: number;
    };
    t.equal(head.ContentLength, LARGE_BYTES);
    await aws('s3', 'rb', '--force', bucket);
    t.notMatch(await aws('s3', 'ls'), `cli-${process.pid}`);
  });
}
