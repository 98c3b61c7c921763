// Both parsers against bytes that nobody correct would send: a malformed peer costs its own connection and nothing else.
import net from 'node:net';
import process from 'node:process';
import t from 'tap';
import { Fault } from '../../fabric/errors.ts';
import { createSeededRandom, type Random, systemRandom } from '../../fabric/random.ts';
import { NbdBed } from '../../test/nbd-bed.ts';
import { nbdFaults } from './contract.ts';
import { Coverage } from './coverage.ts';
import { MemoryDevice } from './memory-device.ts';
import * as wire from './nbd-format.ts';
import * as haggle from './nbd-option-format.ts';
import { type AwaitedReply, ReplyReader } from './reply-reader.ts';
import { RequestReader } from './request-reader.ts';

const seed = Number(process.env['SEED'] ?? systemRandom.below(2 ** 31));
const SESSIONS = 150;
const PARSES = 3000;
t.setTimeout(60_000);
t.comment(`SEED=${seed}`);

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.below(from.length)] as T;
}

function mutated(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = random.below(3); i > 0 && copy.length > 0; i--) copy[random.below(copy.length)] = random.below(256);
  return random.below(8) === 0 ? copy.subarray(0, random.below(copy.length + 1)) : copy;
}

/** In pieces of every size, as TCP may deliver them. */
function* cuts(bytes: Buffer, random: Random): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const count = 1 + random.below(random.below(3) === 0 ? 4 : 60);
    yield Buffer.from(bytes.subarray(at, at + count));
    at += count;
  }
}

function call(kind: AwaitedReply['kind'], offset: number, length: number): AwaitedReply {
  const target = Buffer.alloc(kind === 'read' ? length : 0, 0xee);
  const rest = { contextId: 1, extents: undefined, error: undefined };
  return { kind, offset, length, target, coverage: new Coverage(), ...rest };
}

const agreed = { structured: true, contextIds: new Set([1]) };
const ids = { cookieHigh: 0, cookieLow: 1 };

/** A correct structured answer to a read of 200 bytes at 1000, in chunks of random sizes and order. */
function readReply(random: Random, data: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; at < data.length; ) {
    const length = Math.min(1 + random.below(90), data.length - at);
    if (random.below(3) === 0) {
      data.fill(0, at, at + length);
      chunks.push(wire.encodeHoleChunk(ids, 0, 1000 + at, length));
    } else {
      const part = data.subarray(at, at + length);
      chunks.push(Buffer.concat([wire.encodeDataChunk(ids, 0, 1000 + at, length), part]));
    }
    at += length;
  }
  for (let i = chunks.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [chunks[i], chunks[j]] = [chunks[j] as Buffer, chunks[i] as Buffer];
  }
  const end = wire.encodeHoleChunk(ids, wire.CHUNK_DONE, 0, 0).subarray(0, wire.CHUNK_HEADER_BYTES);
  end.writeUInt16BE(wire.chunkTypes.none, 6);
  end.writeUInt32BE(0, 16);
  return Buffer.concat([...chunks, end]);
}

t.test('replies are put together however they are cut and ordered', async (t) => {
  const random = createSeededRandom(seed);
  for (let round = 0; round < PARSES; round++) {
    const data = random.bytes(200);
    const bytes = readReply(random, data);
    const read = call('read', 1000, 200);
    let settled = 0;
    const reader = new ReplyReader({ find: () => read, settle: () => settled++ }, agreed);
    for (const part of cuts(bytes, random)) {
      const memory = reader.memory();
      // As the socket does it: into the reader's own memory, or not.
      if (random.below(2) === 0 || memory.length < part.length) reader.push(part);
      else {
        part.copy(memory);
        reader.push(memory.subarray(0, part.length));
      }
    }
    if (settled !== 1 || !read.target.equals(data)) throw new Error(`round ${round}: settled ${settled}`);
  }
  t.pass('all the same');
});

