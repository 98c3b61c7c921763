/**
 * NBD's handshake (fixed newstyle), all numbers big-endian; source: the NBD protocol document. Encoders beside decoders.
 *
 *     server hello                              client hello      option (client)                        bytes
 *      0          8          16      18          0       4         0          8        12       16
 *     +----------+----------+-------+           +-------+         +----------+--------+--------+---------+
 *     | NBDMAGIC | IHAVEOPT | flags |           | flags |         | IHAVEOPT | option | length | data    |
 *     +----------+----------+-------+           +-------+         +----------+--------+--------+---------+
 *
 *     option reply (server)                                  reply to EXPORT_NAME, which ends the haggling
 *      0             8        12       16       20             0              8       10          (zeroes unless NO_ZEROES)
 *     +-------------+--------+--------+--------+---------+    +--------------+-------+----------+
 *     | 3e889045565a9 option | type   | length | data    |    | size         | flags | 124 x 0  |
 *     +-------------+--------+--------+--------+---------+    +--------------+-------+----------+
 *
 *     data of        EXPORT_NAME name
 *                    INFO, GO    u32 bytes, name, u16 count, u16 information wanted …
 *                    *_META_CTX  u32 bytes, name, u32 count, { u32 bytes, query } …
 *     replies        SERVER      u32 bytes, name, text        META_CONTEXT  u32 id, name      errors: text
 *                    INFO        u16 kind: EXPORT u64 size, u16 flags | NAME, DESCRIPTION text | BLOCK_SIZE 3 x u32
 */
import { MalformedNbd, readU64, writeU64 } from './nbd-format.ts';

export const SERVER_HELLO_BYTES = 18;
export const CLIENT_HELLO_BYTES = 4;
export const OPTION_HEADER_BYTES = 16;
export const OPTION_REPLY_HEADER_BYTES = 20;
export const EXPORT_REPLY_BYTES = 10;
export const EXPORT_REPLY_ZEROES = 124;
/** The document's limit of a string. */
export const NAME_BYTES_MAX = 4096;

const NBDMAGIC = Buffer.from('NBDMAGIC');
const IHAVEOPT = Buffer.from('IHAVEOPT');
const REPLY_MAGIC = Buffer.from('0003e889045565a9', 'hex');
const MAGIC_BYTES = 8;

/** Both hellos. */
export const helloFlags = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const options = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const optionReplies = { ack: 1, server: 2, info: 3, metaContext: 4 } as const;
export const OPTION_ERROR_BIT = 0x80000000;
export const optionErrors = {
  unsupported: 0x80000001,
  policy: 0x80000002,
  invalid: 0x80000003,
  platform: 0x80000004,
  tlsRequired: 0x80000005,
  unknown: 0x80000006,
  shutdown: 0x80000007,
  blockSizeRequired: 0x80000008,
  tooBig: 0x80000009,
} as const;

export function optionErrorName(type: number): string {
  return Object.entries(optionErrors).find(([, code]) => code === type)?.[0] ?? `error ${type - OPTION_ERROR_BIT}`;
}

export const infoKinds = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

export function encodeServerHello(flags: number): Buffer {
  const tail = Buffer.alloc(2);
  tail.writeUInt16BE(flags);
  return Buffer.concat([NBDMAGIC, IHAVEOPT, tail]);
}

/** The hello's flags. */
export function decodeServerHello(from: Buffer): number {
  if (!from.subarray(0, MAGIC_BYTES).equals(NBDMAGIC)) throw new MalformedNbd('not an NBD server');
  if (!from.subarray(MAGIC_BYTES, 2 * MAGIC_BYTES).equals(IHAVEOPT)) throw new MalformedNbd('oldstyle NBD server');
  return from.readUInt16BE(2 * MAGIC_BYTES);
}

export function encodeClientHello(flags: number): Buffer {
  const into = Buffer.alloc(CLIENT_HELLO_BYTES);
  into.writeUInt32BE(flags);
  return into;
}

export function encodeOption(option: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(OPTION_HEADER_BYTES - MAGIC_BYTES);
  head.writeUInt32BE(option, 0);
  head.writeUInt32BE(data.length, 4);
  return Buffer.concat([IHAVEOPT, head, data]);
}

export function decodeOptionHeader(from: Buffer): { option: number; length: number } {
  if (!from.subarray(0, MAGIC_BYTES).equals(IHAVEOPT)) throw new MalformedNbd('option without its magic number');
  return { option: from.readUInt32BE(8), length: from.readUInt32BE(12) };
}

export function encodeOptionReply(option: number, type: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(OPTION_REPLY_HEADER_BYTES - MAGIC_BYTES);
  head.writeUInt32BE(option, 0);
  head.writeUInt32BE(type, 4);
  head.writeUInt32BE(data.length, 8);
  return Buffer.concat([REPLY_MAGIC, head, data]);
}

export function decodeOptionReplyHeader(from: Buffer): { option: number; type: number; length: number } {
  if (!from.subarray(0, MAGIC_BYTES).equals(REPLY_MAGIC))
    throw new MalformedNbd('option reply without its magic number');
  return { option: from.readUInt32BE(8), type: from.readUInt32BE(12), length: from.readUInt32BE(16) };
}

