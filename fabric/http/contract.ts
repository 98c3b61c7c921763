/**
 * One HTTP contract, two engines (node:http and uWebSockets.js), one conformance suite (test/conformance/http.ts).
 * A handler gets a request and returns a response; framing, HEAD, keep-alive, limits, time-outs, backpressure, aborts and
 * draining are the engine's business. No engine alters what a client sent: what it cannot carry it refuses.
 *
 * Byte strings: method, path, query, header names and values are latin1 strings, one character a byte, exactly as on the
 * wire (names lower-cased, values without surrounding blanks). Decode UTF-8 where a protocol says so, not here.
 */
export interface HttpRequest {
  /** As sent, case kept. */
  readonly method: string;
  /** Raw path before `?`, never decoded or normalised. */
  readonly path: string;
  /** Raw query after the first `?`; undefined when there is no `?`. */
  readonly query: string | undefined;
  /** First value of each header by lower-case name. Repeated headers: see `headerLines`. */
  readonly headers: ReadonlyMap<string, string>;
  /** Every header line in order, lower-case name and value in turn: [name, value, name, value, …]. */
  headerLines(): readonly string[];
  readonly body: HttpBody;
  /** Ask before answering; '' once the client has gone. */
  readonly remoteAddress: string;
  readonly tls: boolean;
  /** True when header values may have lost bytes ≥ 0x80 at their ends, see `HttpListener.altersHeaders`. */
  readonly altersHeaders?: boolean;
  /** Aborted when the client is gone before the response was finished. */
  readonly signal: AbortSignal;
}

/** The request's body, pulled: the engine stops reading from the socket while nobody asks. */
export interface HttpBody {
  /** Content-Length; undefined for a chunked body; 0 when there is none. */
  readonly lengthBytes: number | undefined;
  /** Next piece (the caller owns it), or undefined at the end. Throws Fault Aborted when the client went away mid-body. */
  read(): Promise<Uint8Array | undefined>;
  /** The whole body, for bodies known to be small; Fault BodyTooLarge above the limit. One buffer, no copies when it can. */
  collect(limitBytes: number): Promise<Buffer>;
}

export interface HttpResponse {
  readonly status: number;
  /** Reason phrase; the standard one when absent. */
  readonly reason?: string;
  /** [name, value, name, value, …], latin1 byte strings, in order, case kept. CR, LF and NUL are refused by the engine (500). Never Content-Length, Date, Connection, Transfer-Encoding. */
  readonly headers: readonly string[];
  /**
   * Buffer or string (latin1 byte string is NOT assumed: strings are sent as UTF-8), a stream, or nothing.
   * For HEAD the engine sends the headers that GET would have had, with `lengthBytes`, and no body.
   */
  readonly body?: Uint8Array | string | HttpBodyStream | undefined;
  /** Length of a streamed body, or the one to announce for HEAD. Without it a stream is sent chunked. */
  readonly lengthBytes?: number | undefined;
  /** Close the connection after this response. */
  readonly close?: boolean;
}

/** Pulled with backpressure; `cancel` is called exactly once if the client leaves or the engine gives up before `next` returned undefined or threw. A throw from `next` mid-body cuts the connection (the client sees a short body, never a good end). */
export interface HttpBodyStream {
  next(): Promise<Uint8Array | undefined>;
  cancel(): void;
}

export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse> | HttpResponse;

/** Faults of the HTTP front. `Fault Aborted` (fabric/errors.ts) says that the client went away or stalled too long. */
export const httpFaults = {
  /** `collect` met more bytes than its limit. */
  bodyTooLarge: 'BodyTooLarge',
} as const;

export interface HttpLimits {
  /** Sum of request line and header bytes; 431 above. */
  readonly headBytesMax: number;
  readonly headerCountMax: number;
  /** From the first byte of a head (or the connection's start) to its end; 408 above. uWS: a fixed 10 s. */
  readonly headMs: number;
  /** No byte of a wanted body for this long: the connection ends (408 when nothing was answered yet). */
  readonly bodyIdleMs: number;
  /** No progress of a response for this long (the client does not read): the connection is cut. */
  readonly responseIdleMs: number;
  readonly keepAliveMs: number;
  readonly connectionsMax: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  headBytesMax: 64 * 1024,
  headerCountMax: 200,
  headMs: 30_000,
  bodyIdleMs: 60_000,
  responseIdleMs: 60_000,
  keepAliveMs: 65_000,
  connectionsMax: 10_000,
};

export interface HttpListenOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly limits?: Partial<HttpLimits>;
}

export interface HttpListener {
  readonly engine: 'node' | 'uws';
  readonly port: number;
  /**
   * True when the engine cannot show every byte ≥ 0x80 of a header value, and so must not serve a protocol that carries
   * such values unsigned (Swift metadata). What it could have altered it refuses itself; see docs/http.md.
   */
  readonly altersHeaders: boolean;
  /** Stops accepting, closes idle connections, lets requests in flight finish up to `graceMs`, then cuts. */
  drain(graceMs: number): Promise<void>;
  /** Requests being handled now. */
  readonly inFlight: number;
}

/** The handler's own throw becomes a 500 with an empty body and a log line; the process lives. */
export type HttpEngine = (
  handler: HttpHandler,
  options: HttpListenOptions,
  world: { readonly clock: import('../clock.ts').Clock; readonly onError: (error: unknown) => void },
) => Promise<HttpListener>;
