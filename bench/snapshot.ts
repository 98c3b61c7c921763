/**
 * npm run bench -- snapshot: what snapshots cost. CPU of hashing, packing and uploading a GiB; an incremental upload of 1 % beside
 * a full hash scan; restores after 1 and after 50 snapshots; the manifest of a 10 TiB volume; memory on a 1 TiB sparse one.
 * Volumes are made up (each MiB is written by a rule), the object store is the command that everybody starts.
 */
import { createHash } from 'node:crypto';
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { AllocatedExtent, Extent, Repository, SnapshotSource } from '../block/repository/contract.ts';
import { SwiftObjectClient } from '../block/repository/object-client-swift.ts';
import { openRepository } from '../block/repository/open-repository.ts';
import { seal } from '../block/repository/seal.ts';
import { createThreadSealer } from '../block/repository/sealer.ts';
import { systemClock } from '../fabric/clock.ts';
import { createHttpClient } from '../fabric/net-http.ts';
import { systemRandom } from '../fabric/random.ts';
import { startEmbedded } from './embedded.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;
const LINEAGE = 'bench';
const THREADS = 2;
const SCATTER_CHUNKS_KIB = [64, 256, 1024, 4096];
const SCATTER_BYTES = GIB;
/** 4 KiB each, far apart: 0.1 % of the volume. */
const SCATTER_WRITES = 256;

export const SNAPSHOT_HELP = `npm run bench -- snapshot [--gib 10] [--chunk-kib 256] [--scan-gib 2]
  cost of snapshots on a cluster of its own: --gib is the volume, of which --scan-gib are full of data
`;

interface Row {
  readonly what: string;
  readonly value: string;
}

export async function snapshot(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: { gib: { type: 'string' }, 'chunk-kib': { type: 'string' }, 'scan-gib': { type: 'string' } },
  });
  const chunkBytes = Number(values['chunk-kib'] ?? 256) * KIB;
  const sizeBytes = Number(values.gib ?? 10) * GIB;
  const dataBytes = Number(values['scan-gib'] ?? 2) * GIB;
  const rows: Row[] = [...sealCosts(chunkBytes)];
  const cluster = await startEmbedded({ processes: 'inline' });
  const http = createHttpClient();
  const sealer = createThreadSealer(THREADS);
  try {
    const target = await cluster.target('swift', 'all');
    const login = async () => ({ storageUrl: target.url, token: target.token ?? '' });
    const options = { http, login, container: 'snapshots', clock: systemClock, random: systemRandom };
    const client = new SwiftObjectClient(options);
    await client.createContainer();
    const repository = await openRepository({ client, clock: systemClock, random: systemRandom, sealer, codec: 'lz4' });
    rows.push(...(await incremental(repository, { sizeBytes, dataBytes, chunkBytes })));
    rows.push(...(await restores(repository, chunkBytes)));
    rows.push(...(await large(repository, chunkBytes)));
    for (const kib of SCATTER_CHUNKS_KIB) rows.push(await scattered(repository, kib * KIB));
  } finally {
    await sealer.close();
    await http.close();
    await cluster.stop();
  }
  console.log('| what | figure |\n| --- | --- |');
  for (const { what, value } of rows) console.log(`| ${what} | ${value} |`);
  return true;
}

/** CPU of one thread, by kind of data. */
function sealCosts(chunkBytes: number): Row[] {
  const key = Buffer.alloc(32, 1);
  const kinds = { 'text-like': packable, incompressible: noise } as const;
  return Object.entries(kinds).flatMap(([kind, make]) =>
    (['none', 'lz4', 'deflate'] as const).map((codec) => {
      const raws = Array.from({ length: 256 }, (_, index) => make(index, chunkBytes));
      const before = process.cpuUsage();
      let stored = 0;
      for (const raw of raws) {
        const sealed = seal({ raw, key, codec });
        stored += sealed.kind === 'new' ? sealed.object.length : 0;
      }
      const { user, system } = process.cpuUsage(before);
      const perGib = ((user + system) / 1e6) * (GIB / (raws.length * chunkBytes));
      const part = ((100 * stored) / (raws.length * chunkBytes)).toFixed(0);
      const what = codec === 'none' ? 'hash alone' : `hash and ${codec}`;
      return { what: `${what}, ${kind}`, value: `${perGib.toFixed(2)} CPU s/GiB, ${part} % of the bytes` };
    }),
  );
}

