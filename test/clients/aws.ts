/** The `aws` command, high level: `aws s3`. aws-api.ts has the single operations. */
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { missing } from '../tools.ts';
import { attempt, run, runBytes, versionFrom } from './command.ts';
import type { Place, RealClient } from './contract.ts';
import { holds, LARGE_BYTES, linesOf, makeTree, noise, same, sameBytes, sameTrees, TREE_NAMES } from './files.ts';

export function awsEnv({ credentials, caFile, folder }: Place): Record<string, string> {
  const { accessKeyId, secretAccessKey, region } = credentials.s3;
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_DEFAULT_REGION: region,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_PAGER: '',
    AWS_CONFIG_FILE: path.join(folder, 'aws-config'),
    ...(caFile === undefined ? {} : { AWS_CA_BUNDLE: caFile }),
  };
}

const line = (place: Place, args: readonly string[]): string[] => ['aws', '--endpoint-url', place.s3Endpoint, ...args];

export const aws = (place: Place, ...args: string[]): Promise<string> =>
  run(place, line(place, args), { env: awsEnv(place) });

export const awsAttempt = (place: Place, ...args: string[]) =>
  attempt(place, line(place, args), { env: awsEnv(place) });

export const awsVersion = (): string => versionFrom('aws', '--version');

/** `aws s3 cp|sync|mv`, without the bar that it draws. */
export const transfer = (place: Place, verb: 'cp' | 'sync' | 'mv', ...args: string[]): Promise<string> =>
  aws(place, 's3', verb, '--no-progress', ...args);

export const awsS3: RealClient = {
  name: 'aws s3',
  apis: ['s3'],
  missing: () => missing('aws'),
  version: awsVersion,
  steps: {
    async mb(place) {
      await aws(place, 's3', 'mb', `s3://${place.tag}`);
      holds((await aws(place, 's3', 'ls')).includes(place.tag), 'the bucket is listed');
    },
    async sync(place) {
      const tree = makeTree(place.folder, 'tree');
      await transfer(place, 'sync', tree, `s3://${place.tag}/tree`);
      same(await transfer(place, 'sync', tree, `s3://${place.tag}/tree`), '', 'sent twice');
      await transfer(place, 'sync', `s3://${place.tag}/tree`, path.join(place.folder, 'out'));
      sameTrees(path.join(place.folder, 'out'), tree);
    },
    async 'sync --delete'(place) {
      unlinkSync(path.join(place.folder, 'out', 'one byte'));
      await transfer(place, 'sync', '--delete', 'out', `s3://${place.tag}/tree`);
      const listed = await aws(place, 's3', 'ls', `s3://${place.tag}/tree/`);
      holds(!listed.includes('one byte') && listed.includes('empty'), listed);
    },
    async ls(place) {
      const names = linesOf(await aws(place, 's3', 'ls', '--recursive', `s3://${place.tag}/tree/`));
      same(names.length, TREE_NAMES.length - 1, 'names');
      holds(
        names.some((name) => name.endsWith(`${LARGE_BYTES} tree/large`)),
        'size of the large one',
      );
    },
    async cp(place) {
      await transfer(place, 'cp', `s3://${place.tag}/tree/large`, `s3://${place.tag}/copy`);
      await transfer(place, 'cp', `s3://${place.tag}/copy`, 'back');
      sameBytes(readFileSync(path.join(place.folder, 'back')), noise(LARGE_BYTES, 11 + LARGE_BYTES), 'copy');
    },
    async 'cp from and to a pipe'(place) {
      const input = noise(300_000);
      const env = awsEnv(place);
      await run(place, line(place, ['s3', 'cp', '--no-progress', '-', `s3://${place.tag}/piped`]), { env, input });
      sameBytes(
        await runBytes(place, line(place, ['s3', 'cp', `s3://${place.tag}/piped`, '-']), { env }),
        input,
        'pipe',
      );
    },
    async mv(place) {
      await transfer(place, 'mv', `s3://${place.tag}/copy`, `s3://${place.tag}/moved`);
      const listed = await aws(place, 's3', 'ls', `s3://${place.tag}/`);
      holds(listed.includes(`${LARGE_BYTES} moved`) && !listed.includes(' copy'), listed);
    },
    async presign(place) {
      if (missing('curl')) return missing('curl') || '';
      // Version 1 of the command presigns with the old signature unless told otherwise.
      writeFileSync(path.join(place.folder, 'aws-config'), '[default]\ns3 =\n  signature_version = s3v4\n');
      const url = (await aws(place, 's3', 'presign', `s3://${place.tag}/piped`)).trim();
      const trust = place.caFile === undefined ? [] : ['--cacert', place.caFile];
      sameBytes(await runBytes(place, ['curl', '-sSf', ...trust, url]), noise(300_000), 'presigned');
      return undefined;
    },
    async rm(place) {
      await aws(place, 's3', 'rm', `s3://${place.tag}/piped`);
      await aws(place, 's3', 'rm', '--recursive', `s3://${place.tag}/tree/dir`);
      same(linesOf(await aws(place, 's3', 'ls', '--recursive', `s3://${place.tag}/`)).length, 3, 'what is left');
    },
    async rb(place) {
      holds((await awsAttempt(place, 's3', 'rb', `s3://${place.tag}`)).code !== 0, 'a full bucket stays');
      await aws(place, 's3', 'rb', '--force', `s3://${place.tag}`);
      holds(!(await aws(place, 's3', 'ls')).includes(place.tag), 'the bucket is gone');
    },
  },
};
