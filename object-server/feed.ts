/**
 * The change feed: accepted registers of the log in order, for consumers that would otherwise have to scan everything. Reads
 * frame headers and heads only, and never beyond what is durable. What the compactor moved is no news; promises, blobs
 * (which each device lays out its own way) and dropped keys are not changes of a register.
 */
import type { Stamp } from '../fabric/stamp.ts';
import { isBlobKey } from './blob-format.ts';
import type { Lsn, ObjectServiceCalls } from './contract.ts';
import type { Key } from './key-format.ts';
import { walkSegment } from './log-reader.ts';
import { headBallot, headKey } from './register-format.ts';
import {
  FRAME,
  FRAME_HANDOFF,
  FRAME_MOVED,
  lsnOffset,
  lsnSegment,
  makeLsn,
  SEGMENT_HEADER_BYTES,
} from './segment-format.ts';
import type { Segments } from './segments.ts';

/** One answer reads at most this much log, so that a consumer far behind does not hold anything up. */
const FEED_BYTES_MAX = 64 * 1024 * 1024;
const WINDOW_BYTES = 256 * 1024;

export interface FeedEntry {
  readonly lsn: Lsn;
  readonly key: Key;
  readonly ballot: Stamp;
}

export interface FeedPage {
  readonly entries: FeedEntry[];
  /** Everything at or below was looked at. */
  readonly next: Lsn;
}

export type FeedReply = ObjectServiceCalls['feed']['reply'];

export interface FeedOptions {
  readonly segments: Segments;
  readonly after: Lsn;
  readonly synced: Lsn;
  readonly limit: number;
}

/** `after` is the position of the last entry seen (or a `next`); 0 begins at the oldest. */
export async function readFeed({ segments, after, synced, limit }: FeedOptions): Promise<FeedPage> {
  const entries: FeedEntry[] = [];
  let next = after;
  let budget = FEED_BYTES_MAX;
  for (const segment of segments.list()) {
    const { number, epoch } = segment;
    if (number < lsnSegment(after) || number > lsnSegment(synced) || !segment.readable) continue;
    const resume = number === lsnSegment(after) ? Math.ceil(lsnOffset(after) / 8) * 8 : 0;
    const from = Math.max(resume, SEGMENT_HEADER_BYTES);
    const end = number === lsnSegment(synced) ? lsnOffset(synced) : segment.bytes;
    if (from >= end) continue;
    const file = segment.acquire();
    try {
      const walk = { file, number, epoch, from, end, bodies: false, windowBytes: WINDOW_BYTES };
      const stop = await walkSegment(walk, {
        frame: ({ lsn, frame, head }) => {
          if (lsn <= after || frame.type !== FRAME.register || frame.flags & (FRAME_MOVED | FRAME_HANDOFF)) return true;
          const key = headKey(head);
          if (!isBlobKey(key)) entries.push({ lsn, key, ballot: headBallot(head) });
          return entries.length < limit;
        },
        damage: () => true,
      });
      // `next` names the last byte looked at: a frame that begins there is new to the consumer.
      next = makeLsn(number, stop) - 1;
      budget -= stop - from;
    } finally {
      segment.release();
    }
    if (entries.length >= limit || budget <= 0) break;
  }
  return { entries, next: Math.max(next, after) };
}

/** Log between `after` and `synced`. */
export function restBytes(segments: Segments, after: Lsn, synced: Lsn): number {
  let bytes = 0;
  for (const segment of segments.list()) {
    const { number } = segment;
    if (number < lsnSegment(after) || number > lsnSegment(synced)) continue;
    const end = number === lsnSegment(synced) ? lsnOffset(synced) : segment.bytes;
    const from = number === lsnSegment(after) ? lsnOffset(after) + 1 : SEGMENT_HEADER_BYTES;
    bytes += Math.max(0, end - from);
  }
  return bytes;
}
