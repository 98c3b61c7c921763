/**
 * One request and its response on node:http: hands the handler a request, puts its answer on the wire with backpressure,
 * and releases everything when the client leaves. It never lets node's own "dump the rest of the body" run unbounded,
 * and never destroys a connection whose client has not yet had the chance to read an early answer.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { assert } from '../assert.ts';
import type { Clock, Timer } from '../clock.ts';
import { fabricFaults, isFault } from '../errors.ts';
import { BodyQueue, type BodySource, EMPTY_BODY } from './body-queue.ts';
import type { HttpBody, HttpBodyStream, HttpHandler, HttpLimits, HttpRequest, HttpResponse } from './contract.ts';
import { type Head, readHead, readTarget, type Target } from './head.ts';
import type { IdleEntry, IdleWatch } from './idle-watch.ts';
import { bodyBytes, checkResponse, isBodiless, isStream, NO_BYTES } from './response-check.ts';

/** What the exchanges of one listener share. */
export interface NodeFront {
  readonly handler: HttpHandler;
  readonly limits: HttpLimits;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  readonly bodyWatch: IdleWatch;
  readonly responseWatch: IdleWatch;
  draining: boolean;
  inFlight: number;
}

/** An unread rest of a body up to this size is read and dropped to keep the connection; a larger one closes it. */
const REUSE_BYTES_MAX = 256 * 1024;
/** After an early answer on a connection that will close, so much is still read, so long, before it is cut. */
const LINGER_BYTES_MAX = 64 * 1024 * 1024;
const LINGER_MS = 10_000;
/** Larger buffers go out in pieces of this size, so that progress of a slow reader is seen. */
const WRITE_BYTES_MAX = 256 * 1024;
const ONE_WRITE_BYTES_MAX = 1024 * 1024;

export class NodeExchange implements HttpRequest, BodySource, IdleEntry {
  readonly method: string;
  readonly path: string;
  readonly query: string | undefined;
  readonly body: HttpBody;
  readonly remoteAddress: string;
  readonly tls: boolean;
  readonly idleLimitMs: number;
  idleSinceMs = 0;
  readonly #head: Head;
  readonly #front: NodeFront;
  readonly #incoming: IncomingMessage;
  readonly #out: ServerResponse;
  readonly #queue: BodyQueue | undefined;
  readonly #expects: boolean;
  readonly #refusal: number;
  #continued = false;
  #abort: AbortController | undefined;
  /** The answer is decided: what the handler returns later is dropped. */
  #settled = false;
  #written = false;
  #closed = false;
  #gone = false;
  #handled = false;
  #stream: HttpBodyStream | undefined;
  #lingering = false;
  #lingerTimer: Timer | undefined;
  #onClosed: (() => void) | undefined;
  #wake: (() => void) | undefined;

