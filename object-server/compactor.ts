/**
 * Takes back the space of overwritten and deleted data: copies what is still live out of the emptiest segment, waits until
 * the copies are durable and in the index, then removes the file. A crash at any point leaves either the old file or both.
 * Works in steps of bounded size, so that its caller sets the pace, and never in the way of a reader.
 */
import { stampMs } from '../fabric/stamp.ts';
import { BulkCompaction } from './bulk-compaction.ts';
import type { Checkpointer } from './checkpointer.ts';
import type { Compaction } from './compaction.ts';
import type { DeviceParts } from './device-parts.ts';
import type { Key } from './key-format.ts';
import { LogCompaction } from './log-compaction.ts';
import type { Entry } from './memtable.ts';
import { LANE, type Lane, lsnSegment, makeLsn, SEGMENT_HEADER_BYTES } from './segment-format.ts';
import type { Segment } from './segments.ts';

export interface CompactStep {
  readonly movedBytes: number;
  readonly freedBytes: number;
  /** Whether another step would find something to do. */
  readonly more: boolean;
}

const NOTHING: CompactStep = { movedBytes: 0, freedBytes: 0, more: false };

export class Compactor {
  readonly #parts: DeviceParts;
  readonly #damaged = { [LANE.log]: new Set<number>(), [LANE.bulk]: new Set<number>() };
  #current: { lane: Lane; work: Compaction } | undefined;
  #busy: Promise<CompactStep> | undefined;

  constructor(parts: DeviceParts) {
    this.#parts = parts;
  }

  step(): Promise<CompactStep> {
    this.#busy ??= this.#step().finally(() => {
      this.#busy = undefined;
    });
    return this.#busy;
  }

  async #step(): Promise<CompactStep> {
    const { limits, checkpointer } = this.#parts;
    this.#current ??= await this.#begin();
    if (!this.#current) return NOTHING;
    const { lane, work } = this.#current;
    const before = work.movedBytes;
    const done = await work.step(limits.compactStepBytes);
    checkpointer.wrote();
    const movedBytes = work.movedBytes - before;
    if (!done) return { movedBytes, freedBytes: 0, more: true };
    this.#current = undefined;
    if (work.damaged) {
      this.#damaged[lane].add(work.segment.number);
      return { movedBytes, freedBytes: 0, more: true };
    }
    await this.#remove(lane, work.segment);
    return { movedBytes, freedBytes: work.segment.bytes, more: true };
  }

  async #begin(): Promise<{ lane: Lane; work: Compaction } | undefined> {
    const logSegment = this.#emptiest(LANE.log, this.#logCandidates());
    const bulkSegment = this.#emptiest(LANE.bulk, this.#bulkCandidates());
    if (!logSegment && !bulkSegment) return undefined;
    const share = (lane: Lane, segment: Segment | undefined): number => (segment ? this.#liveShare(lane, segment) : 2);
    const parts = this.#parts;
    if (logSegment && share(LANE.log, logSegment) <= share(LANE.bulk, bulkSegment)) {
      return {
        lane: LANE.log,
        work: new LogCompaction(parts, logSegment, (key, entry) => this.#isOldTombstone(key, entry, logSegment)),
      };
    }
    // What points into a bulk segment is found through the index.
    await parts.checkpointer.run();
    return bulkSegment && { lane: LANE.bulk, work: new BulkCompaction(parts, bulkSegment) };
  }

  #emptiest(lane: Lane, candidates: readonly Segment[]): Segment | undefined {
    let best: Segment | undefined;
    let bestShare = this.#parts.limits.compactLiveShare;
    for (const segment of candidates) {
      const share = this.#liveShare(lane, segment);
      if (share > bestShare || this.#damaged[lane].has(segment.number)) continue;
      best = segment;
      bestShare = share;
    }
    return best;
  }

  #liveShare(lane: Lane, segment: Segment): number {
    return this.#parts.registers.usage.live(lane, segment.number) / Math.max(1, segment.bytes - SEGMENT_HEADER_BYTES);
  }

  /** Sealed, in the index, and read by every consumer of the feed that is not hopelessly behind. */
  #logCandidates(): Segment[] {
    const { segments, registers, checkpointer, limits, log } = this.#parts;
    const newest = lsnSegment(log.tail);
    let below = Math.min(newest, lsnSegment(checkpointer.covered));
    for (const cursor of registers.cursors.values()) {
      const at = lsnSegment(cursor);
      if (newest - at <= limits.cursorLagSegments) below = Math.min(below, at);
    }
    return segments.list().filter(({ number }) => number < below);
  }

  #bulkCandidates(): Segment[] {
    const { bulkSegments, bulk } = this.#parts;
    return bulkSegments.list().filter(({ number, pins }) => number !== bulk.openSegment && pins === 0);
  }

  /** No older record of the key can lie anywhere else on this device, and it is old enough to ask the others. */
  #isOldTombstone(_key: Key, entry: Entry, from: Segment): boolean {
    const { segments, clock, limits } = this.#parts;
    if (!entry.tombstone || stampMs(entry.ballot) > clock.nowMs() - limits.tombstoneAgeMs) return false;
    if (segments.unreadable.size > 0) return false;
    return segments.list().every(({ number }) => number === from.number || number > entry.origin);
  }

  /** The copies are durable and the index points at them before the file goes. */
  async #remove(lane: Lane, segment: Segment): Promise<void> {
    const { segments, bulkSegments, registers, log } = this.#parts;
    const checkpointer: Checkpointer = this.#parts.checkpointer;
    if (lane === LANE.log) checkpointer.setFeedOldest(makeLsn(segment.number + 1, 0));
    const needed = log.tail;
    await checkpointer.run();
    // No checkpoint (no space, device out): everything stays as it is, and is tried again.
    if (checkpointer.covered < needed) return;
    registers.usage.forget(lane, segment.number);
    await (lane === LANE.log ? segments : bulkSegments).remove(segment.number);
  }
}
