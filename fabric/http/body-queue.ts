/**
 * A request's body between an engine that pushes and a handler that pulls. Holds at most a bounded number of bytes:
 * above it the engine is asked to stop reading the socket until the handler has taken some. Never starts reading before
 * the handler asks, so that a refusal can precede an upload.
 */
import { assert } from '../assert.ts';
import { Fault, fabricFaults } from '../errors.ts';
import { type HttpBody, httpFaults } from './contract.ts';
import type { IdleEntry, IdleWatch } from './idle-watch.ts';
import { asBuffer, NO_BYTES } from './response-check.ts';

/** What an engine does for a body. */
export interface BodySource {
  /** The first wish for bytes: start the flow. */
  open(): void;
  pause(): void;
  resume(): void;
  /** No byte came for `bodyIdleMs` while one was wanted. */
  stalled(): void;
}

/** Bytes of a body held while the handler is busy. */
const QUEUE_BYTES_MAX = 256 * 1024;
const QUEUE_BYTES_LOW = 64 * 1024;
/** Bodies up to this length are collected into one buffer allocated at once. */
const ONE_BUFFER_BYTES_MAX = 8 * 1024 * 1024;

type State = 'idle' | 'open' | 'ended' | 'failed' | 'discarding';

interface Waiter {
  resolve(chunk: Uint8Array | undefined): void;
  reject(fault: Fault): void;
}

interface Collector {
  whole: Buffer | undefined;
  atBytes: number;
  readonly length: number;
  resolve(whole: Buffer): void;
  reject(fault: Fault): void;
}

export class BodyQueue implements HttpBody, IdleEntry {
  readonly lengthBytes: number | undefined;
  readonly idleLimitMs: number;
  idleSinceMs = 0;
  readonly #source: BodySource;
  readonly #watch: IdleWatch;
  #state: State = 'idle';
  #fault: Fault | undefined;
  #chunks: Uint8Array[] = [];
  #queuedBytes = 0;
  #paused = false;
  #receivedBytes = 0;
  #waiter: Waiter | undefined;
  #collector: Collector | undefined;
  #taken = 0;
  #discardBytesMax = 0;

