/**
 * The node:http engine: listening, connections, limits and draining. Requests of one connection run one after the other,
 * pipelined or not. Anything the parser refuses is answered by a status before the connection closes; a response in
 * progress is never mixed with such an answer.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Timer } from '../clock.ts';
import { readCertificate } from './certificate.ts';
import {
  DEFAULT_HTTP_LIMITS,
  type HttpEngine,
  type HttpLimits,
  type HttpListener,
  type HttpListenOptions,
} from './contract.ts';
import { IdleWatch } from './idle-watch.ts';
import { NodeExchange, type NodeFront } from './node-exchange.ts';
import { statusLine } from './response-check.ts';

/** How often node looks for heads that take too long. */
const HEAD_CHECK_MS = 5_000;
/** After a refusal the client has so long to read it and close. */
const REFUSAL_LINGER_MS = 2_000;
/** Requests of one connection parsed ahead of the one that runs. */
const PIPELINED_MAX = 2_000;
const READ_BYTES = 64 * 1024;

const connectionKey = Symbol('connection');
type TrackedSocket = Socket & { [connectionKey]?: Connection };

/** The requests of one connection, in order. */
class Connection {
  readonly peer: { remoteAddress: string; tls: boolean };
  readonly #socket: Socket;
  readonly #front: NodeFront;
  #current: NodeExchange | undefined;
  #waiting: NodeExchange[] = [];
  #broken = 0;
  #served = 0;
  #timer: Timer | undefined;

  constructor(socket: Socket, tls: boolean, front: NodeFront) {
    this.#socket = socket;
    this.#front = front;
    this.peer = { remoteAddress: socket.remoteAddress ?? '', tls };
    socket.once('close', () => this.#timer?.cancel());
  }

  /** No request has come yet. */
  get silent(): boolean {
    return this.#served === 0;
  }

  add(exchange: NodeExchange): void {
    if (this.#broken !== 0) return;
    if (this.#current === undefined) this.#run(exchange);
    else if (this.#waiting.push(exchange) > PIPELINED_MAX) this.#socket.destroy();
  }

  /** The parser gave up on what the client sends. */
  break(status: number): void {
    if (this.#broken !== 0) return;
    this.#broken = status;
    if (this.#current === undefined) this.refuse(status);
    else if (this.#waiting.length === 0 && !this.#current.complete) {
      if (this.#current.breakBody()) this.refuse(status);
      else this.#socket.destroySoon();
    }
  }

  /** Answers outside of any exchange and closes. */
  refuse(status: number): void {
    const socket = this.#socket;
    if (socket.destroyed || !socket.writable) {
      socket.destroy();
      return;
    }
    socket.end(`HTTP/1.1 ${statusLine(status)}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    this.#timer = this.#front.clock.after(REFUSAL_LINGER_MS, () => socket.destroy());
  }

  #run(exchange: NodeExchange): void {
    this.#current = exchange;
    this.#served += 1;
    exchange.start(() => this.#next());
  }

  #next(): void {
    this.#current = undefined;
    if (this.#socket.destroyed) {
      this.#waiting = [];
      return;
    }
    const next = this.#waiting.shift();
    if (next !== undefined) this.#run(next);
    else if (this.#broken !== 0) this.refuse(this.#broken);
    else if (this.#front.draining) this.#socket.destroySoon();
  }
}

class NodeListener implements HttpListener {
  readonly engine = 'node' as const;
  readonly altersHeaders = false;
  readonly port: number;
  readonly #server: Server;
  readonly #front: NodeFront;
  readonly #sockets: Set<TrackedSocket>;
  #drained: Promise<void> | undefined;

  constructor(server: Server, front: NodeFront, sockets: Set<TrackedSocket>) {
    this.#server = server;
    this.#front = front;
    this.#sockets = sockets;
    this.port = (server.address() as AddressInfo).port;
  }

  get inFlight(): number {
    return this.#front.inFlight;
  }

  drain(graceMs: number): Promise<void> {
    this.#drained ??= this.#drain(graceMs);
    return this.#drained;
  }

  async #drain(graceMs: number): Promise<void> {
    this.#front.draining = true;
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    // node counts a connection that has not asked for anything yet as busy.
    for (const socket of this.#sockets) if (socket[connectionKey]?.silent === true) socket.destroy();
    const timer = this.#front.clock.after(graceMs, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await closed;
    timer.cancel();
  }
}

export const nodeEngine: HttpEngine = async (handler, options, world) => {
  const limits: HttpLimits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  const front: NodeFront = {
    handler,
    limits,
    clock: world.clock,
    onError: world.onError,
    bodyWatch: new IdleWatch(world.clock, limits.bodyIdleMs),
    responseWatch: new IdleWatch(world.clock, limits.responseIdleMs),
    draining: false,
    inFlight: 0,
  };
  const server = await makeServer(options, limits);
  const sockets = new Set<TrackedSocket>();
  serve(server, front, { sockets, tls: options.tls !== undefined });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port, backlog: 1024 }, () => {
      server.off('error', reject);
      server.on('error', world.onError);
      resolve();
    });
  });
  return new NodeListener(server, front, sockets);
};

async function makeServer(options: HttpListenOptions, limits: HttpLimits): Promise<Server> {
  const settings = {
    maxHeaderSize: limits.headBytesMax,
    highWaterMark: READ_BYTES,
    keepAliveTimeout: limits.keepAliveMs,
    headersTimeout: limits.headMs,
    // Bodies have their own limit, which a slow but live upload meets.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(HEAD_CHECK_MS, limits.headMs),
    noDelay: true,
  };
  const server =
    options.tls === undefined
      ? createServer(settings)
      : createTlsServer({ ...settings, ...(await readCertificate(options.tls)), ALPNProtocols: ['http/1.1'] });
  // node drops headers above its own count without a word; ours answers 431.
  server.maxHeadersCount = 0;
  server.timeout = 0;
  // A client that has finished sending may still read: node would abort its request at the FIN.
  (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
  return server;
}

function serve(server: Server, front: NodeFront, shape: { sockets: Set<TrackedSocket>; tls: boolean }): void {
  const { sockets, tls } = shape;
  let connections = 0;
  const track = (socket: TrackedSocket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  const accept = (socket: TrackedSocket): void => {
    const connection = new Connection(socket, tls, front);
    socket[connectionKey] = connection;
    if (tls) track(socket);
    if (connections > front.limits.connectionsMax) connection.break(503);
  };
  // Under TLS this is the socket below, which is known before the handshake.
  server.on('connection', (socket: Socket) => {
    connections += 1;
    socket.once('close', () => {
      connections -= 1;
    });
    track(socket);
    if (!tls) accept(socket);
  });
  if (tls) server.on('secureConnection', accept);
  const receive = (incoming: IncomingMessage, out: ServerResponse, expects: boolean): void => {
    const connection = (incoming.socket as TrackedSocket)[connectionKey]!;
    connection.add(new NodeExchange(front, { incoming, out, expects }, connection.peer));
  };
  server.on('request', (incoming, out) => receive(incoming, out, false));
  server.on('checkContinue', (incoming, out) => receive(incoming, out, true));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: TrackedSocket) => {
    const connection = socket[connectionKey];
    if (connection === undefined || error.code === 'ECONNRESET' || error.code === 'EPIPE') socket.destroy();
    else connection.break(statusOfParserError(error.code));
  });
}

function statusOfParserError(code: string | undefined): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return 413;
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
}
