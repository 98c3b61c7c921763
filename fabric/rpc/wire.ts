/**
 * An authenticated connection, the same on both sides: joins messages from frames, owns the streams, credit, keepalive and
 * the end of the connection. It decides nothing about calls: its owner (client-calls, server-calls) does. Every malformed
 * frame ends the connection with one log line.
 */
import type { Clock, Timer } from '../clock.ts';
import { decodeHoisted } from '../codec.ts';
import { Fault } from '../errors.ts';
import type { NetSocket } from '../net.ts';
import type { ByteStream, RpcLog } from './contract.ts';
import { FLAG_STREAM, frameTypes, MalformedFrame, type Prefix } from './frame-format.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import type { RpcLimits } from './limits.ts';
import { InboundStream, OutboundStream } from './streams.ts';

export interface WireOwner {
  /** Message types this side may receive. */
  readonly accepts: readonly number[];
  /**
   * Whether `rawBytes` more may be held; if not they are dropped on arrival and `refused` is called instead of `message`.
   * What was admitted comes with `message`, or is given back by `released`.
   */
  admit(rawBytes: number): boolean;
  released(rawBytes: number): void;
  message(message: Message): void;
  refused(id: number): void;
  cancelled(id: number): void;
  /** The reader of an inbound stream gave up. */
  streamCancelled(id: number): void;
  /** The connection is gone; streams have been failed and stopped. */
  closed(fault: Fault): void;
}

export interface Message {
  readonly type: number;
  readonly id: number;
  readonly value: unknown;
  readonly rawBytes: number;
  readonly stream: InboundStream | undefined;
}

export interface WireOptions {
  readonly socket: NetSocket;
  readonly peerName: string;
  readonly clock: Clock;
  readonly limits: RpcLimits;
  readonly log: RpcLog;
}

/** A message whose raw section is not complete. One that was not admitted is counted, dropped and refused. */
interface Partial {
  readonly type: number;
  readonly id: number;
  readonly header: Buffer;
  readonly rawBytes: number;
  readonly admitted: boolean;
  readonly stream: InboundStream | undefined;
  raw: Buffer | undefined;
  have: number;
}

const EMPTY = Buffer.alloc(0);
const SILENT_CHECKS_MAX = 3;
/** Types with neither header nor body. */
const BARE: readonly number[] = [
  frameTypes.end,
  frameTypes.credit,
  frameTypes.cancel,
  frameTypes.ping,
  frameTypes.pong,
];

export class Wire implements FrameSink {
  readonly writer: FrameWriter;
  readonly inbound = new Map<number, InboundStream>();
  readonly outbound = new Map<number, OutboundStream>();
  readonly #options: WireOptions;
  readonly #owner: WireOwner;
  readonly #reader: FrameReader;
  readonly #partials = new Map<number, Partial>();
  /** Where the body of the current frame goes: a message, or (undefined) the stream `#streamId`. */
  #partial: Partial | undefined;
  #streamId = 0;
  #heard = false;
  #silentChecks = 0;
  #keepalive: Timer | undefined;
  #dead = false;

  constructor(owner: WireOwner, options: WireOptions) {
    this.#owner = owner;
    this.#options = options;
    this.writer = new FrameWriter(options.socket, options.clock, options.limits.messageBytesMax);
    this.#reader = new FrameReader(this);
    this.#watch();
  }

  get queuedBytes(): number {
    return this.writer.queuedBytes;
  }

  feed(chunk: Buffer): void {
    if (this.#dead) return;
    this.#heard = true;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      if (this.#dead) return;
      const { log, peerName, socket } = this.#options;
      log.warn({ peer: peerName, remote: socket.remote, error: error.message }, 'malformed frame: connection closed');
      socket.destroy(`malformed frame: ${error.message}`);
    }
  }

  /** To be called once, when the socket is closed. */
  closed(fault: Fault): void {
    this.#dead = true;
    this.#keepalive?.cancel();
    this.writer.close();
    for (const stream of this.outbound.values()) stream.stop();
    for (const stream of this.inbound.values()) stream.fail(fault);
    this.outbound.clear();
    this.inbound.clear();
    this.#partials.clear();
    this.#owner.closed(fault);
  }

