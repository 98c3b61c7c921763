/** s3fs: a bucket as a folder, where FUSE works. Whatever happens, the folder is unmounted again. */
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { missing } from '../tools.ts';
import { aws } from './aws.ts';
import { run, versionFrom } from './command.ts';
import type { Place, RealClient, Step } from './contract.ts';
import { holds, makeTree, noise, same, sameBytes, sameTrees } from './files.ts';

const FUSE = '/dev/fuse';
const UNMOUNT_MS = 20_000;

function noFuse(): string | false {
  try {
    accessSync(FUSE, constants.R_OK | constants.W_OK);
    return missing('fusermount');
  } catch {
    return `${FUSE} cannot be opened here`;
  }
}

async function mount(place: Place): Promise<string> {
  const { accessKeyId, secretAccessKey, region } = place.credentials.s3;
  writeFileSync(path.join(place.folder, 'passwd'), `${accessKeyId}:${secretAccessKey}\n`, { mode: 0o600 });
  const folder = path.join(place.folder, 'mounted');
  mkdirSync(folder, { recursive: true });
  const options = [
    `url=${place.s3Endpoint}`,
    `endpoint=${region}`,
    'use_path_request_style',
    `passwd_file=${place.folder}/passwd`,
  ];
  const env = place.caFile === undefined ? {} : { CURL_CA_BUNDLE: place.caFile };
  await run(place, ['s3fs', place.tag, folder, '-o', [...options, 'multipart_size=5'].join(',')], { env });
  return folder;
}

/** The bytes that were written are in the bucket after this. */
function unmount(folder: string): void {
  spawnSync('fusermount', ['-u', '-z', folder], { timeout: UNMOUNT_MS });
}

/** Mounts for one step. */
const mounted =
  (step: (place: Place, folder: string) => Promise<void> | void): Step =>
  async (place) => {
    const folder = await mount(place);
    try {
      await step(place, folder);
    } finally {
      unmount(folder);
    }
  };

export const s3fs: RealClient = {
  name: 's3fs',
  apis: ['s3'],
  missing: () => missing('s3fs') || noFuse(),
  version: () => versionFrom('s3fs', '--version'),
  steps: {
    async mount(place) {
      await aws(place, 's3', 'mb', `s3://${place.tag}`);
      unmount(await mount(place));
    },
    'write and read': mounted((place, folder) => {
      makeTree(place.folder, 'tree');
      makeTree(folder, 'tree');
      sameTrees(path.join(folder, 'tree'), path.join(place.folder, 'tree'));
    }),
    'mounted again': mounted((place, folder) => sameTrees(path.join(folder, 'tree'), path.join(place.folder, 'tree'))),
    async 'seen by aws'(place) {
      await aws(place, 's3', 'sync', `s3://${place.tag}/tree`, 'out');
      sameTrees(path.join(place.folder, 'out'), path.join(place.folder, 'tree'));
    },
    rename: mounted((place, folder) => {
      renameSync(path.join(folder, 'tree', 'large'), path.join(folder, 'tree', 'dir', 'moved'));
      sameBytes(
        readFileSync(path.join(folder, 'tree', 'dir', 'moved')),
        readFileSync(path.join(place.folder, 'tree', 'large')),
        'moved',
      );
      holds(!existsSync(path.join(folder, 'tree', 'large')), 'the old name is gone');
    }),
    'append, truncate, attributes': mounted((_, folder) => {
      const file = path.join(folder, 'grows');
      writeFileSync(file, noise(100_000, 1), { mode: 0o640 });
      writeFileSync(file, noise(5000, 2), { flag: 'a' });
      sameBytes(readFileSync(file), Buffer.concat([noise(100_000, 1), noise(5000, 2)]), 'appended');
      same(statSync(file).mode & 0o777, 0o640, 'mode');
      writeFileSync(file, '');
      same(statSync(file).size, 0, 'size');
    }),
    remove: mounted((_, folder) => {
      rmSync(path.join(folder, 'tree'), { recursive: true });
      same(readdirSync(folder), ['grows'], 'names');
    }),
  },
};
