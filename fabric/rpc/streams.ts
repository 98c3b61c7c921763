/**
 * The two ends of a body on a connection. The receiving end grants credit as its reader takes pieces, so that no more than
 * one window ever waits here; the sending end pulls its source only while it has credit and little is queued.
 */
import type { Fault } from '../errors.ts';
import type { ByteStream } from './contract.ts';
import { frameTypes } from './frame-format.ts';
import { BulkJob, type FrameWriter } from './frame-writer.ts';

/** What a sending end keeps in the writer's queue. */
const SEND_AHEAD_BYTES = 512 * 1024;
/** Credit is granted when this part of the window has been read, not for every piece. */
const GRANT_PART = 4;

interface Reader {
  readonly resolve: (piece: Uint8Array | undefined) => void;
  readonly reject: (fault: Fault) => void;
}

/** Receiving end. Pieces are views of receive buffers (at most 64 KiB each, as the socket gave them). */
export class InboundStream implements ByteStream {
  readonly id: number;
  readonly #writer: FrameWriter;
  readonly #windowBytes: number;
  /** Sends whatever tells the other side to stop; not called once the stream has ended. */
  readonly #onCancel: (stream: InboundStream) => void;
  #pieces: Uint8Array[] = [];
  #at = 0;
  #reader: Reader | undefined;
  #openBytes: number;
  #readBytes = 0;
  #state: 'open' | 'ended' | 'failed' | 'cancelled' = 'open';
  #fault: Fault | undefined;
  queuedBytes = 0;
  /** Set while a reader waits; the client's sweep compares it with the clock. */
  waitingSinceMs: number | undefined;
  nowMs: (() => number) | undefined;

  constructor(id: number, writer: FrameWriter, windowBytes: number, onCancel: (stream: InboundStream) => void) {
    this.id = id;
    this.#writer = writer;
    this.#windowBytes = windowBytes;
    this.#openBytes = windowBytes;
    this.#onCancel = onCancel;
  }

  next(): Promise<Uint8Array | undefined> {
    if (this.#at < this.#pieces.length) return Promise.resolve(this.#take());
    if (this.#state === 'failed') return Promise.reject(this.#fault);
    if (this.#state !== 'open') return Promise.resolve(undefined);
    this.waitingSinceMs = this.nowMs?.();
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  cancel(): void {
    const wasOpen = this.#state === 'open';
    if (this.#state !== 'failed') this.#state = 'cancelled';
    this.#drop();
    if (wasOpen) this.#onCancel(this);
    this.#answer(undefined);
  }

  /** False when the sender broke the window: the connection is to be closed. */
  push(piece: Uint8Array): boolean {
    if (this.#state !== 'open') return true;
    this.#openBytes -= piece.length;
    if (this.#openBytes < 0) return false;
    if (this.#reader) {
      this.#grant(piece.length);
      this.#answer(piece);
    } else {
      this.#pieces.push(piece);
      this.queuedBytes += piece.length;
    }
    return true;
  }

  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.#answer(undefined);
  }

  fail(fault: Fault): void {
    if (this.#state !== 'open') return;
    this.#state = 'failed';
    this.#fault = fault;
    this.#drop();
    const reader = this.#reader;
    this.#reader = undefined;
    this.waitingSinceMs = undefined;
    reader?.reject(fault);
  }

  #take(): Uint8Array {
    const piece = this.#pieces[this.#at++] as Uint8Array;
    if (this.#at === this.#pieces.length) {
      this.#pieces = [];
      this.#at = 0;
    }
    this.queuedBytes -= piece.length;
    if (this.#state === 'open') this.#grant(piece.length);
    return piece;
  }

  #grant(bytes: number): void {
    this.#readBytes += bytes;
    if (this.#readBytes * GRANT_PART < this.#windowBytes) return;
    this.#writer.control(frameTypes.credit, this.id, this.#readBytes);
    this.#openBytes += this.#readBytes;
    this.#readBytes = 0;
  }

  #answer(piece: Uint8Array | undefined): void {
    const reader = this.#reader;
    this.#reader = undefined;
    this.waitingSinceMs = undefined;
    reader?.resolve(piece);
  }

  #drop(): void {
    this.#pieces = [];
    this.#at = 0;
    this.queuedBytes = 0;
  }
}

/** Sending end: pulls `source` until it ends, the other side cancels or the connection breaks. */
export class OutboundStream {
  readonly #id: number;
  readonly #source: ByteStream;
  readonly #writer: FrameWriter;
  readonly #job: BulkJob;
  #creditBytes: number;
  #stopped = false;
  #wake: (() => void) | undefined;
  /** True while the source is waited for: a caller's budget stands still then. */
  pulling = false;
  /** Called whenever bytes move, for the same reason. */
  onProgress: (() => void) | undefined;

  constructor(id: number, source: ByteStream, writer: FrameWriter, windowBytes: number) {
    this.#id = id;
    this.#source = source;
    this.#writer = writer;
    this.#creditBytes = windowBytes;
    this.#job = new BulkJob(id, frameTypes.data, () => this.#proceed());
  }

  /** Runs to the end of the stream; `broken` turns what the source threw into what the other side is told. */
  async run(broken: (error: unknown) => Fault): Promise<void> {
    try {
      while (!this.#stopped) {
        this.pulling = true;
        const piece = await this.#source.next();
        this.pulling = false;
        this.onProgress?.();
        if (this.#stopped) break;
        if (piece === undefined) {
          await this.#until(() => this.#job.leftBytes === 0);
          if (!this.#stopped) this.#writer.control(frameTypes.end, this.#id);
          return;
        }
        await this.#send(piece);
      }
    } catch (error) {
      if (this.#stopped) return;
      const fault = broken(error);
      this.#writer.drop(this.#job);
      this.#writer.header(frameTypes.fail, this.#id, [fault.code, fault.message, fault.details]);
    } finally {
      this.pulling = false;
    }
  }

  credit(bytes: number): void {
    this.#creditBytes += bytes;
    this.#proceed();
  }

  /** Ends it from outside and releases the source. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#writer.drop(this.#job);
    this.#source.cancel();
    this.#proceed();
  }

  async #send(piece: Uint8Array): Promise<void> {
    let offset = 0;
    while (offset < piece.length && !this.#stopped) {
      if (this.#creditBytes <= 0 || this.#job.leftBytes >= SEND_AHEAD_BYTES)
        await this.#until(() => this.#creditBytes > 0 && this.#job.leftBytes < SEND_AHEAD_BYTES);
      if (this.#stopped) return;
      const part = Math.min(piece.length - offset, this.#creditBytes);
      this.#creditBytes -= part;
      this.#writer.push(this.#job, part === piece.length ? piece : piece.subarray(offset, offset + part));
      offset += part;
    }
  }

  async #until(ready: () => boolean): Promise<void> {
    while (!this.#stopped && !ready()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #proceed(): void {
    this.onProgress?.();
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
