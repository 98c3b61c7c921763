/**
 * What every Peer must do, in-process or over a socket: one suite, run by the tests beside fabric/rpc. No case asserts how
 * long something takes; where time matters a case waits for an event, bounded by the test's own limit.
 */
import { createHash } from 'node:crypto';
import type { Test } from 'tap';
import { Fault, isFault } from '../../fabric/errors.ts';
import type { ByteStream, Handlers, Peer, Reply, RpcLog } from '../../fabric/rpc/contract.ts';
import { STREAM_WINDOW_BYTES } from '../../fabric/rpc/contract.ts';

export interface RpcHarness {
  /** A peer whose calls reach `handlers`; `callsInFlightMax` where the case needs a small one. */
  start(handlers: Handlers, options?: { callsInFlightMax?: number; log?: RpcLog }): Promise<RunningPeer>;
}

export interface RunningPeer {
  readonly peer: Peer;
  stop(): Promise<void>;
}

const MIB = 1024 * 1024;
const LONG_RUN_CALLS = 30_000;
/** What may be buffered between a source and a reader: the window, what is queued to send, and a piece at either end. */
const BUFFERED_BYTES_MAX = STREAM_WINDOW_BYTES + MIB;

/** A source of `count` pieces that counts what was pulled and remembers being cancelled. */
export class Source implements ByteStream {
  pulledBytes = 0;
  cancelled = false;
  readonly whenCancelled: Promise<void>;
  #cancelSeen: () => void = () => {};
  #left: number;
  readonly #piece: (index: number) => Promise<Uint8Array> | Uint8Array;
  #index = 0;

  constructor(count: number, piece: (index: number) => Promise<Uint8Array> | Uint8Array) {
    this.#left = count;
    this.#piece = piece;
    this.whenCancelled = new Promise((resolve) => {
      this.#cancelSeen = resolve;
    });
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.cancelled || this.#left === 0) return undefined;
    this.#left--;
    const piece = await this.#piece(this.#index++);
    this.pulledBytes += piece.length;
    return piece;
  }

  cancel(): void {
    this.cancelled = true;
    this.#cancelSeen();
  }
}

