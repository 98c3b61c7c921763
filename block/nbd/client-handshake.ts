/**
 * The client's side of the handshake: hello, TLS, structured replies, contexts, then the export. Falls back where an old
 * server knows less, but never on TLS or on a context that was asked for. Bounds all that a server may send.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import type { TlsClientOptions } from '../../fabric/net-tls.ts';
import type { Channel } from './channel.ts';
import { type NbdBlockSizes, type NbdExportInfo, nbdFaults } from './contract.ts';
import { MalformedNbd, transmissionFlags } from './nbd-format.ts';
import {
  decodeContextReply,
  decodeExportReply,
  decodeInfo,
  decodeListReply,
  decodeOptionReplyHeader,
  decodeServerHello,
  EXPORT_REPLY_BYTES,
  EXPORT_REPLY_ZEROES,
  encodeClientHello,
  encodeContextRequest,
  encodeInfoRequest,
  encodeOption,
  helloFlags,
  infoKinds,
  OPTION_ERROR_BIT,
  OPTION_REPLY_HEADER_BYTES,
  optionErrorName,
  optionErrors,
  optionReplies,
  options,
  SERVER_HELLO_BYTES,
} from './nbd-option-format.ts';

/** Of one option reply: two strings of the greatest length. */
const REPLY_BYTES_MAX = 16 * 1024;
const INFOS_MAX = 64;
const CONTEXTS_MAX = 1024;
const EXPORTS_MAX = 100_000;
/** What a client may assume of a server that tells no block sizes. */
const DEFAULT_SIZES: NbdBlockSizes = { minimum: 1, preferred: 4096, maximum: 32 * 1024 * 1024 };
const BLOCK_MINIMUM_MAX = 64 * 1024;
/** Even where a server would take more: a request's bytes are one buffer. */
const REQUEST_BYTES_MAX = 64 * 1024 * 1024;

export interface Wishes {
  readonly exportName: string;
  /** Contexts without which the export is of no use, and such that are welcome. */
  readonly contexts: readonly string[];
  readonly optionalContexts: readonly string[];
  readonly tls: TlsClientOptions | undefined;
}

export interface Agreed {
  readonly export: NbdExportInfo;
  readonly contextIds: ReadonlyMap<string, number>;
}

interface OptionReply {
  readonly type: number;
  readonly data: Buffer;
}

export async function negotiate(channel: Channel, wishes: Wishes): Promise<Agreed> {
  const noZeroes = await greet(channel, wishes.tls);
  const structured = await accepted(channel, options.structuredReply);
  const contextIds = structured ? await setContexts(channel, wishes) : new Map<string, number>();
  for (const name of wishes.contexts)
    if (!contextIds.has(name)) throw refused('context', `the server has no context ${name}`);
  const infos = await go(channel, wishes.exportName, noZeroes);
  return { export: exportInfo(wishes.exportName, infos, { structured, contexts: [...contextIds.keys()] }), contextIds };
}

/** Names and descriptions of all exports that the server tells. */
export async function list(channel: Channel, tls: TlsClientOptions | undefined) {
  await greet(channel, tls);
  await send(channel, options.list);
  const exports: { name: string; description: string }[] = [];
  for (;;) {
    const { type, data } = await reply(channel, options.list);
    if (type === optionReplies.ack) break;
    if (type !== optionReplies.server || exports.length >= EXPORTS_MAX) throw refusal(type, data);
    exports.push(decodeListReply(data));
  }
  await send(channel, options.abort);
  return exports;
}

/** Whether the zeroes after an old reply stay away. */
async function greet(channel: Channel, tls: TlsClientOptions | undefined): Promise<boolean> {
  const flags = decodeServerHello(await channel.take(SERVER_HELLO_BYTES));
  if ((flags & helloFlags.fixedNewstyle) === 0) throw refused('protocol', 'the server is not of the fixed newstyle');
  const noZeroes = (flags & helloFlags.noZeroes) !== 0;
  await channel.send(encodeClientHello(flags & (helloFlags.fixedNewstyle | helloFlags.noZeroes)));
  if (tls) {
    if (!(await accepted(channel, options.startTls))) throw refused('tls', 'the server has no TLS');
    await channel.secure(tls);
  }
  return noZeroes;
}

async function send(channel: Channel, option: number, data: Uint8Array = Buffer.alloc(0)): Promise<void> {
  await channel.send(encodeOption(option, data));
}

async function reply(channel: Channel, option: number): Promise<OptionReply> {
  const header = decodeOptionReplyHeader(await channel.take(OPTION_REPLY_HEADER_BYTES));
  if (header.option !== option) throw new MalformedNbd(`reply to option ${header.option} instead of ${option}`);
  if (header.length > REPLY_BYTES_MAX) throw new MalformedNbd(`option reply of ${header.length} bytes`);
  return { type: header.type, data: await channel.take(header.length) };
}

