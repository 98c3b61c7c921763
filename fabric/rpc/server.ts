/**
 * Listens for peers: one connection each, authenticated before anything of it is decoded. Owns the connections and their
 * handshakes; the calls are server-calls' business. It never calls back: a node that needs calls the other way connects.
 */
import type { Clock, Timer } from '../clock.ts';
import { isFault } from '../errors.ts';
import { type Endpoint, type Net, type NetEvents, type NetSocket, systemNet } from '../net.ts';
import { type Handler, type Handlers, type RpcLog, silentLog } from './contract.ts';
import { unreachable } from './faults.ts';
import { type Identity, refusal, ServerHandshake } from './handshake.ts';
import { CONNECTIONS_MAX, HANDSHAKES_MAX, RPC_LIMITS, type RpcLimits } from './limits.ts';
import { ServerCalls } from './server-calls.ts';
import { Wire } from './wire.ts';

export interface ListenOptions extends Identity {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly log?: RpcLog;
  readonly net?: Net;
  readonly limits?: Partial<RpcLimits>;
}

export interface RpcListener {
  /** With the real port where 0 was asked for. */
  readonly endpoint: Endpoint;
  /** Stops listening and drops all connections; handlers that run on get no answer across. */
  close(): Promise<void>;
}

interface Shared {
  readonly options: ListenOptions;
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly limits: RpcLimits;
  readonly log: RpcLog;
  readonly connections: Set<Connection>;
  handshakes: number;
}

class Connection implements NetEvents {
  readonly socket: NetSocket;
  readonly #shared: Shared;
  readonly #handshake: ServerHandshake;
  readonly #timer: Timer;
  #wire: Wire | undefined;
  #peerName = '';
  #refused = false;

  constructor(socket: NetSocket, shared: Shared) {
    this.socket = socket;
    this.#shared = shared;
    this.#handshake = new ServerHandshake(shared.options);
    shared.handshakes++;
    shared.connections.add(this);
    this.#timer = shared.options.clock.after(shared.limits.handshakeMs, () => socket.destroy('no hello in time'));
  }

  data(bytes: Buffer): void {
    if (this.#wire) this.#wire.feed(bytes);
    else if (!this.#refused) this.#shake(bytes);
  }

  closed(reason: string): void {
    this.#timer.cancel();
    this.#shared.connections.delete(this);
    if (this.#wire) this.#wire.closed(unreachable(this.#peerName, reason));
    else this.#shared.handshakes--;
  }

  #shake(bytes: Buffer): void {
    const { socket } = this;
    try {
      const step = this.#handshake.feed(bytes);
      if (step.send) socket.write([step.send], () => {});
      if (step.peer) this.#open(step.peer.name, step.rest);
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#refused = true;
      this.#shared.log.warn({ remote: socket.remote, reason: error.details['reason'] }, 'peer refused');
      socket.write([refusal(error)], () => socket.destroy('refused'));
    }
  }

  #open(peerName: string, rest: Buffer): void {
    const { options, limits, log, handlers } = this.#shared;
    this.#timer.cancel();
    this.#shared.handshakes--;
    this.#peerName = peerName;
    const common = { peerName, clock: options.clock, limits, log };
    const calls = new ServerCalls({ ...common, handlers, name: options.name });
    const wire = new Wire(calls, { ...common, socket: this.socket });
    calls.attach(wire);
    this.#wire = wire;
    if (rest.length > 0) wire.feed(rest);
  }
}

const CLOSED: NetEvents = { data() {}, closed() {} };

function accept(socket: NetSocket, shared: Shared): NetEvents {
  const full = shared.connections.size >= CONNECTIONS_MAX || shared.handshakes >= HANDSHAKES_MAX;
  if (!full) return new Connection(socket, shared);
  shared.log.warn({ remote: socket.remote, connections: shared.connections.size }, 'too many connections');
  socket.destroy('too many connections');
  return CLOSED;
}

/** Throws the system's error when the endpoint cannot be had. */
export async function listenRpc(handlers: Handlers, options: ListenOptions): Promise<RpcListener> {
  const shared: Shared = {
    options,
    handlers: new Map(Object.entries(handlers)),
    limits: { ...RPC_LIMITS, ...options.limits },
    log: options.log ?? silentLog,
    connections: new Set(),
    handshakes: 0,
  };
  const { net = systemNet, endpoint } = options;
  const listener = await net.listen(endpoint, (socket) => accept(socket, shared));
  return {
    endpoint: listener.endpoint,
    async close() {
      const closed = listener.close();
      for (const { socket } of shared.connections) socket.destroy('listener closed');
      await closed;
    },
  };
}
