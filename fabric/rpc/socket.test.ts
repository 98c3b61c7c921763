import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { endlessSource, faultOfCall, rpcSuite, stayAlive } from '../../test/conformance/rpc.ts';
import { systemClock } from '../clock.ts';
import type { Endpoint } from '../net.ts';
import { systemRandom } from '../random.ts';
import { type ConnectOptions, connectPeer, type SocketPeer } from './client.ts';
import type { Handlers, Reply, RpcLog } from './contract.ts';
import { type ListenOptions, listenRpc } from './server.ts';

t.setTimeout(120_000);
stayAlive(t);

const identity = { clusterId: 'cluster', secret: 'secret', random: systemRandom, clock: systemClock };
const directory = mkdtempSync(join(tmpdir(), 'nt-rpc-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
let serial = 0;
const unixEndpoint = (): Endpoint => ({ path: join(directory, `s${++serial}`) });
const tcpEndpoint = (): Endpoint => ({ host: '127.0.0.1', port: 0 });
const serverFile = fileURLToPath(new URL('../../test/conformance/rpc-server.js', import.meta.url));
const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

interface Pair {
  readonly peer: SocketPeer;
  readonly endpoint: Endpoint;
  stop(): Promise<void>;
}

async function startPair(
  handlers: Handlers,
  listen: Partial<ListenOptions> = {},
  connect: Partial<ConnectOptions> = {},
): Promise<Pair> {
  const listener = await listenRpc(handlers, { ...identity, name: 'store', endpoint: unixEndpoint(), ...listen });
  const { endpoint } = listener;
  const peer = connectPeer({ ...identity, name: 'front', peerName: 'store', endpoint, ...connect });
  const stop = async (): Promise<void> => {
    await peer.close();
    await listener.close();
  };
  return { peer, endpoint, stop };
}

t.test('a unix path longer than an address', async (t) => {
  const folder = join(directory, 'f'.repeat(120));
  mkdirSync(folder);
  const endpoint = { path: join(folder, 'sock') };
  const pair = await startPair({ ping: async () => ({ value: 'pong' }) }, { endpoint });
  await pair.peer.whenUp(30_000);
  t.equal((await pair.peer.call('ping', {})).value, 'pong');
  await t.rejects(startPair({}, { endpoint }), { code: 'EADDRINUSE' }, 'somebody answers there');
  await pair.stop();
  t.notOk(existsSync(endpoint.path));
});

for (const [kind, endpoint] of [
  ['unix', unixEndpoint],
  ['tcp', tcpEndpoint],
] as const) {
  t.test(kind, async (t) => {
    rpcSuite(t, {
      async start(handlers, options = {}) {
        const { log = { warn() {}, error() {} }, callsInFlightMax } = options;
        const limits = callsInFlightMax === undefined ? {} : { callsInFlightMax };
        const pair = await startPair(handlers, { endpoint: endpoint(), log }, { limits });
        await pair.peer.whenUp(30_000);
        return pair;
      },
    });
  });
}

async function startChild(t: Test, endpoint: Endpoint): Promise<{ child: ChildProcess; endpoint: Endpoint }> {
  const child = fork(serverFile, [JSON.stringify(endpoint)]);
  t.teardown(() => void child.kill('SIGKILL'));
  const bound = await new Promise<Endpoint>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Endpoint));
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  child.removeAllListeners('exit');
  return { child, endpoint: bound };
}

for (const [kind, makeEndpoint] of [
  ['unix', unixEndpoint],
  ['tcp', tcpEndpoint],
] as const) {
  t.test(`a killed peer fails its calls and streams at once, and is found again (${kind})`, async (t) => {
    const { child, endpoint } = await startChild(t, makeEndpoint());
    const peer = connectPeer({ ...identity, name: 'front', peerName: 'store', endpoint });
    await peer.whenUp(30_000);
    const upload = endlessSource();
    const calls = [1, 2, 3].map(() => faultOfCall(peer.call('never', null, { deadlineMs: 100_000 })));
    const up = faultOfCall(peer.call('up', null, { upload, deadlineMs: 100_000 }));
    const { download } = await peer.call('down', null, { deadlineMs: 100_000 });
    const reading = (async () => {
      while (await download?.next()) {}
    })();
    const read = faultOfCall(reading);
    await pause(50);
    child.kill('SIGKILL');
    for (const fault of await Promise.all([...calls, up, read])) t.equal(fault.code, 'Unreachable', fault.message);
    await upload.whenCancelled;
    t.notOk(peer.up);
    t.equal((await faultOfCall(peer.call('echo', 1))).code, 'Unreachable');
    if ('path' in endpoint) t.ok(existsSync(endpoint.path), 'the socket file stays behind, and is in nobody’s way');
    const again = await startChild(t, endpoint);
    await peer.whenUp(30_000);
    t.ok(peer.up);
    t.equal((await peer.call('echo', 'back')).value, 'back');
    await peer.close();
    again.child.kill('SIGKILL');
  });
}

