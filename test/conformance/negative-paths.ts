/** Paths that climb, hide or overflow; requests that want the server to fetch something; heads that cost more than they weigh. */
import { createServer } from 'node:net';
import { codeOf, exchange, type NegativeSuite, namesIn } from './negative-rig.ts';

const CLIMBS = [
  '..',
  '../..',
  '%2e%2e',
  '%2E%2E%2F',
  '..%2F..%2F',
  '..%5c',
  './/../',
  '%2e%2e%2f%2e%2e%2f',
  '..;/',
  '....//',
] as const;
/** Not UTF-8: overlong forms of `/`, `.` and NUL, halves of characters, surrogates, beyond Unicode. */
const NOT_TEXT = [
  '%C0%AF',
  '%C0%AE%C0%AE',
  '%C0%80',
  '%E0%80%AF',
  '%F0%80%80%AF',
  '%ED%A0%80',
  '%F5%80%80%80',
  '%80',
  '%E5',
];
const ODD_ESCAPES = ['%', '%2', '%zz', '%%30', '%u0041'];

/** Nothing, where the connection was closed at once; 505 is the S3 listener's word for a start line that it does not take. */
const isRefusal = (status: number | undefined): boolean =>
  status === undefined || status === 505 || (status >= 400 && status < 500);

export const paths: NegativeSuite = {
  'ways up lead nowhere': async (rig) => {
    const { t, s3, swift, stranger, bucket } = rig;
    const secret = `${bucket}-secret`;
    await s3.ask('PUT', `/${secret}`, { user: s3.stranger });
    await s3.ask('PUT', `/${secret}/safe`, { user: s3.stranger, body: 'a secret' });
    for (const climb of CLIMBS) {
      for (const path of [`/${bucket}/${climb}/${secret}/safe`, `/${bucket}/a/${climb}/${climb}/${secret}/safe`]) {
        const got = await s3.ask('GET', path);
        t.equal(codeOf(got), '404 NoSuchKey', path);
        const copied = await s3.ask('PUT', `/${bucket}/new`, { headers: { 'x-amz-copy-source': path } });
        t.equal(codeOf(copied), '404 NoSuchKey', `copy from ${path}`);
        const found = await swift.ask('GET', path);
        t.equal(found.status, 404, `Swift ${path}`);
        const moved = await swift.ask('PUT', `/${bucket}/new`, {
          headers: { 'x-copy-from': path, 'content-length': '0' },
        });
        t.equal(moved.status, 404, `Swift copy from ${path}`);
      }
      const top = await swift.raw('GET', `/v1/AUTH_test/${climb}/AUTH_test2/${secret}/safe`, {
        headers: { 'x-auth-token': swift.token },
      });
      t.ok([404, 412].includes(top.status), `above the container: ${climb} ${top.status}`);
    }
    for (const account of [
      'AUTH_test/../AUTH_test2',
      'AUTH_test%2F..%2FAUTH_test2',
      'AUTH_test2%00',
      'auth_test2',
      '',
    ]) {
      const got = await swift.raw('GET', `/v1/${account}/${secret}/safe`, { headers: { 'x-auth-token': swift.token } });
      t.ok([401, 403, 404, 412].includes(got.status), `account ${account}: ${got.status}`);
    }
    t.equal((await stranger.ask('GET', `/${secret}/safe`)).text, 'a secret', 'it is where it was');
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'names that are no text': async (rig) => {
    const { t, s3, swift, bucket } = rig;
    for (const bytes of NOT_TEXT) {
      t.equal(codeOf(await s3.ask('PUT', `/${bucket}/a${bytes}b`, { body: 'x' })), '400 InvalidURI', `S3 ${bytes}`);
      t.equal((await swift.ask('PUT', `/${bucket}/a${bytes}b`, { body: 'x' })).status, 412, `Swift ${bytes}`);
      t.equal((await swift.ask('PUT', `/c${bytes}`)).status, 412, `container ${bytes}`);
      t.match(codeOf(await s3.ask('PUT', `/${bucket}${bytes}`)), /^400 Invalid(URI|BucketName)$/, `bucket ${bytes}`);
      const source = await s3.ask('PUT', `/${bucket}/new`, { headers: { 'x-amz-copy-source': `${bucket}/a${bytes}` } });
      t.match(codeOf(source), /^400 Invalid(Argument|URI)$/, `source ${bytes}`);
    }
    for (const nul of ['%00', 'a%00b', '%2e%2e%00', 'safe%00.png']) {
      t.equal(codeOf(await s3.ask('PUT', `/${bucket}/${nul}`, { body: 'x' })), '400 InvalidURI', nul);
      t.equal((await swift.ask('PUT', `/${bucket}/${nul}`, { body: 'x' })).status, 412, nul);
    }
    for (const odd of ODD_ESCAPES) {
      const got = await s3.ask('GET', `/${bucket}/${odd}`);
      t.ok(got.status === 400 || got.status === 404, `S3 ${odd}: ${codeOf(got)}`);
      const found = await swift.ask('GET', `/${bucket}/${odd}`);
      t.ok([400, 404, 412].includes(found.status), `Swift ${odd}: ${found.status}`);
    }
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'names that are too long': async (rig) => {
    const { t, s3, swift, bucket } = rig;
    for (const long of ['k'.repeat(1025), '%C3%BC'.repeat(513), '/'.repeat(1025), 'k'.repeat(7000)]) {
      const short = `${long.slice(0, 6)}… (${long.length})`;
      t.equal(codeOf(await s3.ask('PUT', `/${bucket}/${long}`, { body: 'x' })), '400 KeyTooLongError', short);
      t.equal((await swift.ask('PUT', `/${bucket}/${long}`, { body: 'x' })).status, 400, `Swift ${short}`);
      const started = await s3.ask('POST', `/${bucket}/${long}`, { query: 'uploads' });
      t.equal(codeOf(started), '400 KeyTooLongError', `upload ${short}`);
      const copied = await s3.ask('PUT', `/${bucket}/${long}`, { headers: { 'x-amz-copy-source': `${bucket}/safe` } });
      t.equal(codeOf(copied), '400 KeyTooLongError', `copy ${short}`);
    }
    t.equal((await swift.ask('PUT', `/${'c'.repeat(257)}`)).status, 400, 'container');
    t.equal(codeOf(await s3.ask('PUT', `/${'b'.repeat(64)}`)), '400 InvalidBucketName', 'bucket');
    for (const name of ['..', '.', 'a..b', '-a', 'a-', 'A', 'a_b', '192.168.1.1', 'xn--a', 'a%20b', 'a%0Ab', 'a%2Fb']) {
      const got = await s3.ask('PUT', `/${name}`);
      t.ok(got.status >= 400 && got.status < 500, `bucket ${name}: ${codeOf(got)}`);
    }
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'nobody makes the server fetch anything': async (rig) => {
    const { t, s3, swift, ports, bucket } = rig;
    let met = 0;
    const listener = createServer((socket) => {
      met++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    t.teardown(() => listener.close());
    const { port } = listener.address() as { port: number };
    const url = `http://127.0.0.1:${port}/x`;
    for (const source of [
      url,
      `//127.0.0.1:${port}/x`,
      `file:///etc/passwd`,
      `s3://127.0.0.1:${port}/x`,
      `arn:aws:s3:::127.0.0.1:${port}/x`,
    ]) {
      const got = await s3.ask('PUT', `/${bucket}/new`, { headers: { 'x-amz-copy-source': source } });
      t.ok(got.status >= 400 && got.status < 500, `S3 from ${source}: ${codeOf(got)}`);
      const from = await swift.ask('PUT', `/${bucket}/new`, {
        headers: { 'x-copy-from': source, 'content-length': '0' },
      });
      t.ok(from.status >= 400 && from.status < 500, `Swift from ${source}: ${from.status}`);
      const to = await swift.ask('COPY', `/${bucket}/safe`, { headers: { destination: source } });
      t.ok(to.status >= 400 && to.status < 500, `Swift to ${source}: ${to.status}`);
      const link = await swift.ask('PUT', `/${bucket}/link`, { headers: { 'x-symlink-target': source } });
      if (link.status === 201) t.ok((await swift.ask('GET', `/${bucket}/link`)).status >= 400, `a link to ${source}`);
      await swift.ask('DELETE', `/${bucket}/link?symlink=get`);
    }
    const sync = await swift.ask('POST', `/${bucket}`, {
      headers: { 'x-container-sync-to': url, 'x-container-sync-key': 'k' },
    });
    t.ok(sync.status >= 400 && sync.status < 500, `container sync: ${sync.status}`);
    const lines = [
      'x-forwarded-host',
      'x-forwarded-for',
      'forwarded',
      'x-original-url',
      'x-rewrite-url',
      'x-backend-etag-is-at',
      'proxy',
    ];
    const head = lines.map((name) => `${name}: ${url}\r\n`).join('');
    for (const at of Object.values(ports)) {
      for (const start of [
        `GET ${url} HTTP/1.1`,
        `CONNECT 127.0.0.1:${port} HTTP/1.1`,
        `GET //127.0.0.1:${port}/x HTTP/1.1`,
        `GET @127.0.0.1:${port}/ HTTP/1.1`,
      ]) {
        const got = await exchange(at, `${start}\r\nhost: 127.0.0.1:${port}\r\n${head}connection: close\r\n\r\n`).catch(
          () => undefined,
        );
        t.ok(isRefusal(got?.status), `${start}: ${got?.status}`);
      }
    }
    t.equal(met, 0, 'nobody called');
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'heads that cost more than they weigh': async (rig) => {
    const { t, s3, swift, bucket } = rig;
    const accept = (piece: string, count: number): Promise<number> =>
      swift.ask('GET', `/${bucket}`, { headers: { accept: piece.repeat(count) } }).then(({ status }) => status);
    for (const piece of [
      'a/b;q=0.1,',
      '*/*;',
      ',',
      'text/plain;a="\\"',
      ';q=',
      'a/b;a=b;',
      ' ,\t',
      '*/*;q=0.0000001,',
      '"',
      '((((',
    ]) {
      const status = await accept(piece, Math.floor(12_000 / piece.length));
      t.ok([200, 400, 406].includes(status), `Accept of ${JSON.stringify(piece)}: ${status}`);
    }
    const long = (piece: string): string => piece.repeat(Math.floor(12_000 / piece.length));
    for (const [name, value] of [
      ['range', `bytes=${long('0-0,')}`],
      ['range', `bytes=${long('0-,')}`],
      ['range', `bytes=-${long('9')}`],
      ['if-none-match', long('"a",')],
      ['if-match', `${long('W/"a", ')}"b"`],
      ['if-modified-since', long('Sat, ')],
      ['if-range', long('"')],
      ['cookie', long('a=b; ')],
      ['accept-encoding', long('gzip;q=1, ')],
    ] as const) {
      for (const got of [
        await s3.ask('GET', `/${bucket}/safe`, { headers: { [name]: value } }),
        await swift.ask('GET', `/${bucket}/safe`, { headers: { [name]: value } }),
      ]) {
        t.ok([200, 206, 304, 400, 412, 416].includes(got.status), `${name}: ${got.status}`);
      }
    }
    const tagged = await s3.ask('PUT', `/${bucket}/new`, { headers: { 'x-amz-tagging': long('a=b&') }, body: 'x' });
    t.equal(tagged.status, 400, 'tags');
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'heads that are too large': async ({ t, s3, ports, bucket }) => {
    for (const at of Object.values(ports)) {
      for (const [what, text] of [
        [
          'one header',
          `GET /${bucket}/safe HTTP/1.1\r\nhost: ${s3.host}\r\nx-amz-meta-a: ${'a'.repeat(1024 * 1024)}\r\n\r\n`,
        ],
        ['many headers', `GET /${bucket}/safe HTTP/1.1\r\nhost: ${s3.host}\r\n${'a: b\r\n'.repeat(100_000)}\r\n`],
        ['path', `GET /${bucket}/${'a'.repeat(1024 * 1024)} HTTP/1.1\r\nhost: ${s3.host}\r\n\r\n`],
        ['query', `GET /${bucket}?${'a=b&'.repeat(100_000)} HTTP/1.1\r\nhost: ${s3.host}\r\n\r\n`],
        ['method', `${'G'.repeat(100_000)} / HTTP/1.1\r\nhost: ${s3.host}\r\n\r\n`],
      ] as const) {
        // Some servers hang up at once, which is as clear.
        const got = await exchange(at, text).catch(() => undefined);
        t.ok(isRefusal(got?.status), `${what}: ${got?.status}`);
      }
    }
  },
};
