/**
 * One request and its response on uWebSockets.js. `onAborted` comes before everything else (the process would abort
 * without it); nothing touches the native response after an abort or an end; every write is corked; a request's chunks
 * are copied because their memory is taken back after the callback.
 */
import { assert } from '../assert.ts';
import type { Clock } from '../clock.ts';
import { fabricFaults, isFault } from '../errors.ts';
import { BodyQueue, type BodySource, EMPTY_BODY } from './body-queue.ts';
import { bytesOfUtf8, wireValue } from './byte-string.ts';
import type { HttpBody, HttpBodyStream, HttpHandler, HttpLimits, HttpRequest, HttpResponse } from './contract.ts';
import { type Head, readHead, readTarget } from './head.ts';
import type { IdleEntry, IdleWatch } from './idle-watch.ts';
import { bodyBytes, checkResponse, isBodiless, isStream, NO_BYTES, statusLine } from './response-check.ts';
import type { NativeRequest, NativeResponse } from './uws-native.ts';
import type { Rearmer } from './uws-rearm.ts';

/** What the exchanges of one listener share. */
export interface UwsFront {
  readonly handler: HttpHandler;
  readonly limits: HttpLimits;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  /** Set while draining: called when the last request is done. */
  onQuiet: (() => void) | undefined;
  readonly bodyWatch: IdleWatch;
  readonly responseWatch: IdleWatch;
  readonly rearmer: Rearmer;
  readonly tls: boolean;
  draining: boolean;
  inFlight: number;
}

/** An unread rest of a body up to this size is read and dropped; above it the client is asked to go (Connection: close). */
const REUSE_BYTES_MAX = 256 * 1024;
/** Above this, the socket is not read any more after the answer; uWS's idle time-out (10 s) then ends it. */
const LINGER_BYTES_MAX = 64 * 1024 * 1024;
/** Up to this size the native `end` may copy what the socket does not take at once. */
const END_BYTES_MAX = 64 * 1024;
const WRITE_BYTES_MAX = 256 * 1024;

const NO_HEAD: Head = { lines: [], headers: new Map(), lengthBytes: 0, refusal: 400 };

export class UwsExchange implements HttpRequest, BodySource, IdleEntry {
  readonly method: string;
  readonly path: string;
  readonly query: string | undefined;
  readonly body: HttpBody;
  readonly altersHeaders = true;
  readonly idleLimitMs: number;
  idleSinceMs = 0;
  readonly #head: Head;
  readonly #front: UwsFront;
  readonly #native: NativeResponse;
  readonly #queue: BodyQueue | undefined;
  readonly #refusal: number;
  #remoteAddress: string | undefined;
  #abort: AbortController | undefined;
  /** The client left, or we cut it: the native response is invalid. */
  #gone = false;
  /** Everything was given to the native response, which is invalid from now on. */
  #ended = false;
  /** The answer is decided. */
  #settled = false;
  #handled = false;
  #retired = false;
  #stream: HttpBodyStream | undefined;
  #wake: (() => void) | undefined;
  #pendingHead: (() => void) | undefined;

