/** Objects, listings, copies and buckets, to the byte. */
import { createHash } from 'node:crypto';
import { createCrc } from '../../fabric/crc.ts';
import { presign } from '../s3-signer.ts';
import { amzNow, type S3Suite } from './s3-rig.ts';

const md5 = (data: string): string => createHash('md5').update(data).digest('hex');

function crc64(text: string): string {
  const crc = createCrc('crc64nvme');
  crc.update(Buffer.from(text));
  return crc.digest().toString('base64');
}

export const objects: S3Suite = {
  'put, get, head and delete': async ({ t, client, bucket }) => {
    const path = `/${bucket}/a%20b/%C3%BC~.txt`;
    const headers = {
      'content-type': 'text/plain',
      'x-amz-meta-color': 'red',
      'cache-control': 'no-store',
      expires: 'never',
    };
    const put = await client.ask('PUT', path, { headers, body: 'hello' });
    t.equal(put.status, 200, put.text);
    t.equal(put.headers['etag'], `"${md5('hello')}"`);
    t.match(put.headers['x-amz-request-id'], /^[0-9A-F]{16}$/);
    t.ok(put.headers['x-amz-id-2']);
    for (const method of ['GET', 'HEAD']) {
      const got = await client.ask(method, path);
      t.equal(got.status, 200);
      t.equal(got.text, method === 'GET' ? 'hello' : '');
      t.equal(got.headers['content-length'], '5');
      t.equal(got.headers['content-type'], 'text/plain');
      t.equal(got.headers['x-amz-meta-color'], 'red');
      t.equal(got.headers['cache-control'], 'no-store');
      t.equal(got.headers['expires'], 'never');
      t.equal(got.headers['accept-ranges'], 'bytes');
      t.match(got.headers['last-modified'], / GMT$/);
    }
    t.equal((await client.ask('DELETE', path)).status, 204);
    t.equal((await client.ask('DELETE', path)).status, 204, 'again');
    t.equal((await client.ask('GET', path)).code, 'NoSuchKey');
    const gone = await client.ask('HEAD', path);
    t.equal(gone.status, 404);
    t.equal(gone.text, '');
  },

  'defaults and empty objects': async ({ t, client, bucket }) => {
    t.equal((await client.ask('PUT', `/${bucket}/empty`, { body: '' })).headers['etag'], `"${md5('')}"`);
    const got = await client.ask('GET', `/${bucket}/empty`);
    t.equal(got.headers['content-type'], 'binary/octet-stream');
    t.equal(got.headers['content-length'], '0');
    t.equal((await client.ask('GET', `/${bucket}/empty`, { headers: { range: 'bytes=0-1' } })).code, 'InvalidRange');
    t.equal((await client.ask('GET', `/${bucket}/empty`, { headers: { range: 'bytes=-1' } })).code, 'InvalidRange');
  },

  ranges: async ({ t, client, bucket }) => {
    const path = `/${bucket}/digits`;
    await client.ask('PUT', path, { body: '0123456789' });
    for (const [range, text, contentRange] of [
      ['bytes=2-4', '234', 'bytes 2-4/10'],
      ['bytes=7-', '789', 'bytes 7-9/10'],
      ['bytes=-3', '789', 'bytes 7-9/10'],
      ['bytes=-99', '0123456789', 'bytes 0-9/10'],
      ['bytes=5-99', '56789', 'bytes 5-9/10'],
    ] as const) {
      const got = await client.ask('GET', path, { headers: { range } });
      t.equal(got.status, 206, range);
      t.equal(got.text, text);
      t.equal(got.headers['content-range'], contentRange);
      const head = await client.ask('HEAD', path, { headers: { range } });
      t.equal(head.status, 206);
      t.equal(head.headers['content-length'], String(text.length));
    }
    for (const range of ['bytes=4-2', 'lines=1-2', 'bytes=0-1,3-4', 'bytes=x-y']) {
      const got = await client.ask('GET', path, { headers: { range } });
      t.equal(got.status, 200, range);
      t.equal(got.text, '0123456789');
    }
    const beyond = await client.ask('GET', path, { headers: { range: 'bytes=10-' } });
    t.equal(beyond.status, 416);
    t.equal(beyond.code, 'InvalidRange');
    t.match(beyond.text, '<ActualObjectSize>10</ActualObjectSize>');
    t.equal(beyond.headers['content-range'], 'bytes */10');
  },

  'conditional reads': async ({ t, client, bucket }) => {
    const path = `/${bucket}/o`;
    const { headers: put } = await client.ask('PUT', path, { body: 'x' });
    const etag = put['etag'] as string;
    const past = 'Sat, 29 Oct 1994 19:43:31 GMT';
    const lastModified = (await client.ask('HEAD', path)).headers['last-modified'] as string;
    for (const [name, value, status] of [
      ['if-match', etag, 200],
      ['if-match', '*', 200],
      ['if-match', '"nope"', 412],
      ['if-match', `"nope", ${etag}`, 200],
      ['if-none-match', etag, 304],
      ['if-none-match', '"nope"', 200],
      ['if-modified-since', past, 200],
      ['if-modified-since', lastModified, 304],
      ['if-unmodified-since', past, 412],
      ['if-unmodified-since', lastModified, 200],
    ] as const) {
      const got = await client.ask('GET', path, { headers: { [name]: value } });
      t.equal(got.status, status, `${name}: ${value}`);
      if (status === 412) t.match(got.text, new RegExp(`<Condition>${name}</Condition>`, 'i'));
      if (status === 304) {
        t.equal(got.headers['etag'], etag);
        t.equal(got.text, '');
      }
      t.equal((await client.ask('HEAD', path, { headers: { [name]: value } })).status, status);
    }
  },

  'conditional writes and deletes': async ({ t, client, bucket }) => {
    const path = `/${bucket}/o`;
    const put = (headers: Record<string, string>, body: string) => client.ask('PUT', path, { headers, body });
    t.equal((await put({ 'if-match': '"x"' }, '0')).code, 'NoSuchKey');
    const first = await put({ 'if-none-match': '*' }, '1');
    t.equal(first.status, 200);
    t.equal((await put({ 'if-none-match': '*' }, '2')).code, 'PreconditionFailed');
    t.equal((await put({ 'if-match': '"x"' }, '2')).code, 'PreconditionFailed');
    t.equal((await put({ 'if-match': first.headers['etag']! }, '2')).status, 200);
    t.equal((await put({ 'if-none-match': '"x"' }, '3')).status, 501);
    t.equal((await client.ask('GET', path)).text, '2');
    t.equal((await client.ask('DELETE', path, { headers: { 'if-match': '"x"' } })).code, 'PreconditionFailed');
    const etag = `"${md5('2')}"`;
    t.equal((await client.ask('DELETE', path, { headers: { 'if-match': etag } })).status, 204);
    const races = Array.from({ length: 8 }, (_, i) => put({ 'if-none-match': '*' }, `race ${i}`));
    const won = (await Promise.all(races)).filter((answer) => answer.status === 200);
    t.equal(won.length, 1, 'one of eight creators wins');
  },

  'metadata beyond ASCII': async ({ t, client, bucket }) => {
    const path = `/${bucket}/o`;
    await client.ask('PUT', path, {
      headers: { 'x-amz-meta-a': '=?UTF-8?B?xbzDs8WCxIc=?=', 'x-amz-meta-b': '=?UTF-8?Q?na=C3=AFve?=' },
    });
    const got = await client.ask('HEAD', path);
    t.equal(got.headers['x-amz-meta-a'], '=?UTF-8?B?xbzDs8WCxIc=?=');
    t.equal(got.headers['x-amz-meta-b'], `=?UTF-8?B?${Buffer.from('naïve').toString('base64')}?=`);
    const large = await client.ask('PUT', path, { headers: { 'x-amz-meta-a': 'x'.repeat(2048) } });
    t.equal(large.code, 'MetadataTooLarge');
    t.equal((await client.ask('PUT', path, { headers: { 'x-amz-meta-a': 'x'.repeat(2047) } })).status, 200);
  },

  'overridden headers': async ({ t, client, bucket }) => {
    const path = `/${bucket}/o`;
    await client.ask('PUT', path, { body: 'x' });
    const query =
      'response-content-type=text%2Fhtml&response-content-disposition=attachment%3B%20filename%3D%22%C3%BC%22&response-expires=0';
    const got = await client.ask('GET', path, { query });
    t.equal(got.headers['content-type'], 'text/html');
    t.equal(got.headers['content-disposition'], Buffer.from('attachment; filename="ü"').toString('latin1'));
    t.equal(got.headers['expires'], '0');
    t.equal((await client.ask('GET', path, { query: 'response-content-type=a%0D%0AX:%20b' })).code, 'InvalidArgument');
    t.equal((await client.ask('GET', path, { query, user: null })).code, 'InvalidRequest');
    t.equal((await client.ask('GET', path, { query: 'response-etag=x' })).code, 'InvalidArgument', 'no other header');
  },

  'checksums as headers': async ({ t, client, bucket }) => {
    const sums = {
      crc32: 'DUoRhQ==',
      crc32c: 'yZRlqg==',
      crc64nvme: crc64('hello world'),
      sha1: 'Kq5sNclPz7QV2+lfQIuc6R7oRu0=',
      sha256: 'uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=',
    };
    for (const [name, value] of Object.entries(sums)) {
      const path = `/${bucket}/${name}`;
      const header = `x-amz-checksum-${name}`;
      const put = await client.ask('PUT', path, { headers: { [header]: value }, body: 'hello world' });
      t.equal(put.status, 200, put.text);
      t.equal(put.headers[header], value);
      t.equal((await client.ask('GET', path)).headers[header], undefined);
      const shown = await client.ask('GET', path, { headers: { 'x-amz-checksum-mode': 'ENABLED' } });
      t.equal(shown.headers[header], value);
      t.equal(shown.headers['x-amz-checksum-type'], 'FULL_OBJECT');
      const wrong = await client.ask('PUT', `${path}-wrong`, { headers: { [header]: value }, body: 'hello w0rld' });
      t.equal(wrong.code, 'BadDigest');
      t.equal((await client.ask('GET', `${path}-wrong`)).code, 'NoSuchKey', 'nothing was stored');
      t.equal((await client.ask('PUT', path, { headers: { [header]: 'AA==' }, body: 'x' })).code, 'InvalidRequest');
    }
    for (const query of ['list-type=2&prefix=crc32c', 'prefix=crc32c', 'versions&prefix=crc32c']) {
      const listed = await client.ask('GET', `/${bucket}`, { query });
      const sum = '<ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>';
      t.match(listed.text, `${sum}<Size>11</Size>`, query);
    }
    const two = { 'x-amz-checksum-crc32': sums.crc32, 'x-amz-checksum-sha1': sums.sha1 };
    t.equal((await client.ask('PUT', `/${bucket}/two`, { headers: two, body: 'hello world' })).code, 'InvalidRequest');
    const none = { 'x-amz-sdk-checksum-algorithm': 'CRC32' };
    t.equal((await client.ask('PUT', `/${bucket}/two`, { headers: none, body: 'x' })).code, 'InvalidRequest');
  },

  'Content-MD5 and the signed digest': async ({ t, client, bucket }) => {
    const path = `/${bucket}/o`;
    const digest = (data: string): string => createHash('md5').update(data).digest('base64');
    t.equal((await client.ask('PUT', path, { headers: { 'content-md5': digest('x') }, body: 'x' })).status, 200);
    t.equal((await client.ask('PUT', path, { headers: { 'content-md5': digest('y') }, body: 'x' })).code, 'BadDigest');
    t.equal((await client.ask('PUT', path, { headers: { 'content-md5': 'eA==' }, body: 'x' })).code, 'InvalidDigest');
    const payload = 'ab'.repeat(32);
    t.equal((await client.ask('PUT', path, { payload, body: 'z' })).code, 'XAmzContentSHA256Mismatch');
    const large = Buffer.alloc(300_000, 7);
    t.equal((await client.ask('PUT', path, { payload, body: large })).code, 'XAmzContentSHA256Mismatch');
    t.equal((await client.ask('GET', path)).text, 'x');
    t.equal((await client.ask('PUT', path, { payload: 'UNSIGNED-PAYLOAD', body: 'u' })).status, 200);
  },

  copies: async ({ t, client, bucket }) => {
    const from = `/${bucket}/a%20%2B%C3%BC`;
    await client.ask('PUT', from, { body: 'copied', headers: { 'x-amz-meta-a': '1', 'content-type': 'text/x' } });
    const copy = (headers: Record<string, string>, to = `/${bucket}/copy`) => client.ask('PUT', to, { headers });
    const source = { 'x-amz-copy-source': from };
    const plain = await copy(source);
    t.equal(plain.status, 200, plain.text);
    t.match(plain.text, `<ETag>&quot;${md5('copied')}&quot;</ETag>`);
    const got = await client.ask('GET', `/${bucket}/copy`);
    t.equal(got.text, 'copied');
    t.equal(got.headers['x-amz-meta-a'], '1');
    t.equal(got.headers['content-type'], 'text/x');
    t.equal((await copy({ 'x-amz-copy-source': `${from.slice(1)}?versionId=null` })).status, 200);
    t.equal((await copy({ 'x-amz-copy-source': `${from}?versionId=abc` })).code, 'InvalidArgument');
    t.equal((await copy(source, from)).code, 'InvalidRequest', 'onto itself');
    const replace = { ...source, 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-b': '2' };
    t.equal((await copy(replace, from)).status, 200);
    const replaced = await client.ask('GET', from);
    t.equal(replaced.text, 'copied');
    t.equal(replaced.headers['x-amz-meta-a'], undefined);
    t.equal(replaced.headers['x-amz-meta-b'], '2');
    const unmatched = await copy({ ...source, 'x-amz-copy-source-if-match': '"x"' });
    t.equal(unmatched.code, 'PreconditionFailed');
    t.match(unmatched.text, '<Condition>x-amz-copy-source-If-Match</Condition>');
    t.equal(
      (await copy({ ...source, 'x-amz-copy-source-if-none-match': `"${md5('copied')}"` })).code,
      'PreconditionFailed',
    );
    t.equal((await copy({ ...source, 'x-amz-copy-source-if-match': `"${md5('copied')}"` })).status, 200);
    const absent = await copy({ 'x-amz-copy-source': `/${bucket}/absent` });
    t.match(absent.text, /<Code>NoSuchKey<.*<Key>absent</);
    const nowhere = await copy({ 'x-amz-copy-source': '/no-such-bucket-here/x' });
    t.match(nowhere.text, /<Code>NoSuchBucket<.*<BucketName>no-such-bucket-here</);
    const unnamed = await client.ask('PUT', `/${bucket}/copy`, { headers: source, user: null });
    t.match(unnamed.text, /Anonymous users cannot copy objects|No signature covers this header/);
    t.equal((await copy({ 'x-amz-copy-source': 'nonsense' })).code, 'InvalidArgument');
    const summed = await copy({ ...source, 'x-amz-checksum-algorithm': 'CRC64NVME' });
    t.match(summed.text, `<ChecksumCRC64NVME>${crc64('copied')}</ChecksumCRC64NVME>`);
  },

  'virtual hosts': async ({ t, client, bucket }) => {
    const port = client.host.split(':')[1];
    // No certificate can stand for every name under localhost itself.
    for (const domain of client.isTls ? ['s3.localhost'] : ['s3.localhost', 'localhost']) {
      const host = `${bucket}.${domain}:${port}`;
      t.equal((await client.ask('PUT', '/k/y', { host, body: domain })).status, 200);
      t.equal((await client.ask('GET', `/${bucket}/k/y`)).text, domain);
      t.match((await client.ask('GET', '/', { host, query: 'list-type=2' })).text, '<Key>k/y</Key>');
    }
  },

  presigned: async ({ t, client, bucket }) => {
    const ask = (method: string, seconds: number, offsetMs = 0, headers: Record<string, string> = {}) => {
      const path = `/${bucket}/p%20q`;
      const timestamp = amzNow(offsetMs);
      const request = {
        method,
        path,
        headers: { host: client.host, ...headers },
        payload: 'UNSIGNED-PAYLOAD',
        timestamp,
      };
      const query = presign({ ...client.owner, region: client.region }, request, seconds);
      return client.send(
        method,
        `${path}?${query}`,
        request.headers,
        method === 'PUT' ? Buffer.from('signed') : undefined,
      );
    };
    t.equal((await ask('PUT', 60, 0, { 'x-amz-meta-a': '1' })).status, 200);
    const got = await ask('GET', 60);
    t.equal(got.text, 'signed');
    t.equal(got.headers['x-amz-meta-a'], '1');
    t.equal((await ask('GET', 60, -3_600_000)).code, 'AccessDenied');
    t.match((await ask('GET', 60, -3_600_000)).text, '<Message>Request has expired</Message>');
    t.equal((await ask('GET', 7200, -3_600_000)).status, 200);
    t.equal((await ask('GET', 604_801)).code, 'AuthorizationQueryParametersError');
  },

  listings: async ({ t, client, bucket }) => {
    for (const key of ['a', 'b/1', 'b/2', 'c%26%3C', 'd%0Ae', '%C3%BC'])
      await client.ask('PUT', `/${bucket}/${key}`, { body: key });
    const list = (query: string) => client.ask('GET', `/${bucket}`, { query });
    const keys = (text: string): string[] => [...text.matchAll(/<Key>(.*?)<\/Key>/gs)].map((match) => match[1]!);
    const prefixes = (text: string): string[] =>
      [...text.matchAll(/<CommonPrefixes><Prefix>(.*?)<\/Prefix>/gs)].map((m) => m[1]!);
    const all = await list('list-type=2');
    t.same(keys(all.text), ['a', 'b/1', 'b/2', 'c&amp;&lt;', 'd&#xa;e', 'ü']);
    t.match(all.text, '<KeyCount>6</KeyCount>');
    t.match(all.text, /<LastModified>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z<\/LastModified>/);
    t.notMatch(all.text, '<Owner>');
    t.match((await list('list-type=2&fetch-owner=true')).text, '<Owner>');
    t.same(keys((await list('encoding-type=url')).text), ['a', 'b/1', 'b/2', 'c%26%3C', 'd%0Ae', '%C3%BC']);
    const byDelimiter = await list('delimiter=/');
    t.same(keys(byDelimiter.text), ['a', 'c&amp;&lt;', 'd&#xa;e', 'ü']);
    t.same(prefixes(byDelimiter.text), ['b/']);
    t.same(keys((await list('prefix=b/&delimiter=/')).text), ['b/1', 'b/2']);
    t.same(keys((await list('max-keys=2')).text), ['a', 'b/1']);
    t.same(keys((await list('max-keys=2&marker=b/1')).text), ['b/2', 'c&amp;&lt;']);
    t.same(keys((await list('list-type=2&start-after=d')).text), ['d&#xa;e', 'ü']);
    const none = await list('max-keys=0');
    t.match(none.text, '<IsTruncated>false</IsTruncated>');
    t.same(keys(none.text), []);
    for (const query of [
      'max-keys=x',
      'max-keys=-1',
      'encoding-type=x',
      'list-type=2&continuation-token=x',
      'list-type=3',
    ]) {
      t.equal((await list(query)).code, 'InvalidArgument', query);
    }
    const walked: string[] = [];
    let token = '';
    for (let page = 0; page < 10; page++) {
      const { text } = await list(`list-type=2&delimiter=/&max-keys=1${token}`);
      walked.push(...keys(text), ...prefixes(text));
      const next = /<NextContinuationToken>(.*?)</.exec(text)?.[1];
      if (next === undefined) break;
      token = `&continuation-token=${encodeURIComponent(next)}`;
    }
    t.same(walked, ['a', 'b/', 'c&amp;&lt;', 'd&#xa;e', 'ü']);
    const versions = await list('versions&max-keys=1');
    t.match(versions.text, '<VersionId>null</VersionId><IsLatest>true</IsLatest>');
    t.match(versions.text, '<NextKeyMarker>a</NextKeyMarker>');
  },

  buckets: async ({ t, client, bucket }) => {
    t.match((await client.ask('GET', '/')).text, `<Name>${bucket}</Name>`);
    const again = await client.ask('PUT', `/${bucket}`);
    t.equal(again.status, client.region === 'us-east-1' ? 200 : 409);
    const about = (await client.ask('HEAD', `/${bucket}`)).headers;
    t.same([about['x-amz-bucket-region'], about['x-amz-access-point-alias']], [client.region, 'false']);
    t.equal((await client.ask('HEAD', `/${bucket}-absent`)).status, 404);
    t.match((await client.ask('GET', `/${bucket}`, { query: 'location' })).text, '<LocationConstraint xmlns="');
    for (const name of ['ab', 'Upper', 'a_b', '192.168.1.1', 'a..b', '-ab', 'xn--abc', 'x'.repeat(64)]) {
      t.equal((await client.ask('PUT', `/${name}`)).code, 'InvalidBucketName', name);
    }
    const constraint = (region: string): string =>
      `<CreateBucketConfiguration><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`;
    for (const [region, code] of [
      ['eu-north-1', 'IllegalLocationConstraintException'],
      ['nowhere', 'InvalidLocationConstraint'],
    ] as const) {
      t.equal((await client.ask('PUT', `/${bucket}-2`, { body: constraint(region) })).code, code, region);
    }
    const odd = '<CreateBucketConfiguration><Colour/></CreateBucketConfiguration>';
    t.equal((await client.ask('PUT', `/${bucket}-2`, { body: odd })).code, 'MalformedXML');
    t.equal((await client.ask('PUT', `/${bucket}-2`, { body: constraint(client.region) })).status, 200);
    await client.ask('PUT', `/${bucket}-2/o`, { body: 'x' });
    t.equal((await client.ask('DELETE', `/${bucket}-2`)).code, 'BucketNotEmpty');
    await client.ask('DELETE', `/${bucket}-2/o`);
    t.equal((await client.ask('DELETE', `/${bucket}-2`)).status, 204);
    t.equal((await client.ask('DELETE', `/${bucket}-2`)).code, 'NoSuchBucket');
    for (const method of ['GET', 'DELETE', 'PUT']) {
      t.equal((await client.ask(method, '/Not_One/key', { body: '' })).code, 'InvalidBucketName', method);
    }
    t.equal((await client.ask('HEAD', '/Not_One')).status, 400);
    const tags = '<Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>';
    const body = `<CreateBucketConfiguration>${tags}</CreateBucketConfiguration>`;
    t.equal((await client.ask('PUT', `/${bucket}-3`, { body })).status, 200);
    t.match((await client.ask('GET', `/${bucket}-3`, { query: 'tagging' })).text, '<Key>a</Key><Value>b</Value>');
    const page = await client.ask('GET', '/', { query: `max-buckets=1&prefix=${bucket}` });
    const token = /<ContinuationToken>(.*?)</.exec(page.text)?.[1];
    const next = await client.ask('GET', '/', { query: `continuation-token=${token}&prefix=${bucket}` });
    t.match(next.text, `<Name>${bucket}-3</Name>`);
    t.equal((await client.ask('GET', '/', { query: 'continuation-token=%25' })).code, 'InvalidArgument');
  },

  'public buckets': async ({ t, client }) => {
    const bucket = await client.makeBucket({ 'x-amz-object-ownership': 'ObjectWriter' });
    const [open, shut] = [{ 'x-amz-acl': 'public-read' }, { 'x-amz-acl': 'private' }];
    await client.ask('PUT', `/${bucket}/o`, { body: 'x' });
    t.equal((await client.ask('GET', `/${bucket}/o`, { user: null })).code, 'AccessDenied');
    t.equal((await client.ask('PUT', `/${bucket}`, { query: 'acl', headers: open })).status, 200);
    t.equal((await client.ask('GET', `/${bucket}/o`, { user: null })).code, 'AccessDenied', 'a bucket’s names alone');
    t.equal((await client.ask('GET', `/${bucket}`, { user: null })).status, 200);
    t.equal((await client.ask('PUT', `/${bucket}/o`, { query: 'acl', headers: open })).status, 200);
    t.equal((await client.ask('GET', `/${bucket}/o`, { user: null })).text, 'x');
    t.equal((await client.ask('PUT', `/${bucket}/o`, { user: null, body: 'y' })).code, 'AccessDenied');
    t.match((await client.ask('GET', `/${bucket}`, { query: 'acl' })).text, 'AllUsers');
    for (const path of [`/${bucket}/o`, `/${bucket}`]) {
      t.equal((await client.ask('PUT', path, { query: 'acl', headers: shut })).status, 200);
      t.equal((await client.ask('GET', path, { user: null })).code, 'AccessDenied');
      const policy = (await client.ask('GET', path, { query: 'acl' })).text;
      const back = await client.ask('PUT', path, { query: 'acl', body: policy });
      t.equal(back.status, 200, 'an ACL read can be written back');
    }
    t.equal((await client.ask('GET', '/', { user: null })).code, 'AccessDenied');
    t.match((await client.ask('GET', `/${bucket}/o`, { query: 'acl' })).text, 'FULL_CONTROL');
  },

  'what a copy does not have of its source': async ({ t, client, bucket }) => {
    const from = `/${bucket}/from`;
    const location = 'x-amz-website-redirect-location';
    const own = { 'x-amz-storage-class': 'STANDARD_IA', [location]: '/a', 'x-amz-meta-a': '1' };
    await client.ask('PUT', from, { body: 'x', headers: own });
    const copied = async (headers: Record<string, string>, to = `/${bucket}/to`): Promise<string> => {
      const done = await client.ask('PUT', to, { headers: { 'x-amz-copy-source': from, ...headers } });
      const { headers: shown } = await client.ask('HEAD', to);
      return [done.status, shown['x-amz-storage-class'], shown[location], shown['x-amz-meta-a']].join(' ');
    };
    t.equal(await copied({}), '200   1', 'its class, and where it leads');
    t.equal(await copied({ [location]: '/b' }), '200  /b 1');
    t.equal(await copied({ 'x-amz-storage-class': 'GLACIER_IR' }), '200 GLACIER_IR  1');
    t.equal(await copied({ [location]: '/c' }, from), '200  /c 1', 'a change of an object itself');
    t.equal(await copied({ [location]: 'elsewhere' }, from), '400  /c 1');
  },

  'storage classes': async ({ t, client, bucket }) => {
    const path = `/${bucket}/o`;
    const reduced = { 'x-amz-storage-class': 'REDUCED_REDUNDANCY' };
    const classOf = async (key = 'o'): Promise<string> => {
      const head = (await client.ask('HEAD', `/${bucket}/${key}`)).headers['x-amz-storage-class'];
      const listed = await client.ask('GET', `/${bucket}`, { query: `prefix=${key}` });
      const headers = { 'x-amz-object-attributes': 'StorageClass' };
      const about = await client.ask('GET', `/${bucket}/${key}`, { query: 'attributes', headers });
      const shown = [listed.text, about.text].map((text) => /<StorageClass>(.*?)</.exec(text)?.[1]);
      return [head, ...shown].join(' ');
    };
    await client.ask('PUT', path, { body: 'x', headers: { 'x-amz-storage-class': 'STANDARD' } });
    t.equal(await classOf(), ' STANDARD STANDARD');
    t.equal((await client.ask('PUT', path, { body: 'x', headers: reduced })).status, 200);
    t.equal(await classOf(), 'REDUCED_REDUNDANCY REDUCED_REDUNDANCY REDUCED_REDUNDANCY');
    const source = { 'x-amz-copy-source': path };
    const back = { ...source, 'x-amz-storage-class': 'STANDARD' };
    t.equal((await client.ask('PUT', `/${bucket}/copy`, { headers: back })).status, 200);
    t.equal(await classOf('copy'), ' STANDARD STANDARD');
    t.equal((await client.ask('PUT', path, { headers: back })).status, 200, 'an object onto itself');
    t.equal(await classOf(), ' STANDARD STANDARD');
    const begun = await client.ask('POST', `/${bucket}/m`, { query: 'uploads', headers: reduced });
    const uploadId = /<UploadId>(.*?)</.exec(begun.text)?.[1];
    for (const [where, query] of [
      [`/${bucket}`, 'uploads'],
      [`/${bucket}/m`, `uploadId=${uploadId}`],
    ] as const) {
      t.match((await client.ask('GET', where, { query })).text, '<StorageClass>REDUCED_REDUNDANCY<');
    }
    t.equal(
      (await client.ask('PUT', path, { body: 'x', headers: { 'x-amz-storage-class': 'COLD' } })).code,
      'InvalidStorageClass',
    );
  },
};