/** False where the server does not know the option. */
async function accepted(channel: Channel, option: number): Promise<boolean> {
  await send(channel, option);
  const { type, data } = await reply(channel, option);
  if (type === optionReplies.ack) return true;
  if (type === optionErrors.tlsRequired || (type & OPTION_ERROR_BIT) === 0) throw refusal(type, data);
  return false;
}

function refused(reason: string, message: string): Fault {
  return new Fault(nbdFaults.refused, { reason }, message);
}

function refusal(type: number, data: Buffer): Error {
  if ((type & OPTION_ERROR_BIT) === 0) return new MalformedNbd(`option reply of type ${type}`);
  const reason = optionErrorName(type >>> 0);
  return refused(reason, `the server refuses (${reason}): ${data.toString('utf8')}`);
}

async function setContexts(channel: Channel, wishes: Wishes): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  const queries = [...wishes.contexts, ...wishes.optionalContexts];
  if (queries.length === 0) return ids;
  const option = options.setMetaContext;
  await send(channel, option, encodeContextRequest({ name: wishes.exportName, queries }));
  for (;;) {
    const { type, data } = await reply(channel, option);
    if (type === optionReplies.ack) return ids;
    if ((type & OPTION_ERROR_BIT) !== 0) {
      if (type === optionErrors.unsupported) return ids;
      throw refusal(type, data);
    }
    if (type !== optionReplies.metaContext || ids.size >= CONTEXTS_MAX) throw new MalformedNbd('context reply');
    const { id, name } = decodeContextReply(data);
    ids.set(name, id);
  }
}

interface Infos {
  size: { sizeBytes: number; flags: number } | undefined;
  description: string | undefined;
  blockSizes: NbdBlockSizes | undefined;
}

async function go(channel: Channel, name: string, noZeroes: boolean): Promise<Infos> {
  const infos: Infos = { size: undefined, description: undefined, blockSizes: undefined };
  await send(channel, options.go, encodeInfoRequest({ name, wanted: [infoKinds.blockSize, infoKinds.description] }));
  for (let count = 0; ; count++) {
    const { type, data } = await reply(channel, options.go);
    if (type === optionReplies.ack) return infos;
    if (type === optionErrors.unsupported) return { ...infos, size: await exportName(channel, name, noZeroes) };
    if (type !== optionReplies.info || count >= INFOS_MAX) throw refusal(type, data);
    note(infos, data);
  }
}

function note(infos: Infos, data: Buffer): void {
  const info = decodeInfo(data);
  if (info.kind === 'export') infos.size = info;
  else if (info.kind === 'description') infos.description = info.text;
  else if (info.kind === 'blockSize') {
    const { minimum, preferred, maximum } = info;
    const power = minimum > 0 && (minimum & (minimum - 1)) === 0;
    if (!power || minimum > BLOCK_MINIMUM_MAX || preferred < minimum || maximum < minimum)
      throw new MalformedNbd(`block sizes ${minimum}, ${preferred}, ${maximum}`);
    infos.blockSizes = { minimum, preferred, maximum };
  }
}

/** The way before GO: an unknown export ends the connection without a word. */
async function exportName(channel: Channel, name: string, noZeroes: boolean): Promise<Infos['size']> {
  await send(channel, options.exportName, Buffer.from(name));
  try {
    const size = decodeExportReply(await channel.take(EXPORT_REPLY_BYTES));
    if (!noZeroes) await channel.skip(EXPORT_REPLY_ZEROES);
    return size;
  } catch (error) {
    if (isFault(error, nbdFaults.disconnected)) throw refused('unknown', `the server has no export ${name}`);
    throw error;
  }
}

function exportInfo(
  name: string,
  infos: Infos,
  agreed: { structured: boolean; contexts: readonly string[] },
): NbdExportInfo {
  if (infos.size === undefined) throw new MalformedNbd('no size of the export');
  const { sizeBytes, flags } = infos.size;
  const known = (flags & transmissionFlags.hasFlags) !== 0 ? flags : 0;
  const has = (flag: keyof typeof transmissionFlags): boolean => (known & transmissionFlags[flag]) !== 0;
  const sizes = infos.blockSizes ?? DEFAULT_SIZES;
  const maximum = Math.min(sizes.maximum, REQUEST_BYTES_MAX);
  return {
    name,
    description: infos.description,
    sizeBytes,
    readOnly: has('readOnly'),
    rotational: has('rotational'),
    canFlush: has('flush'),
    canFua: has('fua'),
    canTrim: has('trim'),
    canWriteZeroes: has('writeZeroes'),
    canFastZero: has('fastZero'),
    canCache: has('cache'),
    canDontFragment: has('dontFragment'),
    canMultiConnect: has('multiConnect'),
    structuredReplies: agreed.structured,
    blockSizes: { ...sizes, maximum: maximum - (maximum % sizes.minimum) },
    contexts: agreed.contexts,
  };
}
