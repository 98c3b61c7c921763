/** Refusals: signatures, other accounts, what is not implemented, and the form of the error document. */
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
      ['inventory', 'NotImplemented'],
    ] as const) {
      t.match((await client.ask('GET', `/${bucket}`, { query })).text, expected, query);
      if (query === 'acl') continue;
      const write = await client.ask('PUT', `/${bucket}`, { query, body: '<x/>' });
      t.not(write.status, 200, `${query} is never accepted and ignored`);
    }
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
