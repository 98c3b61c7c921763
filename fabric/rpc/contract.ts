/**
 * Calls between roles of the cluster. The same interface runs in-process (no serialisation: values and buffers are passed
 * by reference and must not be changed afterwards) and over framed msgpack on TCP or unix sockets.
 * Retries are the caller's business and safe where the callee is idempotent by (key, stamp).
 */
export interface CallOptions {
  /**
   * Budget of the call, from now to the reply; travels with it, and the callee may give up on work that nobody waits for.
   * Default 10 s; coarse (late by up to `SWEEP_MS`). With an upload the budget starts anew with every piece the callee
   * takes and stands still while the source itself is waited for. With a download, each `next` has this budget again.
   */
  readonly deadlineMs?: number;
  /** A body the caller streams to the callee: pulled under credit, never buffered beyond `STREAM_WINDOW_BYTES`. */
  readonly upload?: ByteStream;
}

/** A pulled stream of buffers (each at most 1 MiB). `next` gives undefined at the end and throws on failure. */
export interface ByteStream {
  /** Its bytes come from this process's own memory, where their checksums were made: nothing on the way to check for. */
  readonly unmoved?: boolean | undefined;
  next(): Promise<Uint8Array | undefined>;
  /**
   * The reader is done with a buffer that `next` gave it, and the source may use its memory again. Optional on both sides:
   * a buffer that is never given back is simply collected.
   */
  release?(bytes: Uint8Array): void;
  /** Releases whatever is behind the stream; safe to call at any time, more than once. */
  cancel(): void;
}

export interface Reply {
  /**
   * Plain data: objects, arrays, strings, numbers, booleans, null, undefined, Uint8Array (sent raw, not copied where
   * large). A received Uint8Array of 1 KiB or more may be a view of a larger receive buffer: copy what is kept for long.
   */
  readonly value: unknown;
  /** A body the callee streams back. The caller must read it to its end or cancel it. */
  readonly download?: ByteStream | undefined;
}

/** A connection to one peer. Throws Faults: the callee's own (code, details kept), or the fabric's. */
export interface Peer {
  readonly name: string;
  call(method: string, args: unknown, options?: CallOptions): Promise<Reply>;
  /**
   * As `call`, but a peer in this process gives an answer it has at once as it is: on the path of every read the promises
   * would cost more than the answer. Peers elsewhere do not have it. Never throws: what fails is a rejected promise.
   */
  callNow?(method: string, args: unknown, options?: CallOptions): Promise<Reply> | Reply;
  /** False while the circuit is open or the connection is down: callers place elsewhere instead of waiting. */
  readonly up: boolean;
  /** Calls and bytes queued now: for metrics and for choosing among replicas. */
  readonly load: { readonly calls: number; readonly queuedBytes: number; readonly latencyMs: number };
  close(): Promise<void>;
}

export interface CallContext {
  readonly peerName: string;
  /** Monotonic milliseconds by the clock in use; Infinity with an upload, whose `next` throws once the caller gave up. */
  readonly deadlineAtMs: number;
  readonly upload?: ByteStream | undefined;
}

export type Handler = (args: never, context: CallContext) => Promise<Reply> | Reply;

/** Methods of one service, by name. */
export type Handlers = Readonly<Record<string, Handler>>;

/** Credit window of one stream and the size above which a buffer travels as stream frames. */
export const STREAM_WINDOW_BYTES = 2 * 1024 * 1024;
export const CALL_DEADLINE_MS = 10_000;
/** Deadlines are looked at this often, by one timer per peer instead of one per call. */
export const SWEEP_MS = 20;

/** Where the fabric reports: broken connections, refused hellos, handlers that threw something else than a Fault. */
export interface RpcLog {
  warn(details: Readonly<Record<string, unknown>>, message: string): void;
  error(details: Readonly<Record<string, unknown>>, message: string): void;
}

export const silentLog: RpcLog = { warn() {}, error() {} };
