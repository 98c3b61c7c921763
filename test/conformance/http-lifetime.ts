/**
 * Failing handlers, clients that leave, and listeners that stop: nothing brings the process down, nothing stays held.
 */
import { systemClock } from '../../fabric/clock.ts';
import { isFault } from '../../fabric/errors.ts';
import { listen } from '../../fabric/http/engine.ts';
import { connectRaw } from './http-raw.ts';
import { certificate, describe, eventually, get, openRig, put, type Suite } from './http-rig.ts';

export const lifetime: Suite = {
  'a throwing handler is a 500 and a report; the process and the connection live': async (t, flavour) => {
    const { connect, errors, listener } = await openRig(t, flavour, {
      handler: async (request) => {
        if (request.path === '/after') await request.body.collect(100);
        throw new Error(request.path);
      },
    });
    const sync = await openRig(t, flavour, {
      handler: () => {
        throw new Error('sync');
      },
    });
    const client = await connect();
    for (const path of ['/before', '/after']) {
      client.send(put(path, 'Content-Length: 5\r\n', 'hello'));
      const response = await client.response();
      t.strictSame([response.status, response.body.length], [500, 0], path);
    }
    client.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
    t.equal((await client.response('HEAD')).status, 500);
    const other = await sync.connect();
    for (let i = 0; i < 2; i++) t.equal((await other.send(get('/')).response()).status, 500);
    t.equal(errors.length, 3);
    t.equal(sync.errors.length, 2);
    await eventually(t, 'nothing is left in flight', () => listener.inFlight + sync.listener.inFlight === 0);
  },

  'a client that leaves in the middle of its upload': async (t, flavour) => {
    const faults: unknown[] = [];
    let aborted = 0;
    const { connect, listener, errors } = await openRig(t, flavour, {
      handler: async (request) => {
        request.signal.addEventListener('abort', () => {
          aborted += 1;
        });
        try {
          if (request.path === '/collect') await request.body.collect(1000);
          else while ((await request.body.read()) !== undefined);
        } catch (error) {
          faults.push(error);
          throw error;
        }
        return { status: 200, headers: [] };
      },
    });
    for (const path of ['/collect', '/read']) {
      for (const leave of ['end', 'destroy'] as const) {
        const before = faults.length;
        const client = await connect();
        client.send(put(path, 'Content-Length: 500\r\n', 'hello'));
        await eventually(t, 'the handler runs', () => listener.inFlight === 1);
        client.socket[leave]();
        await eventually(t, `${path}, ${leave}: the read is rejected`, () => faults.length === before + 1);
        await eventually(t, 'nothing is left in flight', () => listener.inFlight === 0);
      }
    }
    t.ok(faults.every((fault) => isFault(fault, 'Aborted')));
    t.equal(aborted, 4);
    t.equal(errors.length, 0, 'that is not our error');
  },

  'a client that leaves in the middle of its download': async (t, flavour) => {
    let cancelled = 0;
    let aborted = 0;
    const { connect, listener } = await openRig(t, flavour, {
      handler: (request) => {
        request.signal.addEventListener('abort', () => {
          aborted += 1;
        });
        const cancel = (): void => {
          cancelled += 1;
        };
        const body = { next: async () => Buffer.alloc(100_000), cancel };
        return { status: 200, headers: [], body, ...(request.path === '/known' ? { lengthBytes: 1e9 } : {}) };
      },
    });
    for (const path of ['/known', '/chunked']) {
      const client = await connect();
      client.send(get(path));
      await eventually(t, 'bytes flow', () => client.socket.bytesRead > 200_000);
      client.close();
      await eventually(t, 'nothing is left in flight', () => listener.inFlight === 0);
    }
    await systemClock.sleep(20);
    t.strictSame([cancelled, aborted], [2, 2], 'each once');
  },

  'a client that leaves while the handler thinks': async (t, flavour) => {
    let late = 0;
    const { connect, listener } = await openRig(t, flavour, {
      handler: async (request) => {
        await new Promise<void>((resolve) => request.signal.addEventListener('abort', () => resolve()));
        const cancel = (): void => {
          late += 1;
        };
        return { status: 200, headers: [], body: { next: async () => undefined, cancel } };
      },
    });
    const client = await connect();
    client.send(get('/'));
    await eventually(t, 'the handler runs', () => listener.inFlight === 1);
    if (flavour.tls) client.socket.destroy();
    else client.socket.resetAndDestroy();
    await eventually(t, 'it is told and its answer is cancelled', () => late === 1 && listener.inFlight === 0);
  },

  'a client that has finished sending can still read': async (t, flavour) => {
    if (flavour.tls) return;
    const { connect } = await openRig(t, flavour, {
      handler: async (request) => {
        await systemClock.sleep(50);
        return describe(request);
      },
    });
    const client = await connect();
    client.send(get('/half'));
    client.socket.end();
    if (flavour.uws) t.equal((await client.rest()).length, 0, 'documented: a half-close ends the connection');
    else t.equal((await client.response()).status, 200);
  },

  'the handler can close the connection': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, {
      handler: () => ({ status: 200, headers: [], body: 'bye', close: true }),
    });
    const client = await connect();
    client.send(get('/'));
    const response = await client.response();
    t.strictSame([response.body.toString(), response.headers.get('connection')], ['bye', ['close']]);
    t.equal((await client.rest()).length, 0);
  },

  'drain: no new connections, requests in flight finish, idle connections close': async (t, flavour) => {
    const gate: { open?: () => void } = {};
    const gated = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    const { connect, listener } = await openRig(t, flavour, {
      handler: async (request) => {
        await gated;
        return describe(request);
      },
    });
    const idle = await connect();
    const busy = await connect();
    busy.send(get('/'));
    await eventually(t, 'the handler runs', () => listener.inFlight === 1);
    const drained = listener.drain(10_000);
    await t.rejects(connectRaw(listener.port, flavour.tls), 'nobody is let in');
    gate.open!();
    const response = await busy.response();
    t.strictSame([response.status, response.headers.get('connection')], [200, ['close']]);
    await drained;
    await idle.rest();
    t.equal(listener.inFlight, 0);
  },

  'drain: a client that does not finish is cut': async (t, flavour) => {
    const { connect, listener } = await openRig(t, flavour, { handler: describe });
    const stuck = await connect();
    stuck.send(put('/', 'Content-Length: 100\r\n', 'x'));
    const silent = await connect();
    await eventually(t, 'the handler runs', () => listener.inFlight === 1);
    await listener.drain(100);
    await Promise.all([stuck.rest(), silent.rest()]);
    await eventually(t, 'nothing is left in flight', () => listener.inFlight === 0);
  },

  'a port that is taken, and a certificate that is not there, are errors': async (t, flavour) => {
    const { listener } = await openRig(t, flavour, { handler: describe });
    const world = { clock: systemClock, onError: () => {} };
    const tls = flavour.tls ? { tls: certificate() } : {};
    await t.rejects(listen(flavour.engine, describe, { host: '127.0.0.1', port: listener.port, ...tls }, world));
    const missing = { certFile: '/nonexistent/cert.pem', keyFile: '/nonexistent/key.pem' };
    await t.rejects(listen(flavour.engine, describe, { host: '127.0.0.1', port: 0, tls: missing }, world), /ENOENT/);
  },

  'connections above the limit are not served': async (t, flavour) => {
    const { connect } = await openRig(t, flavour, { handler: describe, limits: { connectionsMax: 2 } });
    const kept = [await connect(), await connect()];
    for (const client of kept) t.equal((await client.send(get('/')).response()).status, 200);
    if (flavour.uws)
      await t.rejects(async () => (await connect()).send(get('/')).response(), 'documented: closed without a status');
    else t.equal((await (await connect()).send(get('/')).response()).status, 503);
  },
};
