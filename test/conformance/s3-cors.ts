/** Cross-origin requests: the configuration, preflights, and what answers to other origins say. */
import { presign } from '../s3-signer.ts';
import { type Answer, amzNow, type Rig, type S3Suite } from './s3-rig.ts';

const rule = (fields: Readonly<Record<string, string | readonly string[]>>): string => {
  const lines = Object.entries(fields).flatMap(([name, values]) =>
    (typeof values === 'string' ? [values] : values).map((value) => `<${name}>${value}</${name}>`),
  );
  return `<CORSRule>${lines.join('')}</CORSRule>`;
};
const document = (...rules: readonly string[]): string =>
  `<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rules.join('')}</CORSConfiguration>`;

const put = ({ client, bucket }: Rig, body: string): Promise<Answer> =>
  client.ask('PUT', `/${bucket}`, { query: 'cors', body });

/** "status origin methods" of an answer. */
function shown({ status, headers }: Answer): string {
  const origin = headers['access-control-allow-origin'];
  return origin === undefined ? String(status) : `${status} ${origin} ${headers['access-control-allow-methods']}`;
}

const nobody = (rig: Rig, method: string, path: string, headers: Record<string, string>): Promise<Answer> =>
  rig.client.send(method, path, { host: rig.client.host, ...headers });

