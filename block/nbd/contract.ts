/**
 * What others may know of NBD: the device a server exports, the client's view of an export, and the faults of both.
 * Bytes and offsets are plain numbers (exports up to 2^53 bytes). Never imports the parts that carry it out.
 */
import type { Endpoint } from '../../fabric/net.ts';

/** Ready-made names of metadata contexts (NBD protocol, "Metadata querying"; QEMU's interop document for `qemu:`). */
export const nbdContexts = {
  allocation: 'base:allocation',
  allocationDepth: 'qemu:allocation-depth',
  /** Followed by the bitmap's name. */
  dirtyBitmapPrefix: 'qemu:dirty-bitmap:',
} as const;

/** Flags of an extent in `base:allocation`. Zero means allocated data. */
export const allocationFlags = { hole: 1, zero: 2 } as const;
/** Flag of an extent in `qemu:dirty-bitmap:…`. */
export const DIRTY_FLAG = 1;

export interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly flags: number;
}

/** A run of zeroes that need not be stored, copied or sent. */
export interface Hole {
  readonly holeBytes: number;
}

/** Parts of a read, in order; together exactly as long as what was asked for. */
export type ReadPiece = Uint8Array | Hole;

export interface WriteOptions {
  /** The bytes are durable before the promise resolves. */
  readonly fua?: boolean;
}

export interface ZeroOptions extends WriteOptions {
  /** The range must stay allocated. */
  readonly noHole?: boolean;
  /** Fail with `nbdFaults.unsupported` rather than write zeroes slowly. */
  readonly fast?: boolean;
}

export interface NbdBlockSizes {
  /** Powers of two; offsets and lengths are multiples of `minimum`. */
  readonly minimum: number;
  readonly preferred: number;
  readonly maximum: number;
}

/**
 * A block device as the server sees it. Calls overlap: the server never orders one after another, and it checks bounds,
 * alignment and `readOnly` before. A missing method is not offered to clients. Failures are Faults: `deviceFaultCodes`
 * become their errno, every other EIO.
 */
export interface NbdDevice {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Default 1, 4,096 and 32 MiB. `sizeBytes` is a multiple of the minimum. */
  readonly blockSizes?: NbdBlockSizes;
  readonly description?: string;
  /** One buffer, or pieces. The buffers belong to the server until the connection has taken them: never reused. */
  read(offset: number, length: number): Promise<Uint8Array | readonly ReadPiece[]>;
  /** The buffers are the device's only until the promise settles. */
  write?(offset: number, buffers: readonly Uint8Array[], options: WriteOptions): Promise<void>;
  /** All writes that were acknowledged before are durable, whichever connection they came by. */
  flush?(): Promise<void>;
  trim?(offset: number, length: number, options: WriteOptions): Promise<void>;
  writeZeroes?(offset: number, length: number, options: ZeroOptions): Promise<void>;
  /** A hint to read ahead. */
  cache?(offset: number, length: number): Promise<void>;
  /** Names of contexts that `status` answers for; `base:allocation` alone when missing. */
  readonly contexts?: readonly string[];
  /** Extents in order from `offset` without gaps: at least one, at most EXTENTS_MAX (server.ts); may cover less than asked. */
  status?(context: string, offset: number, length: number): Promise<readonly Extent[]>;
  /** No client uses the device any more. The server calls it once. */
  close?(): Promise<void>;
}

/** Who connected, as far as TLS told. */
export interface NbdPeer {
  readonly remote: string;
  /** PSK identity or the subject's common name; undefined without TLS or client certificate. */
  readonly identity: string | undefined;
}

/** The exports of a server. All connections to a name share one device while any of them lives. */
export interface NbdExports {
  /** Names told to a client that asks; an empty list keeps them secret. */
  names(peer: NbdPeer): readonly string[];
  /** Whether this peer may use the name at all; checked on every connection. Everyone may when missing. */
  permits?(name: string, peer: NbdPeer): boolean;
  /** Undefined: no such export. Called when no connection uses the name yet; the empty name is the default export. */
  open(name: string): Promise<NbdDevice | undefined> | NbdDevice | undefined;
}

/** Errors that travel as errno in NBD; a device throws them, a client meets them. */
export const nbdFaults = {
  notPermitted: 'NbdNotPermitted',
  io: 'NbdIo',
  noMemory: 'NbdNoMemory',
  invalid: 'NbdInvalid',
  noSpace: 'NbdNoSpace',
  overflow: 'NbdOverflow',
  unsupported: 'NbdUnsupported',
  shutdown: 'NbdShutdown',
  /** The connection broke or could not be made; whether a write happened is unknown. */
  disconnected: 'NbdDisconnected',
  /** No answer in time; the connection is closed, because NBD cannot cancel. */
  deadline: 'NbdDeadline',
  /** The other side broke the protocol. */
  malformed: 'NbdMalformed',
  /** The server refused in the handshake: unknown export, policy, TLS needed, missing context. `details.reason` tells. */
  refused: 'NbdRefused',
  /** The client was closed by its owner. */
  closed: 'NbdClosed',
} as const;

export interface NbdExportInfo {
  readonly name: string;
  readonly description: string | undefined;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly rotational: boolean;
  readonly canFlush: boolean;
  readonly canFua: boolean;
  readonly canTrim: boolean;
  readonly canWriteZeroes: boolean;
  readonly canFastZero: boolean;
  readonly canCache: boolean;
  readonly canDontFragment: boolean;
  readonly canMultiConnect: boolean;
  readonly structuredReplies: boolean;
  readonly blockSizes: NbdBlockSizes;
  /** Contexts that `status` may be asked for. */
  readonly contexts: readonly string[];
}

export interface ReadOptions {
  /** Where the bytes go, exactly `length` long; a new buffer otherwise. */
  readonly into?: Buffer;
  /** One reply chunk only (NBD_CMD_FLAG_DF). */
  readonly dontFragment?: boolean;
}

/** One export through one or more connections. Ranges longer than the server's maximum are cut; all calls may overlap. */
export interface NbdClient {
  readonly export: NbdExportInfo;
  /** Connections that stand now. */
  readonly connections: number;
  read(offset: number, length: number, options?: ReadOptions): Promise<Buffer>;
  /** The buffers must not change until the promise settles. */
  write(offset: number, buffers: Uint8Array | readonly Uint8Array[], options?: WriteOptions): Promise<void>;
  flush(): Promise<void>;
  trim(offset: number, length: number, options?: WriteOptions): Promise<void>;
  writeZeroes(offset: number, length: number, options?: ZeroOptions): Promise<void>;
  cache(offset: number, length: number): Promise<void>;
  /** One BLOCK_STATUS request: extents from `offset`, at least one, clipped to the range, perhaps ending before its end. */
  status(context: string, offset: number, length: number): Promise<Extent[]>;
  /** All extents of the range (the whole export by default), neighbours with equal flags merged; memory stays flat. */
  extents(context: string, range?: { readonly offset: number; readonly length: number }): AsyncIterable<Extent>;
  /** Calls under way fail with `nbdFaults.closed`; resolves when the sockets are gone. */
  close(): Promise<void>;
}

/** nbd://host:port/name or nbd+unix:///name?socket=path, as nbdinfo and QEMU take it. */
export function nbdUri(endpoint: Endpoint, name: string, tls = false): string {
  const scheme = tls ? 'nbds' : 'nbd';
  const path = encodeURIComponent(name);
  if ('path' in endpoint) return `${scheme}+unix:///${path}?socket=${encodeURIComponent(endpoint.path)}`;
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return `${scheme}://${host}:${endpoint.port}/${path}`;
}
