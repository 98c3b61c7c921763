/** `aws s3api` where something outlives a single command: versions, bucket policies, uploads that are taken up again. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { missing } from '../tools.ts';
import { aws, awsAttempt, awsVersion } from './aws.ts';
import type { Place, RealClient, Step } from './contract.ts';
import { holds, noise, same, sameBytes } from './files.ts';

const PART_BYTES = 5 * 1024 * 1024;

type Answer = Record<string, unknown>;

async function keep(place: Place, operation: string, ...args: string[]): Promise<Answer> {
  const text = await aws(place, 's3api', operation, '--bucket', place.tag, '--output', 'json', ...args);
  return text.trim() === '' ? {} : (JSON.parse(text) as Answer);
}

async function putText(place: Place, key: string, text: string): Promise<string> {
  writeFileSync(path.join(place.folder, 'text'), text);
  return String((await keep(place, 'put-object', '--key', key, '--body', 'text'))['VersionId']);
}

async function getText(place: Place, key: string, ...args: string[]): Promise<string> {
  await keep(place, 'get-object', '--key', key, ...args, 'got');
  return readFileSync(path.join(place.folder, 'got'), 'utf8');
}

const versions: Step = async (place) => {
  await keep(place, 'create-bucket');
  await keep(place, 'put-bucket-versioning', '--versioning-configuration', 'Status=Enabled');
  same((await keep(place, 'get-bucket-versioning'))['Status'], 'Enabled', 'status');
  const first = await putText(place, 'ü', 'one');
  await putText(place, 'ü', 'two');
  same([await getText(place, 'ü'), await getText(place, 'ü', '--version-id', first)], ['two', 'one'], 'both versions');
  const marker = await keep(place, 'delete-object', '--key', 'ü');
  same(marker['DeleteMarker'], true, 'a marker');
  const listed = await keep(place, 'list-object-versions');
  same([(listed['Versions'] as unknown[]).length, (listed['DeleteMarkers'] as unknown[]).length], [2, 1], 'listed');
  await keep(place, 'delete-object', '--key', 'ü', '--version-id', String(marker['VersionId']));
  same(await getText(place, 'ü'), 'two', 'back again');
  await keep(place, 'delete-object', '--key', 'ü', '--version-id', first);
  const left = (await keep(place, 'list-object-versions'))['Versions'] as unknown[];
  same(left.length, 1, 'one left');
};

const anonymous = (place: Place, key: string) =>
  awsAttempt(place, 's3api', 'get-object', '--no-sign-request', '--bucket', place.tag, '--key', key, 'public');

const bucketPolicy: Step = async (place) => {
  await putText(place, 'open/a', 'for all');
  await putText(place, 'shut', 'for us');
  const statement = {
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: `arn:aws:s3:::${place.tag}/open/*`,
  };
  const policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  await keep(place, 'put-bucket-policy', '--policy', policy);
  same(JSON.parse(String((await keep(place, 'get-bucket-policy'))['Policy'])), JSON.parse(policy), 'the policy');
  same(((await keep(place, 'get-bucket-policy-status'))['PolicyStatus'] as Answer)['IsPublic'], true, 'is public');
  same((await anonymous(place, 'open/a')).code, 0, 'anybody reads');
  const refused = await anonymous(place, 'shut');
  holds(refused.code !== 0 && refused.stderr.includes('AccessDenied'), refused.stderr);
  await keep(place, 'delete-bucket-policy');
  holds((await anonymous(place, 'open/a')).code !== 0, 'and no longer');
};

/** What an uploader that died does when it comes back: asks what is there, and sends the rest. */
const resume: Step = async (place) => {
  const parts = [noise(PART_BYTES, 1), noise(PART_BYTES, 2), noise(1000, 3)];
  const { UploadId } = await keep(place, 'create-multipart-upload', '--key', 'long');
  const which = ['--key', 'long', '--upload-id', String(UploadId)];
  const send = (index: number): Promise<Answer> => {
    writeFileSync(path.join(place.folder, 'part'), parts[index] as Buffer);
    return keep(place, 'upload-part', ...which, '--part-number', String(index + 1), '--body', 'part');
  };
  await send(1);
  const [found] = (await keep(place, 'list-multipart-uploads'))['Uploads'] as { UploadId: string }[];
  same(found?.UploadId, UploadId, 'the upload is found');
  const there = (await keep(place, 'list-parts', ...which))['Parts'] as { PartNumber: number }[];
  same(
    there.map(({ PartNumber }) => PartNumber),
    [2],
    'what is there',
  );
  for (const index of [0, 2]) await send(index);
  const all = (await keep(place, 'list-parts', ...which))['Parts'] as { PartNumber: number; ETag: string }[];
  const Parts = all.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
  await keep(place, 'complete-multipart-upload', ...which, '--multipart-upload', JSON.stringify({ Parts }));
  await keep(place, 'get-object', '--key', 'long', 'got');
  sameBytes(readFileSync(path.join(place.folder, 'got')), Buffer.concat(parts), 'long');
};

const emptied: Step = async (place) => {
  const { Versions = [] } = (await keep(place, 'list-object-versions')) as {
    Versions?: { Key: string; VersionId: string }[];
  };
  const Objects = Versions.map(({ Key, VersionId }) => ({ Key, VersionId }));
  await keep(place, 'delete-objects', '--delete', JSON.stringify({ Objects }));
  await keep(place, 'delete-bucket');
};

export const awsKept: RealClient = {
  name: 'aws s3api, kept',
  apis: ['s3'],
  missing: () => missing('aws'),
  version: awsVersion,
  steps: { versions, 'bucket policy': bucketPolicy, 'resumed upload': resume, 'delete versions': emptied },
};
