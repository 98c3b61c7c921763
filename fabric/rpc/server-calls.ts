/**
 * The calls one connection is running: dispatch to handlers, answers, uploads and downloads. Bugs of a handler are logged
 * here and reach the caller only as InternalError. A caller that gave up or vanished gets no answer and frees its streams.
 */
import type { Clock } from '../clock.ts';
import { type Fault, fabricFaults } from '../errors.ts';
import type { CallContext, Handler, Reply, RpcLog } from './contract.ts';
import { aborted, faultOf, overloaded, unknownMethod } from './faults.ts';
import { FLAG_STREAM, frameTypes, MalformedFrame } from './frame-format.ts';
import type { RpcLimits } from './limits.ts';
import type { InboundStream } from './streams.ts';
import type { Message, Wire, WireOwner } from './wire.ts';

export interface ServerCallsOptions {
  readonly peerName: string;
  /** Name of this node, for the Faults it makes. */
  readonly name: string;
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly clock: Clock;
  readonly limits: RpcLimits;
  readonly log: RpcLog;
}

class RunningCall {
  readonly id: number;
  readonly method: string;
  readonly rawBytes: number;
  readonly upload: InboundStream | undefined;
  /** The caller gave up or is gone: nobody waits for the answer. */
  abandoned = false;

  constructor(id: number, method: string, rawBytes: number, upload: InboundStream | undefined) {
    this.id = id;
    this.method = method;
    this.rawBytes = rawBytes;
    this.upload = upload;
  }
}

export class ServerCalls implements WireOwner {
  readonly accepts = [frameTypes.call, frameTypes.fail];
  readonly #options: ServerCallsOptions;
  readonly #calls = new Map<number, RunningCall>();
  /** Of handlers that have not returned, abandoned ones included: they go on holding what they hold. */
  #heldBytes = 0;
  #running = 0;
  #wire: Wire | undefined;

  constructor(options: ServerCallsOptions) {
    this.#options = options;
  }

  attach(wire: Wire): void {
    this.#wire = wire;
  }

  admit(rawBytes: number): boolean {
    if (this.#heldBytes + rawBytes > this.#options.limits.heldBytesMax) return false;
    this.#heldBytes += rawBytes;
    return true;
  }

  released(rawBytes: number): void {
    this.#heldBytes -= rawBytes;
  }

  refused(id: number): void {
    this.#wire?.inbound.delete(id);
    this.#sendFault(id, overloaded(this.#options.name, 'held bytes'));
  }

  message({ id, value, rawBytes, stream }: Message): void {
    const [method, budgetMs, args] = Array.isArray(value) ? (value as unknown[]) : [];
    if (typeof method !== 'string' || typeof budgetMs !== 'number' || this.#calls.has(id))
      throw new MalformedFrame('not a call');
    const call = new RunningCall(id, method, rawBytes, stream);
    this.#running++;
    this.#calls.set(id, call);
    const refusal = this.#refusal(method);
    if (refusal !== undefined) return this.#fail(call, refusal);
    const { handlers, clock, peerName } = this.#options;
    const handler = handlers.get(method) as Handler;
    const deadlineAtMs = stream ? Number.POSITIVE_INFINITY : clock.monotonicMs() + budgetMs;
    const context: CallContext = { peerName, deadlineAtMs, upload: stream };
    this.#run(call, handler, args, context);
  }

  cancelled(id: number): void {
    const call = this.#calls.get(id);
    if (call) this.#abandon(call, aborted('the caller gave up'));
    this.#wire?.stopSending(id);
  }

  streamCancelled(id: number): void {
    this.#wire?.writer.control(frameTypes.cancel, id);
  }

  closed(fault: Fault): void {
    for (const call of this.#calls.values()) this.#abandon(call, aborted(fault.message));
  }

  #refusal(method: string): Fault | undefined {
    const { handlers, limits, name } = this.#options;
    if (this.#running > limits.callsInFlightMax) return overloaded(name, 'running calls');
    if ((this.#wire?.queuedBytes ?? 0) >= limits.queuedBytesMax) return overloaded(name, 'queued replies');
    return handlers.has(method) ? undefined : unknownMethod(method);
  }

  #run(call: RunningCall, handler: Handler, args: unknown, context: CallContext): void {
    let answer: Promise<Reply> | Reply;
    try {
      answer = handler(args as never, context);
    } catch (error) {
      return this.#fail(call, error);
    }
    if (!(answer instanceof Promise)) return this.#reply(call, answer);
    answer.then(
      (reply) => this.#reply(call, reply),
      (error: unknown) => this.#fail(call, error),
    );
  }

  #reply(call: RunningCall, reply: Reply): void {
    const { download } = reply;
    if (call.abandoned) {
      this.#finish(call);
      return download?.cancel();
    }
    const wire = this.#wire as Wire;
    try {
      wire.writer.message(frameTypes.reply, call.id, reply.value, download ? FLAG_STREAM : 0);
    } catch (error) {
      download?.cancel();
      return this.#fail(call, error);
    }
    this.#finish(call);
    if (download) wire.send(call.id, download, (error) => faultOf(error, call.method, this.#options.log));
  }

  #fail(call: RunningCall, error: unknown): void {
    const fault = faultOf(error, call.method, this.#options.log);
    this.#finish(call);
    if (!call.abandoned) this.#sendFault(call.id, fault);
  }

  #sendFault(id: number, fault: Fault): void {
    const writer = this.#wire?.writer;
    try {
      writer?.header(frameTypes.fault, id, [fault.code, fault.message, fault.details]);
    } catch (error) {
      this.#options.log.error({ code: fault.code, error: String(error) }, 'details of a fault cannot be sent');
      writer?.header(frameTypes.fault, id, [fabricFaults.internal, fault.message, {}]);
    }
  }

  #finish(call: RunningCall): void {
    this.#running--;
    this.#heldBytes -= call.rawBytes;
    if (call.abandoned) return;
    this.#calls.delete(call.id);
    call.upload?.cancel();
  }

  #abandon(call: RunningCall, fault: Fault): void {
    call.abandoned = true;
    this.#calls.delete(call.id);
    call.upload?.fail(fault);
    this.#wire?.inbound.delete(call.id);
  }
}
