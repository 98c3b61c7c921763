/** Refusals: signatures, other accounts, what is not implemented, and the form of the error document. */
import { createHash } from 'node:crypto';
import { amzNow, type S3Suite } from './s3-rig.ts';

export const errors: S3Suite = {
  'the error document': async ({ t, client, bucket }) => {
    const got = await client.ask('GET', `/${bucket}/a%26b`);
    t.equal(got.status, 404);
    t.equal(got.headers['content-type'], 'application/xml');
    t.match(
      got.text,
      /^<\?xml version="1.0" encoding="UTF-8"\?>\n<Error><Code>NoSuchKey<\/Code><Message>The specified key does not exist\.<\/Message>/,
    );
    t.match(got.text, `<Resource>/${bucket}/a%26b</Resource>`);
    t.match(got.text, `<RequestId>${got.headers['x-amz-request-id']}</RequestId>`);
    const head = await client.ask('HEAD', `/${bucket}/a`);
    t.equal(head.status, 404);
    t.ok(head.headers['x-amz-request-id']);
  },

  signatures: async ({ t, client, bucket }) => {
    const path = `/${bucket}/o`;
    const owner = client.owner;
    const wrong = { ...owner, secretAccessKey: 'x' };
    t.equal((await client.ask('GET', path, { user: wrong })).code, 'SignatureDoesNotMatch');
    t.equal((await client.ask('GET', path, { user: { ...owner, accessKeyId: 'NOBODY' } })).code, 'InvalidAccessKeyId');
    t.equal((await client.ask('GET', path, { timestamp: amzNow(-16 * 60_000) })).code, 'RequestTimeTooSkewed');
    t.equal((await client.ask('GET', path, { timestamp: amzNow(16 * 60_000) })).code, 'RequestTimeTooSkewed');
    t.equal((await client.ask('GET', path, { extra: { 'x-amz-acl': 'private' } })).code, 'AccessDenied');
    const smuggled = await client.ask('PUT', path, { body: 'x', extra: { 'x-amz-copy-source': '/other/secret' } });
    t.equal(smuggled.code, 'AccessDenied');
    t.match(smuggled.text, '<HeadersNotSigned>x-amz-copy-source</HeadersNotSigned>');
    t.equal((await client.ask('GET', path, { user: null })).code, 'AccessDenied');
    const undated = { user: null, extra: { authorization: 'AWS a:b' } };
    t.equal((await client.ask('GET', path, undated)).code, 'AccessDenied', 'Version 2 without a date');
  },

  'other accounts': async ({ t, client, bucket }) => {
    const user = { ...client.stranger };
    await client.ask('PUT', `/${bucket}/o`, { body: 'x' });
    for (const [method, path, query] of [
      ['GET', `/${bucket}/o`, ''],
      ['PUT', `/${bucket}/o`, ''],
      ['DELETE', `/${bucket}/o`, ''],
      ['GET', `/${bucket}`, ''],
      ['GET', `/${bucket}`, 'acl'],
      ['DELETE', `/${bucket}`, ''],
    ] as const) {
      t.equal((await client.ask(method, path, { user, query })).code, 'AccessDenied', `${method} ${path}?${query}`);
    }
    t.equal((await client.ask('PUT', `/${bucket}`, { user })).code, 'BucketAlreadyExists');
    t.equal((await client.ask('HEAD', `/${bucket}`, { user })).status, 403);
    t.notMatch((await client.ask('GET', '/', { user })).text, `<Name>${bucket}</Name>`);
    const theirs = `${bucket}-theirs`;
    t.equal((await client.ask('PUT', `/${theirs}`, { user })).status, 200);
    const headers = { 'x-amz-copy-source': `/${bucket}/o` };
    t.equal(
      (await client.ask('PUT', `/${theirs}/o`, { user, headers })).code,
      'AccessDenied',
      'no copy of what one may not read',
    );
    const expected = { 'x-amz-expected-bucket-owner': '123456789012' };
    t.equal((await client.ask('GET', `/${bucket}/o`, { headers: expected })).code, 'AccessDenied');
  },

  'what is absent by nature': async ({ t, client, bucket }) => {
    for (const [query, expected] of [
      ['versioning', '<VersioningConfiguration'],
      ['acl', '<Permission>FULL_CONTROL'],
      ['location', '<LocationConstraint'],
      ['requestPayment', '<Payer>BucketOwner'],
      ['policy', 'NoSuchBucketPolicy'],
      ['tagging', 'NoSuchTagSet'],
      ['lifecycle', 'NoSuchLifecycleConfiguration'],
      ['cors', 'NoSuchCORSConfiguration'],
      ['encryption', 'ServerSideEncryptionConfigurationNotFoundError'],
      ['object-lock', 'ObjectLockConfigurationNotFoundError'],
      ['website', 'NoSuchWebsiteConfiguration'],
      ['publicAccessBlock', 'NoSuchPublicAccessBlockConfiguration'],
    ] as const) {
      t.match((await client.ask('GET', `/${bucket}`, { query })).text, expected, query);
      if (query === 'acl') continue;
      const write = await client.ask('PUT', `/${bucket}`, { query, body: '<x/>' });
      t.not(write.status, 200, `${query} is never accepted and ignored`);
    }
  },

  'what says nothing new is accepted': async ({ t, client, bucket }) => {
    const put = async (query: string, body: string): Promise<string> => {
      const { status, code } = await client.ask('PUT', `/${bucket}`, { query, body });
      return `${status} ${code ?? ''}`.trim();
    };
    const payer = (who: string): string =>
      `<RequestPaymentConfiguration><Payer>${who}</Payer></RequestPaymentConfiguration>`;
    const status = (word: string): string =>
      `<AccelerateConfiguration><Status>${word}</Status></AccelerateConfiguration>`;
    const logged = '<LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix/></LoggingEnabled>';
    for (const [query, body, expected] of [
      ['requestPayment', payer('BucketOwner'), '200'],
      ['requestPayment', payer('Requester'), '501 NotImplemented'],
      ['requestPayment', payer('Nobody'), '400 MalformedXML'],
      ['accelerate', status('Suspended'), '200'],
      ['accelerate', status('Enabled'), '501 NotImplemented'],
      ['accelerate', status('Off'), '400 MalformedXML'],
      ['logging', '<BucketLoggingStatus/>', '200'],
      ['logging', `<BucketLoggingStatus>${logged}</BucketLoggingStatus>`, '501 NotImplemented'],
    ] as const) {
      t.equal(await put(query, body), expected, body);
    }
    t.match((await client.ask('GET', `/${bucket}`, { query: 'accelerate' })).text, '<Status>Suspended</Status>');
    t.notMatch((await client.ask('GET', `/${bucket}`, { query: 'logging' })).text, 'LoggingEnabled');
    t.equal((await client.ask('DELETE', `/${bucket}`, { query: 'replication' })).status, 204);
    const user = client.stranger;
    const sent = { query: 'accelerate', body: status('Suspended'), user };
    t.equal((await client.ask('PUT', `/${bucket}`, sent)).code, 'AccessDenied');
    t.equal((await client.ask('DELETE', `/${bucket}`, { query: 'replication', user })).code, 'AccessDenied');
  },

  'what can never be made': async ({ t, client, bucket }) => {
    for (const query of ['analytics', 'inventory', 'metrics', 'intelligent-tiering']) {
      t.match((await client.ask('GET', `/${bucket}`, { query })).text, '<IsTruncated>false</IsTruncated>', query);
      const one = await client.ask('GET', `/${bucket}`, { query: `${query}&id=x` });
      t.equal(`${one.status} ${one.code}`, '404 NoSuchConfiguration');
      t.equal((await client.ask('DELETE', `/${bucket}`, { query: `${query}&id=x` })).code, 'NoSuchConfiguration');
      t.equal((await client.ask('GET', `/${bucket}`, { query, user: client.stranger })).code, 'AccessDenied');
    }
    const body = '<RestoreRequest><Days>1</Days></RestoreRequest>';
    const restore = (key: string) => client.ask('POST', `/${bucket}/${key}`, { query: 'restore', body });
    t.equal((await restore('o')).code, 'NoSuchKey');
    await client.ask('PUT', `/${bucket}/o`, { body: 'x', headers: { 'x-amz-storage-class': 'GLACIER_IR' } });
    const refused = await restore('o');
    t.equal(`${refused.status} ${refused.code}`, '403 InvalidObjectState');
  },

  'what an error is about': async ({ t, client, bucket }) => {
    const path = `/${bucket}/o`;
    const begun = await client.ask('POST', path, { query: 'uploads' });
    const uploadId = /<UploadId>(.*?)</.exec(begun.text)?.[1] ?? '';
    const etags: string[] = [];
    for (const partNumber of [1, 2]) {
      const query = `partNumber=${partNumber}&uploadId=${uploadId}`;
      etags.push((await client.ask('PUT', path, { query, body: 'part' })).headers['etag'] ?? '');
    }
    const complete = async (parts: readonly (readonly [number, string])[], id = uploadId): Promise<string> => {
      const list = parts.map(([n, etag]) => `<Part><PartNumber>${n}</PartNumber><ETag>${etag}</ETag></Part>`).join('');
      const body = parts.length === 0 ? '' : `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`;
      return (await client.ask('POST', path, { query: `uploadId=${id}`, body })).text;
    };
    const both = etags.map((etag, i) => [i + 1, etag] as const);
    t.match(await complete([[7, 'x']]), /InvalidPart<.*<PartNumber>7<\/PartNumber><ETag>x<\/ETag>/);
    t.match(await complete([[0, 'x']]), /InvalidArgument<.*PartNumber must be &gt;= 1</);
    t.match(await complete([]), /InvalidRequest<.*You must specify at least one part</);
    t.match(await complete(both), /EntityTooSmall<.*<ProposedSize>4<.*<MinSizeAllowed>5242880<.*<PartNumber>1</);
    t.match(await complete(both, 'nothing'), /NoSuchUpload<.*<UploadId>nothing</);
    const body = '<Delete><Object><Key>o</Key><VersionId>odd</VersionId></Object></Delete>';
    const headers = { 'content-md5': createHash('md5').update(body).digest('base64') };
    const many = await client.ask('POST', `/${bucket}`, { query: 'delete', body, headers });
    t.match(many.text, '<Error><Key>o</Key><VersionId>odd</VersionId><Code>InvalidArgument</Code>');
  },

  'what is not implemented is refused': async ({ t, client, bucket }) => {
    for (const [header, value, code] of [
      ['x-amz-server-side-encryption-customer-algorithm', 'AES256', 'InvalidArgument'],
      ['x-amz-storage-class', 'GLACIER', 'InvalidStorageClass'],
      ['x-amz-acl', 'public-read', 'AccessControlListNotSupported'],
      ['x-amz-grant-read', 'id=AUTH_test:member', 'AccessControlListNotSupported'],
    ] as const) {
      const put = await client.ask('PUT', `/${bucket}/o`, { headers: { [header]: value }, body: 'x' });
      t.equal(put.code, code, header);
    }
    t.equal((await client.ask('GET', `/${bucket}/o`)).code, 'NoSuchKey');
    for (const header of ['x-amz-storage-class', 'x-amz-acl']) {
      const value = header === 'x-amz-acl' ? 'private' : 'STANDARD';
      t.equal((await client.ask('PUT', `/${bucket}/o`, { headers: { [header]: value }, body: 'x' })).status, 200);
    }
    t.equal((await client.ask('GET', `/${bucket}/o`, { query: 'versionId=null' })).status, 200);
    t.equal((await client.ask('GET', `/${bucket}/o`, { query: 'versionId=abc' })).code, 'InvalidArgument');
    t.equal((await client.ask('PUT', `/${bucket}/o`, { query: 'tagging', body: '<x/>' })).code, 'MalformedXML');
    t.equal((await client.ask('POST', `/${bucket}/o`, {})).code, 'MethodNotAllowed');
    t.equal((await client.ask('PATCH', `/${bucket}/o`, {})).code, 'MethodNotAllowed');
  },

  'names and lengths': async ({ t, client, bucket }) => {
    t.equal((await client.ask('PUT', `/${bucket}/${'k'.repeat(1024)}`, { body: 'x' })).status, 200);
    t.equal((await client.ask('PUT', `/${bucket}/${'k'.repeat(1025)}`, { body: 'x' })).code, 'KeyTooLongError');
    t.equal((await client.ask('PUT', `/${bucket}/%FF`, { body: 'x' })).code, 'InvalidURI');
    t.equal((await client.ask('PUT', `/${bucket}/%00`, { body: 'x' })).code, 'InvalidURI');
    for (const key of ['a//b', '../../etc', '.', 'a%2Fb', '%25', 'x+y', '&<>', '%0D%0Ax']) {
      const path = `/${bucket}/${key}`;
      t.equal((await client.ask('PUT', path, { body: key })).status, 200, key);
      t.equal((await client.ask('GET', path)).text, key);
    }
    t.equal((await client.ask('GET', `/${bucket}/a/b`)).text, 'a%2Fb', 'an encoded slash is a slash');
    const chunked = { 'transfer-encoding': 'chunked' };
    t.equal(
      (await client.ask('PUT', `/${bucket}/o`, { payload: 'UNSIGNED-PAYLOAD', extra: chunked })).code,
      'MissingContentLength',
    );
  },
};
