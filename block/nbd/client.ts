/**
 * The client of one export: a pool of connections as the server allows, ranges cut to its block sizes, a bound on what is
 * under way, and, if asked for, reconnection with the calls repeated (each NBD command may be repeated safely as long as
 * nobody else writes the range). Knows devices and offsets, not bytes on the wire.
 */
import { assert } from '../../fabric/assert.ts';
import type { Clock } from '../../fabric/clock.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import type { Endpoint, StreamNet } from '../../fabric/net.ts';
import type { TlsClientOptions } from '../../fabric/net-tls.ts';
import { Admission } from './admission.ts';
import { ClientConnection, type Command, type ConnectionOptions } from './client-connection.ts';
import { ClientPool } from './client-pool.ts';
import {
  type Extent,
  type NbdClient,
  type NbdExportInfo,
  nbdFaults,
  type ReadOptions,
  type WriteOptions,
  type ZeroOptions,
} from './contract.ts';
import { commandFlags, commands } from './nbd-format.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
const CALLS_MAX = 64;
const INFLIGHT_BYTES_MAX = 64 * 1024 * 1024;
const CONNECTIONS_MAX = 16;
/** Of one call: a server that breaks the connection again and again at the same call will not stop. */
const ATTEMPTS_MAX = 16;
/** Of trims, zeroes and status requests, whose length is a number only; a multiple of every block size. */
const BARE_BYTES_MAX = 2 ** 31;

export interface NbdClientOptions {
  readonly net: StreamNet;
  readonly clock: Clock;
  readonly endpoint: Endpoint;
  /** '' is the default export. */
  readonly exportName?: string;
  /** `connectNbd` fails when the server lacks one of these. */
  readonly contexts?: readonly string[];
  /** Asked for; `export.contexts` tells which there are. */
  readonly optionalContexts?: readonly string[];
  readonly tls?: TlsClientOptions;
  /** Used as far as the server allows several; default 1. */
  readonly connections?: number;
  /** Calls under way on all connections; default 64. Further ones wait. */
  readonly callsMax?: number;
  /** Bytes of reads and writes under way; default 64 MiB. */
  readonly inflightBytesMax?: number;
  readonly connectTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  /** After a broken connection: try for so long to get a new one and repeat the calls. Without it they fail at once. */
  readonly reconnectMs?: number;
}

function connectionOptions(options: NbdClientOptions): ConnectionOptions {
  return {
    net: options.net,
    clock: options.clock,
    endpoint: options.endpoint,
    wishes: {
      exportName: options.exportName ?? '',
      contexts: options.contexts ?? [],
      optionalContexts: options.optionalContexts ?? [],
      tls: options.tls,
    },
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
  };
}

/** Throws Fault: disconnected, deadline, refused or malformed. */
export async function connectNbd(options: NbdClientOptions): Promise<NbdClient> {
  const wanted = options.connections ?? 1;
  assert(wanted >= 1 && wanted <= CONNECTIONS_MAX, `1 to ${CONNECTIONS_MAX} connections`);
  const { reconnectMs = 0, clock } = options;
  const pool = await ClientPool.open({
    connection: connectionOptions(options),
    connections: wanted,
    reconnectMs,
    clock,
  });
  const callsMax = options.callsMax ?? CALLS_MAX;
  return new Client(pool, new Admission({ callsMax, bytesMax: options.inflightBytesMax ?? INFLIGHT_BYTES_MAX }));
}

/** Names of the server's exports, as far as it tells them. */
export function listNbdExports(options: NbdClientOptions): Promise<{ name: string; description: string }[]> {
  return ClientConnection.list(connectionOptions(options));
}

class Client implements NbdClient {
  readonly #pool: ClientPool;
  readonly #admission: Admission;

  constructor(pool: ClientPool, admission: Admission) {
    this.#pool = pool;
    this.#admission = admission;
  }

  get export(): NbdExportInfo {
    return this.#pool.export;
  }

  get connections(): number {
    return this.#pool.size;
  }