t.test(
  'a stopped peer: calls time out, the circuit opens, queues stay bounded, silence ends the connection',
  async (t) => {
    const { child, endpoint } = await startChild(t, unixEndpoint());
    const limits = {
      breakerFailures: 3,
      breakerOpenMinMs: 100,
      breakerOpenMaxMs: 200,
      queuedBytesMax: 4 * 1024 * 1024,
    };
    const peer = connectPeer({ ...identity, name: 'front', peerName: 'store', endpoint, limits });
    await peer.whenUp(30_000);
    child.kill('SIGSTOP');
    const flood = Array.from({ length: 16 }, () =>
      faultOfCall(peer.call('echo', Buffer.alloc(1024 * 1024), { deadlineMs: 300 })),
    );
    const codes = (await Promise.all(flood)).map(({ code }) => code);
    t.ok(codes.includes('Overloaded') && codes.includes('DeadlineExceeded'), String(codes));
    while (peer.up) await faultOfCall(peer.call('echo', 1, { deadlineMs: 20 }));
    t.match((await faultOfCall(peer.call('echo', 1))).message, /circuit open/);
    child.kill('SIGCONT');
    while (!peer.up) await pause(10);
    t.equal((await peer.call('echo', 'probe')).value, 'probe', 'one call after the pause closes it');
    t.ok(peer.up);
    await peer.close();

    const watched = connectPeer({
      ...identity,
      name: 'front',
      peerName: 'store',
      endpoint,
      limits: { keepaliveMs: 300 },
    });
    await watched.whenUp(30_000);
    await pause(1_500);
    t.ok(watched.up, 'idle is not silent');
    const call = faultOfCall(watched.call('never', null, { deadlineMs: 100_000 }));
    child.kill('SIGSTOP');
    t.match(await call, { code: 'Unreachable', message: /silent/ });
    await watched.close();
    child.kill('SIGKILL');
  },
);

t.test('hellos that do not agree are refused with a reason, on both sides', async (t) => {
  const refused: string[] = [];
  const log: RpcLog = { warn: (details) => void refused.push(String(details['reason'])), error() {} };
  const handlers = { echo: (args: unknown) => ({ value: args }) };
  const cases: [Partial<ConnectOptions>, Partial<ListenOptions>, RegExp][] = [
    [{ secret: 'other' }, {}, /wrong cluster secret/],
    [{ clusterId: 'other' }, {}, /wrong cluster id/],
    [{ peerName: 'other' }, {}, /expected node other, found store/],
    [{ versions: { min: 2, max: 3 } }, {}, /no common protocol version: store speaks 1-1, not 2-3/],
    [{}, { versions: { min: 7, max: 9 } }, /no common protocol version: store speaks 7-9, not 1-1/],
  ];
  for (const [connect, listen, reason] of cases) {
    const { peer, stop } = await startPair(handlers, { log, ...listen }, connect);
    let fault = await faultOfCall(peer.call('echo', 1));
    while (fault.code === 'Unreachable') {
      await pause(5);
      fault = await faultOfCall(peer.call('echo', 1));
    }
    t.match(fault, { code: 'HandshakeFailed', message: reason });
    t.notOk(peer.up);
    await stop();
  }
  t.equal(new Set(refused).size, 4, 'the listener logs what it refused');
  const versions = { min: 1, max: 4 };
  const { peer, stop } = await startPair(handlers, {}, { versions });
  await peer.whenUp(30_000);
  t.equal((await peer.call('echo', 1)).value, 1, 'the highest common version is taken');
  await stop();
});

