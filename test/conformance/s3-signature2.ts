/** Signature Version 2, in the Authorization header and in the query, signed here from the documentation. */
import { createHash, createHmac } from 'node:crypto';
import type { Answer, Rig, S3Suite, S3User } from './s3-rig.ts';

interface Asked {
  readonly method?: string;
  readonly path: string;
  /** Decoded sub-resources, sorted; signed. */
  readonly sub?: string;
  /** Further parameters, raw. */
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly user?: S3User;
  readonly date?: string;
  /** Not signed. */
  readonly extra?: Readonly<Record<string, string>>;
  readonly host?: string;
  /** As it is signed. */
  readonly resource?: string;
}

function signature(
  { secretAccessKey }: S3User,
  asked: Asked,
  time: string,
  amz: Readonly<Record<string, string>>,
): string {
  const { method = 'GET', path, sub = '', headers = {} } = asked;
  const amzText = Object.keys(amz)
    .filter((name) => name.startsWith('x-amz-'))
    .sort()
    .map((name) => `${name}:${amz[name]}\n`);
  const resource = asked.resource ?? (sub === '' ? path : `${path}?${sub}`);
  const head = [method, headers['content-md5'] ?? '', headers['content-type'] ?? '', time].join('\n');
  return createHmac('sha1', secretAccessKey)
    .update(`${head}\n${amzText.join('')}${resource}`)
    .digest('base64');
}

const target = (path: string, ...queries: readonly (string | undefined)[]): string => {
  const query = queries.filter(Boolean).join('&');
  return query === '' ? path : `${path}?${query}`;
};

function byHeader({ client }: Rig, asked: Asked): Promise<Answer> {
  const { user = client.owner, headers = {}, date = new Date().toUTCString() } = asked;
  const time = headers['x-amz-date'] === undefined ? date : '';
  const authorization = `AWS ${user.accessKeyId}:${signature(user, asked, time, headers)}`;
  const all = {
    host: asked.host ?? client.host,
    ...headers,
    ...(time === '' ? {} : { date }),
    authorization,
    ...asked.extra,
  };
  const body = asked.body === undefined ? undefined : Buffer.from(asked.body);
  return client.send(asked.method ?? 'GET', target(asked.path, asked.sub, asked.query), all, body);
}

/** `expires` in Unix seconds. */
function presigned({ client }: Rig, asked: Asked, expires = Math.floor(Date.now() / 1000) + 60): string {
  const { user = client.owner, path, sub, query, headers = {} } = asked;
  const amz = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-amz-')));
  const text = encodeURIComponent(signature(user, asked, String(expires), amz));
  const own = `AWSAccessKeyId=${user.accessKeyId}&Signature=${text}&Expires=${expires}`;
  const moved = Object.entries(headers).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return target(path, sub, query, own, ...moved);
}

const follow = ({ client }: Rig, method: string, url: string, more: Record<string, string> = {}, body?: string) =>
  client.send(method, url, { host: client.host, ...more }, body === undefined ? undefined : Buffer.from(body));

const tagsXml = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';

