/**
 * One connection of the client: handshake, then calls that overlap, each with a deadline. When it breaks, every call that
 * waits is told why, once. Never reconnects and never repeats a call: that is for its owner to decide.
 */
import type { Clock, Timer } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import { type Endpoint, endpointText, type NetEvents, type StreamNet, type StreamSocket } from '../../fabric/net.ts';
import { Channel } from './channel.ts';
import { type Agreed, list, negotiate, type Wishes } from './client-handshake.ts';
import { nbdFaults } from './contract.ts';
import { Coverage } from './coverage.ts';
import {
  commands,
  emptyRequest,
  encodeRequest,
  faultCodeOf,
  MalformedNbd,
  type Request,
  type WireExtent,
} from './nbd-format.ts';
import { Outbox } from './outbox.ts';
import { type AwaitedReply, ReplyReader } from './reply-reader.ts';

const WORD = 2 ** 32;
const NOTHING = Buffer.alloc(0);
/** For the last word to leave. */
const GOODBYE_MS = 1000;

export interface ConnectionOptions {
  readonly net: StreamNet;
  readonly clock: Clock;
  readonly endpoint: Endpoint;
  readonly wishes: Wishes;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

export interface Command {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly length: number;
  readonly body?: readonly Uint8Array[];
  /** Of a read. */
  readonly target?: Buffer;
  /** Of a block status request. */
  readonly context?: string;
}

interface Call extends AwaitedReply {
  readonly cookie: number;
  readonly command: Command;
  readonly startedMs: number;
  readonly resolve: (extents: WireExtent[]) => void;
  readonly reject: (error: Error) => void;
}

export class ClientConnection {
  readonly #options: ConnectionOptions;
  readonly #calls = new Map<number, Call>();
  readonly #endpoint: string;
  readonly #socket: StreamSocket;
  readonly #channel: Channel;
  readonly #outbox: Outbox;
  readonly #closed: Promise<void>;
  #reader: ReplyReader<Call> | undefined;
  #agreed: Agreed | undefined;
  /** Small, and only for the handshake. */
  #scratch: Buffer = NOTHING;
  #failure: Fault | undefined;
  #timer: Timer | undefined;
  #cookie = 0;
  #onBroken: (() => void) | undefined;
  /** Of calls under way, in both directions. */
  inflightBytes = 0;

