/**
 * Hybrid logical timestamps (Kulkarni et al., 2014) with a writer id: the order of all writes of a key, its ballot and
 * its version identity. A stamp is 16 lower-case hex digits, so that `<` on strings is the order:
 *
 *     +---------------- 13 digits (52 bits) ---------------+-- 3 digits (12 bits) --+
 *     | ticks of 10 µs since 1970 (Swift's precision)      | writer id              |
 *     +----------------------------------------------------+------------------------+
 *
 * Two stamps are never equal: a writer never issues one tick twice (not even across a restart with the clock set back:
 * it keeps a durable ceiling it has not passed), and no two writers share an id.
 */
import { assert } from './assert.ts';
import type { Clock } from './clock.ts';

export type Stamp = string & { readonly brand: 'stamp' };

export const NO_STAMP = '0000000000000000' as Stamp;
export const MAX_STAMP = 'ffffffffffffffff' as Stamp;
export const WRITER_ID_MAX = 0xfff;
/** A remote stamp further ahead than this is refused: one broken clock must not drag the cluster's with it. */
export const STAMP_AHEAD_MS_MAX = 5 * 60 * 1000;

export function makeStamp(ticks: number, writerId: number): Stamp {
  assert(ticks >= 0 && ticks < 2 ** 52 && writerId >= 0 && writerId <= WRITER_ID_MAX, 'stamp out of range');
  return (ticks.toString(16).padStart(13, '0') + writerId.toString(16).padStart(3, '0')) as Stamp;
}

export function stampTicks(stamp: Stamp): number {
  return Number.parseInt(stamp.slice(0, 13), 16);
}

/** Unix milliseconds, with the fraction. */
export function stampMs(stamp: Stamp): number {
  return stampTicks(stamp) / 100;
}

/** Swift's X-Timestamp: seconds with five decimals, ten digits before the point. */
export function stampToSwift(stamp: Stamp): string {
  const ticks = stampTicks(stamp);
  return `${String(Math.floor(ticks / 100_000)).padStart(10, '0')}.${String(ticks % 100_000).padStart(5, '0')}`;
}

/** Swift's own timestamps: seconds, five decimals, perhaps an offset in hex. */
const SWIFT_TIME = /^(\d{1,10})(?:\.(\d{1,5})\d*)?(?:_([0-9a-f]{1,16}))?$/;

/** The inverse of `stampToSwift`, as far as text can say it: the writer is the offset's. Undefined for what is no time. */
export function stampFromSwift(text: string): Stamp | undefined {
  const match = SWIFT_TIME.exec(text);
  if (!match) return undefined;
  const [, seconds = '', fraction = '', offset = '0'] = match;
  return makeStamp(Number(seconds) * 100_000 + Number(fraction.padEnd(5, '0')), Number.parseInt(offset.slice(-3), 16));
}

export interface StampSource {
  readonly writerId: number;
  /** A stamp greater than every one issued or observed here. */
  next(): Stamp;
  /** Moves this source past a stamp seen elsewhere. */
  observe(stamp: Stamp): void;
}

export interface StampSourceOptions {
  readonly clock: Clock;
  readonly writerId: number;
  /** Ticks that an earlier life of this writer may have issued: this life starts above. */
  readonly floorTicks?: number;
  /** Called synchronously before the first stamp at or above the reserved ceiling is issued; must make the new one durable. */
  readonly reserve?: (ceilingTicks: number) => void;
}

const RESERVE_TICKS = 60 * 100_000;

export function createStampSource({ clock, writerId, floorTicks = 0, reserve }: StampSourceOptions): StampSource {
  let last = floorTicks;
  let ceiling = floorTicks;
  const suffix = writerId.toString(16).padStart(3, '0');
  return {
    writerId,
    next() {
      const wall = Math.floor(clock.nowMs() * 100);
      last = wall > last ? wall : last + 1;
      if (last >= ceiling && reserve) {
        ceiling = last + RESERVE_TICKS;
        reserve(ceiling);
      }
      return (last.toString(16).padStart(13, '0') + suffix) as Stamp;
    },
    observe(stamp) {
      const ticks = stampTicks(stamp);
      if (ticks > last && ticks < clock.nowMs() * 100 + STAMP_AHEAD_MS_MAX * 100) last = ticks;
    },
  };
}