export const signature2: S3Suite = {
  'in the header': async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}/a%20b%2Bc`;
    const md5 = createHash('md5').update('text').digest('base64');
    const headers = { 'content-type': 'text/plain', 'content-md5': md5, 'x-amz-meta-b': '2', 'x-amz-meta-a': '1' };
    const made = await byHeader(rig, { method: 'PUT', path, headers, body: 'text' });
    t.equal(made.status, 200, made.text);
    const got = await byHeader(rig, { path });
    t.equal(got.text, 'text');
    t.equal(got.headers['x-amz-meta-b'], '2');
    t.equal(got.headers['content-type'], 'text/plain');
    t.match((await byHeader(rig, { path: `/${bucket}`, query: 'prefix=a&max-keys=5' })).text, '<Key>a b+c</Key>');
    t.equal((await byHeader(rig, { path, headers: { 'x-amz-date': new Date().toUTCString() } })).status, 200);
    const put = { method: 'PUT', path, sub: 'tagging', body: tagsXml };
    t.equal((await byHeader(rig, put)).status, 200);
    t.match((await byHeader(rig, { path, sub: 'tagging' })).text, '<Key>a</Key>');
    const override = { path, sub: 'response-content-type=a/b', query: undefined as never };
    t.equal((await byHeader(rig, override)).headers['content-type'], 'a/b');
    const [, name = ''] = path.split(`/${bucket}`);
    const virtual = { path: name, host: `${bucket}.s3.localhost`, resource: path };
    t.equal((await byHeader(rig, virtual)).text, 'text', 'the bucket in the host name');
    t.equal((await byHeader(rig, { path: '/' })).status, 200);
    t.equal((await byHeader(rig, { path, user: client.stranger })).code, 'AccessDenied');
    t.equal((await byHeader(rig, { method: 'DELETE', path })).status, 204);
  },

  'what it refuses': async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}/o`;
    const headers = { 'x-amz-meta-a': '1' };
    t.equal((await byHeader(rig, { method: 'PUT', path, headers, body: 'x' })).status, 200);
    const wrong = { ...client.owner, secretAccessKey: 'wrong' };
    const bad = await byHeader(rig, { path, user: wrong });
    t.equal(bad.code, 'SignatureDoesNotMatch');
    t.match(bad.text, `<StringToSign>GET\n`.replace('\n', ''));
    t.equal(
      (await byHeader(rig, { path, user: { ...client.owner, accessKeyId: 'nobody' } })).code,
      'InvalidAccessKeyId',
    );
    const other = { ...client.owner, accessKeyId: client.stranger.accessKeyId };
    t.equal((await byHeader(rig, { path, user: other })).code, 'SignatureDoesNotMatch', "another user's key id");
    const far = new Date(Date.now() - 16 * 60_000).toUTCString();
    t.equal((await byHeader(rig, { path, date: far })).code, 'RequestTimeTooSkewed');
    t.equal((await byHeader(rig, { path, date: 'yesterday' })).code, 'AccessDenied');
    for (const [what, asked] of [
      ['another x-amz- header', { method: 'PUT', body: 'y', extra: { 'x-amz-meta-b': '2' } }],
      ['a sub-resource', { query: 'acl' }],
      ['a younger one', { query: 'encryption' }],
      ['a version', { query: 'versionId=null' }],
      ['an override', { query: 'response-content-type=text/html' }],
      ['another type', { method: 'PUT', body: 'y', extra: { 'content-type': 'a/b' } }],
      ['another method', { method: 'DELETE', resource: 'x' }],
    ] as const) {
      t.equal((await byHeader(rig, { path, ...asked })).code, 'SignatureDoesNotMatch', what);
    }
    const digest = { 'x-amz-content-sha256': createHash('sha256').update('other').digest('hex') };
    const lying = await byHeader(rig, { method: 'PUT', path, headers: digest, body: 'y' });
    t.equal(lying.code, 'XAmzContentSHA256Mismatch', 'what is said of the body counts');
    for (const authorization of ['AWS', 'AWS ', 'AWS nobody', 'AWS :', 'AWS4-HMAC-SHA256 x']) {
      const got = await follow(rig, 'GET', path, { authorization, date: new Date().toUTCString() });
      t.ok(got.status === 400 || got.status === 403, `${authorization}: ${got.status}`);
    }
    t.equal((await client.ask('GET', path)).text, 'x', 'nothing changed');
  },

  presigned: async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}/o`;
    const upload = { method: 'PUT', path, headers: { 'content-type': 'text/plain', 'x-amz-meta-a': '1' } };
    const putUrl = presigned(rig, upload);
    const made = await follow(rig, 'PUT', putUrl, { 'content-type': 'text/plain' }, 'text');
    t.equal(made.status, 200, made.text);
    const url = presigned(rig, { path });
    const got = await follow(rig, 'GET', url);
    t.equal(got.text, 'text');
    t.equal(got.headers['x-amz-meta-a'], '1', 'carried in the query');
    t.equal((await follow(rig, 'HEAD', presigned(rig, { method: 'HEAD', path }))).status, 200);
    const tagging = presigned(rig, { method: 'PUT', path, sub: 'tagging' });
    t.equal((await follow(rig, 'PUT', tagging, {}, tagsXml)).status, 200);
    for (const [what, code, changed] of [
      ['expired', 'AccessDenied', presigned(rig, { path }, Math.floor(Date.now() / 1000) - 1)],
      ['a later end', 'SignatureDoesNotMatch', url.replace(/Expires=\d+/, 'Expires=9999999999')],
      ['no end', 'AccessDenied', url.replace(/&Expires=\d+/, '')],
      ['a strange end', 'AccessDenied', url.replace(/Expires=\d+/, 'Expires=1e9')],
      ['two keys', 'AccessDenied', `${url}&AWSAccessKeyId=${client.stranger.accessKeyId}`],
      ['a sub-resource', 'SignatureDoesNotMatch', `${url}&acl`],
      ['a header in the query', 'SignatureDoesNotMatch', `${url}&x-amz-acl=public-read`],
      ['another key', 'SignatureDoesNotMatch', url.replace('/o?', '/p?')],
    ] as const) {
      t.equal((await follow(rig, 'GET', changed)).code, code, what);
    }
    t.equal((await follow(rig, 'DELETE', url)).code, 'SignatureDoesNotMatch');
    t.equal((await follow(rig, 'GET', url, { 'x-amz-meta-b': '1' })).code, 'SignatureDoesNotMatch');
    const both = await follow(rig, 'GET', url, { authorization: 'AWS a:b', date: new Date().toUTCString() });
    t.equal(both.code, 'InvalidArgument', 'two mechanisms');
    t.equal((await client.ask('GET', path)).text, 'text');
  },
};
