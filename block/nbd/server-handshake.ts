/**
 * The server's side of the handshake: options until the client chooses an export or gives up. Decides nothing about devices
 * but which one; with TLS required, nothing is told before it stands.
 */
import type { TlsServerOptions } from '../../fabric/net-tls.ts';
import type { Channel } from './channel.ts';
import { type NbdBlockSizes, type NbdDevice, type NbdPeer, nbdContexts } from './contract.ts';
import type { ExportTable, Use } from './export-table.ts';
import { MalformedNbd, transmissionFlags } from './nbd-format.ts';
import {
  CLIENT_HELLO_BYTES,
  type ContextRequest,
  decodeContextRequest,
  decodeInfoRequest,
  decodeOptionHeader,
  EXPORT_REPLY_ZEROES,
  encodeBlockSizeInfo,
  encodeContextReply,
  encodeExportInfo,
  encodeExportReply,
  encodeListReply,
  encodeOptionReply,
  encodeServerHello,
  encodeTextInfo,
  helloFlags,
  type InfoRequest,
  infoKinds,
  NAME_BYTES_MAX,
  OPTION_HEADER_BYTES,
  optionErrors,
  optionReplies,
  options,
} from './nbd-option-format.ts';

/** Data of one option: several names of the greatest length. */
const OPTION_BYTES_MAX = 64 * 1024;
/** `nbdinfo --list` asks for every export's information. */
const OPTIONS_MAX = 10_000;
const QUERIES_MAX = 256;
const DEFAULT_SIZES: NbdBlockSizes = { minimum: 1, preferred: 4096, maximum: 32 * 1024 * 1024 };

export interface ServerHandshake {
  readonly channel: Channel;
  readonly exports: ExportTable;
  readonly remote: string;
  readonly tls: TlsServerOptions | undefined;
  /** Without it, TLS is offered and not required. */
  readonly tlsRequired: boolean;
}

export interface Chosen {
  readonly use: Use;
  readonly structured: boolean;
  /** Names by id. */
  readonly contexts: readonly string[];
}

export function blockSizesOf(device: NbdDevice): NbdBlockSizes {
  return device.blockSizes ?? DEFAULT_SIZES;
}

export function contextsOf(device: NbdDevice): readonly string[] {
  return device.status ? (device.contexts ?? [nbdContexts.allocation]) : [];
}

export function flagsOf(device: NbdDevice): number {
  const flag = transmissionFlags;
  let flags = flag.hasFlags | flag.dontFragment | flag.multiConnect;
  if (device.cache) flags |= flag.cache;
  if (device.readOnly) return flags | flag.readOnly;
  if (device.flush) flags |= flag.flush | flag.fua;
  if (device.trim) flags |= flag.trim;
  if (device.writeZeroes) flags |= flag.writeZeroes | flag.fastZero;
  return flags;
}

/** Undefined: the client gave up. Throws MalformedNbd, or the Fault that ended the channel. */
export async function shakeHands(handshake: ServerHandshake): Promise<Chosen | undefined> {
  const haggle = new Haggle(handshake);
  await haggle.greet();
  for (let count = 0; count < OPTIONS_MAX; count++) {
    const end = await haggle.next();
    if (end) return end === 'gone' ? undefined : end;
  }
  throw new MalformedNbd('too many options');
}

class Haggle {
  readonly #channel: Channel;
  readonly #handshake: ServerHandshake;
  #peer: NbdPeer;
  #noZeroes = false;
  #structured = false;
  #secured = false;
  /** Contexts that were set, and for which export: GO for another forgets them. */
  #contexts: { readonly name: string; readonly ids: readonly string[] } | undefined;

  constructor(handshake: ServerHandshake) {
    this.#handshake = handshake;
    this.#channel = handshake.channel;
    this.#peer = { remote: handshake.remote, identity: undefined };
  }

  async greet(): Promise<void> {
    const ours = helloFlags.fixedNewstyle | helloFlags.noZeroes;
    await this.#channel.send(encodeServerHello(ours));
    const theirs = (await this.#channel.take(CLIENT_HELLO_BYTES)).readUInt32BE();
    if ((theirs & ~ours) !== 0) throw new MalformedNbd(`client flags ${theirs}`);
    this.#noZeroes = (theirs & helloFlags.noZeroes) !== 0;
  }

  async next(): Promise<Chosen | 'gone' | undefined> {
    const { option, length } = decodeOptionHeader(await this.#channel.take(OPTION_HEADER_BYTES));
    if (length > OPTION_BYTES_MAX) {
      if (option === options.exportName) throw new MalformedNbd(`export name of ${length} bytes`);
      await this.#channel.skip(length);
      return this.#reply(option, optionErrors.tooBig);
    }
    const data = await this.#channel.take(length);
    const open = option === options.startTls || option === options.abort;
    if (this.#handshake.tlsRequired && !this.#secured && !open) {
      if (option === options.exportName) return 'gone';
      return this.#reply(option, optionErrors.tlsRequired);
    }
    try {
      return await this.#answer(option, data);
    } catch (error) {
      if (!(error instanceof MalformedNbd) || option === options.exportName) throw error;
      return this.#reply(option, optionErrors.invalid, Buffer.from(error.message));
    }
  }

  async #reply(option: number, type: number, data?: Uint8Array): Promise<undefined> {
    await this.#channel.send(encodeOptionReply(option, type, data));
  }

  async #answer(option: number, data: Buffer): Promise<Chosen | 'gone' | undefined> {
    switch (option) {
      case options.exportName:
        return this.#exportName(data);
      case options.abort:
        await this.#reply(option, optionReplies.ack);
        return 'gone';
      case options.list:
        return this.#list(data);
      case options.startTls:
        return this.#startTls(data);
      case options.info:
      case options.go:
        return this.#info(option, decodeInfoRequest(data));
      case options.structuredReply:
        expectEmpty(data);
        this.#structured = true;
        return this.#reply(option, optionReplies.ack);
      case options.listMetaContext:
      case options.setMetaContext:
        return this.#metaContext(option, decodeContextRequest(data, QUERIES_MAX));
      default:
        return this.#reply(option, optionErrors.unsupported);
    }
  }

