/**
 * What a listener that may cut bytes off the ends of header values takes on trust: nothing that is stored or decides over
 * a write, unless its grammar leaves no room for such bytes. The same bytes on both engines, through a raw socket.
 */
import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import { createS3Handler } from '../../proxy/s3/handler.ts';
import { createMemoryWorld, OWNER } from '../memory-world.ts';
import { presign, sha256Hex, signHeaders } from '../s3-signer.ts';
import type { RawClient, RawResponse } from './http-raw.ts';
import { type Flavour, openRig } from './http-rig.ts';
import { amzNow } from './s3-rig.ts';

const SECONDS = 300;
const NAME = Buffer.from('żółć').toString('latin1');

interface Bed {
  readonly t: Test;
  readonly isCutting: boolean;
  ask(request: Asked): Promise<RawResponse>;
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
  readonly signed?: Readonly<Record<string, string>>;
  readonly unsigned?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly by?: 'header' | 'presign' | 'nobody';
}

for (const engine of ['node', 'uws'] as const) {
  t.test(engine, async (t) => {
    const world = createMemoryWorld([]);
    const flavour: Flavour = { engine, tls: false, uws: engine === 'uws' };
    const rig = await openRig(t, flavour, { handler: createS3Handler(world) });
    const credentials = { ...OWNER, region: world.region };
    const ask = async (asked: Asked): Promise<RawResponse> => send(await rig.connect(), asked, credentials);
    const bed: Bed = { t, isCutting: rig.listener.altersHeaders, ask };
    t.equal(bed.isCutting, engine === 'uws');
    const ownership = { 'x-amz-object-ownership': 'ObjectWriter' };
    t.equal((await ask({ method: 'PUT', path: '/unproven', signed: ownership })).status, 200);
    await stored(bed);
    await obeyed(bed);
    await inUrl(bed);
  });
}

async function send(client: RawClient, asked: Asked, credentials: Parameters<typeof presign>[0]): Promise<RawResponse> {
  const { method, path, query = '', body = '' } = asked;
  const timestamp = amzNow();
  const base = { host: 'localhost', ...asked.signed };
  let headers: Record<string, string> = base;
  let target = query === '' ? path : `${path}?${query}`;
  if (asked.by === 'presign') {
    const payload = 'UNSIGNED-PAYLOAD';
    target = `${path}?${presign(credentials, { method, path, query, headers: base, payload, timestamp }, SECONDS)}`;
  } else if (asked.by !== 'nobody') {
    headers = signHeaders(credentials, { method, path, query, headers: base, payload: sha256Hex(body), timestamp });
  }
  const lines = Object.entries({ ...headers, ...asked.unsigned }).map(([name, value]) => `${name}: ${value}\r\n`);
  client.send(`${method} ${target} HTTP/1.1\r\n${lines.join('')}content-length: ${body.length}\r\n\r\n${body}`);
  const answer = await client.response(method);
  client.close();
  return answer;
}

function checkRefused({ t, isCutting }: Bed, got: RawResponse, name: string): void {
  const text = got.body.toString();
  t.equal(got.status, isCutting ? 400 : 200, `${name}: ${text}`);
  if (isCutting) t.match(text, `<Code>InvalidArgument</Code>`);
  if (isCutting) t.match(text, `<ArgumentName>${name}</ArgumentName>`);
}

/** What SDKs leave unsigned. */
const WELL_FORMED = [
  { 'content-type': 'image/png' },
  { 'content-type': 'multipart/mixed; boundary="a b"; charset=utf-8' },
  { 'cache-control': 'max-age=60, private="set-cookie"' },
  { 'content-language': 'de, en-GB', 'content-encoding': 'gzip' },
] as const;

async function stored(bed: Bed): Promise<void> {
  const { t, ask, isCutting } = bed;
  const path = '/unproven/stored';
  for (const [name, value] of [
    ['content-disposition', `attachment; filename=${NAME}`],
    ['content-disposition', 'attachment; filename=ascii'],
    ['content-type', NAME],
    ['content-type', `text/plain; name=${NAME}`],
    ['content-type', `${NAME}/plain`],
    ['cache-control', `max-age=${NAME}`],
    ['content-language', NAME],
    ['content-encoding', `gzip,${NAME}`],
    ['expires', NAME],
  ] as const) {
    const unsigned = { [name]: value };
    checkRefused(bed, await ask({ method: 'PUT', path, unsigned, body: 'x' }), name);
    checkRefused(bed, await ask({ method: 'PUT', path, unsigned, body: 'x', by: 'presign' }), name);
    checkRefused(bed, await ask({ method: 'POST', path, query: 'uploads', unsigned }), name);
  }
  for (const unsigned of WELL_FORMED) {
    for (const by of ['header', 'presign'] as const) {
      t.equal((await ask({ method: 'PUT', path, unsigned, body: 'x', by })).status, 200, `unsigned by ${by}`);
      const got = await ask({ method: 'GET', path });
      for (const [name, value] of Object.entries(unsigned)) t.equal(got.headers.get(name)?.[0], value);
    }
  }
  const signed = { 'content-type': 'image/png', 'cache-control': 'max-age=60', 'x-amz-meta-name': `a${NAME}b` };
  for (const by of ['header', 'presign'] as const) {
    t.equal((await ask({ method: 'PUT', path, signed, body: 'x', by })).status, 200, `covered by ${by}`);
    const got = await ask({ method: 'GET', path });
    t.equal(got.headers.get('content-type')?.[0], 'image/png');
    t.equal(got.headers.get('cache-control')?.[0], 'max-age=60');
    t.match(got.headers.get('x-amz-meta-name')?.[0], Buffer.from('ażółćb').toString('base64'));
  }
  for (const signed of [{ 'x-amz-meta-name': NAME }, { 'content-disposition': `attachment; filename=${NAME}` }]) {
    const cut = await ask({ method: 'PUT', path, signed, body: 'y' });
    t.equal(cut.status, isCutting ? 403 : 200, 'a cut value fails its signature');
    t.equal((await ask({ method: 'GET', path })).body.toString(), isCutting ? 'x' : 'y', 'and changes nothing');
  }
}

