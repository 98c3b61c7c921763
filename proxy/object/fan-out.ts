/** One source of chunks, several readers at their own pace, each behind a bounded queue. Buffers are shared, not copied. */

import type { Clock } from '../../fabric/clock.ts';
import { Fault, fabricFaults } from '../../fabric/errors.ts';
import type { ByteStream } from '../../fabric/rpc/contract.ts';

/** Chunks a reader may be behind the source. */
export const LANE_CHUNKS_MAX = 4;
/** A reader that takes nothing for this long while its queue is full is cut off. */
export const LAG_MS = 10_000;

export interface Lane extends ByteStream {
  readonly live: boolean;
}

export interface FanOut {
  hold(payload: Buffer): void;
  release(payload: Uint8Array): void;
  lane(): Lane;
  /** Waits for room in every live lane; resolves with the number of live lanes. */
  push(head: Buffer, payload: Buffer): Promise<number>;
  end(): void;
  fail(error: unknown): void;
}

/**
 * `recycle` gets each payload back once all who were given it have released it: lanes, and whoever else `hold` was called
 * for. One that is never released is left to the collector.
 */
export function createFanOut(clock: Clock, recycle: (payload: Buffer) => void): FanOut {
  const held = new Map<Uint8Array, number>();
  const release = (payload: Uint8Array): void => {
    const left = (held.get(payload) ?? 0) - 1;
    if (left > 0) return void held.set(payload, left);
    if (held.delete(payload)) recycle(payload as Buffer);
  };
  const hold = (payload: Buffer): void => void held.set(payload, (held.get(payload) ?? 0) + 1);
  const lanes: LaneQueue[] = [];
  const live = (): LaneQueue[] => lanes.filter((lane) => lane.live);
  return {
    hold,
    release,
    lane() {
      const lane = new LaneQueue(release);
      lanes.push(lane);
      return lane;
    },
    async push(head, payload) {
      for (const lane of live()) {
        const room = lane.room();
        if (room)
          await withLimit(clock, room, () => lane.fail(new Fault(fabricFaults.deadline, { reason: 'replica lags' })));
      }
      const takers = live();
      for (const lane of takers) {
        hold(payload);
        lane.add(head, payload);
      }
      return takers.length;
    },
    end() {
      for (const lane of lanes) lane.end();
    },
    fail(error) {
      for (const lane of lanes) lane.fail(error);
    },
  };
}

function withLimit(clock: Clock, room: Promise<void>, late: () => void): Promise<void> {
  const timer = clock.after(LAG_MS, late);
  return room.finally(() => timer.cancel());
}

class LaneQueue implements Lane {
  readonly unmoved = true;
  readonly release: (payload: Uint8Array) => void;
  #queue: Buffer[] = [];
  #ended = false;
  #error: unknown;
  #cancelled = false;
  #wakeReader: (() => void) | undefined;
  #wakeSource: (() => void) | undefined;

  constructor(release: (payload: Uint8Array) => void) {
    this.release = release;
  }

  get live(): boolean {
    return !this.#cancelled && this.#error === undefined;
  }

  /** undefined when there is room now. */
  room(): Promise<void> | undefined {
    if (this.#queue.length < 2 * LANE_CHUNKS_MAX) return undefined;
    return new Promise((resolve) => {
      this.#wakeSource = resolve;
    });
  }

  add(head: Buffer, payload: Buffer): void {
    this.#queue.push(head, payload);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** What a failed lane still holds is not released: its reader may be in the middle of it. */
  fail(error: unknown): void {
    if (this.#ended && this.#queue.length === 0) return;
    this.#error ??= error;
    this.#wake();
  }

  cancel(): void {
    this.#cancelled = true;
    this.#queue = [];
    this.#wake();
  }

  async next(): Promise<Uint8Array | undefined> {
    while (this.#queue.length === 0 && !this.#ended && this.live) {
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
    if (this.#error !== undefined) throw this.#error;
    const next = this.#queue.shift();
    const wake = this.#wakeSource;
    this.#wakeSource = undefined;
    wake?.();
    return next;
  }

  #wake(): void {
    const reader = this.#wakeReader;
    const source = this.#wakeSource;
    this.#wakeReader = undefined;
    if (this.live) return reader?.();
    this.#wakeSource = undefined;
    reader?.();
    source?.();
  }
}
