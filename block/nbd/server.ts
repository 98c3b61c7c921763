/**
 * The NBD server: listens, gives every connection a session, stops gracefully. Fixed newstyle, structured replies, block
 * status, TLS if wanted. What is exported is the owner's matter (`NbdExports`); it never reaches for devices by itself.
 */
import type { Clock } from '../../fabric/clock.ts';
import type { Endpoint, StreamNet, StreamSocket } from '../../fabric/net.ts';
import type { TlsServerOptions } from '../../fabric/net-tls.ts';
import type { NbdExports } from './contract.ts';
import { ExportTable } from './export-table.ts';
import { ServerSession, type SessionOptions } from './server-session.ts';

const HANDSHAKE_MS = 30_000;
const INFLIGHT_BYTES_MAX = 64 * 1024 * 1024;
const REQUESTS_MAX = 256;
const CONNECTIONS_MAX = 256;
const STOP_MS = 5_000;

export interface NbdServerOptions {
  readonly net: StreamNet;
  readonly clock: Clock;
  readonly endpoint: Endpoint;
  readonly exports: NbdExports;
  readonly tls?: TlsServerOptions;
  /** Default: as soon as `tls` is given. False offers TLS and does without. */
  readonly tlsRequired?: boolean;
  readonly handshakeMs?: number;
  /** Of one connection; one request is always let in. Default 64 MiB. */
  readonly inflightBytesMax?: number;
  /** Under way on one connection; default 256. */
  readonly requestsMax?: number;
  /** Further clients are turned away; default 256. */
  readonly connectionsMax?: number;
  /** Told of errors of a device that are not Faults, and of clients that break the protocol. */
  readonly report?: (error: unknown) => void;
}

export interface NbdServer {
  /** With the real port where 0 was asked for. */
  readonly endpoint: Endpoint;
  readonly connections: number;
  /**
   * Answers what is under way, for at most `graceMs` (default 5 s), then closes every connection. A device
   * whose call has not come back by then is closed when it does.
   */
  stop(graceMs?: number): Promise<void>;
}

/** Throws the system's error when the endpoint cannot be had. */
export async function startNbdServer(options: NbdServerOptions): Promise<NbdServer> {
  const sessions = new Set<ServerSession>();
  const sessionOptions: SessionOptions = {
    clock: options.clock,
    exports: new ExportTable(options.exports),
    tls: options.tls,
    tlsRequired: options.tls !== undefined && (options.tlsRequired ?? true),
    handshakeMs: options.handshakeMs ?? HANDSHAKE_MS,
    inflightBytesMax: options.inflightBytesMax ?? INFLIGHT_BYTES_MAX,
    requestsMax: options.requestsMax ?? REQUESTS_MAX,
    report: options.report ?? (() => {}),
  };
  const connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX;
  const accept = (socket: StreamSocket) => {
    const session = new ServerSession(socket, sessionOptions);
    sessions.add(session);
    void session.done.then(() => sessions.delete(session));
    if (sessions.size > connectionsMax) session.destroy();
    void session.run();
    return session.events;
  };
  const listener = await options.net.listen(options.endpoint, accept);
  return {
    endpoint: listener.endpoint,
    get connections() {
      return sessions.size;
    },
    async stop(graceMs = STOP_MS) {
      const closed = listener.close();
      const all = [...sessions];
      for (const session of all) session.stop();
      const done = Promise.all(all.map((session) => session.done));
      const late = new Promise<void>((resolve) => {
        const timer = options.clock.after(graceMs, () => {
          for (const session of all) session.destroy();
          resolve();
        });
        void done.then(() => timer.cancel());
      });
      await Promise.race([done, late]);
      await closed;
    },
  };
}
