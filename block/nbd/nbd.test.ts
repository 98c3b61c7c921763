// Our client against our server, over real sockets.
import net from 'node:net';
import t from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import { systemNet } from '../../fabric/net.ts';
import { systemRandom } from '../../fabric/random.ts';
import { NbdBed } from '../../test/nbd-bed.ts';
import { connectNbd, listNbdExports } from './client.ts';
import { type Extent, type NbdDevice, nbdFaults } from './contract.ts';
import { MemoryDevice } from './memory-device.ts';

t.setTimeout(60_000);
const MIB = 1024 * 1024;

/** A device whose reads wait until they are let go. */
function gated(sizeBytes: number) {
  const gate = { open: [] as (() => void)[], started: 0 };
  const device: NbdDevice = {
    sizeBytes,
    readOnly: false,
    read: (_offset, length) =>
      new Promise((resolve) => {
        gate.started++;
        gate.open.push(() => resolve(Buffer.alloc(length, 5)));
      }),
  };
  return { device, gate };
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 10_000 && !condition(); tries++) await systemClock.sleep(5);
}

t.test('what is written is read back, across blocks, cuts and connections', async (t) => {
  const bed = NbdBed.for(t);
  const server = await bed.serve({ vol: new MemoryDevice(2 ** 40) });
  const client = await bed.connect(server.endpoint, { exportName: 'vol', connections: 3 });
  t.equal(client.connections, 3);
  const bytes = systemRandom.bytes(70 * MIB + 123);
  await client.write(2 ** 39 + 1, [bytes.subarray(0, 5), bytes.subarray(5, 40 * MIB), bytes.subarray(40 * MIB)]);
  const into = Buffer.alloc(bytes.length);
  t.equal(await client.read(2 ** 39 + 1, bytes.length, { into }), into);
  t.ok(into.equals(bytes), 'the bytes are the same');
  const small = await Promise.all(Array.from({ length: 500 }, (_, i) => client.read(2 ** 39 + 1 + i * 1000, 1000)));
  t.ok(Buffer.concat(small).equals(bytes.subarray(0, 500_000)), 'many small reads at once');
  const sparse = await client.read(2 ** 39 - MIB, 2 * MIB, { dontFragment: true });
  t.ok(
    sparse.subarray(0, MIB + 1).every((byte) => byte === 0),
    'holes read as zeroes',
  );
  await client.writeZeroes(2 ** 39, MIB, { fua: true, noHole: true });
  await client.trim(2 ** 39 + MIB, MIB);
  await client.flush();
  const zeroed = await client.read(2 ** 39, 2 * MIB + 10);
  t.ok(zeroed.subarray(0, 2 * MIB).every((byte) => byte === 0));
  t.ok(zeroed.subarray(2 * MIB).equals(bytes.subarray(2 * MIB - 1, 2 * MIB + 9)));
  t.same(bed.reports, []);
});

t.test('contexts that were not asked for cannot be asked about', async (t) => {
  const bed = NbdBed.for(t);
  const server = await bed.serve({ '': new MemoryDevice(MIB) });
  const client = await bed.connect(server.endpoint);
  await t.rejects(client.status('base:allocation', 0, 10), { code: nbdFaults.unsupported });
});

t.test('block status: extents are merged, clipped and end where they should', async (t) => {
  const bed = NbdBed.for(t);
  const device = new MemoryDevice(8 * 2 ** 40);
  await device.write(2 ** 35, [Buffer.alloc(200_000, 1)]);
  const server = await bed.serve({ '': device });
  const client = await bed.connect(server.endpoint, { contexts: ['base:allocation'] });
  const extents: Extent[] = [];
  for await (const extent of client.extents('base:allocation')) extents.push(extent);
  t.same(extents, [
    { offset: 0, length: 2 ** 35, flags: 3 },
    { offset: 2 ** 35, length: 262_144, flags: 0 },
    { offset: 2 ** 35 + 262_144, length: 8 * 2 ** 40 - 2 ** 35 - 262_144, flags: 3 },
  ]);
  t.same(await client.status('base:allocation', 2 ** 35 + 5, 10), [{ offset: 2 ** 35 + 5, length: 10, flags: 0 }]);
  await t.rejects(bed.connect(server.endpoint, { contexts: ['qemu:dirty-bitmap:x'] }), {
    code: nbdFaults.refused,
    details: { reason: 'context' },
  });
  const other = await bed.connect(server.endpoint, { optionalContexts: ['qemu:dirty-bitmap:x', 'base:allocation'] });
  t.same(other.export.contexts, ['base:allocation']);
});

