/** What a thread of sealer.ts runs: one task, one answer, whose buffer is handed over and not copied. */
import { isFault } from '../../fabric/errors.ts';
import { handOver } from '../../fabric/worker-pool.ts';
import { type Sealed, type SealTask, seal, type UnsealTask, unseal } from './seal.ts';

export type ThreadTask = { readonly seal: SealTask } | { readonly unseal: UnsealTask };
export type ThreadAnswer =
  | { readonly sealed: Sealed }
  | { readonly raw: Uint8Array }
  | { readonly fault: { readonly code: string; readonly details: Readonly<Record<string, unknown>> } };

export default function answer(task: ThreadTask): ThreadAnswer {
  if ('seal' in task) {
    const sealed = seal(task.seal);
    return sealed.kind === 'new' ? handOver({ sealed }, sealed.object.buffer as ArrayBuffer) : { sealed };
  }
  try {
    return { raw: unseal(task.unseal) };
  } catch (error) {
    // Classes do not survive the way between threads.
    if (isFault(error)) return { fault: { code: error.code, details: error.details } };
    throw error;
  }
}
