/**
 * The writing half of a device's log: frames queue in memory with their final position, one loop writes all that queued and
 * syncs once (group commit), then wakes everybody who waited. A failed write or datasync is final: the log is out, and
 * nothing is ever retried. It knows frames, not registers.
 */

import type { Clock } from '../fabric/clock.ts';
import { Fault } from '../fabric/errors.ts';
import { LATENCY_BUCKETS, latencyBucket } from '../fabric/latency-grid.ts';
import type { Lsn } from './contract.ts';
import { deviceFaults } from './faults.ts';
import {
  FRAME_HEADER_BYTES,
  type FrameType,
  frameBytes,
  makeLsn,
  SEGMENT_HEADER_BYTES,
  writeFrame,
} from './segment-format.ts';
import type { Segment, Segments } from './segments.ts';

const SLAB_BYTES = 1024 * 1024;
const SLABS_KEPT = 3;
/** Bodies above this are written from where they are; smaller ones are copied: cheaper than one more vector element. */
const COPY_BODY_BYTES_MAX = 16 * 1024;
const ZEROS = Buffer.alloc(8);

/** Contiguous bytes of one segment. */
interface Part {
  readonly segment: Segment;
  readonly position: number;
  readonly buffers: Uint8Array[];
}

class Batch {
  readonly parts: Part[] = [];
  readonly slabs: Buffer[] = [];
  readonly resolves: ((value: never) => void)[] = [];
  readonly rejects: ((error: Fault) => void)[] = [];
  readonly values: unknown[] = [];
  bytes = 0;
}

export interface Append {
  readonly type: FrameType;
  readonly flags: number;
  readonly target: number;
  /** 0: this frame's own segment. */
  readonly origin: number;
  readonly head: Uint8Array;
  readonly body: Uint8Array | undefined;
}

export interface LogOptions {
  readonly segments: Segments;
  readonly clock: Clock;
  readonly segmentBytes: number;
  /** Everything below is durable. The next frame goes here, if `segment` says so; else into a new segment. */
  readonly tail: Lsn;
  readonly segment: Segment | undefined;
  /** Called once, when the log goes out. */
  readonly onOut: (fault: Fault) => void;
  /** Called before the first frame of a batch, to let bookkeeping ride along. */
  readonly onBatch: () => void;
}

export class Log {
  readonly #options: LogOptions;
  #segment: Segment | undefined;
  #tail: Lsn;
  #synced: Lsn;
  #batch = new Batch();
  /** Batch being written, for those who only wait. */
  #writing = false;
  #starting = false;
  #out: Fault | undefined;
  #idleSlabs: Buffer[] = [];
  #slab: Buffer | undefined;
  #slabFrom = 0;
  #slabAt = 0;
  #part: Part | undefined;
  #queuedBytes = 0;
  #syncCount = 0;
  #syncMs = 0;
  readonly #syncBuckets = new Array<number>(LATENCY_BUCKETS).fill(0);

  constructor(options: LogOptions) {
    this.#options = options;
    this.#tail = options.tail;
    this.#synced = options.tail;
    this.#segment = options.segment;
  }

  /** Where the next frame goes. */
  get tail(): Lsn {
    return this.#tail;
  }

  /** End of what is durable. */
  get synced(): Lsn {
    return this.#synced;
  }

