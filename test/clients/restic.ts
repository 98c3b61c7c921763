/** restic: a backup on the S3 and on the Swift backend, restored, checked with every byte read, pruned. */
import { unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { missing } from '../tools.ts';
import { run, versionFrom } from './command.ts';
import type { Place, RealClient } from './contract.ts';
import { linesOf, makeTree, noise, same, sameTrees } from './files.ts';

const repositories = {
  s3: ({ s3Endpoint, tag }: Place): string => `s3:${s3Endpoint}/${tag}/repo`,
  swift: ({ tag }: Place): string => `swift:${tag}:/repo`,
} as const;

function restic(place: Place, backend: keyof typeof repositories, ...args: string[]): Promise<string> {
  const { s3, swift } = place.credentials;
  const env = {
    RESTIC_REPOSITORY: repositories[backend](place),
    RESTIC_PASSWORD: 'only for this test',
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    AWS_DEFAULT_REGION: s3.region,
    ST_AUTH: place.swiftAuth,
    ST_USER: swift.user,
    ST_KEY: swift.key,
  };
  const trust = place.caFile === undefined ? [] : ['--cacert', place.caFile];
  return run(place, ['restic', '--no-cache', ...trust, ...args], { env });
}

function makeClient(backend: keyof typeof repositories): RealClient {
  return {
    name: `restic, ${backend}`,
    apis: [backend],
    missing: () => missing('restic'),
    version: () => versionFrom('restic', 'version'),
    steps: {
      async init(place) {
        await restic(place, backend, 'init');
      },
      async backup(place) {
        makeTree(place.folder, 'tree');
        await restic(place, backend, 'backup', 'tree');
        unlinkSync(path.join(place.folder, 'tree', 'one byte'));
        writeFileSync(path.join(place.folder, 'tree', 'new'), noise(700_000, 5));
        await restic(place, backend, 'backup', 'tree');
        const list = JSON.parse(await restic(place, backend, 'snapshots', '--json')) as unknown[];
        same(list.length, 2, 'snapshots');
      },
      async restore(place) {
        await restic(place, backend, 'restore', 'latest', '--target', 'out');
        sameTrees(path.join(place.folder, 'out', 'tree'), path.join(place.folder, 'tree'));
      },
      async 'forget --prune'(place) {
        await restic(place, backend, 'forget', '--keep-last', '1', '--prune');
        same(linesOf(await restic(place, backend, 'list', 'snapshots')).length, 1, 'snapshots');
      },
      async 'check --read-data'(place) {
        await restic(place, backend, 'check', '--read-data');
      },
    },
  };
}

export const resticS3 = makeClient('s3');
export const resticSwift = makeClient('swift');
