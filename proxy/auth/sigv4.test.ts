// Signature Version 4: the examples that AWS publishes with their signatures, and every refusal.
import t from 'tap';
import type { Clock } from '../../fabric/clock.ts';
import type { HttpRequest } from '../../fabric/http/contract.ts';
import { createSeededRandom } from '../../fabric/random.ts';
import { bodyOf, makeRequest, presign, sha256Hex, signHeaders, type ToSign } from '../../test/s3-signer.ts';
import type { User, Users } from '../contract.ts';
import { Sigv4, SKEW_MS_MAX } from './sigv4.ts';
import { AwsChunkedBody } from './sigv4-chunked.ts';
import { parseAmzDate } from './sigv4-time.ts';

const EMPTY_SHA256 = sha256Hex('');
const TIMESTAMP = '20130524T000000Z';
const NOW_MS = Date.UTC(2013, 4, 24);
const USER: User = {
  account: 'test',
  name: 'tester',
  key: '',
  admin: true,
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const CREDENTIALS = { ...USER, region: 'us-east-1' };
const HOST = 'examplebucket.s3.amazonaws.com';
const users: Users = {
  byName: () => undefined,
  byAccessKey: (id) => (id === USER.accessKeyId ? USER : undefined),
  hasAccount: (account) => account === USER.account,
};

function sigv4(nowMs = NOW_MS): Sigv4 {
  const clock = { nowMs: () => nowMs } as Clock;
  return new Sigv4({ users, clock, region: 'us-east-1' });
}

function withAuthorization(
  headers: Record<string, string>,
  signedHeaders: string,
  signature: string,
): Record<string, string> {
  const credential = `${USER.accessKeyId}/20130524/us-east-1/s3/aws4_request`;
  const value = `AWS4-HMAC-SHA256 Credential=${credential},SignedHeaders=${signedHeaders},Signature=${signature}`;
  return { host: HOST, ...headers, authorization: value };
}

t.test(
  'published examples: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html',
  async (t) => {
    const dated = { 'x-amz-content-sha256': EMPTY_SHA256, 'x-amz-date': TIMESTAMP };
    const get = makeRequest({
      method: 'GET',
      path: '/test.txt',
      headers: withAuthorization(
        { range: 'bytes=0-9', ...dated },
        'host;range;x-amz-content-sha256;x-amz-date',
        'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
      ),
    });
    const { caller, payload } = sigv4().authenticate(get);
    t.same(caller, { account: 'AUTH_test', user: 'test:tester', groups: ['test:tester', 'test'], admin: true });
    t.same(payload, { kind: 'sha256', hex: EMPTY_SHA256 });

    const bodySha256 = sha256Hex('Welcome to Amazon S3.');
    const put = makeRequest({
      method: 'PUT',
      path: '/test$file.text',
      headers: withAuthorization(
        {
          date: 'Fri, 24 May 2013 00:00:00 GMT',
          'x-amz-content-sha256': bodySha256,
          'x-amz-date': TIMESTAMP,
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        },
        'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
        '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
      ),
    });
    t.same(sigv4().authenticate(put).payload, { kind: 'sha256', hex: bodySha256 });

    const lifecycle = withAuthorization(
      dated,
      'host;x-amz-content-sha256;x-amz-date',
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    );
    t.ok(sigv4().authenticate(makeRequest({ method: 'GET', path: '/', query: 'lifecycle', headers: lifecycle })).user);
    const list = withAuthorization(
      dated,
      'host;x-amz-content-sha256;x-amz-date',
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    );
    const query = 'prefix=J&max-keys=2';
    t.ok(sigv4().authenticate(makeRequest({ method: 'GET', path: '/', query, headers: list })).user);
  },
);

t.test('published example of a presigned request', async (t) => {
  const signature = 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';
  const query = `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=${TIMESTAMP}&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=${signature}`;
  const request = makeRequest({ method: 'GET', path: '/test.txt', query, headers: { host: HOST } });
  t.equal(sigv4(NOW_MS + 86_400_000).authenticate(request).user, USER);
  t.throws(() => sigv4(NOW_MS + 86_400_001).authenticate(request), {
    code: 'AccessDenied',
    message: 'Request has expired',
  });
  t.throws(() => sigv4(NOW_MS - SKEW_MS_MAX - 1).authenticate(request), { code: 'AccessDenied' });
  const other = makeRequest({ method: 'GET', path: '/test.txt2', query, headers: { host: HOST } });
  t.throws(() => sigv4().authenticate(other), { code: 'SignatureDoesNotMatch' });
});

t.test('published examples of chunks', async (t) => {
  const chunked = makeRequest({
    method: 'PUT',
    path: '/examplebucket/chunkObject.txt',
    headers: {
      ...withAuthorization(
        {
          'content-encoding': 'aws-chunked',
          'content-length': '66824',
          'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
          'x-amz-date': TIMESTAMP,
          'x-amz-decoded-content-length': '66560',
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        },
        'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
        '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
      ),
      host: 's3.amazonaws.com',
    },
  });
  const wire = Buffer.concat([
    Buffer.from('10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n'),
    Buffer.alloc(65_536, 'a'),
    Buffer.from('\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n'),
    Buffer.alloc(1024, 'a'),
    Buffer.from('\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n'),
  ]);
  t.equal(wire.length, 66_824);
  t.ok((await decode(chunked, wire, undefined)).equals(Buffer.alloc(66_560, 'a')));
});

t.test('published example of chunks with a trailer', async (t) => {
  const chunked = makeRequest({
    method: 'PUT',
    path: '/examplebucket/chunkObject.txt',
    headers: {
      ...withAuthorization(
        {
          'content-encoding': 'aws-chunked',
          'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
          'x-amz-date': TIMESTAMP,
          'x-amz-decoded-content-length': '66560',
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
          'x-amz-trailer': 'x-amz-checksum-crc32c',
        },
        'content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer',
        '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
      ),
      host: 's3.amazonaws.com',
    },
  });
  const wire = Buffer.concat([
    Buffer.from('10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n'),
    Buffer.alloc(65_536, 'a'),
    Buffer.from('\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n'),
    Buffer.alloc(1024, 'a'),
    Buffer.from('\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n'),
    Buffer.from('x-amz-checksum-crc32c:sOO8/Q==\r\n'),
    Buffer.from('x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n'),
  ]);
  t.ok((await decode(chunked, wire, ['x-amz-checksum-crc32c'])).equals(Buffer.alloc(66_560, 'a')));
});

async function decode(
  request: HttpRequest,
  wire: Buffer,
  trailerNames: readonly string[] | undefined,
): Promise<Buffer> {
  const { payload } = sigv4().authenticate(request);
  if (payload.kind !== 'chunked') throw new Error('not chunked');
  const pieces = [wire.subarray(0, 40), wire.subarray(40, 30_000), wire.subarray(30_000)];
  const body = new AwsChunkedBody({
    source: bodyOf(pieces),
    decodedBytes: 66_560,
    signing: payload.signing,
    trailerNames,
  });
  return body.collect(66_560);
}

const GET: ToSign = {
  method: 'GET',
  path: '/bucket/key',
  headers: { host: 'localhost:8080' },
  payload: EMPTY_SHA256,
  timestamp: TIMESTAMP,
};

function signed(change: Partial<ToSign> = {}, credentials = CREDENTIALS): HttpRequest {
  const request = { ...GET, ...change };
  return makeRequest({ ...request, headers: signHeaders(credentials, request) });
}

t.test('paths and queries as clients encode them', async (t) => {
  for (const path of [
    '/b/~x',
    '/b/%7Ex',
    '/b/a%2Fb',
    '/b/a+b',
    '/b/a%2Bb',
    '/b//x/../y',
    '/b/%C3%BC',
    '/b/a%20b',
    "/b/!'()*",
  ]) {
    t.ok(sigv4().authenticate(signed({ path })).user, path);
  }
  for (const query of ['a=1&b=2', 'b=2&a=1', 'acl', 'prefix=a%2Fb', 'prefix=a/b', 'x=%20', 'a-b=1&a=2', 'e=']) {
    t.ok(sigv4().authenticate(signed({ query })).user, query);
  }
  // Signed as it should be encoded, sent as it should not.
  const proper = signed({ path: '/b/a%2Bb%20%C3%BC~' });
  t.ok(sigv4().authenticate({ ...proper, path: '/b/a+b%20\xc3\xbc%7e' }).user);
  t.throws(() => sigv4().authenticate({ ...proper, path: '/b/a b' }), { code: 'SignatureDoesNotMatch' });
});

t.test('headers: blanks, repeated ones, bytes beyond ASCII', async (t) => {
  const headers = { host: 'h', 'x-amz-meta-a': 'x   y', 'x-amz-meta-b': '\xc3\xbc' };
  t.ok(sigv4().authenticate(signed({ headers })).user);
  const joined = signHeaders(CREDENTIALS, { ...GET, headers: { host: 'h', 'x-amz-meta-a': '1,2' } });
  const lines = Object.entries(joined)
    .filter(([name]) => name !== 'x-amz-meta-a')
    .flat();
  const twice = makeRequest({ ...GET, headers: [...lines, 'x-amz-meta-a', '1', 'x-amz-meta-a', '2'] });
  t.ok(sigv4().authenticate(twice).user);
  const source = signHeaders(CREDENTIALS, { ...GET, headers: { host: 'h', 'x-amz-copy-source': '/b/1,2' } });
  const rest = Object.entries(source)
    .filter(([name]) => name !== 'x-amz-copy-source')
    .flat();
  const split = makeRequest({ ...GET, headers: [...rest, 'x-amz-copy-source', '/b/1', 'x-amz-copy-source', '2'] });
  t.throws(() => sigv4().authenticate(split), { code: 'InvalidArgument' });
});

t.test('what was changed after signing', async (t) => {
  const request = signed();
  const refused = { code: 'SignatureDoesNotMatch' };
  t.throws(() => sigv4().authenticate({ ...request, method: 'PUT' }), refused);
  t.throws(() => sigv4().authenticate({ ...request, query: 'acl' }), refused);
  const headers = signHeaders(CREDENTIALS, GET);
  t.throws(() => sigv4().authenticate(makeRequest({ ...GET, headers: { ...headers, host: 'evil' } })), refused);
  const payload = { ...headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
  t.throws(() => sigv4().authenticate(makeRequest({ ...GET, headers: payload })), refused);
  const wrongSecret = signed({}, { ...CREDENTIALS, secretAccessKey: 'x' });
  t.throws(() => sigv4().authenticate(wrongSecret), refused);
  t.throws(() => sigv4().authenticate(makeRequest({ ...GET, headers: { ...headers, 'x-amz-acl': 'public-read' } })), {
    code: 'AccessDenied',
    details: { xml: { HeadersNotSigned: 'x-amz-acl' } },
  });
  t.throws(() => sigv4().authenticate(signed({ headers: {} })), { code: 'AccessDenied' }, 'Host is not signed');
});

t.test('time, scope and key', async (t) => {
  const request = signed();
  t.ok(sigv4(NOW_MS + SKEW_MS_MAX).authenticate(request).user);
  t.ok(sigv4(NOW_MS - SKEW_MS_MAX).authenticate(request).user);
  const skewed = { code: 'RequestTimeTooSkewed' };
  t.throws(() => sigv4(NOW_MS + SKEW_MS_MAX + 1).authenticate(request), skewed, 'a replay');
  t.throws(() => sigv4(NOW_MS - SKEW_MS_MAX - 1).authenticate(request), skewed);
  t.throws(() => sigv4().authenticate(signed({}, { ...CREDENTIALS, accessKeyId: 'NOBODY' })), {
    code: 'InvalidAccessKeyId',
  });
  t.throws(() => sigv4().authenticate(signed({}, { ...CREDENTIALS, region: 'eu-west-1' })), {
    code: 'AuthorizationHeaderMalformed',
    details: { xml: { Region: 'us-east-1' } },
  });
  const headers = signHeaders(CREDENTIALS, GET);
  t.throws(
    () => sigv4().authenticate(makeRequest({ ...GET, headers: { ...headers, 'x-amz-date': '20130525T000000Z' } })),
    {
      code: 'AuthorizationHeaderMalformed',
    },
  );
  t.throws(() => sigv4().authenticate(makeRequest({ ...GET, headers: { ...headers, 'x-amz-date': 'x' } })), {
    code: 'AccessDenied',
  });
  t.throws(() => sigv4().authenticate(makeRequest({ ...GET, headers: { ...headers, 'x-amz-security-token': 'x' } })), {
    code: 'InvalidToken',
  });
  const { 'x-amz-content-sha256': _, ...without } = headers;
  t.throws(() => sigv4().authenticate(makeRequest({ ...GET, headers: without })), { code: 'InvalidRequest' });
  t.throws(() => sigv4().authenticate(signed({ payload: 'nonsense' })), { code: 'InvalidArgument' });
});

t.test('forms of Authorization', async (t) => {
  const request = (authorization: string): HttpRequest =>
    makeRequest({ ...GET, headers: { host: 'h', authorization } });
  for (const [text, code] of [
    ['', 'AccessDenied'],
    ['AWS key:signature', 'InvalidRequest'],
    ['AWS4-ECDSA-P256-SHA256 x', 'InvalidRequest'],
    ['Bearer x', 'InvalidArgument'],
    ['AWS4-HMAC-SHA256', 'AuthorizationHeaderMalformed'],
    ['AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws4_request', 'AuthorizationHeaderMalformed'],
    ['AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=x', 'AuthorizationHeaderMalformed'],
    ['AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=x', 'AuthorizationHeaderMalformed'],
  ] as const) {
    t.throws(() => sigv4().authenticate(request(text)), { code }, text);
  }
  const anonymous = sigv4().authenticate(makeRequest({ ...GET, headers: { host: 'h' } }));
  t.equal(anonymous.user, undefined);
  t.equal(anonymous.caller.account, undefined);
});

t.test('presigned requests', async (t) => {
  const make = (seconds: number, extra: Record<string, string> = {}): HttpRequest =>
    makeRequest({ ...GET, query: presign(CREDENTIALS, GET, seconds), headers: { ...GET.headers, ...extra } });
  t.ok(sigv4().authenticate(make(60)).user);
  t.ok(sigv4(NOW_MS + 604_800_000).authenticate(make(604_800)).user);
  t.throws(() => sigv4().authenticate(make(604_801)), { code: 'AuthorizationQueryParametersError' });
  t.throws(() => sigv4().authenticate(make(-1)), { code: 'AuthorizationQueryParametersError' });
  t.throws(() => sigv4().authenticate(make(60, { 'x-amz-copy-source': '/a/b' })), { code: 'AccessDenied' });
  t.throws(() => sigv4().authenticate(make(60, { authorization: 'AWS4-HMAC-SHA256 x' })), { code: 'InvalidArgument' });
  const query = presign(CREDENTIALS, GET, 60);
  for (const name of ['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature']) {
    const broken = query.replace(new RegExp(`X-Amz-${name}=[^&]*&?`), '');
    const request = makeRequest({ ...GET, query: broken, headers: GET.headers });
    t.throws(() => sigv4().authenticate(request), { code: 'AuthorizationQueryParametersError' }, `without ${name}`);
    const twice = makeRequest({ ...GET, query: `${query}&X-Amz-${name}=x`, headers: GET.headers });
    t.throws(() => sigv4().authenticate(twice), { code: 'AuthorizationQueryParametersError' }, `${name} twice`);
  }
});

t.test('no Authorization header or presigned query breaks the parser', async (t) => {
  const seed = Number(process.env['SEED'] ?? 4242);
  t.comment(`seed ${seed}`);
  const random = createSeededRandom(seed);
  const alphabet = [
    'AWS4-HMAC-SHA256',
    ' ',
    ',',
    '=',
    '/',
    ';',
    'Credential',
    'SignedHeaders',
    'Signature',
    'host',
    '%',
    '\x00',
    'é',
    'aws4_request',
    's3',
    '20130524',
    'us-east-1',
    USER.accessKeyId,
    '&',
    'X-Amz-',
  ];
  const text = (): string =>
    Array.from({ length: random.below(24) }, () => alphabet[random.below(alphabet.length)]).join('');
  for (let round = 0; round < 3000; round++) {
    const base = signHeaders(CREDENTIALS, GET);
    const cut = random.below(base['authorization']!.length);
    const mangled = base['authorization']!.slice(0, cut) + text() + base['authorization']!.slice(cut + random.below(9));
    const headers = { ...base, authorization: random.below(2) === 0 ? mangled : text() };
    const query = `${presign(CREDENTIALS, GET, 60)}&${text()}X-Amz-${text()}`;
    const made = random.below(2) === 0 ? { ...GET, headers } : { ...GET, query, headers: GET.headers };
    let code = 'accepted';
    try {
      sigv4().authenticate(makeRequest(made));
    } catch (error) {
      code = (error as { code?: string }).code ?? `${error}`;
    }
    // Only a mangling that changed nothing but blanks after a comma may pass.
    const plain = (value: string): string => value.replace(/([ ,]) +/g, '$1');
    const harmless = made.headers === headers && plain(headers.authorization) === plain(base['authorization']!);
    if (code === 'accepted' && !harmless) t.fail(`round ${round} was accepted: ${JSON.stringify(made)}`);
    if (!/^[A-Za-z]+$/.test(code)) t.fail(`round ${round}: ${code}`);
  }
  t.pass('3,000 rounds');
});

t.test('dates', async (t) => {
  t.equal(parseAmzDate('20130524T000000Z'), NOW_MS);
  for (const text of ['', '20130524', '20131324T000000Z', '20130524T240000Z', '20130524t000000Z', '2013052AT000000Z']) {
    t.equal(parseAmzDate(text), undefined, text);
  }
});
