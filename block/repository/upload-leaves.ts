/**
 * Makes one leaf of a new manifest: reads what may differ and is allocated, lets it be sealed, finds or uploads what is new.
 * Memory is bounded by the lanes: as many chunks as there are lanes are in work, whatever the volume's size.
 */
import { Fault } from '../../fabric/errors.ts';
import type { SnapshotSource } from './contract.ts';
import type { Dedup, Placed } from './dedup.ts';
import { repositoryFaults } from './faults.ts';
import { type ChunkRange, chunkLength, chunkRanges, type Geometry, type LeafRanges, rangeBytes } from './geometry.ts';
import type { Lineage } from './lineage.ts';
import { contentName } from './names.ts';
import { FANOUT, type Ref, sameContent } from './node-format.ts';
import type { NodeStore } from './node-store.ts';
import type { Lanes } from './parallel.ts';
import type { Tree } from './tree.ts';
import type { Tally } from './upload-tally.ts';
import type { World } from './world.ts';

export interface LeafWork {
  readonly world: World;
  readonly lineage: Lineage;
  readonly geometry: Geometry;
  readonly source: SnapshotSource;
  readonly base: Tree;
  readonly nodes: NodeStore;
  readonly dedup: Dedup;
  readonly generation: number;
  readonly lanes: Lanes;
  readonly tally: Tally;
}

/** The leaf's reference, durable; undefined when it is all holes. */
export async function makeLeaf(work: LeafWork, { leaf, ranges }: LeafRanges): Promise<Ref | undefined> {
  const before = await work.base.entries(0, leaf);
  const entries = new Map(before);
  await makeChunks(work, ranges, before, entries);
  if (entries.size === 0) return undefined;
  const same = entries.size === before.size && [...entries].every(([slot, ref]) => sameContent(before.get(slot), ref));
  if (same) return await work.base.node(0, leaf);
  const { ref, bytes } = await work.nodes.write(0, entries, work.generation);
  work.tally.node(bytes);
  return ref;
}

/** Brings `entries` up to date; when it returns or throws, nothing of it is still going on. */
async function makeChunks(
  work: LeafWork,
  ranges: readonly ChunkRange[],
  before: ReadonlyMap<number, Ref>,
  entries: Map<number, Ref>,
): Promise<void> {
  const tasks: Promise<void>[] = [];
  const set = (slot: number, ref: Ref | undefined): void => {
    if (ref === undefined) entries.delete(slot);
    else entries.set(slot, ref);
  };
  try {
    for (const range of ranges) {
      for (const { from, to, data } of await allocatedRuns(work, range)) {
        if (!data) {
          for (const slot of before.keys())
            if (slot >= from % FANOUT && slot < (from % FANOUT) + to - from) set(slot, undefined);
          work.tally.skip(rangeBytes(work.geometry, from, to));
          continue;
        }
        for (let index = from; index < to; index++) {
          const slot = index % FANOUT;
          const task = work.lanes.run(async () => set(slot, await makeChunk(work, index, before.get(slot))));
          task.catch(() => {});
          tasks.push(task);
        }
      }
    }
  } finally {
    await Promise.allSettled(tasks);
  }
  for (const task of tasks) await task;
}

interface ChunkRun extends ChunkRange {
  readonly data: boolean;
}

/** The range as runs of chunks of which some byte is allocated, and of chunks of which none is. */
async function allocatedRuns({ source, geometry }: LeafWork, { from, to }: ChunkRange): Promise<readonly ChunkRun[]> {
  if (source.allocated === undefined) return [{ from, to, data: true }];
  const offset = from * geometry.chunkBytes;
  const length = rangeBytes(geometry, from, to);
  const extents = await source.allocated(offset, length);
  let end = offset;
  for (const extent of extents) {
    if (extent.offset !== end || extent.length <= 0) throw new Fault(repositoryFaults.invalid, { allocated: end });
    end += extent.length;
  }
  if (end !== offset + length) throw new Fault(repositoryFaults.invalid, { allocated: end });
  const runs: ChunkRun[] = [];
  let done = from;
  for (const data of chunkRanges(
    geometry,
    extents.filter((extent) => extent.data),
  )) {
    if (data.from > done) runs.push({ from: done, to: data.from, data: false });
    runs.push({ ...data, data: true });
    done = data.to;
  }
  if (done < to) runs.push({ from: done, to, data: false });
  return runs;
}

async function makeChunk(work: LeafWork, index: number, before: Ref | undefined): Promise<Ref | undefined> {
  const { world, source, geometry, lineage, tally } = work;
  const length = chunkLength(geometry, index);
  const raw = await source.read(index * geometry.chunkBytes, length);
  if (raw.length !== length) throw new Fault(repositoryFaults.invalid, { read: raw.length, expected: length });
  const known = before?.hash;
  const sealed = await world.sealer.seal({ raw, key: lineage.chunkKey, codec: world.codec, known });
  if (sealed.kind !== 'new') {
    tally.chunk(sealed.kind, length);
    return sealed.kind === 'zero' ? undefined : before;
  }
  const hash = Buffer.from(sealed.hash.buffer, sealed.hash.byteOffset, sealed.hash.byteLength);
  const { placed, found } = await work.dedup.place(hash, () => upload(work, hash, sealed.object));
  tally.chunk(found ? 'found' : 'uploaded', length, found ? 0 : placed.storedBytes);
  return { ...placed, chunks: 1, rawBytes: length };
}

async function upload({ world, lineage, generation }: LeafWork, hash: Buffer, object: Uint8Array): Promise<Placed> {
  await world.client.put(contentName('chunks', lineage.id, { hash, generation }), object);
  return { hash, generation, storedBytes: object.length };
}
