/**
 * Where messages begin and end: a request that could be read in two ways is refused, a response can never be made to
 * look like two.
 */
import { systemClock } from '../../fabric/clock.ts';
import { describe, eventually, get, openRig, put, type Suite, seen } from './http-rig.ts';

export const framing: Suite = {
  'requests with doubtful framing are refused and close the connection': async (t, flavour) => {
    const { listener, connect } = await openRig(t, flavour, { handler: describe });
    const refused: Record<string, string> = {
      'two lengths that differ': put('/', 'Content-Length: 5\r\nContent-Length: 6\r\n', 'hello!'),
      'two lengths that agree': put('/', 'Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'),
      'length list': put('/', 'Content-Length: 5, 5\r\n', 'hello'),
      'length abc': put('/', 'Content-Length: abc\r\n', 'hello'),
      'length -5': put('/', 'Content-Length: -5\r\n', 'hello'),
      'length +5': put('/', 'Content-Length: +5\r\n', 'hello'),
      'length beyond any': put('/', 'Content-Length: 99999999999999999999999\r\n', 'hello'),
      'length and chunked': put('/', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
      'chunked and length': put('/', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'),
      'gzip, chunked': put('/', 'Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'),
      'coding identity': put('/', 'Transfer-Encoding: identity\r\n', 'hello'),
      'two codings': put('/', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
      'chunk size of no number': put('/', 'Transfer-Encoding: chunked\r\n', 'zz\r\nhello\r\n0\r\n\r\n'),
      'two hosts': 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    };
    for (const [what, bytes] of Object.entries(refused)) {
      const client = await connect();
      client.send(bytes);
      const response = await client.response();
      t.ok(response.status === 400 || response.status === 501, `${what}: ${response.status}`);
      t.notMatch((await client.rest()).toString('latin1'), /HTTP\/1\.1 200/, `${what}: nothing after it is served`);
    }
    await eventually(t, 'nothing is left in flight', () => listener.inFlight === 0);
  },

  'a chunked body is read to its end, and nothing behind it is taken for a request by mistake': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, { handler: describe });
    const client = await connect();
    client.send(put('/c', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n'));
    const response = await client.response();
    t.equal(response.status, 200);
    t.equal(seen(response.body).body, 'hello0123456789');
    const other = await connect();
    other.send(put('/c', 'Transfer-Encoding: chunked\r\nTrailer: X-T\r\n', '5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n'));
    const trailed = await other.response();
    if (flavour.uws) t.ok([400, 505].includes(trailed.status), 'trailers are refused');
    else t.equal(seen(trailed.body).body, 'hello', 'trailers are read and dropped');
  },

  'trailers that nobody announced, and chunk extensions, never become a request': async (t, flavour) => {
    const paths: string[] = [];
    const { connect } = await openRig(t, flavour, {
      handler: (request) => {
        paths.push(request.path);
        return describe(request);
      },
    });
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    for (const bytes of [
      put('/ext', 'Transfer-Encoding: chunked\r\n', `5;x=y\r\nhello\r\n0\r\n\r\n`),
      put('/trailer', 'Transfer-Encoding: chunked\r\n', `5\r\nhello\r\n0\r\n${smuggled}`),
    ]) {
      const client = await connect();
      client.send(bytes);
      client.socket.end();
      await client.rest();
    }
    t.notOk(paths.includes('/smuggled'), `handled: ${paths}`);
  },

  'HEAD, 204 and 304 carry no body and leave the connection usable': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, {
      handler: (request) => {
        if (request.path === '/head') return { status: 200, headers: ['X-A', 'b'], lengthBytes: 12345 };
        if (request.path === '/whole') return { status: 200, headers: [], body: 'four' };
        return { status: Number(request.path.slice(1)), headers: [], body: 'must not be sent' };
      },
    });
    const client = await connect();
    for (let round = 0; round < 2; round++) {
      client.send('HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n');
      const head = await client.response('HEAD');
      t.strictSame([head.status, head.headers.get('content-length')], [200, ['12345']]);
      client.send('HEAD /whole HTTP/1.1\r\nHost: a\r\n\r\n');
      t.strictSame((await client.response('HEAD')).headers.get('content-length'), ['4']);
      for (const status of [204, 304]) {
        client.send(get(`/${status}`));
        const response = await client.response();
        t.equal(response.status, status);
        t.equal(response.headers.get('content-length'), undefined);
        t.equal(response.headers.get('transfer-encoding'), undefined);
      }
      client.send(get('/whole'));
      const whole = await client.response();
      t.equal(whole.body.toString(), 'four');
      t.equal(whole.headers.get('content-length')?.length, 1);
      t.equal(whole.headers.get('date')?.length, 1);
    }
  },

  'a handler cannot be made to write a second header or response': async (t, flavour) => {
    const bad: Record<string, string[]> = {
      crlf: ['X-A', 'b\r\nSet-Cookie: x'],
      lf: ['X-A', 'b\nX-B: c'],
      nul: ['X-A', 'b\0'],
      name: ['X-A: b\r\nX-B', 'c'],
      'empty name': ['', 'c'],
      'beyond a byte': ['X-A', '\u0142'],
      length: ['content-length', '3'],
      date: ['Date', 'x'],
      coding: ['Transfer-Encoding', 'chunked'],
    };
    const { connect, errors } = await openRig(t, flavour, {
      handler: (request) => {
        if (request.path === '/reason') return { status: 200, reason: 'OK\r\nX: y', headers: [] };
        return { status: 200, headers: bad[decodeURIComponent(request.path.slice(1))]!, body: 'x' };
      },
    });
    const client = await connect();
    for (const what of ['reason', ...Object.keys(bad)]) {
      client.send(get(`/${encodeURIComponent(what)}`));
      const response = await client.response();
      t.equal(response.status, 500, what);
      t.equal(response.body.length, 0);
    }
    t.equal(errors.length, Object.keys(bad).length + 1, 'each is reported');
  },

  'pipelined requests are answered in order': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, {
      handler: async (request) => {
        if (request.path === '/slow') await systemClock.sleep(50);
        return describe(request);
      },
    });
    const client = await connect();
    if (!flavour.uws) {
      client.send(
        put('/1', 'Content-Length: 1\r\n', 'a') + get('/slow') + put('/3', 'Content-Length: 2\r\n', 'bc') + get('/4'),
      );
      for (const path of ['/1', '/slow', '/3', '/4']) t.equal(seen((await client.response()).body).path, path);
    } else {
      client.send(get('/1') + get('/2') + get('/3'));
      for (const path of ['/1', '/2', '/3']) t.equal(seen((await client.response()).body).path, path);
      client.send(get('/slow') + get('/2'));
      t.equal((await client.rest()).length, 0, 'documented: a request behind one that waits closes the connection');
    }
  },
};
