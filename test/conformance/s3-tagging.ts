/** Tags of objects and of buckets: how they come, how they are shown, what may be one, and who may do what with them. */
import type { Answer, Rig, S3Client, S3Suite, Sent } from './s3-rig.ts';

export const tagSet = (tags: Readonly<Record<string, string>> | readonly (readonly [string, string])[]): string => {
  const list = Array.isArray(tags) ? (tags as readonly (readonly [string, string])[]) : Object.entries(tags);
  const inner = list.map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`).join('');
  return `<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>${inner}</TagSet></Tagging>`;
};

export const shownTags = (text: string): string =>
  [...text.matchAll(/<Tag><Key>(.*?)<\/Key><Value>(.*?)<\/Value><\/Tag>/g)].map(([, k, v]) => `${k}=${v}`).join('&');

const tagsOf = async ({ client }: Pick<Rig, 'client'>, path: string, query = 'tagging'): Promise<string> => {
  const answer = await client.ask('GET', path, { query });
  return answer.status === 200 ? shownTags(answer.text) : `${answer.status} ${answer.code}`;
};

const put = (client: S3Client, path: string, body: string, sent: Sent = {}): Promise<Answer> =>
  client.ask('PUT', path, { query: 'tagging', body, ...sent });

const many = (count: number): string =>
  tagSet(Array.from({ length: count }, (_, i) => [`k${String(i).padStart(2, '0')}`, `v${i}`] as const));

async function setPolicy(rig: Rig, ...statements: readonly object[]): Promise<void> {
  const { t, client, bucket } = rig;
  const Statement = statements.map((each) => ({ Effect: 'Allow', Principal: '*', ...each }));
  const body = JSON.stringify({ Version: '2012-10-17', Statement });
  t.equal((await client.ask('PUT', `/${bucket}`, { query: 'policy', body })).status, 204);
}

export const tagging: S3Suite = {
  'set, shown, replaced, removed': async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}/o`;
    t.equal((await put(client, path, tagSet({ a: 'b' }))).code, 'NoSuchKey');
    t.equal(await tagsOf(rig, path), '404 NoSuchKey');
    const made = await client.ask('PUT', path, { body: 'x', headers: { 'x-amz-meta-color': 'red' } });
    t.equal(await tagsOf(rig, path), '');
    t.equal((await client.ask('HEAD', path)).headers['x-amz-tagging-count'], undefined);
    t.equal((await put(client, path, tagSet({ b: '2', a: '1 &amp; +-=._:/@ü'.replace('&amp; ', '') }))).status, 200);
    t.equal(await tagsOf(rig, path), 'a=1 +-=._:/@ü&b=2', 'ordered by key');
    for (const method of ['GET', 'HEAD']) {
      const got = await client.ask(method, path);
      t.equal(got.headers['x-amz-tagging-count'], '2', method);
      t.equal(got.headers['x-amz-meta-color'], 'red');
      t.equal(got.headers['etag'], made.headers['etag']);
    }
    t.equal((await put(client, path, tagSet({ c: '' }))).status, 200);
    t.equal(await tagsOf(rig, path), 'c=', 'replaced as a whole');
    t.equal((await client.ask('DELETE', path, { query: 'tagging' })).status, 204);
    t.equal(await tagsOf(rig, path), '');
    t.equal((await client.ask('GET', path)).text, 'x');
    await put(client, path, tagSet({ d: '1' }));
    await client.ask('PUT', path, { body: 'y' });
    t.equal(await tagsOf(rig, path), '', 'a new object has none');
  },

  'what may be one': async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}/o`;
    await client.ask('PUT', path, { body: 'x' });
    t.equal((await put(client, path, many(10))).status, 200);
    const longest = tagSet({ ['k'.repeat(128)]: 'v'.repeat(256) });
    t.equal((await put(client, path, longest)).status, 200);
    for (const [code, body] of [
      ['BadRequest', many(11)],
      ['InvalidTag', tagSet({ ['k'.repeat(129)]: '' })],
      ['InvalidTag', tagSet({ k: 'v'.repeat(257) })],
      ['InvalidTag', tagSet({ '': 'v' })],
      ['InvalidTag', tagSet({ 'a!b': 'v' })],
      ['InvalidTag', tagSet({ a: 'v;' })],
      ['InvalidTag', tagSet({ 'aws:a': 'v' })],
      [
        'InvalidTag',
        tagSet([
          ['a', '1'],
          ['a', '2'],
        ]),
      ],
      ['MalformedXML', '<Tagging/>'],
      ['MalformedXML', '<Tags><TagSet/></Tags>'],
      ['MalformedXML', '<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>'],
      ['MalformedXML', '<Tagging><TagSet><Tag><Key>a</Key><Value/><Other/></Tag></TagSet></Tagging>'],
      ['MalformedXML', '<Tagging><TagSet>'],
      ['MissingRequestBodyError', ''],
    ] as const) {
      const got = await put(client, path, body);
      t.equal(`${got.status} ${got.code}`, `400 ${code}`, body.slice(0, 120));
    }
    t.equal(await tagsOf(rig, path), `${'k'.repeat(128)}=${'v'.repeat(256)}`, 'nothing of it was stored');
    t.equal((await put(client, path, '<Tagging><TagSet/></Tagging>')).status, 200);
    t.equal(await tagsOf(rig, path), '');
  },

  'x-amz-tagging': async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}/o`;
    const upload = (tags: string): Promise<Answer> =>
      client.ask('PUT', path, { body: 'x', headers: { 'x-amz-tagging': tags } });
    for (const [tags, shown] of [
      ['foo=bar&bar', 'bar=&foo=bar'],
      ['a%20b=c+d&e=%2B%C3%BC', 'a b=c d&e=+ü'],
      ['', ''],
    ] as const) {
      t.equal((await upload(tags)).status, 200, tags);
      t.equal(await tagsOf(rig, path), shown);
    }
    await upload('kept=1');
    for (const [tags, code] of [
      ['a=1&a=2', 'InvalidArgument'],
      ['a=%ff', 'InvalidArgument'],
      ['=1', 'InvalidArgument'],
      ['a=%21', 'InvalidTag'],
      ['aws:x=1', 'InvalidTag'],
      [Array.from({ length: 11 }, (_, i) => `k${i}=v`).join('&'), 'BadRequest'],
    ] as const) {
      const got = await upload(tags);
      t.equal(`${got.status} ${got.code}`, `400 ${code}`, tags);
    }
    t.equal(await tagsOf(rig, path), 'kept=1', 'what is refused writes nothing');
    const begun = await client.ask('POST', path, { query: 'uploads', headers: { 'x-amz-tagging': 'm=1' } });
    const uploadId = /<UploadId>(.*?)</.exec(begun.text)?.[1];
    const part = await client.ask('PUT', path, { query: `partNumber=1&uploadId=${uploadId}`, body: 'part' });
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers['etag']}</ETag></Part></CompleteMultipartUpload>`;
    t.equal((await client.ask('POST', path, { query: `uploadId=${uploadId}`, body })).status, 200);
    t.equal(await tagsOf(rig, path), 'm=1', 'of the upload');
    t.equal((await client.ask('HEAD', path)).headers['x-amz-tagging-count'], '1');
  },

  copies: async (rig) => {
    const { t, client, bucket } = rig;
    const source = { 'x-amz-copy-source': `/${bucket}/o` };
    await client.ask('PUT', `/${bucket}/o`, { body: 'x', headers: { 'x-amz-tagging': 'a=1' } });
    const copy = (headers: Record<string, string>): Promise<Answer> =>
      client.ask('PUT', `/${bucket}/copy`, { headers: { ...source, ...headers } });
    for (const [headers, shown] of [
      [{}, 'a=1'],
      [{ 'x-amz-tagging-directive': 'COPY', 'x-amz-metadata-directive': 'REPLACE' }, 'a=1'],
      [{ 'x-amz-tagging-directive': 'REPLACE', 'x-amz-tagging': 'b=2' }, 'b=2'],
      [{ 'x-amz-checksum-algorithm': 'SHA256' }, 'a=1'],
      [{ 'x-amz-checksum-algorithm': 'SHA256', 'x-amz-tagging-directive': 'REPLACE', 'x-amz-tagging': 'c=3' }, 'c=3'],
      [{ 'x-amz-tagging-directive': 'REPLACE' }, ''],
    ] as const) {
      t.equal((await copy(headers)).status, 200, JSON.stringify(headers));
      t.equal(await tagsOf(rig, `/${bucket}/copy`), shown, JSON.stringify(headers));
    }
    t.equal((await copy({ 'x-amz-tagging-directive': 'NONE' })).code, 'InvalidArgument');
    t.equal((await copy({ 'x-amz-tagging': 'b=2' })).code, 'NotImplemented', 'not ignored');
    t.equal((await copy({ 'x-amz-tagging-directive': 'REPLACE', 'x-amz-tagging': 'aws:b=2' })).code, 'InvalidTag');
    t.equal(await tagsOf(rig, `/${bucket}/copy`), '');
    t.equal(await tagsOf(rig, `/${bucket}/o`), 'a=1');
  },

  'of buckets': async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}`;
    t.equal(await tagsOf(rig, path), '404 NoSuchTagSet');
    t.equal((await put(client, path, many(50))).status, 204);
    t.equal((await tagsOf(rig, path)).split('&').length, 50);
    t.equal((await put(client, path, many(51))).code, 'BadRequest');
    t.equal((await put(client, path, tagSet({ 'aws:a': '' }))).code, 'InvalidTag');
    t.equal((await put(client, path, tagSet({ Hello: 'World' }), { user: client.stranger })).code, 'AccessDenied');
    t.equal((await put(client, path, tagSet({ Hello: 'World' }))).status, 204);
    t.equal(await tagsOf(rig, path), 'Hello=World');
    const foreign = await client.ask('GET', path, { query: 'tagging', user: client.stranger });
    t.equal(foreign.code, 'AccessDenied');
    t.equal((await client.ask('DELETE', path, { query: 'tagging' })).status, 204);
    t.equal((await client.ask('DELETE', path, { query: 'tagging' })).status, 204, 'again');
    t.equal(await tagsOf(rig, path), '404 NoSuchTagSet');
  },

  'rights on tags': async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}/o`;
    await client.ask('PUT', path, { body: 'x', headers: { 'x-amz-tagging': 'a=1' } });
    const Resource = `arn:aws:s3:::${bucket}/*`;
    const user = client.stranger;
    await setPolicy(rig, { Action: 's3:GetObject', Resource });
    const got = await client.ask('GET', path, { user });
    t.equal(got.status, 200);
    t.equal(got.headers['x-amz-tagging-count'], undefined, 'the count is for who may read the tags');
    t.equal((await client.ask('GET', path, { user, query: 'tagging' })).code, 'AccessDenied');
    const theirs = await client.makeBucket();
    const ask = { headers: { 'x-amz-copy-source': path } };
    await client.ask('PUT', `/${theirs}`, {
      query: 'policy',
      body: JSON.stringify({
        Statement: { Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: `arn:aws:s3:::${theirs}/*` },
      }),
    });
    t.equal(
      (await client.ask('PUT', `/${theirs}/c`, { ...ask, user })).code,
      'AccessDenied',
      'a copy takes the tags along',
    );
    await setPolicy(rig, { Action: ['s3:GetObject', 's3:GetObjectTagging'], Resource });
    t.equal((await client.ask('GET', path, { user })).headers['x-amz-tagging-count'], '1');
    t.equal(shownTags((await client.ask('GET', path, { user, query: 'tagging' })).text), 'a=1');
    t.equal((await client.ask('PUT', `/${theirs}/c`, { ...ask, user })).status, 200);
    t.equal((await put(client, path, tagSet({ b: '2' }), { user })).code, 'AccessDenied');
    await setPolicy(rig, { Action: 's3:PutObjectTagging', Resource });
    t.equal((await put(client, path, tagSet({ b: '2' }), { user })).status, 200);
    t.equal((await client.ask('DELETE', path, { query: 'tagging', user })).code, 'AccessDenied', 'a right of its own');
    await setPolicy(rig, { Action: 's3:DeleteObjectTagging', Resource });
    t.equal((await client.ask('DELETE', path, { query: 'tagging', user })).status, 204);
    await setPolicy(rig, { Action: 's3:PutObject', Resource });
    const tagged = { body: 'y', headers: { 'x-amz-tagging': 'c=3' }, user };
    t.equal((await client.ask('PUT', path, tagged)).code, 'AccessDenied', 'who may write may not tag');
    t.equal((await client.ask('PUT', path, { body: 'z', user })).status, 200);
    await setPolicy(rig, { Action: ['s3:PutObject', 's3:PutObjectTagging'], Resource });
    t.equal((await client.ask('PUT', path, tagged)).status, 200);
  },

  'conditions on tags': async (rig) => {
    const { t, client, bucket } = rig;
    const Resource = `arn:aws:s3:::${bucket}/*`;
    const user = client.stranger;
    for (const [key, tags] of [
      ['public', 'security=public'],
      ['private', 'security=private'],
      ['none', ''],
    ] as const) {
      await client.ask('PUT', `/${bucket}/${key}`, { body: key, headers: { 'x-amz-tagging': tags } });
    }
    const Condition = { StringEquals: { 's3:ExistingObjectTag/security': 'public' } };
    const existing = ['s3:GetObject', 's3:GetObjectTagging', 's3:PutObjectTagging', 's3:DeleteObjectTagging'];
    await setPolicy(rig, { Action: existing, Resource, Condition });
    const statuses = async (method: string, sent: Sent): Promise<string> => {
      const all: number[] = [];
      for (const key of ['public', 'private', 'none', 'missing']) {
        all.push((await client.ask(method, `/${bucket}/${key}`, { ...sent, user })).status);
      }
      return all.join(' ');
    };
    t.equal(await statuses('GET', {}), '200 403 403 403');
    t.equal(await statuses('GET', { query: 'tagging' }), '200 403 403 403');
    const body = tagSet({ security: 'public', more: '1' });
    t.equal(await statuses('PUT', { query: 'tagging', body }), '200 403 403 403');
    t.equal(await statuses('DELETE', { query: 'tagging' }), '204 403 403 403');
    t.equal(await statuses('GET', {}), '403 403 403 403', 'the tag is gone');
    const asked = { StringEquals: { 's3:RequestObjectTag/security': 'public' } };
    await setPolicy(rig, { Action: 's3:PutObject', Resource, Condition: asked });
    const write = (tags: string): Promise<Answer> =>
      client.ask('PUT', `/${bucket}/new`, { body: 'x', user, headers: tags === '' ? {} : { 'x-amz-tagging': tags } });
    t.equal((await write('')).code, 'AccessDenied');
    t.equal((await write('security=private')).code, 'AccessDenied');
    t.equal((await write('security=public')).status, 200, 'an Allow that asks for tags lets them be set');
    const keys = { 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['security', 'team'] } };
    await setPolicy(rig, { Action: 's3:PutObjectTagging', Resource, Condition: keys });
    const set = (tags: Record<string, string>): Promise<Answer> =>
      put(client, `/${bucket}/new`, tagSet(tags), { user });
    t.equal((await set({ security: 'x', team: 'y' })).status, 200);
    t.equal((await set({ security: 'x', other: 'y' })).code, 'AccessDenied');
  },
};
