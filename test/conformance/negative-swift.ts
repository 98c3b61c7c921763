/** Archives that climb and lie, links and forms that are used for what they were not signed for. */
import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { type Member, makeTar, paxMember, tarHeader } from '../tar-maker.ts';
import { type Negative, type NegativeSuite, namesIn } from './negative-rig.ts';
import type { Answer } from './swift-rig.ts';

const KEY = 'a key';
const soon = (): number => Math.floor(Date.now() / 1000) + 300;
const GIB = 1024 ** 3;

interface Report {
  readonly 'Number Files Created': number;
  readonly 'Response Status': string;
  readonly Errors: readonly (readonly [string, string])[];
}

async function extract({ swift, bucket }: Negative, body: Buffer, format = 'tar'): Promise<string> {
  const headers = { accept: 'application/json' };
  const got = await swift.ask('PUT', `/${bucket}?extract-archive=${format}`, { body, headers });
  if (got.status !== 200) return String(got.status);
  const report = JSON.parse(got.text) as Report;
  return `${report['Response Status']}, ${report['Number Files Created']} created`;
}

const hmac = (text: string, { digest = 'sha256', key = KEY } = {}): string =>
  createHmac(digest, key).update(text).digest('hex');

async function clear({ swift, bucket }: Negative): Promise<void> {
  for (const name of await namesIn({ swift }, bucket)) {
    if (name !== 'safe') await swift.ask('DELETE', `/${bucket}/${encodeURIComponent(name)}`);
  }
}

