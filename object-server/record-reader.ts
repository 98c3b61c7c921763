/**
 * Reads heads and inline bodies out of the log and verifies them: on this thread as long as the page cache answers, through
 * the pool when it does not. A record that the compactor has moved meanwhile is found where it is now.
 */

import type { Clock } from '../fabric/clock.ts';
import { diskFaults } from '../fabric/disk.ts';
import { Fault, isFault } from '../fabric/errors.ts';
import { deviceFaults } from './faults.ts';
import { handoffOriginal, type Key, SPACE_HANDOFF } from './key-format.ts';
import type { Entry, HeadLoader } from './memtable.ts';
import { checkBody, checkHead, headBallot, headKey } from './register-format.ts';
import type { Segment, Segments } from './segments.ts';

/** Reads on this thread are worth it only while the page cache answers; after a slow one, this many go to the pool. */
const ASYNC_READS_AFTER_SLOW = 64;
const SLOW_READ_MS = 2;
const READ_SLAB_BYTES = 128 * 1024;
const SLAB_READ_BYTES_MAX = 16 * 1024;

export interface ReadResult {
  readonly head: Buffer | null;
  readonly body?: Buffer;
}

export interface RecordReaderOptions {
  readonly segments: Segments;
  readonly clock: Clock;
  /** Where the key's record is now. */
  readonly current: (key: Key) => Entry | undefined;
  /** Sets the record aside and makes the Fault to throw. */
  readonly corrupt: (key: Key, entry: Entry, reason: string) => Fault;
}

export class RecordReader {
  readonly #options: RecordReaderOptions;
  #asyncReads = 0;
  #slab = Buffer.alloc(0);
  #slabAt = 0;

  constructor(options: RecordReaderOptions) {
    this.#options = options;
  }

  /** Fault CorruptRegister. */
  read(key: Key, entry: Entry, wantBody: boolean): ReadResult | Promise<ReadResult> {
    if (!wantBody || entry.bodyBytes === 0) return { head: this.#head(key, entry) };
    const { segments, current } = this.#options;
    const segment = segments.get(entry.segment);
    if (!segment?.readable || !segment.file) {
      const moved = current(key);
      if (moved?.ballot === entry.ballot && moved.lsn !== entry.lsn) return this.read(key, moved, wantBody);
      throw this.#options.corrupt(key, entry, 'segment is missing');
    }
    const known = entry.loadedHead !== undefined;
    const bytes = this.#room((known ? 0 : entry.headBytes) + entry.bodyBytes);
    const from = known ? entry.bodyAt : entry.headAt;
    if (this.#asyncReads > 0) return this.#readLater(key, entry, { segment, bytes, from });
    const got = this.#readNow(key, entry, { segment, bytes, from });
    return this.#verified(key, entry, got === bytes.length ? bytes : bytes.subarray(0, got));
  }

  /** undefined when it does not check: then it has been set aside. */
  headOf(key: Key, entry: Entry): Buffer | undefined {
    try {
      return entry.head;
    } catch (error) {
      this.#options.corrupt(key, entry, (error as Error).message);
      return undefined;
    }
  }

  #head(key: Key, entry: Entry): Buffer {
    try {
      return entry.head;
    } catch (error) {
      throw this.#options.corrupt(key, entry, (error as Error).message);
    }
  }

  #readNow(key: Key, entry: Entry, { segment, bytes, from }: ReadWhere): number {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    try {
      return segment.file?.readSync(bytes, from) ?? 0;
    } catch (error) {
      return this.#failed(key, entry, error as Error);
    } finally {
      if (clock.monotonicMs() - startMs > SLOW_READ_MS) this.#asyncReads = ASYNC_READS_AFTER_SLOW;
    }
  }

  async #readLater(key: Key, entry: Entry, { segment, bytes, from }: ReadWhere): Promise<ReadResult> {
    this.#asyncReads--;
    const file = segment.acquire();
    try {
      const got = await file.read(bytes, from).catch((error: Error) => this.#failed(key, entry, error));
      return this.#verified(key, entry, bytes.subarray(0, got));
    } finally {
      segment.release();
    }
  }

  /** Small records share a slab: an allocation each would cost more than the read. */
  #room(length: number): Buffer {
    if (length > SLAB_READ_BYTES_MAX) return Buffer.allocUnsafeSlow(length);
    if (this.#slabAt + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(READ_SLAB_BYTES);
      this.#slabAt = 0;
    }
    this.#slabAt += length;
    return this.#slab.subarray(this.#slabAt - length, this.#slabAt);
  }

  /** The head is not kept in the entry: it would keep the whole slab alive. */
  #verified(key: Key, entry: Entry, bytes: Buffer): ReadResult {
    try {
      const known = entry.loadedHead;
      const head = known ?? bytes.subarray(0, entry.headBytes);
      const body = known ? bytes : bytes.subarray(entry.headBytes);
      if (!known) checkRead(key, entry, head);
      checkBody(head, body);
      return { head, body };
    } catch (error) {
      throw this.#options.corrupt(key, entry, (error as Error).message);
    }
  }

  #failed(key: Key, entry: Entry, error: Error): never {
    throw isFault(error, diskFaults.io) ? this.#options.corrupt(key, entry, error.message) : error;
  }
}

interface ReadWhere {
  readonly segment: Segment;
  readonly bytes: Buffer;
  readonly from: number;
}

/** Fault CorruptRegister unless `head` checks and is the one that the index means. */
function checkRead(key: Key, entry: Entry, head: Buffer): void {
  checkHead(head);
  const original = key.startsWith(SPACE_HANDOFF) ? handoffOriginal(key) : key;
  if (headBallot(head) !== entry.ballot || headKey(head) !== original) {
    throw new Fault(deviceFaults.corruptRegister, { reason: 'another record' });
  }
}

/** Loads heads that the index leaves in the log. */
export function createHeadLoader(segments: Segments, current: (key: Key) => Entry | undefined): HeadLoader {
  const load: HeadLoader = (key, entry) => {
    const segment = segments.get(entry.segment);
    if (!segment?.readable || !segment.file) {
      const moved = current(key);
      if (moved?.ballot === entry.ballot && moved.lsn !== entry.lsn) return moved.head;
      throw new Fault(deviceFaults.corruptRegister, { reason: 'segment is missing' });
    }
    const head = Buffer.allocUnsafe(entry.headBytes);
    let got: number;
    try {
      got = segment.file.readSync(head, entry.headAt);
    } catch (error) {
      throw new Fault(deviceFaults.corruptRegister, { reason: (error as Error).message });
    }
    checkRead(key, entry, head.subarray(0, got));
    return head;
  };
  return load;
}
