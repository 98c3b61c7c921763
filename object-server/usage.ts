/** Live and total bytes per segment of both lanes: what the compactor chooses by. Advisory: an error costs space, not data. */
import type { UsageRecord } from './local-format.ts';
import type { Lane } from './segment-format.ts';

export class Usage {
  readonly #lanes = new Map<Lane, Map<number, { live: number; total: number }>>();

  #of(lane: Lane, segment: number): { live: number; total: number } {
    let segments = this.#lanes.get(lane);
    if (!segments) {
      segments = new Map();
      this.#lanes.set(lane, segments);
    }
    let usage = segments.get(segment);
    if (!usage) {
      usage = { live: 0, total: 0 };
      segments.set(segment, usage);
    }
    return usage;
  }

  add(lane: Lane, segment: number, bytes: number): void {
    const usage = this.#of(lane, segment);
    usage.live += bytes;
    usage.total += bytes;
  }

  /** Bytes that were written but belong to nothing. */
  addDead(lane: Lane, segment: number, bytes: number): void {
    this.#of(lane, segment).total += bytes;
  }

  kill(lane: Lane, segment: number, bytes: number): void {
    const usage = this.#of(lane, segment);
    usage.live = Math.max(0, usage.live - bytes);
  }

  forget(lane: Lane, segment: number): void {
    this.#lanes.get(lane)?.delete(segment);
  }

  get(lane: Lane, segment: number): { readonly live: number; readonly total: number } {
    return this.#lanes.get(lane)?.get(segment) ?? { live: 0, total: 0 };
  }

  liveBytes(lane: Lane): number {
    let sum = 0;
    for (const { live } of this.#lanes.get(lane)?.values() ?? []) sum += live;
    return sum;
  }

  *records(): Iterable<UsageRecord> {
    for (const [lane, segments] of this.#lanes) {
      for (const [segment, { live, total }] of segments) yield { lane, segment, liveBytes: live, totalBytes: total };
    }
  }

  restore(records: Iterable<UsageRecord>): void {
    for (const { lane, segment, liveBytes, totalBytes } of records) {
      const usage = this.#of(lane as Lane, segment);
      usage.live = liveBytes;
      usage.total = totalBytes;
    }
  }
}
