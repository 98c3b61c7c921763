/** The `swift` command of python-swiftclient. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { missing } from '../tools.ts';
import { run, runBytes, versionFrom } from './command.ts';
import type { Place, RealClient } from './contract.ts';
import { holds, LARGE_BYTES, linesOf, makeTree, noise, same, sameBytes, sameTrees, TREE_NAMES } from './files.ts';

export const swiftLine = ({ swiftAuth, credentials, caFile }: Place): string[] => [
  ...['swift', '-A', swiftAuth, '-U', credentials.swift.user, '-K', credentials.swift.key],
  ...(caFile === undefined ? [] : ['--os-cacert', caFile]),
];

export const swift = (place: Place, ...args: string[]): Promise<string> => run(place, [...swiftLine(place), ...args]);

export const swiftVersion = (): string => versionFrom('swift', '--version');

const fileIn = ({ folder }: Place, name: string): Buffer => readFileSync(path.join(folder, name));

async function segments(place: Place, container: string, option: string[]): Promise<void> {
  await swift(place, 'upload', container, 'tree/large', '--segment-size', '3000000', ...option);
  holds((await swift(place, 'stat', container, 'tree/large')).includes(`Content Length: ${LARGE_BYTES}`), 'length');
  same(linesOf(await swift(place, 'list', `${container}_segments`)).length, 4, 'segments');
  await swift(place, 'download', container, 'tree/large', '-o', `${container}.back`);
  sameBytes(fileIn(place, `${container}.back`), fileIn(place, 'tree/large'), container);
}

export const swiftClient: RealClient = {
  name: 'swift',
  apis: ['swift'],
  missing: () => missing('swift'),
  version: swiftVersion,
  steps: {
    async stat(place) {
      holds((await swift(place, 'stat')).includes('Account: AUTH_'), 'account');
    },
    async post(place) {
      await swift(place, 'post', `${place.tag}-容器`, '-m', 'Colour:蓝色', '-r', '.r:*');
      const stat = await swift(place, 'stat', `${place.tag}-容器`);
      holds(/Meta Colour: 蓝色/.test(stat) && /Read ACL: \.r:\*/.test(stat), stat);
    },
    async upload(place) {
      makeTree(place.folder, 'tree');
      await swift(place, 'upload', place.tag, 'tree');
    },
    async list(place) {
      const names = linesOf(await swift(place, 'list', place.tag));
      same(names, TREE_NAMES.map((name) => `tree/${name}`).sort(), 'listing');
      same(linesOf(await swift(place, 'list', place.tag, '-p', 'tree/dir/', '-d', '/')).length, 4, 'delimiter');
    },
    async download(place) {
      mkdirSync(path.join(place.folder, 'out'));
      await swift(place, 'download', place.tag, '-D', 'out');
      sameTrees(path.join(place.folder, 'out', 'tree'), path.join(place.folder, 'tree'));
    },
    async 'object stat, post'(place) {
      const stat = await swift(place, 'stat', place.tag, 'tree/dir/4k');
      const md5 = createHash('md5').update(fileIn(place, 'tree/dir/4k')).digest('hex');
      holds(stat.includes(`ETag: ${md5}`), stat);
      await swift(place, 'post', place.tag, 'tree/dir/4k', '-m', 'Note:备注');
      holds((await swift(place, 'stat', place.tag, 'tree/dir/4k')).includes('Meta Note: 备注'), 'metadata');
    },
    async 'upload from a pipe'(place) {
      const input = noise(200_000);
      await run(place, [...swiftLine(place), 'upload', place.tag, '-', '--object-name', 'piped'], { input });
      sameBytes(
        await runBytes(place, [...swiftLine(place), 'download', place.tag, 'piped', '-o', '-']),
        input,
        'piped',
      );
    },
    async copy(place) {
      await swift(place, 'copy', place.tag, 'tree/large', '-d', `/${place.tag}/copied`);
      await swift(place, 'download', place.tag, 'copied', '-o', 'copied');
      sameBytes(fileIn(place, 'copied'), fileIn(place, 'tree/large'), 'copied');
    },
    'SLO segments': (place) => segments(place, `${place.tag}-slo`, ['--use-slo']),
    'DLO segments': (place) => segments(place, `${place.tag}-dlo`, []),
    async 'skip identical'(place) {
      const options = ['--segment-size', '3000000', '--use-slo', '--skip-identical'];
      same((await swift(place, 'upload', `${place.tag}-slo`, 'tree/large', ...options)).trim(), 'tree/large', 'sent');
    },
    async delete(place) {
      await swift(place, 'delete', `${place.tag}-slo`, 'tree/large');
      same(await swift(place, 'list', `${place.tag}-slo_segments`), '', 'segments after their manifest was deleted');
      for (const end of ['', '_segments', '-容器', '-slo', '-slo_segments', '-dlo', '-dlo_segments']) {
        await swift(place, 'delete', `${place.tag}${end}`);
      }
      same(
        linesOf(await swift(place, 'list')).filter((name) => name.startsWith(place.tag)),
        [],
        'containers',
      );
    },
  },
};
