import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { bunzipOnThread } from './worker-bunzip.ts';

/** `a,b\n1,2\n` */
const PACKED = Buffer.from('QlpoOTFBWSZTWb+HQH8AAANZAAAQAAQwADAAIAAwwAhpsogjJ4u5IpwoSF/DoD+A', 'base64');
const ROUNDS = 6;
const BUSY_MS = 60;

async function unpack(pieces: readonly Buffer[]): Promise<string> {
  async function* source(): AsyncGenerator<Buffer> {
    for (const piece of pieces) {
      yield piece;
      await sleep(0);
    }
  }
  let text = '';
  for await (const piece of bunzipOnThread(source())) text += piece.toString();
  return text;
}

/** Nothing is heard of threads meanwhile: what they say and their end come at once afterwards. */
function beBusy(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

t.test('what a thread said before it ended is heard, however busy this one is', async (t) => {
  for (let round = 0; round < ROUNDS; round++) {
    const unpacked = unpack([PACKED]);
    const broken = unpack([PACKED.subarray(0, -12)]).then(
      (text) => `no failure, but ${JSON.stringify(text)}`,
      () => 'failed',
    );
    for (let i = 0; i < 8; i++) {
      await sleep(5);
      beBusy(BUSY_MS);
    }
    t.equal(await unpacked, 'a,b\n1,2\n', `round ${round}`);
    t.equal(await broken, 'failed', `round ${round}`);
  }
});
