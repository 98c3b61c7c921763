/**
 * The calls in flight on one open connection: ids, deadlines, answers. When the connection ends every one of them fails
 * with Unreachable at once. What an answer or a timeout means for the circuit is told to the peer (`outcome`).
 */
import type { Clock } from '../clock.ts';
import type { Fault } from '../errors.ts';
import { CALL_DEADLINE_MS, type CallOptions, type Reply, type RpcLog } from './contract.ts';
import { deadlineExceeded, faultOf, overloaded } from './faults.ts';
import { FLAG_STREAM, frameTypes } from './frame-format.ts';
import type { BulkJob } from './frame-writer.ts';
import type { RpcLimits } from './limits.ts';
import type { InboundStream, OutboundStream } from './streams.ts';
import { Sweep } from './sweep.ts';
import { faultFrom, type Message, type Wire, type WireOwner } from './wire.ts';

export interface CallOutcome {
  answered(latencyMs: number): void;
  timedOut(): void;
  withdrawn(): void;
}

export interface ClientCallsOptions {
  readonly peerName: string;
  readonly clock: Clock;
  readonly limits: RpcLimits;
  readonly log: RpcLog;
  readonly outcome: CallOutcome;
}

class PendingCall {
  readonly method: string;
  readonly startedMs: number;
  readonly budgetMs: number;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
  deadlineAtMs: number;
  job: BulkJob | undefined;
  upload: OutboundStream | undefined;

  constructor(method: string, startedMs: number, budgetMs: number, settle: Settle) {
    this.method = method;
    this.startedMs = startedMs;
    this.budgetMs = budgetMs;
    this.deadlineAtMs = startedMs + budgetMs;
    this.resolve = settle.resolve;
    this.reject = settle.reject;
  }
}

interface Settle {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

/** A download that is being read: each wait for a piece has the call's budget. */
interface Download {
  readonly stream: InboundStream;
  readonly method: string;
  readonly budgetMs: number;
}

const ID_LIMIT = 2 ** 32;

export class ClientCalls implements WireOwner {
  readonly accepts = [frameTypes.reply, frameTypes.fault, frameTypes.fail];
  readonly #options: ClientCallsOptions;
  readonly #calls = new Map<number, PendingCall>();
  readonly #downloads = new Map<number, Download>();
  readonly #sweep: Sweep;
  #wire: Wire | undefined;
  #lastId = 0;

  constructor(options: ClientCallsOptions) {
    this.#options = options;
    this.#sweep = new Sweep(options.clock, (nowMs) => this.#expire(nowMs));
  }

  attach(wire: Wire): void {
    this.#wire = wire;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** `undefined`, or why a call must be refused now. */
  refusal(): Fault | undefined {
    const { peerName, limits } = this.#options;
    if (this.#calls.size >= limits.callsInFlightMax) return overloaded(peerName, 'calls in flight');
    if ((this.#wire?.queuedBytes ?? 0) >= limits.queuedBytesMax) return overloaded(peerName, 'queued bytes');
    return undefined;
  }

  start(method: string, args: unknown, options: CallOptions | undefined): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const budgetMs = options?.deadlineMs ?? CALL_DEADLINE_MS;
      const call = new PendingCall(method, this.#options.clock.monotonicMs(), budgetMs, { resolve, reject });
      this.#send(call, args, options);
    });
  }

  admit(): boolean {
    return true;
  }

  released(): void {}

  refused(): void {}

  message({ type, id, value, stream }: Message): void {
    const call = this.#calls.get(id);
    if (call === undefined) return stream?.cancel();
    if (type === frameTypes.fault) return this.#settle(id, call).reject(faultFrom(value));
    if (stream !== undefined) this.#watchDownload(id, call, stream);
    this.#settle(id, call).resolve(stream === undefined ? { value } : { value, download: stream });
  }

  cancelled(id: number): void {
    this.#wire?.stopSending(id);
  }

  streamCancelled(id: number): void {
    this.#downloads.delete(id);
    this.#wire?.writer.control(frameTypes.cancel, id);
  }

  closed(fault: Fault): void {
    this.#sweep.stop();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    this.#downloads.clear();
    for (const call of calls) call.reject(fault);
  }

  #send(call: PendingCall, args: unknown, options: CallOptions | undefined): void {
    const wire = this.#wire as Wire;
    const id = this.#nextId();
    const upload = options?.upload;
    const header = [call.method, call.budgetMs, args];
    try {
      call.job = wire.writer.message(frameTypes.call, id, header, upload ? FLAG_STREAM : 0);
    } catch (error) {
      upload?.cancel();
      this.#options.outcome.withdrawn();
      call.reject(error);
      return;
    }
    this.#calls.set(id, call);
    this.#sweep.arm();
    if (upload === undefined) return;
    const sending = wire.send(id, upload, (error) => faultOf(error, call.method, this.#options.log));
    call.upload = sending;
    sending.onProgress = () => {
      call.deadlineAtMs = this.#options.clock.monotonicMs() + call.budgetMs;
    };
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) % ID_LIMIT;
    while (this.#calls.has(this.#lastId) || this.#wire?.inbound.has(this.#lastId));
    return this.#lastId;
  }

  #settle(id: number, call: PendingCall): PendingCall {
    this.#calls.delete(id);
    if (call.upload) this.#wire?.stopSending(id);
    if (call.job) this.#wire?.writer.drop(call.job);
    this.#options.outcome.answered(this.#options.clock.monotonicMs() - call.startedMs);
    return call;
  }

  #watchDownload(id: number, call: PendingCall, stream: InboundStream): void {
    if (!this.#wire?.inbound.has(id)) return;
    stream.nowMs = () => this.#options.clock.monotonicMs();
    this.#downloads.set(id, { stream, method: call.method, budgetMs: call.budgetMs });
  }

  #expire(nowMs: number): boolean {
    for (const [id, call] of this.#calls) {
      if (call.deadlineAtMs <= nowMs && !call.upload?.pulling) this.#giveUp(id, call);
    }
    for (const [id, { stream, method, budgetMs }] of this.#downloads) {
      if (!this.#wire?.inbound.has(id)) this.#downloads.delete(id);
      else if (stream.waitingSinceMs !== undefined && stream.waitingSinceMs + budgetMs <= nowMs) {
        stream.fail(deadlineExceeded(this.#options.peerName, method, budgetMs));
        this.#wire.inbound.delete(id);
        this.streamCancelled(id);
        this.#options.outcome.timedOut();
      }
    }
    return this.#calls.size > 0 || this.#downloads.size > 0;
  }

  #giveUp(id: number, call: PendingCall): void {
    this.#calls.delete(id);
    this.#wire?.stopSending(id);
    if (call.job) this.#wire?.writer.drop(call.job);
    this.#wire?.writer.control(frameTypes.cancel, id);
    this.#options.outcome.timedOut();
    call.reject(deadlineExceeded(this.#options.peerName, call.method, call.budgetMs));
  }
}
