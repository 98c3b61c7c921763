// Our client against the system's own servers: nbdkit with its filters, and the storage daemon with a dirty bitmap.
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import { systemNet } from '../../fabric/net.ts';
import { systemRandom } from '../../fabric/random.ts';
import { NbdBed } from '../../test/nbd-bed.ts';
import { missing } from '../../test/tools.ts';
import { listNbdExports } from './client.ts';
import { allocationFlags, DIRTY_FLAG, type Extent, type NbdClient, nbdContexts, nbdFaults } from './contract.ts';

t.setTimeout(60_000);
const MIB = 1024 * 1024;
const skipNbdkit = missing('nbdkit');

async function all(extents: AsyncIterable<Extent>): Promise<Extent[]> {
  const out: Extent[] = [];
  for await (const extent of extents) out.push(extent);
  return out;
}

async function roundTrip(client: NbdClient): Promise<boolean> {
  const bytes = systemRandom.bytes(9 * MIB + 512);
  await client.write(4096, bytes, { fua: true });
  await client.writeZeroes(4096 + MIB, MIB);
  bytes.fill(0, MIB, 2 * MIB);
  await client.flush();
  return (await client.read(4096, bytes.length)).equals(bytes);
}

t.test('nbdkit: memory with several connections, its extents, a tebibyte', { skip: skipNbdkit }, async (t) => {
  const bed = NbdBed.for(t);
  const { endpoint } = await bed.nbdkit('memory', '1T');
  const client = await bed.connect(endpoint, { contexts: ['base:allocation'], connections: 4 });
  t.equal(client.connections, 4);
  t.ok(await roundTrip(client));
  await client.write(2 ** 39, Buffer.alloc(65536, 1));
  const extents = await all(client.extents('base:allocation'));
  t.equal(
    extents.reduce((sum, extent) => sum + extent.length, 0),
    2 ** 40,
  );
  t.match(extents.at(-2), { offset: 2 ** 39, length: 65536, flags: 0 });
  await t.rejects(client.trim(2 ** 40 - 512, 1024), { code: nbdFaults.invalid });
});

t.test('nbdkit: a file, and servers that know less', { skip: skipNbdkit }, async (t) => {
  const bed = NbdBed.for(t);
  const path = bed.file('disk');
  writeFileSync(path, Buffer.alloc(16 * MIB));
  const file = await bed.nbdkit('file', path);
  const client = await bed.connect(file.endpoint, { contexts: ['base:allocation'] });
  t.ok(await roundTrip(client));
  t.ok((await client.read(0, 16 * MIB)).equals(readFileSync(path)));
  const plain = await bed.nbdkit('--no-sr', 'memory', '16M');
  const simple = await bed.connect(plain.endpoint, { optionalContexts: ['base:allocation'], connections: 2 });
  t.equal(simple.export.structuredReplies, false);
  t.same(simple.export.contexts, []);
  t.ok(await roundTrip(simple));
  const aligned = await bed.nbdkit(
    '--filter=blocksize-policy',
    'memory',
    '16M',
    'blocksize-minimum=512',
    'blocksize-maximum=64K',
    'blocksize-error-policy=error',
  );
  const picky = await bed.connect(aligned.endpoint);
  t.equal(picky.export.blockSizes.minimum, 512);
  t.ok(await roundTrip(picky), 'nine mebibytes in pieces of at most 64 KiB');
  const masked = await bed.nbdkit('--mask-handshake=0', 'memory', '1M');
  await t.rejects(bed.connect(masked.endpoint), { code: nbdFaults.refused });
});

t.test('nbdkit: errors, delays, a server that dies', { skip: skipNbdkit }, async (t) => {
  const bed = NbdBed.for(t);
  const [failing, slow, dying] = await Promise.all([
    bed.nbdkit(
      '--filter=error',
      'memory',
      '16M',
      'error-pwrite=ENOSPC',
      'error-pwrite-rate=100%',
      'error-pread=EPERM',
      'error-pread-rate=50%',
    ),
    bed.nbdkit('--filter=delay', 'memory', '16M', 'rdelay=30'),
    bed.nbdkit('--filter=delay', 'memory', '16M', 'delay-read=60'),
  ]);
  const client = await bed.connect(failing.endpoint);
  await t.rejects(client.write(0, Buffer.alloc(4096)), { code: nbdFaults.noSpace });
  const reads = await Promise.allSettled(Array.from({ length: 200 }, (_, i) => client.read(i * 4096, 4096)));
  const failed = reads.filter((read) => read.status === 'rejected');
  t.ok(failed.length > 20 && failed.length < 180, `${failed.length} of 200 failed`);
  for (const { reason } of failed) if (reason.code !== nbdFaults.notPermitted) throw reason;
  const late = await bed.connect(slow.endpoint, { requestTimeoutMs: 200 });
  await t.rejects(late.read(0, 4096), { code: nbdFaults.deadline });
  const lost = await bed.connect(dying.endpoint);
  const calls = Promise.allSettled(Array.from({ length: 20 }, (_, i) => lost.read((i * MIB) / 2, MIB / 2)));
  await systemClock.sleep(50);
  dying.child.kill('SIGKILL');
  for (const one of await calls) t.match(one, { status: 'rejected', reason: { code: nbdFaults.disconnected } });
});

