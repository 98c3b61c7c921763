/** What every part of Cinder's controller is given: the world, the store, its hosts. Made once by start.ts. */
import type { ControlStore, WriteTx } from '../../control/contract.ts';
import type { Quotas } from '../../control/quota.ts';
import { makeUuid } from '../../control/service/request-id.ts';
import type { Call } from '../../control/service/types.ts';
import type { Task } from '../../control/tasks/contract.ts';
import { addTask, getTask, isFinal } from '../../control/tasks/task-rows.ts';
import type { Clock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import type { Hosts } from './model/hosts.ts';
import type { CinderSettings } from './settings.ts';

export interface Cinder {
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly hosts: Hosts;
  readonly quotas: Quotas;
  readonly settings: CinderSettings;
}

export const newId = ({ random }: Pick<Cinder, 'random'>): string => makeUuid(random);

/** A task in the transaction that puts what it works on. */
export function startTask(
  cinder: Cinder,
  tx: WriteTx,
  task: {
    readonly kind: string;
    readonly input: object;
    readonly resource: string;
    readonly call: Pick<Call, 'requestId' | 'credentials'>;
  },
): string {
  const { kind, input, resource, call } = task;
  const { projectId, userId } = call.credentials;
  return addTask(
    tx,
    { kind, input, resource, requestId: call.requestId, userId, ...(projectId === undefined ? {} : { projectId }) },
    cinder,
  );
}

/** Callers that wait for a task give up after this; the task goes on. */
const TASK_WAIT_MS = 45_000;

/** Until the task has ended. Throws what it failed with; Fault Unavailable when it takes too long. */
export async function finished({ store, clock }: Cinder, id: string): Promise<Task> {
  const endMs = clock.monotonicMs() + TASK_WAIT_MS;
  for (;;) {
    const { task, revision } = await store.read(async (tx) => ({ task: await getTask(tx, id), revision: tx.revision }));
    if (task && isFinal(task)) {
      if (task.state === 'done') return task;
      throw new Fault(task.error?.code ?? 'TaskFailed', {}, task.error?.message ?? 'the operation failed');
    }
    const leftMs = endMs - clock.monotonicMs();
    if (leftMs <= 0) throw new Fault('Unavailable', { task: id }, 'The operation is still being worked at.');
    await store.waitForChange(revision, leftMs);
  }
}