  private constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#endpoint = endpointText(options.endpoint);
    let closed = (): void => {};
    this.#closed = new Promise((resolve) => {
      closed = resolve;
    });
    this.#socket = options.net.connect(options.endpoint, this.#events(closed));
    this.#channel = new Channel(this.#socket);
    this.#outbox = new Outbox(this.#socket, options.clock);
  }

  /** A connection that is ready for calls. */
  static async open(options: ConnectionOptions): Promise<ClientConnection> {
    const connection = new ClientConnection(options);
    await connection.#shake(async (channel) => {
      const agreed = await negotiate(channel, options.wishes);
      connection.#transmit(agreed, channel.rest());
    });
    return connection;
  }

  static async list(options: ConnectionOptions): Promise<{ name: string; description: string }[]> {
    const connection = new ClientConnection(options);
    const exports = await connection.#shake((channel) => list(channel, options.wishes.tls));
    await connection.close();
    return exports;
  }

  get agreed(): Agreed {
    return this.#agreed as Agreed;
  }

  get alive(): boolean {
    return this.#failure === undefined;
  }

  get failure(): Fault | undefined {
    return this.#failure;
  }

  get callCount(): number {
    return this.#calls.size;
  }

  onBroken(told: () => void): void {
    this.#onBroken = told;
  }

  /** Extents of a block status request, otherwise none. A read's bytes are in its target. */
  call(command: Command): Promise<WireExtent[]> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      const call = this.#newCall(command, resolve, reject);
      const alone = this.#calls.size === 0;
      this.#calls.set(call.cookie, call);
      this.inflightBytes += command.length;
      if (alone) this.#watch(this.#options.requestTimeoutMs);
      const header = encodeRequest(requestOf(command, call.cookie));
      this.#outbox.push(command.body ? [header, ...command.body] : [header], alone);
    });
  }

  /** Says goodbye if the connection still stands; resolves when the socket is gone. */
  async close(): Promise<void> {
    if (this.#agreed && this.alive) {
      const goodbye = requestOf({ type: commands.disconnect, flags: 0, offset: 0, length: 0 }, this.#nextCookie());
      this.#outbox.push([encodeRequest(goodbye)], true, () => this.#socket.destroy());
      this.#fail(new Fault(nbdFaults.closed, { endpoint: this.#endpoint }, 'the client was closed'));
      // A server that reads nothing is not waited for.
      const timer = this.#options.clock.after(GOODBYE_MS, () => this.#socket.destroy());
      await this.#closed;
      timer.cancel();
    } else this.abort(new Fault(nbdFaults.closed, { endpoint: this.#endpoint }, 'the client was closed'));
    await this.#closed;
  }

  abort(fault: Fault): void {
    this.#fail(fault);
    this.#socket.destroy(fault.message);
  }

  #events(closed: () => void): NetEvents {
    const { tls } = this.#options.wishes;
    return {
      data: (bytes) => this.#data(bytes),
      closed: (reason) => {
        this.#fail(new Fault(nbdFaults.disconnected, { endpoint: this.#endpoint }, `${this.#endpoint}: ${reason}`));
        closed();
      },
      secured: (identity) => this.#channel.secured(identity),
      // TLS has buffers of its own.
      ...(!tls && { memory: () => this.#memory() }),
    };
  }

  #memory(): Buffer {
    if (this.#reader) return this.#reader.memory();
    if (this.#scratch.length === 0) this.#scratch = Buffer.allocUnsafeSlow(4096);
    return this.#scratch;
  }

  #data(bytes: Buffer): void {
    if (this.#failure) return;
    try {
      if (this.#reader) this.#reader.push(bytes);
      else this.#channel.push(bytes);
    } catch (error) {
      if (!(error instanceof MalformedNbd)) throw error;
      this.abort(this.#malformed(error));
    }
  }

  #malformed(error: MalformedNbd): Fault {
    return new Fault(nbdFaults.malformed, { endpoint: this.#endpoint }, `${this.#endpoint}: ${error.message}`);
  }

  async #shake<T>(run: (channel: Channel) => Promise<T>): Promise<T> {
    const ms = this.#options.connectTimeoutMs;
    const timer = this.#options.clock.after(ms, () => this.abort(this.#late(`no handshake within ${ms} ms`)));
    try {
      return await run(this.#channel);
    } catch (error) {
      const fault = error instanceof MalformedNbd ? this.#malformed(error) : error;
      this.abort(fault as Fault);
      await this.#closed;
      throw fault;
    } finally {
      timer.cancel();
    }
  }

  #late(message: string): Fault {
    return new Fault(nbdFaults.deadline, { endpoint: this.#endpoint }, `${this.#endpoint}: ${message}`);
  }

  #transmit(agreed: Agreed, early: Buffer): void {
    this.#agreed = agreed;
    const sink = {
      find: (high: number, low: number) => (high === 0 ? this.#calls.get(low) : undefined),
      settle: (call: Call) => this.#settle(call),
    };
    const contextIds = new Set(agreed.contextIds.values());
    this.#reader = new ReplyReader<Call>(sink, { structured: agreed.export.structuredReplies, contextIds });
    if (early.length > 0) this.#data(early);
  }

  #newCall(command: Command, resolve: Call['resolve'], reject: Call['reject']): Call {
    const { type, context } = command;
    return {
      kind: type === commands.read ? 'read' : type === commands.blockStatus ? 'status' : 'plain',
      cookie: this.#nextCookie(),
      command,
      offset: command.offset,
      length: command.length,
      target: command.target ?? NOTHING,
      coverage: new Coverage(),
      contextId: context === undefined ? -1 : (this.agreed.contextIds.get(context) ?? -1),
      extents: undefined,
      error: undefined,
      startedMs: this.#options.clock.monotonicMs(),
      resolve,
      reject,
    };
  }

  #nextCookie(): number {
    do this.#cookie = (this.#cookie + 1) % WORD;
    while (this.#calls.has(this.#cookie));
    return this.#cookie;
  }

  #settle(call: Call): void {
    this.#calls.delete(call.cookie);
    this.inflightBytes -= call.length;
    if (this.#calls.size === 0) this.#unwatch();
    const { error, command } = call;
    if (error === undefined) return call.resolve(call.extents ?? []);
    const details = { errno: error.errno, command: command.type, offset: call.offset, length: call.length };
    const text = error.message === '' ? `the server answered errno ${error.errno}` : error.message;
    call.reject(new Fault(faultCodeOf(error.errno), details, text));
  }

  #fail(fault: Fault): void {
    if (this.#failure) return;
    this.#failure = fault;
    this.#unwatch();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    this.inflightBytes = 0;
    this.#channel.fail(fault);
    for (const call of calls) call.reject(fault);
    this.#onBroken?.();
  }

  /** Calls are in the order they began: the first is the oldest. */
  #watch(delayMs: number): void {
    this.#timer = this.#options.clock.after(delayMs, () => {
      const oldest = this.#calls.values().next().value;
      if (oldest === undefined) return;
      const leftMs = this.#options.requestTimeoutMs - (this.#options.clock.monotonicMs() - oldest.startedMs);
      if (leftMs > 0) return this.#watch(Math.ceil(leftMs));
      this.abort(this.#late(`no reply within ${this.#options.requestTimeoutMs} ms`));
    });
  }

  #unwatch(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

function requestOf(command: Command, cookie: number): Request {
  const { flags, type, offset, length } = command;
  return { ...emptyRequest(), flags, type, cookieLow: cookie, offset, length };
}