  constructor(lengthBytes: number | undefined, source: BodySource, world: { watch: IdleWatch; idleMs: number }) {
    this.lengthBytes = lengthBytes;
    this.#source = source;
    this.#watch = world.watch;
    this.idleLimitMs = world.idleMs;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Every byte of the body has left the socket. */
  get ended(): boolean {
    return this.#state === 'ended' || this.#receivedBytes === this.lengthBytes;
  }

  /** The engine was asked to stop reading, and not yet to go on. */
  get paused(): boolean {
    return this.#paused;
  }

  read(): Promise<Uint8Array | undefined> {
    assert(this.#waiter === undefined && this.#collector === undefined, 'one read of a body at a time');
    if (this.#chunks.length > 0) return Promise.resolve(this.#take());
    if (this.#state === 'failed' || this.#state === 'discarding') return Promise.reject(this.#gone());
    if (this.ended) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#want();
    });
  }

  collect(limitBytes: number): Promise<Buffer> {
    const length = this.lengthBytes;
    if (length === undefined) return this.#collectParts(limitBytes);
    if (length > limitBytes) return Promise.reject(tooLarge(limitBytes));
    if (length > ONE_BUFFER_BYTES_MAX || this.#taken > 0) return this.#collectParts(limitBytes);
    return this.#collectWhole(length);
  }

  #collectWhole(length: number): Promise<Buffer> {
    assert(this.#waiter === undefined && this.#collector === undefined, 'one read of a body at a time');
    const first = this.#chunks[0];
    if (first !== undefined && first.byteLength === length) {
      this.#take();
      return Promise.resolve(asBuffer(first));
    }
    if (this.#state === 'failed' || this.#state === 'discarding') return Promise.reject(this.#gone());
    return new Promise((resolve, reject) => {
      this.#collector = { whole: undefined, atBytes: 0, length, resolve, reject };
      while (this.#chunks.length > 0 && this.#collector !== undefined) this.#gather(this.#take(), true);
      if (this.#collector !== undefined) this.#want();
    });
  }

  /** One piece of a body that is being collected: copied to its place, or taken as it is when it is all of it. */
  #gather(chunk: Uint8Array, owned: boolean): void {
    const collector = this.#collector!;
    if (chunk.byteLength === collector.length) collector.whole = owned ? asBuffer(chunk) : Buffer.from(chunk);
    else {
      collector.whole ??= Buffer.allocUnsafeSlow(collector.length);
      collector.whole.set(chunk, collector.atBytes);
    }
    collector.atBytes += chunk.byteLength;
    if (collector.atBytes < collector.length) return;
    this.#settle();
    collector.resolve(collector.whole);
  }

  async #collectParts(limitBytes: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for (let chunk = await this.read(); chunk !== undefined; chunk = await this.read()) {
      bytes += chunk.byteLength;
      if (bytes > limitBytes) throw tooLarge(limitBytes);
      parts.push(chunk);
    }
    return parts.length === 1 ? asBuffer(parts[0]!) : Buffer.concat(parts, bytes);
  }

  /** From the engine: the next bytes. `owned`: they stay valid after this call; otherwise they are copied. */
  push(chunk: Uint8Array, owned: boolean): void {
    this.#receivedBytes += chunk.byteLength;
    if (this.#state === 'discarding') this.#discard();
    else if (this.#state === 'ended' || this.#state === 'failed' || chunk.byteLength === 0) return;
    else if (this.#collector !== undefined) {
      this.#watch.touch(this);
      this.#gather(chunk, owned);
    } else this.#enqueue(owned ? chunk : Buffer.from(chunk));
  }

  #enqueue(chunk: Uint8Array): void {
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#settle();
      this.#taken += 1;
      waiter.resolve(chunk);
      return;
    }
    this.#chunks.push(chunk);
    this.#queuedBytes += chunk.byteLength;
    if (this.#queuedBytes >= QUEUE_BYTES_MAX && !this.#paused) {
      this.#paused = true;
      this.#source.pause();
    }
  }

  /** From the engine: the body is complete. */
  end(): void {
    if (this.#state === 'failed' || this.#state === 'ended') return;
    this.#state = 'ended';
    const waiter = this.#waiter;
    const collector = this.#collector;
    this.#settle();
    waiter?.resolve(undefined);
    collector?.reject(this.#gone());
  }

  /** From the engine: there will be no more. What was queued is dropped: a body without its end is worth nothing. */
  fail(): void {
    if (this.#state === 'failed' || this.#state === 'ended') return;
    // All of it is here: the client's leaving takes nothing away.
    if (this.ended && this.#state !== 'discarding') {
      this.end();
      return;
    }
    this.#state = 'failed';
    this.#chunks = [];
    this.#reject();
  }

  /** From the engine: the answer is out, throw the rest away. More than `bytesMax`, or a stall, and `stalled` is called. */
  discard(bytesMax: number): void {
    if (this.#state === 'failed' || this.#state === 'ended') return;
    const wasIdle = this.#state === 'idle';
    this.#state = 'discarding';
    this.#discardBytesMax = this.#receivedBytes + bytesMax;
    this.#chunks = [];
    this.#reject();
    this.#watch.touch(this);
    if (wasIdle) this.#source.open();
    if (this.#paused) this.#source.resume();
    this.#paused = false;
  }

  onIdle(): void {
    this.#source.stalled();
  }

  #discard(): void {
    if (this.#receivedBytes <= this.#discardBytesMax) {
      this.#watch.touch(this);
      return;
    }
    this.#watch.release(this);
    this.#source.stalled();
  }

  #want(): void {
    this.#watch.touch(this);
    if (this.#state === 'idle') {
      this.#state = 'open';
      this.#source.open();
    }
  }

  #reject(): void {
    const waiting = this.#waiter ?? this.#collector;
    this.#settle();
    waiting?.reject(this.#gone());
  }

  #settle(): void {
    this.#waiter = undefined;
    this.#collector = undefined;
    this.#watch.release(this);
  }

  #take(): Uint8Array {
    const chunk = this.#chunks.shift()!;
    this.#taken += 1;
    this.#queuedBytes -= chunk.byteLength;
    if (this.#paused && this.#queuedBytes <= QUEUE_BYTES_LOW) {
      this.#paused = false;
      this.#source.resume();
    }
    return chunk;
  }

  #gone(): Fault {
    this.#fault ??= new Fault(fabricFaults.aborted, {}, 'the client went away before the end of its body');
    return this.#fault;
  }
}

export const EMPTY_BODY: HttpBody = {
  lengthBytes: 0,
  read: () => Promise.resolve(undefined),
  collect: () => Promise.resolve(NO_BYTES),
};

function tooLarge(limitBytes: number): Fault {
  return new Fault(httpFaults.bodyTooLarge, { limitBytes }, `body is larger than ${limitBytes} bytes`);
}
