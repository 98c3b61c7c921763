/**
 * The transaction that a piece of work belongs to, without passing it through every call: for logs, and only where
 * somebody wants them that detailed, because following asynchronous work costs. The only file that imports async_hooks.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface Trace {
  /** Runs `work` as a transaction of its own, nameless at first. */
  run<T>(work: () => T): T;
  /** Names the transaction that is running. */
  name(id: string): void;
  /** Of the transaction that is running; undefined outside of any. */
  id(): string | undefined;
}

export function createTrace(): Trace {
  const running = new AsyncLocalStorage<{ id: string | undefined }>();
  return {
    run: (work) => running.run({ id: undefined }, work),
    name(id) {
      const transaction = running.getStore();
      if (transaction) transaction.id = id;
    },
    id: () => running.getStore()?.id,
  };
}
