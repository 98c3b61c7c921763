/** rclone with its two backends, s3 and swift, which are two remotes of one file. */
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { missing } from '../tools.ts';
import { runBytes, versionFrom } from './command.ts';
import type { Place, RealClient } from './contract.ts';
import { linesOf, makeTree, same, sameBytes, sameTrees, TREE_NAMES } from './files.ts';

/** Both remotes of a place, `s3:` and `swift:`. */
function writeRemotes({ folder, credentials, s3Endpoint, swiftAuth }: Place): string {
  const { s3, swift } = credentials;
  const keys = [`access_key_id = ${s3.accessKeyId}`, `secret_access_key = ${s3.secretAccessKey}`];
  const where = [`endpoint = ${s3Endpoint}`, `region = ${s3.region}`, 'force_path_style = true'];
  const user = [`user = ${swift.user}`, `key = ${swift.key}`, `auth = ${swiftAuth}`, 'auth_version = 1'];
  const s3Remote = ['[s3]', 'type = s3', 'provider = Other', ...keys, ...where];
  const text = [...s3Remote, '', '[swift]', 'type = swift', ...user, 'chunk_size = 5Mi', ''].join('\n');
  const file = path.join(folder, 'rclone.conf');
  writeFileSync(file, text);
  return file;
}

export const rclone = async (place: Place, ...args: string[]): Promise<string> =>
  (await rcloneBytes(place, ...args)).toString('utf8');

function rcloneBytes(place: Place, ...args: string[]): Promise<Buffer> {
  const flags = ['--config', writeRemotes(place), '--retries', '1', '--low-level-retries', '1'];
  const parts = ['--s3-upload-cutoff', '5Mi', '--s3-chunk-size', '5Mi'];
  const trust = place.caFile === undefined ? [] : ['--ca-cert', place.caFile];
  return runBytes(place, ['rclone', ...flags, ...parts, ...trust, ...args]);
}

/** The other API's remote, to see there what was written here. */
function makeClient(remote: 's3' | 'swift', other: 's3' | 'swift'): RealClient {
  const at = ({ tag }: Place, rest = ''): string => `${remote}:${tag}${rest}`;
  const list = async (place: Place, where: string): Promise<string[]> =>
    linesOf(await rclone(place, 'lsf', '-R', '--files-only', where));
  return {
    name: `rclone, ${remote}`,
    apis: ['s3', 'swift'],
    missing: () => missing('rclone'),
    version: () => versionFrom('rclone', 'version'),
    steps: {
      async mkdir(place) {
        await rclone(place, 'mkdir', at(place));
      },
      async 'sync, large files in parts'(place) {
        makeTree(place.folder, 'tree');
        await rclone(place, 'sync', 'tree', at(place, '/tree'));
        same(await list(place, at(place, '/tree')), TREE_NAMES, 'names');
      },
      async 'check --download'(place) {
        await rclone(place, 'check', '--download', 'tree', at(place, '/tree'));
      },
      async 'copy back'(place) {
        await rclone(place, 'copy', at(place, '/tree'), 'out');
        sameTrees(path.join(place.folder, 'out'), path.join(place.folder, 'tree'));
      },
      async 'sync removes'(place) {
        unlinkSync(path.join(place.folder, 'out', 'one byte'));
        await rclone(place, 'sync', 'out', at(place, '/tree'));
        same((await list(place, at(place, '/tree'))).length, TREE_NAMES.length - 1, 'names');
      },
      async copyto(place) {
        await rclone(place, 'copyto', at(place, '/tree/large'), at(place, '/copied'));
        await rclone(place, 'copyto', at(place, '/copied'), 'copied');
        const expected = readFileSync(path.join(place.folder, 'tree', 'large'));
        sameBytes(readFileSync(path.join(place.folder, 'copied')), expected, 'copied');
      },
      async 'moveto, cat'(place) {
        await rclone(place, 'moveto', at(place, '/tree/dir/4k'), at(place, '/moved'));
        same((await list(place, at(place, '/tree/dir'))).includes('4k'), false, 'still there');
        const got = await rclone(place, 'hashsum', 'md5', '--download', at(place, '/moved'));
        const expected = await rclone(place, 'hashsum', 'md5', 'tree/dir/4k');
        same(got.split(' ')[0], expected.split(' ')[0], 'moved');
      },
      async [`read by the ${other} backend`](place) {
        // The manifest of a dynamic large object counts nothing in a listing, as in Swift; its content is compared apart.
        const apart = ['--exclude', 'dir/4k', '--exclude', 'large'];
        await rclone(place, 'check', '--download', 'out', `${other}:${place.tag}/tree`, ...apart);
        const large = readFileSync(path.join(place.folder, 'out', 'large'));
        sameBytes(await rcloneBytes(place, 'cat', `${other}:${place.tag}/tree/large`), large, 'large');
      },
      async purge(place) {
        await rclone(place, 'purge', at(place));
        const left = linesOf(await rclone(place, 'lsf', `${remote}:`)).filter((name) => name === `${place.tag}/`);
        same(left, [], 'left');
      },
    },
  };
}

export const rcloneS3 = makeClient('s3', 'swift');
export const rcloneSwift = makeClient('swift', 's3');