export const cors: S3Suite = {
  'the configuration': async (rig) => {
    const { t, client, bucket } = rig;
    const get = (): Promise<Answer> => client.ask('GET', `/${bucket}`, { query: 'cors' });
    t.equal((await get()).code, 'NoSuchCORSConfiguration');
    const rules = [
      rule({
        ID: 'one',
        AllowedMethod: ['GET', 'PUT'],
        AllowedOrigin: ['https://*.example.org', 'http://a'],
        AllowedHeader: 'x-amz-*',
        ExposeHeader: ['ETag', 'x-amz-meta-a'],
        MaxAgeSeconds: '3000',
      }),
      rule({ AllowedMethod: 'GET', AllowedOrigin: '*' }),
    ];
    t.equal((await put(rig, document(...rules))).status, 200);
    t.match((await get()).text, document(...rules), 'as it was set');
    for (const [code, fields] of [
      ['InvalidRequest', { AllowedMethod: 'PATCH', AllowedOrigin: '*' }],
      ['InvalidRequest', { AllowedMethod: 'get', AllowedOrigin: '*' }],
      ['InvalidRequest', { AllowedMethod: 'GET', AllowedOrigin: 'http://*.*.org' }],
      ['InvalidRequest', { AllowedMethod: 'GET', AllowedOrigin: '*', AllowedHeader: '*-*' }],
      ['InvalidRequest', { AllowedMethod: 'GET', AllowedOrigin: '*', ExposeHeader: 'x-*' }],
      ['InvalidRequest', { AllowedMethod: 'GET', AllowedOrigin: 'a b' }],
      ['InvalidRequest', { AllowedMethod: 'GET', AllowedOrigin: 'a', ExposeHeader: 'x: y&#13;&#10;z' }],
      ['InvalidRequest', { AllowedMethod: 'GET', AllowedOrigin: '*', ID: 'i'.repeat(256) }],
      ['MalformedXML', { AllowedMethod: 'GET' }],
      ['MalformedXML', { AllowedOrigin: '*' }],
      ['MalformedXML', { AllowedMethod: 'GET', AllowedOrigin: '*', MaxAgeSeconds: 'soon' }],
      ['MalformedXML', { AllowedMethod: 'GET', AllowedOrigin: '*', Other: '1' }],
    ] as const) {
      t.equal((await put(rig, document(rule(fields)))).code, code, JSON.stringify(fields).slice(0, 100));
    }
    const plain = rule({ AllowedMethod: 'GET', AllowedOrigin: '*' });
    t.equal((await put(rig, document(...Array.from({ length: 101 }, () => plain)))).code, 'MalformedXML');
    t.equal((await put(rig, document())).code, 'MalformedXML');
    t.match((await get()).text, '<ID>one</ID>', 'the last one that was accepted');
    const user = client.stranger;
    t.equal(
      (await client.ask('PUT', `/${bucket}`, { query: 'cors', body: document(plain), user })).code,
      'AccessDenied',
    );
    t.equal((await client.ask('DELETE', `/${bucket}`, { query: 'cors' })).status, 204);
    t.equal((await client.ask('DELETE', `/${bucket}`, { query: 'cors' })).status, 204);
    t.equal((await get()).code, 'NoSuchCORSConfiguration');
  },

  'origins and methods': async (rig) => {
    const { t, bucket } = rig;
    const rules = [
      rule({ AllowedMethod: 'GET', AllowedOrigin: '*suffix' }),
      rule({ AllowedMethod: 'GET', AllowedOrigin: 'start*end' }),
      rule({ AllowedMethod: 'GET', AllowedOrigin: 'prefix*' }),
      rule({ AllowedMethod: ['PUT', 'DELETE'], AllowedOrigin: '*.put' }),
    ];
    t.equal((await put(rig, document(...rules))).status, 200);
    const path = `/${bucket}/key`;
    const preflight = async (origin: string, method: string): Promise<string> =>
      shown(await nobody(rig, 'OPTIONS', path, { origin, 'access-control-request-method': method }));
    for (const [origin, method, answer] of [
      ['foo.suffix', 'GET', '200 foo.suffix GET'],
      ['foo.bar', 'GET', '403'],
      ['foo.suffix.get', 'GET', '403'],
      ['startend', 'GET', '200 startend GET'],
      ['start12end', 'GET', '200 start12end GET'],
      ['starend', 'GET', '403'],
      ['prefix.a', 'GET', '200 prefix.a GET'],
      ['a.prefix', 'GET', '403'],
      ['foo.put', 'GET', '403'],
      ['foo.put', 'PUT', '200 foo.put PUT, DELETE'],
      ['FOO.SUFFIX', 'GET', '403'],
      ['foo.put', 'PATCH', '400'],
    ] as const) {
      t.equal(await preflight(origin, method), answer, `${method} by ${origin}`);
    }
    t.equal((await nobody(rig, 'OPTIONS', `/${bucket}`, {})).status, 400, 'without an origin');
    const bare = await nobody(rig, 'OPTIONS', `/${bucket}`, { origin: 'foo.suffix' });
    t.equal(`${bare.status} ${bare.code}`, '400 BadRequest', 'without a method');
    const other = { origin: 'foo.suffix', 'access-control-request-method': 'GET' };
    t.equal((await nobody(rig, 'OPTIONS', `/${bucket}-none/key`, other)).code, 'AccessForbidden', 'no such bucket');
    t.equal((await nobody(rig, 'OPTIONS', '/', other)).code, 'AccessForbidden', 'no bucket at all');
    for (const [method, headers, answer] of [
      ['GET', { origin: 'foo.suffix' }, '403 foo.suffix GET'],
      ['GET', { origin: 'foo.bar' }, '403'],
      ['PUT', { origin: 'foo.suffix' }, '403'],
      ['PUT', { origin: 'foo.put' }, '403 foo.put PUT, DELETE'],
      ['PUT', { origin: 'foo.suffix', 'access-control-request-method': 'GET' }, '403 foo.suffix GET'],
      ['GET', {}, '403'],
    ] as const) {
      t.equal(shown(await nobody(rig, method, path, headers)), answer, `${method} ${JSON.stringify(headers)}`);
    }
  },

  'headers and answers': async (rig) => {
    const { t, client, bucket } = rig;
    const exposing = rule({ AllowedMethod: 'GET', AllowedOrigin: '*', ExposeHeader: ['x-amz-meta-a', 'ETag'] });
    await put(rig, document(exposing));
    const path = `/${bucket}/key`;
    const asking = { origin: 'http://o', 'access-control-request-method': 'GET' };
    const plain = await nobody(rig, 'OPTIONS', path, asking);
    t.equal(shown(plain), '200 * GET');
    t.equal(plain.headers['access-control-allow-credentials'], undefined, 'not for everybody');
    t.equal(plain.headers['access-control-expose-headers'], 'x-amz-meta-a, ETag');
    t.match(plain.headers['vary'], 'Origin');
    t.ok(plain.headers['x-amz-request-id']);
    const withHeader = { ...asking, 'access-control-request-headers': 'x-amz-meta-b' };
    t.equal((await nobody(rig, 'OPTIONS', path, withHeader)).code, 'AccessForbidden', 'a header no rule allows');
    const strict = rule({
      AllowedMethod: ['GET', 'PUT'],
      AllowedOrigin: 'http://o',
      AllowedHeader: ['X-Amz-*', 'content-type'],
      MaxAgeSeconds: '60',
    });
    await put(rig, document(exposing, strict));
    const both = await nobody(rig, 'OPTIONS', path, {
      ...asking,
      'access-control-request-headers': 'Content-Type,x-amz-Meta-B',
    });
    t.equal(shown(both), '200 http://o GET, PUT', 'the second rule');
    t.equal(both.headers['access-control-allow-headers'], 'content-type, x-amz-meta-b');
    t.equal(both.headers['access-control-max-age'], '60');
    t.equal(both.headers['access-control-allow-credentials'], 'true');
    const made = await client.ask('PUT', path, { body: 'x', extra: { origin: 'http://o' } });
    t.equal(shown(made), '200 http://o GET, PUT');
    const got = await client.ask('GET', path, { extra: { origin: 'http://o' } });
    t.equal(shown(got), '200 * GET');
    t.equal(got.text, 'x');
    const missing = await client.ask('GET', `${path}-none`, { extra: { origin: 'http://o' } });
    t.equal(shown(missing), '404 * GET', 'errors too');
    const foreign = await client.ask('DELETE', path, { extra: { origin: 'http://o' } });
    t.equal(shown(foreign), '204', 'what no rule allows happens, unseen by the browser');
    t.match(foreign.headers['vary'], 'Origin');
    t.equal((await client.ask('GET', `/${bucket}`)).headers['vary'], undefined, 'nothing without an Origin');
  },

  presigned: async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}/key`;
    const credentials = { ...client.owner, region: client.region };
    const signed = { method: 'PUT', path, headers: { host: client.host }, payload: 'UNSIGNED-PAYLOAD' };
    const url = `${path}?${presign(credentials, { ...signed, query: 'x-amz-tagging=a%3Db', timestamp: amzNow() }, 60)}`;
    const headers = { origin: 'http://o', 'access-control-request-method': 'PUT' };
    t.equal((await nobody(rig, 'OPTIONS', url, headers)).code, 'AccessForbidden');
    await put(rig, document(rule({ AllowedMethod: 'PUT', AllowedOrigin: 'http://o', AllowedHeader: '*' })));
    t.equal(shown(await nobody(rig, 'OPTIONS', url, headers)), '200 http://o PUT');
    const done = await client.send('PUT', url, { host: client.host, origin: 'http://o' }, Buffer.from('x'));
    t.equal(shown(done), '200 http://o PUT');
  },
};
