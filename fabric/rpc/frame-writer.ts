/**
 * Everything one connection sends. Frames of a turn are gathered and leave in one vectored write: small ones copied into a
 * slab, large buffers by reference. Bulk (streams, large arguments) is cut into frames taken in turns, and only as much of
 * it is handed to the socket as keeps it busy: a small call never waits behind a big one.
 */
import type { Clock } from '../clock.ts';
import { encodeHoisted, Hoist } from '../codec.ts';
import type { NetSocket } from '../net.ts';
import {
  BODY_BYTES_MAX,
  emptyPrefix,
  encodePrefix,
  frameTypes,
  HEADER_BYTES_MAX,
  PREFIX_BYTES,
  type Prefix,
} from './frame-format.ts';

const SLAB_BYTES = 128 * 1024;
const SLABS_KEPT = 4;
const NO_SLABS: readonly Buffer[] = [];
/** Buffers up to this are copied into the slab: cheaper than one more entry of the vectored write. */
const COPY_BYTES_MAX = 16 * 1024;
/** Messages whose raw bytes exceed this travel as bulk. */
const PROMPT_BYTES_MAX = 64 * 1024;
/** Bulk handed to the socket and not yet taken by the kernel. */
const AHEAD_BYTES = 512 * 1024;

/** Buffers of one stream or message that wait for their turns. */
export class BulkJob {
  readonly id: number;
  readonly type: number;
  /** Told how many bytes went to the socket. */
  readonly taken: ((bytes: number) => void) | undefined;
  readonly buffers: Uint8Array[] = [];
  leftBytes = 0;
  index = 0;
  offset = 0;
  queued = false;

  constructor(id: number, type: number, taken?: (bytes: number) => void) {
    this.id = id;
    this.type = type;
    this.taken = taken;
  }
}

export class FrameWriter {
  readonly #socket: NetSocket;
  readonly #clock: Clock;
  readonly #rawBytesMax: number;
  readonly #prefix = emptyPrefix();
  #hoist = new Hoist();
  #slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #start = 0;
  #end = 0;
  readonly #freeSlabs: Buffer[] = [];
  #fullSlabs: Buffer[] = [];
  #out: Uint8Array[] = [];
  #outBytes = 0;
  #jobs: BulkJob[] = [];
  #jobBytes = 0;
  #inSocketBytes = 0;
  #scheduled = false;
  #closed = false;

  /** `rawBytesMax`: raw bytes one message may carry. */
  constructor(socket: NetSocket, clock: Clock, rawBytesMax: number) {
    this.#socket = socket;
    this.#clock = clock;
    this.#rawBytesMax = rawBytesMax;
  }

  /** Bytes accepted and not yet taken by the kernel. */
  get queuedBytes(): number {
    return this.#inSocketBytes + this.#outBytes + this.#jobBytes;
  }

  close(): void {
    this.#closed = true;
    this.#jobs = [];
    this.#out = [];
  }