t.test('mutated replies: right, or malformed, never anything else', async (t) => {
  const random = createSeededRandom(seed + 1);
  let malformed = 0;
  for (let round = 0; round < PARSES; round++) {
    const kind = pick(random, ['read', 'status', 'plain'] as const);
    const pending = call(kind, 1000, 200);
    const extents = [{ length: 1 + random.below(99), flags: random.below(4) }];
    const bytes = Buffer.concat([
      pick(random, [
        () => readReply(random, random.bytes(200)),
        () => wire.encodeSimpleReply(ids, random.below(2) * wire.errnos.EIO),
        () => wire.encodeStatusChunk(ids, random.below(2), random.below(2), extents),
        () => wire.encodeErrorChunk(ids, random.below(40), 'x'.repeat(random.below(50))),
        () => random.bytes(random.below(100)),
      ])(),
      random.bytes(random.below(30)),
    ]);
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    const sink = { find: () => (settled ? undefined : pending), settle };
    const reader = new ReplyReader(sink, { ...agreed, structured: random.below(4) > 0 });
    try {
      for (const part of cuts(mutated(bytes, random), random)) reader.push(part);
    } catch (error) {
      if (!(error instanceof wire.MalformedNbd)) throw error;
      malformed++;
    }
    if (settled && kind === 'read' && !pending.error && !pending.coverage.covers(200)) throw new Error('a torn read');
  }
  t.ok(malformed > PARSES / 4, `${malformed} were malformed`);
});

t.test('requests come out the same however the bytes are cut, with and without room', async (t) => {
  const random = createSeededRandom(seed + 2);
  for (let round = 0; round < 500; round++) {
    const sent = Array.from({ length: 1 + random.below(10) }, (_, i) => {
      const body = random.bytes(random.below(200));
      const type = pick(random, [wire.commands.read, wire.commands.write]);
      const length = type === wire.commands.write ? body.length : 77;
      const request = { flags: 0, type, cookieHigh: 0, cookieLow: i, offset: random.below(2 ** 40), length };
      return { request, body: type === wire.commands.write ? body : Buffer.alloc(0) };
    });
    const got: { request: wire.Request; body: Buffer }[] = [];
    const reader = new RequestReader({
      admit: () => (random.below(3) === 0 ? 'wait' : 'take'),
      request: (request, body) => void got.push({ request, body: Buffer.concat(body) }),
    });
    const bytes = Buffer.concat(sent.flatMap(({ request, body }) => [wire.encodeRequest(request), body]));
    for (const part of cuts(bytes, random)) {
      reader.push(part);
      if (random.below(2) === 0) reader.resume();
    }
    while (reader.waits) reader.resume();
    if (got.length !== sent.length) throw new Error(`round ${round}: ${got.length} of ${sent.length}`);
    for (const [i, one] of sent.entries()) {
      const other = got[i];
      const same = other?.body.equals(one.body) && JSON.stringify(other.request) === JSON.stringify(one.request);
      if (!same) throw new Error(`round ${round}: request ${i} differs`);
    }
  }
  t.pass('all the same');
});

function clientBytes(random: Random): Buffer {
  const info = haggle.encodeInfoRequest({ name: pick(random, ['', 'x']), wanted: [random.below(5)] });
  const contexts = haggle.encodeContextRequest({ name: '', queries: ['base:allocation', 'base:'] });
  const wild = Array.from({ length: random.below(5) }, () =>
    haggle.encodeOption(random.below(12), pick(random, [info, contexts, Buffer.alloc(0), random.bytes(9)])),
  );
  const requests = Array.from({ length: random.below(12) }, () => {
    const type = random.below(10);
    const length = random.below(3) === 0 ? random.below(2 ** 32) : random.below(300);
    const offset = random.below(2) === 0 ? random.below(4096) : random.below(2 ** 53);
    const request = { flags: random.below(40), type, cookieHigh: 1, cookieLow: random.below(9), offset, length };
    const body = type === wire.commands.write ? random.bytes(Math.min(length, 300)) : Buffer.alloc(0);
    return Buffer.concat([wire.encodeRequest(request), body]);
  });
  return Buffer.concat([
    haggle.encodeClientHello(3),
    haggle.encodeOption(haggle.options.structuredReply, Buffer.alloc(0)),
    haggle.encodeOption(haggle.options.setMetaContext, contexts),
    ...wild,
    haggle.encodeOption(haggle.options.go, haggle.encodeInfoRequest({ name: '', wanted: [] })),
    ...requests,
  ]);
}

