/** TempURL: links that are good for what they were signed for, and for nothing else. */
import { createHmac } from 'node:crypto';
import { type Answer, type Rig, type Sent, type SwiftSuite, wire } from './swift-rig.ts';

const KEY = 'mykey-ключ';
const hour = (): number => Math.floor(Date.now() / 1000) + 3600;

interface Link {
  readonly method?: string;
  readonly expires?: number;
  readonly digest?: 'sha1' | 'sha256' | 'sha512';
  readonly key?: string;
  readonly prefix?: string;
  readonly ip?: string;
  readonly base64?: boolean;
}

/** Query of a link to `path` (decoded, below the account). */
function sign({ client }: Rig, path: string, link: Link = {}): string {
  const { method = 'GET', expires = hour(), digest = 'sha256', key = KEY, prefix, ip } = link;
  const start = ip === undefined ? '' : `ip=${ip}\n`;
  const whole = prefix === undefined ? client.base + path : `prefix:${client.base}/${path.split('/')[1]}/${prefix}`;
  const mac = createHmac(digest, key).update(`${start}${method}\n${expires}\n${whole}`);
  const sig = link.base64 ? `${digest}:${mac.digest('base64url')}` : mac.digest('hex');
  const query = new URLSearchParams({ temp_url_sig: sig, temp_url_expires: String(expires) });
  if (prefix !== undefined) query.set('temp_url_prefix', prefix);
  if (ip !== undefined) query.set('temp_url_ip_range', ip);
  return `?${query}`;
}

async function setUp({ client, c }: Rig): Promise<void> {
  await client.ask('POST', c, { headers: { 'X-Container-Meta-Temp-URL-Key': wire(KEY) } });
  await client.ask('PUT', `${c}/dir/o`, {
    body: 'linked',
    headers: { 'X-Object-Meta-Secret': 's', 'X-Object-Meta-Public-Note': 'p' },
  });
}

const open = ({ anonymous }: Rig, method: string, path: string, sent: Sent = {}): Promise<Answer> =>
  anonymous.raw(method, anonymous.base + path, sent);

