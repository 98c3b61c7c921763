/**
 * What becomes of a group or group snapshot whose members are being made or deleted. Each member has a task of its own, begun in
 * the same transaction; the tasks here wait until all of those have ended and then say what is true. They do nothing at hosts.
 */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import type { StepContext } from '../../../control/tasks/contract.ts';
import { isFinal, listByResource } from '../../../control/tasks/task-rows.ts';
import type { Cinder } from '../cinder.ts';
import { addMessage, type EventName } from '../model/messages.ts';
import { type GroupRow, type GroupSnapshotRow, groupSnapshots, groups, snapshots, volumes } from '../tables.ts';
import { change, kind } from './kind.ts';
import { Patience } from './patience.ts';

export interface GroupInput {
  /** Of the group or group snapshot. */
  readonly id: string;
  /** Resources of the members' tasks. */
  readonly members: readonly string[];
}

export const CREATE_GROUP = 'cinder.create-group';
export const DELETE_GROUP = 'cinder.delete-group';
export const CREATE_GROUP_SNAPSHOT = 'cinder.create-group-snapshot';
export const DELETE_GROUP_SNAPSHOT = 'cinder.delete-group-snapshot';

interface Settling {
  readonly name: string;
  settle(tx: WriteTx, id: string, requestId: string | undefined): Promise<void>;
}

function waiting(cinder: Cinder, { name, settle }: Settling) {
  return kind<GroupInput>(cinder, {
    name,
    steps: [{ name: 'members', run: (step) => membersEnded(cinder, step) }],
    settle: (tx, { task }) => settle(tx, task.input.id, task.requestId),
  });
}

async function membersEnded(cinder: Cinder, step: StepContext<GroupInput>): Promise<void> {
  const patience = new Patience(cinder, step);
  for (;;) {
    step.signal.throwIfAborted();
    const { busy, revision } = await step.read(async (tx) => ({
      busy: await isBusy(tx, step.task.input.members),
      revision: tx.revision,
    }));
    if (!busy) return;
    await patience.changed(revision);
  }
}

async function isBusy(tx: ReadTx, resources: readonly string[]): Promise<boolean> {
  for (const resource of resources) if ((await listByResource(tx, resource)).some((one) => !isFinal(one))) return true;
  return false;
}

const failed = (members: readonly { readonly status: string }[]): boolean =>
  members.some(({ status }) => status.startsWith('error'));

export function groupKinds(cinder: Cinder) {
  const tell = (tx: WriteTx, event: EventName, row: GroupRow | GroupSnapshotRow, requestId: string | undefined) =>
    addMessage(tx, cinder, { event, projectId: row.projectId, resourceId: row.id, requestId });
  return [
    waiting(cinder, {
      name: CREATE_GROUP,
      async settle(tx, id, requestId) {
        const group = await groups.get(tx, id);
        if (group?.status !== 'creating') return;
        const isFailed = failed(await volumes.by(tx, 'group', id));
        await change(cinder, tx, groups, { id, status: isFailed ? 'error' : 'available' });
        if (isFailed) await tell(tx, 'groupCreate', group, requestId);
      },
    }),
    waiting(cinder, {
      name: DELETE_GROUP,
      async settle(tx, id, requestId) {
        const group = await groups.get(tx, id);
        if (group === undefined) return;
        if ((await volumes.by(tx, 'group', id)).length === 0) return removeGroupRow(cinder, tx, group);
        await change(cinder, tx, groups, { id, status: 'error_deleting' });
        await tell(tx, 'groupDelete', group, requestId);
      },
    }),
    waiting(cinder, {
      name: CREATE_GROUP_SNAPSHOT,
      async settle(tx, id, requestId) {
        const row = await groupSnapshots.get(tx, id);
        if (row?.status !== 'creating') return;
        const isFailed = failed(await snapshots.by(tx, 'group', id));
        await change(cinder, tx, groupSnapshots, { id, status: isFailed ? 'error' : 'available' });
        if (isFailed) await tell(tx, 'groupSnapshotCreate', row, requestId);
      },
    }),
    waiting(cinder, {
      name: DELETE_GROUP_SNAPSHOT,
      async settle(tx, id, requestId) {
        const row = await groupSnapshots.get(tx, id);
        if (row === undefined) return;
        if ((await snapshots.by(tx, 'group', id)).length === 0) return groupSnapshots.remove(tx, id);
        await change(cinder, tx, groupSnapshots, { id, status: 'error_deleting' });
        await tell(tx, 'groupSnapshotDelete', row, requestId);
      },
    }),
  ];
}

export async function removeGroupRow({ quotas }: Cinder, tx: WriteTx, { id, projectId }: GroupRow): Promise<void> {
  await quotas.take(tx, projectId, { groups: -1 });
  await groups.remove(tx, id);
}