t.test('errors of a device keep their meaning, bugs become EIO and are reported', async (t) => {
  const bed = NbdBed.for(t);
  const device: NbdDevice = {
    sizeBytes: MIB,
    readOnly: false,
    async read(offset) {
      if (offset === 0) throw new Fault(nbdFaults.notPermitted, {}, 'not yours');
      if (offset === 4096) throw new TypeError('a bug');
      return Buffer.alloc(1);
    },
    async write(offset) {
      throw new Fault(offset === 0 ? 'ENOSPC' : 'Whatever');
    },
  };
  const server = await bed.serve({ '': device, ro: new MemoryDevice(MIB, { readOnly: true }) });
  const client = await bed.connect(server.endpoint);
  await t.rejects(client.read(0, 10), { code: nbdFaults.notPermitted, message: 'not yours' });
  await t.rejects(client.read(4096, 10), { code: nbdFaults.io });
  await t.rejects(client.read(8192, 10), { code: nbdFaults.io }, 'a read that is too short');
  await t.rejects(client.write(0, Buffer.alloc(10)), { code: nbdFaults.noSpace });
  await t.rejects(client.write(10, Buffer.alloc(10)), { code: nbdFaults.io });
  await t.rejects(client.trim(0, 10), { code: nbdFaults.unsupported });
  await t.rejects(client.read(MIB - 1, 2), { code: nbdFaults.invalid });
  t.equal(bed.reports.length, 2);
  const readOnly = await bed.connect(server.endpoint, { exportName: 'ro' });
  t.equal(readOnly.export.readOnly, true);
  await t.rejects(readOnly.write(0, Buffer.alloc(10)), { code: nbdFaults.notPermitted });
  t.equal((await readOnly.read(0, 10)).length, 10, 'the connection lives on');
});

t.test('refusals of the handshake', async (t) => {
  const bed = NbdBed.for(t);
  const permits = (name: string) => name !== 'secret';
  const devices: Record<string, NbdDevice> = { a: new MemoryDevice(MIB), secret: new MemoryDevice(MIB) };
  const exports = { names: () => Object.keys(devices), permits, open: (name: string) => devices[name] };
  const server = await bed.serve({}, { exports });
  const { endpoint } = server;
  for (const exportName of ['nobody', 'secret'])
    await t.rejects(bed.connect(endpoint, { exportName }), { code: nbdFaults.refused, details: { reason: 'unknown' } });
  const listed = await listNbdExports({ net: systemNet, clock: systemClock, endpoint });
  t.same(
    listed.map((one) => one.name),
    ['a'],
  );
  const nobody = { net: systemNet, clock: systemClock, endpoint: { path: bed.file('nothing') } };
  await t.rejects(connectNbd(nobody), { code: nbdFaults.disconnected });
});

t.test('a device is opened once, shared, and closed after the last connection', async (t) => {
  const bed = NbdBed.for(t);
  const told: string[] = [];
  const open = async (name: string): Promise<NbdDevice> => {
    told.push(`open ${name}`);
    await systemClock.sleep(10);
    const device = new MemoryDevice(MIB) as NbdDevice;
    device.close = async () => void told.push(`close ${name}`);
    return device;
  };
  const server = await bed.serve({}, { exports: { names: () => [], open } });
  const clients = await Promise.all([1, 2, 3].map(() => bed.connect(server.endpoint, { exportName: 'x' })));
  t.same(told, ['open x']);
  await Promise.all(clients.map((client) => client.close()));
  await until(() => told.length === 2 && server.connections === 0);
  t.same(told, ['open x', 'close x']);
});

t.test('requests under way are bounded, on both sides', async (t) => {
  const bed = NbdBed.for(t);
  const { device, gate } = gated(2 ** 30);
  const server = await bed.serve({ '': device }, { inflightBytesMax: 4 * MIB, requestsMax: 16 });
  const client = await bed.connect(server.endpoint, { callsMax: 10 });
  const reads = Array.from({ length: 40 }, (_, i) => client.read(i * 10, 10));
  await until(() => gate.started === 10);
  await systemClock.sleep(20);
  t.equal(gate.started, 10, 'the client holds the rest back');
  const greedy = await bed.connect(server.endpoint);
  const large = Array.from({ length: 12 }, (_, i) => greedy.read(i * MIB, MIB));
  await until(() => gate.started === 13);
  await systemClock.sleep(20);
  t.equal(gate.started, 13, 'the server holds the rest back');
  let all = false;
  const done = Promise.all([...reads, ...large]).then(() => {
    all = true;
  });
  await until(() => {
    for (const release of gate.open.splice(0)) release();
    return all;
  });
  await done;
  t.equal(gate.started, 52);
});

t.test('no answer in time ends the connection, and every call is told', async (t) => {
  const bed = NbdBed.for(t);
  const { device, gate } = gated(MIB);
  const server = await bed.serve({ '': device });
  const client = await bed.connect(server.endpoint, { requestTimeoutMs: 100 });
  const results = await Promise.allSettled([client.read(0, 10), client.read(10, 10)]);
  for (const result of results) t.match(result, { status: 'rejected', reason: { code: nbdFaults.deadline } });
  await t.rejects(client.read(0, 10), { code: nbdFaults.deadline });
  for (const release of gate.open) release();
});

