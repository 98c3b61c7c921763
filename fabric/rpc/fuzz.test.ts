import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { stayAlive } from '../../test/conformance/rpc.ts';
import { systemClock } from '../clock.ts';
import { encode } from '../codec.ts';
import { type NetSocket, systemNet } from '../net.ts';
import { createSeededRandom, type Random, systemRandom } from '../random.ts';
import { connectPeer } from './client.ts';
import { emptyPrefix, encodePrefix, frameTypes, MalformedFrame, PREFIX_BYTES, type Prefix } from './frame-format.ts';
import { FrameReader } from './frame-reader.ts';
import { ClientHandshake } from './handshake.ts';
import { listenRpc } from './server.ts';

const seed = Number(process.env['SEED'] ?? systemRandom.below(2 ** 31));
const ROUNDS = 300;
t.setTimeout(60_000);
t.comment(`SEED=${seed}`);

function frame(fields: Partial<Prefix>, header: Buffer = Buffer.alloc(0), body: Buffer = Buffer.alloc(0)): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  encodePrefix(prefix, 0, { ...emptyPrefix(), headerBytes: header.length, bodyBytes: body.length, ...fields });
  return Buffer.concat([prefix, header, body]);
}

/** Well-formed frames of a client, most of them senseless in this place. */
function randomFrame(random: Random): Buffer {
  const id = random.below(4);
  const body = random.bytes(random.below(3000));
  const call = encode([random.below(2) ? 'echo' : 'sink', 1000, random.below(2) ? { a: 1 } : [null, 'x']]);
  const kinds: (() => Buffer)[] = [
    () => frame({ id, type: frameTypes.call }, call),
    () => frame({ id, type: frameTypes.call, flags: 1 }, call),
    () => frame({ id, type: frameTypes.call, extra: body.length + random.below(2) * 100 }, call, body),
    () => frame({ id, type: frameTypes.call }, random.bytes(1 + random.below(50))),
    () => frame({ id, type: frameTypes.data }, undefined, body),
    () => frame({ id, type: frameTypes.more }, undefined, body),
    () => frame({ id, type: frameTypes.end }),
    () => frame({ id, type: frameTypes.credit, extra: random.below(2 ** 32) }),
    () => frame({ id, type: frameTypes.cancel }),
    () => frame({ id, type: frameTypes.ping }),
    () => frame({ id, type: frameTypes.fail }, encode(['Code', 'message', {}])),
    () => frame({ id, type: frameTypes.fail }, encode('nonsense')),
    () => frame({ id, type: frameTypes.reply }, call),
  ];
  return (kinds[random.below(kinds.length)] as () => Buffer)();
}

function mutated(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = random.below(4); i > 0 && copy.length > 0; i--) copy[random.below(copy.length)] = random.below(256);
  return random.below(8) === 0 ? copy.subarray(0, random.below(copy.length + 1)) : copy;
}

t.test('frames come out the same however the bytes are cut', async (t) => {
  const random = createSeededRandom(seed);
  for (let round = 0; round < 50; round++) {
    const frames = Array.from({ length: 20 }, () => randomFrame(random));
    const bytes = Buffer.concat(frames);
    const seen: Buffer[] = [];
    const reader = new FrameReader({
      frame: (prefix, header) => void seen.push(frame({ ...prefix }, header)),
      body: (piece) => void seen.push(Buffer.from(piece)),
    });
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + 1 + random.below(random.below(2) ? 30 : 5000));
      reader.push(bytes.subarray(at, end));
      at = end;
    }
    // encodePrefix of the test takes bodyBytes from the spread prefix, so the pieces add up to the very bytes sent.
    if (Buffer.compare(Buffer.concat(seen), bytes) !== 0) t.fail(`round ${round} of seed ${seed}`);
  }
  t.pass('all rounds');
});

t.test('a damaged prefix is noticed', async (t) => {
  const random = createSeededRandom(seed + 1);
  let unnoticed = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = frame({ id: random.below(1000), type: frameTypes.call }, random.bytes(40), random.bytes(60));
    const at = random.below(PREFIX_BYTES);
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
    try {
      new FrameReader({ frame() {}, body() {} }).push(bytes);
      unnoticed++;
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
    }
  }
  t.equal(unnoticed, 0, `seed ${seed}: a single flipped bit is always seen`);
});

const identity = { clusterId: 'cluster', secret: 'secret', random: systemRandom, clock: systemClock };

/** A client that shakes hands as it should (or not) and then sends `bytes`; resolves when the server has had enough. */
function attack(endpoint: { path: string }, bytes: Buffer, polite: boolean): Promise<void> {
  return new Promise((resolve) => {
    const handshake = new ClientHandshake({ ...identity, name: 'fuzz' }, 'store');
    let trusted = false;
    const finish = (socket: NetSocket): void =>
      socket.write([bytes], () => systemClock.after(3, () => socket.destroy()));
    const socket: NetSocket = systemNet.connect(endpoint, {
      connected: () => (polite ? socket.write([handshake.start()], () => {}) : finish(socket)),
      data(chunk) {
        if (trusted || !polite) return;
        const step = handshake.feed(chunk);
        if (step.send) socket.write([step.send], () => {});
        trusted = step.peer !== undefined;
        if (trusted) finish(socket);
      },
      closed: () => resolve(),
    });
  });
}

t.test('whatever a connection sends, the server lives, says one line and serves the others', async (t) => {
  stayAlive(t);
  const random = createSeededRandom(seed + 2);
  const directory = mkdtempSync(join(tmpdir(), 'nt-fuzz-'));
  const endpoint = { path: join(directory, 's') };
  const lines: string[] = [];
  const log = { warn: (_details: unknown, line: string) => void lines.push(line), error() {} };
  const handlers = {
    echo: (args: unknown) => ({ value: args }),
    sink: async (_args: unknown, { upload }: { upload?: { next(): Promise<unknown> } | undefined }) => {
      while (await upload?.next());
      return { value: 1 };
    },
  };
  const listener = await listenRpc(handlers, { ...identity, name: 'store', endpoint, log });
  const peer = connectPeer({ ...identity, name: 'front', peerName: 'store', endpoint });
  await peer.whenUp(5000);
  for (let round = 0; round < ROUNDS; round++) {
    const polite = random.below(4) > 0;
    const frames = Array.from({ length: 1 + random.below(12) }, () => {
      const bytes = randomFrame(random);
      return random.below(3) === 0 ? mutated(bytes, random) : bytes;
    });
    const before = lines.length;
    await attack(endpoint, polite ? Buffer.concat(frames) : random.bytes(1 + random.below(2000)), polite);
    if (lines.length > before + 1) t.fail(`round ${round} of seed ${seed}: ${lines.slice(before)}`);
  }
  t.ok(lines.length > ROUNDS / 10, `${lines.length} connections were closed for what they sent`);
  t.equal((await peer.call('echo', 'alive')).value, 'alive');
  await peer.close();
  await listener.close();
  rmSync(directory, { recursive: true, force: true });
});
