/**
 * A peer in the same process: handlers are called directly, values and buffers pass by reference, Faults as they are.
 * Owns deadlines, limits and the life of an upload, so that callers see what they would see over a socket. A handler that
 * answers synchronously costs neither a timer nor a promise turn of ours; handlers run on the caller's stack.
 */
import type { Clock } from '../clock.ts';
import type { Fault } from '../errors.ts';
import type { ByteStream, CallContext, CallOptions, Handler, Handlers, Peer, Reply, RpcLog } from './contract.ts';
import { CALL_DEADLINE_MS, silentLog } from './contract.ts';
import { aborted, deadlineExceeded, faultOf, overloaded, unknownMethod, unreachable } from './faults.ts';
import { CALLS_IN_FLIGHT_MAX } from './limits.ts';
import { Sweep } from './sweep.ts';

export interface LocalPeerOptions {
  readonly clock: Clock;
  /** What handlers see as `context.peerName`; by default the peer's own name. */
  readonly callerName?: string;
  readonly log?: RpcLog;
  /** Told of everything a handler threw that is not a Fault: the simulator ends the run here. */
  readonly onBug?: (error: unknown, method: string) => void;
  readonly callsInFlightMax?: number;
}

/** Weight of the newest call in the latency average. */
const LATENCY_WEIGHT = 1 / 16;

/** A call whose handler has not answered yet. */
class Waiting {
  readonly method: string;
  readonly startedMs: number;
  readonly budgetMs: number;
  readonly reject: (fault: Fault) => void;
  deadlineAtMs: number;
  upload: LocalUpload | undefined;
  over = false;

  constructor(method: string, startedMs: number, budgetMs: number, reject: (fault: Fault) => void) {
    this.method = method;
    this.startedMs = startedMs;
    this.budgetMs = budgetMs;
    this.deadlineAtMs = startedMs + budgetMs;
    this.reject = reject;
  }
}

/** Passes an upload through; the caller's budget stands still while the source is waited for and starts anew after it. */
class LocalUpload implements ByteStream {
  readonly #source: ByteStream;
  readonly #clock: Clock;
  #call: Waiting | undefined;
  #pulling = false;
  #ended: 'no' | 'cancelled' | 'aborted' = 'no';

