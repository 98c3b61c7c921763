/** The JavaScript SDK, version 3, as an application has it: from npm, in this very process. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  type S3ClientConfig,
  SelectObjectContentCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { Agent, request } from 'undici';
import type { Place, RealClient } from './contract.ts';
import { noise, same, sameBytes } from './files.ts';

const PART_BYTES = 5 * 1024 * 1024;
const CALL_MS = 30_000;

async function withClient<T>(
  place: Place,
  use: (s3: S3Client) => Promise<T>,
  options: S3ClientConfig = {},
): Promise<T> {
  const { accessKeyId, secretAccessKey, region } = place.credentials.s3;
  const ca = place.caFile === undefined ? {} : { ca: readFileSync(place.caFile) };
  const s3 = new S3Client({
    endpoint: place.s3Endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    maxAttempts: 1,
    // For large bodies that wait for a 100 the SDK makes an agent of its own, which does not know the certificate.
    expectContinueHeader: place.caFile === undefined,
    ...options,
    requestHandler: { requestTimeout: CALL_MS, httpsAgent: ca },
  });
  try {
    return await use(s3);
  } finally {
    s3.destroy();
  }
}

const step = (run: (s3: S3Client, at: { Bucket: string }, place: Place) => Promise<void>) => (place: Place) =>
  withClient(place, (s3) => run(s3, { Bucket: place.tag }, place));

async function bytesOf(s3: S3Client, Bucket: string, Key: string, Range?: string): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, ...(Range && { Range }) }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

async function listKeys(s3: S3Client, Bucket: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket })) {
    keys.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''));
  }
  return keys;
}

/** The status of a request that knows nothing but its URL. */
async function fetchUrl(place: Place, url: string, sent: { headers?: Record<string, string>; body?: string } = {}) {
  const trust = place.caFile === undefined ? {} : { connect: { ca: readFileSync(place.caFile) } };
  const dispatcher = new Agent({ ...trust, bodyTimeout: CALL_MS, headersTimeout: CALL_MS });
  try {
    const method = sent.body === undefined ? 'GET' : 'PUT';
    const { statusCode, body } = await request(url, { method, dispatcher, ...sent });
    return { status: statusCode, text: await body.text() };
  } finally {
    await dispatcher.close();
  }
}

/** URLs that anybody may use for a minute; Content-Type is not among what they sign. */
async function presigned(s3: S3Client, place: Place): Promise<void> {
  const where = { Bucket: place.tag, Key: 'signed +&' };
  const put = await getSignedUrl(s3, new PutObjectCommand(where), { expiresIn: 60 });
  const sent = await fetchUrl(place, put, { headers: { 'content-type': 'image/png' }, body: 'presigned' });
  same(sent.status, 200, `PUT: ${sent.text}`);
  const get = await getSignedUrl(s3, new GetObjectCommand(where), { expiresIn: 60 });
  same(await fetchUrl(place, get), { status: 200, text: 'presigned' }, 'GET');
  same((await fetchUrl(place, get.replace('signed', 'forged'))).status, 403, 'forged');
}

async function select(s3: S3Client, at: { Bucket: string }): Promise<void> {
  const where = { ...at, Key: 'people' };
  await s3.send(new PutObjectCommand({ ...where, Body: 'ann,31\nbob,9\n' }));
  const formats = { InputSerialization: { CSV: {} }, OutputSerialization: { JSON: {} } };
  const Expression = 'SELECT s._1 AS name FROM S3Object s WHERE CAST(s._2 AS INT) > 10';
  const asked = { ...where, ...formats, ExpressionType: 'SQL', Expression } as const;
  const { Payload } = await s3.send(new SelectObjectContentCommand(asked));
  let text = '';
  let last = '';
  for await (const event of Payload ?? []) {
    if (event.Records?.Payload) text += Buffer.from(event.Records.Payload).toString();
    last = Object.keys(event).join();
  }
  same([text, last], ['{"name":"ann"}\n', 'End'], 'records and the last event');
  await s3.send(new DeleteObjectCommand(where));
}