interface Sizes {
  readonly sizeBytes: number;
  readonly dataBytes: number;
  readonly chunkBytes: number;
}

/** 1 % of the volume changed in runs of 1 MiB, from what a bitmap says, and found by hashing everything. */
async function incremental(repository: Repository, sizes: Sizes): Promise<Row[]> {
  const { sizeBytes, dataBytes, chunkBytes } = sizes;
  const runs = Math.round(sizeBytes / 100 / MIB);
  const step = Math.floor(dataBytes / runs / MIB) * MIB;
  const changed: Extent[] = Array.from({ length: runs }, (_, run) => ({ offset: run * step, length: MIB }));
  const versions = new Map(changed.map(({ offset }) => [offset / MIB, 1]));
  const first = await timed(() =>
    take(repository, { id: 'full', sizes, changed: 'all', source: made(dataBytes, new Map()) }),
  );
  const source = made(dataBytes, versions);
  const second = await timed(() => take(repository, { id: 'incremental', base: 'full', sizes, changed, source }));
  const scan = await timed(() => take(repository, { id: 'scan', base: 'full', sizes, changed: 'all', source }));
  const gib = dataBytes / GIB;
  const sent = second.result.counters.uploadedBytes;
  const full = first.result.counters;
  // Every byte that a scan of a volume full of data would read, at the pace of the part that was there.
  const wholeScanMs = scan.ms * (sizeBytes / dataBytes);
  return [
    {
      what: `first upload of ${gib} GiB, ${chunkBytes / KIB} KiB chunks`,
      value: `${seconds(first.ms)}, ${((gib * KIB) / (first.ms / 1000)).toFixed(0)} MiB/s, ${(first.cpuMs / 1000 / gib).toFixed(2)} CPU s/GiB of the uploader, ${(full.uploadedBytes / MIB).toFixed(0)} MiB sent`,
    },
    {
      what: `incremental, 1 % of ${sizeBytes / GIB} GiB in runs of 1 MiB`,
      value: `${seconds(second.ms)}, ${(sent / MIB).toFixed(1)} MiB sent: ${((100 * sent) / sizeBytes).toFixed(2)} % of the volume, ${(second.result.counters.manifestBytes / KIB).toFixed(0)} KiB of them manifest`,
    },
    {
      what: `full hash scan of ${gib} GiB, same result`,
      value: `${seconds(scan.ms)}, ${(scan.cpuMs / 1000 / gib).toFixed(2)} CPU s/GiB; of all ${sizeBytes / GIB} GiB at that pace ${seconds(wholeScanMs)}: ${(wholeScanMs / second.ms).toFixed(1)} times the incremental`,
    },
  ];
}

/** What a guest that writes 4 KiB here and there costs: each write sends its whole chunk. */
async function scattered(repository: Repository, chunkBytes: number): Promise<Row> {
  const sizes = { sizeBytes: SCATTER_BYTES, dataBytes: SCATTER_BYTES, chunkBytes };
  const kib = chunkBytes / KIB;
  await take(repository, { id: `even-${kib}`, sizes, changed: 'all', source: made(SCATTER_BYTES, new Map()) });
  const places = Array.from({ length: SCATTER_WRITES }, (_, index) => {
    const draw = createHash('sha256').update(`place ${index}`).digest().readUInt32LE();
    return (draw % (SCATTER_BYTES / (4 * KIB))) * 4 * KIB;
  }).sort((a, b) => a - b);
  const changed = [...new Set(places)].map((offset) => ({ offset, length: 4 * KIB }));
  const versions = new Map(places.map((offset) => [Math.floor(offset / MIB), 1]));
  const id = `scattered-${kib}`;
  const source = made(SCATTER_BYTES, versions);
  const { result, ms } = await timed(() => take(repository, { id, base: `even-${kib}`, sizes, changed, source }));
  const { uploadedBytes, manifestBytes } = result.counters;
  const share = ((100 * uploadedBytes) / SCATTER_BYTES).toFixed(1);
  return {
    what: `${changed.length} writes of 4 KiB scattered over 1 GiB, ${kib} KiB chunks`,
    value: `${(uploadedBytes / MIB).toFixed(1)} MiB sent: ${share} % of the volume, ${(uploadedBytes / changed.length / KIB).toFixed(0)} KiB a write, ${(manifestBytes / KIB).toFixed(0)} KiB of them manifest; ${seconds(ms)}`,
  };
}

