// Swift's dynamic large objects through S3: read whole and by range, copied as what they stand for.
import { createHash } from 'node:crypto';
import t from 'tap';
import { createMemoryWorld, OWNER } from '../../test/memory-world.ts';
import { bodyOf, makeRequest, sha256Hex, signHeaders } from '../../test/s3-signer.ts';
import type { Context } from '../object/contract.ts';
import { createS3Handler } from './handler.ts';

const PARTS = ['first ', 'second ', 'third'].map((text) => Buffer.from(text));
const WHOLE = Buffer.concat(PARTS).toString();
const ACCOUNT = 'AUTH_test';
const BUCKET = 'bucket';
const md5 = (data: Buffer | string): string => createHash('md5').update(data).digest('hex');

interface Answer {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  readonly length: number | undefined;
  readonly text: string;
}

type Ask = (
  method: string,
  key: string,
  sent?: { query?: string; headers?: Record<string, string>; body?: string },
) => Promise<Answer>;

async function setUp(): Promise<Ask> {
  const world = createMemoryWorld();
  const caller = { account: ACCOUNT, user: 'test:tester', groups: ['test:tester', 'test'], admin: true };
  const context: Context = { transId: 'tx', caller };
  const { store } = world;
  for (const container of [BUCKET, 'segments'])
    await store.createContainer(context, { account: ACCOUNT, container }, {});
  for (const [i, bytes] of PARTS.entries()) {
    const ref = { account: ACCOUNT, container: 'segments', object: `ü/${i}` };
    await store.putObject(context, ref, { body: bodyOf([bytes]) });
  }
  const manifest = { 'x-object-manifest': 'segments/%C3%BC/' };
  const ref = { account: ACCOUNT, container: BUCKET, object: 'dlo' };
  await store.putObject(context, ref, { body: bodyOf([]), headers: manifest, user: { colour: 'blue' } });
  const handler = createS3Handler(world);
  return async (method, key, { query = '', headers = {}, body = '' } = {}) => {
    const path = `/${BUCKET}/${key}`;
    const timestamp = new Date(world.clock.nowMs()).toISOString().replace(/[-:]|\.\d{3}/g, '');
    const toSign = {
      method,
      path,
      query,
      headers: { host: 'localhost', ...headers },
      payload: sha256Hex(body),
      timestamp,
    };
    const signed = signHeaders({ ...OWNER, region: world.region }, toSign);
    const sent = { ...signed, 'content-length': String(body.length) };
    const request = makeRequest({
      method,
      path,
      query,
      headers: sent,
      body: bodyOf(body === '' ? [] : [Buffer.from(body)]),
    });
    const response = await handler(request);
    const at = (name: string): number =>
      response.headers.findIndex((one, i) => i % 2 === 0 && one.toLowerCase() === name);
    return {
      status: response.status,
      header: (name) => (at(name) < 0 ? undefined : response.headers[at(name) + 1]),
      length: response.lengthBytes,
      text: await textOf(response.body),
    };
  };
}

async function textOf(body: unknown): Promise<string> {
  if (body === undefined || typeof body === 'string') return body ?? '';
  if (Buffer.isBuffer(body)) return body.toString();
  const source = body as { next(): Promise<Uint8Array | undefined> };
  const pieces: Uint8Array[] = [];
  for (let piece = await source.next(); piece !== undefined; piece = await source.next()) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

t.test('GET and HEAD', async (t) => {
  const ask = await setUp();
  const etag = `"${md5(PARTS.map(md5).join(''))}-3"`;
  const got = await ask('GET', 'dlo');
  t.same([got.status, got.text, got.length], [200, WHOLE, WHOLE.length]);
  t.equal(got.header('etag'), etag, 'no MD5 of the bytes, and it says so');
  t.equal(got.header('x-amz-meta-colour'), 'blue');
  const head = await ask('HEAD', 'dlo');
  t.same([head.status, head.length, head.header('etag')], [200, WHOLE.length, etag]);
  const range = await ask('GET', 'dlo', { headers: { range: 'bytes=4-9' } });
  t.same([range.status, range.text], [206, WHOLE.slice(4, 10)], 'across two segments');
});

t.test('a copy has the bytes', async (t) => {
  const ask = await setUp();
  const source = { 'x-amz-copy-source': `/${BUCKET}/dlo` };
  t.equal((await ask('PUT', 'copied', { headers: source })).status, 200);
  const copied = await ask('GET', 'copied');
  t.same([copied.text, copied.header('etag')], [WHOLE, `"${md5(WHOLE)}"`]);
  t.equal(copied.header('x-amz-meta-colour'), 'blue');
  const replace = { ...source, 'x-amz-metadata-directive': 'REPLACE', 'x-amz-checksum-algorithm': 'SHA256' };
  t.match((await ask('PUT', 'replaced', { headers: replace })).text, '<ChecksumSHA256>');
  const replaced = await ask('GET', 'replaced');
  t.same([replaced.text, replaced.header('x-amz-meta-colour')], [WHOLE, undefined]);
  const guarded = { ...source, 'x-amz-copy-source-if-match': '"other"' };
  t.equal((await ask('PUT', 'guarded', { headers: guarded })).status, 412);
});

t.test('a part copied from a range', async (t) => {
  const ask = await setUp();
  const begun = await ask('POST', 'multi', { query: 'uploads=' });
  const uploadId = /<UploadId>(.*)<\/UploadId>/.exec(begun.text)?.[1] ?? '';
  const query = `partNumber=1&uploadId=${encodeURIComponent(uploadId)}`;
  const source = { 'x-amz-copy-source': `/${BUCKET}/dlo` };
  const beyond = { ...source, 'x-amz-copy-source-range': 'bytes=6-99' };
  t.equal((await ask('PUT', 'multi', { query, headers: beyond })).status, 400);
  const ranged = { ...source, 'x-amz-copy-source-range': 'bytes=6-11' };
  t.match((await ask('PUT', 'multi', { query, headers: ranged })).text, md5('second'));
});
