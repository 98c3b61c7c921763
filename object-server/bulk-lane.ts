/**
 * The bulk lane of a device: append-only files where the chunks of all uploads lie side by side. Space is handed out at
 * once, data is written concurrently, and one datasync serves every stream that waits for one. A failed write or sync is
 * final. What the bytes mean, and which of them are still wanted, is recorded elsewhere (the log).
 */

import { Fault } from '../fabric/errors.ts';
import type { ChunkPlace } from './blob-format.ts';
import { deviceFaults } from './faults.ts';
import { align8, SEGMENT_HEADER_BYTES } from './segment-format.ts';
import type { Segment, Segments } from './segments.ts';

export interface BulkLaneOptions {
  readonly segments: Segments;
  readonly segmentBytes: number;
  readonly onOut: (fault: Fault) => void;
}

export class BulkLane {
  readonly #options: BulkLaneOptions;
  #segment: Segment | undefined;
  readonly #creating = new Map<number, Promise<unknown>>();
  readonly #dirty = new Set<Segment>();
  #syncing: Promise<void> | undefined;
  #queuedSync: Promise<void> | undefined;
  #out: Fault | undefined;
  /** Since the start. */
  appendedBytes = 0;

  constructor(options: BulkLaneOptions) {
    this.#options = options;
    const last = options.segments.list().at(-1);
    if (last && last.number === options.segments.lastNumber) this.#segment = last;
    if (last) last.bytes = align8(last.bytes);
  }

  /** The file that is being filled: not to be compacted. */
  get openSegment(): number | undefined {
    return this.#segment?.number;
  }

  /** Written (not yet durable) when the promise resolves. The segment stays pinned in `pins` until `unpin`. */
  async append(
    buffers: readonly Uint8Array[],
    totalBytes: number,
    pins: Set<Segment>,
  ): Promise<Omit<ChunkPlace, 'payloadBytes'>> {
    if (this.#out) throw this.#out;
    const segment = this.#room(totalBytes);
    if (!pins.has(segment)) {
      pins.add(segment);
      segment.pins++;
    }
    const offset = segment.bytes;
    segment.bytes += align8(totalBytes);
    this.appendedBytes += totalBytes;
    try {
      if (!segment.file) await this.#create(segment);
      await segment.file?.write(buffers, offset);
    } catch (error) {
      throw this.#fail(error as Error);
    }
    this.#dirty.add(segment);
    return { segment: segment.number, offset };
  }

  /** The register that names the bytes is in the log, or never will be. */
  unpin(pins: Set<Segment>): void {
    for (const segment of pins) segment.pins--;
    pins.clear();
  }

  #room(bytes: number): Segment {
    const { segments, segmentBytes } = this.#options;
    const segment = this.#segment;
    if (segment && (segment.bytes + bytes <= segmentBytes || segment.bytes === SEGMENT_HEADER_BYTES)) return segment;
    this.#segment = segments.plan(0);
    return this.#segment;
  }

  #create(segment: Segment): Promise<unknown> {
    let creating = this.#creating.get(segment.number);
    if (!creating) {
      creating = this.#options.segments.create(segment).finally(() => this.#creating.delete(segment.number));
      this.#creating.set(segment.number, creating);
    }
    return creating;
  }

  /** Everything whose `append` has resolved is durable when this resolves; callers share the datasync. */
  sync(): Promise<void> {
    if (this.#out) return Promise.reject(this.#out);
    if (!this.#queuedSync) {
      const before = this.#syncing?.catch(() => undefined) ?? Promise.resolve();
      this.#queuedSync = before.then(() => {
        this.#queuedSync = undefined;
        this.#syncing = this.#syncAll();
        return this.#syncing;
      });
    }
    return this.#queuedSync;
  }

  async #syncAll(): Promise<void> {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    try {
      for (const segment of dirty) await segment.file?.datasync();
    } catch (error) {
      throw this.#fail(error as Error);
    }
    if (this.#out) throw this.#out;
  }

  #fail(cause: Error): Fault {
    this.#out ??= new Fault(deviceFaults.out, { cause: cause.message }, `bulk write failed: ${cause.message}`);
    this.#options.onOut(this.#out);
    return this.#out;
  }
}
