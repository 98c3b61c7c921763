/**
 * A peer behind one connection: connects, shakes hands, reconnects with jittered pauses, and keeps the circuit. Calls are
 * never queued for a connection that is not there: they fail at once, and the caller places elsewhere.
 */
import type { Clock, Timer } from '../clock.ts';
import { Fault, isFault } from '../errors.ts';
import { type Endpoint, endpointText, type Net, type NetSocket, systemNet } from '../net.ts';
import { Breaker, jittered } from './breaker.ts';
import { ClientCalls } from './client-calls.ts';
import { type CallOptions, type Peer, type Reply, type RpcLog, silentLog } from './contract.ts';
import { unreachable } from './faults.ts';
import { ClientHandshake, type Identity } from './handshake.ts';
import { RPC_LIMITS, type RpcLimits } from './limits.ts';
import { Wire } from './wire.ts';

export interface ConnectOptions extends Identity {
  /** Name the other node must give in its hello, and the name of the Peer. */
  readonly peerName: string;
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly log?: RpcLog;
  readonly net?: Net;
  readonly limits?: Partial<RpcLimits>;
}

export interface SocketPeer extends Peer {
  /** Resolves once the connection is up; throws the Fault of the last attempt when `waitMs` pass first. */
  whenUp(waitMs: number): Promise<void>;
}

const LATENCY_WEIGHT = 1 / 16;
/** A connection that lived this long starts the pauses between attempts anew. */
const STABLE_MS = 1000;

interface UpWaiter {
  readonly resolve: () => void;
  readonly reject: (fault: Fault) => void;
  readonly timer: Timer;
}

class ConnectedPeer implements SocketPeer {
  readonly name: string;
  readonly #options: ConnectOptions;
  readonly #clock: Clock;
  readonly #log: RpcLog;
  readonly #limits: RpcLimits;
  readonly #breaker: Breaker;
  readonly #waiters = new Set<UpWaiter>();
  #socket: NetSocket | undefined;
  #wire: Wire | undefined;
  #calls: ClientCalls | undefined;
  #handshake: ClientHandshake | undefined;
  #attemptTimer: Timer | undefined;
  #attempts = 0;
  #upSinceMs = 0;
  #latencyMs = 0;
  #lastFault: Fault;
  /** Why the handshake of the current attempt failed. */
  #refusal: Fault | undefined;
  #closed = false;
  #ended: (() => void) | undefined;

  constructor(options: ConnectOptions) {
    this.name = options.peerName;
    this.#options = options;
    this.#clock = options.clock;
    this.#log = options.log ?? silentLog;
    this.#limits = { ...RPC_LIMITS, ...options.limits };
    this.#breaker = new Breaker(this.#limits, options.random);
    this.#lastFault = unreachable(this.name, 'not yet connected');
    this.#connect();
  }

  get up(): boolean {
    return this.#wire !== undefined && this.#breaker.permits(this.#clock.monotonicMs());
  }

