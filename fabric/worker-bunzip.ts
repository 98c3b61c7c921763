/**
 * bzip2 on a thread of its own, because a block takes a tenth of a second: pieces in, pieces out, with a bound on what is
 * under way in both directions, however much comes out of little. The thread ends with the body.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';

/** Compressed pieces handed over and not taken yet. */
const INPUT_MAX = 4;
/** Pieces of the output (64 KiB each) that wait to be read; then the thread waits. */
export const OUTPUT_MAX = 16;

/** Places in the shared counters. */
export const SENT_IN = 0;
export const TAKEN_OUT = 1;

export type BunzipAnswer = { readonly took: true } | { readonly piece: Uint8Array } | { readonly end: string | null };

export interface BunzipData {
  readonly port: MessagePort;
  readonly counters: SharedArrayBuffer;
}

/** The bytes that `source` is the bzip2 of. Throws for what is none. */
export async function* bunzipOnThread(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const thread = new Thread();
  const fed = thread.feed(source);
  try {
    for (let piece = await thread.next(); piece; piece = await thread.next()) yield piece;
  } finally {
    thread.close();
    await fed;
  }
}

class Thread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #counters = new Int32Array(new SharedArrayBuffer(8));
  readonly #pieces: Uint8Array[] = [];
  #untaken = 0;
  #ended = false;
  #failure: Error | undefined;
  /** Whoever waits for room or for a piece. */
  #wake: (() => void)[] = [];

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData: BunzipData = { port: port2, counters: this.#counters.buffer as SharedArrayBuffer };
    const file = new URL(`./worker-bunzip-thread${import.meta.url.slice(-3)}`, import.meta.url);
    this.#worker = new Worker(file, { workerData, transferList: [port2] });
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#hearOut());
    port1.on('message', (answer: BunzipAnswer) => this.#hear(answer));
  }

  #hear(answer: BunzipAnswer): void {
    if ('took' in answer) this.#untaken--;
    else if ('piece' in answer) this.#pieces.push(answer.piece);
    else return this.#end(answer.end === null ? undefined : new Error(answer.end));
    this.#wakeAll();
  }

  /** Its end is told apart from what it said, and may come first: without a last word the output is not whole. */
  #hearOut(): void {
    for (let said = receiveMessageOnPort(this.#port); said; said = receiveMessageOnPort(this.#port)) {
      this.#hear(said.message as BunzipAnswer);
    }
    this.#end(new Error('the thread ended before the output did'));
  }

  #end(error: Error | undefined): void {
    if (!this.#ended) this.#failure = error;
    this.#ended = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => void this.#wake.push(resolve));
  }

  /** Never rejects: a source that fails ends the output with its error. */
  async feed(source: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const piece of source) {
        while (this.#untaken >= INPUT_MAX && !this.#ended) await this.#wait();
        if (this.#ended) return;
        this.#untaken++;
        this.#send(piece);
      }
      this.#send(null);
    } catch (error) {
      this.#end(error as Error);
    }
  }

  #send(piece: Uint8Array | null): void {
    this.#port.postMessage(piece);
    Atomics.add(this.#counters, SENT_IN, 1);
    Atomics.notify(this.#counters, SENT_IN);
  }

  async next(): Promise<Buffer | undefined> {
    while (this.#pieces.length === 0 && !this.#ended) await this.#wait();
    const piece = this.#pieces.shift();
    if (!piece) {
      if (this.#failure) throw this.#failure;
      return undefined;
    }
    Atomics.add(this.#counters, TAKEN_OUT, 1);
    Atomics.notify(this.#counters, TAKEN_OUT);
    return Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
  }

  close(): void {
    this.#end(undefined);
    this.#port.close();
    void this.#worker.terminate();
  }
}
