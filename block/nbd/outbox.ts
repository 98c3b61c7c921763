/**
 * What one connection sends, gathered per turn of the event loop into one vectored write: small buffers are copied together,
 * large ones go by reference. Counts nothing and refuses nothing: whoever pushes bounds what is under way.
 */
import type { Clock } from '../../fabric/clock.ts';
import type { NetSocket } from '../../fabric/net.ts';

/** Buffers up to this are copied together: cheaper than one more entry of the vectored write. */
const COPY_BYTES_MAX = 16 * 1024;
/** So much leaves without waiting for the turn's end. */
const BATCH_BYTES = 256 * 1024;

export class Outbox {
  readonly #socket: NetSocket;
  readonly #clock: Clock;
  #buffers: Uint8Array[] = [];
  #written: (() => void)[] = [];
  #bytes = 0;
  #scheduled = false;

  constructor(socket: NetSocket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
  }

  /** `prompt`: nothing else is about to come, so waiting for company would only add delay. */
  push(buffers: readonly Uint8Array[], prompt: boolean, written?: () => void): void {
    for (const buffer of buffers) {
      this.#buffers.push(buffer);
      this.#bytes += buffer.length;
    }
    if (written) this.#written.push(written);
    if (this.#bytes >= BATCH_BYTES || (prompt && !this.#scheduled)) return this.flush();
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.nextTurn(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  flush(): void {
    if (this.#buffers.length === 0) return;
    const buffers = this.#buffers.length === 1 ? this.#buffers : gather(this.#buffers);
    const written = this.#written;
    this.#buffers = [];
    this.#written = [];
    this.#bytes = 0;
    this.#socket.write(buffers, () => {
      for (const told of written) told();
    });
  }
}

/** Runs of small buffers become one each. */
function gather(buffers: readonly Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  const endRun = (): void => {
    if (run.length > 0) out.push(run.length === 1 ? (run[0] as Uint8Array) : Buffer.concat(run));
    run = [];
  };
  for (const buffer of buffers) {
    if (buffer.length <= COPY_BYTES_MAX) run.push(buffer);
    else {
      endRun();
      out.push(buffer);
    }
  }
  endRun();
  return out;
}
