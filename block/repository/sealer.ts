/** Where chunks are hashed and packed: in place (tests, small tools) or on threads, so that the event loop stays free. */
import { assert } from '../../fabric/assert.ts';
import { Fault } from '../../fabric/errors.ts';
import { createWorkerPool } from '../../fabric/worker-pool.ts';
import { type Sealed, type SealTask, seal, type UnsealTask, unseal } from './seal.ts';
import type { ThreadAnswer, ThreadTask } from './seal-thread.ts';

export interface Sealer {
  /** `raw` is the caller's again when the answer is there. */
  seal(task: SealTask): Promise<Sealed>;
  /** Fault SnapshotCorrupt. */
  unseal(task: UnsealTask): Promise<Uint8Array>;
  close(): Promise<void>;
}

export const inlineSealer: Sealer = {
  seal: async (task) => seal(task),
  unseal: async (task) => unseal(task),
  close: async () => {},
};

export function createThreadSealer(threads: number): Sealer {
  const file = new URL(`./seal-thread${import.meta.url.slice(-3)}`, import.meta.url);
  const pool = createWorkerPool<ThreadTask, ThreadAnswer>({ file, threads });
  return {
    async seal(task) {
      const answer = await pool.run({ seal: task });
      assert('sealed' in answer, 'a sealed chunk');
      return answer.sealed;
    },
    async unseal(task) {
      const answer = await pool.run({ unseal: task });
      if ('fault' in answer) throw new Fault(answer.fault.code, answer.fault.details);
      assert('raw' in answer, 'a chunk');
      return answer.raw;
    },
    close: () => pool.close(),
  };
}