  async read(offset: number, length: number, options: ReadOptions = {}): Promise<Buffer> {
    this.#check(offset, length);
    const target = options.into ?? Buffer.allocUnsafeSlow(length);
    assert(target.length === length, 'the buffer is as long as the read');
    const flags = options.dontFragment && this.export.canDontFragment ? commandFlags.dontFragment : 0;
    await this.#cut(offset, length, this.export.blockSizes.maximum, (at, bytes) => ({
      type: commands.read,
      flags,
      offset: at,
      length: bytes,
      target: target.subarray(at - offset, at - offset + bytes),
    }));
    return target;
  }

  async write(offset: number, data: Uint8Array | readonly Uint8Array[], options: WriteOptions = {}): Promise<void> {
    const buffers = data instanceof Uint8Array ? [data] : data;
    const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    this.#check(offset, length);
    const flags = this.#fua(options);
    await this.#cut(offset, length, this.export.blockSizes.maximum, (at, bytes) => {
      const body = slice(buffers, at - offset, bytes);
      return { type: commands.write, flags, offset: at, length: bytes, body };
    });
    await this.#flushForFua(options);
  }

  async flush(): Promise<void> {
    // A server without flush has nothing that is not durable, or cannot tell; there is no more to ask of it.
    if (this.export.canFlush) await this.#call({ type: commands.flush, flags: 0, offset: 0, length: 0 }, 0);
  }

  async trim(offset: number, length: number, options: WriteOptions = {}): Promise<void> {
    this.#need(this.export.canTrim, 'trim');
    this.#check(offset, length);
    await this.#bare(commands.trim, this.#fua(options), offset, length);
    await this.#flushForFua(options);
  }

  async writeZeroes(offset: number, length: number, options: ZeroOptions = {}): Promise<void> {
    this.#need(this.export.canWriteZeroes, 'write zeroes');
    this.#need(!options.fast || this.export.canFastZero, 'zero fast');
    this.#check(offset, length);
    const noHole = options.noHole ? commandFlags.noHole : 0;
    const fast = options.fast ? commandFlags.fastZero : 0;
    await this.#bare(commands.writeZeroes, this.#fua(options) | noHole | fast, offset, length);
    await this.#flushForFua(options);
  }

  async cache(offset: number, length: number): Promise<void> {
    this.#need(this.export.canCache, 'cache');
    this.#check(offset, length);
    await this.#bare(commands.cache, 0, offset, length);
  }

  async status(context: string, offset: number, length: number): Promise<Extent[]> {
    this.#need(this.export.contexts.includes(context), `tell ${context}`);
    this.#check(offset, length);
    const asked = Math.min(length, BARE_BYTES_MAX);
    const command = { type: commands.blockStatus, flags: 0, offset, length: asked, context };
    const wire = await this.#call(command, 0);
    const extents: Extent[] = [];
    let at = offset;
    // The last extent may reach beyond what was asked for.
    for (const { length: bytes, flags } of wire) {
      if (at >= offset + asked) break;
      const clipped = Math.min(bytes, offset + asked - at);
      extents.push({ offset: at, length: clipped, flags });
      at += clipped;
    }
    return extents;
  }

  async *extents(
    context: string,
    range = { offset: 0, length: this.export.sizeBytes },
  ): AsyncGenerator<Extent, void, undefined> {
    const end = range.offset + range.length;
    let held: Extent | undefined;
    for (let at = range.offset; at < end; ) {
      for (const extent of await this.status(context, at, end - at)) {
        at = extent.offset + extent.length;
        if (held && held.flags === extent.flags) held = { ...held, length: held.length + extent.length };
        else {
          if (held) yield held;
          held = extent;
        }
      }
    }
    if (held) yield held;
  }

  close(): Promise<void> {
    this.#admission.close(new Fault(nbdFaults.closed, {}, 'the client was closed'));
    return this.#pool.close();
  }

  #check(offset: number, length: number): void {
    const { sizeBytes, blockSizes } = this.export;
    if (!(offset >= 0 && length >= 0 && offset + length <= sizeBytes))
      throw new Fault(nbdFaults.invalid, { offset, length, sizeBytes }, 'the range is not within the export');
    if (offset % blockSizes.minimum !== 0 || length % blockSizes.minimum !== 0)
      throw new Fault(nbdFaults.invalid, { offset, length, minimum: blockSizes.minimum }, 'the range is not aligned');
  }

  #need(can: boolean, what: string): void {
    if (!can) throw new Fault(nbdFaults.unsupported, { what }, `the server cannot ${what}`);
  }

  #fua(options: WriteOptions): number {
    return options.fua && this.export.canFua ? commandFlags.fua : 0;
  }

  /** Servers without FUA get a flush instead. */
  async #flushForFua(options: WriteOptions): Promise<void> {
    if (options.fua && !this.export.canFua) await this.flush();
  }

  #bare(type: number, flags: number, offset: number, length: number): Promise<void> {
    return this.#cut(offset, length, BARE_BYTES_MAX, (at, bytes) => ({ type, flags, offset: at, length: bytes }));
  }

  /** All parts are over before it settles: no buffer is written to after that. */
  async #cut(
    offset: number,
    length: number,
    most: number,
    make: (at: number, bytes: number) => Command,
  ): Promise<void> {
    if (length === 0) return;
    const one = (at: number, bytes: number): Promise<unknown> => {
      const command = make(at, bytes);
      const heavy = command.type === commands.read || command.type === commands.write;
      return this.#call(command, heavy ? bytes : 0);
    };
    if (length <= most) {
      await one(offset, length);
      return;
    }
    const parts: Promise<unknown>[] = [];
    for (let at = offset; at < offset + length; at += most) parts.push(one(at, Math.min(most, offset + length - at)));
    const failed = (await Promise.allSettled(parts)).find((part) => part.status === 'rejected');
    if (failed) throw failed.reason;
  }

  async #call(command: Command, bytes: number): ReturnType<ClientConnection['call']> {
    const wait = this.#admission.enter(bytes);
    if (wait) await wait;
    try {
      return await this.#attempts(command);
    } finally {
      this.#admission.leave(bytes);
    }
  }

  async #attempts(command: Command): ReturnType<ClientConnection['call']> {
    for (let attempt = 1; ; attempt++) {
      const connection = this.#pool.best() ?? (await this.#pool.revive());
      try {
        return await connection.call(command);
      } catch (error) {
        const again = isFault(error, nbdFaults.disconnected) && this.#pool.reconnects;
        if (!again || attempt >= ATTEMPTS_MAX) throw error;
      }
    }
  }
}

function slice(buffers: readonly Uint8Array[], start: number, length: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  let at = 0;
  for (const buffer of buffers) {
    const from = Math.max(start - at, 0);
    const to = Math.min(start + length - at, buffer.length);
    if (to > from) out.push(from === 0 && to === buffer.length ? buffer : buffer.subarray(from, to));
    at += buffer.length;
  }
  return out;
}