/** Reads fields one after another and refuses to read past the end. */
class Fields {
  readonly #from: Buffer;
  #at = 0;

  constructor(from: Buffer) {
    this.#from = from;
  }

  take(bytes: number): Buffer {
    if (this.#at + bytes > this.#from.length) throw new MalformedNbd('option data are cut off');
    this.#at += bytes;
    return this.#from.subarray(this.#at - bytes, this.#at);
  }

  u16(): number {
    return this.take(2).readUInt16BE();
  }

  u32(): number {
    return this.take(4).readUInt32BE();
  }

  text(bytes: number): string {
    if (bytes > NAME_BYTES_MAX) throw new MalformedNbd(`string of ${bytes} bytes`);
    return this.take(bytes).toString('utf8');
  }

  rest(): string {
    return this.text(this.#from.length - this.#at);
  }

  end(): void {
    if (this.#at !== this.#from.length) throw new MalformedNbd('option data with a tail');
  }
}

function u32(...values: number[]): Buffer {
  const into = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => into.writeUInt32BE(value, 4 * index));
  return into;
}

function u16(...values: number[]): Buffer {
  const into = Buffer.alloc(2 * values.length);
  values.forEach((value, index) => into.writeUInt16BE(value, 2 * index));
  return into;
}

/** Length and bytes. */
function counted(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([u32(bytes.length), bytes]);
}

export interface InfoRequest {
  readonly name: string;
  /** `infoKinds` the client would like to be told. */
  readonly wanted: readonly number[];
}

export function encodeInfoRequest(request: InfoRequest): Buffer {
  return Buffer.concat([counted(request.name), u16(request.wanted.length, ...request.wanted)]);
}

export function decodeInfoRequest(data: Buffer): InfoRequest {
  const fields = new Fields(data);
  const name = fields.text(fields.u32());
  const count = fields.u16();
  const wanted = Array.from({ length: count }, () => fields.u16());
  fields.end();
  return { name, wanted };
}

export interface ContextRequest {
  readonly name: string;
  readonly queries: readonly string[];
}

export function encodeContextRequest(request: ContextRequest): Buffer {
  return Buffer.concat([counted(request.name), u32(request.queries.length), ...request.queries.map(counted)]);
}

/** `queriesMax` bounds what is made of a small message with a large count. */
export function decodeContextRequest(data: Buffer, queriesMax: number): ContextRequest {
  const fields = new Fields(data);
  const name = fields.text(fields.u32());
  const count = fields.u32();
  if (count > queriesMax) throw new MalformedNbd(`${count} context queries`);
  const queries = Array.from({ length: count }, () => fields.text(fields.u32()));
  fields.end();
  return { name, queries };
}

export function encodeContextReply(id: number, name: string): Buffer {
  return Buffer.concat([u32(id), Buffer.from(name)]);
}

export function decodeContextReply(data: Buffer): { id: number; name: string } {
  const fields = new Fields(data);
  return { id: fields.u32(), name: fields.rest() };
}

export function encodeListReply(name: string): Buffer {
  return counted(name);
}

export function decodeListReply(data: Buffer): { name: string; description: string } {
  const fields = new Fields(data);
  return { name: fields.text(fields.u32()), description: fields.rest() };
}

export function encodeExportInfo(sizeBytes: number, flags: number): Buffer {
  return Buffer.concat([u16(infoKinds.export), encodeExportReply(sizeBytes, flags)]);
}

export function encodeTextInfo(kind: number, text: string): Buffer {
  return Buffer.concat([u16(kind), Buffer.from(text)]);
}

export function encodeBlockSizeInfo(minimum: number, preferred: number, maximum: number): Buffer {
  return Buffer.concat([u16(infoKinds.blockSize), u32(minimum, preferred, maximum)]);
}

export type Info =
  | { readonly kind: 'export'; readonly sizeBytes: number; readonly flags: number }
  | { readonly kind: 'description'; readonly text: string }
  | { readonly kind: 'blockSize'; readonly minimum: number; readonly preferred: number; readonly maximum: number }
  | { readonly kind: 'other' };

export function decodeInfo(data: Buffer): Info {
  const fields = new Fields(data);
  const kind = fields.u16();
  if (kind === infoKinds.export) return { kind: 'export', ...decodeExportReply(fields.take(EXPORT_REPLY_BYTES)) };
  if (kind === infoKinds.description) return { kind: 'description', text: fields.rest() };
  if (kind !== infoKinds.blockSize) return { kind: 'other' };
  return { kind: 'blockSize', minimum: fields.u32(), preferred: fields.u32(), maximum: fields.u32() };
}

/** Of EXPORT_NAME, without the zeroes. */
export function encodeExportReply(sizeBytes: number, flags: number): Buffer {
  const into = Buffer.alloc(EXPORT_REPLY_BYTES);
  writeU64(into, sizeBytes, 0);
  into.writeUInt16BE(flags, 8);
  return into;
}

export function decodeExportReply(from: Buffer): { sizeBytes: number; flags: number } {
  const sizeBytes = readU64(from, 0);
  if (!Number.isSafeInteger(sizeBytes)) throw new MalformedNbd('export of 2^53 bytes or more');
  return { sizeBytes, flags: from.readUInt16BE(8) };
}
