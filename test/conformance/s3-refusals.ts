/** Nothing is accepted and ignored: operations, headers and parameters that are not built, and hostile documents. */
import { createHash } from 'node:crypto';
import { OPERATIONS } from '../../proxy/s3/operations.ts';
import { sha256Hex, signHeaders } from '../s3-signer.ts';
import { type Answer, amzNow, type S3Client, type S3Suite } from './s3-rig.ts';

const md5 = (text: string): string => createHash('md5').update(text).digest('base64');
const METHODS = ['GET', 'PUT', 'POST', 'DELETE'] as const;
const DATE = 'Sun, 06 Nov 1994 08:49:37 GMT';

function deleteMany(client: S3Client, bucket: string, body: string): Promise<Answer> {
  return client.ask('POST', `/${bucket}`, { query: 'delete', body, headers: { 'content-md5': md5(body) } });
}

export const refusals: S3Suite = {
  'every sub-resource with every method': async ({ t, client, bucket }) => {
    const subs = [...new Set(OPERATIONS.map((row) => row.sub))].filter((sub) => sub !== '');
    for (const target of ['bucket', 'object'] as const) {
      const path = target === 'bucket' ? `/${bucket}` : `/${bucket}/key`;
      for (const query of subs) {
        for (const method of METHODS) {
          const row = OPERATIONS.find((each) => each.sub === query && each.target === target && each.method === method);
          if (row?.run !== undefined) continue;
          const got = await client.ask(method, path, { query, ...(method === 'GET' ? {} : { body: '<x/>' }) });
          const label = `${method} ${target}?${query}`;
          if (row !== undefined) t.equal(`${got.status} ${got.code}`, '501 NotImplemented', label);
          else t.match(`${got.status} ${got.code}`, /^(?:405 MethodNotAllowed|400 InvalidRequest)$/, label);
          if (got.status === 405) t.ok(got.headers['allow'], `${label}: Allow`);
        }
      }
    }
    t.equal((await client.ask('HEAD', `/${bucket}`)).status, 200, 'the bucket has survived all of it');
    t.equal((await client.ask('GET', `/${bucket}/key`)).code, 'NoSuchKey', 'and nothing was written');
    t.equal((await client.ask('GET', `/${bucket}`, { query: 'acl&policy' })).code, 'InvalidArgument', 'two at once');
    for (const query of ['versionId=null', 'partNumber=1']) {
      t.equal((await client.ask('PUT', `/${bucket}/key`, { query, body: 'x' })).code, 'InvalidArgument', query);
    }
    t.equal((await client.ask('POST', `/${bucket}`, { body: 'x' })).code, 'PreconditionFailed', 'no form');
    t.equal((await client.ask('POST', '/', { body: 'x' })).code, 'MethodNotAllowed');
  },

  'headers that promise something': async ({ t, client, bucket }) => {
    for (const [name, value, code] of [
      ['x-amz-server-side-encryption', 'aws:kms:dsse', 'NotImplemented'],
      ['x-amz-server-side-encryption', 'aws', 'InvalidArgument'],
      ['x-amz-server-side-encryption-aws-kms-key-id', 'a', 'InvalidArgument'],
      ['x-amz-server-side-encryption-customer-key', 'a', 'InvalidArgument'],
      ['x-amz-object-lock-mode', 'COMPLIANCE', 'InvalidArgument'],
      ['x-amz-object-lock-retain-until-date', '2130-01-01T00:00:00Z', 'InvalidArgument'],
      ['x-amz-object-lock-legal-hold', 'ON', 'InvalidRequest'],
      ['x-amz-bypass-governance-retention', 'true', 'NotImplemented'],
      ['x-amz-mfa', 'serial 123456', 'NotImplemented'],
      ['x-amz-write-offset-bytes', '3', 'NotImplemented'],
      ['x-amz-no-such-header', '1', 'NotImplemented'],
      ['x-amz-acl', 'public-read-write', 'AccessControlListNotSupported'],
      ['x-amz-acl', 'authenticated-read', 'AccessControlListNotSupported'],
      ['x-amz-grant-full-control', 'id=1', 'InvalidArgument'],
      ['x-amz-grant-full-control', 'id=test:member', 'AccessControlListNotSupported'],
      ['x-amz-storage-class', 'DEEP_ARCHIVE', 'InvalidStorageClass'],
      ['x-amz-website-redirect-location', 'elsewhere', 'InvalidArgument'],
      ['x-amz-request-payer', 'somebody', 'InvalidArgument'],
      ['x-amz-security-token', 'abc', 'InvalidToken'],
      ['if-none-match', '"abc"', 'NotImplemented'],
      ['if-modified-since', DATE, 'NotImplemented'],
      ['if-unmodified-since', DATE, 'NotImplemented'],
      ['content-range', 'bytes 0-0/1', 'NotImplemented'],
    ] as const) {
      const got = await client.ask('PUT', `/${bucket}/key`, { headers: { [name]: value }, body: 'x' });
      t.equal(got.code, code, `${name}: ${value}`);
    }
    t.equal((await client.ask('GET', `/${bucket}/key`)).code, 'NoSuchKey', 'nothing was written');
    const locked = { 'x-amz-bucket-object-lock-enabled': 'perhaps' };
    t.equal((await client.ask('PUT', `/${bucket}-made`, { headers: locked })).code, 'InvalidArgument');
    t.equal((await client.ask('HEAD', `/${bucket}-made`)).status, 404, 'no bucket was made');
    await client.ask('PUT', `/${bucket}/key`, { body: 'x' });
    for (const name of ['if-none-match', 'if-unmodified-since', 'x-amz-if-match-size']) {
      const headers = { [name]: name.endsWith('since') ? DATE : '1' };
      t.equal((await client.ask('DELETE', `/${bucket}/key`, { headers })).code, 'NotImplemented', `DELETE, ${name}`);
    }
    const twice = { headers: { 'x-amz-copy-source': `/${bucket}/key` }, body: 'other bytes' };
    t.equal((await client.ask('PUT', `/${bucket}/copy`, twice)).code, 'InvalidRequest', 'a copy with a body');
    t.equal((await client.ask('GET', `/${bucket}/key`)).text, 'x');
    t.equal((await client.ask('GET', `/${bucket}/copy`)).code, 'NoSuchKey');
  },

  'ranges under If-Range': async ({ t, client, bucket }) => {
    const path = `/${bucket}/key`;
    const etag = (await client.ask('PUT', path, { body: '0123456789' })).headers['etag'] ?? '';
    const date = (await client.ask('HEAD', path)).headers['last-modified'] ?? '';
    for (const [ifRange, status] of [
      [etag, 206],
      [date, 206],
      ['"other"', 200],
      [DATE, 200],
      [`W/"x${etag.slice(2)}`, 200],
    ] as const) {
      const got = await client.ask('GET', path, { headers: { range: 'bytes=2-3', 'if-range': ifRange } });
      t.equal(got.status, status, ifRange);
      t.equal(got.text, status === 206 ? '23' : '0123456789');
    }
  },

  'names in errors': async ({ t, client, bucket }) => {
    t.match((await client.ask('GET', `/${bucket}/a%3Cb`)).text, '<Key>a&lt;b</Key>');
    t.match((await client.ask('GET', `/${bucket}-none/a`)).text, `<BucketName>${bucket}-none</BucketName>`);
    t.match((await client.ask('PATCH', `/${bucket}/a`)).headers['allow'], /GET.*PUT.*DELETE/);
  },

  'hostile documents': async ({ t, client, bucket }) => {
    await client.ask('PUT', `/${bucket}/key`, { body: 'x' });
    const object = '<Object><Key>key</Key></Object>';
    const entities = Array.from({ length: 9 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`).join('');
    for (const [what, body] of [
      [
        'billion laughs',
        `<!DOCTYPE d [<!ENTITY e0 "ha">${entities}]><Delete><Object><Key>&e9;</Key></Object></Delete>`,
      ],
      ['external entity', `<!DOCTYPE d SYSTEM "file:///etc/passwd"><Delete>${object}</Delete>`],
      ['lower-case doctype', `<!doctype d [<!entity e "key">]><Delete><Object><Key>&e;</Key></Object></Delete>`],
      ['unknown entity', '<Delete><Object><Key>&nbsp;</Key></Object></Delete>'],
      ['NUL', '<Delete><Object><Key>a&#0;b</Key></Object></Delete>'],
      ['unknown element', `<Delete>${object}<Sudo>yes</Sudo></Delete>`],
      ['unknown element of an object', '<Delete><Object><Key>key</Key><Sudo>yes</Sudo></Object></Delete>'],
      ['two keys', '<Delete><Object><Key>key</Key><Key>other</Key></Object></Delete>'],
      ['two roots', `<Delete>${object}</Delete><Delete>${object}</Delete>`],
      ['depth', `<Delete>${'<a>'.repeat(5000)}${'</a>'.repeat(5000)}</Delete>`],
      ['tags', `<Delete>${'<a/>'.repeat(1_000_000)}</Delete>`],
      ['open tags', '<a>'.repeat(1_000_000)],
      ['attributes', `<Delete ${'a="b" '.repeat(200_000)}>${object}</Delete>`],
      ['open CDATA', `<Delete>${'<![CDATA['.repeat(200_000)}</Delete>`],
      ['a comment without end', `<Delete>${'<!--'.repeat(200_000)}</Delete>`],
      ['1,001 keys', `<Delete>${object.repeat(1001)}</Delete>`],
    ] as const) {
      const got = await deleteMany(client, bucket, body);
      t.equal(`${got.status} ${got.code}`, '400 MalformedXML', what);
    }
    t.equal((await client.ask('GET', `/${bucket}/key`)).status, 200, 'nothing was deleted');
    const long = await deleteMany(client, bucket, ' '.repeat(8 * 1024 * 1024 + 1));
    t.equal(long.code, 'MaxMessageLengthExceeded');
    const unnamed = { query: 'delete', body: `<Delete>${object}</Delete>`, user: null };
    const nobody = { ...unnamed, headers: { 'content-md5': md5(unnamed.body) } };
    t.match((await client.ask('POST', `/${bucket}`, nobody)).text, '<Error><Key>key</Key><Code>AccessDenied</Code>');
    const tagging = { query: 'tagging', body: '<', user: null };
    t.equal((await client.ask('PUT', `/${bucket}`, tagging)).code, 'AccessDenied', 'not even read');
    const cdata = '<Delete><Object><Key><![CDATA[key]]></Key></Object><Quiet> TRUE </Quiet></Delete>';
    t.notMatch((await deleteMany(client, bucket, cdata)).text, '<Deleted>');
    t.equal((await client.ask('GET', `/${bucket}/key`)).code, 'NoSuchKey');
  },

  'a captured request is good for nothing else': async ({ t, client, bucket }) => {
    const path = `/${bucket}/key`;
    const signer = { ...client.owner, region: client.region };
    const base = { host: client.host };
    const payload = sha256Hex('first');
    const toSign = { method: 'PUT', path, headers: base, payload, timestamp: amzNow() };
    const headers = signHeaders(signer, toSign);
    const body = Buffer.from('first');
    const send = (method: string, target: string, changed: Record<string, string>, bytes = body): Promise<Answer> =>
      client.send(method, target, { ...headers, ...changed }, bytes);
    t.equal((await send('PUT', path, {})).status, 200);
    t.equal((await send('PUT', path, {}, Buffer.from('other'))).code, 'XAmzContentSHA256Mismatch');
    t.equal((await send('PUT', `/${bucket}/other`, {})).code, 'SignatureDoesNotMatch', 'another key');
    t.equal((await send('DELETE', path, {})).code, 'SignatureDoesNotMatch', 'another method');
    t.equal((await send('PUT', `${path}?acl`, {})).code, 'SignatureDoesNotMatch', 'another query');
    t.equal((await send('PUT', path, { host: 'elsewhere' })).code, 'SignatureDoesNotMatch', 'another host');
    const shifted = { 'x-amz-date': withOtherSeconds(toSign.timestamp) };
    t.equal((await send('PUT', path, shifted)).code, 'SignatureDoesNotMatch', 'another time');
    const nextDay = await send('PUT', path, { 'x-amz-date': `${amzNow(86_400_000).slice(0, 8)}T000000Z` });
    t.match(nextDay.code, /^(AuthorizationHeaderMalformed|RequestTimeTooSkewed)$/, 'another day than the scope says');
    t.equal((await send('PUT', path, { 'x-amz-content-sha256': sha256Hex('') })).code, 'SignatureDoesNotMatch');
    t.equal((await send('PUT', path, { 'x-amz-meta-a': 'b' })).code, 'AccessDenied', 'one more header');
    const old = signHeaders(signer, { ...toSign, timestamp: amzNow(-15 * 60_000 - 2000) });
    t.equal((await client.send('PUT', path, old, body)).code, 'RequestTimeTooSkewed', 'a quarter of an hour later');
    t.equal((await client.ask('GET', path)).text, 'first');
  },

  'hostile overrides': async ({ t, client, bucket }) => {
    await client.ask('PUT', `/${bucket}/key`, { body: 'x' });
    for (const value of ['a%0D%0Aset-cookie%3A%20x', 'a%0Ab', 'a%0Db', 'a%7Fb']) {
      const got = await client.ask('GET', `/${bucket}/key`, { query: `response-content-disposition=${value}` });
      t.equal(got.code, 'InvalidArgument', value);
      t.notOk(got.headers['set-cookie']);
    }
    const nul = await client.ask('GET', `/${bucket}/key`, { query: 'response-expires=a%00b' });
    t.equal(nul.code, 'InvalidURI');
  },
};

/** Another time that the same credential scope covers: midnight must not turn the wrong signature into a wrong scope. */
function withOtherSeconds(timestamp: string): string {
  const seconds = timestamp.endsWith('00Z') ? '01Z' : '00Z';
  return `${timestamp.slice(0, -3)}${seconds}`;
}