t.test('nobody listens, the endpoint is taken, the name is too long', async (t) => {
  const endpoint = unixEndpoint();
  const peer = connectPeer({ ...identity, name: 'front', peerName: 'store', endpoint });
  t.equal((await faultOfCall(peer.call('echo', 1))).code, 'Unreachable', 'not queued for a connection to come');
  await t.rejects(peer.whenUp(100), { code: 'Unreachable' });
  const listener = await listenRpc({}, { ...identity, name: 'store', endpoint });
  await peer.whenUp(30_000);
  await t.rejects(listenRpc({}, { ...identity, name: 'second', endpoint }), { code: 'EADDRINUSE' });
  await t.rejects(
    listenRpc({}, { ...identity, name: 'store', endpoint: { path: `/tmp/${'x'.repeat(120)}` } }),
    /85 bytes/,
  );
  await peer.close();
  await listener.close();
});

t.test('a listener that closes drops its peers; they come back to the next one', async (t) => {
  const options = { ...identity, name: 'store', endpoint: unixEndpoint() };
  const first = await listenRpc({ never: () => new Promise<Reply>(() => {}) }, options);
  const peer = connectPeer({ ...options, name: 'front', peerName: 'store' });
  await peer.whenUp(30_000);
  const call = faultOfCall(peer.call('never', null));
  await pause(20);
  await first.close();
  t.equal((await call).code, 'Unreachable');
  const second = await listenRpc({ echo: (args: unknown) => ({ value: args }) }, options);
  await peer.whenUp(30_000);
  t.equal((await peer.call('echo', 2)).value, 2);
  await peer.close();
  await second.close();
});

t.test('small calls pass big ones', async (t) => {
  const { peer, stop } = await startPair({
    echo: (args: unknown) => ({ value: args }),
    big: () => ({ value: Buffer.alloc(12 * 1024 * 1024) }),
  });
  await peer.whenUp(30_000);
  const done: string[] = [];
  const big = Array.from({ length: 4 }, () => peer.call('big', null).then(() => void done.push('big')));
  const upload = peer.call('echo', Buffer.alloc(12 * 1024 * 1024)).then(() => void done.push('big'));
  await peer.call('echo', 1).then(() => void done.push('small'));
  await Promise.all([...big, upload]);
  t.equal(done[0], 'small');
  await stop();
});

t.test('handlers that nobody waits for any more still count', async (t) => {
  const waiting: ((reply: Reply) => void)[] = [];
  const hold = (): Promise<Reply> => new Promise((resolve) => void waiting.push(resolve));
  const { peer, stop } = await startPair(
    { hold, echo: (args: unknown) => ({ value: args }) },
    { limits: { callsInFlightMax: 2 } },
  );
  await peer.whenUp(30_000);
  // On a busy machine the deadline of one may pass before it reaches the handler.
  for (let deadlineMs = 30; waiting.length < 2; deadlineMs += 30) {
    t.equal((await faultOfCall(peer.call('hold', null, { deadlineMs }))).code, 'DeadlineExceeded');
  }
  t.match(await faultOfCall(peer.call('echo', 1)), { code: 'Overloaded', details: { limit: 'running calls' } });
  for (const resolve of waiting) resolve({ value: 1 });
  await pause(20);
  t.equal((await peer.call('echo', 2)).value, 2);
  await stop();
});

t.test('a server holds only so many bytes of arguments', async (t) => {
  const waiting: ((reply: Reply) => void)[] = [];
  const limits = { heldBytesMax: 3 * 1024 * 1024 };
  const { peer, stop } = await startPair(
    {
      hold: () => new Promise<Reply>((resolve) => void waiting.push(resolve)),
      echo: (args: unknown) => ({ value: args }),
    },
    { limits },
  );
  await peer.whenUp(30_000);
  const data = Buffer.alloc(1024 * 1024);
  const held = [1, 2, 3].map(() => peer.call('hold', { data }));
  while (waiting.length < 3) await pause(1);
  t.equal((await faultOfCall(peer.call('hold', { data }))).code, 'Overloaded');
  const upload = endlessSource();
  t.equal((await faultOfCall(peer.call('hold', { data }, { upload }))).code, 'Overloaded');
  await upload.whenCancelled;
  t.equal((await peer.call('echo', 'small')).value, 'small');
  for (const resolve of waiting) resolve({ value: 1 });
  await Promise.all(held);
  t.equal(((await peer.call('echo', data)).value as Buffer).length, data.length, 'given back when the calls end');
  await t.rejects(peer.call('echo', Buffer.alloc(17 * 1024 * 1024)), /use a stream/);
  t.match(await faultOfCall(peer.call('nosuch', null)), { code: 'InternalError' });
  await stop();
});
