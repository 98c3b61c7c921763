/**
 * One connection of the server: handshake, then requests that overlap. Bounds what is under way in bytes and requests, counted
 * until the reply has left, by not reading on. Ends with the client, with the server, or with the first malformed byte.
 */
import type { Clock } from '../../fabric/clock.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import type { NetEvents, StreamSocket } from '../../fabric/net.ts';
import type { TlsServerOptions } from '../../fabric/net-tls.ts';
import { Channel } from './channel.ts';
import { nbdFaults } from './contract.ts';
import type { ExportTable } from './export-table.ts';
import { commands, MalformedNbd, type Request } from './nbd-format.ts';
import { Outbox } from './outbox.ts';
import { RequestReader, type Verdict } from './request-reader.ts';
import { perform, refusalOf, replyWithError, type Session } from './server-commands.ts';
import { type Chosen, shakeHands } from './server-handshake.ts';

/** What a request without payload counts. */
const REQUEST_COST_BYTES = 512;

export interface SessionOptions {
  readonly clock: Clock;
  readonly exports: ExportTable;
  readonly tls: TlsServerOptions | undefined;
  readonly tlsRequired: boolean;
  readonly handshakeMs: number;
  readonly inflightBytesMax: number;
  readonly requestsMax: number;
  /** Told of errors of a device that are not Faults, and of peers that break the protocol. */
  readonly report: (error: unknown) => void;
}

export class ServerSession {
  readonly #options: SessionOptions;
  readonly #socket: StreamSocket;
  readonly #channel: Channel;
  readonly #outbox: Outbox;
  readonly #done: Promise<void>;
  #finished: () => void = () => {};
  #reader: RequestReader | undefined;
  #session: Session | undefined;
  /** Admitted, and their replies not yet taken by the system. */
  #bytes = 0;
  #requests = 0;
  /** Of those: arrived in full and not answered; in the hands of the device. */
  #unanswered = 0;
  #working = 0;
  #closed = false;
  #idle: () => void = () => {};
  /** No further requests: the client said goodbye, or the server stops. */
  #ending = false;

  constructor(socket: StreamSocket, options: SessionOptions) {
    this.#options = options;
    this.#socket = socket;
    this.#channel = new Channel(socket);
    this.#outbox = new Outbox(socket, options.clock);
    this.#done = new Promise((resolve) => {
      this.#finished = resolve;
    });
  }

  /** Resolves when the socket is closed and the device released. Never rejects. */
  get done(): Promise<void> {
    return this.#done;
  }

  readonly events: NetEvents = {
    data: (bytes) => this.#data(bytes),
    closed: (reason) => {
      this.#closed = true;
      this.#channel.fail(new Fault(nbdFaults.disconnected, {}, reason));
      if (this.#session) this.#idle();
    },
    secured: (identity) => this.#channel.secured(identity),
  };

  async run(): Promise<void> {
    let chosen: Chosen | undefined;
    const { clock, handshakeMs } = this.#options;
    const timer = clock.after(handshakeMs, () => this.#socket.destroy('handshake took too long'));
    try {
      chosen = await this.#shake();
    } catch (error) {
      if (!isFault(error, nbdFaults.disconnected)) this.#options.report(error);
    }
    timer.cancel();
    if (chosen) {
      await this.#transmit(chosen);
      await chosen.use.release();
    }
    this.#socket.destroy();
    this.#finished();
  }

  /** Requests under way are answered, no more are read. */
  stop(): void {
    this.#ending = true;
    if (this.#session) this.#idle();
    else this.#socket.destroy('the server stops');
  }

  destroy(): void {
    this.#socket.destroy('the server stops');
  }

  #shake(): Promise<Chosen | undefined> {
    const { exports, tls, tlsRequired } = this.#options;
    return shakeHands({ channel: this.#channel, exports, remote: this.#socket.remote, tls, tlsRequired });
  }

  /** Until the last request is answered, or can no longer be. */
  #transmit(chosen: Chosen): Promise<void> {
    const { use, structured, contexts } = chosen;
    return new Promise((resolve) => {
      this.#idle = () => {
        const left = this.#closed ? this.#working : this.#unanswered;
        if ((this.#closed || this.#ending) && left === 0) resolve();
      };
      this.#session = { device: use.device, structured, contexts };
      this.#reader = new RequestReader({
        admit: (request) => this.#admit(request),
        request: (request, body, discarded) => this.#request(request, body, discarded),
      });
      this.#data(this.#channel.rest());
      this.#idle();
    });
  }

  #data(bytes: Buffer): void {
    if (this.#closed || this.#ending) return;
    try {
      if (this.#reader) this.#reader.push(bytes);
      else this.#channel.push(bytes);
      if (this.#reader?.waits) this.#socket.pause();
      // The client may have said goodbye, with nothing left to answer.
      if (this.#ending) this.#idle();
    } catch (error) {
      this.#broken(error);
    }
  }

  #broken(error: unknown): void {
    if (!(error instanceof MalformedNbd)) throw error;
    this.#options.report(error);
    this.#ending = true;
    this.#socket.destroy(error.message);
  }

  #admit(request: Readonly<Request>): Verdict {
    if (request.type === commands.disconnect || this.#ending) {
      this.#ending = true;
      return 'stop';
    }
    const { inflightBytesMax, requestsMax } = this.#options;
    const cost = costOf(request);
    const full = this.#requests >= requestsMax || this.#bytes + cost > inflightBytesMax;
    if (full && this.#requests > 0) return 'wait';
    const refused = refusalOf(this.#session as Session, request) !== 0;
    this.#requests++;
    if (refused) return 'discard';
    this.#bytes += cost;
    return 'take';
  }

  #request(request: Request, body: readonly Buffer[], discarded: boolean): void {
    const session = this.#session as Session;
    this.#unanswered++;
    if (discarded) return this.#reply(replyWithError(session, request, refusalOf(session, request)), 0);
    const cost = costOf(request);
    this.#working++;
    perform(session, request, body)
      .catch((error) => {
        if (!isFault(error)) this.#options.report(error);
        return replyWithError(session, request, error);
      })
      .then((reply) => {
        this.#working--;
        this.#reply(reply, cost);
      });
  }

  #reply(buffers: readonly Uint8Array[], cost: number): void {
    // `written` is not called for a broken connection.
    if (this.#closed) return this.#idle();
    this.#outbox.push(buffers, this.#requests === 1, () => this.#over(cost));
  }

  #over(cost: number): void {
    this.#bytes -= cost;
    this.#requests--;
    this.#unanswered--;
    this.#idle();
    if (!this.#reader?.waits || this.#closed) return;
    try {
      this.#reader.resume();
      if (!this.#reader.waits) this.#socket.resume();
      if (this.#ending) this.#idle();
    } catch (error) {
      this.#broken(error);
    }
  }
}

function costOf(request: Readonly<Request>): number {
  const heavy = request.type === commands.read || request.type === commands.write;
  return REQUEST_COST_BYTES + (heavy ? request.length : 0);
}
