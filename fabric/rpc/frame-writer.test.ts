import t from 'tap';
import { stayAlive } from '../../test/conformance/rpc.ts';
import { systemClock } from '../clock.ts';
import { decodeHoisted } from '../codec.ts';
import type { NetSocket } from '../net.ts';
import { createSeededRandom, systemRandom } from '../random.ts';
import { frameTypes, type Prefix } from './frame-format.ts';
import { FrameReader } from './frame-reader.ts';
import { BulkJob, FrameWriter } from './frame-writer.ts';

const seed = Number(process.env['SEED'] ?? systemRandom.below(2 ** 31));
t.comment(`SEED=${seed}`);
t.setTimeout(30_000);
stayAlive(t);

/** A socket that looks at the buffers only when the write completes, in order, some turns later: as the kernel may. */
function slowSocket(random: { below(limit: number): number }) {
  const received: Buffer[] = [];
  const waiting: { buffers: readonly Uint8Array[]; done: () => void }[] = [];
  const step = (): void => {
    const count = random.below(3);
    for (let i = 0; i < count; i++) {
      const write = waiting.shift();
      if (write === undefined) break;
      received.push(Buffer.concat(write.buffers));
      write.done();
    }
    setImmediate(step).unref();
  };
  step();
  const socket: NetSocket = {
    remote: 'test',
    write: (buffers, done) => void waiting.push({ buffers, done }),
    destroy() {},
  };
  return { socket, received, idle: () => waiting.length === 0 };
}

t.test('what was accepted arrives unchanged, however late the kernel takes it', async (t) => {
  const random = createSeededRandom(seed);
  const { socket, received, idle } = slowSocket(random);
  const writer = new FrameWriter(socket, systemClock, 1024 * 1024);
  const sent = new Map<number, number>();
  const job = new BulkJob(1_000_000, frameTypes.data);
  let streamedBytes = 0;
  for (let id = 0; id < 4000; id++) {
    const bytes = [0, 10, 1024, 4096, 20_000, 70_000][random.below(6)] as number;
    sent.set(id, bytes);
    writer.message(frameTypes.call, id, { id, data: Buffer.alloc(bytes, id) }, 0);
    if (id % 50 === 0) {
      writer.push(job, Buffer.alloc(300_000, 9));
      streamedBytes += 300_000;
    }
    if (random.below(20) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  while (writer.queuedBytes > 0 || !idle()) await new Promise((resolve) => setImmediate(resolve));

  let current: Prefix | undefined;
  const messages = new Map<number, { header: Buffer; rawBytes: number; pieces: Buffer[] }>();
  const reader = new FrameReader({
    frame(prefix, header) {
      current = { ...prefix };
      if (prefix.type === frameTypes.call) messages.set(prefix.id, { header, rawBytes: prefix.extra, pieces: [] });
    },
    body(piece) {
      if (current?.type === frameTypes.data) streamedBytes -= piece.length;
      else messages.get(current?.id ?? -1)?.pieces.push(piece);
    },
  });
  for (const chunk of received) reader.push(chunk);
  t.equal(streamedBytes, 0);
  t.equal(messages.size, sent.size);
  for (const [id, bytes] of sent) {
    const { header, pieces = [] } = messages.get(id) ?? {};
    const value = decodeHoisted(header ?? Buffer.alloc(0), Buffer.concat(pieces)) as { id: number; data: Buffer };
    if (value.id !== id || !value.data.equals(Buffer.alloc(bytes, id))) t.fail(`message ${id} of seed ${seed}`);
  }
});
