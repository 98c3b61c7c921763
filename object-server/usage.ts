/** Live bytes per segment of both lanes: what the compactor chooses by. Advisory: an error costs space, not data. */
import type { UsageRecord } from './local-format.ts';
import { LANE, type Lane } from './segment-format.ts';

export class Usage {
  readonly #lanes: Readonly<Record<Lane, Map<number, number>>> = { [LANE.log]: new Map(), [LANE.bulk]: new Map() };

  add(lane: Lane, segment: number, bytes: number): void {
    const live = this.#lanes[lane];
    live.set(segment, (live.get(segment) ?? 0) + bytes);
  }

  kill(lane: Lane, segment: number, bytes: number): void {
    const live = this.#lanes[lane];
    const rest = (live.get(segment) ?? 0) - bytes;
    if (rest > 0) live.set(segment, rest);
    else live.delete(segment);
  }

  forget(lane: Lane, segment: number): void {
    this.#lanes[lane].delete(segment);
  }

  live(lane: Lane, segment: number): number {
    return this.#lanes[lane].get(segment) ?? 0;
  }

  liveBytes(): number {
    let sum = 0;
    for (const lane of Object.values(this.#lanes)) for (const live of lane.values()) sum += live;
    return sum;
  }

  *records(): Iterable<UsageRecord> {
    for (const lane of [LANE.log, LANE.bulk]) {
      for (const [segment, liveBytes] of this.#lanes[lane]) yield { lane, segment, liveBytes };
    }
  }

  restore(records: Iterable<UsageRecord>): void {
    for (const { lane, segment, liveBytes } of records) this.#lanes[lane as Lane]?.set(segment, liveBytes);
  }
}
