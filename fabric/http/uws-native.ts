/**
 * Loads uWebSockets.js, and is the only file that names it. The package is a set of binaries, one per platform and
 * Node ABI; where none fits, loading fails here and the caller falls back to node:http. Nothing else may be decided here.
 */

import type { HttpRequest, HttpResponse, us_listen_socket, us_socket } from 'uWebSockets.js';
import { createRequire } from 'node:module';

export type NativeRequest = HttpRequest;
export type NativeResponse = HttpResponse;
export type ListenSocket = us_listen_socket;

/** The part of uWebSockets.js in use, as version 3.0.6 of the npm package has it. */
export interface NativeApp {
  any(pattern: string, handler: (res: NativeResponse, req: NativeRequest) => void): NativeApp;
  listen(host: string, port: number, options: number, done: (token: ListenSocket | false) => void): NativeApp;
  filter(change: (res: NativeResponse, count: number) => void): NativeApp;
  close(): NativeApp;
}

export interface Native {
  App(options?: object): NativeApp;
  SSLApp(options: { cert_file_name: string; key_file_name: string }): NativeApp;
  us_listen_socket_close(token: ListenSocket): void;
  us_socket_local_port(socket: us_socket): number;
  _cfg(option: string): void;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
}

/** The ABI of Node 20: the other binaries of the package need a newer glibc and behave differently. */
const NODE_ABI = '115';
/** uWS refuses larger heads by itself (431) when they come in more than one packet. Read once, when the binary loads. */
export const NATIVE_HEAD_BYTES_MAX = 64 * 1024;

let loaded: Native | Error | undefined;

/** The binary, or why it cannot be had. Loads once a process. */
export function loadNative(): Native | Error {
  loaded ??= load();
  return loaded;
}

function load(): Native | Error {
  const unfit = unfitness();
  if (unfit !== undefined) return new Error(unfit);
  try {
    process.env['UWS_HTTP_MAX_HEADERS_SIZE'] = String(NATIVE_HEAD_BYTES_MAX);
    const native = createRequire(import.meta.url)('uWebSockets.js') as Native;
    if (!/\[native code\]/.test(Function.prototype.toString.call(native.App)))
      return new Error('its App is not native');
    // Without this every response carries a header that names the library.
    native._cfg('silent');
    return native;
  } catch (error) {
    return error as Error;
  }
}

function unfitness(): string | undefined {
  if (process.platform !== 'linux') return `platform ${process.platform} is not linux`;
  if (process.versions.modules !== NODE_ABI) return `Node ABI ${process.versions.modules} is not ${NODE_ABI}`;
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime === undefined ? 'the C library is not glibc' : undefined;
}
