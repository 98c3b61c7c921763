/** s3cmd, with a configuration file as its users write it. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { missing } from '../tools.ts';
import { attempt, run, versionFrom } from './command.ts';
import type { Place, RealClient } from './contract.ts';
import { holds, LARGE_BYTES, linesOf, makeTree, same, sameBytes, sameTrees, TREE_NAMES } from './files.ts';

function line(place: Place, args: readonly string[]): string[] {
  const { protocol, host } = new URL(place.s3Endpoint);
  const { accessKeyId, secretAccessKey, region } = place.credentials.s3;
  const settings = [
    `access_key = ${accessKeyId}`,
    `secret_key = ${secretAccessKey}`,
    `host_base = ${host}`,
    `host_bucket = ${host}`,
    `bucket_location = ${region}`,
    `use_https = ${protocol === 'https:' ? 'True' : 'False'}`,
    ...(place.caFile === undefined ? [] : [`ca_certs_file = ${place.caFile}`]),
  ];
  const file = path.join(place.folder, 's3cfg');
  writeFileSync(file, `[default]\n${settings.join('\n')}\n`);
  return ['s3cmd', '-c', file, '--no-progress', ...args];
}

const s3cmd = (place: Place, ...args: string[]): Promise<string> => run(place, line(place, args));
const at = ({ tag }: Place, key = ''): string => `s3://${tag}/${key}`;

async function sameFile(place: Place, key: string, file: string): Promise<void> {
  await s3cmd(place, 'get', '--force', at(place, key), 'got');
  sameBytes(readFileSync(path.join(place.folder, 'got')), readFileSync(path.join(place.folder, file)), key);
}

export const s3cmdClient: RealClient = {
  name: 's3cmd',
  apis: ['s3'],
  missing: () => missing('s3cmd'),
  version: () => versionFrom('s3cmd', '--version'),
  steps: {
    async mb(place) {
      await s3cmd(place, 'mb', at(place));
      holds((await s3cmd(place, 'ls')).includes(at(place).slice(0, -1)), 'the bucket is listed');
    },
    async 'put, get'(place) {
      makeTree(place.folder, 'tree');
      await s3cmd(place, 'put', 'tree/dir/4k', at(place, 'ü +&'));
      await sameFile(place, 'ü +&', 'tree/dir/4k');
    },
    async 'put in parts'(place) {
      await s3cmd(place, 'put', '--multipart-chunk-size-mb=5', 'tree/large', at(place, 'large'));
      await sameFile(place, 'large', 'tree/large');
    },
    async 'get, resumed'(place) {
      const whole = readFileSync(path.join(place.folder, 'tree/large'));
      writeFileSync(path.join(place.folder, 'got'), whole.subarray(0, 1_000_000));
      await s3cmd(place, 'get', '--continue', at(place, 'large'), 'got');
      sameBytes(readFileSync(path.join(place.folder, 'got')), whole, 'large');
    },
    async 'policy, ACL'(place) {
      const statement = {
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${place.tag}/*`,
      };
      writeFileSync(
        path.join(place.folder, 'policy'),
        JSON.stringify({ Version: '2012-10-17', Statement: [statement] }),
      );
      await s3cmd(place, 'setpolicy', 'policy', at(place));
      holds((await s3cmd(place, 'info', at(place))).includes('s3:GetObject'), 'the policy is shown');
      await s3cmd(place, 'delpolicy', at(place));
      holds(!(await s3cmd(place, 'info', at(place))).includes('s3:GetObject'), 'and gone');
    },
    async info(place) {
      holds((await s3cmd(place, 'info', at(place, 'large'))).includes(String(LARGE_BYTES)), 'size');
    },
    async sync(place) {
      await s3cmd(place, 'sync', 'tree/', at(place, 'tree/'));
      await s3cmd(place, 'sync', at(place, 'tree/'), 'out/');
      sameTrees(path.join(place.folder, 'out'), path.join(place.folder, 'tree'));
    },
    async ls(place) {
      same(linesOf(await s3cmd(place, 'ls', '--recursive', at(place, 'tree/'))).length, TREE_NAMES.length, 'names');
      holds((await s3cmd(place, 'ls', at(place))).includes(`DIR  ${at(place, 'tree/')}`), 'a folder');
    },
    async 'cp, mv'(place) {
      await s3cmd(place, 'cp', at(place, 'large'), at(place, 'copied'));
      await s3cmd(place, 'mv', at(place, 'copied'), at(place, 'moved'));
      await sameFile(place, 'moved', 'tree/large');
    },
    async del(place) {
      await s3cmd(place, 'del', at(place, 'moved'));
      await s3cmd(place, 'del', '--recursive', '--force', at(place));
      same(await s3cmd(place, 'ls', '--recursive', at(place)), '', 'left');
    },
    async rb(place) {
      await s3cmd(place, 'rb', at(place));
      holds((await attempt(place, line(place, ['ls', at(place)]))).code !== 0, 'the bucket is gone');
    },
  },
};