t.test('nbdkit: reconnection rides out a restart', { skip: skipNbdkit }, async (t) => {
  const bed = NbdBed.for(t);
  const path = bed.file('disk');
  writeFileSync(path, systemRandom.bytes(8 * MIB));
  const first = await bed.nbdkit('file', path);
  const client = await bed.connect(first.endpoint, { reconnectMs: 10_000, connections: 2 });
  let wrong = 0;
  const wanted = readFileSync(path);
  const reading = Promise.all(
    Array.from({ length: 400 }, async (_, i) => {
      await systemClock.sleep(i);
      const offset = (i % 64) * 4096;
      if (!(await client.read(offset, 4096)).equals(wanted.subarray(offset, offset + 4096))) wrong++;
    }),
  );
  await systemClock.sleep(100);
  first.child.kill('SIGKILL');
  await systemClock.sleep(100);
  await bed.must('rm', '-f', first.endpoint.path);
  await bed.daemon(first.endpoint.path, 'nbdkit', '--exit-with-parent', '-f', '-U', first.endpoint.path, 'file', path);
  await reading;
  t.equal(wrong, 0);
});

t.test(
  'storage daemon: dirty bitmap, allocation depth, several exports',
  { skip: missing('qemu-storage-daemon') || missing('qemu-img') },
  async (t) => {
    const bed = NbdBed.for(t);
    const path = bed.file('v.qcow2');
    await bed.must('qemu-img', 'create', '-q', '-f', 'qcow2', path, '1T');
    await bed.must('qemu-img', 'bitmap', '--add', '-g', '65536', path, 'b0');
    const socket = bed.socket();
    const node = [
      '--blockdev',
      `driver=file,filename=${path},node-name=f`,
      '--blockdev',
      'driver=qcow2,file=f,node-name=v,discard=unmap',
    ];
    const exported = 'type=nbd,id=e,node-name=v,name=vol,writable=on,allocation-depth=on,bitmaps.0=b0';
    await bed.daemon(
      socket,
      'qemu-storage-daemon',
      ...node,
      '--nbd-server',
      `addr.type=unix,addr.path=${socket}`,
      '--export',
      exported,
    );
    const endpoint = { path: socket };
    const bitmap = `${nbdContexts.dirtyBitmapPrefix}b0`;
    const contexts = [bitmap, nbdContexts.allocation, nbdContexts.allocationDepth];
    const client = await bed.connect(endpoint, { exportName: 'vol', contexts, connections: 2 });
    t.same([...client.export.contexts].sort(), [...contexts].sort());
    await client.write(2 ** 36 + 1, Buffer.alloc(200_000, 1));
    await client.write(0, Buffer.alloc(512, 2));
    const dirty = (await all(client.extents(bitmap))).filter((extent) => (extent.flags & DIRTY_FLAG) !== 0);
    t.same(dirty, [
      { offset: 0, length: 65536, flags: 1 },
      { offset: 2 ** 36, length: 262_144, flags: 1 },
    ]);
    const allocation = await all(client.extents(nbdContexts.allocation));
    // What the file system below knows of zeroes in a cluster is told as well; the clusters are these.
    const clusters = allocation.filter((extent) => (extent.flags & allocationFlags.hole) === 0);
    t.equal(
      clusters.reduce((sum, extent) => sum + extent.length, 0),
      65536 + 262_144,
    );
    t.match((await client.status(nbdContexts.allocationDepth, 0, 65536))[0], { flags: 1 });
    t.equal(
      (await client.read(2 ** 36 + 1, 200_000)).every((byte) => byte === 1),
      true,
    );
    const listed = await listNbdExports({ net: systemNet, clock: systemClock, endpoint });
    t.same(
      listed.map((one) => one.name),
      ['vol'],
    );
  },
);
