/**
 * duplicity: a full and an incremental backup on the S3 and on the Swift backend, verified, restored as of both moments, pruned.
 * Its Swift backend asks sizes through a library that speaks Keystone alone, so that is who lets it in.
 */
import { unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { missing } from '../tools.ts';
import { aws } from './aws.ts';
import { attempt, run, versionFrom } from './command.ts';
import type { Place, RealClient } from './contract.ts';
import { holds, linesOf, makeTree, noise, same, sameTrees, TREE_NAMES } from './files.ts';

type Backend = 's3' | 'swift';
/** Debian's own: it brings its libraries for Debian's Python. */
const COMMAND = '/usr/bin/duplicity';

function environment({ credentials, caFile }: Place): Record<string, string> {
  const { s3, keystone } = credentials;
  if (!keystone) throw new Error('the cluster has no identity service');
  return {
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    AWS_DEFAULT_REGION: s3.region,
    SWIFT_AUTHVERSION: '3',
    SWIFT_AUTHURL: keystone.authUrl,
    SWIFT_USERNAME: keystone.username,
    SWIFT_PASSWORD: keystone.password,
    SWIFT_TENANTNAME: keystone.projectName,
    SWIFT_PROJECT_DOMAIN_NAME: keystone.domainName,
    SWIFT_USER_DOMAIN_NAME: keystone.domainName,
    ...(caFile === undefined ? {} : { AWS_CA_BUNDLE: caFile, REQUESTS_CA_BUNDLE: caFile }),
  };
}

function line(place: Place, backend: Backend, args: readonly string[]): string[] {
  const endpoint = backend === 's3' ? ['--s3-endpoint-url', place.s3Endpoint] : [];
  return [COMMAND, ...args, '--no-encryption', '--archive-dir', 'archive', ...endpoint];
}

const target = ({ tag }: Place, backend: Backend): string =>
  backend === 's3' ? `boto3+s3://${tag}/backup` : `swift://${tag}/backup`;

const duplicity = (place: Place, backend: Backend, ...args: string[]): Promise<string> =>
  run(place, line(place, backend, args), { env: environment(place) });

function makeClient(backend: Backend): RealClient {
  return {
    name: `duplicity, ${backend}`,
    apis: [backend],
    missing: () => missing('duplicity'),
    version: () => versionFrom(COMMAND, '--version'),
    steps: {
      async full(place) {
        if (backend === 's3') await aws(place, 's3', 'mb', `s3://${place.tag}`);
        makeTree(place.folder, 'tree');
        await duplicity(place, backend, 'full', '--volsize', '4', 'tree', target(place, backend));
      },
      async incremental(place) {
        unlinkSync(path.join(place.folder, 'tree', 'one byte'));
        writeFileSync(path.join(place.folder, 'tree', 'new'), noise(700_000, 5));
        await duplicity(place, backend, 'incremental', 'tree', target(place, backend));
      },
      async 'list-current-files'(place) {
        const listed = linesOf(await duplicity(place, backend, 'list-current-files', target(place, backend)));
        const files = listed.filter((each) => TREE_NAMES.some((name) => each.endsWith(` ${name}`)));
        same(files.length, TREE_NAMES.length - 1, 'files');
      },
      async verify(place) {
        await duplicity(place, backend, 'verify', '--compare-data', target(place, backend), 'tree');
        writeFileSync(path.join(place.folder, 'tree', 'new'), noise(700_000, 6));
        const found = await attempt(
          place,
          line(place, backend, ['verify', '--compare-data', target(place, backend), 'tree']),
          {
            env: environment(place),
          },
        );
        holds(found.code !== 0, 'a changed file is noticed');
        writeFileSync(path.join(place.folder, 'tree', 'new'), noise(700_000, 5));
      },
      async restore(place) {
        await duplicity(place, backend, 'restore', target(place, backend), 'out');
        sameTrees(path.join(place.folder, 'out'), path.join(place.folder, 'tree'));
      },
      async 'remove-all-but-n-full'(place) {
        await duplicity(place, backend, 'full', 'tree', target(place, backend));
        await duplicity(place, backend, 'remove-all-but-n-full', '1', '--force', target(place, backend));
        const status = await duplicity(place, backend, 'collection-status', target(place, backend));
        holds(/Number of contained backup sets: 1/.test(status), 'one is left');
        await duplicity(place, backend, 'restore', target(place, backend), 'last');
        sameTrees(path.join(place.folder, 'last'), path.join(place.folder, 'tree'));
      },
    },
  };
}

export const duplicityS3 = makeClient('s3');
export const duplicitySwift = makeClient('swift');