  constructor(front: UwsFront, native: NativeResponse, request: NativeRequest) {
    this.#front = front;
    this.#native = native;
    this.idleLimitMs = front.limits.responseIdleMs;
    // Lower-cases in place, so this one first.
    this.method = request.getCaseSensitiveMethod();
    const url = bytesOfUtf8(request.getUrl());
    const rawQuery = request.getQuery() as string | undefined;
    const query = rawQuery === undefined ? undefined : bytesOfUtf8(rawQuery);
    const raw = readLines(request);
    const lost = url === undefined || raw === undefined || (rawQuery !== undefined && query === undefined);
    this.#head = raw === undefined ? NO_HEAD : readHead(raw, front.limits.headerCountMax);
    const target = readTarget(url ?? '/', undefined);
    this.path = target?.path ?? '';
    this.query = query;
    const { headBytesMax } = front.limits;
    if (lost || target === undefined) this.#refusal = 400;
    else if (headBytes(this.#head.lines, this.path, query) > headBytesMax) this.#refusal = 431;
    else this.#refusal = this.#head.refusal || (this.#head.headers.has('trailer') ? 400 : 0);
    const { lengthBytes } = this.#head;
    const world = { watch: front.bodyWatch, idleMs: front.limits.bodyIdleMs };
    this.#queue = lengthBytes === 0 ? undefined : new BodyQueue(lengthBytes, this, world);
    this.body = this.#queue ?? EMPTY_BODY;
  }

  get tls(): boolean {
    return this.#front.tls;
  }

  get headers(): ReadonlyMap<string, string> {
    return this.#head.headers;
  }

  headerLines(): readonly string[] {
    return this.#head.lines;
  }

  get remoteAddress(): string {
    if (this.#remoteAddress === undefined) {
      if (this.#gone || this.#ended) return '';
      this.#remoteAddress = Buffer.from(this.#native.getRemoteAddressAsText()).toString('latin1');
    }
    return this.#remoteAddress;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#gone) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  /** Called inside the native callback, after `onAborted` was set. */
  start(): void {
    this.#front.inFlight += 1;
    if (this.#queue !== undefined) this.#receive(this.#queue);
    if (this.#refusal !== 0) {
      this.#handled = true;
      this.#decide({ status: this.#refusal, headers: [], close: true });
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

  /** From the native `onAborted`: after an end it no longer comes. */
  left(): void {
    this.#gone = true;
    this.#front.rearmer.remove(this.#native);
    this.#front.responseWatch.release(this);
    this.#queue?.fail();
    this.#abort?.abort();
    this.#wake?.();
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel();
    if (this.#handled) this.#retire();
  }

  // BodySource. uWS pushes from the start; only `pause` holds it back.
  open(): void {}

  pause(): void {
    if (this.#gone || this.#ended) return;
    this.#front.rearmer.remove(this.#native);
    this.#native.pause();
  }

  resume(): void {
    if (this.#gone || this.#ended) return;
    this.#native.resume();
    this.#front.rearmer.add(this.#native);
  }

  stalled(): void {
    if (this.#gone || this.#ended) return;
    this.#queue?.fail();
    if (this.#settled) this.#cut();
    else this.#answer({ status: 408, headers: [], close: true });
  }

  /** IdleEntry: the client does not read its response. */
  onIdle(): void {
    this.#cut();
  }

  #receive(queue: BodyQueue): void {
    const { rearmer } = this.#front;
    rearmer.add(this.#native);
    this.#native.onData((piece, last) => {
      queue.push(new Uint8Array(piece), false);
      if (!last) return;
      rearmer.remove(this.#native);
      queue.end();
    });
  }

  #cut(): void {
    if (!this.#gone && !this.#ended) this.#native.close();
  }

  #returned(response: HttpResponse): void {
    this.#handled = true;
    if (this.#settled || this.#gone) {
      if (isStream(response.body)) response.body.cancel();
      this.#retire();
      return;
    }
    try {
      checkResponse(response);
      checkLength(response, this.method);
    } catch (error) {
      if (isStream(response.body)) response.body.cancel();
      this.#failed(error);
      return;
    }
    this.#decide(response);
  }

  #failed(error: unknown): void {
    this.#handled = true;
    const leftItself = (this.#gone || this.#settled) && isFault(error, fabricFaults.aborted);
    if (!leftItself) this.#front.onError(error);
    if (this.#gone || this.#settled) this.#retire();
    else this.#decide({ status: 500, headers: [] });
  }

  /**
   * uWS takes what follows a chunked body (trailers, by RFC 9112) for the next request, in the same turn of the loop. It
   * closes the connection, without routing, if the previous answer is still due then: so such answers wait for the next
   * turn, and close.
   */
  #decide(response: HttpResponse): void {
    if (this.#refusal === 0 && !this.#chunked) {
      this.#answer(response);
      return;
    }
    this.#settled = true;
    this.#front.clock.nextTurn(() => {
      if (!this.#gone) this.#answer(response);
      else if (isStream(response.body)) response.body.cancel();
    });
  }

  get #chunked(): boolean {
    return this.#queue !== undefined && this.#queue.lengthBytes === undefined;
  }

  #answer(response: HttpResponse): void {
    const { body } = response;
    this.#settled = true;
    if (this.method === 'HEAD' || isBodiless(response.status)) {
      if (isStream(body)) body.cancel();
      this.#answerBare(response);
    } else if (isStream(body)) {
      this.#stream = body;
      void this.#pump(response, body);
    } else if (typeof body === 'string' && body.length <= END_BYTES_MAX / 4) {
      // uWS encodes a string as UTF-8 itself, and counts it.
      this.#answerWhole(response, body);
    } else {
      const bytes = bodyBytes(body);
      if (bytes.byteLength <= END_BYTES_MAX) this.#answerWhole(response, bytes);
      else {
        const once: HttpBodyStream = { next: oneOf(bytes), cancel: () => {} };
        void this.#pump({ ...response, lengthBytes: bytes.byteLength }, once);
      }
    }
  }

  #answerWhole(response: HttpResponse, bytes: Uint8Array | string): void {
    this.#native.cork(() => {
      const close = this.#writeHead(response);
      this.#native.end(bytes, close);
    });
    this.#finish();
  }

  #answerBare(response: HttpResponse): void {
    const { body } = response;
    this.#native.cork(() => {
      const close = this.#writeHead(response);
      if (close) this.#native.writeHeader('Connection', 'close');
      if (!isBodiless(response.status)) {
        const lengthBytes = response.lengthBytes ?? (isStream(body) ? undefined : bodyBytes(body).byteLength);
        if (lengthBytes !== undefined) this.#native.writeHeader('Content-Length', String(lengthBytes));
      }
      // Without arguments: with a length uWS closes at the next request, and it cannot be asked to close without one.
      this.#native.endWithoutBody();
    });
    this.#finish();
  }

  /** Inside a cork. True: uWS shall close after the end of the response, and says so in a header itself. */
  #writeHead(response: HttpResponse): boolean {
    const native = this.#native;
    const { headers } = response;
    native.writeStatus(
      response.reason === undefined ? statusLine(response.status) : wireValue(`${response.status} ${response.reason}`),
    );
    for (let i = 0; i < headers.length; i += 2) native.writeHeader(headers[i]!, wireValue(headers[i + 1]!));
    const rest = this.#restBytes();
    const close = response.close === true || this.#front.draining || this.#chunked;
    // After a head that can be read in two ways, no byte of this connection means anything.
    const closeNow = close && (rest === 0 || this.#refusal !== 0);
    if (!closeNow && (close || rest > REUSE_BYTES_MAX)) native.writeHeader('Connection', 'close');
    // Closing now would reset a client that still sends, and could take its response away.
    if (rest > LINGER_BYTES_MAX) native.pause();
    else if (this.#queue?.paused === true) native.resume();
    return closeNow;
  }

  /** Bytes of the request's body that have not come yet. */
  #restBytes(): number {
    const queue = this.#queue;
    if (queue === undefined || queue.ended) return 0;
    return queue.lengthBytes === undefined ? Infinity : queue.lengthBytes - queue.receivedBytes;
  }

  async #pump(response: HttpResponse, stream: HttpBodyStream): Promise<void> {
    const { lengthBytes } = response;
    let sentBytes = 0;
    let close = false;
    let started = false;
    const head = (): void => {
      started = true;
      close = this.#writeHead(response);
    };
    try {
      for (;;) {
        const chunk = await stream.next();
        if (this.#gone) return;
        if (chunk === undefined) break;
        sentBytes += chunk.byteLength;
        assert(lengthBytes === undefined || sentBytes <= lengthBytes, 'a stream gave more than its length');
        if (!started) this.#pendingHead = head;
        if (lengthBytes === undefined) await this.#writeSlices(chunk);
        else if (chunk.byteLength > 0) await this.#writePart(chunk, lengthBytes);
        if (this.#gone) return;
      }
      this.#stream = undefined;
      assert(lengthBytes === undefined || sentBytes === lengthBytes, 'a stream ended before its length');
      if (!started) this.#answerWhole(response, NO_BYTES);
      else if (!this.#ended) this.#endStream(close);
    } catch (error) {
      this.#stream = undefined;
      if (!this.#gone) this.#front.onError(error);
      if (started) this.#cut();
      else if (!this.#gone) this.#answerWhole({ status: 500, headers: [] }, NO_BYTES);
    }
  }

  #endStream(close: boolean): void {
    this.#native.cork(() => void this.#native.end(undefined, close));
    this.#finish();
  }

  async #writeSlices(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength && !this.#gone; at += WRITE_BYTES_MAX) {
      const piece = bytes.byteLength <= WRITE_BYTES_MAX ? bytes : bytes.subarray(at, at + WRITE_BYTES_MAX);
      await this.#writeChunk(piece);
    }
  }

  /** Head and first bytes go out together. Inside a cork. */
  #flushHead(): void {
    const head = this.#pendingHead;
    this.#pendingHead = undefined;
    head?.();
  }

  async #writeChunk(piece: Uint8Array): Promise<void> {
    let taken = true;
    this.#native.cork(() => {
      this.#flushHead();
      taken = this.#native.write(piece);
    });
    if (!taken) await this.#writable();
  }

  /** `tryEnd` takes what fits the socket; the rest is offered again when it is writable. */
  async #writePart(piece: Uint8Array, totalBytes: number): Promise<void> {
    const native = this.#native;
    const end = native.getWriteOffset() + piece.byteLength;
    let left = piece;
    for (;;) {
      let taken = true;
      let done = false;
      native.cork(() => {
        this.#flushHead();
        [taken, done] = native.tryEnd(left, totalBytes);
      });
      if (done) {
        this.#finish();
        return;
      }
      if (taken) return;
      await this.#writable();
      if (this.#gone) return;
      left = piece.subarray(piece.byteLength - (end - native.getWriteOffset()));
    }
  }

  #writable(): Promise<void> {
    this.#front.responseWatch.touch(this);
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        this.#front.responseWatch.release(this);
        resolve();
      };
      this.#native.onWritable(() => {
        this.#wake?.();
        return true;
      });
    });
  }

  #finish(): void {
    this.#ended = true;
    this.#front.rearmer.remove(this.#native);
    this.#queue?.fail();
    if (this.#handled) this.#retire();
  }

  #retire(): void {
    if (this.#retired || !(this.#gone || this.#ended)) return;
    this.#retired = true;
    this.#front.inFlight -= 1;
    if (this.#front.inFlight === 0) this.#front.onQuiet?.();
  }
}

function readLines(request: NativeRequest): string[] | undefined {
  const lines: string[] = [];
  let lost = false;
  request.forEach((name, value) => {
    const bytes = bytesOfUtf8(value);
    if (bytes === undefined) lost = true;
    else lines.push(name, bytes);
  });
  return lost ? undefined : lines;
}

function headBytes(lines: readonly string[], path: string, query: string | undefined): number {
  let bytes = path.length + (query?.length ?? 0) + 16;
  for (const text of lines) bytes += text.length + 2;
  return bytes;
}

function checkLength(response: HttpResponse, method: string): void {
  const { body, lengthBytes } = response;
  if (lengthBytes === undefined || method === 'HEAD' || isStream(body) || isBodiless(response.status)) return;
  assert(lengthBytes === bodyBytes(body).byteLength, 'the announced length of a body is its length');
}

function oneOf(bytes: Uint8Array): () => Promise<Uint8Array | undefined> {
  let left: Uint8Array | undefined = bytes;
  return () => {
    const piece = left;
    left = undefined;
    return Promise.resolve(piece);
  };
}