async function restores(repository: Repository, chunkBytes: number): Promise<Row[]> {
  const sizes = { sizeBytes: 256 * MIB, dataBytes: 256 * MIB, chunkBytes };
  const rows: Row[] = [];
  const versions = new Map<number, number>();
  for (let count = 1; count <= 50; count++) {
    const at = (count * 37) % 256;
    versions.set(at, count);
    const base = count === 1 ? {} : { base: `r${count - 1}` };
    const changed = count === 1 ? ('all' as const) : [{ offset: at * MIB, length: MIB }];
    const source = made(sizes.dataBytes, new Map(versions));
    await take(repository, { id: `r${count}`, ...base, sizes, changed, source });
    if (count > 1 && count < 50) continue;
    const times = [];
    for (let again = 0; again < 3; again++) times.push(await restoreOnce(repository, `r${count}`));
    rows.push({
      what: `restore of 256 MiB after ${count} snapshot${count > 1 ? 's' : ''}`,
      value: `${seconds(Math.min(...times))} (best of 3)`,
    });
  }
  return rows;
}

async function restoreOnce(repository: Repository, id: string): Promise<number> {
  const open = await repository.open({ lineage: LINEAGE, snapshot: id });
  const { ms } = await timed(() => open.restore({ write: async () => {} }));
  await open.close();
  return ms;
}

/** Sparse volumes: one chunk in each leaf of 10 TiB, then one changed; and memory while all of 1 TiB is looked at. */
async function large(repository: Repository, chunkBytes: number): Promise<Row[]> {
  const sizes = { sizeBytes: 10 * TIB, dataBytes: 0, chunkBytes };
  const every = 16 * 1024 * chunkBytes;
  const first = await timed(() =>
    take(repository, { id: 'ten', sizes, changed: 'all', source: sparse(every, chunkBytes, 0) }),
  );
  const changed = [{ offset: 5 * every, length: 1 }];
  const source = sparse(every, chunkBytes, 1);
  const second = await timed(() => take(repository, { id: 'ten-1', base: 'ten', sizes, changed, source }));
  const open = await repository.open({ lineage: LINEAGE, snapshot: 'ten-1' });
  const read = await timed(() => open.read(5 * every, 4096));
  await open.close();
  global.gc?.();
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
  const tib = { sizeBytes: TIB, dataBytes: 0, chunkBytes };
  const scan = await timed(() =>
    take(repository, { id: 'tib', sizes: tib, changed: 'all', source: sparse(GIB, chunkBytes, 2) }),
  );
  clearInterval(watch);
  const { manifestBytes } = second.result.counters;
  return [
    {
      what: `10 TiB, ${first.result.chunks} chunks far apart, first snapshot`,
      value: `${seconds(first.ms)}, ${(first.result.counters.manifestBytes / KIB).toFixed(0)} KiB of manifest`,
    },
    {
      what: '10 TiB, one chunk changed',
      value: `${second.ms.toFixed(0)} ms, ${(manifestBytes / KIB).toFixed(1)} KiB of manifest`,
    },
    { what: '10 TiB, first read of an opened snapshot', value: `${read.ms.toFixed(1)} ms` },
    {
      what: `1 TiB sparse, all looked at, ${scan.result.chunks} chunks`,
      value: `${seconds(scan.ms)}, memory grew by ${((peak - before) / MIB).toFixed(0)} MiB`,
    },
  ];
}

