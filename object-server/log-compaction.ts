/** Moves the live records out of one log segment: see compactor.ts. */
import type { Compaction } from './compaction.ts';
import type { DeviceParts } from './device-parts.ts';
import { handoffKey, type Key } from './key-format.ts';
import { type Damage, type FoundFrame, walkSegment } from './log-reader.ts';
import type { Entry } from './memtable.ts';
import { headBallot, headKey } from './register-format.ts';
import { FRAME, FRAME_HANDOFF, makeLsn, SEGMENT_HEADER_BYTES } from './segment-format.ts';
import type { Segment } from './segments.ts';

interface Live {
  readonly key: Key;
  readonly entry: Entry;
  readonly head: Buffer;
}

export class LogCompaction implements Compaction {
  readonly segment: Segment;
  readonly #parts: DeviceParts;
  readonly #isOld: (key: Key, entry: Entry) => boolean;
  #at = SEGMENT_HEADER_BYTES;
  #tombstones: Live[] = [];
  movedBytes = 0;
  damaged = false;

  constructor(parts: DeviceParts, segment: Segment, isOldTombstone: (key: Key, entry: Entry) => boolean) {
    this.#parts = parts;
    this.segment = segment;
    this.#isOld = isOldTombstone;
  }

  async step(bytesMax: number): Promise<boolean> {
    const { number, epoch, bytes: end } = this.segment;
    const stopAt = this.movedBytes + bytesMax;
    const file = this.segment.acquire();
    try {
      this.#at = await walkSegment(
        { file, number, epoch, from: this.#at, end, bodies: true },
        {
          frame: (found) => {
            this.#frame(found);
            return this.movedBytes < stopAt;
          },
          damage: (damage) => this.#damage(damage),
        },
      );
    } finally {
      this.segment.release();
    }
    await this.#reclaim();
    await this.#parts.log.whenSynced(undefined);
    return this.#at >= end;
  }

  #frame({ lsn, frame, head, body }: FoundFrame): void {
    const { registers } = this.#parts;
    if (frame.type === FRAME.promise) registers.renewPromise(headKey(head), headBallot(head));
    if (frame.type !== FRAME.register) return;
    const original = headKey(head);
    const key = frame.flags & FRAME_HANDOFF ? handoffKey(frame.target, original) : original;
    const entry = registers.get(key);
    if (entry?.lsn !== lsn) return;
    if (this.#isOld(key, entry)) this.#tombstones.push({ key, entry, head: Buffer.from(head) });
    else this.#move({ key, entry, head: Buffer.from(head) }, body && body.length > 0 ? Buffer.from(body) : undefined);
  }

  #move({ key, entry, head }: Live, body: Buffer | undefined): void {
    const { registers } = this.#parts;
    const handoffFor = key === headKey(head) ? undefined : (key.charCodeAt(1) << 8) | key.charCodeAt(2);
    registers.write(key, head, { body, handoffFor, moved: true, origin: entry.origin }, entry);
    this.movedBytes += entry.recordBytes;
  }

  /** A live record that cannot be read is repaired from another replica; until then it keeps its place. */
  #damage({ number, from, head }: Damage): boolean {
    this.damaged = true;
    const { registers, onCorrupt } = this.#parts;
    if (!head) return true;
    const key = headKey(head);
    const entry = registers.get(key);
    if (entry?.lsn === makeLsn(number, from) && registers.quarantine(key, entry.lsn)) onCorrupt(key);
    return true;
  }

  /** Old tombstones go when every primary has said so; the others move like any record. */
  async #reclaim(): Promise<void> {
    const { registers, mayReclaim } = this.#parts;
    const tombstones = this.#tombstones;
    this.#tombstones = [];
    for (const tombstone of tombstones) {
      const { key, entry } = tombstone;
      const confirmed = await mayReclaim(key, entry.ballot).catch(() => false);
      if (registers.get(key) !== entry && registers.get(key)?.lsn !== entry.lsn) continue;
      if (confirmed) registers.forget(key, entry);
      else this.#move(tombstone, undefined);
    }
  }
}
