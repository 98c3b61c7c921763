/** The `aws` command, operation by operation: `aws s3api`. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { missing } from '../tools.ts';
import { aws, awsAttempt, awsVersion } from './aws.ts';
import type { Place, RealClient } from './contract.ts';
import { holds, noise, same, sameBytes } from './files.ts';

const PART_BYTES = 5 * 1024 * 1024;

/** One operation on the bucket of this place; its JSON answer. */
async function api(place: Place, operation: string, ...args: string[]): Promise<Record<string, unknown>> {
  const text = await aws(place, 's3api', operation, '--bucket', place.tag, '--output', 'json', ...args);
  return text.trim() === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

const keysOf = (answer: Record<string, unknown>): string[] =>
  ((answer['Contents'] ?? []) as { Key: string }[]).map(({ Key }) => Key);

async function put(place: Place, key: string, body: Buffer, ...args: string[]): Promise<Record<string, unknown>> {
  writeFileSync(path.join(place.folder, 'body'), body);
  return api(place, 'put-object', '--key', key, '--body', 'body', ...args);
}

async function get(place: Place, key: string, ...args: string[]): Promise<Buffer> {
  await api(place, 'get-object', '--key', key, ...args, 'got');
  return readFileSync(path.join(place.folder, 'got'));
}

async function multipart(place: Place): Promise<void> {
  const parts = [noise(PART_BYTES, 1), noise(PART_BYTES, 2), noise(1000, 3)];
  await put(place, 'source', Buffer.concat([parts[1] as Buffer, noise(10)]));
  const { UploadId } = await api(place, 'create-multipart-upload', '--key', 'multi');
  const which = ['--key', 'multi', '--upload-id', String(UploadId)];
  for (const index of [0, 2]) {
    writeFileSync(path.join(place.folder, 'part'), parts[index] as Buffer);
    await api(place, 'upload-part', ...which, '--part-number', String(index + 1), '--body', 'part');
  }
  const range = ['--copy-source-range', `bytes=0-${PART_BYTES - 1}`];
  const source = ['--copy-source', `${place.tag}/source`];
  await api(place, 'upload-part-copy', ...which, '--part-number', '2', ...source, ...range);
  const listed = await api(place, 'list-parts', ...which);
  const list = (listed['Parts'] as { PartNumber: number; ETag: string }[]).map(({ PartNumber, ETag }) => ({
    PartNumber,
    ETag,
  }));
  same(list.length, 3, 'parts');
  const uploads = (await api(place, 'list-multipart-uploads'))['Uploads'] as unknown[];
  same(uploads.length, 1, 'uploads under way');
  await api(place, 'complete-multipart-upload', ...which, '--multipart-upload', JSON.stringify({ Parts: list }));
  sameBytes(await get(place, 'multi'), Buffer.concat(parts), 'multi');
}

async function listing(place: Place): Promise<void> {
  for (const key of ['l/a', 'l/b/1', 'l/b/2', 'l/c']) await put(place, key, Buffer.from(key));
  for (const operation of ['list-objects', 'list-objects-v2']) {
    const folded = await api(place, operation, '--prefix', 'l/', '--delimiter', '/');
    same(keysOf(folded), ['l/a', 'l/c'], operation);
    same(folded['CommonPrefixes'], [{ Prefix: 'l/b/' }], operation);
    const paged = await api(place, operation, '--prefix', 'l/', '--page-size', '2');
    same(keysOf(paged), ['l/a', 'l/b/1', 'l/b/2', 'l/c'], `${operation} in pages`);
  }
}

async function checksums(place: Place): Promise<void> {
  const body = noise(5000);
  const sha256 = createHash('sha256').update(body).digest('base64');
  const answer = await put(place, 'sum', body, '--checksum-algorithm', 'SHA256');
  same(answer['ChecksumSHA256'], sha256, 'answer to PUT');
  const head = await api(place, 'head-object', '--key', 'sum', '--checksum-mode', 'ENABLED');
  same(head['ChecksumSHA256'], sha256, 'answer to HEAD');
  await put(place, 'sum32', body, '--checksum-algorithm', 'CRC32');
  sameBytes(await get(place, 'sum32', '--checksum-mode', 'ENABLED'), body, 'read with its checksum');
}

async function conditionalPut(place: Place): Promise<string | void> {
  writeFileSync(path.join(place.folder, 'body'), 'first');
  const line = [
    's3api',
    'put-object',
    '--bucket',
    place.tag,
    '--key',
    'once',
    '--body',
    'body',
    '--if-none-match',
    '*',
  ];
  const first = await awsAttempt(place, ...line);
  if (/Unknown options/.test(first.stderr)) return 'this version has no --if-none-match';
  holds(first.code === 0, first.stderr);
  const second = await awsAttempt(place, ...line);
  holds(second.code !== 0 && second.stderr.includes('PreconditionFailed'), second.stderr);
  sameBytes(await get(place, 'once'), Buffer.from('first'), 'once');
}

async function select(place: Place): Promise<void> {
  await put(place, 'people', Buffer.from('name,age\nann,31\nbob,9\n'));
  const formats = [
    ...['--input-serialization', '{"CSV":{"FileHeaderInfo":"USE"}}'],
    ...['--output-serialization', '{"JSON":{}}'],
  ];
  const sql = 'SELECT s.name FROM S3Object s WHERE CAST(s.age AS INT) > 10';
  const query = ['--expression-type', 'SQL', '--expression', sql];
  await api(place, 'select-object-content', '--key', 'people', ...query, ...formats, 'selected');
  same(readFileSync(path.join(place.folder, 'selected'), 'utf8'), '{"name":"ann"}\n', 'selected');
}

export const awsS3Api: RealClient = {
  name: 'aws s3api',
  apis: ['s3'],
  missing: () => missing('aws'),
  version: awsVersion,
  steps: {
    async 'create-bucket, location'(place) {
      await api(place, 'create-bucket');
      const { LocationConstraint } = await api(place, 'get-bucket-location');
      holds([place.credentials.s3.region, null].includes(LocationConstraint as string), String(LocationConstraint));
    },
    async 'put, head, get, range'(place) {
      const body = noise(100_000);
      const { ETag } = await put(place, 'ü 漢字', body, '--metadata', 'a=b', '--content-type', 'text/x');
      same(ETag, `"${createHash('md5').update(body).digest('hex')}"`, 'ETag');
      const head = await api(place, 'head-object', '--key', 'ü 漢字');
      same([head['ContentType'], head['Metadata'], head['ContentLength']], ['text/x', { a: 'b' }, 100_000], 'head');
      sameBytes(await get(place, 'ü 漢字'), body, 'whole');
      sameBytes(await get(place, 'ü 漢字', '--range', 'bytes=65530-65545'), body.subarray(65_530, 65_546), 'range');
    },
    async 'copy-object'(place) {
      const source = `${place.tag}/ü 漢字`;
      await api(place, 'copy-object', '--key', 'copied', '--copy-source', source);
      sameBytes(await get(place, 'copied'), noise(100_000), 'copied');
    },
    'list v1 and v2': listing,
    'multipart with upload-part-copy': multipart,
    async 'abort-multipart-upload'(place) {
      const { UploadId } = await api(place, 'create-multipart-upload', '--key', 'given up');
      await api(place, 'abort-multipart-upload', '--key', 'given up', '--upload-id', String(UploadId));
      same((await api(place, 'list-multipart-uploads'))['Uploads'], undefined, 'uploads under way');
    },
    checksums,
    'conditional put': conditionalPut,
    'select-object-content': select,
    async 'delete-objects'(place) {
      const keys = keysOf(await api(place, 'list-objects-v2'));
      const wanted = JSON.stringify({ Objects: keys.map((Key) => ({ Key })) });
      same(
        ((await api(place, 'delete-objects', '--delete', wanted))['Deleted'] as unknown[]).length,
        keys.length,
        'deleted',
      );
      same(keysOf(await api(place, 'list-objects-v2')), [], 'left');
      await api(place, 'delete-bucket');
    },
  },
};