  async #exportName(data: Buffer): Promise<Chosen | 'gone'> {
    if (data.length > NAME_BYTES_MAX) throw new MalformedNbd(`export name of ${data.length} bytes`);
    const name = data.toString('utf8');
    const use = await this.#handshake.exports.use(name, this.#peer);
    // The option has no way to say no.
    if (use === undefined) return 'gone';
    return this.#choose(use, name, async () => {
      const reply = encodeExportReply(use.device.sizeBytes, flagsOf(use.device));
      const zeroes = Buffer.alloc(this.#noZeroes ? 0 : EXPORT_REPLY_ZEROES);
      await this.#channel.send(Buffer.concat([reply, zeroes]));
    });
  }

  /** A client that goes away before the last word leaves no device in use. */
  async #choose(use: Use, name: string, tell: () => Promise<void>): Promise<Chosen> {
    try {
      await tell();
    } catch (error) {
      await use.release();
      throw error;
    }
    const contexts = this.#contexts?.name === name ? this.#contexts.ids : [];
    return { use, structured: this.#structured, contexts };
  }

  async #list(data: Buffer): Promise<undefined> {
    expectEmpty(data);
    for (const name of this.#handshake.exports.names(this.#peer))
      await this.#reply(options.list, optionReplies.server, encodeListReply(name));
    return this.#reply(options.list, optionReplies.ack);
  }

  async #startTls(data: Buffer): Promise<undefined> {
    expectEmpty(data);
    const { tls } = this.#handshake;
    if (tls === undefined) return this.#reply(options.startTls, optionErrors.unsupported);
    if (this.#secured) return this.#reply(options.startTls, optionErrors.invalid);
    await this.#reply(options.startTls, optionReplies.ack);
    const identity = await this.#channel.secure(tls);
    this.#secured = true;
    this.#peer = { ...this.#peer, identity };
    // What was agreed on before could have been agreed on by somebody else.
    this.#structured = false;
    this.#contexts = undefined;
  }

  async #info(option: number, { name, wanted }: InfoRequest): Promise<Chosen | undefined> {
    const use = await this.#handshake.exports.use(name, this.#peer);
    if (use === undefined) return this.#reply(option, optionErrors.unknown);
    const sizes = blockSizesOf(use.device);
    const ignorant = sizes.minimum > 1 && !wanted.includes(infoKinds.blockSize);
    if (ignorant && option === options.go) {
      await use.release();
      return this.#reply(option, optionErrors.blockSizeRequired);
    }
    const chosen = await this.#choose(use, name, async () => {
      for (const info of infosOf(use.device, name, wanted)) await this.#reply(option, optionReplies.info, info);
      await this.#reply(option, optionReplies.ack);
    });
    if (option === options.go) return chosen;
    await use.release();
    return undefined;
  }

  async #metaContext(option: number, { name, queries }: ContextRequest): Promise<undefined> {
    const sets = option === options.setMetaContext;
    if (sets) this.#contexts = undefined;
    if (!this.#structured) return this.#reply(option, optionErrors.invalid);
    const use = await this.#handshake.exports.use(name, this.#peer);
    if (use === undefined) return this.#reply(option, optionErrors.unknown);
    const offered = contextsOf(use.device);
    await use.release();
    const all = !sets && queries.length === 0;
    const found = offered.filter((context) => all || queries.some((query) => matches(query, context, sets)));
    for (const [id, context] of found.entries())
      await this.#reply(option, optionReplies.metaContext, encodeContextReply(sets ? id : 0, context));
    if (sets) this.#contexts = { name, ids: found };
    return this.#reply(option, optionReplies.ack);
  }
}

function expectEmpty(data: Buffer): void {
  if (data.length > 0) throw new MalformedNbd('option that takes no data');
}

/** A namespace alone asks for all in it, when they are only listed. */
function matches(query: string, context: string, exactly: boolean): boolean {
  return query === context || (!exactly && query.endsWith(':') && context.startsWith(query));
}

function infosOf(device: NbdDevice, name: string, wanted: readonly number[]): Buffer[] {
  const sizes = blockSizesOf(device);
  const infos = [
    encodeExportInfo(device.sizeBytes, flagsOf(device)),
    encodeBlockSizeInfo(sizes.minimum, sizes.preferred, sizes.maximum),
  ];
  if (wanted.includes(infoKinds.name)) infos.push(encodeTextInfo(infoKinds.name, name));
  if (device.description !== undefined && wanted.includes(infoKinds.description))
    infos.push(encodeTextInfo(infoKinds.description, device.description));
  return infos;
}
