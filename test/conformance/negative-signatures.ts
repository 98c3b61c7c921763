/** Requests that pretend: signatures cut off, moved, outdated, of other keys, regions, services and methods. */
import { presign, sha256Hex, sign, signHeaders } from '../s3-signer.ts';
import { codeOf, exchange, type Negative, type NegativeSuite, namesIn, refusedAs } from './negative-rig.ts';
import { amzNow, type S3User } from './s3-rig.ts';

/** Query of a presigned request. */
function presigned({ s3 }: Negative, method: string, path: string, more: Presign = {}): string {
  const { user = s3.owner, seconds = 300, timestamp = amzNow(), region = s3.region, query = '' } = more;
  const headers = { host: s3.host };
  return presign({ ...user, region }, { method, path, query, headers, payload: '', timestamp }, seconds);
}

interface Presign {
  readonly user?: S3User;
  readonly seconds?: number;
  readonly timestamp?: string;
  readonly region?: string;
  readonly query?: string;
}

export const signatures: NegativeSuite = {
  'a signature that was cut off, or of which a part was': async (rig) => {
    const { t, s3, bucket } = rig;
    const path = `/${bucket}/new`;
    const base = { method: 'PUT', path, headers: { host: s3.host }, payload: sha256Hex('x'), timestamp: amzNow() };
    const headers = signHeaders({ ...s3.owner, region: s3.region }, base);
    const authorization = headers['authorization'] as string;
    const send = (changed: Record<string, string>, without: readonly string[] = []) => {
      const left = Object.entries({ ...headers, ...changed }).filter(([name]) => !without.includes(name));
      return s3.send('PUT', path, Object.fromEntries(left), Buffer.from('x'));
    };
    refusedAs(t, await send({}, ['authorization']), '403 AccessDenied', 'no signature');
    for (const [what, value, expected] of [
      ['empty', '', '403 AccessDenied'],
      ['no fields', 'AWS4-HMAC-SHA256', '400 AuthorizationHeaderMalformed'],
      ['no signature', authorization.replace(/, Signature=.*/, ''), '400 AuthorizationHeaderMalformed'],
      ['empty signature', authorization.replace(/Signature=.*/, 'Signature='), '400 AuthorizationHeaderMalformed'],
      ['a word', authorization.replace(/Signature=.*/, 'Signature=none'), '403 SignatureDoesNotMatch'],
      ['zeros', authorization.replace(/Signature=.*/, `Signature=${'0'.repeat(64)}`), '403 SignatureDoesNotMatch'],
      [
        'no headers',
        authorization.replace(/SignedHeaders=[^,]*/, 'SignedHeaders='),
        '400 AuthorizationHeaderMalformed',
      ],
      ['a header less', authorization.replace('SignedHeaders=host;', 'SignedHeaders='), '403 SignatureDoesNotMatch'],
      ['another algorithm', authorization.replace('SHA256', 'SHA1'), '400 InvalidRequest'],
      ['none', authorization.replace('AWS4-HMAC-SHA256', 'none'), '400 InvalidArgument'],
      ['ECDSA', authorization.replace('HMAC', 'ECDSA-P256'), '400 InvalidRequest'],
      ['Basic', `Basic ${Buffer.from('a:b').toString('base64')}`, '400 InvalidArgument'],
      ['a token of the other API', `Bearer ${rig.swift.token}`, '400 InvalidArgument'],
    ] as const) {
      refusedAs(t, await send({ authorization: value }), expected, what);
    }
    const hostless = signHeaders({ ...s3.owner, region: s3.region }, { ...base, headers: {} });
    const got = await s3.send('PUT', path, { host: s3.host, ...hostless }, Buffer.from('x'));
    refusedAs(t, got, '403 AccessDenied', 'a true signature that leaves out the host');
    refusedAs(t, await send({}, ['x-amz-content-sha256']), '400 InvalidRequest', 'no digest of the body');
    refusedAs(t, await send({}, ['x-amz-date']), '403 AccessDenied', 'no time');
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'scopes of another region, service or day': async (rig) => {
    const { t, s3, bucket } = rig;
    const path = `/${bucket}/safe`;
    const elsewhere = signHeaders(
      { ...s3.owner, region: 'eu-elsewhere-9' },
      { method: 'GET', path, headers: { host: s3.host }, payload: sha256Hex(''), timestamp: amzNow() },
    );
    refusedAs(t, await s3.send('GET', path, elsewhere), '400 AuthorizationHeaderMalformed', 'region');
    const here = signHeaders(
      { ...s3.owner, region: s3.region },
      { method: 'GET', path, headers: { host: s3.host }, payload: sha256Hex(''), timestamp: amzNow() },
    );
    const authorization = here['authorization'] as string;
    for (const [what, value] of [
      ['service', authorization.replace('/s3/', '/sts/')],
      ['end of the scope', authorization.replace('aws4_request', 'aws5_request')],
      ['day', authorization.replace(/\/\d{8}\//, '/20200101/')],
      ['more scope', authorization.replace('/s3/', '/s3/s3/')],
    ] as const) {
      const got = await s3.send('GET', path, { ...here, authorization: value });
      refusedAs(t, got, '400 AuthorizationHeaderMalformed', what);
    }
    const query = presigned(rig, 'GET', path, { region: 'eu-elsewhere-9' });
    t.match(codeOf(await s3.send('GET', `${path}?${query}`, { host: s3.host })), /^400 Authorization/);
  },

  'keys of other accounts': async (rig) => {
    const { t, s3, bucket } = rig;
    const path = `/${bucket}/safe`;
    const mixed = { accessKeyId: s3.owner.accessKeyId, secretAccessKey: s3.stranger.secretAccessKey };
    refusedAs(
      t,
      await s3.ask('GET', path, { user: mixed }),
      '403 SignatureDoesNotMatch',
      'id of one, secret of another',
    );
    refusedAs(t, await s3.ask('GET', path, { user: s3.stranger }), '403 AccessDenied', 'their own key');
    for (const [what, accessKeyId] of [
      ['two ids', `${s3.owner.accessKeyId},${s3.stranger.accessKeyId}`],
      ['an account’s name', 'AUTH_test'],
      ['a path', `../${s3.owner.accessKeyId}`],
      ['prototype', '__proto__'],
      ['constructor', 'constructor'],
      ['a very long one', 'A'.repeat(2000)],
    ] as const) {
      const got = await s3.ask('GET', path, { user: { ...s3.owner, accessKeyId } });
      t.match(codeOf(got), /^(403 InvalidAccessKeyId|400 AuthorizationHeaderMalformed)$/, what);
    }
    const swapped = signHeaders(
      { ...s3.stranger, region: s3.region },
      { method: 'GET', path, headers: { host: s3.host }, payload: sha256Hex(''), timestamp: amzNow() },
    );
    const authorization = (swapped['authorization'] as string).replace(s3.stranger.accessKeyId, s3.owner.accessKeyId);
    refusedAs(t, await s3.send('GET', path, { ...swapped, authorization }), '403 SignatureDoesNotMatch', 'swapped id');
  },

  'presigned URLs for anything but their own': async (rig) => {
    const { t, s3, bucket } = rig;
    const path = `/${bucket}/safe`;
    const other = await s3.makeBucket();
    await s3.ask('PUT', `/${other}/safe`, { body: 'other' });
    const get = presigned(rig, 'GET', path);
    const ask = (method: string, target: string, headers: Record<string, string> = {}, body?: Buffer) =>
      s3.send(method, target, { host: s3.host, ...headers }, body);
    t.equal((await ask('GET', `${path}?${get}`)).text, 'safe');
    const mismatch = '403 SignatureDoesNotMatch';
    refusedAs(t, await ask('DELETE', `${path}?${get}`), mismatch, 'another method');
    refusedAs(t, await ask('PUT', `${path}?${get}`, {}, Buffer.from('x')), mismatch, 'PUT by GET');
    t.equal((await ask('HEAD', `${path}?${get}`)).status, 403, 'HEAD by GET');
    refusedAs(t, await ask('GET', `/${other}/safe?${get}`), mismatch, 'another bucket');
    refusedAs(t, await ask('GET', `/${bucket}/../${other}/safe?${get}`), mismatch, 'a way up');
    refusedAs(t, await ask('GET', `${path}?${get}&acl`), mismatch, 'one parameter more');
    refusedAs(t, await ask('GET', `${path}?${get}&response-expires=x`), mismatch, 'an override more');
    const longer = get.replace('X-Amz-Expires=300', 'X-Amz-Expires=604800');
    refusedAs(t, await ask('GET', `${path}?${longer}`), mismatch, 'a longer life');
    const twice = await ask('GET', `${path}?${get}&X-Amz-Signature=${'0'.repeat(64)}`);
    t.equal(twice.status >= 400 && twice.status < 500, true, `two signatures: ${codeOf(twice)}`);
    const expired = presigned(rig, 'GET', path, { timestamp: amzNow(-10_000), seconds: 5 });
    refusedAs(t, await ask('GET', `${path}?${expired}`), '403 AccessDenied', 'expired');
    for (const seconds of [0, -1, 604_801, 1e15]) {
      const got = await ask('GET', `${path}?${presigned(rig, 'GET', path, { seconds })}`);
      t.match(codeOf(got), /^400 AuthorizationQueryParametersError$|^403 AccessDenied$/, `${seconds} s`);
    }
    const put = presigned(rig, 'PUT', `/${bucket}/copied`);
    const source = { 'x-amz-copy-source': `/${other}/safe` };
    refusedAs(t, await ask('PUT', `/${bucket}/copied?${put}`, source, Buffer.alloc(0)), '403 AccessDenied', 'a source');
    const hoisted = `/${bucket}/copied?${put}&x-amz-copy-source=${other}%2Fsafe`;
    refusedAs(t, await ask('PUT', hoisted, {}, Buffer.alloc(0)), mismatch, 'a source in the query');
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'Version 2, cut off and moved': async (rig) => {
    const { t, s3, bucket } = rig;
    const path = `/${bucket}/safe`;
    const expires = Math.floor(Date.now() / 1000) + 300;
    for (const [query, expected] of [
      [`AWSAccessKeyId=${s3.owner.accessKeyId}`, /^40[03] /],
      [`AWSAccessKeyId=${s3.owner.accessKeyId}&Expires=${expires}&Signature=`, /^403 /],
      [`AWSAccessKeyId=${s3.owner.accessKeyId}&Expires=1&Signature=AAAA`, /^403 AccessDenied/],
      [`AWSAccessKeyId=${s3.owner.accessKeyId}&Expires=9e99&Signature=AAAA`, /^40[03] /],
      [`AWSAccessKeyId=__proto__&Expires=${expires}&Signature=AAAA`, /^403 InvalidAccessKeyId/],
    ] as const) {
      t.match(codeOf(await s3.send('GET', `${path}?${query}`, { host: s3.host })), expected, query);
    }
    const date = new Date().toUTCString();
    for (const authorization of ['AWS ', 'AWS :', 'AWS a', `AWS ${s3.owner.accessKeyId}:`, `AWS ${':'.repeat(2000)}`]) {
      const got = await s3.send('GET', path, { host: s3.host, date, authorization });
      t.ok(got.status === 400 || got.status === 403, `${authorization.slice(0, 30)}: ${codeOf(got)}`);
    }
  },

  'headers that are there twice': async ({ t, s3, ports, bucket }) => {
    const path = `/${bucket}/twice`;
    const headers = { host: s3.host, 'x-amz-meta-a': 'b' };
    const payload = sha256Hex('');
    const timestamp = amzNow();
    const all = { ...headers, 'x-amz-date': timestamp, 'x-amz-content-sha256': payload };
    const made = sign({ ...s3.owner, region: s3.region }, { method: 'PUT', path, headers: all, payload, timestamp });
    const authorization = `AWS4-HMAC-SHA256 Credential=${made.credential}, SignedHeaders=${made.signedHeaders}, Signature=${made.signature}`;
    for (const port of [ports.everything, ports.s3]) {
      for (const more of [
        'x-amz-meta-a: c',
        `x-amz-content-sha256: UNSIGNED-PAYLOAD`,
        `x-amz-date: ${amzNow(-60_000)}`,
        'host: elsewhere',
      ]) {
        const lines = Object.entries({ ...all, authorization }).map(([name, value]) => `${name}: ${value}`);
        const head = `PUT ${path} HTTP/1.1\r\n${[...lines, more].join('\r\n')}\r\ncontent-length: 0\r\n\r\n`;
        const got = await exchange(port, head);
        t.ok(got.status === 400 || got.status === 403, `${more}: ${got.status}`);
      }
    }
    t.equal((await s3.ask('HEAD', path)).status, 404, 'nothing was written');
  },
};
