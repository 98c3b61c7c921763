/**
 * Byte connections as an argument: `systemNet` (node:net; TCP and unix sockets) in production. Owns vectored writes, socket
 * options and stale unix socket files; knows nothing of frames. Errors of a connection end in one `closed` call.
 */
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { startTls, type TlsOptions } from './net-tls.ts';

export type Endpoint = { readonly path: string } | { readonly host: string; readonly port: number };

/** What a connection tells its owner. */
export interface NetEvents {
  /** Only for connections made by `connect`. */
  connected?(): void;
  /** The bytes are the receiver's: never reused, unless they lie in what `memory` gave. */
  data(bytes: Buffer): void;
  /** Only for `connect`, until `secure`: where the next bytes are read to, never empty. `data` gets the part that was filled. */
  memory?(): Buffer;
  /** The handshake that `secure` began is done; `identity` is what the other side proved to be. */
  secured?(identity: string | undefined): void;
  /** Exactly once, also after `destroy`; nothing follows. */
  closed(reason: string): void;
}

export interface NetSocket {
  readonly remote: string;
  /** One vectored write; the buffers must not change before `done`, which is not called if the connection breaks. */
  write(buffers: readonly Uint8Array[], done: () => void): void;
  /** Drops what is not yet written. */
  destroy(reason?: string): void;
}

/** A socket for protocols without credits of their own, and for those that turn to TLS in mid-connection. */
export interface StreamSocket extends NetSocket {
  /** No more `data` until `resume`, but for what is on its way within this turn. */
  pause(): void;
  resume(): void;
  /** What was received or written before stays plain; all after is in TLS. Once, and with nothing left to be written. */
  secure(options: TlsOptions): void;
}

export interface NetListener {
  /** With the real port where 0 was asked for. */
  readonly endpoint: Endpoint;
  /** Accepts no more connections; those there are stay. */
  close(): Promise<void>;
}

export interface Net {
  connect(endpoint: Endpoint, events: NetEvents): NetSocket;
  /** `accept` is called for each new connection and says who listens to it. */
  listen(endpoint: Endpoint, accept: (socket: NetSocket) => NetEvents): Promise<NetListener>;
}

/** `Net` with the sockets of the system. */
export interface StreamNet extends Net {
  connect(endpoint: Endpoint, events: NetEvents): StreamSocket;
  listen(endpoint: Endpoint, accept: (socket: StreamSocket) => NetEvents): Promise<NetListener>;
}

export function endpointText(endpoint: Endpoint): string {
  return 'path' in endpoint ? endpoint.path : `${endpoint.host}:${endpoint.port}`;
}

/** sun_path of Linux, without its zero byte. */
export const UNIX_PATH_BYTES_MAX = 107;
/** Our own accounting decides when to stop writing; this only keeps node from signalling early. */
const HIGH_WATER_BYTES = 1024 * 1024;

class SystemSocket implements StreamSocket {
  readonly remote: string;
  #socket: net.Socket;
  #events: NetEvents | undefined;
  #reason = 'closed by the peer';

  constructor(socket: net.Socket, remote: string) {
    this.#socket = socket;
    this.remote = remote;
    socket.setNoDelay(true);
  }

