// The QMP client against a server of the test: framing, errors, events, silence, a connection that breaks.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import { systemNet } from '../../fabric/net.ts';
import { engineFaults } from './contract.ts';
import { connectQmp, type QmpEvent } from './qmp.ts';

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\r\n';

type Answer = (socket: Socket, request: { execute: string; id: string; arguments?: object }) => void;

async function server(t: Test, greeting: string, answer: Answer): Promise<{ path: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'needletail-qmp-'));
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write(greeting);
    let rest = '';
    socket.on('data', (bytes) => {
      const lines = (rest + bytes.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const request = JSON.parse(line);
        if (request.execute === 'qmp_capabilities') socket.write(`{"return": {}, "id": "${request.id}"}\n`);
        else answer(socket, request);
      }
    });
  });
  const path = join(folder, 's');
  await new Promise<void>((resolve) => listener.listen(path, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
    rmSync(folder, { recursive: true });
  });
  return { path };
}

t.test('answers out of order and in pieces, errors, events', async (t) => {
  const held: (() => void)[] = [];
  const endpoint = await server(t, GREETING, (socket, { execute, id }) => {
    if (execute === 'slow') held.push(() => socket.write(`{"return": "slow", "id": "${id}"}\n`));
    if (execute === 'bad') socket.write(`{"error": {"class": "GenericError", "desc": "no"}, "id": "${id}"}\n`);
    if (execute === 'fast') {
      socket.write('{"event": "E", "data": {"a": 1}, "timestamp": {}}\n{"ret');
      setTimeout(() => socket.write(`urn": "fast", "id": "${id}"}\n`), 5);
      setTimeout(() => held.shift()?.(), 10);
    }
  });
  const events: QmpEvent[] = [];
  const qmp = await connectQmp({
    net: systemNet,
    clock: systemClock,
    endpoint,
    closed: () => {},
    event: (event) => events.push(event),
  });
  const both = [qmp.command('slow'), qmp.command('fast')];
  t.same(await Promise.all(both), ['slow', 'fast']);
  t.same(events, [{ event: 'E', data: { a: 1 } }]);
  await t.rejects(qmp.command('bad'), { code: engineFaults.refused, details: { reason: 'no', command: 'bad' } });
  qmp.close();
});

t.test('a broken connection fails what is under way and is told once', async (t) => {
  const endpoint = await server(t, GREETING, (socket) => socket.destroy());
  const reasons: string[] = [];
  const options = { net: systemNet, clock: systemClock, endpoint, closed: (reason: string) => reasons.push(reason) };
  const qmp = await connectQmp(options);
  await t.rejects(Promise.all([qmp.command('a'), qmp.command('b')]), { code: engineFaults.unavailable });
  await t.rejects(qmp.command('c'), { code: engineFaults.unavailable });
  t.equal(reasons.length, 1);
  const rubbish = await server(t, 'rubbish\n', () => {});
  await t.rejects(connectQmp({ ...options, endpoint: rubbish }), { code: engineFaults.unavailable });
  await t.rejects(connectQmp({ ...options, endpoint: { path: `${endpoint.path}-none` } }), {
    code: engineFaults.unavailable,
  });
  t.equal(reasons.length, 1, 'a connection that never stood is not told');
});

t.test('who does not greet is given up', async (t) => {
  const endpoint = await server(t, '', () => {});
  const clock = { ...systemClock, after: (_: number, run: () => void) => systemClock.after(10, run) };
  await t.rejects(connectQmp({ net: systemNet, clock, endpoint, closed: () => {} }), {
    code: engineFaults.unavailable,
  });
});
