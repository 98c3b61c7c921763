/**
 * The handshake's view of a connection: takes exactly so many bytes, sends, turns to TLS. For both sides; it knows bytes and
 * not options. Bytes that come early wait here up to a limit. After the handshake `rest` gives what is left over.
 */
import { assert } from '../../fabric/assert.ts';
import { Fault } from '../../fabric/errors.ts';
import type { StreamSocket } from '../../fabric/net.ts';
import type { TlsOptions } from '../../fabric/net-tls.ts';
import { nbdFaults } from './contract.ts';
import { MalformedNbd } from './nbd-format.ts';

/** Unread bytes of a handshake: several of the longest options. */
const WAITING_BYTES_MAX = 1024 * 1024;

interface Taker {
  readonly bytes: number;
  readonly resolve: (bytes: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export class Channel {
  readonly #socket: StreamSocket;
  #waiting: Buffer = Buffer.alloc(0);
  #taker: Taker | undefined;
  #pending: { resolve: (identity: string | undefined) => void; reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;

  constructor(socket: StreamSocket) {
    this.#socket = socket;
  }

  /** Copies; the caller may use its buffer again. Throws MalformedNbd when too much waits. */
  push(bytes: Buffer): void {
    if (this.#waiting.length + bytes.length > WAITING_BYTES_MAX)
      throw new MalformedNbd('handshake bytes nobody asked for');
    this.#waiting = Buffer.concat([this.#waiting, bytes]);
    this.#serve();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#taker?.reject(this.#failure);
    this.#pending?.reject(this.#failure);
    this.#taker = undefined;
    this.#pending = undefined;
  }

  take(bytes: number): Promise<Buffer> {
    assert(this.#taker === undefined, 'one taker at a time');
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      this.#taker = { bytes, resolve, reject };
      this.#serve();
    });
  }

  /** Reads and forgets, a piece at a time. */
  async skip(bytes: number): Promise<void> {
    for (let left = bytes; left > 0; ) {
      const part = Math.min(left, 64 * 1024);
      await this.take(part);
      left -= part;
    }
  }

  /** Resolves when the system has taken the bytes, so that a peer that never reads is waited for. */
  send(bytes: Uint8Array): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const pending = { resolve: () => {}, reject };
      this.#pending = pending;
      this.#socket.write([bytes], () => {
        if (this.#pending === pending) this.#pending = undefined;
        resolve();
      });
    });
  }

  /** The identity that the other side proved, if any. Bytes sent too early could be a stranger's: they end it. */
  secure(options: TlsOptions): Promise<string | undefined> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#waiting.length > 0)
      return Promise.reject(new Fault(nbdFaults.malformed, {}, 'bytes before the TLS handshake'));
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#socket.secure(options);
    });
  }

  secured(identity: string | undefined): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.resolve(identity);
  }

  rest(): Buffer {
    const rest = this.#waiting;
    this.#waiting = Buffer.alloc(0);
    return rest;
  }

  #serve(): void {
    const taker = this.#taker;
    if (taker === undefined || this.#waiting.length < taker.bytes) return;
    this.#taker = undefined;
    const bytes = this.#waiting.subarray(0, taker.bytes);
    this.#waiting = this.#waiting.subarray(taker.bytes);
    taker.resolve(bytes);
  }
}
