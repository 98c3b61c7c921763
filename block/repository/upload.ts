/**
 * One upload: leaves in order, a few at a time, each made of chunks that share the lanes; then the nodes above them; then the
 * commit. Its progress is written down every so often, so that the next uploader need not look at everything again.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import type { BeginUpload, SnapshotInfo, SnapshotRef, UploadSession } from './contract.ts';
import { Dedup, lineageIsEmpty } from './dedup.ts';
import { repositoryFaults } from './faults.ts';
import { byLeaf, type ChunkRange, chunkRanges, type Geometry, type LeafRanges, rangeBytes } from './geometry.ts';
import { snapshotInfo } from './info.ts';
import type { Lineage } from './lineage.ts';
import { FANOUT, type Ref } from './node-format.ts';
import { NodeStore } from './node-store.ts';
import { Lanes } from './parallel.ts';
import type { ProgressRecord, SnapshotRecord } from './records.ts';
import { Tree } from './tree.ts';
import { TreeBuilder } from './tree-builder.ts';
import { type LeafWork, makeLeaf } from './upload-leaves.ts';
import { readProgress, saveProgress } from './upload-progress.ts';
import { beat, commit, giveUp, type HeldSession, mark, newNonce } from './upload-state.ts';
import { NO_COUNTERS, Tally } from './upload-tally.ts';
import type { World } from './world.ts';

const STREAMS = 8;
export const STREAMS_MAX = 64;
/** Leaves in work at once, so that few changes in each still fill the lanes. */
const LEAVES_AHEAD = 8;
/** Read or sent since the last time progress was written down. */
const CHECKPOINT_BYTES = 256 * 1024 * 1024;
const CHECKPOINT_LEAVES = 64;

export interface UploadParts {
  readonly world: World;
  readonly lineage: Lineage;
  readonly geometry: Geometry;
  readonly options: BeginUpload;
  readonly held: HeldSession;
}

export class Upload implements UploadSession {
  readonly ref: SnapshotRef;
  readonly resumed: boolean;
  readonly #parts: UploadParts;
  readonly #lanes: Lanes;
  #held: HeldSession;
  #running: Promise<SnapshotInfo> | undefined;

  constructor(parts: UploadParts) {
    const { options, held } = parts;
    const streams = options.streams ?? STREAMS;
    if (streams < 1 || streams > STREAMS_MAX) throw new Fault(repositoryFaults.invalid, { streams });
    this.ref = { lineage: options.lineage, snapshot: options.snapshot };
    this.resumed = held.resumed;
    this.#parts = parts;
    this.#held = held;
    this.#lanes = new Lanes(streams);
  }

