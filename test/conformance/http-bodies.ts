/**
 * Bodies: whole and in pieces, with backpressure in both directions, early answers, and limits on those that stall.
 */
import { createHash } from 'node:crypto';
import { systemClock } from '../../fabric/clock.ts';
import { isFault } from '../../fabric/errors.ts';
import type { HttpBodyStream } from '../../fabric/http/contract.ts';
import { describe, eventually, get, openRig, put, type Suite, seen } from './http-rig.ts';

const MIB = 1024 * 1024;

function streamOf(pieces: number, piece: Uint8Array, onCancel: () => void = () => {}): HttpBodyStream {
  let left = pieces;
  return { next: async () => (left-- > 0 ? piece : undefined), cancel: onCancel };
}

export const bodies: Suite = {
  'a request body arrives whole, however it is cut and read': async (t, flavour) => {
    const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');
    const { connect } = await openRig(t, flavour, {
      handler: async (request) => {
        if (request.path === '/collect') {
          return { status: 200, headers: [], body: md5(await request.body.collect(8 * MIB)) };
        }
        const hash = createHash('md5');
        for (let chunk = await request.body.read(); chunk !== undefined; chunk = await request.body.read()) {
          hash.update(chunk);
          if (request.path === '/slow') await systemClock.sleep(1);
        }
        return { status: 200, headers: [], body: hash.digest('hex') };
      },
    });
    const client = await connect();
    for (const size of [0, 1, 4096, 65_536, 300_000, 3 * MIB]) {
      const bytes = Buffer.alloc(size, 'needletail ');
      for (const path of ['/collect', '/read', '/slow']) {
        client.send(put(path, `Content-Length: ${size}\r\n`)).send(bytes);
        const response = await client.response();
        t.equal(response.body.toString(), md5(bytes), `${path} ${size}`);
      }
    }
  },

  'collect above its limit is a fault, and the connection survives or says that it closes': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, {
      handler: async (request) => {
        try {
          await request.body.collect(10);
          return { status: 200, headers: [] };
        } catch (error) {
          return { status: isFault(error, 'BodyTooLarge') ? 413 : 500, headers: [] };
        }
      },
    });
    const client = await connect();
    client.send(put('/', 'Content-Length: 11\r\n', 'hello world'));
    t.equal((await client.response()).status, 413);
    client.send(put('/', 'Content-Length: 5\r\n', 'hello'));
    t.equal((await client.response()).status, 200, 'the same connection');
    client.send(put('/', 'Transfer-Encoding: chunked\r\n', 'b\r\nhello world\r\n0\r\n\r\n'));
    t.equal((await client.response()).status, 413);
  },

  'response bodies: bytes, strings, streams with and without a length': async (t, flavour) => {
    const piece = Buffer.alloc(100_000, 'p');
    const { connect } = await openRig(t, flavour, {
      handler: ({ path }) => {
        if (path === '/bytes') return { status: 200, headers: [], body: Buffer.alloc(3 * MIB, 'b') };
        if (path === '/empty') return { status: 200, headers: [], body: streamOf(0, piece), lengthBytes: 0 };
        if (path === '/none') return { status: 200, headers: [], body: streamOf(0, piece) };
        if (path === '/known') return { status: 200, headers: [], body: streamOf(30, piece), lengthBytes: 3_000_000 };
        return { status: 200, headers: [], body: streamOf(30, piece) };
      },
    });
    const client = await connect();
    for (let round = 0; round < 2; round++) {
      for (const [path, size] of [
        ['/bytes', 3 * MIB],
        ['/empty', 0],
        ['/none', 0],
        ['/known', 3e6],
        ['/unknown', 3e6],
      ]) {
        client.send(get(path as string));
        const response = await client.response();
        t.equal(response.body.length, size, `${path}`);
      }
    }
  },

  'a stream that fails: 500 before its first byte, a cut connection after it': async (t, flavour) => {
    let cancelled = 0;
    const failing = (after: number): HttpBodyStream => {
      let count = 0;
      return {
        next: async () => {
          if (count++ === after) throw new Error('disk');
          return Buffer.alloc(1000);
        },
        cancel: () => {
          cancelled += 1;
        },
      };
    };
    const { connect, errors } = await openRig(t, flavour, {
      handler: ({ path }) => {
        if (path === '/short')
          return { status: 200, headers: [], body: streamOf(1, Buffer.alloc(10)), lengthBytes: 20 };
        if (path === '/chunked') return { status: 200, headers: [], body: failing(2) };
        return { status: 200, headers: [], body: failing(path === '/first' ? 0 : 2), lengthBytes: 5_000 };
      },
    });
    const first = await connect();
    first.send(get('/first'));
    t.equal((await first.response()).status, 500);
    for (const path of ['/later', '/chunked', '/short']) {
      const later = await connect();
      later.send(get(path));
      await t.rejects(later.response(), /closed/, path);
    }
    t.equal(errors.length, 4);
    t.equal(cancelled, 0, 'a stream that threw is not cancelled as well');
  },

  'a client that does not read holds a bounded number of bytes': async (t, flavour) => {
    let given = 0;
    let cancelled = 0;
    const piece = Buffer.alloc(MIB);
    const { connect, listener } = await openRig(t, flavour, {
      limits: { responseIdleMs: 300 },
      handler: () => ({
        status: 200,
        headers: [],
        lengthBytes: 1024 * MIB,
        body: {
          next: async () => {
            given += 1;
            return piece;
          },
          cancel: () => {
            cancelled += 1;
          },
        },
      }),
    });
    const client = await connect();
    client.socket.pause();
    client.send(get('/'));
    await eventually(t, 'cut by the limit', () => cancelled === 1 && listener.inFlight === 0);
    t.ok(given < 64, `${given} MiB were asked for`);
    await systemClock.sleep(50);
    t.equal(cancelled, 1, 'once');
  },

  'a handler that does not read holds a bounded number of bytes': async (t, flavour) => {
    const gate: { open?: () => void } = {};
    const gated = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    const { connect } = await openRig(t, flavour, {
      handler: async (request) => {
        await request.body.read();
        await gated;
        let bytes = 0;
        for (let chunk = await request.body.read(); chunk !== undefined; chunk = await request.body.read()) {
          bytes += chunk.byteLength;
        }
        return { status: 200, headers: [], body: String(bytes > 0) };
      },
    });
    const client = await connect();
    client.send(put('/', `Content-Length: ${64 * MIB}\r\n`));
    const piece = Buffer.alloc(MIB);
    for (let i = 0; i < 64; i++) client.send(piece);
    await systemClock.sleep(300);
    t.ok(client.socket.writableLength > 32 * MIB, `${client.socket.writableLength} bytes could not be sent`);
    gate.open!();
    t.equal((await client.response()).body.toString(), 'true');
  },

  'a slow upload lives, a dead one is ended with 408': async (t, flavour) => {
    const faults: unknown[] = [];
    const { connect, errors } = await openRig(t, flavour, {
      limits: { bodyIdleMs: 1_000 },
      handler: async (request) => {
        try {
          return await describe(request);
        } catch (error) {
          faults.push(error);
          throw error;
        }
      },
    });
    const slow = await connect();
    slow.send(put('/slow', 'Content-Length: 20\r\n'));
    for (let i = 0; i < 20; i++) {
      await systemClock.sleep(100);
      slow.send('x');
    }
    t.equal(seen((await slow.response()).body).bodyBytes, 20);
    const dead = await connect();
    dead.send(put('/dead', 'Content-Length: 20\r\n', 'xx'));
    t.equal((await dead.response()).status, 408);
    await eventually(t, 'the handler is told', () => faults.length === 1);
    t.ok(isFault(faults[0], 'Aborted'));
    t.equal(errors.length, 0, 'a client that stalls is not our error');
  },

  'an upload far slower than uWS would bear by itself': async (t, flavour) => {
    if (!flavour.uws || flavour.tls) return;
    const { connect } = await openRig(t, flavour, { handler: describe });
    const client = await connect();
    client.send(put('/', 'Content-Length: 16\r\n'));
    for (let i = 0; i < 16; i++) {
      await systemClock.sleep(1_000);
      client.send('x');
    }
    t.equal(seen((await client.response()).body).bodyBytes, 16);
  },

  'a slow download lives': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, {
      limits: { responseIdleMs: 3_000 },
      handler: () => ({ status: 200, headers: [], body: Buffer.alloc(24 * MIB) }),
    });
    const client = await connect();
    client.send(get('/'));
    // Reads for a moment, rests for a moment, for longer in all than the limit for one rest.
    for (let i = 0; i < 12; i++) {
      client.socket.pause();
      await systemClock.sleep(400);
      client.socket.resume();
      await systemClock.sleep(5);
    }
    t.equal((await client.response()).body.length, 24 * MIB);
  },

  'an early answer reaches a client that still sends': async (t, flavour) => {
    const { connect, listener } = await openRig(t, flavour, {
      handler: () => ({ status: 403, headers: [], body: 'no' }),
    });
    const small = await connect();
    small.send(put('/', 'Content-Length: 100000\r\n')).send(Buffer.alloc(50_000));
    t.equal((await small.response()).body.toString(), 'no');
    small.send(Buffer.alloc(50_000)).send(get('/'));
    t.equal((await small.response()).status, 403, 'the rest is dropped, the connection works');
    const large = await connect();
    large.send(put('/', `Content-Length: ${20 * MIB}\r\n`));
    for (let i = 0; i < 20; i++) large.send(Buffer.alloc(MIB));
    const response = await large.response();
    t.strictSame([response.body.toString(), response.headers.get('connection')], ['no', ['close']]);
    const endless = await connect();
    endless.send(put('/', `Content-Length: ${1024 * MIB}\r\n`)).send(Buffer.alloc(MIB));
    t.equal((await endless.response()).status, 403);
    endless.close();
    await eventually(t, 'nothing is left in flight', () => listener.inFlight === 0);
  },

  'Expect: 100-continue': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, {
      handler: (request) => (request.path === '/no' ? { status: 403, headers: [] } : describe(request)),
    });
    const client = await connect();
    client.send(put('/yes', 'Expect: 100-continue\r\nContent-Length: 5\r\n'));
    t.equal((await client.response()).status, 100);
    client.send('hello');
    t.equal(seen((await client.response()).body).body, 'hello');
    client.send(put('/no', 'Expect: 100-continue\r\nContent-Length: 5\r\n'));
    const refused = await client.response();
    if (flavour.uws) t.equal(refused.status, 100, 'documented: uWS says 100 before anybody is asked');
    else t.strictSame([refused.status, refused.headers.get('connection')], [403, ['close']], 'no 100 before a refusal');
  },
};