  /** Appended, not yet durable. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get out(): Fault | undefined {
    return this.#out;
  }

  /** Totals since the start, for metrics. */
  get syncs(): { readonly count: number; readonly totalMs: number; readonly buckets: readonly number[] } {
    return { count: this.#syncCount, totalMs: this.#syncMs, buckets: this.#syncBuckets };
  }

  /** Queues a frame and returns its position. `body` must not change until it is durable. */
  append(frame: Append): Lsn {
    if (this.#out) throw this.#out;
    if (this.#batch.bytes === 0 && !this.#starting) {
      this.#starting = true;
      this.#options.onBatch();
      this.#starting = false;
    }
    const headBytes = frame.head.length;
    const bodyBytes = frame.body?.length ?? 0;
    const total = frameBytes(headBytes, bodyBytes);
    const segment = this.#room(total);
    const lsn = makeLsn(segment.number, segment.bytes);
    const copied = bodyBytes <= COPY_BODY_BYTES_MAX;
    const slabBytes = copied ? total : FRAME_HEADER_BYTES + headBytes;
    const slab = this.#slabFor(segment, slabBytes);
    const { type, flags, target, origin } = frame;
    const fields = {
      type,
      flags,
      target,
      bodyBytes,
      epoch: segment.epoch,
      origin: origin || segment.number,
      synced: this.#synced,
    };
    const headEnd = writeFrame(slab, this.#slabAt, fields, frame.head);
    if (copied) {
      if (frame.body) slab.set(frame.body, headEnd);
      slab.fill(0, headEnd + bodyBytes, this.#slabAt + total);
    }
    this.#slabAt += slabBytes;
    if (!copied && frame.body) this.#external(frame.body, total - slabBytes - bodyBytes);
    segment.bytes += total;
    this.#tail = makeLsn(segment.number, segment.bytes);
    this.#batch.bytes += total;
    this.#queuedBytes += total;
    if (!this.#writing) this.#wake();
    return lsn;
  }

  /** Resolves with `value` when everything appended so far is durable; Fault DeviceOut if that fails. */
  whenSynced<T>(value: T): Promise<T> {
    if (this.#out) return Promise.reject(this.#out);
    if (this.#tail === this.#synced) return Promise.resolve(value);
    const batch = this.#batch.bytes > 0 || !this.#current ? this.#batch : this.#current;
    return new Promise<T>((resolve, reject) => {
      batch.resolves.push(resolve as (value: never) => void);
      batch.rejects.push(reject);
      batch.values.push(value);
    });
  }

  #current: Batch | undefined;

  #room(total: number): Segment {
    const segment = this.#segment;
    if (segment && segment.bytes + total <= this.#options.segmentBytes) return segment;
    if (segment && segment.bytes === SEGMENT_HEADER_BYTES) return segment;
    this.#sealSlab();
    this.#part = undefined;
    this.#segment = this.#options.segments.plan(this.#tail);
    return this.#segment;
  }

  #slabFor(segment: Segment, bytes: number): Buffer {
    if (!this.#slab || this.#slabAt + bytes > this.#slab.length) {
      this.#sealSlab();
      this.#slab =
        bytes > SLAB_BYTES
          ? Buffer.allocUnsafeSlow(bytes)
          : (this.#idleSlabs.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES));
      this.#batch.slabs.push(this.#slab);
      this.#slabFrom = 0;
      this.#slabAt = 0;
    }
    if (!this.#part) {
      this.#part = { segment, position: segment.bytes, buffers: [] };
      this.#batch.parts.push(this.#part);
    }
    return this.#slab;
  }

  #external(body: Uint8Array, padBytes: number): void {
    this.#flushSlab();
    this.#part?.buffers.push(body);
    if (padBytes > 0) this.#part?.buffers.push(ZEROS.subarray(0, padBytes));
  }

  /** Hands what the slab holds so far to the current part. */
  #flushSlab(): void {
    if (this.#slab && this.#slabAt > this.#slabFrom) {
      this.#part?.buffers.push(this.#slab.subarray(this.#slabFrom, this.#slabAt));
      this.#slabFrom = this.#slabAt;
    }
  }

  #sealSlab(): void {
    this.#flushSlab();
    this.#slab = undefined;
  }

  #wake(): void {
    this.#writing = true;
    this.#options.clock.nextTurn(() => void this.#run());
  }

  async #run(): Promise<void> {
    while (this.#batch.bytes > 0 && !this.#out) {
      this.#sealOpenBatch();
      const batch = this.#current as Batch;
      const end = this.#tail;
      try {
        await this.#commit(batch);
      } catch (error) {
        this.#fail(error as Error);
        return;
      }
      this.#synced = end;
      this.#queuedBytes -= batch.bytes;
      this.#current = undefined;
      this.#recycle(batch);
      for (let i = 0; i < batch.resolves.length; i++) (batch.resolves[i] as (value: unknown) => void)(batch.values[i]);
    }
    this.#writing = false;
  }

  #sealOpenBatch(): void {
    this.#sealSlab();
    this.#part = undefined;
    this.#current = this.#batch;
    this.#batch = new Batch();
  }

  async #commit(batch: Batch): Promise<void> {
    const { segments, clock } = this.#options;
    for (const { segment, position, buffers } of batch.parts) {
      const file = segment.file ?? (await segments.create(segment));
      await file.write(buffers, position);
      const startMs = clock.monotonicMs();
      await file.datasync();
      const ms = clock.monotonicMs() - startMs;
      const bucket = latencyBucket(ms);
      this.#syncMs += ms;
      this.#syncCount++;
      this.#syncBuckets[bucket] = (this.#syncBuckets[bucket] ?? 0) + 1;
    }
  }

  #recycle(batch: Batch): void {
    for (const slab of batch.slabs) {
      if (slab.length === SLAB_BYTES && this.#idleSlabs.length < SLABS_KEPT) this.#idleSlabs.push(slab);
    }
  }

  #fail(cause: Error): void {
    const fault = new Fault(deviceFaults.out, { cause: cause.message }, `log write failed: ${cause.message}`);
    this.#out = fault;
    const batches = [this.#current, this.#batch];
    this.#options.onOut(fault);
    for (const batch of batches) for (const reject of batch?.rejects ?? []) reject(fault);
  }
}
