/**
 * Cuts a byte stream into frames without ever joining chunks twice: a header or prefix split over chunks is copied once
 * into its own buffer, a body is handed on in pieces as it arrives, as views of the chunks. Throws MalformedFrame, after
 * which it must not be fed again.
 */
import { decodePrefix, emptyPrefix, PREFIX_BYTES, type Prefix } from './frame-format.ts';

export interface FrameSink {
  /** The frame's header is complete; its body (if any) follows in pieces. `prefix` is reused: copy what is kept. */
  frame(prefix: Readonly<Prefix>, header: Buffer): void;
  /** A piece of the body of the last frame. The sum of all pieces is its `bodyBytes`. */
  body(piece: Buffer): void;
}

const EMPTY = Buffer.alloc(0);

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #prefix: Prefix = emptyPrefix();
  readonly #prefixBytes = Buffer.alloc(PREFIX_BYTES);
  #prefixHave = 0;
  #header: Buffer | undefined;
  #headerHave = 0;
  #bodyLeft = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    const end = chunk.length;
    let at = 0;
    if (this.#header !== undefined) at = this.#continueHeader(chunk, at);
    while (at < end) {
      if (this.#bodyLeft > 0) at = this.#takeBody(chunk, at);
      else if (this.#prefixHave > 0 || end - at < PREFIX_BYTES) at = this.#splitPrefix(chunk, at);
      else {
        decodePrefix(chunk, at, this.#prefix);
        at = this.#startFrame(chunk, at + PREFIX_BYTES);
      }
    }
  }

  #splitPrefix(chunk: Buffer, at: number): number {
    const taken = Math.min(PREFIX_BYTES - this.#prefixHave, chunk.length - at);
    chunk.copy(this.#prefixBytes, this.#prefixHave, at, at + taken);
    this.#prefixHave += taken;
    if (this.#prefixHave < PREFIX_BYTES) return at + taken;
    this.#prefixHave = 0;
    decodePrefix(this.#prefixBytes, 0, this.#prefix);
    return this.#startFrame(chunk, at + taken);
  }

  #startFrame(chunk: Buffer, at: number): number {
    const { headerBytes } = this.#prefix;
    if (headerBytes === 0) return this.#deliver(EMPTY, at);
    if (chunk.length - at >= headerBytes) return this.#deliver(chunk.subarray(at, at + headerBytes), at + headerBytes);
    this.#header = Buffer.allocUnsafeSlow(headerBytes);
    this.#headerHave = 0;
    return this.#continueHeader(chunk, at);
  }

  #continueHeader(chunk: Buffer, at: number): number {
    const header = this.#header ?? EMPTY;
    const taken = Math.min(header.length - this.#headerHave, chunk.length - at);
    chunk.copy(header, this.#headerHave, at, at + taken);
    this.#headerHave += taken;
    if (this.#headerHave < header.length) return at + taken;
    this.#header = undefined;
    return this.#deliver(header, at + taken);
  }

  #deliver(header: Buffer, at: number): number {
    this.#bodyLeft = this.#prefix.bodyBytes;
    this.#sink.frame(this.#prefix, header);
    return at;
  }

  #takeBody(chunk: Buffer, at: number): number {
    const taken = Math.min(this.#bodyLeft, chunk.length - at);
    this.#bodyLeft -= taken;
    this.#sink.body(at === 0 && taken === chunk.length ? chunk : chunk.subarray(at, at + taken));
    return at + taken;
  }
}
