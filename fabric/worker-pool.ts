/**
 * A few threads for work that costs milliseconds of CPU: the one file that imports piscina. Tasks wait in order; the queue is
 * bounded by who calls, who must not hand over more than it can hold. Threads start with the first task, end when idle, and
 * never keep the process alive once `close` was called.
 */
import { Piscina } from 'piscina';

const IDLE_MS = 5_000;

export interface WorkerPool<Task, Answer> {
  run(task: Task, transfer?: readonly ArrayBuffer[]): Promise<Answer>;
  close(): Promise<void>;
}

export interface WorkerPoolOptions {
  /** A module whose default export answers a task. */
  readonly file: URL;
  readonly threads: number;
}

export function createWorkerPool<Task, Answer>({ file, threads }: WorkerPoolOptions): WorkerPool<Task, Answer> {
  const pool = new Piscina({ filename: file.href, minThreads: 0, maxThreads: threads, idleTimeout: IDLE_MS });
  return {
    run: (task, transfer = []) => pool.run(task, { transferList: [...transfer] }) as Promise<Answer>,
    close: () => pool.close({ force: true }),
  };
}

/** Called in a thread: the answer whose buffer, under `key`, is handed over rather than copied. */
export function handOver<T extends object>(answer: T, buffer: ArrayBuffer): T {
  const transferable = {
    ...answer,
    get [Piscina.transferableSymbol]() {
      return [buffer];
    },
    get [Piscina.valueSymbol]() {
      return answer;
    },
  };
  return Piscina.move(transferable as never) as unknown as T;
}
