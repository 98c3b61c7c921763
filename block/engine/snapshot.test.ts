// Snapshots with real daemons: exact bytes of one moment, what changed since, and a guest that nothing disturbs.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { createSeededRandom } from '../../fabric/random.ts';
import { BLOCK, MIB, missingEngine, VolumeBed } from '../../test/volume-bed.ts';
import type { NbdClient } from '../nbd/contract.ts';
import { engineFaults } from './contract.ts';

t.setTimeout(60_000);
const skip = missingEngine;

/** Writes numbered blocks in a fixed order; the volume at any moment is what the first n writes leave. */
class NumberedWriter {
  readonly offsets: number[] = [];
  readonly #client: NbdClient;
  readonly #random;
  readonly #sizeBytes: number;
  #stop = false;

  constructor(client: NbdClient, sizeBytes: number, seed: number) {
    this.#client = client;
    this.#random = createSeededRandom(seed);
    this.#sizeBytes = sizeBytes;
  }

  static block(n: number): Buffer {
    const block = Buffer.alloc(BLOCK);
    for (let at = 0; at < BLOCK; at += 4) block.writeUInt32LE(n, at);
    return block;
  }

  async run(): Promise<void> {
    while (!this.#stop) {
      const offset = this.#random.below(this.#sizeBytes / BLOCK) * BLOCK;
      this.offsets.push(offset);
      const n = this.offsets.length;
      // Every seventh is zeroes, which go another way through the daemon.
      if (n % 7 === 0) await this.#client.writeZeroes(offset, BLOCK, { noHole: n % 2 === 0 });
      else await this.#client.write(offset, NumberedWriter.block(n));
    }
  }

  stop(): void {
    this.#stop = true;
  }

  after(count: number): Buffer {
    const model = Buffer.alloc(this.#sizeBytes);
    for (let n = 1; n <= count; n++) {
      const offset = this.offsets[n - 1] as number;
      if (n % 7 === 0) model.fill(0, offset, offset + BLOCK);
      else NumberedWriter.block(n).copy(model, offset);
    }
    return model;
  }
}

/** The newest numbered write that is in it. */
function newest(bytes: Buffer): number {
  let found = 0;
  for (let at = 0; at < bytes.length; at += BLOCK) found = Math.max(found, bytes.readUInt32LE(at));
  return found;
}

t.test('under writes: the bytes of one moment, and each change of each interval', { skip }, async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
  t.comment(`SEED=${seed}`);
  const bed = await VolumeBed.for(t);
  const sizeBytes = 8 * MIB;
  const writer = new NumberedWriter(await bed.attached('v1', sizeBytes), sizeBytes, seed);
  const writing = writer.run();
  let image: Buffer = Buffer.alloc(sizeBytes);
  let base: string | undefined;
  for (let round = 1; round <= 5; round++) {
    const had = writer.offsets.length;
    await bed.until('some writes', () => writer.offsets.length > had + 200);
    const snapshotId = `s${round}`;
    const handle = await bed.engine.beginSnapshot('v1', { snapshotId });
    t.equal(handle.baseSnapshotId, base);
    const past = await bed.client(handle.exportUri, {
      connections: 4,
      contexts: handle.dirtyContext === undefined ? [] : [handle.dirtyContext],
    });
    await bed.until('writes meanwhile', () => writer.offsets.length > had + 500);
    const whole = await past.read(0, sizeBytes);
    const count = newest(whole);
    // A zero after the newest number may or may not be in.
    const exact = [count, count + 1].some((n) => n <= writer.offsets.length && writer.after(n).equals(whole));
    t.ok(exact, `round ${round}: exactly the first ${count} writes`);
    if (handle.dirtyContext !== undefined) {
      const patched = Buffer.from(image);
      for (const { offset, length, flags } of await bed.extents(past, handle.dirtyContext))
        if (flags !== 0) whole.copy(patched, offset, offset, offset + length);
      t.ok(patched.equals(whole), 'the base and what is dirty make the snapshot');
    }
    await past.close();
    await bed.engine.verifySnapshot('v1', snapshotId);
    // The third is given up: the next one starts from the second.
    const keep = round !== 3;
    t.same(await bed.engine.endSnapshot('v1', { snapshotId, keep }), { baseKept: keep });
    if (keep) {
      image = whole;
      base = snapshotId;
    }
  }
  writer.stop();
  await writing;
  t.ok(readFileSync(bed.data('v1')).equals(writer.after(writer.offsets.length)));
});

