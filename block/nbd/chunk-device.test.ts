// A device over chunks kept elsewhere, with and without a local cache, and served to the system's own tools.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import t from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import { createSeededRandom, systemRandom } from '../../fabric/random.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { NbdBed } from '../../test/nbd-bed.ts';
import { missing } from '../../test/tools.ts';
import type { ChunkSource as RepositorySource } from '../repository/contract.ts';
import { openChunkCache } from './chunk-cache.ts';
import { decodeSlotHeader, encodeSlotHeader, SLOT_HEAD_BYTES, SLOT_HEADER_BYTES } from './chunk-cache-format.ts';
import { ChunkDevice, type ChunkSource } from './chunk-device.ts';
import { nbdFaults, type ReadPiece } from './contract.ts';

const seed = Number(process.env['SEED'] ?? systemRandom.below(2 ** 31));
const KIB = 1024;
const MIB = 1024 * KIB;
const CHUNK = 64 * KIB;
t.setTimeout(60_000);
t.comment(`SEED=${seed}`);

/** Chunks made from their number; every third is a hole, the last is short. */
class Made implements ChunkSource {
  readonly sizeBytes: number;
  readonly chunkBytes = CHUNK;
  readonly asked: number[] = [];
  /** Chunks that fail. */
  readonly broken = new Set<number>();
  working = 0;
  most = 0;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  isHole(index: number): boolean {
    return index % 3 === 2;
  }

  bytesOf(index: number): Buffer {
    const length = Math.min(CHUNK, this.sizeBytes - index * CHUNK);
    if (this.isHole(index)) return Buffer.alloc(length);
    return Buffer.alloc(length, createSeededRandom(index).bytes(1021));
  }

  whole(): Buffer {
    const count = Math.ceil(this.sizeBytes / CHUNK);
    return Buffer.concat(Array.from({ length: count }, (_, index) => this.bytesOf(index)));
  }

  async readChunk(index: number): Promise<Uint8Array | undefined> {
    if (this.isHole(index)) return undefined;
    this.asked.push(index);
    this.working++;
    this.most = Math.max(this.most, this.working);
    await systemClock.sleep(1);
    this.working--;
    if (this.broken.has(index)) throw new Fault('SnapshotCorrupt');
    return this.bytesOf(index);
  }

  async chunkName(index: number): Promise<string | undefined> {
    return this.isHole(index) ? undefined : `chunk-${index}`;
  }

  async map(offset: number, length: number) {
    const extents: { offset: number; length: number; data: boolean }[] = [];
    for (let at = offset; at < offset + length; ) {
      const index = Math.floor(at / CHUNK);
      const end = Math.min((index + 1) * CHUNK, offset + length);
      extents.push({ offset: at, length: end - at, data: !this.isHole(index) });
      at = end;
    }
    return extents;
  }
}

function flat(pieces: readonly ReadPiece[]): Buffer {
  return Buffer.concat(pieces.map((piece) => ('holeBytes' in piece ? Buffer.alloc(piece.holeBytes) : piece)));
}

t.test('a snapshot of the repository is such a source', async (t) => {
  const fits = (source: RepositorySource): ChunkSource => source;
  t.type(fits, 'function');
});

t.test('random reads are right, memory stays within its bound, each chunk is fetched once at a time', async (t) => {
  const source = new Made(5 * MIB + 100);
  const whole = source.whole();
  const memoryBytesMax = 8 * CHUNK;
  const device = new ChunkDevice({ source, memoryBytesMax, fetchesMax: 4 });
  const random = createSeededRandom(seed);
  for (let round = 0; round < 60; round++) {
    const reads = Array.from({ length: 5 }, async () => {
      const offset = random.below(source.sizeBytes);
      const length = Math.min(1 + random.below(300 * KIB), source.sizeBytes - offset);
      const got = flat(await device.read(offset, length));
      if (!got.equals(whole.subarray(offset, offset + length))) throw new Error(`${offset}+${length} differs`);
    });
    await Promise.all(reads);
    if (device.memoryBytes > memoryBytesMax) throw new Error(`${device.memoryBytes} bytes in memory`);
  }
  t.ok(source.most <= 4, `${source.most} fetches at once`);
  const same = new Made(MIB);
  const shared = new ChunkDevice({ source: same });
  await Promise.all(Array.from({ length: 50 }, () => shared.read(10, 20)));
  t.same(same.asked, [0]);
});

t.test('readers in order are read ahead of, others are not', async (t) => {
  const source = new Made(6 * MIB);
  const device = new ChunkDevice({ source });
  for (let at = 0; at < 2 * MIB; at += 16 * KIB) await device.read(at, 16 * KIB);
  t.ok(device.counters.ahead > 16, `${device.counters.ahead} chunks ahead`);
  t.equal(new Set(source.asked).size, source.asked.length, 'nothing twice');
  const scattered = new ChunkDevice({ source: new Made(600 * MIB) });
  for (let i = 0; i < 50; i++) await scattered.read(((i * 7919) % 9000) * CHUNK, 4096);
  t.equal(scattered.counters.ahead, 0);
  const off = new ChunkDevice({ source: new Made(6 * MIB), aheadChunksMax: 0 });
  for (let at = 0; at < MIB; at += CHUNK) await off.read(at, CHUNK);
  t.equal(off.counters.ahead, 0);
});