export const archives: NegativeSuite = {
  'members that climb, point elsewhere or are no files': async (rig) => {
    const { t, swift, bucket } = rig;
    const containers = (await swift.ask('GET', '')).text;
    for (const name of [
      '../safe',
      '../../AUTH_test2/c/o',
      'a/../../safe',
      '/../safe',
      './../safe',
      '..',
      'a/..',
      `../${bucket}/safe`,
    ]) {
      const got = await extract(rig, makeTar([{ name, body: 'evil' }]));
      t.match(got, /^400 .*, 0 created$/, name);
    }
    for (const [type, what] of [
      ['1', 'a hard link'],
      ['2', 'a link'],
      ['3', 'a character device'],
      ['4', 'a block device'],
      ['5', 'a folder'],
      ['6', 'a pipe'],
      ['7', 'a reserved type, which is a file'],
      ['S', 'a sparse file'],
      ['V', 'a label'],
      ['D', 'a dump'],
      ['M', 'a volume'],
      ['Z', 'unheard of'],
    ] as const) {
      const got = await extract(rig, makeTar([{ name: 'new', type, link: '/etc/passwd', body: '' }]));
      t.match(got, type === '7' ? /, 1 created$/ : /^400 .*, 0 created$/, what);
    }
    await clear(rig);
    t.same(await namesIn(rig, bucket), ['safe']);
    t.equal((await swift.ask('GET', '')).text, containers, 'no container was made');
    t.match(
      await extract(
        rig,
        makeTar([
          { name: '/etc/passwd', body: 'x' },
          { name: '//a', body: 'x' },
        ]),
      ),
      '201 Created, 2 created',
    );
    t.same(await namesIn(rig, bucket), ['a', 'etc/passwd', 'safe'], 'absolute names are names below the path');
    await clear(rig);
  },

  'members whose headers lie': async (rig) => {
    const { t, bucket } = rig;
    const body = 'a body';
    const cases: readonly (readonly [string, readonly Member[] | Buffer])[] = [
      ['a size of all bits', [{ name: 'new', body, size: '\xff'.repeat(12) }]],
      ['a size of base 256', [{ name: 'new', body, size: `\x80${'\x7f'.repeat(11)}` }]],
      ['a size that is no number', [{ name: 'new', body, size: 'zzzzzzzzzzz\0' }]],
      ['nine GiB', [{ name: 'new', body, size: 9 * GIB - 1 }]],
      ['more than there is', [{ name: 'new', body, size: 5000 }]],
      ['a checksum', [{ name: 'new', body, checksum: '000000\0 ' }]],
      ['no name', [{ name: '', body }]],
      ['a name of 1,100 bytes', [paxMember({ path: 'n'.repeat(1100) }), { name: 'x', body }]],
      ['a name that is no text', [{ name: '\xff\xfe', body }]],
      ['a NUL in the name', [paxMember({ path: 'a\0b' }), { name: 'x', body }]],
      ['an extended size', [paxMember({ size: '99999999999999999999' }), { name: 'new', body }]],
      ['a negative extended size', [paxMember({ size: '-1' }), { name: 'new', body }]],
      ['an extended climb', [paxMember({ path: '../../up' }), { name: 'new', body }]],
      [
        'a header in an attribute',
        [paxMember({ 'SCHILY.xattr.user.meta.a': 'b\r\nX-Evil: 1' }), { name: 'new', body }],
      ],
      ['a type with a line', [paxMember({ 'SCHILY.xattr.user.mime_type': 'a/b\nX-Evil: 1' }), { name: 'new', body }]],
      ['large attributes', [paxMember({ 'SCHILY.xattr.user.meta.a': 'a'.repeat(100_000) }), { name: 'new', body }]],
      ['cut off', makeTar([{ name: 'new', body: 'x'.repeat(5000) }]).subarray(0, 2000)],
      ['half a block', tarHeader({ name: 'new' }).subarray(0, 100)],
      ['noise', Buffer.alloc(10_000, 'noise')],
      ['ones', Buffer.alloc(10_000, 0xff)],
      ['zeros', Buffer.alloc(100_000)],
    ];
    for (const [what, made] of cases) {
      const archive = Buffer.isBuffer(made) ? made : makeTar(made as readonly Member[]);
      t.match(await extract(rig, archive), /^4\d\d$|^4\d\d .*, 0 created$/, what);
      t.same(await namesIn(rig, bucket), ['safe'], `${what}: nothing was written`);
      await clear(rig);
    }
  },

  'packed archives that lie or blow up': async (rig) => {
    const { t, bucket } = rig;
    const bomb = gzipSync(Buffer.alloc(16 * 1024 * 1024));
    t.match(await extract(rig, bomb, 'tar.gz'), /, 0 created$/, '16 MiB of zeros');
    const twice = gzipSync(gzipSync(makeTar([{ name: 'new', body: 'x' }])));
    t.match(await extract(rig, twice, 'tar.gz'), /^400 .*, 0 created$/, 'packed twice');
    t.match(await extract(rig, Buffer.from('noise'.repeat(100)), 'tar.gz'), /^400 .*, 0 created$/, 'no gzip');
    t.match(
      await extract(rig, gzipSync(Buffer.alloc(5000)).subarray(0, 20), 'tar.gz'),
      /^400 .*, 0 created$/,
      'cut off',
    );
    t.match(await extract(rig, Buffer.from('BZh9'.repeat(100)), 'tar.bz2'), /^400 .*, 0 created$/, 'no bzip2');
    for (const format of ['zip', 'tar.xz', '../tar', '__proto__'])
      t.equal(await extract(rig, Buffer.from('x'), format), '400', format);
    t.same(await namesIn(rig, bucket), ['safe']);
  },
};

/** A temporary URL's query. */
const link = (method: string, path: string, more: { expires?: number; digest?: string; key?: string } = {}): string => {
  const expires = more.expires ?? soon();
  return `temp_url_sig=${hmac(`${method}\n${expires}\n${path}`, more)}&temp_url_expires=${expires}`;
};

async function opened(
  { swift, anonymous, bucket }: Negative,
  method: string,
  target: string,
  sent = {},
): Promise<Answer> {
  return anonymous.raw(method, `${swift.base}/${bucket}/${target}`, sent);
}