  /** A frame without header or body. */
  control(type: number, id: number, extra = 0): void {
    this.#next(type, id).extra = extra;
    const at = this.#reserve(PREFIX_BYTES);
    encodePrefix(this.#slab, at, this.#prefix);
    this.#schedule();
  }

  /** A frame with a header only; buffers in `value` are small or none. */
  header(type: number, id: number, value: unknown): void {
    this.message(type, id, value, 0);
  }

  /**
   * CALL, REPLY and their like. Throws RangeError when the message exceeds the limits, and what msgpack throws for what
   * it cannot hold; nothing is sent then. Gives the bulk job if one was needed.
   */
  message(type: number, id: number, value: unknown, flags: number): BulkJob | undefined {
    const hoist = this.#hoist;
    hoist.bytes = 0;
    hoist.buffers.length = 0;
    const scratch = encodeHoisted(value, hoist);
    const headerBytes = scratch.end - scratch.start;
    const rawBytes = hoist.bytes;
    if (headerBytes > HEADER_BYTES_MAX) throw new RangeError(`message of ${headerBytes} bytes is too large`);
    if (rawBytes > this.#rawBytesMax)
      throw new RangeError(`message with ${rawBytes} raw bytes is too large: use a stream`);
    const prompt = rawBytes <= PROMPT_BYTES_MAX;
    const at = this.#reserve(PREFIX_BYTES + headerBytes);
    const prefix = this.#next(type, id);
    prefix.flags = flags;
    prefix.headerBytes = headerBytes;
    prefix.bodyBytes = prompt ? rawBytes : 0;
    prefix.extra = rawBytes;
    encodePrefix(this.#slab, at, prefix);
    this.#copyScratch(at + PREFIX_BYTES, scratch, headerBytes);
    this.#schedule();
    if (prompt) {
      for (let i = 0; i < hoist.buffers.length; i++) this.#append(hoist.buffers[i] as Uint8Array);
      hoist.buffers.length = 0;
      return undefined;
    }
    this.#hoist = new Hoist();
    const job = new BulkJob(id, frameTypes.more);
    for (const buffer of hoist.buffers) this.push(job, buffer);
    return job;
  }

  /** Adds a buffer to a job and queues the job. The buffer must not change until it is sent. */
  push(job: BulkJob, buffer: Uint8Array): void {
    if (buffer.length === 0 || this.#closed) return;
    job.buffers.push(buffer);
    job.leftBytes += buffer.length;
    this.#jobBytes += buffer.length;
    if (!job.queued) {
      job.queued = true;
      this.#jobs.push(job);
    }
    this.#schedule();
  }

  /** Forgets what of a job was not sent. */
  drop(job: BulkJob): void {
    this.#jobBytes -= job.leftBytes;
    job.leftBytes = 0;
    job.buffers.length = 0;
    job.index = 0;
    job.offset = 0;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.nextTurn(this.#flush);
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#closed) return;
    while (this.#jobs.length > 0 && this.#inSocketBytes + this.#outBytes < AHEAD_BYTES) this.#takeTurn();
    this.#seal();
    const batchBytes = this.#outBytes;
    if (batchBytes === 0) return;
    const buffers = this.#out;
    // Never an array that later slabs are added to: they would be reused when this batch is done, before their own.
    const slabs = this.#fullSlabs.length === 0 ? NO_SLABS : this.#fullSlabs;
    if (slabs !== NO_SLABS) this.#fullSlabs = [];
    this.#out = [];
    this.#outBytes = 0;
    this.#inSocketBytes += batchBytes;
    this.#socket.write(buffers, () => this.#written(batchBytes, slabs));
  };

  #written(bytes: number, slabs: readonly Buffer[]): void {
    this.#inSocketBytes -= bytes;
    for (let i = 0; i < slabs.length && this.#freeSlabs.length < SLABS_KEPT; i++)
      this.#freeSlabs.push(slabs[i] as Buffer);
    if (this.#jobs.length > 0 && !this.#scheduled && this.#inSocketBytes < AHEAD_BYTES) this.#flush();
  }

  /** One frame of the job at the front, which then goes to the back. */
  #takeTurn(): void {
    const job = this.#jobs.shift() as BulkJob;
    const bytes = Math.min(job.leftBytes, BODY_BYTES_MAX);
    job.queued = false;
    if (bytes === 0) return;
    this.#next(job.type, job.id).bodyBytes = bytes;
    const at = this.#reserve(PREFIX_BYTES);
    encodePrefix(this.#slab, at, this.#prefix);
    let left = bytes;
    while (left > 0) {
      const buffer = job.buffers[job.index] as Uint8Array;
      const part = Math.min(left, buffer.length - job.offset);
      this.#append(part === buffer.length ? buffer : buffer.subarray(job.offset, job.offset + part));
      job.offset += part;
      left -= part;
      if (job.offset === buffer.length) {
        job.index++;
        job.offset = 0;
      }
    }
    job.leftBytes -= bytes;
    this.#jobBytes -= bytes;
    if (job.leftBytes > 0) {
      job.queued = true;
      this.#jobs.push(job);
    } else {
      job.buffers.length = 0;
      job.index = 0;
    }
    job.taken?.(bytes);
  }

  /** The frame to be written next; its fields are reused, so set them all. */
  #next(type: number, id: number): Prefix {
    const prefix = this.#prefix;
    prefix.type = type;
    prefix.id = id;
    prefix.flags = 0;
    prefix.headerBytes = 0;
    prefix.bodyBytes = 0;
    prefix.extra = 0;
    return prefix;
  }

  /** Room for `bytes` in the slab, in one piece; gives its position. */
  #reserve(bytes: number): number {
    if (this.#slab.length - this.#end < bytes) {
      this.#seal();
      if (this.#slab.length === SLAB_BYTES) this.#fullSlabs.push(this.#slab);
      this.#slab =
        bytes > SLAB_BYTES
          ? Buffer.allocUnsafeSlow(bytes)
          : (this.#freeSlabs.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES));
      this.#start = 0;
      this.#end = 0;
    }
    const at = this.#end;
    this.#end += bytes;
    this.#outBytes += bytes;
    return at;
  }

  /** Closes the piece of the slab written since the last seal. */
  #seal(): void {
    if (this.#end === this.#start) return;
    this.#out.push(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  #append(buffer: Uint8Array): void {
    if (buffer.length <= COPY_BYTES_MAX) {
      const at = this.#reserve(buffer.length);
      this.#slab.set(buffer, at);
      return;
    }
    this.#seal();
    this.#out.push(buffer);
    this.#outBytes += buffer.length;
  }

  #copyScratch(at: number, scratch: Buffer & { start: number; end: number }, bytes: number): void {
    const { start } = scratch;
    const slab = this.#slab;
    if (bytes <= 64) for (let i = 0; i < bytes; i++) slab[at + i] = scratch[start + i] as number;
    else scratch.copy(slab, at, start, scratch.end);
  }
}
