/** FormPost: what a browser may upload by a signed form. */
import { createHmac } from 'node:crypto';
import type { Answer, Rig, SwiftSuite } from './swift-rig.ts';

const KEY = 'form key';
const BOUNDARY = '----browser7MA4YWxk';
const hour = (): number => Math.floor(Date.now() / 1000) + 3600;

interface Form {
  readonly path?: string;
  readonly redirect?: string;
  readonly size?: number;
  readonly count?: number;
  readonly expires?: number;
  readonly key?: string;
  readonly digest?: 'sha1' | 'sha256' | 'sha512';
  readonly more?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string | Buffer>>;
}

async function post({ client, anonymous, c }: Rig, form: Form = {}, change = (body: Buffer) => body): Promise<Answer> {
  const {
    path = `${c}/up-`,
    redirect = '',
    size = 100,
    count = 2,
    expires = hour(),
    key = KEY,
    digest = 'sha256',
  } = form;
  const target = client.base + path;
  const signed = [target, redirect, size, count, expires].join('\n');
  const signature = createHmac(digest, key).update(signed).digest('hex');
  const fields = { redirect, max_file_size: size, max_file_count: count, expires, signature, ...form.more };
  const parts: (string | Buffer)[] = [];
  for (const [name, value] of Object.entries(fields)) {
    parts.push(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`);
  }
  for (const [name, body] of Object.entries(form.files ?? { 'a.txt': 'of a' })) {
    const head = `Content-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: text/plain`;
    parts.push(`--${BOUNDARY}\r\n${head}\r\n\r\n`, body, '\r\n');
  }
  parts.push(`--${BOUNDARY}--\r\n`);
  const body = change(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
  const headers = { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` };
  return anonymous.raw('POST', target, { headers, body });
}

const setUp = ({ client, c }: Rig): Promise<Answer> =>
  client.ask('POST', c, { headers: { 'X-Container-Meta-Temp-URL-Key': KEY } });

export const forms: SwiftSuite = {
  'a signed form uploads its files': async (rig) => {
    const { t, client, c } = rig;
    await setUp(rig);
    const got = await post(rig, { files: { 'a.txt': 'of a', 'é.txt': 'é' } });
    t.match([got.status, got.text], [201, '201 Created']);
    const a = await client.ask('GET', `${c}/up-a.txt`);
    t.match([a.text, a.headers['content-type']], ['of a', 'text/plain']);
    t.equal((await client.ask('GET', `${c}/up-%C3%A9.txt`)).text, 'é');
    const large = Buffer.alloc(200_000, 'large');
    t.equal((await post(rig, { digest: 'sha512', size: 200_000, files: { large } })).status, 201);
    t.ok((await client.ask('GET', `${c}/up-large`)).body.equals(large));
    t.equal((await post(rig, { path: `${c}/`, files: { top: 'x' } })).status, 201);
    t.equal((await post(rig, { path: c, files: { also: 'x' } })).status, 201, 'with and without the slash');
    t.match((await client.ask('GET', c)).text, /^also\ntop\n/);
    const more = { x_delete_after: '1000', 'content-type': 'x/y', 'content-encoding': 'gzip' };
    t.equal((await post(rig, { more, files: { b: 'x' } })).status, 201);
    const b = (await client.ask('HEAD', `${c}/up-b`)).headers;
    t.match([b['content-type'], b['content-encoding']], ['x/y', 'gzip']);
    t.ok(Number(b['x-delete-at']) > Date.now() / 1000);
  },

  'the browser is sent where the form says': async (rig) => {
    const { t } = rig;
    await setUp(rig);
    const redirect = 'https://site.example/done?a=<b>';
    const got = await post(rig, { redirect });
    t.match([got.status, got.headers['location']], [303, `${redirect}&status=201&message=`]);
    t.notMatch(got.text, '<b>');
    const tooMany = await post(rig, { redirect: 'https://site.example/', count: 0 });
    t.equal(tooMany.headers['location'], 'https://site.example/?status=400&message=max%20file%20count%20exceeded');
    const unsigned = await post(rig, { redirect, key: 'guess', count: 0 });
    t.match([unsigned.status, unsigned.headers['location']], [400, undefined], 'but only by who may sign');
  },

  'what is not as signed is refused': async (rig) => {
    const { t, client, c } = rig;
    await setUp(rig);
    for (const [what, form, status, text] of [
      ['another key', { key: 'guess' }, 401, 'FormPost: Invalid Signature'],
      ['sha1', { digest: 'sha1' }, 401, 'FormPost: Invalid Signature'],
      ['a changed limit', { more: { max_file_size: '1000' } }, 401, 'FormPost: Invalid Signature'],
      ['too late', { expires: hour() - 7200 }, 401, 'FormPost: Form Expired'],
      ['too large', { size: 3 }, 400, 'FormPost: max_file_size exceeded'],
      ['no number', { more: { max_file_size: 'x' } }, 400, 'FormPost: max_file_size not an integer'],
      ['no file', { files: {} }, 400, '400 Bad Request\r\nFormPost: No Files To Process'],
      ['deleted in the past', { more: { x_delete_at: '1' } }, 400, 'X-Delete-At in past'],
      ['a name too long', { files: { ['x'.repeat(1025)]: '' } }, 400, 'Object name length'],
      ['an account', { path: '' }, 401, 'FormPost: Invalid Signature'],
      ['a NUL', { path: `${c}/a%00b` }, 412, 'Invalid UTF8'],
    ] as const) {
      const got = await post(rig, form as Form);
      t.equal(got.status, status, what);
      t.match(got.text, text, what);
    }
    const cut = await post(rig, { size: 1000, files: { cut: 'x'.repeat(900) } }, (body) => body.subarray(0, -500));
    t.equal(cut.status, 400, 'a form that ends too early');
    t.equal((await client.ask('GET', c)).text, '', 'nothing of it was stored');
    const more = await post(rig, { count: 1, files: { one: '1', two: '2' } });
    t.match([more.status, more.text], [400, /Max File Count Exceeded/]);
    t.equal((await client.ask('GET', c)).text, 'up-one\n');
  },

  'damaged forms never break the server': async (rig) => {
    const { t } = rig;
    await setUp(rig);
    let seed = 1;
    const next = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    for (let round = 0; round < 60; round++) {
      const got = await post(rig, { files: { f: 'x'.repeat(50) } }, (body) => {
        body[next(body.length)] = next(256);
        return round % 3 === 0 ? body.subarray(0, next(body.length)) : body;
      });
      t.ok([201, 400, 401, 412].includes(got.status), `round ${round}: ${got.status}`);
    }
  },
};