  constructor(
    front: NodeFront,
    messages: { incoming: IncomingMessage; out: ServerResponse; expects: boolean },
    peer: { remoteAddress: string; tls: boolean },
  ) {
    const { incoming, out } = messages;
    this.#front = front;
    this.#incoming = incoming;
    this.#out = out;
    this.#expects = messages.expects;
    this.remoteAddress = peer.remoteAddress;
    this.tls = peer.tls;
    this.idleLimitMs = front.limits.responseIdleMs;
    this.#head = readHead(incoming.rawHeaders, front.limits.headerCountMax);
    const target: Target | undefined = readTarget(incoming.url ?? '', this.#head.headers.get('host'));
    this.#refusal = incoming.httpVersionMajor === 1 ? this.#head.refusal || (target === undefined ? 400 : 0) : 505;
    this.method = incoming.method ?? '';
    this.path = target?.path ?? '';
    this.query = target?.query;
    const lengthBytes = this.#head.lengthBytes;
    const world = { watch: front.bodyWatch, idleMs: front.limits.bodyIdleMs };
    this.#queue = lengthBytes === 0 ? undefined : new BodyQueue(lengthBytes, this, world);
    this.body = this.#queue ?? EMPTY_BODY;
  }

  get headers(): ReadonlyMap<string, string> {
    return this.#head.headers;
  }

  headerLines(): readonly string[] {
    return this.#head.lines;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#gone) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  /** The whole message, body included, has been parsed. */
  get complete(): boolean {
    return this.#incoming.complete;
  }

  /** Runs the handler; `onClosed` is called once, when the connection is free for the next exchange or gone. */
  start(onClosed: () => void): void {
    this.#onClosed = onClosed;
    this.#front.inFlight += 1;
    this.#out.once('close', () => this.#close());
    if (this.#refusal !== 0) {
      this.#handled = true;
      this.#answer({ status: this.#refusal, headers: [], close: true });
      return;
    }
    let answer: Promise<HttpResponse> | HttpResponse;
    try {
      answer = this.#front.handler(this);
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (answer instanceof Promise) {
      answer.then(
        (response) => this.#returned(response),
        (error: unknown) => this.#failed(error),
      );
    } else this.#returned(answer);
  }

  /** The connection's bytes can no longer be understood while this exchange's body was still coming. True: nothing is answered yet. */
  breakBody(): boolean {
    this.#queue?.fail();
    const unanswered = !this.#settled;
    this.#settled = true;
    return unanswered;
  }

  // BodySource
  open(): void {
    if (this.#expects && !this.#continued && !this.#settled) {
      this.#continued = true;
      this.#out.writeContinue();
    }
    const queue = this.#queue!;
    this.#incoming.on('data', (chunk: Buffer) => queue.push(chunk, true));
    this.#incoming.on('end', () => {
      queue.end();
      if (this.#lingering) this.#endLinger();
    });
  }

  pause(): void {
    this.#incoming.pause();
  }

  resume(): void {
    this.#incoming.resume();
  }

  stalled(): void {
    if (this.#lingering) {
      this.#endLinger();
      return;
    }
    this.#queue?.fail();
    if (this.#settled) {
      this.#incoming.socket.destroy();
      return;
    }
    this.#settled = true;
    this.#out.writeHead(408, ['Content-Length', '0', 'Connection', 'close']);
    this.#out.end();
  }

  /** IdleEntry: the client does not read its response. */
  onIdle(): void {
    this.#incoming.socket.destroy();
  }

  #returned(response: HttpResponse): void {
    this.#handled = true;
    if (this.#settled || this.#closed) {
      if (isStream(response.body)) response.body.cancel();
      this.#retire();
      return;
    }
    try {
      checkResponse(response);
      this.#answer(response);
    } catch (error) {
      if (isStream(response.body) && this.#stream === undefined) response.body.cancel();
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#handled = true;
    const leftItself = (this.#gone || this.#settled) && isFault(error, fabricFaults.aborted);
    if (!leftItself) this.#front.onError(error);
    if (this.#closed) this.#retire();
    else if (this.#out.headersSent) this.#incoming.socket.destroy();
    else if (!this.#settled) this.#answer({ status: 500, headers: [] });
  }

  #answer(response: HttpResponse): void {
    const { body } = response;
    if (this.method === 'HEAD' || isBodiless(response.status)) {
      if (isStream(body)) body.cancel();
      this.#writeHead(response, isStream(body) ? response.lengthBytes : bodyBytes(body).byteLength);
      this.#finish(NO_BYTES);
    } else if (isStream(body)) {
      this.#settled = true;
      this.#stream = body;
      void this.#pump(response, body);
    } else {
      const bytes = bodyBytes(body);
      this.#writeHead(response, bytes.byteLength);
      if (bytes.byteLength <= ONE_WRITE_BYTES_MAX) this.#finish(bytes);
      else void this.#writeSlices(bytes).then((open) => open && this.#finish(NO_BYTES));
    }
  }

  #writeHead(response: HttpResponse, lengthBytes: number | undefined): void {
    const head = this.#headerLines(response, lengthBytes);
    if (response.reason === undefined) this.#out.writeHead(response.status, head);
    else this.#out.writeHead(response.status, response.reason, head);
    this.#settled = true;
  }

  #headerLines(response: HttpResponse, lengthBytes: number | undefined): string[] {
    const head = response.headers.slice();
    const announced = this.method === 'HEAD' ? (response.lengthBytes ?? lengthBytes) : lengthBytes;
    if (announced !== undefined && !isBodiless(response.status)) head.push('Content-Length', String(announced));
    if (this.method !== 'HEAD' && response.lengthBytes !== undefined && !isBodiless(response.status)) {
      assert(response.lengthBytes === lengthBytes, 'the announced length of a body is its length');
    }
    const close = response.close === true || this.#front.draining || this.#prepareRest();
    if (close) head.push('Connection', 'close');
    return head;
  }

  /** Decides about the part of the request's body that nobody read. True: the connection must close. */
  #prepareRest(): boolean {
    const queue = this.#queue;
    if (queue === undefined || this.#incoming.complete || queue.ended) return false;
    const restBytes = queue.lengthBytes === undefined ? Infinity : queue.lengthBytes - queue.receivedBytes;
    const withheld = this.#expects && !this.#continued;
    return withheld || restBytes > REUSE_BYTES_MAX;
  }

  async #pump(response: HttpResponse, stream: HttpBodyStream): Promise<void> {
    const { lengthBytes } = response;
    let sentBytes = 0;
    try {
      for (;;) {
        const chunk = await stream.next();
        if (this.#closed) return;
        if (chunk === undefined) break;
        sentBytes += chunk.byteLength;
        assert(lengthBytes === undefined || sentBytes <= lengthBytes, 'a stream gave more than its length');
        if (!this.#out.headersSent) this.#writeHead(response, lengthBytes);
        if (!(await this.#writeSlices(chunk))) return;
      }
      this.#stream = undefined;
      assert(lengthBytes === undefined || sentBytes === lengthBytes, 'a stream ended before its length');
      if (!this.#out.headersSent) this.#writeHead(response, lengthBytes);
      this.#finish(NO_BYTES);
    } catch (error) {
      this.#stream = undefined;
      if (this.#closed) return;
      this.#front.onError(error);
      if (this.#out.headersSent) this.#incoming.socket.destroy();
      else this.#answer({ status: 500, headers: [] });
    }
  }

  /** False: the client is gone. */
  async #writeSlices(bytes: Uint8Array): Promise<boolean> {
    const step = bytes.byteLength <= ONE_WRITE_BYTES_MAX ? ONE_WRITE_BYTES_MAX : WRITE_BYTES_MAX;
    for (let at = 0; at < bytes.byteLength; at += step) {
      const piece = bytes.byteLength <= step ? bytes : bytes.subarray(at, at + step);
      if (!this.#out.write(piece)) await this.#writable();
      if (this.#closed) return false;
    }
    return true;
  }

  #writable(): Promise<void> {
    this.#front.responseWatch.touch(this);
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wake = undefined;
        this.#out.off('drain', wake);
        this.#front.responseWatch.release(this);
        resolve();
      };
      this.#wake = wake;
      this.#out.on('drain', wake);
    });
  }

  /** Sends the last bytes and lets go of the response, now or after the rest of the request was thrown away. */
  #finish(bytes: Uint8Array): void {
    const queue = this.#queue;
    const restComing = queue !== undefined && !this.#incoming.complete && !queue.ended;
    this.#written = true;
    if (!restComing) this.#end(bytes);
    else if (this.#mustLinger()) this.#linger(bytes, queue);
    else {
      queue.discard(REUSE_BYTES_MAX);
      this.#end(bytes);
    }
  }

  #mustLinger(): boolean {
    return !this.#out.shouldKeepAlive || this.#prepareRest();
  }

  #end(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) this.#out.end();
    else this.#out.end(bytes);
    // Not all of it went to the kernel at once: a client that never reads must not keep it for ever.
    if (this.#incoming.socket.writableLength > 0) this.#front.responseWatch.touch(this);
  }

  /** node cuts the connection at `end()` of a closing response; so `end()` waits while the client still sends. */
  #linger(bytes: Uint8Array, queue: BodyQueue): void {
    this.#lingering = true;
    if (bytes.byteLength > 0) this.#out.write(bytes);
    else this.#out.flushHeaders();
    this.#lingerTimer = this.#front.clock.after(LINGER_MS, () => this.#endLinger());
    queue.discard(LINGER_BYTES_MAX);
  }

  #endLinger(): void {
    this.#lingerTimer?.cancel();
    this.#lingerTimer = undefined;
    if (!this.#out.writableEnded) this.#end(NO_BYTES);
  }

  #close(): void {
    this.#closed = true;
    this.#lingerTimer?.cancel();
    this.#front.responseWatch.release(this);
    if (!this.#out.writableFinished && !(this.#lingering && this.#written)) this.#leave();
    else if (this.#incoming.socket.destroyed) this.#queue?.fail();
    this.#wake?.();
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel();
    if (this.#handled) this.#retire();
    this.#onClosed?.();
    this.#onClosed = undefined;
  }

  #leave(): void {
    this.#gone = true;
    this.#queue?.fail();
    this.#abort?.abort();
  }

  /** Counted out when both the handler and the connection are done with it. */
  #retire(): void {
    if (this.#closed && this.#handled && !this.#retired) {
      this.#retired = true;
      this.#front.inFlight -= 1;
    }
  }
  #retired = false;
}
