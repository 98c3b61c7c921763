/** What one API writes the other reads: two different clients on the two APIs of one account. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { missing } from '../tools.ts';
import { aws, awsVersion, transfer } from './aws.ts';
import type { Place, RealClient } from './contract.ts';
import { holds, LARGE_BYTES, linesOf, makeTree, same, sameBytes, sameTrees, TREE_NAMES } from './files.ts';
import { swift, swiftVersion } from './swift.ts';

async function s3Object(place: Place, key: string): Promise<Buffer> {
  await aws(place, 's3api', 'get-object', '--bucket', place.tag, '--key', key, 'got');
  return readFileSync(path.join(place.folder, 'got'));
}

export const crossing: RealClient = {
  name: 'swift and aws',
  apis: ['s3', 'swift'],
  missing: () => missing('swift') || missing('aws'),
  version: () => `${swiftVersion()}, ${awsVersion()}`,
  steps: {
    async 'swift writes, aws reads'(place) {
      const tree = makeTree(place.folder, 'tree');
      await swift(place, 'upload', place.tag, 'tree');
      await transfer(place, 'sync', `s3://${place.tag}/tree`, 'from-s3');
      sameTrees(path.join(place.folder, 'from-s3'), tree);
    },
    async 'an SLO, read and copied by aws'(place) {
      const large = readFileSync(path.join(place.folder, 'tree', 'large'));
      const options = ['--use-slo', '--segment-size', '3000000', '--segment-container', `${place.tag}-segments`];
      await swift(place, 'upload', place.tag, 'tree/large', '--object-name', 'slo', ...options);
      sameBytes(await s3Object(place, 'slo'), large, 'slo');
      await aws(
        place,
        's3api',
        'copy-object',
        '--bucket',
        place.tag,
        '--key',
        'flat',
        '--copy-source',
        `${place.tag}/slo`,
      );
      sameBytes(await s3Object(place, 'flat'), large, 'flat');
    },
    async 'aws writes in parts, swift reads'(place) {
      await transfer(place, 'sync', 'tree', `s3://${place.tag}/by-aws`);
      mkdirSync(path.join(place.folder, 'from-swift'));
      await swift(place, 'download', place.tag, '-p', 'by-aws/', '-D', 'from-swift');
      sameTrees(path.join(place.folder, 'from-swift', 'by-aws'), path.join(place.folder, 'tree'));
      const stat = await swift(place, 'stat', place.tag, 'by-aws/large');
      holds(stat.includes(`Content Length: ${LARGE_BYTES}`), stat);
    },
    async 'metadata both ways'(place) {
      writeFileSync(path.join(place.folder, 'note'), 'note');
      await swift(place, 'upload', place.tag, 'note', '-H', 'X-Object-Meta-Colour: blue', '-H', 'Content-Type: text/x');
      const head = JSON.parse(
        await aws(place, 's3api', 'head-object', '--bucket', place.tag, '--key', 'note', '--output', 'json'),
      ) as { Metadata: Record<string, string>; ContentType: string };
      same([head.Metadata['colour'], head.ContentType], ['blue', 'text/x'], 'read by aws');
      await transfer(place, 'cp', 'note', `s3://${place.tag}/note2`, '--metadata', 'shade=dark');
      holds((await swift(place, 'stat', place.tag, 'note2')).includes('Meta Shade: dark'), 'read by swift');
    },
    async 'one listing'(place) {
      const bySwift = linesOf(await swift(place, 'list', place.tag));
      const listed = await aws(place, 's3api', 'list-objects-v2', '--bucket', place.tag, '--output', 'json');
      const byAws = (JSON.parse(listed) as { Contents: { Key: string }[] }).Contents.map(({ Key }) => Key);
      same(byAws.sort(), bySwift, 'names');
      same(bySwift.length, 2 * TREE_NAMES.length + 4, 'how many');
    },
    async 'aws deletes, swift sees it'(place) {
      await aws(place, 's3', 'rm', '--recursive', `s3://${place.tag}/by-aws`);
      same(await swift(place, 'list', place.tag, '-p', 'by-aws/'), '', 'left');
      await swift(place, 'delete', place.tag);
      await swift(place, 'delete', `${place.tag}-segments`);
      const left = await aws(place, 's3', 'ls');
      holds(!left.includes(place.tag), `still listed: ${left}`);
    },
  },
};