t.test('discards and zeroes: the past keeps its bytes, the map has them, holes are told', { skip }, async (t) => {
  const bed = await VolumeBed.for(t);
  const guest = await bed.attached('v1', 16 * MIB);
  await guest.write(0, Buffer.alloc(8 * MIB, 7));
  await bed.engine.beginSnapshot('v1', { snapshotId: 's1' });
  await bed.engine.endSnapshot('v1', { snapshotId: 's1', keep: true });
  await guest.trim(MIB, MIB);
  await guest.writeZeroes(3 * MIB, MIB);
  const handle = await bed.engine.beginSnapshot('v1', { snapshotId: 's2' });
  await guest.trim(5 * MIB, MIB);
  await guest.writeZeroes(6 * MIB, MIB, { noHole: true });
  await guest.trim(7 * MIB, 8 * MIB);
  const dirty = handle.dirtyContext ?? '';
  const past = await bed.client(handle.exportUri, { contexts: [dirty, 'base:allocation'] });
  t.same(
    (await bed.extents(past, dirty)).filter((extent) => extent.flags !== 0),
    [
      { offset: MIB, length: MIB, flags: 1 },
      { offset: 3 * MIB, length: MIB, flags: 1 },
    ],
  );
  const bytes = await past.read(0, 16 * MIB);
  const expected = Buffer.alloc(16 * MIB);
  for (const [from, to] of [
    [0, 1],
    [2, 3],
    [4, 8],
  ] as const)
    expected.fill(7, from * MIB, to * MIB);
  t.ok(bytes.equals(expected), 'what is discarded later is there in the past');
  const holes = (await bed.extents(past, 'base:allocation')).filter((extent) => (extent.flags & 2) !== 0);
  t.ok(holes.some((hole) => hole.offset <= 8 * MIB && hole.offset + hole.length === 16 * MIB));
  t.ok(holes.every((hole) => bytes.subarray(hole.offset, hole.offset + hole.length).every((byte) => byte === 0)));
  await past.close();
  await bed.engine.endSnapshot('v1', { snapshotId: 's2', keep: true });
});

t.test('a close keeps the base, a crash loses it and the open snapshot, and says so', { skip }, async (t) => {
  const bed = await VolumeBed.for(t);
  const { engine } = bed;
  const guest = await bed.attached('v1', 8 * MIB);
  await guest.write(0, Buffer.alloc(MIB, 1));
  await engine.beginSnapshot('v1', { snapshotId: 's1' });
  await t.rejects(engine.resize('v1', 16 * MIB), { code: engineFaults.snapshotOpen });
  await t.rejects(engine.beginSnapshot('v1', { snapshotId: 's9' }), { code: engineFaults.snapshotOpen });
  await t.rejects(engine.verifySnapshot('v1', 's9'), { code: engineFaults.noSnapshot });
  await engine.endSnapshot('v1', { snapshotId: 's1', keep: true });
  await engine.resize('v1', 12 * MIB);
  const grown = await bed.client((await engine.attach('v1', { attachmentId: 'guest', transport: 'unix' })).uri);
  await grown.write(10 * MIB, Buffer.alloc(65536, 4));
  await engine.detach('v1', 'guest');
  await engine.close('v1');
  const { uri } = await engine.attach('v1', { attachmentId: 'back', transport: 'unix' });
  const back = await bed.client(uri);
  await back.write(2 * MIB, Buffer.alloc(65536, 2));
  const second = await engine.beginSnapshot('v1', { snapshotId: 's2' });
  t.match(second, { baseSnapshotId: 's1', sizeBytes: 12 * MIB });
  const past = await bed.client(second.exportUri, { contexts: [second.dirtyContext ?? ''] });
  t.same(
    (await bed.extents(past, second.dirtyContext ?? '')).filter((extent) => extent.flags !== 0),
    [
      { offset: 2 * MIB, length: 65536, flags: 1 },
      { offset: 10 * MIB, length: 65536, flags: 1 },
    ],
    'changes before and after the close, and in the grown part',
  );
  await past.close();
  await bed.killDaemon('v1');
  await bed.until('lost', async () => (await engine.snapshotStatus('v1')).state === 'failed');
  t.match(await engine.snapshotStatus('v1'), { failure: engineFaults.snapshotLost });
  await t.rejects(engine.verifySnapshot('v1', 's2'), { code: engineFaults.snapshotLost });
  t.same(await engine.endSnapshot('v1', { snapshotId: 's2', keep: true }), { baseKept: false });
  const third = await engine.beginSnapshot('v1', { snapshotId: 's3' });
  t.equal(third.dirtyContext, undefined, 'a full scan');
  t.equal(third.baseSnapshotId, undefined);
  await engine.endSnapshot('v1', { snapshotId: 's3', keep: false });
});

