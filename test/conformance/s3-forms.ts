/** Uploads by a browser's form: fields, policies and both ways to sign them. */
import { createHash, createHmac } from 'node:crypto';
import { scopeOf, signingKey } from '../s3-signer.ts';
import { type Answer, amzNow, type Rig, type S3Suite, type S3User } from './s3-rig.ts';

const BOUNDARY = '----browser7MA4YWxk';

interface FilePart {
  readonly filename?: string | undefined;
  readonly body: string | Buffer;
}

interface Form {
  readonly fields: Readonly<Record<string, string>> | readonly (readonly [string, string])[];
  readonly file?: FilePart | null;
  readonly end?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Plain fields have file names too, as some clients send them. */
  readonly named?: boolean;
}

function post({ client, bucket }: Rig, form: Form): Promise<Answer> {
  const { fields, file = { filename: 'foo.txt', body: 'bar' }, end = `--${BOUNDARY}--\r\n`, named = false } = form;
  const parts: (string | Buffer)[] = [];
  for (const [name, value] of Array.isArray(fields) ? (fields as [string, string][]) : Object.entries(fields)) {
    const more = named ? `; filename="${name}"` : '';
    parts.push(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`);
  }
  if (file !== null) {
    const filename = file.filename === undefined ? '' : `; filename="${file.filename}"`;
    parts.push(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"${filename}\r\n\r\n`, file.body, '\r\n');
  }
  const body = Buffer.concat([...parts, end].map((part) => Buffer.from(part as string)));
  const headers = { host: client.host, 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, ...form.headers };
  return client.send('POST', `/${bucket}`, headers, body);
}

const soon = (offsetMs = 100_000): string => new Date(Date.now() + offsetMs).toISOString();

const usual = (bucket: string): unknown[] => [
  { bucket },
  ['starts-with', '$key', 'foo'],
  { acl: 'private' },
  ['starts-with', '$Content-Type', 'text/plain'],
  ['content-length-range', 0, 1024],
];

const encoded = (policy: unknown): string => Buffer.from(JSON.stringify(policy)).toString('base64');

function signTwo(user: S3User, policy: string): Record<string, string> {
  const signature = createHmac('sha1', user.secretAccessKey).update(policy).digest('base64');
  return { AWSAccessKeyId: user.accessKeyId, signature, policy };
}

const USUAL_FIELDS = { key: 'foo.txt', acl: 'private', 'Content-Type': 'text/plain' };

/** Signed by the owner, with what is said instead of the usual. */
function signed(
  { client, bucket }: Rig,
  policy: { expiration?: unknown; conditions?: unknown } & Record<string, unknown> = {},
  fields: Readonly<Record<string, string>> = {},
): Form['fields'] {
  const whole = { expiration: soon(), conditions: usual(bucket), ...policy };
  return { ...USUAL_FIELDS, ...signTwo(client.owner, encoded(whole)), ...fields };
}

const told = ({ status, code }: Answer): string => `${status} ${code}`;

async function open({ t, client, bucket }: Rig): Promise<void> {
  const controls = {
    query: 'ownershipControls',
    body: '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
  };
  t.equal((await client.ask('PUT', `/${bucket}`, controls)).status, 200);
  const acl = { query: 'acl', headers: { 'x-amz-acl': 'public-read-write' } };
  t.equal((await client.ask('PUT', `/${bucket}`, acl)).status, 200);
}