interface Take {
  readonly id: string;
  readonly base?: string;
  readonly sizes: Sizes;
  readonly changed: 'all' | readonly Extent[];
  readonly source: SnapshotSource;
}

async function take(repository: Repository, { id, base, sizes, changed, source }: Take) {
  const { sizeBytes, chunkBytes } = sizes;
  const ids = { lineage: LINEAGE, snapshot: id, volume: 'bench', ...(base === undefined ? {} : { base }) };
  return await (await repository.beginUpload({ ...ids, sizeBytes, chunkBytes, changed, source })).run();
}

async function timed<T>(run: () => Promise<T>): Promise<{ result: T; ms: number; cpuMs: number }> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  const result = await run();
  const { user, system } = process.cpuUsage(cpu);
  return { result, ms: performance.now() - started, cpuMs: (user + system) / 1000 };
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

/** The first `dataBytes` hold data, the rest are holes. A MiB's contents follow from its place and version. */
function made(dataBytes: number, versions: ReadonlyMap<number, number>): SnapshotSource {
  const kept = new Map<number, Buffer>();
  const mib = (at: number): Buffer => {
    const found = kept.get(at) ?? packable(at * 1000 + (versions.get(at) ?? 0), MIB);
    kept.set(at, found);
    if (kept.size > 8) kept.delete(kept.keys().next().value as number);
    return found;
  };
  return {
    async read(offset, length) {
      const parts: Buffer[] = [];
      for (let at = offset; at < offset + length; ) {
        const inside = at % MIB;
        const count = Math.min(MIB - inside, offset + length - at);
        parts.push(mib(Math.floor(at / MIB)).subarray(inside, inside + count));
        at += count;
      }
      return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    },
    allocated: async (offset, length) => split(offset, length, dataBytes),
  };
}

function split(offset: number, length: number, dataBytes: number): AllocatedExtent[] {
  const data = Math.max(0, Math.min(length, dataBytes - offset));
  const parts = [
    { offset, length: data, data: true },
    { offset: offset + data, length: length - data, data: false },
  ];
  return parts.filter((part) => part.length > 0);
}

/** One chunk of data at every multiple of `every`. */
function sparse(every: number, chunkBytes: number, version: number): SnapshotSource {
  return {
    read: async (offset, length) => packable(offset / chunkBytes + version * 7, length),
    async allocated(offset, length) {
      const extents: AllocatedExtent[] = [];
      let at = offset;
      const end = offset + length;
      while (at < end) {
        const from = Math.ceil(at / every) * every;
        const until = Math.min(end, from);
        if (until > at) extents.push({ offset: at, length: until - at, data: false });
        if (from >= end) break;
        const stop = Math.min(end, from + chunkBytes);
        extents.push({ offset: from, length: stop - from, data: true });
        at = stop;
      }
      return extents;
    },
  };
}

const NOISE = Buffer.concat(
  Array.from({ length: (4 * MIB) / 64 + 1 }, (_, index) => createHash('sha512').update(`n${index}`).digest()),
);

/** Half noise, half words, so that it packs to a good half, as file systems do; unlike for every seed. */
function packable(seed: number, bytes: number): Buffer {
  const out = noise(seed, bytes);
  for (let at = 0; at < bytes; at += 4096) out.fill(`words of block ${seed} `, at, Math.min(bytes, at + 2048));
  return out;
}

function noise(seed: number, bytes: number): Buffer {
  const from = (Math.imul(seed + 1, 0x9e3779b1) >>> 0) % (NOISE.length - bytes);
  const out = Buffer.from(NOISE.subarray(from, from + bytes));
  for (let at = 0; at + 8 <= bytes; at += 4096) out.writeDoubleLE(seed + at, at + 4088 < bytes ? at + 4088 : at);
  return out;
}