  /** Sends `source` as the stream of `id` until it ends or is stopped. */
  send(id: number, source: ByteStream, broken: (error: unknown) => Fault): OutboundStream {
    const stream = new OutboundStream(id, source, this.writer, this.#options.limits.streamWindowBytes);
    this.outbound.set(id, stream);
    void stream.run(broken).then(() => this.#forget(id, stream));
    return stream;
  }

  stopSending(id: number): void {
    this.outbound.get(id)?.stop();
    this.outbound.delete(id);
  }

  frame(prefix: Readonly<Prefix>, header: Buffer): void {
    const { type, id, extra, bodyBytes } = prefix;
    if (type <= frameTypes.fault || type === frameTypes.fail) return this.#messageFrame(prefix, header);
    if (header.length > 0) throw new MalformedFrame(`type ${type} with a header`);
    if (type === frameTypes.more || type === frameTypes.data) return this.#bodyFrame(prefix);
    if (bodyBytes > 0 || !BARE.includes(type)) throw new MalformedFrame(`type ${type} with a body`);
    if (type === frameTypes.end) this.#endOf(id)?.end();
    else if (type === frameTypes.credit) this.outbound.get(id)?.credit(extra);
    else if (type === frameTypes.cancel) this.#cancelled(id);
    else if (type === frameTypes.ping) this.writer.control(frameTypes.pong, id);
  }

  body(piece: Buffer): void {
    const partial = this.#partial;
    if (partial === undefined) {
      if (this.inbound.get(this.#streamId)?.push(piece) === false) throw new MalformedFrame('stream window broken');
      return;
    }
    if (partial.have === 0 && piece.length === partial.rawBytes) return this.#deliver(partial, piece);
    this.#gather(partial);
    if (partial.raw !== undefined) piece.copy(partial.raw, partial.have);
    partial.have += piece.length;
    if (partial.have < partial.rawBytes) return;
    this.#partials.delete(partial.id);
    this.#deliver(partial, partial.raw ?? EMPTY);
  }

  #messageFrame(prefix: Readonly<Prefix>, header: Buffer): void {
    const { type, id, flags, extra: rawBytes, bodyBytes } = prefix;
    if (!this.#owner.accepts.includes(type)) throw new MalformedFrame(`type ${type} from the wrong side`);
    if (header.length === 0 || bodyBytes > rawBytes)
      throw new MalformedFrame('message without header or with excess body');
    if (rawBytes > this.#options.limits.messageBytesMax) throw new MalformedFrame(`message of ${rawBytes} raw bytes`);
    if (this.#partials.has(id)) throw new MalformedFrame(`message ${id} started twice`);
    const stream = (flags & FLAG_STREAM) !== 0 ? this.#open(id) : undefined;
    const admitted = rawBytes === 0 || this.#owner.admit(rawBytes);
    const partial: Partial = { type, id, header, rawBytes, admitted, stream, raw: undefined, have: 0 };
    if (rawBytes === 0) return this.#deliver(partial, EMPTY);
    this.#partial = partial;
    if (bodyBytes < rawBytes) this.#gather(partial);
  }

  /** The raw bytes do not come in one piece: from here on they have a buffer of their own. */
  #gather(partial: Partial): void {
    if (this.#partials.has(partial.id)) return;
    if (this.#partials.size >= this.#options.limits.callsInFlightMax)
      throw new MalformedFrame('too many partial messages');
    if (partial.admitted) partial.raw = Buffer.allocUnsafeSlow(partial.rawBytes);
    this.#partials.set(partial.id, partial);
  }

  #bodyFrame({ type, id, bodyBytes }: Readonly<Prefix>): void {
    this.#streamId = id;
    this.#partial = type === frameTypes.more ? this.#partials.get(id) : undefined;
    if (type !== frameTypes.more) return;
    if (this.#partial === undefined) throw new MalformedFrame(`more of an unknown message ${id}`);
    if (this.#partial.have + bodyBytes > this.#partial.rawBytes) throw new MalformedFrame('more than announced');
  }

  #deliver(partial: Partial, raw: Buffer): void {
    const { type, id, header, rawBytes, stream } = partial;
    this.#partial = undefined;
    if (!partial.admitted) return this.#owner.refused(id);
    let value: unknown;
    try {
      value = decodeHoisted(header, raw);
    } catch (error) {
      throw new MalformedFrame(error instanceof Error ? error.message : 'undecodable header');
    }
    if (type === frameTypes.fail) this.#endOf(id)?.fail(faultFrom(value));
    else this.#owner.message({ type, id, value, rawBytes, stream });
  }

  #open(id: number): InboundStream {
    if (this.inbound.has(id)) throw new MalformedFrame(`stream ${id} opened twice`);
    const { streamWindowBytes } = this.#options.limits;
    const stream = new InboundStream(id, this.writer, streamWindowBytes, () => {
      this.inbound.delete(id);
      this.#owner.streamCancelled(id);
    });
    this.inbound.set(id, stream);
    return stream;
  }

  #endOf(id: number): InboundStream | undefined {
    const stream = this.inbound.get(id);
    this.inbound.delete(id);
    return stream;
  }

  #cancelled(id: number): void {
    const partial = this.#partials.get(id);
    if (partial?.admitted) this.#owner.released(partial.rawBytes);
    this.#partials.delete(id);
    this.#owner.cancelled(id);
  }

  #forget(id: number, stream: OutboundStream): void {
    if (this.outbound.get(id) === stream) this.outbound.delete(id);
  }

  /** Finds peers that vanished without a word (power, network): nothing heard for three periods in spite of pings. */
  #watch(): void {
    const { clock, limits, socket } = this.#options;
    this.#keepalive = clock.after(limits.keepaliveMs, () => {
      this.#silentChecks = this.#heard ? 0 : this.#silentChecks + 1;
      this.#heard = false;
      if (this.#silentChecks >= SILENT_CHECKS_MAX) return socket.destroy('silent');
      if (this.#silentChecks > 0) this.writer.control(frameTypes.ping, 0);
      this.#watch();
    });
  }
}

/** A Fault as it travels; throws MalformedFrame when it is not one. */
export function faultFrom(value: unknown): Fault {
  if (Array.isArray(value)) {
    const [code, message, details] = value as unknown[];
    if (typeof code === 'string' && typeof message === 'string' && typeof details === 'object' && details !== null)
      return new Fault(code, details as Record<string, unknown>, message);
  }
  throw new MalformedFrame('not a fault');
}