export function endlessSource(bytes = 64 * 1024): Source {
  return new Source(Number.POSITIVE_INFINITY, () => Buffer.alloc(bytes, 3));
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

/** Reads to the end; gives the number of bytes and their SHA-256. */
export async function drain(stream: ByteStream | undefined): Promise<{ bytes: number; sum: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for (let piece = await stream?.next(); piece; piece = await stream?.next()) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { bytes, sum: hash.digest('hex') };
}

export async function faultOfCall(promise: Promise<unknown>): Promise<Fault> {
  try {
    await promise;
  } catch (error) {
    if (isFault(error)) return error;
    throw error;
  }
  throw new Error('the call succeeded');
}

/** Waits until the number stops growing. */
async function settled(read: () => number): Promise<number> {
  let before = -1;
  while (before !== read()) {
    before = read();
    await pause(50);
  }
  return before;
}

function callCases(t: Test, harness: RpcHarness): void {
  t.test('plain data comes back as it went', async (t) => {
    const { peer, stop } = await harness.start({ echo: (args: unknown) => ({ value: args }) });
    const value = {
      text: 'żółć 名前 \u0000 "',
      numbers: [0, -1, 1.5, 2 ** 31, 2 ** 53 - 1, -(2 ** 40)],
      nothing: null,
      flags: [true, false],
      nested: { list: [[], {}, [{ a: 1 }]] },
      long: 'x'.repeat(70_000),
    };
    t.same((await peer.call('echo', value)).value, value);
    for (const bytes of [0, 1, 1023, 1024, 4096, 16 * 1024, 70_000, 300_000, 2 * MIB]) {
      const data = Buffer.alloc(bytes, 'needle');
      const { value } = await peer.call('echo', { before: 1, data, small: Buffer.from('s'), after: 'z' });
      const reply = value as { before: number; data: Buffer; small: Buffer; after: string };
      t.ok(Buffer.compare(reply.data, data) === 0, `${bytes} bytes`);
      t.same([reply.before, Buffer.from(reply.small).toString(), reply.after], [1, 's', 'z']);
    }
    for (const scalar of [null, 5, 'five', true]) t.same((await peer.call('echo', scalar)).value, scalar);
    await stop();
  });

  t.test('each of many answers reaches its own call, in any order', async (t) => {
    let release: () => void = () => {};
    const others = new Promise<void>((resolve) => (release = resolve));
    const { peer, stop } = await harness.start({
      later: async ({ index }: { index: number }) => {
        if (index === 0) await others;
        else if (index % 3 > 0) await pause(index % 3);
        return { value: index };
      },
    });
    const order: number[] = [];
    const calls = Array.from({ length: 500 }, async (_, index) => {
      const { value } = await peer.call('later', { index });
      t.equal(value, index);
      if (order.push(index) === 499) release();
    });
    await Promise.all(calls);
    t.equal(order.at(-1), 0, 'a slow first call holds up nobody');
    t.equal(peer.load.calls, 0);
    await stop();
  });

  t.test('a long run of calls with bodies: each gets its own bytes back', async (t) => {
    const { peer, stop } = await harness.start({
      echo: ({ index, data }: { index: number; data: Buffer }) => ({ value: { index, first: data[0], data } }),
    });
    let next = 0;
    let wrong = 0;
    const lane = async (): Promise<void> => {
      while (next < LONG_RUN_CALLS) {
        const index = next++;
        const data = Buffer.alloc(1024 + (index % 7) * 1000, index);
        const { value } = await peer.call('echo', { index, data });
        const reply = value as { index: number; first: number; data: Buffer };
        if (reply.index !== index || reply.first !== (index & 255) || !data.equals(reply.data)) wrong++;
      }
    };
    await Promise.all(Array.from({ length: 64 }, lane));
    t.equal(wrong, 0);
    await stop();
  });
}

function faultCases(t: Test, harness: RpcHarness): void {
  t.test('Faults keep code, message and details', async (t) => {
    const details = { stamp: 'abc', retryMs: 5, list: [1], bytes: Buffer.from('x') };
    const fail = (): never => {
      throw new Fault('OlderStamp', details, 'somebody was faster');
    };
    const { peer, stop } = await harness.start({ now: fail, later: async () => fail() });
    for (const method of ['now', 'later']) {
      const fault = await faultOfCall(peer.call(method, null));
      t.equal(fault.code, 'OlderStamp');
      t.equal(fault.message, 'somebody was faster');
      t.same(fault.details['stamp'], 'abc');
    }
    await stop();
  });

  t.test('a bug is told to the log of the callee and hidden from the caller', async (t) => {
    const logged: string[] = [];
    const log: RpcLog = { warn() {}, error: (details) => void logged.push(String(details['error'])) };
    const bug = (): never => {
      throw new TypeError('secret path /etc');
    };
    const { peer, stop } = await harness.start({ now: bug, later: async () => bug() }, { log });
    for (const method of ['now', 'later']) {
      const fault = await faultOfCall(peer.call(method, null));
      t.equal(fault.code, 'InternalError');
      t.notMatch(JSON.stringify([fault.message, fault.details]), /secret|TypeError/);
    }
    t.equal(logged.filter((line) => line.includes('secret path')).length, 2);
    for (const method of ['nosuch', 'constructor', '__proto__', 'toString'])
      t.equal((await faultOfCall(peer.call(method, null))).code, 'InternalError', method);
    await stop();
  });
}

function limitCases(t: Test, harness: RpcHarness): void {
  t.test('a deadline ends the wait, and what comes too late is released', async (t) => {
    const late = endlessSource();
    let answer: ((reply: Reply) => void) | undefined;
    const { peer, stop } = await harness.start({
      never: () => new Promise<Reply>(() => {}),
      late: () => new Promise<Reply>((resolve) => (answer = resolve)),
    });
    t.equal((await faultOfCall(peer.call('never', null, { deadlineMs: 30 }))).code, 'DeadlineExceeded');
    // Until one has reached the other side in time.
    for (let deadlineMs = 30; answer === undefined; deadlineMs *= 2) {
      t.equal((await faultOfCall(peer.call('late', null, { deadlineMs }))).code, 'DeadlineExceeded');
      await pause(20);
    }
    answer({ value: null, download: late });
    await late.whenCancelled;
    t.equal(peer.load.calls, 0);
    await stop();
  });

  t.test('too many calls in flight are refused at once', async (t) => {
    const waiting: ((reply: Reply) => void)[] = [];
    const handlers = { wait: () => new Promise<Reply>((resolve) => void waiting.push(resolve)) };
    const { peer, stop } = await harness.start(handlers, { callsInFlightMax: 3 });
    const calls = [1, 2, 3].map(() => peer.call('wait', null));
    t.equal((await faultOfCall(peer.call('wait', null))).code, 'Overloaded');
    while (waiting.length < 3) await pause(1);
    for (const resolve of waiting) resolve({ value: 1 });
    await Promise.all(calls);
    const again = peer.call('wait', null);
    while (waiting.length < 4) await pause(1);
    waiting[3]?.({ value: 2 });
    t.equal((await again).value, 2, 'and let in again afterwards');
    await stop();
  });

  t.test('closing a peer fails its calls', async (t) => {
    const { peer, stop } = await harness.start({ never: () => new Promise<Reply>(() => {}) });
    t.ok(peer.up);
    const call = faultOfCall(peer.call('never', null));
    await peer.close();
    t.equal((await call).code, 'Unreachable');
    t.notOk(peer.up);
    t.equal((await faultOfCall(peer.call('never', null))).code, 'Unreachable');
    await peer.close();
    await stop();
  });
}

function streamCases(t: Test, harness: RpcHarness): void {
  t.test('64 MiB up and down at once arrive whole', async (t) => {
    const piece = (index: number): Buffer => Buffer.alloc(index % 2 === 0 ? MIB : 999, index);
    const { peer, stop } = await harness.start({
      both: async (_args: null, { upload }) => ({ value: await drain(upload), download: new Source(128, piece) }),
      down: () => ({ value: 1, download: new Source(128, piece) }),
    });
    const expected = await drain(new Source(128, piece));
    const [up, alone] = await Promise.all([
      peer.call('both', null, { upload: new Source(128, piece) }),
      peer.call('down', null).then(({ download }) => drain(download)),
    ]);
    t.same(up.value, expected);
    t.same(await drain(up.download), expected);
    t.same(alone, expected);
    await stop();
  });

  t.test('empty streams, and small pieces', async (t) => {
    const { peer, stop } = await harness.start({
      back: async (count: number, { upload }) => {
        await drain(upload);
        return { value: 0, download: new Source(count, (index) => Buffer.from([index])) };
      },
    });
    for (const count of [0, 1, 300]) {
      const upload = new Source(count, () => Buffer.from('y'));
      t.equal((await drain((await peer.call('back', count, { upload })).download)).bytes, count);
      t.equal(upload.pulledBytes, count);
    }
    await stop();
  });
}

function backpressureCases(t: Test, harness: RpcHarness): void {
  t.test('a slow reader holds its sender back: memory is bounded', async (t) => {
    const down = endlessSource();
    const up = endlessSource();
    let upload: ByteStream | undefined;
    let answer: (reply: Reply) => void = () => {};
    const { peer, stop } = await harness.start({
      down: () => ({ value: 1, download: down }),
      up: (_args: null, context) => {
        upload = context.upload;
        return new Promise<Reply>((resolve) => (answer = resolve));
      },
    });
    const { download } = await peer.call('down', null);
    const call = peer.call('up', null, { upload: up, deadlineMs: 60_000 });
    const first = (await download?.next())?.length ?? 0;
    t.ok(first > 0);
    const pulled = (): number => down.pulledBytes + up.pulledBytes;
    await settled(pulled);
    t.ok(down.pulledBytes <= first + BUFFERED_BYTES_MAX, `download: ${down.pulledBytes} pulled`);
    t.ok(up.pulledBytes <= BUFFERED_BYTES_MAX, `upload: ${up.pulledBytes} pulled`);
    let read = 0;
    while (read < 8 * MIB) read += (await download?.next())?.length ?? 0;
    let taken = 0;
    while (taken < 8 * MIB) taken += (await upload?.next())?.length ?? 0;
    await settled(pulled);
    t.ok(down.pulledBytes <= first + read + BUFFERED_BYTES_MAX, 'the window moves with the reader');
    t.ok(up.pulledBytes <= taken + BUFFERED_BYTES_MAX);
    t.equal((await peer.call('down', null)).value, 1, 'stalled streams hold up nobody');
    download?.cancel();
    await down.whenCancelled;
    answer({ value: 'enough' });
    t.equal((await call).value, 'enough');
    await up.whenCancelled;
    await stop();
  });
}

function cancelCases(t: Test, harness: RpcHarness): void {
  t.test('cancelling a stream on either side releases its source', async (t) => {
    const down = endlessSource();
    const up = endlessSource();
    const { peer, stop } = await harness.start({
      down: () => ({ value: 1, download: down }),
      up: async (_args: null, { upload }) => {
        await upload?.next();
        upload?.cancel();
        upload?.cancel();
        await up.whenCancelled;
        return { value: await upload?.next() };
      },
    });
    const { download } = await peer.call('down', null);
    await download?.next();
    download?.cancel();
    download?.cancel();
    await down.whenCancelled;
    t.equal(await download?.next(), undefined);
    t.notOk((await peer.call('up', null, { upload: up })).value);
    await stop();
  });

  t.test('a stream that breaks tells its reader why', async (t) => {
    const broken = (): Source =>
      new Source(9, (index) => {
        if (index < 3) return Buffer.alloc(1000);
        throw new Fault('DiskGone', { device: 'd1' });
      });
    const { peer, stop } = await harness.start({
      down: () => ({ value: 1, download: broken() }),
      up: async (_args: null, { upload }) => ({ value: await drain(upload) }),
    });
    const { download } = await peer.call('down', null);
    t.equal((await faultOfCall(drain(download))).code, 'DiskGone');
    t.equal((await faultOfCall(peer.call('up', null, { upload: broken() }))).code, 'DiskGone');
    await stop();
  });

  t.test(
    'the budget of an upload stands still while its source is slow, and the callee learns when it is over',
    async (t) => {
      let seen: (error: unknown) => void = () => {};
      const gaveUp = new Promise<unknown>((resolve) => (seen = resolve));
      const { peer, stop } = await harness.start({
        up: async (_args: null, { upload }) => ({ value: (await drain(upload)).bytes }),
        stuck: async (_args: null, { upload }) => {
          await upload?.next();
          await pause(1_000);
          await drain(upload).catch(seen);
          return { value: 1 };
        },
      });
      const slow = new Source(3, async () => {
        await pause(600);
        return Buffer.alloc(10);
      });
      t.equal((await peer.call('up', null, { upload: slow, deadlineMs: 500 })).value, 30);
      const upload = endlessSource();
      t.equal((await faultOfCall(peer.call('stuck', null, { upload, deadlineMs: 500 }))).code, 'DeadlineExceeded');
      t.ok(isFault(await gaveUp, 'Aborted'));
      await upload.whenCancelled;
      await stop();
    },
  );
}

/** The clock's timers do not keep a process alive, and a case may wait for nothing else. */
export function stayAlive(t: Test): void {
  const interval = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(interval));
}

export function rpcSuite(t: Test, harness: RpcHarness): void {
  stayAlive(t);
  for (const cases of [callCases, faultCases, limitCases, streamCases, backpressureCases, cancelCases])
    cases(t, harness);
}