export const signedUrls: NegativeSuite = {
  'temporary URLs for anything but their own': async (rig) => {
    const { t, swift, bucket } = rig;
    await swift.ask('POST', `/${bucket}`, { headers: { 'x-container-meta-temp-url-key': KEY } });
    const path = `${swift.base}/${bucket}/safe`;
    const get = link('GET', path);
    t.equal((await opened(rig, 'GET', `safe?${get}`)).text, 'safe');
    t.equal((await opened(rig, 'HEAD', `safe?${get}`)).status, 200, 'GET allows HEAD');
    for (const method of ['PUT', 'POST', 'DELETE', 'COPY']) {
      t.equal((await opened(rig, method, `safe?${get}`, { body: 'x' })).status, 401, `${method} by GET`);
    }
    t.equal((await opened(rig, 'GET', `safe?${link('HEAD', path)}`)).status, 401, 'GET by HEAD');
    t.equal((await opened(rig, 'GET', `safe?${link('PUT', path)}`)).status, 401, 'GET by PUT');
    for (const target of ['safe2', 'saf', 'safe/', '../safe', './safe', '', 'safe%00']) {
      const got = await opened(rig, 'GET', `${target}?${get}`);
      t.ok(got.status === 401 || got.status === 412, `another object: ${target} ${got.status}`);
    }
    for (const [what, query] of [
      ['expired', link('GET', path, { expires: 1 })],
      ['negative', link('GET', path, { expires: -1 })],
      ['another key', link('GET', path, { key: 'another' })],
      ['the key of nobody', link('GET', path, { key: '' })],
      ['MD5', link('GET', path, { digest: 'md5' })],
      ['a part of it', get.replace(/(temp_url_sig=\w{20})\w*/, '$1')],
      ['no signature', get.replace(/temp_url_sig=\w*/, 'temp_url_sig=')],
      ['no expiry', get.replace(/&temp_url_expires=\d*/, '')],
      ['a later expiry', get.replace(/expires=(\d*)/, 'expires=9$1')],
      ['a prefix that was not signed', `${get}&temp_url_prefix=sa`],
      ['an address that was not signed', `${get}&temp_url_ip_range=127.0.0.1`],
      ['a digest’s name', get.replace('temp_url_sig=', 'temp_url_sig=sha512:')],
      ['a prototype', get.replace(/temp_url_sig=\w*/, 'temp_url_sig=__proto__:AAAA')],
    ] as const) {
      t.equal((await opened(rig, 'GET', `safe?${query}`)).status, 401, what);
    }
    t.equal(
      (await opened(rig, 'GET', `safe?${get}&multipart-manifest=get&version-id=5`)).text,
      'safe',
      'nothing else of the query counts',
    );
    t.equal(
      (await rig.anonymous.raw('GET', `${swift.base}/${bucket}?${link('GET', `${swift.base}/${bucket}`)}`)).status,
      401,
      'a container',
    );
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'prefixes that are not theirs, uploads that point elsewhere': async (rig) => {
    const { t, swift, bucket } = rig;
    await swift.ask('POST', `/${bucket}`, { headers: { 'x-container-meta-temp-url-key': KEY } });
    const base = `${swift.base}/${bucket}`;
    await swift.ask('PUT', `/${bucket}/dir2/o`, { body: 'x' });
    const prefixed = (prefix: string): string =>
      `${link('GET', `prefix:${base}/${prefix}`).replace(base, base)}&temp_url_prefix=${prefix}`;
    t.equal((await opened(rig, 'GET', `dir2/o?${prefixed('dir2/')}`)).text, 'x');
    for (const [target, prefix] of [
      ['dir2/o', 'dir/'],
      ['dir2/o', 'dir2/o/'],
      ['dir2/../safe', 'dir2'],
      ['safe', 'dir2/'],
      ['dir2%2F..%2Fsafe', 'dir2/'],
      ['DIR2/o', 'dir2/'],
    ] as const) {
      const got = await opened(rig, 'GET', `${target}?${prefixed(prefix)}`);
      t.ok(got.status === 401 || got.status === 404, `${target} by ${prefix}: ${got.status}`);
      t.not(got.text, 'safe');
    }
    t.equal(
      (await opened(rig, 'GET', `dir2/o?${prefixed('dir2/').replace('prefix=dir2/', 'prefix=')}`)).status,
      401,
      'a wider prefix',
    );
    const put = link('PUT', `${base}/new`);
    for (const headers of [
      { 'x-object-manifest': `${bucket}/safe` },
      { 'x-symlink-target': `${bucket}/safe` },
      { 'x-copy-from': `/${bucket}/safe` },
      { 'x-copy-from': '/other/x', 'x-copy-from-account': 'AUTH_test2' },
    ] as const) {
      const got = await opened(rig, 'PUT', `new?${put}`, { headers: { ...headers, 'content-length': '0' } });
      t.ok([400, 401, 403].includes(got.status), `${Object.keys(headers)}: ${got.status}`);
    }
    const manifest = JSON.stringify([{ path: `/${bucket}/safe` }]);
    await opened(rig, 'PUT', `new?${put}&multipart-manifest=put`, { body: manifest });
    t.not((await swift.ask('GET', `/${bucket}/new`)).text, 'safe', 'no manifest by a temporary URL');
    await clear(rig);
  },

  'forms for anything but their own': async (rig) => {
    const { t, swift, anonymous, bucket } = rig;
    await swift.ask('POST', `/${bucket}`, { headers: { 'x-container-meta-temp-url-key': KEY } });
    const path = `${swift.base}/${bucket}/up-`;
    const expires = soon();
    const signed = { redirect: '', max_file_size: '100', max_file_count: '1', expires: String(expires) };
    const signature = hmac([path, '', 100, 1, expires].join('\n'));
    const post = (
      fields: Record<string, string>,
      file = 'body',
      { target = path, end = '\r\n--b--\r\n', name = 'a' } = {},
    ): Promise<Answer> => {
      const parts = Object.entries({ ...signed, signature, ...fields }).map(
        ([field, value]) => `--b\r\nContent-Disposition: form-data; name="${field}"\r\n\r\n${value}\r\n`,
      );
      const head = `--b\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n\r\n`;
      const body = `${parts.join('')}${head}${file}${end}`;
      return anonymous.raw('POST', target, { body, headers: { 'content-type': 'multipart/form-data; boundary=b' } });
    };
    for (const [what, fields] of [
      ['a larger size', { max_file_size: '1000000' }],
      ['more files', { max_file_count: '50' }],
      ['a later end', { expires: String(expires + 1) }],
      ['another place to go', { redirect: 'https://evil.example/' }],
      ['no signature', { signature: '' }],
      ['a short signature', { signature: signature.slice(0, 20) }],
      ['MD5', { signature: hmac([path, '', 100, 1, expires].join('\n'), { digest: 'md5' }) }],
      ['expired', { expires: '1', signature: hmac([path, '', 100, 1, 1].join('\n')) }],
    ] as const) {
      const got = await post(fields as Record<string, string>);
      t.equal(got.status, 401, what);
      t.notOk(got.headers['location'], 'and nobody is sent anywhere');
    }
    t.equal((await post({}, 'body', { target: `${swift.base}/${bucket}/other-` })).status, 401, 'another path');
    t.equal((await post({}, 'body', { target: `${swift.base}/${bucket}/up-/../x` })).status, 401, 'a way up');
    t.equal((await post({ max_file_size: 'x' })).status, 400, 'no number');
    t.equal((await post({ expires: '9'.repeat(400) })).status, 400, 'a large number');
    t.equal((await post({}, 'x'.repeat(101))).status, 400, 'too large');
    const cut = await post({}, 'x', { end: '' });
    t.ok(cut.status >= 400 && cut.status < 500, `no end: ${cut.status}`);
    const behind = await post({}, 'x', {
      end: '\r\n--b--\r\n--b\r\nContent-Disposition: form-data; name="f"; filename="g"\r\n\r\nx',
    });
    t.equal(behind.status, 201, 'what comes behind the end is not waited for');
    const fat = await post({ x: 'a'.repeat(3_000_000) }, 'x', { name: 'fat' });
    t.ok(fat.status === 201 || (fat.status >= 400 && fat.status < 500), `a large field: ${fat.status}`);
    for (const name of ['n'.repeat(1100), 'a\0b'])
      t.equal((await post({}, 'x', { name })).status >= 400, true, 'a bad name');
    await clear(rig);
    t.equal((await post({}, 'x', { name: '../../../AUTH_test2/c/o' })).status, 201);
    t.same(await namesIn(rig, bucket), ['safe', 'up-../../../AUTH_test2/c/o'], 'dots are part of a name');
    await clear(rig);
  },
};