  run(): Promise<SnapshotInfo> {
    this.#running ??= this.#run().catch(async (error) => {
      // What was uploaded since it was lost is garbage that the collector may have looked for too early.
      const { world } = this.#parts;
      if (isFault(error, repositoryFaults.uploadLost))
        await mark(world.client, this.ref, { why: 'upload', nonce: newNonce(world) });
      throw error;
    });
    return this.#running;
  }

  pause(): void {
    this.#lanes.pause();
  }

  resume(): void {
    this.#lanes.resume();
  }

  async cancel(): Promise<void> {
    this.#lanes.fail(new Fault(repositoryFaults.cancelled, { ...this.ref }));
    await this.#running?.catch(() => {});
    try {
      await giveUp(this.#parts.world, this.ref, this.#held.etag);
    } catch (error) {
      if (isFault(error, repositoryFaults.preconditionFailed))
        throw new Fault(repositoryFaults.uploadLost, { ...this.ref });
      throw error;
    }
  }

  async #run(): Promise<SnapshotInfo> {
    const { world, lineage, geometry, options } = this.#parts;
    const nodes = new NodeStore(world.client, lineage);
    const base = Tree.from(nodes, this.#held.record.base?.tree ?? { level: 0 });
    const generation = this.#held.record.seenRound;
    const { workNonce: session } = this.#held.record;
    const { pointInTime } = options;
    const saved = this.resumed ? await readProgress(world.client, this.ref, { session, pointInTime }) : undefined;
    const ranges = chunkRanges(geometry, options.changed);
    const tally = new Tally(totalBytes(geometry, ranges), saved?.counters ?? NO_COUNTERS, options.onProgress);
    const onNode = (bytes: number): void => tally.node(bytes);
    const builder = new TreeBuilder({ nodes, base, geometry, generation, onNode });
    if (saved) {
      builder.restore(saved.pending, saved.leavesDone);
      tally.skip(bytesBelow(geometry, ranges, saved.leavesDone));
    }
    const lookUp = !(await lineageIsEmpty(world.client, lineage.id));
    const dedup = new Dedup({ client: world.client, lineage: lineage.id, condemned: this.#held.condemned, lookUp });
    const { source } = options;
    const work = { world, lineage, geometry, source, base, nodes, dedup, generation, lanes: this.#lanes, tally };
    await this.#leaves(work, builder, byLeaf(ranges, saved?.leavesDone ?? 0));
    const tree = await builder.finish();
    await options.verify?.();
    return await this.#lanes.run(() => this.#commit(tree, tally));
  }

  /** In order, LEAVES_AHEAD in work; when one fails, no other is begun and all that began have ended before it is told. */
  async #leaves(work: LeafWork, builder: TreeBuilder, leaves: Iterable<LeafRanges>): Promise<void> {
    const ahead: { readonly leaf: number; readonly ref: Promise<Ref | undefined> }[] = [];
    const checkpoint = new Checkpoint(work.tally, work.world.checkpointLeaves ?? CHECKPOINT_LEAVES);
    const takeFirst = async (): Promise<void> => {
      const first = ahead.shift();
      if (first === undefined) return;
      await builder.add(first.leaf, await first.ref);
      if (checkpoint.due()) await this.#checkpoint(builder, first.leaf + 1, work.tally);
    };
    try {
      for (const each of leaves) {
        const ref = makeLeaf(work, each);
        ref.catch(() => {});
        ahead.push({ leaf: each.leaf, ref });
        if (ahead.length >= LEAVES_AHEAD) await takeFirst();
      }
      while (ahead.length > 0) await takeFirst();
    } catch (error) {
      this.#lanes.fail(error);
      await Promise.allSettled(ahead.map(({ ref }) => ref));
      throw error;
    }
  }

  async #checkpoint(builder: TreeBuilder, leavesDone: number, tally: Tally): Promise<void> {
    const { world, options, geometry } = this.#parts;
    this.#held = await beat(world.client, this.ref, this.#held);
    // A single leaf is the root itself: nothing is pending that could be saved.
    if (options.pointInTime === undefined || geometry.rootLevel === 0) return;
    const { pointInTime } = options;
    const { workNonce: session } = this.#held.record;
    const pending = builder.save();
    const progress: ProgressRecord = { session, pointInTime, leavesDone, pending, counters: tally.counters };
    await saveProgress(world.client, this.ref, progress);
  }

  async #commit(tree: Tree, tally: Tally): Promise<SnapshotInfo> {
    const { world, options } = this.#parts;
    const { volume, sizeBytes, chunkBytes, createdMs, nonce, workNonce } = this.#held.record;
    const record: SnapshotRecord = {
      ...{ volume, sizeBytes, chunkBytes, createdMs, nonce, workNonce },
      ...(options.base === undefined ? {} : { parent: options.base }),
      tree: tree.toRecord(),
      counters: tally.counters,
      labels: options.labels ?? {},
    };
    await commit(world.client, this.ref, this.#held, record);
    return snapshotInfo(this.ref, record);
  }
}

class Checkpoint {
  readonly #tally: Tally;
  readonly #leavesMax: number;
  #readBytes: number;
  #leaves = 0;

  constructor(tally: Tally, leavesMax: number) {
    this.#tally = tally;
    this.#leavesMax = leavesMax;
    this.#readBytes = tally.counters.readBytes;
  }

  /** Asked once a leaf. */
  due(): boolean {
    const { readBytes } = this.#tally.counters;
    this.#leaves++;
    if (readBytes - this.#readBytes < CHECKPOINT_BYTES && this.#leaves < this.#leavesMax) return false;
    this.#readBytes = readBytes;
    this.#leaves = 0;
    return true;
  }
}

function totalBytes(geometry: Geometry, ranges: readonly ChunkRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + rangeBytes(geometry, from, to), 0);
}

function bytesBelow(geometry: Geometry, ranges: readonly ChunkRange[], leaves: number): number {
  const end = leaves * FANOUT;
  return totalBytes(
    geometry,
    ranges.flatMap(({ from, to }) => (from < end ? [{ from, to: Math.min(to, end) }] : [])),
  );
}
