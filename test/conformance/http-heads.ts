/**
 * What a handler sees of a request's head is what the client sent, byte for byte, or the request is refused; and heads
 * that are too large, too many or not HTTP get a status.
 */
import { unprovenHeader } from '../../fabric/http/unproven.ts';
import { describe, get, openRig, put, type Suite, seen } from './http-rig.ts';

const ZOLC = '\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87'; // "żółć" in UTF-8

export const heads: Suite = {
  'path and query arrive raw': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, { handler: describe });
    const client = await connect();
    const targets: [string, string, string | null][] = [
      ['/a%2Fb//../c;d=1%zz', '/a%2Fb//../c;d=1%zz', null],
      ['/q?', '/q', ''],
      ['/q?a=b+c&a=%20&x?y', '/q', 'a=b+c&a=%20&x?y'],
    ];
    if (flavour.uws) targets.push([`/${ZOLC}/x?prefix=${ZOLC}&z=1`, `/${ZOLC}/x`, `prefix=${ZOLC}&z=1`]);
    for (const [target, path, query] of targets) {
      client.send(get(target));
      const response = await client.response();
      t.equal(response.status, 200, target);
      t.strictSame([seen(response.body).path, seen(response.body).query], [path, query]);
    }
    // A URI has no such bytes (RFC 3986 §2): node:http refuses them all, uWS those that are not UTF-8.
    for (const target of ['/\xff', '/a\xc5', '/a?\xffb', ...(flavour.uws ? [] : [`/${ZOLC}`])]) {
      const other = await connect();
      t.equal((await other.send(get(target)).response()).status, 400, JSON.stringify(target));
    }
  },

  'header lines arrive in order, repeated ones too, values without blanks around them': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, { handler: describe });
    const client = await connect();
    client.send(get('/', 'X-One: 1\r\nx-one: 2\r\nX-Empty:\r\nX-Blank:  \t v  w \t\r\n'));
    const { lines } = seen((await client.response()).body);
    t.strictSame(lines, ['host', 'a', 'x-one', '1', 'x-one', '2', 'x-empty', '', 'x-blank', 'v  w']);
    if (flavour.uws) return;
    client.send(get('/', 'X_One.two!: 1\r\n'));
    t.strictSame(seen((await client.response()).body).lines.slice(2), ['x_one.two!', '1']);
  },

  'header bytes from 0x80 on': async (t, flavour) => {
    const { connect, listener } = await openRig(t, flavour, { handler: describe });
    t.equal(listener.altersHeaders, flavour.uws);
    const values = [`a${ZOLC}b`, ZOLC, `a${ZOLC}`, `${ZOLC}b`, 'a\xffb', '\xff'];
    for (const value of values) {
      const client = await connect();
      client.send(get('/', `X-V: ${value}\r\n`));
      const response = await client.response();
      const got = response.status === 200 ? seen(response.body).lines[3] : undefined;
      if (!flavour.uws || value === values[0]) t.equal(got, value);
      else if (value === 'a\xffb') t.equal(response.status, 400, 'a value that is not UTF-8 is refused');
      // Documented: bytes at the ends are gone before we see the value, hence `altersHeaders`.
      else t.equal(got, value.replace(/^[\x80-\xff]+|[\x80-\xff]+$/g, ''));
      client.close();
    }
  },

  'a header that could have been altered and that nothing proves can be refused': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, {
      handler: async (request) => {
        const covered = new Set(request.path === '/signed' ? ['x-amz-meta-a'] : []);
        const unproven = unprovenHeader(request, covered, (name) => name.startsWith('x-amz-meta-'));
        return unproven === undefined ? describe(request) : { status: 400, headers: ['X-Unproven', unproven] };
      },
    });
    const client = await connect();
    for (const value of ['', 'plain', `a${ZOLC}`]) {
      const line = `X-Amz-Meta-A: ${value}\r\n`;
      t.equal((await client.send(get('/signed', line)).response()).status, 200);
      const unsigned = await client.send(get('/', line)).response();
      if (flavour.uws) t.strictSame([unsigned.status, unsigned.headers.get('x-unproven')], [400, ['x-amz-meta-a']]);
      else t.equal(seen(unsigned.body).lines[3], value);
    }
    t.equal((await client.send(get('/', 'X-Other: 1\r\n')).response()).status, 200);
  },

  'response header and reason bytes are sent as they are': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, {
      handler: (request) => ({
        status: 200,
        reason: `\xc5\xbc`,
        headers: ['X-UTF', ZOLC, 'X-Raw', 'a\xff', 'x-Case', '1', 'x-Case', '2', 'X-Empty', ''],
        body: request.path === '/text' ? 'ż' : Buffer.from([0xff]),
      }),
    });
    const client = await connect();
    for (const path of ['/text', '/bytes']) {
      client.send(get(path));
      const { head, headers, body } = await client.response();
      t.match(head, 'HTTP/1.1 200 \xc5\xbc\r\n');
      t.strictSame(headers.get('x-utf'), [ZOLC]);
      t.strictSame(headers.get('x-raw'), ['a\xff']);
      t.strictSame(headers.get('x-empty'), ['']);
      t.strictSame(headers.get('x-case'), ['1', '2']);
      t.match(head, 'x-Case: 1');
      t.strictSame(body, path === '/text' ? Buffer.from('ż') : Buffer.from([0xff]));
    }
    t.notMatch((await client.send(get('/')).response()).head, /server:|uwebsockets|x-powered/i);
  },

  'limits of the head are answered by 431': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, {
      handler: describe,
      limits: { headBytesMax: 16 * 1024, headerCountMax: 90 },
    });
    const long = await connect();
    long.send(get('/', `X-Long: ${'x'.repeat(17_000)}\r\n`));
    t.equal((await long.response()).status, 431, 'one packet');
    const url = await connect();
    url.send(get(`/${'u'.repeat(20_000)}`));
    t.equal((await url.response()).status, 431, 'a long target');
    const many = await connect();
    many.send(get('/', Array.from({ length: 95 }, (_, i) => `X-${i}: 1\r\n`).join('')));
    t.equal((await many.response()).status, 431, 'too many lines');
    const good = await connect();
    good.send(
      get('/', `X-Long: ${'x'.repeat(15_000)}\r\n${Array.from({ length: 80 }, (_, i) => `X-${i}: 1\r\n`).join('')}`),
    );
    t.equal((await good.response()).status, 200, 'just below both');
  },

  'what is not HTTP/1.1 gets a status or a closed connection, and never the handler': async (t, flavour) => {
    // uWS closes after its own 10 s: once is enough.
    if (flavour.uws && flavour.tls) return;
    let handled = 0;
    const { connect } = await openRig(t, flavour, {
      handler: (request) => {
        handled += 1;
        return describe(request);
      },
      limits: { headMs: 300 },
    });
    const bad: [string, number[]][] = [
      ['GET / HTTP/1.1\r\n\r\n', flavour.uws ? [] : [400]],
      ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', [400, 505]],
      ['garbage\r\n\r\n', [400, 505]],
      ['GET / x HTTP/1.1\r\nHost: a\r\n\r\n', [400, 505]],
      ['GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n', flavour.uws ? [] : [400]],
      ['GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n folded\r\n\r\n', flavour.uws ? [] : [400, 200]],
      ['GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n', flavour.uws ? [] : [400]],
      ['GET / HTTP/1.1\r\nHost: a\r\nX-A', flavour.uws ? [] : [408]],
    ];
    // RFC 9110 §5.6.2 has more signs in names than the binary reads.
    if (flavour.uws) bad.push(['GET / HTTP/1.1\r\nHost: a\r\nX_A: b\r\n\r\n', []]);
    const replies = bad.map(async ([bytes, statuses]) => {
      const client = await connect();
      client.send(bytes);
      if (statuses.length > 0) t.ok(statuses.includes((await client.response()).status), JSON.stringify(bytes));
      else t.equal((await client.rest()).length, 0, `documented: closed without a status: ${JSON.stringify(bytes)}`);
    });
    await Promise.all(replies);
    t.equal(handled, 0);
  },

  'HTTP/1.0 and absolute-form targets': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, { handler: describe });
    const old = await connect();
    old.send('GET /old HTTP/1.0\r\n\r\n');
    const absolute = await connect();
    absolute.send('GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n');
    if (flavour.uws) {
      t.equal((await old.response()).status, 505);
      t.equal((await absolute.response()).status, 505);
      return;
    }
    const answer = await old.response();
    t.equal(seen(answer.body).path, '/old');
    t.equal((await old.rest()).length, 0, 'closed after it');
    const { path, query } = seen((await absolute.response()).body);
    t.strictSame([path, query], ['/x', 'y']);
    absolute.send('GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n');
    t.equal((await absolute.response()).status, 400, 'target and Host disagree');
  },

  'methods keep their case and their names': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, { handler: describe });
    const client = await connect();
    for (const method of ['GET', 'POST', 'DELETE', 'COPY', 'OPTIONS', 'PROPFIND', 'REPORT']) {
      client.send(put('/m', 'Content-Length: 0\r\n').replace('PUT', method));
      t.equal(seen((await client.response()).body).method, method);
    }
  },
};