t.test(
  'the reserve is full: the snapshot fails and tells, the guest writes on, the base stays',
  { skip },
  async (t) => {
    const bed = await VolumeBed.for(t);
    const { engine } = bed;
    const guest = await bed.attached('v1', 64 * MIB);
    await guest.write(0, Buffer.alloc(32 * MIB, 1));
    await engine.beginSnapshot('v1', { snapshotId: 's1' });
    await engine.endSnapshot('v1', { snapshotId: 's1', keep: true });
    const handle = await engine.beginSnapshot('v1', { snapshotId: 's2', reserveBytes: 4 * MIB });
    t.equal(handle.reservedBytes, 4 * MIB);
    await guest.write(0, Buffer.alloc(32 * MIB, 2));
    await t.rejects(engine.verifySnapshot('v1', 's2'), { code: engineFaults.snapshotSpace });
    t.match(await engine.snapshotStatus('v1'), { state: 'failed', failure: engineFaults.snapshotSpace });
    t.ok((await guest.read(0, 32 * MIB)).equals(Buffer.alloc(32 * MIB, 2)));
    t.same(await engine.endSnapshot('v1', { snapshotId: 's2', keep: true }), { baseKept: false });

    await engine.beginSnapshot('v1', { snapshotId: 's3', reserveBytes: 4 * MIB });
    await guest.write(0, Buffer.alloc(32 * MIB, 3));
    await bed.until('given up by itself', async () => (await engine.snapshotStatus('v1')).state === 'failed');
    await engine.endSnapshot('v1', { snapshotId: 's3', keep: false });
    const fourth = await engine.beginSnapshot('v1', { snapshotId: 's4' });
    t.equal(fourth.baseSnapshotId, 's1');
    const past = await bed.client(fourth.exportUri, { contexts: [fourth.dirtyContext ?? ''] });
    t.match((await bed.extents(past, fourth.dirtyContext ?? ''))[0], { offset: 0, length: 32 * MIB, flags: 1 });
    await past.close();
    await engine.endSnapshot('v1', { snapshotId: 's4', keep: true });
  },
);

/** A file system of 24 MiB in memory, or the reason why there is none. */
function smallFileSystem(path: string): string | false {
  try {
    mkdirSync(path, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24M', 'none', path], { stdio: 'pipe' });
    return false;
  } catch {
    return 'a tmpfs cannot be mounted here';
  }
}

t.test('a full file system: the guest is told, nothing else breaks', { skip }, async (t) => {
  const bed = await VolumeBed.for(t);
  const place = bed.place('v1');
  const reason = smallFileSystem(place.dir);
  if (reason !== false) {
    t.pass('skipped', { skip: reason });
    return;
  }
  t.teardown(() => execFileSync('umount', ['-l', place.dir]));
  await bed.engine.create({ ...place, sizeBytes: 64 * MIB });
  const { uri } = await bed.engine.attach('v1', { attachmentId: 'guest', transport: 'unix' });
  const guest = await bed.client(uri);
  await guest.write(0, Buffer.alloc(8 * MIB, 1));
  await t.rejects(bed.engine.beginSnapshot('v1', { snapshotId: 's1' }), { code: engineFaults.noSpace });
  t.equal((await bed.engine.snapshotStatus('v1')).state, 'none');
  await bed.engine.beginSnapshot('v1', { snapshotId: 's2', reserveBytes: 8 * MIB });
  await guest.write(0, Buffer.alloc(4 * MIB, 2));
  await bed.engine.verifySnapshot('v1', 's2');
  await bed.engine.endSnapshot('v1', { snapshotId: 's2', keep: true });
  await t.rejects(guest.write(8 * MIB, Buffer.alloc(32 * MIB, 3)), { code: 'NbdNoSpace' });
  await guest.trim(8 * MIB, 56 * MIB);
  await guest.write(8 * MIB, Buffer.alloc(4 * MIB, 4));
  t.ok((await guest.read(0, 4 * MIB)).equals(Buffer.alloc(4 * MIB, 2)));
  t.equal((await bed.engine.status('v1')).restarts, 0);
});
