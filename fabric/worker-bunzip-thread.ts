/** The thread behind worker-bunzip.ts: it waits for input, and for room for its output, asleep. */
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { bunzipPieces } from './bunzip2.ts';
import { type BunzipAnswer, type BunzipData, OUTPUT_MAX, SENT_IN, TAKEN_OUT } from './worker-bunzip.ts';

const { port, counters: shared } = workerData as BunzipData;
const counters = new Int32Array(shared);
let given = 0;

const answer = (message: BunzipAnswer): void => port.postMessage(message);

function next(): Uint8Array | undefined {
  while (true) {
    const sent = Atomics.load(counters, SENT_IN);
    const received = receiveMessageOnPort(port) as { message: Uint8Array | null } | undefined;
    if (received) {
      answer({ took: true });
      return received.message ?? undefined;
    }
    Atomics.wait(counters, SENT_IN, sent);
  }
}

function write(piece: Uint8Array): void {
  answer({ piece });
  given++;
  for (
    let taken = Atomics.load(counters, TAKEN_OUT);
    given - taken > OUTPUT_MAX;
    taken = Atomics.load(counters, TAKEN_OUT)
  ) {
    Atomics.wait(counters, TAKEN_OUT, taken);
  }
}

try {
  bunzipPieces(next, write);
  answer({ end: null });
} catch (error) {
  answer({ end: (error as Error).message });
}