export const tempUrl: SwiftSuite = {
  'a link reads its object, whichever digest signed it': async (rig) => {
    const { t, c } = rig;
    await setUp(rig);
    const path = `${c}/dir/o`;
    for (const link of [
      {},
      { digest: 'sha512' },
      { base64: true },
      { digest: 'sha512', base64: true },
      { prefix: 'dir/' },
      { prefix: '' },
      { ip: '127.0.0.0/8' },
      { ip: '127.0.0.1', prefix: 'di' },
    ] as const) {
      const got = await open(rig, 'GET', path + sign(rig, path, link));
      t.match([got.status, got.text], [200, 'linked'], JSON.stringify(link));
      t.equal((await open(rig, 'HEAD', path + sign(rig, path, link))).status, 200, 'HEAD by the same');
    }
    const expires = hour();
    const iso = new Date(expires * 1000).toISOString().replace(/\.\d+Z/, 'Z');
    const byTime = sign(rig, path, { expires }).replace(/temp_url_expires=\d+/, `temp_url_expires=${iso}`);
    const got = await open(rig, 'GET', path + byTime);
    t.equal(got.status, 200, 'a time in words');
    t.equal(Date.parse(got.headers['expires'] ?? ''), expires * 1000);
    t.equal(got.headers['x-object-meta-secret'], undefined, 'metadata is private');
    t.equal(got.headers['x-object-meta-public-note'], 'p', 'but what is said to be public');
    const part = await open(rig, 'GET', path + sign(rig, path), { headers: { Range: 'bytes=0-2' } });
    t.match([part.status, part.text], [206, 'lin']);
  },

  'the key may be the account’s': async (rig) => {
    const { t, client, c } = rig;
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    await client.ask('POST', '', { headers: { 'X-Account-Meta-Temp-URL-Key-2': 'of the account' } });
    t.equal((await open(rig, 'GET', `${c}/o${sign(rig, `${c}/o`, { key: 'of the account' })}`)).status, 200);
    const none = `${c}-none/o`;
    t.equal((await open(rig, 'GET', none + sign(rig, none, { key: 'of the account' }))).status, 404, 'no container');
    await client.ask('POST', '', { headers: { 'X-Remove-Account-Meta-Temp-URL-Key-2': 'x' } });
    t.equal((await open(rig, 'GET', `${c}/o${sign(rig, `${c}/o`, { key: 'of the account' })}`)).status, 401);
  },

  'everything that is not as signed is 401': async (rig) => {
    const { t, client, c } = rig;
    await setUp(rig);
    const path = `${c}/dir/o`;
    const good = sign(rig, path);
    await client.ask('PUT', `${c}/other`, { body: 'x' });
    const cases: Record<string, [method: string, target: string]> = {
      'another object': ['GET', `${c}/other${good}`],
      'another method': ['PUT', path + good],
      'a method no link is for': ['COPY', path + sign(rig, path, { method: 'COPY' })],
      'a container': ['GET', c + sign(rig, c)],
      'another key': ['GET', path + sign(rig, path, { key: 'guess' })],
      'sha1, which is not allowed here': ['GET', path + sign(rig, path, { digest: 'sha1' })],
      'sha1 in base64': ['GET', path + sign(rig, path, { digest: 'sha1', base64: true })],
      expired: ['GET', path + sign(rig, path, { expires: hour() - 7200 })],
      'an object outside the prefix': ['GET', `${c}/other${sign(rig, path, { prefix: 'dir/' })}`],
      'a prefix signed as an object': ['GET', `${path + sign(rig, `${c}/dir`)}&temp_url_prefix=dir`],
      'another address': ['GET', path + sign(rig, path, { ip: '10.0.0.0/8' })],
      'an address that was not signed': ['GET', `${good}&temp_url_ip_range=127.0.0.1`.replace('?', `${path}?`)],
      'no signature': ['GET', `${path}?temp_url_expires=${hour()}`],
      'no time': ['GET', path + good.replace(/&temp_url_expires=\d+/, '')],
      'a time that is none': ['GET', path + good.replace(/expires=\d+/, 'expires=never')],
      'nonsense as a signature': ['GET', path + good.replace(/sig=\w+/, 'sig=sha256:%ff%3d')],
      'a cut signature': ['GET', path + good.replace(/sig=\w\w/, 'sig=')],
    };
    for (const [what, [method, target]] of Object.entries(cases)) {
      const got = await open(rig, method, target, method === 'PUT' ? { body: 'y' } : {});
      t.equal(got.status, what === 'nonsense as a signature' ? 400 : 401, what);
      if (got.status === 401) t.equal(got.text, '401 Unauthorized: Temp URL invalid\n', what);
    }
    const withToken = await client.ask('GET', path + sign(rig, path, { key: 'guess' }));
    t.equal(withToken.status, 401, 'a token does not mend a bad link');
    t.equal((await client.ask('GET', path)).text, 'linked');
  },

  'a link to write writes, points nowhere and reads nothing': async (rig) => {
    const { t, client, c } = rig;
    await setUp(rig);
    const path = `${c}/new`;
    const put = sign(rig, path, { method: 'PUT' });
    t.equal((await open(rig, 'PUT', path + put, { body: 'by link' })).status, 201);
    t.equal((await client.ask('GET', path)).text, 'by link');
    t.equal((await open(rig, 'HEAD', path + put)).status, 200);
    t.equal((await open(rig, 'GET', path + put)).status, 401);
    t.equal((await open(rig, 'DELETE', path + put)).status, 401);
    for (const header of ['X-Object-Manifest', 'X-Symlink-Target']) {
      const got = await open(rig, 'PUT', path + put, { body: '', headers: { [header]: `${c}/dir` } });
      t.equal(got.status, 400, header);
      t.match(got.text, header);
    }
    const stolen = await open(rig, 'PUT', path + put, { body: '', headers: { 'X-Copy-From': `${c}/dir/o` } });
    t.equal(stolen.status, 401, 'what was not signed is not copied');
    const manifest = await open(rig, 'PUT', `${path + put}&multipart-manifest=put`, {
      body: JSON.stringify([{ path: `${c}/dir/o` }]),
    });
    t.equal(manifest.status, 201, 'the rest of the query does not count');
    t.match((await client.ask('GET', path)).text, /^\[/);
    t.equal((await open(rig, 'DELETE', path + sign(rig, path, { method: 'DELETE' }))).status, 204);
    t.equal(
      (await open(rig, 'POST', `${c}/dir/o${sign(rig, `${c}/dir/o`, { method: 'POST' })}`, { body: '' })).status,
      202,
    );
    t.equal((await open(rig, 'OPTIONS', `${c}/dir/o?temp_url_sig=x`)).status, 200);
  },

  'the name to save it under': async (rig) => {
    const { t, client, c } = rig;
    await setUp(rig);
    const path = `${c}/dir/o`;
    const shown = async (more: string): Promise<string | undefined> =>
      (await open(rig, 'GET', path + sign(rig, path) + more)).headers['content-disposition'];
    t.equal(await shown(''), `attachment; filename="o"; filename*=UTF-8''o`);
    t.equal(
      await shown('&filename=a%20b%2Fc%22%0a.txt'),
      `attachment; filename="a b/c%22%0A.txt"; filename*=UTF-8''a%20b/c%22%0A.txt`,
    );
    t.equal(await shown('&inline'), 'inline');
    t.equal(await shown('&inline&filename=x'), `inline; filename="x"; filename*=UTF-8''x`);
    await client.ask('POST', path, { headers: { 'Content-Disposition': 'attachment; own' } });
    t.equal(await shown(''), 'attachment; own');
    t.equal(await shown('&filename=x'), `attachment; filename="x"; filename*=UTF-8''x`);
  },

  'a large object is read through a link': async (rig) => {
    const { t, client, c } = rig;
    await setUp(rig);
    await client.ask('PUT', `${c}/s1`, { body: 'one ' });
    await client.ask('PUT', `${c}/s2`, { body: 'two' });
    await client.ask('PUT', `${c}/slo?multipart-manifest=put`, {
      body: JSON.stringify([{ path: `${c}/s1` }, { path: `${c}/s2` }]),
    });
    await client.ask('PUT', `${c}/dlo`, { body: '', headers: { 'X-Object-Manifest': `${c.slice(1)}/s` } });
    t.equal((await open(rig, 'GET', `${c}/slo${sign(rig, `${c}/slo`)}`)).text, 'one two');
    t.match((await open(rig, 'GET', `${c}/dlo${sign(rig, `${c}/dlo`)}`)).text, /^one two/);
  },

  'the keys show to their owner alone': async (rig) => {
    const { t, client, anonymous, c } = rig;
    await setUp(rig);
    await client.ask('POST', c, { headers: { 'X-Container-Read': '.r:*,.rlistings' } });
    t.equal((await client.ask('HEAD', c)).headers['x-container-meta-temp-url-key'], wire(KEY));
    t.equal((await anonymous.raw('HEAD', anonymous.base + c)).headers['x-container-meta-temp-url-key'], undefined);
    const info = JSON.parse((await client.raw('GET', '/info')).text);
    t.match(info.tempurl, { methods: ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'], allowed_digests: ['sha256', 'sha512'] });
  },
};
