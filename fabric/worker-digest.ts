/**
 * MD5 on threads of its own: 1.4 ms of work a MiB would hold up every other request of this process. Bytes in shared
 * memory are handed over without a copy; the order of one body is kept by its thread. Threads start with the first large
 * body and never keep the process alive.
 */
import { Worker } from 'node:worker_threads';

/** Buffers of one body that may wait for their thread: beyond, `update` makes the source wait. */
const BACKLOG_MAX = 3;

export type DigestRequest =
  | { readonly id: number; readonly bytes: Uint8Array }
  | { readonly id: number; readonly end: 'hex' | 'cancel' };
export type DigestAnswer = { readonly id: number; readonly hex?: string };

/** One body's MD5; see proxy/object/digest.ts for the contract. */
export interface ThreadDigest {
  /** `bytes` must not change until `read` is called; shared memory is not copied, other memory is. */
  update(bytes: Uint8Array, read?: () => void): Promise<void> | undefined;
  hex(): Promise<string>;
  cancel(): void;
}

interface Open {
  /** One for each buffer that its thread has not read. */
  readonly unread: ((() => void) | undefined)[];
  room: (() => void) | undefined;
  finish: { resolve: (hex: string) => void; reject: (error: unknown) => void } | undefined;
  readonly thread: Thread;
}

interface Thread {
  readonly worker: Worker;
  bodies: number;
}

export class DigestThreads {
  readonly #count: number;
  readonly #threads: Thread[] = [];
  readonly #open = new Map<number, Open>();
  #nextId = 1;

  constructor(count: number) {
    this.#count = count;
  }

  md5(): ThreadDigest {
    const id = this.#nextId++;
    const thread = this.#leastBusy();
    thread.bodies++;
    const open: Open = { unread: [], room: undefined, finish: undefined, thread };
    this.#open.set(id, open);
    const post = (request: DigestRequest): void => thread.worker.postMessage(request);
    return {
      update: (bytes, read) => {
        open.unread.push(read);
        post({ id, bytes });
        if (open.unread.length < BACKLOG_MAX) return undefined;
        return new Promise((resolve) => {
          open.room = resolve;
        });
      },
      hex: () =>
        new Promise((resolve, reject) => {
          open.finish = { resolve, reject };
          post({ id, end: 'hex' });
        }),
      cancel: () => {
        if (!this.#open.has(id)) return;
        post({ id, end: 'cancel' });
        this.#forget(id);
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
    this.#threads.length = 0;
  }

  #leastBusy(): Thread {
    if (this.#threads.length < this.#count && this.#threads.every(({ bodies }) => bodies > 0)) return this.#spawn();
    return this.#threads.reduce((best, each) => (each.bodies < best.bodies ? each : best));
  }

  #spawn(): Thread {
    const worker = new Worker(new URL(`./worker-digest-thread${import.meta.url.slice(-3)}`, import.meta.url));
    worker.unref();
    const thread: Thread = { worker, bodies: 0 };
    worker.on('message', (answer: DigestAnswer) => this.#answer(answer));
    worker.on('error', (error) => this.#lost(thread, error));
    this.#threads.push(thread);
    return thread;
  }

  #answer({ id, hex }: DigestAnswer): void {
    const open = this.#open.get(id);
    if (!open) return;
    if (hex !== undefined) {
      this.#forget(id);
      open.finish?.resolve(hex);
      return;
    }
    open.unread.shift()?.();
    const { room } = open;
    open.room = undefined;
    room?.();
  }

  #forget(id: number): void {
    const open = this.#open.get(id);
    if (!open) return;
    this.#open.delete(id);
    open.thread.bodies--;
    open.room?.();
  }

  /** A thread that failed takes its bodies with it; the next body gets a new one. */
  #lost(thread: Thread, error: unknown): void {
    this.#threads.splice(this.#threads.indexOf(thread), 1);
    for (const [id, open] of this.#open) {
      if (open.thread !== thread) continue;
      this.#forget(id);
      open.finish?.reject(error);
    }
  }
}