export const jsSdk: RealClient = {
  name: 'JavaScript SDK',
  apis: ['s3'],
  missing: () => false,
  version: () => (createRequire(import.meta.url)('@aws-sdk/client-s3/package.json') as { version: string }).version,
  steps: {
    'put, head, get, range': step(async (s3, at) => {
      await s3.send(new CreateBucketCommand(at));
      const body = noise(100_000);
      const stored = { ContentType: 'text/x', CacheControl: 'max-age=60', Metadata: { colour: 'blue' } };
      const { ETag } = await s3.send(new PutObjectCommand({ ...at, Key: 'ü 漢字', Body: body, ...stored }));
      same(ETag, `"${createHash('md5').update(body).digest('hex')}"`, 'ETag');
      const head = await s3.send(new HeadObjectCommand({ ...at, Key: 'ü 漢字' }));
      const { ContentType, CacheControl, Metadata } = head;
      same({ ContentType, CacheControl, Metadata }, stored, 'head');
      sameBytes(await bytesOf(s3, at.Bucket, 'ü 漢字'), body, 'whole');
      sameBytes(await bytesOf(s3, at.Bucket, 'ü 漢字', 'bytes=65530-65545'), body.subarray(65_530, 65_546), 'range');
    }),
    'put of a stream, with a trailer': step(async (s3, at) => {
      for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const) {
        const body = noise(300_000, 7);
        const pieces = [body.subarray(0, 100_000), body.subarray(100_000)];
        const put = { ...at, Key: ChecksumAlgorithm, Body: Readable.from(pieces), ContentLength: body.length };
        const answer = await s3.send(new PutObjectCommand({ ...put, ChecksumAlgorithm }));
        const head = await s3.send(new HeadObjectCommand({ ...at, Key: ChecksumAlgorithm, ChecksumMode: 'ENABLED' }));
        const name = `Checksum${ChecksumAlgorithm}` as const;
        same([typeof answer[name], head[name]], ['string', answer[name]], name);
        sameBytes(await bytesOf(s3, at.Bucket, ChecksumAlgorithm), body, ChecksumAlgorithm);
      }
    }),
    'multipart, one part copied': step(async (s3, at) => {
      const parts = [noise(PART_BYTES, 1), noise(1000, 3)] as const;
      const where = { ...at, Key: 'multi' };
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand(where));
      const first = await s3.send(new UploadPartCommand({ ...where, UploadId, PartNumber: 1, Body: parts[0] }));
      await s3.send(new PutObjectCommand({ ...at, Key: 'source', Body: parts[1] }));
      const copy = { ...where, UploadId, PartNumber: 2, CopySource: `${at.Bucket}/source` };
      const second = await s3.send(new UploadPartCopyCommand(copy));
      const Parts = [
        { PartNumber: 1, ETag: first.ETag, ChecksumCRC32: first.ChecksumCRC32 },
        { PartNumber: 2, ETag: second.CopyPartResult?.ETag },
      ];
      await s3.send(new CompleteMultipartUploadCommand({ ...where, UploadId, MultipartUpload: { Parts } }));
      sameBytes(await bytesOf(s3, at.Bucket, 'multi'), Buffer.concat(parts), 'multi');
      await s3.send(new CopyObjectCommand({ ...at, Key: 'copied', CopySource: `${at.Bucket}/multi` }));
      sameBytes(await bytesOf(s3, at.Bucket, 'copied'), Buffer.concat(parts), 'copied');
    }),
    'conditional put': step(async (s3, at) => {
      const once = { ...at, Key: 'once', IfNoneMatch: '*' };
      await s3.send(new PutObjectCommand({ ...once, Body: 'first' }));
      const second = await s3
        .send(new PutObjectCommand({ ...once, Body: 'second' }))
        .catch((error: Error) => error.name);
      same(second, 'PreconditionFailed', 'the second');
      same((await bytesOf(s3, at.Bucket, 'once')).toString(), 'first', 'once');
    }),
    async 'presigned URLs'(place) {
      // Otherwise the SDK signs the checksum of an empty body into the URL.
      await withClient(place, (s3) => presigned(s3, place), { requestChecksumCalculation: 'WHEN_REQUIRED' });
    },
    'select object content': step(select),
    'pages, delete': step(async (s3, at) => {
      const keys = await listKeys(s3, at.Bucket);
      same(keys.length, 11, keys.join());
      const { Deleted } = await s3.send(
        new DeleteObjectsCommand({ ...at, Delete: { Objects: keys.map((Key) => ({ Key })) } }),
      );
      same(Deleted?.length, keys.length, 'deleted');
      same(await listKeys(s3, at.Bucket), [], 'left');
      await s3.send(new DeleteBucketCommand(at));
    }),
  },
};