export const forms: S3Suite = {
  anonymous: async (rig) => {
    const { t, client, bucket } = rig;
    const fields = { key: 'foo.txt', 'Content-Type': 'text/plain' };
    t.equal((await post(rig, { fields })).code, 'AccessDenied', 'the bucket is private');
    await open(rig);
    const done = await post(rig, { fields: { ...fields, acl: 'public-read' } });
    t.equal(done.status, 204, done.text);
    t.equal(done.headers['location'], `${client.isTls ? 'https' : 'http'}://${client.host}/${bucket}/foo.txt`);
    const got = await client.ask('GET', `/${bucket}/foo.txt`, { user: null });
    t.equal(got.text, 'bar');
    t.equal(got.headers['etag'], done.headers['etag']);
    t.equal(got.headers['content-type'], 'text/plain');
    for (const [status, expected, text] of [
      ['200', 200, ''],
      ['201', 201, '<Key>foo.txt</Key>'],
      ['204', 204, ''],
      ['404', 204, ''],
    ] as const) {
      const answer = await post(rig, { fields: { ...fields, success_action_status: status } });
      t.equal(answer.status, expected, status);
      if (text === '') t.equal(answer.text, '');
      else
        t.match(
          answer.text,
          new RegExp(`<PostResponse><Location>.*</Location><Bucket>${bucket}</Bucket>${text}<ETag>`),
        );
    }
    const redirect = await post(rig, { fields: { ...fields, success_action_redirect: 'http://a.org/done?x=1' } });
    t.equal(redirect.status, 303);
    const etag = encodeURIComponent(done.headers['etag'] as string);
    t.equal(redirect.headers['location'], `http://a.org/done?x=1&bucket=${bucket}&key=foo.txt&etag=${etag}`);
    for (const target of ['javascript:alert(1)', 'http://a b', '//a']) {
      t.equal((await post(rig, { fields: { ...fields, success_action_redirect: target } })).status, 204, target);
    }
    const named = await post(rig, {
      fields: { key: 'dir/${filename}', 'x-ignore-foo': 'bar', other: 'x' },
      file: { filename: 'C:\\docs\\a b$&.txt', body: 'named' },
    });
    t.equal(named.status, 204);
    t.equal((await client.ask('GET', `/${bucket}/dir/a%20b%24%26.txt`)).text, 'named');
    const all = { ...fields, 'x-amz-meta-color': 'röd', 'Cache-Control': 'no-cache', 'Content-Disposition': 'inline' };
    const tags = '<Tagging><TagSet><Tag><Key>a</Key><Value>1 2</Value></Tag></TagSet></Tagging>';
    const sum = createHash('sha256').update('bar').digest('base64');
    const more = { ...all, tagging: tags, 'x-amz-checksum-sha256': sum };
    t.equal((await post(rig, { fields: more, named: true })).status, 204, 'plain fields with file names');
    const head = await client.ask('HEAD', `/${bucket}/foo.txt`, { headers: { 'x-amz-checksum-mode': 'ENABLED' } });
    t.equal(head.headers['cache-control'], 'no-cache');
    t.equal(head.headers['content-disposition'], 'inline');
    t.match(head.headers['x-amz-meta-color'], /UTF-8/);
    t.equal(head.headers['x-amz-tagging-count'], '1');
    t.equal(head.headers['x-amz-checksum-sha256'], sum);
  },

  'what a form must have': async (rig) => {
    const { t, client, bucket } = rig;
    await open(rig);
    const fields = { key: 'foo.txt' };
    t.equal(told(await post(rig, { fields: {} })), '400 InvalidArgument', 'no key');
    t.equal(told(await post(rig, { fields: { key: '' } })), '400 InvalidArgument', 'an empty one');
    t.equal(told(await post(rig, { fields: { key: 'k'.repeat(1025) } })), '400 KeyTooLongError');
    t.equal(told(await post(rig, { fields, file: null })), '400 InvalidArgument', 'no file');
    t.equal(
      told(
        await post(rig, {
          fields: [
            ['key', 'a'],
            ['KEY', 'b'],
          ],
        }),
      ),
      '400 InvalidArgument',
      'two keys',
    );
    t.equal(
      told(await post(rig, { fields: { ...fields, other: 'x'.repeat(21_000) } })),
      '400 MaxPostPreDataLengthExceededError',
    );
    t.equal(told(await post(rig, { fields, end: '' })), '400 MalformedPOSTRequest', 'cut off');
    t.equal(told(await post(rig, { fields, headers: { 'content-type': 'text/plain' } })), '412 PreconditionFailed');
    const bad = { ...fields, 'x-amz-checksum-sha256': createHash('sha256').update('other').digest('base64') };
    t.equal(told(await post(rig, { fields: bad })), '400 BadDigest');
    t.equal(told(await post(rig, { fields: { ...fields, acl: 'everybody' } })), '400 InvalidArgument');
    t.equal(told(await post(rig, { fields: { ...fields, 'x-amz-storage-class': 'COLD' } })), '400 InvalidStorageClass');
    t.equal(told(await post(rig, { fields: { ...fields, tagging: '<x' } })), '400 MalformedXML');
    t.equal((await client.ask('GET', `/${bucket}`)).text.includes('<Contents>'), false, 'nothing was written');
    t.equal((await post(rig, { fields, file: { body: 'no name' } })).status, 204, 'a file as a plain field');
    t.equal((await client.ask('GET', `/${bucket}/foo.txt`)).text, 'no name');
    t.equal((await post(rig, { fields, file: { filename: 'e', body: '' } })).status, 204);
    t.equal((await client.ask('GET', `/${bucket}/foo.txt`)).text, '');
    const large = Buffer.alloc(3 * 1024 * 1024 + 7, 'large');
    t.equal((await post(rig, { fields, file: { filename: 'l', body: large } })).status, 204);
    t.ok((await client.ask('GET', `/${bucket}/foo.txt`)).body.equals(large), 'byte for byte');
  },

  'signed policies': async (rig) => {
    const { t, client, bucket } = rig;
    const done = await post(rig, { fields: signed(rig) });
    t.equal(done.status, 204, done.text);
    t.equal((await client.ask('GET', `/${bucket}/foo.txt`)).text, 'bar');
    const anyCase = [
      { bUcKeT: bucket },
      ['StArTs-WiTh', '$KeY', 'foo'],
      { AcL: 'private' },
      ['StArTs-WiTh', '$CoNtEnT-TyPe', 'text/plain'],
      ['content-length-range', 0, 1024],
    ];
    const policy = encoded({ expiration: soon(), conditions: anyCase });
    const two = signTwo(client.owner, policy);
    const strange = {
      kEy: 'foo.txt',
      aWSAccessKeyId: two['AWSAccessKeyId'] as string,
      aCl: 'private',
      signature: two['signature'] as string,
      pOLICy: policy,
      'Content-Type': 'text/plain',
    };
    t.equal((await post(rig, { fields: strange })).status, 204, 'names in any case');
    const others = [
      ...usual(bucket),
      ['starts-with', '$x-amz-meta-foo', 'bar'],
      ['eq', '$success_action_status', '201'],
    ];
    const more = { 'x-amz-meta-foo': 'barclamp', success_action_status: '201' };
    t.equal((await post(rig, { fields: signed(rig, { conditions: others }, more) })).status, 201);
    t.equal((await client.ask('HEAD', `/${bucket}/foo.txt`)).headers['x-amz-meta-foo'], 'barclamp');
    const escaped = [{ bucket }, ['starts-with', '$key', '\\$foo'], ...usual(bucket).slice(2)];
    t.equal((await post(rig, { fields: signed(rig, { conditions: escaped }, { key: '\\$foo.txt' }) })).status, 204);
    const raw = JSON.stringify({ expiration: soon(), conditions: [{ bucket }, { key: '$a' }] }).replace(
      '"$a"',
      '"\\$a"',
    );
    const dollar = { key: '$a', ...signTwo(client.owner, Buffer.from(raw).toString('base64')) };
    t.equal((await post(rig, { fields: dollar })).status, 204, 'the escape that policies have and JSON has not');
    t.equal((await post(rig, { fields: signed(rig, {}, { 'x-ignore-foo': 'bar' }) })).status, 204);
    const user = client.stranger;
    const foreign = { ...USUAL_FIELDS, ...signTwo(user, encoded({ expiration: soon(), conditions: usual(bucket) })) };
    t.equal((await post(rig, { fields: foreign })).code, 'AccessDenied', 'a form can do what its signer can');
  },

  'what a policy refuses': async (rig) => {
    const { t, client, bucket } = rig;
    const whole = usual(bucket);
    const having = (...conditions: readonly unknown[]): Form['fields'] => signed(rig, { conditions });
    const reversed = (text: string): string => [...text].reverse().join('');
    const good = signTwo(client.owner, encoded({ expiration: soon(), conditions: whole }));
    const without = (name: string): Form['fields'] =>
      Object.fromEntries(Object.entries({ ...USUAL_FIELDS, ...good }).filter(([each]) => each !== name));
    for (const [what, expected, fields] of [
      [
        'a bad signature',
        '403 SignatureDoesNotMatch',
        { ...USUAL_FIELDS, ...good, signature: reversed(good['signature'] as string) },
      ],
      ['another key', '403 InvalidAccessKeyId', { ...USUAL_FIELDS, ...good, AWSAccessKeyId: 'foo' }],
      [
        "another user's key",
        '403 SignatureDoesNotMatch',
        { ...USUAL_FIELDS, ...good, AWSAccessKeyId: client.stranger.accessKeyId },
      ],
      [
        'another policy',
        '403 SignatureDoesNotMatch',
        {
          ...USUAL_FIELDS,
          ...good,
          policy: encoded({ expiration: soon(), conditions: [{ bucket }, ['starts-with', '$key', '']] }),
        },
      ],
      ['no signature', '400 InvalidArgument', without('signature')],
      ['no key id', '400 InvalidArgument', without('AWSAccessKeyId')],
      ['no policy', '400 InvalidArgument', without('policy')],
      ['no Base64', '400 InvalidPolicyDocument', { ...USUAL_FIELDS, ...signTwo(client.owner, '!!!!') }],
      [
        'no JSON',
        '400 InvalidPolicyDocument',
        { ...USUAL_FIELDS, ...signTwo(client.owner, Buffer.from('{').toString('base64')) },
      ],
      ['both signatures', '400 InvalidArgument', { ...USUAL_FIELDS, ...good, 'x-amz-signature': 'a' }],
      ['expired', '403 AccessDenied', signed(rig, { expiration: soon(-100_000) })],
      ['a date in another form', '400 InvalidPolicyDocument', signed(rig, { expiration: '2099-01-01 00:00:00+00:00' })],
      ['no expiration', '400 InvalidPolicyDocument', signed(rig, { expiration: undefined })],
      ['EXPIRATION', '400 InvalidPolicyDocument', signed(rig, { expiration: undefined, EXPIRATION: soon() })],
      ['CONDITIONS', '400 InvalidPolicyDocument', signed(rig, { conditions: undefined, CONDITIONS: whole })],
      ['no conditions', '400 InvalidPolicyDocument', signed(rig, { conditions: undefined })],
      ['an empty condition', '400 InvalidPolicyDocument', having({})],
      ['a condition of two', '400 InvalidPolicyDocument', having({ acl: 'private', key: 'a' })],
      ['an unknown operator', '400 InvalidPolicyDocument', having(...whole, ['ends-with', '$key', 'x'])],
      ['no bucket', '403 AccessDenied', having(...whole.slice(1))],
      ['another bucket', '403 AccessDenied', having({ bucket: `${bucket}x` }, ...whole.slice(1))],
      ['a field that is not there', '403 AccessDenied', having(...whole, ['starts-with', '$x-amz-meta-foo', 'bar'])],
      [
        'a field with another value',
        '403 AccessDenied',
        signed(rig, { conditions: [...whole, ['eq', '$x-amz-meta-foo', '']] }, { 'x-amz-meta-foo': 'bar' }),
      ],
      ['a field it does not name', '403 AccessDenied', signed(rig, {}, { 'x-amz-meta-foo': 'bar' })],
      ['another key', '403 AccessDenied', signed(rig, {}, { key: 'bar.txt' })],
      ['too large', '400 EntityTooLarge', having(...whole.slice(0, 4), ['content-length-range', 0, 0])],
      ['too small', '400 EntityTooSmall', having(...whole.slice(0, 4), ['content-length-range', 512, 1000])],
      ['half a range', '400 InvalidPolicyDocument', having(...whole.slice(0, 4), ['content-length-range', 0])],
      ['a negative range', '400 InvalidPolicyDocument', having(...whole.slice(0, 4), ['content-length-range', -1, 0])],
    ] as const) {
      t.equal(told(await post(rig, { fields: fields as Form['fields'] })), expected, what);
    }
    const large = { filename: 'l', body: Buffer.alloc(200_000) };
    t.equal(told(await post(rig, { fields: signed(rig), file: large })), '400 EntityTooLarge', 'found while it flows');
    t.equal((await client.ask('GET', `/${bucket}/foo.txt`)).code, 'NoSuchKey', 'nothing was written');
  },

  'signed by Version 4': async (rig) => {
    const { t, client, bucket } = rig;
    const credentials = { ...client.owner, region: client.region };
    const date = amzNow();
    const credential = `${credentials.accessKeyId}/${scopeOf(credentials, date)}`;
    const own = { 'x-amz-algorithm': 'AWS4-HMAC-SHA256', 'x-amz-credential': credential, 'x-amz-date': date };
    const conditions = [...usual(bucket), ...Object.entries(own).map(([name, value]) => ({ [name]: value }))];
    const policy = encoded({ expiration: soon(), conditions });
    const key = signingKey(credentials, date.slice(0, 8));
    const signature = createHmac('sha256', key).update(policy).digest('hex');
    const fields = { ...USUAL_FIELDS, ...own, policy, 'x-amz-signature': signature };
    const done = await post(rig, { fields });
    t.equal(done.status, 204, done.text);
    t.equal((await client.ask('GET', `/${bucket}/foo.txt`)).text, 'bar');
    for (const [name, value, expected] of [
      ['x-amz-signature', signature.replace(/^./, (digit) => (digit === '0' ? '1' : '0')), 'SignatureDoesNotMatch'],
      ['x-amz-signature', '', 'InvalidArgument'],
      ['x-amz-algorithm', 'AWS4-HMAC-SHA1', 'InvalidArgument'],
      ['x-amz-credential', credential.replace(client.region, 'elsewhere'), 'AuthorizationQueryParametersError'],
      ['x-amz-credential', credential.replace(/^[^/]*/, 'nobody'), 'InvalidAccessKeyId'],
      ['x-amz-date', '20130524T000000Z', 'InvalidArgument'],
      ['x-amz-security-token', 'abc', 'InvalidToken'],
    ] as const) {
      t.equal((await post(rig, { fields: { ...fields, [name]: value } })).code, expected, name);
    }
  },
};