  get load(): Peer['load'] {
    const queuedBytes = this.#wire?.queuedBytes ?? 0;
    return { calls: this.#calls?.size ?? 0, queuedBytes, latencyMs: this.#latencyMs };
  }

  call(method: string, args: unknown, options?: CallOptions): Promise<Reply> {
    const calls = this.#calls;
    const refusal = this.#wire && calls ? calls.refusal() : this.#down();
    if (calls === undefined || refusal !== undefined) return this.#refuse(refusal, options);
    if (!this.#breaker.enter(this.#clock.monotonicMs()))
      return this.#refuse(unreachable(this.name, 'circuit open'), options);
    return calls.start(method, args, options);
  }

  whenUp(waitMs: number): Promise<void> {
    if (this.#wire) return Promise.resolve();
    if (this.#closed) return Promise.reject(this.#down());
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(waitMs, () => {
        this.#waiters.delete(waiter);
        reject(this.#down());
      });
      const waiter: UpWaiter = { resolve, reject, timer };
      this.#waiters.add(waiter);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#attemptTimer?.cancel();
    this.#lastFault = unreachable(this.name, 'closed');
    for (const { timer, reject } of this.#waiters) {
      timer.cancel();
      reject(this.#down());
    }
    this.#waiters.clear();
    const socket = this.#socket;
    if (socket === undefined) return;
    await new Promise<void>((resolve) => {
      this.#ended = resolve;
      socket.destroy('closed');
    });
  }

  #refuse(fault: Fault | undefined, options: CallOptions | undefined): Promise<never> {
    options?.upload?.cancel();
    return Promise.reject(fault);
  }

  /** A fresh Fault each time: one object thrown at many callers would carry the wrong stack. */
  #down(): Fault {
    const { code, details, message } = this.#lastFault;
    return new Fault(code, details, message);
  }

  #connect(): void {
    const { net = systemNet, endpoint } = this.#options;
    this.#attempts++;
    const socket = net.connect(endpoint, {
      connected: () => {
        this.#handshake = new ClientHandshake(this.#options, this.name);
        socket.write([this.#handshake.start()], () => {});
      },
      data: (bytes) => (this.#wire ? this.#wire.feed(bytes) : this.#shake(socket, bytes)),
      closed: (reason) => this.#lost(reason),
    });
    this.#socket = socket;
    this.#attemptTimer = this.#clock.after(this.#limits.connectMs, () => socket.destroy('no connection in time'));
  }

  #shake(socket: NetSocket, bytes: Buffer): void {
    if (this.#handshake === undefined || this.#closed) return;
    try {
      const step = this.#handshake.feed(bytes);
      if (step.send) socket.write([step.send], () => {});
      if (step.peer) this.#open(socket, step.rest);
    } catch (error) {
      if (!isFault(error)) throw error;
      if (this.#attempts === 1 || error.message !== this.#lastFault.message)
        this.#log.warn({ peer: this.name, endpoint: endpointText(this.#options.endpoint) }, error.message);
      this.#refusal = error;
      this.#handshake = undefined;
      socket.destroy(error.message);
    }
  }

  #open(socket: NetSocket, rest: Buffer): void {
    this.#attemptTimer?.cancel();
    this.#handshake = undefined;
    this.#upSinceMs = this.#clock.monotonicMs();
    const common = { peerName: this.name, clock: this.#clock, limits: this.#limits, log: this.#log };
    const calls = new ClientCalls({ ...common, outcome: this.#outcome });
    const wire = new Wire(calls, { ...common, socket });
    calls.attach(wire);
    this.#calls = calls;
    this.#wire = wire;
    this.#breaker.answered();
    for (const { timer, resolve } of this.#waiters) {
      timer.cancel();
      resolve();
    }
    this.#waiters.clear();
    if (rest.length > 0) wire.feed(rest);
  }

  readonly #outcome = {
    answered: (latencyMs: number): void => {
      this.#latencyMs += (latencyMs - this.#latencyMs) * LATENCY_WEIGHT;
      this.#breaker.answered();
    },
    timedOut: (): void => this.#breaker.failed(this.#clock.monotonicMs()),
    withdrawn: (): void => this.#breaker.withdrawn(),
  };

  #lost(reason: string): void {
    const wire = this.#wire;
    this.#attemptTimer?.cancel();
    this.#socket = undefined;
    this.#wire = undefined;
    this.#calls = undefined;
    this.#lastFault = this.#refusal ?? unreachable(this.name, reason);
    this.#refusal = undefined;
    if (wire && !this.#closed) this.#log.warn({ peer: this.name, reason }, 'connection lost');
    this.#handshake = undefined;
    if (wire && this.#clock.monotonicMs() - this.#upSinceMs >= STABLE_MS) this.#attempts = 0;
    wire?.closed(this.#down());
    if (this.#closed) this.#ended?.();
    else this.#reconnectLater();
  }

  #reconnectLater(): void {
    const { reconnectMinMs, reconnectMaxMs } = this.#limits;
    const pauseMs = Math.min(reconnectMinMs * 2 ** Math.min(this.#attempts, 30), reconnectMaxMs);
    this.#attemptTimer = this.#clock.after(jittered(pauseMs, this.#options.random), () => this.#connect());
  }
}

/** Starts connecting at once; the peer is `up` when that has succeeded. Close it to stop reconnecting. */
export function connectPeer(options: ConnectOptions): SocketPeer {
  return new ConnectedPeer(options);
}
