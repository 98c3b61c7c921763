/**
 * The uWebSockets.js engine: listening and draining. What its binary cannot do is listed, and tested, in docs/http.md.
 * Throws NativeMissing where the binary does not load; the caller decides what to do instead.
 */
import { readCertificate } from './certificate.ts';
import {
  DEFAULT_HTTP_LIMITS,
  type HttpEngine,
  type HttpLimits,
  type HttpListener,
  type HttpListenOptions,
} from './contract.ts';
import { IdleWatch } from './idle-watch.ts';
import { UwsExchange, type UwsFront } from './uws-exchange.ts';
import { type ListenSocket, loadNative, type Native, type NativeApp } from './uws-native.ts';
import { Rearmer } from './uws-rearm.ts';

export class NativeMissing extends Error {
  override readonly name = 'NativeMissing';
}

/** Between the last response's end and the closing of all connections: uWS may still hold its last bytes. */
const SETTLE_MS = 100;

class UwsListener implements HttpListener {
  readonly engine = 'uws' as const;
  readonly altersHeaders = true;
  readonly port: number;
  readonly #native: Native;
  readonly #app: NativeApp;
  readonly #token: ListenSocket;
  readonly #front: UwsFront;
  #drained: Promise<void> | undefined;

  constructor(native: Native, opened: { app: NativeApp; token: ListenSocket }, front: UwsFront) {
    this.#native = native;
    this.#app = opened.app;
    this.#token = opened.token;
    this.#front = front;
    this.port = native.us_socket_local_port(opened.token);
  }

  get inFlight(): number {
    return this.#front.inFlight;
  }

  drain(graceMs: number): Promise<void> {
    this.#drained ??= this.#drain(graceMs);
    return this.#drained;
  }

  async #drain(graceMs: number): Promise<void> {
    const front = this.#front;
    front.draining = true;
    this.#native.us_listen_socket_close(this.#token);
    if (front.inFlight > 0) {
      await new Promise<void>((resolve) => {
        const timer = front.clock.after(graceMs, resolve);
        front.onQuiet = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    await front.clock.sleep(SETTLE_MS);
    this.#app.close();
  }
}

export const uwsEngine: HttpEngine = async (handler, options, world) => {
  const native = loadNative();
  if (native instanceof Error) throw new NativeMissing(native.message.split('\n')[0]);
  const limits: HttpLimits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  const front: UwsFront = {
    handler,
    limits,
    clock: world.clock,
    onError: world.onError,
    onQuiet: undefined,
    bodyWatch: new IdleWatch(world.clock, limits.bodyIdleMs),
    responseWatch: new IdleWatch(world.clock, limits.responseIdleMs),
    rearmer: new Rearmer(world.clock),
    tls: options.tls !== undefined,
    draining: false,
    inFlight: 0,
  };
  const app = await makeApp(native, options);
  serve(app, front);
  const token = await open(native, app, options);
  return new UwsListener(native, { app, token }, front);
};

async function makeApp(native: Native, options: HttpListenOptions): Promise<NativeApp> {
  if (options.tls === undefined) return native.App();
  // uWS says nothing about a file it cannot read.
  await readCertificate(options.tls);
  return native.SSLApp({ cert_file_name: options.tls.certFile, key_file_name: options.tls.keyFile });
}

function serve(app: NativeApp, front: UwsFront): void {
  let connections = 0;
  app.filter((response, change) => {
    connections += change > 0 ? 1 : -1;
    if (change > 0 && connections > front.limits.connectionsMax) response.close();
  });
  app.any('/*', (response, request) => {
    let exchange: UwsExchange | undefined;
    response.onAborted(() => exchange?.left());
    try {
      exchange = new UwsExchange(front, response, request);
      exchange.start();
    } catch (error) {
      front.onError(error);
      response.close();
    }
  });
}

function open(native: Native, app: NativeApp, options: HttpListenOptions): Promise<ListenSocket> {
  return new Promise((resolve, reject) => {
    // Without EXCLUSIVE a second process would silently share the port.
    app.listen(options.host, options.port, native.LIBUS_LISTEN_EXCLUSIVE_PORT, (token) => {
      if (token !== false) resolve(token);
      else {
        app.close();
        reject(new Error(`cannot listen on ${options.host}:${options.port}: the address is in use or not ours`));
      }
    });
  });
}
