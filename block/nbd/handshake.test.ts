// Old and odd ways through the handshake, byte by byte: EXPORT_NAME, simple replies, servers without GO.
import net from 'node:net';
import t, { type Test } from 'tap';
import { NbdBed } from '../../test/nbd-bed.ts';
import { nbdFaults } from './contract.ts';
import { MemoryDevice } from './memory-device.ts';
import * as wire from './nbd-format.ts';
import * as haggle from './nbd-option-format.ts';

t.setTimeout(30_000);
const MIB = 1024 * 1024;
const { options, optionReplies, optionErrors } = haggle;
const ids = { cookieHigh: 3, cookieLow: 4 };

class Raw {
  readonly socket: net.Socket;
  #waiting: Buffer = Buffer.alloc(0);
  #wake = (): void => {};

  constructor(path: string) {
    this.socket = net.connect({ path });
    this.socket.on('error', () => {});
    this.socket.on('close', () => this.#wake());
    this.socket.on('data', (bytes: Buffer) => {
      this.#waiting = Buffer.concat([this.#waiting, bytes]);
      this.#wake();
    });
  }

  async take(bytes: number): Promise<Buffer> {
    while (this.#waiting.length < bytes) {
      if (this.socket.destroyed) throw new Error('closed');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#waiting.subarray(0, bytes);
    this.#waiting = this.#waiting.subarray(bytes);
    return taken;
  }

  /** The type of the reply; its data are forgotten. */
  async option(option: number, data: Uint8Array = Buffer.alloc(0)): Promise<number> {
    this.socket.write(haggle.encodeOption(option, data));
    const header = haggle.decodeOptionReplyHeader(await this.take(haggle.OPTION_REPLY_HEADER_BYTES));
    await this.take(header.length);
    return header.type;
  }

  request(type: number, offset: number, length: number, flags = 0): void {
    this.socket.write(wire.encodeRequest({ ...ids, type, offset, length, flags }));
  }

  /** errno of a simple reply. */
  async simple(): Promise<number> {
    const header = wire.emptyReplyHeader();
    wire.decodeReplyHeader(await this.take(wire.SIMPLE_REPLY_BYTES), 0, header);
    return header.errno;
  }
}

async function rawClient(t: Test, flags: number, devices: Record<string, MemoryDevice>): Promise<Raw> {
  const bed = NbdBed.for(t);
  const server = await bed.serve(devices);
  const raw = new Raw((server.endpoint as { path: string }).path);
  t.teardown(() => raw.socket.destroy());
  t.equal(haggle.decodeServerHello(await raw.take(haggle.SERVER_HELLO_BYTES)), 3);
  raw.socket.write(haggle.encodeClientHello(flags));
  return raw;
}

t.test('EXPORT_NAME with its zeroes, simple replies, errors', async (t) => {
  const device = new MemoryDevice(MIB);
  await device.write(65536, [Buffer.alloc(1000, 7)]);
  const raw = await rawClient(t, haggle.helloFlags.fixedNewstyle, { vol: device });
  raw.socket.write(haggle.encodeOption(options.exportName, Buffer.from('vol')));
  t.match(haggle.decodeExportReply(await raw.take(haggle.EXPORT_REPLY_BYTES)), { sizeBytes: MIB });
  t.ok((await raw.take(haggle.EXPORT_REPLY_ZEROES)).every((byte) => byte === 0));
  raw.request(wire.commands.read, 65536 - 10, 20);
  t.equal(await raw.simple(), 0);
  t.equal((await raw.take(20)).toString('hex'), '00'.repeat(10) + '07'.repeat(10), 'holes are sent as zeroes');
  const refused = [
    [wire.commands.read, MIB - 1, 2, 0, wire.errnos.EINVAL],
    [wire.commands.trim, MIB - 1, 2, 0, wire.errnos.ENOSPC],
    [wire.commands.blockStatus, 0, 2, 0, wire.errnos.EINVAL],
    [wire.commands.cache, 0, 2, 0, wire.errnos.EINVAL],
    [77, 0, 2, 0, wire.errnos.EINVAL],
    [wire.commands.read, 0, 2, 0x4000, wire.errnos.EINVAL],
    [wire.commands.read, 0, 0, 0, wire.errnos.EINVAL],
  ] as const;
  for (const [type, offset, length, flags, errno] of refused) {
    raw.request(type, offset, length, flags);
    t.equal(await raw.simple(), errno, `command ${type}`);
  }
  raw.request(wire.commands.write, MIB - 5, 10);
  raw.socket.write(Buffer.alloc(10));
  t.equal(await raw.simple(), wire.errnos.ENOSPC, 'the payload of a refused write is passed over');
  raw.request(wire.commands.flush, 0, 0);
  t.equal(await raw.simple(), 0);
  raw.request(wire.commands.disconnect, 0, 0);
  await t.rejects(raw.take(1), /closed/);
});

t.test('options: unknown ones, bad data, contexts without structured replies', async (t) => {
  const raw = await rawClient(t, 3, { vol: new MemoryDevice(MIB) });
  const info = haggle.encodeInfoRequest({ name: 'vol', wanted: [] });
  const contexts = haggle.encodeContextRequest({ name: 'vol', queries: ['base:'] });
  t.equal(await raw.option(99), optionErrors.unsupported);
  t.equal(await raw.option(options.startTls), optionErrors.unsupported);
  t.equal(await raw.option(options.list, Buffer.from('x')), optionErrors.invalid);
  t.equal(await raw.option(options.info, info.subarray(1)), optionErrors.invalid);
  t.equal(await raw.option(options.go, haggle.encodeInfoRequest({ name: 'no', wanted: [] })), optionErrors.unknown);
  t.equal(await raw.option(options.setMetaContext, contexts), optionErrors.invalid);
  t.equal(await raw.option(55, Buffer.alloc(100_000)), optionErrors.tooBig);
  t.equal(await raw.option(options.structuredReply), optionReplies.ack);
  t.equal(await raw.option(options.listMetaContext, contexts), optionReplies.metaContext);
  await raw.take(haggle.OPTION_REPLY_HEADER_BYTES);
  t.equal(await raw.option(options.setMetaContext, contexts), optionReplies.ack, 'a namespace sets nothing');
  t.equal(await raw.option(options.abort), optionReplies.ack);
  await t.rejects(raw.take(1), /closed/);
});

t.test('an unknown name in EXPORT_NAME, and a hello of the future, end the connection', async (t) => {
  const raw = await rawClient(t, 3, { vol: new MemoryDevice(MIB) });
  raw.socket.write(haggle.encodeOption(options.exportName, Buffer.from('no')));
  await t.rejects(raw.take(1), /closed/);
  const future = await rawClient(t, 0x80, { vol: new MemoryDevice(MIB) });
  await t.rejects(future.take(1), /closed/);
});

/** Knows EXPORT_NAME and nothing else; a request, of which it reads nothing, gets 512 bytes. */
function ancientServer(path: string, names: readonly string[]): Promise<net.Server> {
  const server = net.createServer((socket) => {
    let bytes: Buffer = Buffer.alloc(0);
    let greeted = false;
    let transmits = false;
    socket.on('error', () => {});
    socket.write(haggle.encodeServerHello(haggle.helloFlags.fixedNewstyle));
    socket.on('data', (more: Buffer) => {
      if (transmits && more.readUInt16BE(6) === wire.commands.read)
        socket.write(Buffer.concat([wire.encodeSimpleReply({ cookieHigh: 0, cookieLow: 1 }, 0), Buffer.alloc(512, 6)]));
      if (transmits) return;
      bytes = Buffer.concat([bytes, more]);
      if (!greeted) bytes = bytes.subarray(haggle.CLIENT_HELLO_BYTES);
      greeted = true;
      while (bytes.length >= haggle.OPTION_HEADER_BYTES) {
        const { option, length } = haggle.decodeOptionHeader(bytes);
        const name = bytes.subarray(16, 16 + length).toString();
        bytes = bytes.subarray(16 + length);
        if (option !== options.exportName) socket.write(haggle.encodeOptionReply(option, optionErrors.unsupported));
        else if (!names.includes(name)) socket.destroy();
        else {
          transmits = true;
          socket.write(Buffer.concat([haggle.encodeExportReply(MIB, 1), Buffer.alloc(haggle.EXPORT_REPLY_ZEROES)]));
        }
      }
    });
  });
  return new Promise((resolve) => void server.listen({ path }, () => resolve(server)));
}

t.test('our client with a server that knows only EXPORT_NAME', async (t) => {
  const bed = NbdBed.for(t);
  const path = bed.socket();
  const server = await ancientServer(path, ['vol']);
  t.teardown(() => server.close());
  const client = await bed.connect({ path }, { exportName: 'vol', optionalContexts: ['base:allocation'] });
  t.match(client.export, { sizeBytes: MIB, structuredReplies: false, contexts: [], canFlush: false });
  t.ok((await client.read(0, 512)).every((byte) => byte === 6));
  await t.rejects(bed.connect({ path }, { exportName: 'no' }), {
    code: nbdFaults.refused,
    details: { reason: 'unknown' },
  });
});