t.test('a server that goes away: precise faults, or patience', async (t) => {
  const bed = NbdBed.for(t);
  const { device, gate } = gated(MIB);
  const first = await bed.serve({ '': device });
  const impatient = await bed.connect(first.endpoint);
  const patient = await bed.connect(first.endpoint, { reconnectMs: 10_000 });
  const lost = t.rejects(impatient.read(0, 512), { code: nbdFaults.disconnected });
  const kept = patient.read(0, 512);
  await systemClock.sleep(20);
  await Promise.all([lost, first.stop(50)]);
  for (const release of gate.open) release();
  const { endpoint } = first;
  await bed.serve({ '': new MemoryDevice(MIB) }, { endpoint });
  t.ok(
    (await kept).every((byte) => byte === 0),
    'the call was repeated',
  );
  await patient.write(0, Buffer.alloc(512, 9));
  t.equal((await patient.read(0, 512))[0], 9);
});

/** Passes bytes on to the server, so that single connections can be cut. */
async function relay(path: string, to: string): Promise<{ pairs: net.Socket[]; close(): void }> {
  const pairs: net.Socket[] = [];
  const server = net.createServer((near) => {
    const far = net.connect({ path: to });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => {});
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
    pairs.push(near);
  });
  await new Promise<void>((resolve) => void server.listen({ path }, resolve));
  return { pairs, close: () => void server.close() };
}

t.test('one of several connections is lost: its calls are repeated, and it is replaced', async (t) => {
  const bed = NbdBed.for(t);
  const server = await bed.serve({ '': new MemoryDevice(64 * MIB) });
  const path = bed.socket();
  const between = await relay(path, (server.endpoint as { path: string }).path);
  t.teardown(() => between.close());
  const client = await bed.connect({ path }, { connections: 3, reconnectMs: 5_000 });
  const bytes = systemRandom.bytes(32 * MIB);
  const writing = Array.from({ length: 32 }, (_, i) => client.write(i * MIB, bytes.subarray(i * MIB, (i + 1) * MIB)));
  between.pairs[1]?.destroy();
  await Promise.all(writing);
  t.ok((await client.read(0, bytes.length)).equals(bytes));
  await until(() => client.connections === 3);
  t.equal(client.connections, 3);
  t.equal(between.pairs.length, 4);
  const impatient = await bed.connect({ path }, { connections: 2 });
  between.pairs.at(-1)?.destroy();
  await until(() => impatient.connections === 1);
  t.ok((await impatient.read(0, MIB)).equals(bytes.subarray(0, MIB)), 'the other one serves on');
});

t.test('a server that comes back with another size is refused', async (t) => {
  const bed = NbdBed.for(t);
  const first = await bed.serve({ '': new MemoryDevice(MIB) });
  const client = await bed.connect(first.endpoint, { reconnectMs: 5_000 });
  await first.stop(10);
  await bed.serve({ '': new MemoryDevice(2 * MIB) }, { endpoint: first.endpoint });
  await t.rejects(client.read(0, 512), { code: nbdFaults.refused, details: { reason: 'changed' } });
});

t.test('a graceful stop answers what is under way', async (t) => {
  const bed = NbdBed.for(t);
  const { device, gate } = gated(MIB);
  const server = await bed.serve({ '': device });
  const client = await bed.connect(server.endpoint);
  const read = client.read(0, 1000);
  await until(() => gate.started === 1);
  const stopped = server.stop(5_000);
  await systemClock.sleep(10);
  gate.open[0]?.();
  t.equal((await read)[999], 5);
  await stopped;
  t.equal(server.connections, 0);
  await t.rejects(client.read(0, 1), { code: nbdFaults.disconnected });
});

t.test('a client that is closed tells its calls, and those that wait', async (t) => {
  const bed = NbdBed.for(t);
  const { device, gate } = gated(MIB);
  const server = await bed.serve({ '': device });
  const client = await bed.connect(server.endpoint, { callsMax: 1 });
  const calls = Promise.allSettled([client.read(0, 1), client.read(1, 1)]);
  await until(() => gate.started === 1);
  await client.close();
  for (const result of await calls) t.match(result, { status: 'rejected', reason: { code: nbdFaults.closed } });
  for (const release of gate.open) release();
});

t.test('block sizes are kept to and enforced', async (t) => {
  const bed = NbdBed.for(t);
  const lengths: number[] = [];
  const memory = new MemoryDevice(16 * MIB);
  const device: NbdDevice = {
    sizeBytes: 16 * MIB,
    readOnly: false,
    blockSizes: { minimum: 512, preferred: 4096, maximum: 64 * 1024 },
    read: (offset, length) => {
      lengths.push(length);
      return memory.read(offset, length);
    },
    write: (offset, buffers) => memory.write(offset, buffers),
  };
  const server = await bed.serve({ '': device });
  const client = await bed.connect(server.endpoint);
  t.same(client.export.blockSizes, device.blockSizes);
  await client.write(512, Buffer.alloc(MIB, 3));
  t.equal((await client.read(512, MIB))[MIB - 1], 3);
  t.equal(lengths.length, 16);
  await t.rejects(client.read(1, 512), { code: nbdFaults.invalid });
});