  attach(events: NetEvents): void {
    const socket = this.#socket;
    this.#events = events;
    this.#listen(socket);
    socket.once('close', () => events.closed(this.#reason));
    if (events.connected) socket.once('connect', () => events.connected?.());
  }

  #listen(socket: net.Socket): void {
    // With memory of the receiver's own, node tells of bytes there and not here.
    socket.on('data', (bytes: Buffer) => this.#events?.data(bytes));
    socket.on('error', (error) => {
      this.#reason = error.message;
    });
    socket.on('end', () => socket.destroy());
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  secure(options: TlsOptions): void {
    const raw = this.#socket;
    raw.removeAllListeners('data');
    raw.removeAllListeners('end');
    const secured = startTls(raw, options, (identity) => this.#events?.secured?.(identity));
    this.#listen(secured);
    secured.once('close', () => raw.destroy());
    this.#socket = secured;
  }

  write(buffers: readonly Uint8Array[], done: () => void): void {
    const socket = this.#socket;
    const last = buffers.length - 1;
    const written = (error?: Error | null): void => {
      if (!error) done();
    };
    if (last === 0) {
      socket.write(buffers[0] as Uint8Array, written);
      return;
    }
    socket.cork();
    for (let i = 0; i < last; i++) socket.write(buffers[i] as Uint8Array);
    socket.write(buffers[last] as Uint8Array, written);
    socket.uncork();
  }

  destroy(reason = 'closed by us'): void {
    if (!this.#socket.destroyed) this.#reason = reason;
    this.#socket.destroy();
  }
}

function connectOptions(endpoint: Endpoint): net.NetConnectOpts {
  return 'path' in endpoint ? { path: endpoint.path } : { host: endpoint.host, port: endpoint.port };
}

interface ReachablePath {
  readonly path: string;
  /** Gives back what keeps `path` valid. */
  release(): void;
}

/** /proc/self/fd/1234567/ in front of it must fit too. */
const UNIX_NAME_BYTES_MAX = UNIX_PATH_BYTES_MAX - 22;

/** A longer path than an address holds is reached through a descriptor of its folder (proc(5), /proc/self/fd). */
function reachable(wanted: string): ReachablePath {
  if (Buffer.byteLength(wanted) <= UNIX_PATH_BYTES_MAX) return { path: wanted, release: () => {} };
  if (Buffer.byteLength(path.basename(wanted)) > UNIX_NAME_BYTES_MAX)
    throw new Error(`the name of a unix socket is longer than ${UNIX_NAME_BYTES_MAX} bytes: ${wanted}`);
  const folder = fs.openSync(path.dirname(wanted), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  return { path: `/proc/self/fd/${folder}/${path.basename(wanted)}`, release: () => fs.closeSync(folder) };
}

/** Lets the system write to the receiver's memory: no buffer per read, no copy for bytes that land where they belong. */
function readInto(events: NetEvents): net.OnReadOpts {
  return {
    buffer: () => events.memory?.() ?? Buffer.alloc(1),
    callback: (count, memory) => {
      events.data((memory as Buffer).subarray(0, count));
      return true;
    },
  };
}

function connect(endpoint: Endpoint, events: NetEvents): StreamSocket {
  const raw = new net.Socket({
    writableHighWaterMark: HIGH_WATER_BYTES,
    ...(events.memory && { onread: readInto(events) }),
  } as net.SocketConstructorOpts);
  const socket = new SystemSocket(raw, endpointText(endpoint));
  socket.attach(events);
  if ('path' in endpoint) connectUnix(raw, endpoint.path);
  else raw.connect(connectOptions(endpoint));
  return socket;
}

function connectUnix(raw: net.Socket, wanted: string): void {
  let found: ReachablePath;
  try {
    found = reachable(wanted);
  } catch (error) {
    raw.destroy(error as Error);
    return;
  }
  // The address is used before connect returns.
  raw.connect({ path: found.path });
  found.release();
}

function bind(server: net.Server, endpoint: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(connectOptions(endpoint), () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Whether somebody answers on a unix socket that is in the way; a file left by a killed process refuses. */
function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect({ path: address });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}

async function bindUnix(server: net.Server, wanted: string): Promise<void> {
  const { path: address, release } = reachable(wanted);
  try {
    await bind(server, { path: address }).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' || (await answers(address))) throw error;
      fs.unlinkSync(address);
      await bind(server, { path: address });
    });
  } catch (error) {
    release();
    throw error;
  }
  // Not before: node removes the socket's file by this path.
  server.once('close', release);
}

function boundEndpoint(server: net.Server, asked: Endpoint): Endpoint {
  const address = server.address();
  if ('path' in asked || address === null || typeof address === 'string') return asked;
  return { host: asked.host, port: address.port };
}

async function listen(endpoint: Endpoint, accept: (socket: StreamSocket) => NetEvents): Promise<NetListener> {
  const server = net.createServer({ highWaterMark: HIGH_WATER_BYTES } as net.ServerOpts);
  let serial = 0;
  server.on('connection', (raw) => {
    const remote = raw.remoteAddress
      ? `${raw.remoteAddress}:${raw.remotePort}`
      : `${endpointText(endpoint)}#${++serial}`;
    const socket = new SystemSocket(raw, remote);
    socket.attach(accept(socket));
  });
  await ('path' in endpoint ? bindUnix(server, endpoint.path) : bind(server, endpoint));
  // A failed accept (too many open files) is not the end of the listener; node goes on by itself.
  server.on('error', () => {});
  return {
    endpoint: boundEndpoint(server, endpoint),
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

export const systemNet: StreamNet = { connect, listen };
