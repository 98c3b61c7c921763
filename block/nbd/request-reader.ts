/**
 * Takes a client's bytes apart into requests. Payloads of writes stay where the socket put them: a request gets parts of those
 * buffers, never a copy. Stops in mid-buffer when the session has no room, and goes on from there. Believes nothing.
 */
import { commands, decodeRequest, emptyRequest, MalformedNbd, REQUEST_BYTES, type Request } from './nbd-format.ts';

/** Payload of a refused write that is read and forgotten; more than this and the connection ends. */
const DISCARD_BYTES_MAX = 256 * 1024 * 1024;
const NOTHING: readonly Buffer[] = [];

export type Verdict = 'take' | 'discard' | 'wait' | 'stop';

export interface RequestSink {
  /** Asked once the header is there, again after `wait`. Room counts as taken from `take` on. */
  admit(request: Readonly<Request>): Verdict;
  /** The request object is the sink's own. After `discard`, `body` is empty. */
  request(request: Request, body: readonly Buffer[], discarded: boolean): void;
}

export class RequestReader {
  readonly #sink: RequestSink;
  #request: Request = emptyRequest();
  #head: Buffer = Buffer.allocUnsafe(REQUEST_BYTES);
  #have = 0;
  /** A decoded header waits for room. */
  #waits = false;
  #stopped = false;
  #discards = false;
  #bodyLeft = 0;
  #body: Buffer[] = [];
  #rest: Buffer[] = [];

  constructor(sink: RequestSink) {
    this.#sink = sink;
  }

  get waits(): boolean {
    return this.#waits;
  }

  /** The buffer is the reader's from here on. Throws MalformedNbd; the reader is of no use after that. */
  push(bytes: Buffer): void {
    if (this.#waits) this.#rest.push(bytes);
    else this.#parse(bytes);
  }

  /** There may be room again. */
  resume(): void {
    if (!this.#waits || !this.#begin()) return;
    const rest = this.#rest;
    this.#rest = [];
    for (const bytes of rest) this.push(bytes);
  }

  #parse(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.#stopped; ) {
      if (this.#waits) {
        this.#rest.push(bytes.subarray(at));
        return;
      }
      at += this.#bodyLeft > 0 ? this.#takeBody(bytes, at) : this.#takeHead(bytes, at);
    }
  }

  #takeHead(bytes: Buffer, at: number): number {
    const left = bytes.length - at;
    if (this.#have === 0 && left >= REQUEST_BYTES) {
      decodeRequest(bytes, at, this.#request);
      this.#begin();
      return REQUEST_BYTES;
    }
    const count = Math.min(REQUEST_BYTES - this.#have, left);
    bytes.copy(this.#head, this.#have, at, at + count);
    this.#have += count;
    if (this.#have === REQUEST_BYTES) {
      this.#have = 0;
      decodeRequest(this.#head, 0, this.#request);
      this.#begin();
    }
    return count;
  }

  /** False while there is no room. */
  #begin(): boolean {
    const request = this.#request;
    const verdict = this.#sink.admit(request);
    this.#waits = verdict === 'wait';
    this.#stopped = verdict === 'stop';
    if (this.#waits || this.#stopped) return !this.#waits;
    this.#discards = verdict === 'discard';
    this.#bodyLeft = request.type === commands.write ? request.length : 0;
    if (this.#discards && this.#bodyLeft > DISCARD_BYTES_MAX)
      throw new MalformedNbd(`write of ${request.length} bytes`);
    if (this.#bodyLeft === 0) this.#end();
    return true;
  }

  #takeBody(bytes: Buffer, at: number): number {
    const count = Math.min(this.#bodyLeft, bytes.length - at);
    if (!this.#discards) this.#body.push(bytes.subarray(at, at + count));
    this.#bodyLeft -= count;
    if (this.#bodyLeft === 0) this.#end();
    return count;
  }

  #end(): void {
    const request = this.#request;
    const body = this.#body;
    this.#request = emptyRequest();
    this.#body = [];
    this.#sink.request(request, this.#discards ? NOTHING : body, this.#discards);
  }
}
