// Thousands of odd requests against the handler, signed and not, with documents and forms that were proper before somebody
// cut, doubled or changed a piece of them: none may meet a bug (500), every answer must be fit for the wire.
import { createHmac } from 'node:crypto';
import process from 'node:process';
import t from 'tap';
import type { HttpRequest, HttpResponse } from '../../fabric/http/contract.ts';
import { createSeededRandom } from '../../fabric/random.ts';
import { createMemoryWorld, OWNER } from '../../test/memory-world.ts';
import { bodyOf, makeRequest, sha256Hex, signHeaders } from '../../test/s3-signer.ts';
import { createS3Handler } from './handler.ts';
import { OPERATIONS } from './operations.ts';

const REQUESTS = Number(process.env['REQUESTS'] ?? 6_000);
const SUBS = OPERATIONS.map(({ sub }) => sub);
const METHODS = ['GET', 'GET', 'HEAD', 'PUT', 'PUT', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'PATCH'];
const PATHS = [
  '/',
  '/bucket',
  '/bucket',
  '/bucket/key',
  '/bucket/key',
  '/bucket/new',
  '/none',
  '/bucket/%ff',
  '/bucket/../x',
];
const VALUES = [
  '',
  '1',
  '0',
  '-1',
  'a',
  '%ff',
  'null',
  'x'.repeat(300),
  '*',
  'a=b&c=%C3%BC',
  '1e9',
  '__proto__',
  '\xff',
  '"e"',
];
const QUERY_NAMES = [
  ...SUBS,
  ...SUBS,
  'prefix',
  'delimiter',
  'max-keys',
  'versionId',
  'partNumber',
  'response-expires',
];
const HEADERS = [
  'x-amz-tagging',
  'x-amz-tagging-directive',
  'x-amz-copy-source',
  'x-amz-acl',
  'x-amz-grant-read',
  'x-amz-storage-class',
  'x-amz-object-attributes',
  'x-amz-max-parts',
  'x-amz-meta-a',
  'x-amz-checksum-crc32',
  'x-amz-object-lock-mode',
  'x-amz-server-side-encryption',
  'content-type',
  'content-md5',
  'origin',
  'access-control-request-method',
  'range',
  'if-match',
  'if-none-match',
];
const DOCUMENTS = [
  '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>',
  '<CORSConfiguration><CORSRule><ID>i</ID><AllowedMethod>GET</AllowedMethod><AllowedOrigin>http://*.a</AllowedOrigin><AllowedHeader>*</AllowedHeader><ExposeHeader>b</ExposeHeader><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule></CORSConfiguration>',
  '<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><ErrorDocument><Key>e</Key></ErrorDocument><RoutingRules><RoutingRule><Condition><KeyPrefixEquals>a</KeyPrefixEquals></Condition><Redirect><ReplaceKeyWith>b</ReplaceKeyWith></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>',
  '<Delete><Object><Key>key</Key></Object><Quiet>true</Quiet></Delete>',
  '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
  '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"a"</ETag></Part></CompleteMultipartUpload>',
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:Get*","Resource":"arn:aws:s3:::bucket/*","Condition":{"StringLike":{"aws:Referer":["a*","${aws:username}"]}}}]}',
  '<AccessControlPolicy><Owner><ID>AUTH_test</ID></Owner><AccessControlList><Grant><Grantee><ID>AUTH_test</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>',
];
const CONDITIONS = [
  { bucket: 'bucket' },
  ['starts-with', '$key', ''],
  ['eq', '$acl', 'private'],
  ['content-length-range', 0, 100],
  ['starts-with', '$tagging', ''],
];

type Random = ReturnType<typeof createSeededRandom>;

t.test('no request meets a bug', async (t) => {
  const seed = Number(process.env['SEED'] ?? 20_261_121);
  t.comment(`SEED=${seed} REQUESTS=${REQUESTS}`);
  const random = createSeededRandom(seed);
  const errors: object[] = [];
  const world = createMemoryWorld(errors);
  const handler = createS3Handler(world);
  const credentials = { ...OWNER, region: world.region };
  const statuses = new Map<number, number>();
  const ask = async (request: HttpRequest): Promise<HttpResponse> => {
    const response = await handler(request);
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    return response;
  };
  const signed = (made: Made): HttpRequest => {
    const timestamp = new Date(world.clock.nowMs()).toISOString().replace(/[-:]|\.\d+/g, '');
    const headers = { ...made.headers, host: 'localhost', 'content-length': String(made.body.length) };
    const own = { ...made, query: made.query, headers, payload: sha256Hex(made.body), timestamp };
    return asRequest({ ...made, headers: signHeaders(credentials, own) });
  };
  const keep = async (): Promise<void> => {
    await ask(signed({ method: 'PUT', path: '/bucket', query: '', headers: {}, body: Buffer.alloc(0) }));
    await ask(signed({ method: 'PUT', path: '/bucket/key', query: '', headers: {}, body: Buffer.from('text') }));
  };
  for (let i = 0; i < REQUESTS; i++) {
    if (i % 50 === 0) await keep();
    const form = i % 4 === 0;
    const made = form ? makeForm(random) : makeOdd(random);
    const request = form || random.below(5) === 0 ? asRequest(made) : signed(made);
    const response = await ask(request);
    const bad = response.headers.find((text) => typeof text !== 'string' || /[^\t\x20-\xff]|\x7f/.test(text));
    if (errors.length > 0 || response.status === 500 || bad !== undefined) {
      t.fail(
        `${response.status} ${bad ?? ''}: ${JSON.stringify({ ...made, body: made.body.toString('latin1') }).slice(0, 3000)}`,
        { errors },
      );
      return;
    }
    await drain(response);
  }
  t.comment(JSON.stringify(Object.fromEntries(statuses)));
  for (const status of [200, 204, 400, 403, 404, 405, 412, 501]) t.ok(statuses.has(status), `${status} was among them`);
});

interface Made {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

function asRequest({ method, path, query, headers, body }: Made): HttpRequest {
  const pieces = body.length === 0 ? [] : [body.subarray(0, 7), body.subarray(7)].filter((piece) => piece.length > 0);
  return makeRequest({ method, path, query: query === '' ? undefined : query, headers, body: bodyOf(pieces) });
}

const pick = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)] as T;

function makeOdd(random: Random): Made {
  const headers: Record<string, string> = {};
  for (let count = random.below(4); count > 0; count--) headers[pick(random, HEADERS)] = pick(random, VALUES);
  const query: string[] = [];
  for (let count = random.below(3); count > 0; count--) {
    const name = pick(random, QUERY_NAMES);
    if (name !== '') query.push(random.below(2) === 0 ? name : `${name}=${encodeURIComponent(pick(random, VALUES))}`);
  }
  const method = pick(random, METHODS);
  const hasBody = method === 'PUT' || method === 'POST';
  const body = hasBody ? mutate(random, Buffer.from(pick(random, DOCUMENTS))) : Buffer.alloc(0);
  return { method, path: pick(random, PATHS), query: query.join('&'), headers, body };
}

function makeForm(random: Random): Made {
  const conditions = CONDITIONS.filter(() => random.below(5) > 0);
  const expiration = new Date(4_000_000_000_000).toISOString();
  const policy = mutate(random, Buffer.from(JSON.stringify({ expiration, conditions }))).toString('base64');
  const signature = createHmac('sha1', OWNER.secretAccessKey).update(policy).digest('base64');
  const fields = Object.entries({
    key: pick(random, ['a/${filename}', 'k', '', 'x'.repeat(1100)]),
    acl: 'private',
    AWSAccessKeyId: OWNER.accessKeyId,
    policy,
    signature,
    tagging: mutate(random, Buffer.from(DOCUMENTS[0] as string)).toString(),
    success_action_status: pick(random, VALUES),
    success_action_redirect: pick(random, [...VALUES, 'http://a/b']),
  }).filter(() => random.below(8) > 0);
  const part = (name: string, value: string, more = ''): string =>
    `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
  const text = fields.map(([name, value]) => part(name, value)).join('') + part('file', 'body', '; filename="f"');
  const whole = Buffer.from(`${text}--b--\r\n`);
  const body = random.below(2) === 0 ? whole : mutate(random, whole);
  const headers = {
    host: 'localhost',
    'content-type': 'multipart/form-data; boundary=b',
    'content-length': String(body.length),
  };
  return { method: 'POST', path: '/bucket', query: '', headers, body };
}

/** Now and then as it is; else with a piece cut out, doubled, overwritten or moved in. */
function mutate(random: Random, text: Buffer): Buffer {
  let out = text;
  for (let count = random.below(3); count > 0; count--) {
    const at = random.below(out.length + 1);
    const end = Math.min(at + random.below(20), out.length);
    const [head, piece, tail] = [out.subarray(0, at), out.subarray(at, end), out.subarray(end)];
    const other = Buffer.from(
      pick(random, ['<', '&', '&lt;', '\0', '\xff', '"', '{}', '[', '<!DOCTYPE x>', '&#0;', '-1']),
    );
    out = Buffer.concat(
      pick(random, [
        [head, tail],
        [head, piece, piece, tail],
        [head, other, tail],
        [piece, head, tail],
      ]),
    );
  }
  return out;
}

async function drain({ body }: HttpResponse): Promise<void> {
  if (typeof body !== 'object' || !('next' in body)) return;
  while ((await body.next()) !== undefined);
}