/** Sends the bytes, reads whatever comes, resolves when the other side closed or `ms` went by. */
function pester(path: string, bytes: Buffer, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect({ path });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.resume();
    socket.end(bytes);
    socket.setTimeout(ms, () => socket.destroy());
  });
}

t.test('the server survives wild clients and goes on serving the others', async (t) => {
  const bed = NbdBed.for(t);
  const random = createSeededRandom(seed + 3);
  const device = new MemoryDevice(2 ** 20);
  const server = await bed.serve({ '': device });
  const { path } = server.endpoint as { path: string };
  const good = await bed.connect(server.endpoint, { contexts: ['base:allocation'] });
  for (let round = 0; round < SESSIONS; round++) {
    const bytes = clientBytes(random);
    await pester(path, random.below(3) === 0 ? bytes : mutated(bytes, random), 1000);
    if (round % 30 === 0) await good.read(0, 65536);
  }
  t.equal((await good.read(0, 100)).length, 100);
  t.ok(
    bed.reports.every((report) => report instanceof wire.MalformedNbd || report instanceof Fault),
    'only malformed',
  );
  await good.close();
  for (let tries = 0; tries < 200 && server.connections > 0; tries++) await new Promise((go) => setTimeout(go, 10));
  t.equal(server.connections, 0, 'no session is left');
});

function serverBytes(random: Random): Buffer {
  const { options, optionReplies: reply, encodeOptionReply: answer } = haggle;
  const chunk = wire.encodeStatusChunk(ids, 1, 0, [{ length: 4096, flags: 3 }]);
  const data = Buffer.concat([wire.encodeDataChunk(ids, 1, 0, 4096), random.bytes(4096)]);
  return Buffer.concat([
    haggle.encodeServerHello(3),
    answer(options.structuredReply, random.below(4) === 0 ? haggle.optionErrors.unsupported : reply.ack),
    answer(options.setMetaContext, reply.metaContext, haggle.encodeContextReply(0, 'base:allocation')),
    answer(options.setMetaContext, reply.ack),
    answer(options.go, reply.info, haggle.encodeExportInfo(2 ** 20, 0x1 | 0x80)),
    answer(options.go, reply.info, haggle.encodeBlockSizeInfo(1, 4096, 2 ** 25)),
    answer(options.go, reply.ack),
    ...Array.from({ length: 1 + random.below(4) }, () =>
      pick(random, [chunk, data, wire.encodeErrorChunk(ids, 5, 'no')]),
    ),
  ]);
}

t.test('the client survives wild servers: a result or a fault, and nothing left', async (t) => {
  const bed = NbdBed.for(t);
  const random = createSeededRandom(seed + 4);
  let faults = 0;
  for (let round = 0; round < SESSIONS; round++) {
    const bytes = mutated(serverBytes(random), random);
    const path = bed.socket();
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.resume();
      socket.write(bytes);
    });
    await new Promise<void>((go) => void server.listen({ path }, go));
    try {
      const limits = { connectTimeoutMs: 50, requestTimeoutMs: 50 };
      const client = await bed.connect({ path }, { optionalContexts: ['base:allocation'], ...limits });
      if (client.export.sizeBytes >= 4096) await client.read(0, 4096);
      await client.close();
    } catch (error) {
      faults++;
      if (!(error instanceof Fault) || !Object.values<string>(nbdFaults).includes(error.code)) throw error;
    }
    server.close();
  }
  t.ok(faults > 0, `${faults} faults`);
});