t.test('the cache survives a restart, stays within its bound, and never tells a lie', async (t) => {
  const bed = NbdBed.for(t);
  const directory = bed.file('cache');
  const bytesMax = 30 * (CHUNK + SLOT_HEADER_BYTES) + 5;
  const open = () => openChunkCache({ disk: systemDisk, directory, bytesMax, chunkBytes: CHUNK });
  const pass = async (sizeBytes: number) => {
    const source = new Made(sizeBytes);
    const cache = await open();
    const device = new ChunkDevice({ source, cache, memoryBytesMax: 2 * CHUNK, aheadChunksMax: 0 });
    for (let at = 0; at < sizeBytes; at += CHUNK) {
      const length = Math.min(CHUNK, sizeBytes - at);
      if (!flat(await device.read(at, length)).equals(source.bytesOf(at / CHUNK))) throw new Error(`${at} differs`);
      if (at % (4 * CHUNK) === 0) await systemClock.sleep(2);
    }
    await device.close();
    await cache.close();
    return { fetched: source.asked.length, cache };
  };
  const size = 40 * CHUNK - 1000;
  t.equal((await pass(size)).fetched, 27);
  const again = await pass(size);
  t.equal(again.fetched, 0, 'all from the cache of the process before');
  t.equal(again.cache.counters.hits, 27);
  const [name = ''] = readdirSync(directory);
  const path = join(directory, name);
  const bytes = readFileSync(path);
  const random = createSeededRandom(seed);
  for (let i = 0; i < 40; i++) {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
  }
  writeFileSync(path, bytes);
  const damaged = await pass(size);
  t.ok(damaged.fetched > 0 && damaged.fetched < 27, `${damaged.fetched} chunks were damaged and fetched again`);
  const large = await pass(120 * CHUNK);
  t.ok(large.cache.counters.evictions > 0);
  t.ok(large.cache.chunks <= 30);
  t.ok(statSync(path).size <= bytesMax);
  writeFileSync(path, random.bytes(MIB));
  t.equal((await pass(size)).fetched, 27, 'a file of nonsense is an empty cache');
});

t.test('the head of a slot', async (t) => {
  const header = { name: 'a'.repeat(64), lengthBytes: 262_144, sequence: 2 ** 40, checksum: 0x1234567890abcdefn };
  const bytes = encodeSlotHeader(header);
  t.equal(bytes.length, SLOT_HEADER_BYTES);
  t.same(decodeSlotHeader(bytes.subarray(0, SLOT_HEAD_BYTES)), header);
  for (let at = 0; at < 40 + 64; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] as number) ^ 0x10;
    if (decodeSlotHeader(flipped)) t.fail(`a flip at ${at} went unseen`);
  }
});

t.test('a chunk that cannot be read is an I/O error, and tried again', async (t) => {
  const bed = NbdBed.for(t);
  const source = new Made(MIB);
  source.broken.add(3);
  const server = await bed.serve({ '': new ChunkDevice({ source }) });
  const client = await bed.connect(server.endpoint, { contexts: ['base:allocation'] });
  await t.rejects(client.read(3 * CHUNK + 5, 10), { code: nbdFaults.io });
  source.broken.clear();
  t.ok((await client.read(3 * CHUNK, CHUNK)).equals(source.bytesOf(3)));
  t.ok((await client.read(0, MIB)).equals(source.whole()));
  await client.cache(0, MIB);
});

t.test('nbdcopy and an overlay of QEMU read it', { skip: missing('nbdcopy') || missing('qemu-img') }, async (t) => {
  const bed = NbdBed.for(t);
  const source = new Made(20 * MIB);
  const cache = await openChunkCache({
    disk: systemDisk,
    directory: bed.file('c'),
    bytesMax: 8 * MIB,
    chunkBytes: CHUNK,
  });
  t.teardown(() => cache.close());
  const server = await bed.serve({ snap: new ChunkDevice({ source, cache }) });
  const uri = bed.uri(server, 'snap');
  await bed.must('nbdcopy', uri, bed.file('copy'));
  t.ok(readFileSync(bed.file('copy')).equals(source.whole()));
  const overlay = bed.file('overlay.qcow2');
  await bed.must('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', uri, '-F', 'raw', overlay);
  await bed.must('qemu-io', '-f', 'qcow2', '-c', 'write -P 9 1M 64k', overlay);
  await bed.must('qemu-img', 'rebase', '-b', '', overlay);
  await bed.must('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', overlay, bed.file('raw'));
  const wanted = source.whole().fill(9, MIB, MIB + 64 * KIB);
  t.ok(readFileSync(bed.file('raw')).equals(wanted), 'filled and detached, byte for byte');
});
