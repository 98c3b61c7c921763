/** Messages for users about what failed behind a 202. Kept for 30 days. */
import type { WriteTx } from '../../../control/contract.ts';
import type { Task, TaskError } from '../../../control/tasks/contract.ts';
import { type Cinder, newId } from '../cinder.ts';
import { messages } from '../tables.ts';

const KEPT_MS = 30 * 24 * 3600 * 1000;
/** Of one project; the oldest go first. */
const KEPT_MAX = 1000;

/** Resource, action number and words; then detail number and words: VOLUME_VOLUME_001_003. Cinder's numbers where it has one. */
export const EVENTS = {
  schedule: ['VOLUME', '001', 'schedule allocate volume', '003', 'Could not find any available weighted backend.'],
  create: ['VOLUME', '008', 'create volume from backend storage', '012', 'Driver failed to create the volume.'],
  delete: ['VOLUME', '008', 'delete volume', '001', 'An unknown error occurred.'],
  extend: ['VOLUME', '007', 'extend volume', '010', 'Volume Driver failed to extend volume.'],
  migrate: ['VOLUME', '008', 'migrate volume', '001', 'An unknown error occurred.'],
  retype: ['VOLUME', '008', 'retype volume', '001', 'An unknown error occurred.'],
  revert: ['VOLUME', '008', 'revert volume', '001', 'An unknown error occurred.'],
  attach: ['VOLUME', '002', 'attach volume', '021', 'Failed to attach volume.'],
  detach: ['VOLUME', '004', 'update attachment', '022', 'Failed to detach volume.'],
  snapshotCreate: ['VOLUME_SNAPSHOT', '009', 'create snapshot', '013', 'Snapshot failed to create.'],
  snapshotDelete: ['VOLUME_SNAPSHOT', '010', 'delete snapshot', '016', 'Snapshot failed to delete.'],
  backupCreate: ['VOLUME_BACKUP', '013', 'create backup', '020', 'Backup driver failed to create backup.'],
  backupDelete: ['VOLUME_BACKUP', '014', 'delete backup', '025', 'Backup driver failed to delete backup.'],
  backupRestore: ['VOLUME_BACKUP', '015', 'restore backup', '026', 'Backup driver failed to restore backup.'],
  groupSchedule: ['GROUP', '001', 'schedule allocate group', '003', 'Could not find any available weighted backend.'],
  groupCreate: ['GROUP', '008', 'create group', '001', 'Not all of its volumes could be created.'],
  groupDelete: ['GROUP', '008', 'delete group', '001', 'Not all of its volumes could be deleted.'],
  groupSnapshotCreate: ['GROUP_SNAPSHOT', '009', 'create group snapshot', '013', 'Not all snapshots could be created.'],
  groupSnapshotDelete: ['GROUP_SNAPSHOT', '010', 'delete group snapshot', '016', 'Not all snapshots could be deleted.'],
} as const;
export type EventName = keyof typeof EVENTS;

export interface NewMessage {
  readonly event: EventName;
  readonly projectId: string;
  readonly resourceId: string;
  readonly requestId?: string | undefined;
  /** Of a Fault: said to users as it is. */
  readonly reason?: string | undefined;
}

export async function addMessage(tx: WriteTx, cinder: Cinder, made: NewMessage): Promise<void> {
  const { event, projectId, resourceId, requestId, reason } = made;
  const [resourceType, action, what, detail, why] = EVENTS[event];
  const nowMs = cinder.clock.nowMs();
  const old = await messages.by(tx, 'project', projectId);
  const oldestFirst = old.sort((a, b) => a.createdAtMs - b.createdAtMs);
  const tooMany = Math.max(0, old.length + 1 - KEPT_MAX);
  const leaving = oldestFirst.filter((row, i) => row.expiresAtMs <= nowMs || i < tooMany);
  for (const { id } of leaving) await messages.remove(tx, id);
  await messages.put(tx, {
    id: newId(cinder),
    ...{ projectId, resourceType, resourceId, level: 'ERROR', requestId: requestId ?? null },
    eventId: `VOLUME_${resourceType}_${action}_${detail}`,
    text: `${what}: ${why}${reason === undefined ? '' : ` ${reason}`}`,
    ...{ createdAtMs: nowMs, expiresAtMs: nowMs + KEPT_MS },
  });
}

/** What a task that failed says to its user. */
export function taskMessage(
  tx: WriteTx,
  cinder: Cinder,
  about: { readonly event: EventName; readonly row: { readonly id: string; readonly projectId: string } },
  { task, error }: { readonly task: Task<unknown, unknown>; readonly error: TaskError | undefined },
): Promise<void> {
  const { event, row } = about;
  return addMessage(tx, cinder, {
    ...{ event, projectId: row.projectId, resourceId: row.id, requestId: task.requestId, reason: error?.message },
  });
}