async function obeyed(bed: Bed): Promise<void> {
  const { t, ask, isCutting } = bed;
  const path = '/unproven/obeyed';
  const unsigned = { 'if-none-match': '*' };
  checkRefused(bed, await ask({ method: 'PUT', path, unsigned, body: '0123456789' }), 'if-none-match');
  t.equal((await ask({ method: 'PUT', path, body: '0123456789' })).status, 200);
  t.equal((await ask({ method: 'PUT', path, signed: unsigned, body: 'z' })).status, 412);
  const acl = { 'x-amz-acl': 'public-read' };
  t.equal((await ask({ method: 'PUT', path, query: 'acl', signed: acl })).status, 200);
  for (const by of ['presign', 'nobody'] as const) {
    const ranged = await ask({ method: 'GET', path, unsigned: { range: 'bytes=2-4' }, by });
    t.equal(ranged.status, 206);
    t.equal(ranged.body.toString(), '234');
    const etag = ranged.headers.get('etag')?.[0] ?? '';
    t.equal((await ask({ method: 'GET', path, unsigned: { 'if-none-match': etag }, by })).status, 304);
    const date = ranged.headers.get('last-modified')?.[0] ?? '';
    t.equal((await ask({ method: 'GET', path, unsigned: { 'if-modified-since': date }, by })).status, 304);
    checkRefused(bed, await ask({ method: 'GET', path, unsigned: { range: 'bytes' }, by }), 'range');
    checkRefused(bed, await ask({ method: 'GET', path, unsigned: { 'if-none-match': 'abc' }, by }), 'if-none-match');
  }
  const owner = { 'x-amz-expected-bucket-owner': 'AUTH_test' };
  const anonymous = await ask({ method: 'GET', path, unsigned: owner, by: 'nobody' });
  t.equal(anonymous.status, isCutting ? 400 : 200, 'nothing proves an anonymous x-amz- header');
  await byAnybody(bed);
  const added = await ask({ method: 'PUT', path, unsigned: { 'x-amz-meta-a': 'b' }, body: 'z', by: 'presign' });
  t.equal(added.status, 403, 'x-amz- headers are signed, or refused, everywhere');
}

/** SDKs send checksums without being asked, with requests that nobody signs as well. */
async function byAnybody({ t, ask, isCutting }: Bed): Promise<void> {
  const path = '/unproven/anybody';
  const open = { 'x-amz-acl': 'public-read-write' };
  t.equal((await ask({ method: 'PUT', path: '/unproven', query: 'acl', signed: open })).status, 200);
  const checksum = createHash('sha256').update('x').digest('base64');
  const words = {
    'x-amz-sdk-checksum-algorithm': 'SHA256',
    'x-amz-checksum-sha256': checksum,
    'x-amz-acl': 'public-read',
  };
  const date = { expires: 'Tue, 01 Jan 2030 00:00:00 GMT', 'x-amz-storage-class': 'STANDARD_IA' };
  const put = await ask({ method: 'PUT', path, unsigned: { ...words, ...date }, body: 'x', by: 'nobody' });
  t.equal(put.status, 200, put.body.toString());
  const got = await ask({ method: 'GET', path, unsigned: { 'x-amz-checksum-mode': 'ENABLED' }, by: 'nobody' });
  for (const [name, value] of Object.entries({ ...date, 'x-amz-checksum-sha256': checksum })) {
    t.equal(got.headers.get(name)?.[0], value);
  }
  const wrong = { ...words, 'x-amz-checksum-sha256': createHash('sha256').update('y').digest('base64') };
  const bad = await ask({ method: 'PUT', path, unsigned: wrong, body: 'x', by: 'nobody' });
  t.match(bad.body.toString(), '<Code>BadDigest</Code>');
  const stored = { 'x-amz-meta-a': 'b' };
  const meta = await ask({ method: 'PUT', path, unsigned: stored, body: 'x', by: 'nobody' });
  t.equal(meta.status, isCutting ? 400 : 200, 'what may be of any bytes has to be signed');
}

/** A URL arrives byte for byte on every engine. */
async function inUrl({ t, ask }: Bed): Promise<void> {
  const path = '/unproven/url';
  const query = `x-amz-meta-name=${encodeURIComponent('żółć')}`;
  t.equal((await ask({ method: 'PUT', path, query, body: 'x', by: 'presign' })).status, 200);
  const got = await ask({ method: 'GET', path });
  t.match(got.headers.get('x-amz-meta-name')?.[0], Buffer.from('żółć').toString('base64'));
  const twice = await ask({ method: 'PUT', path, query, signed: { 'x-amz-meta-name': 'b' }, body: 'x', by: 'presign' });
  t.equal(twice.status, 400, 'header and parameter of one name');
  const refused = 'x-amz-server-side-encryption=AES256';
  t.equal((await ask({ method: 'PUT', path, query: refused, body: 'x', by: 'presign' })).status, 501);
}