  constructor(source: ByteStream, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  get unmoved(): boolean | undefined {
    return this.#source.unmoved;
  }

  attach(call: Waiting): void {
    this.#call = call;
    if (this.#pulling) call.deadlineAtMs = Number.POSITIVE_INFINITY;
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#ended === 'aborted') throw aborted('the caller gave up');
    if (this.#ended === 'cancelled') return undefined;
    this.#pulling = true;
    if (this.#call) this.#call.deadlineAtMs = Number.POSITIVE_INFINITY;
    try {
      return await this.#source.next();
    } finally {
      this.#pulling = false;
      if (this.#call) this.#call.deadlineAtMs = this.#clock.monotonicMs() + this.#call.budgetMs;
    }
  }

  release(bytes: Uint8Array): void {
    this.#source.release?.(bytes);
  }

  cancel(): void {
    if (this.#ended === 'no') this.#ended = 'cancelled';
    this.#source.cancel();
  }

  abort(): void {
    this.#ended = 'aborted';
    this.#source.cancel();
  }
}

class LocalPeer implements Peer {
  readonly name: string;
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #clock: Clock;
  readonly #options: LocalPeerOptions;
  readonly #callerName: string;
  readonly #callsMax: number;
  readonly #waiting = new Set<Waiting>();
  readonly #sweep: Sweep;
  #closed = false;
  #latencyMs = 0;

  constructor(name: string, handlers: Handlers, options: LocalPeerOptions) {
    this.name = name;
    this.#handlers = new Map(Object.entries(handlers));
    this.#clock = options.clock;
    this.#options = options;
    this.#callerName = options.callerName ?? name;
    this.#callsMax = options.callsInFlightMax ?? CALLS_IN_FLIGHT_MAX;
    this.#sweep = new Sweep(options.clock, (nowMs) => this.#expire(nowMs));
  }

  get up(): boolean {
    return !this.#closed;
  }

  get load(): Peer['load'] {
    return { calls: this.#waiting.size, queuedBytes: 0, latencyMs: this.#latencyMs };
  }

  call(method: string, args: unknown, options?: CallOptions): Promise<Reply> {
    const answer = this.callNow(method, args, options);
    return answer instanceof Promise ? answer : Promise.resolve(answer);
  }

  callNow(method: string, args: unknown, options?: CallOptions): Promise<Reply> | Reply {
    const handler = this.#handlers.get(method);
    const refusal = this.#refusal(method, handler);
    if (handler === undefined || refusal !== undefined) {
      options?.upload?.cancel();
      return Promise.reject(refusal);
    }
    const upload = options?.upload && new LocalUpload(options.upload, this.#clock);
    const startedMs = this.#clock.monotonicMs();
    const budgetMs = options?.deadlineMs ?? CALL_DEADLINE_MS;
    const deadlineAtMs = upload ? Number.POSITIVE_INFINITY : startedMs + budgetMs;
    const context: CallContext = { peerName: this.#callerName, deadlineAtMs, upload };
    let answer: Promise<Reply> | Reply;
    try {
      answer = handler(args as never, context);
    } catch (error) {
      upload?.cancel();
      return Promise.reject(this.#fault(error, method));
    }
    if (!(answer instanceof Promise)) {
      upload?.cancel();
      return answer;
    }
    const pending = answer;
    return new Promise((resolve, reject) => {
      const call = new Waiting(method, startedMs, budgetMs, reject);
      if (upload) {
        call.upload = upload;
        upload.attach(call);
      }
      this.#await(call, pending, resolve);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#sweep.stop();
    for (const call of this.#waiting) this.#giveUp(call, unreachable(this.name, 'closed'));
  }

  #refusal(method: string, handler: Handler | undefined): Fault | undefined {
    if (this.#closed) return unreachable(this.name, 'closed');
    if (this.#waiting.size >= this.#callsMax) return overloaded(this.name, 'calls in flight');
    return handler === undefined ? unknownMethod(method) : undefined;
  }

  #await(call: Waiting, pending: Promise<Reply>, resolve: (reply: Reply) => void): void {
    this.#waiting.add(call);
    this.#sweep.arm();
    pending.then(
      (reply) => {
        if (call.over) return reply.download?.cancel();
        this.#finish(call);
        resolve(reply);
      },
      (error: unknown) => {
        const fault = this.#fault(error, call.method);
        if (call.over) return;
        this.#finish(call);
        call.reject(fault);
      },
    );
  }

  #finish(call: Waiting): void {
    call.over = true;
    this.#waiting.delete(call);
    call.upload?.cancel();
    this.#latencyMs += (this.#clock.monotonicMs() - call.startedMs - this.#latencyMs) * LATENCY_WEIGHT;
  }

  #giveUp(call: Waiting, fault: Fault): void {
    call.over = true;
    this.#waiting.delete(call);
    call.upload?.abort();
    call.reject(fault);
  }

  #expire(nowMs: number): boolean {
    for (const call of this.#waiting) {
      if (call.deadlineAtMs <= nowMs) this.#giveUp(call, deadlineExceeded(this.name, call.method, call.budgetMs));
    }
    return this.#waiting.size > 0;
  }

  #fault(error: unknown, method: string): Fault {
    const fault = faultOf(error, method, this.#options.log ?? silentLog);
    if (fault !== error) this.#options.onBug?.(error, method);
    return fault;
  }
}

/** `handlers` are called with the caller's own objects; see `Peer` for what a call throws. */
export function createLocalPeer(name: string, handlers: Handlers, options: LocalPeerOptions): Peer {
  return new LocalPeer(name, handlers, options);
}
