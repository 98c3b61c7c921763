/**
 * The rows of tasks and every change of them, as parts of transactions. Unfinished tasks have a row in an index, finished ones in
 * another by time, from which they are forgotten after a day.
 */
import { assert } from '../../fabric/assert.ts';
import type { Clock } from '../../fabric/clock.ts';
import type { Random } from '../../fabric/random.ts';
import { defineTable, joinKey, type ReadTx, splitKey, type WriteTx } from '../contract.ts';
import { makeUuid } from '../service/request-id.ts';
import { LEASES } from '../store/lease-row.ts';
import type { NewTask, Task, TaskEnding } from './contract.ts';

export const TASKS = defineTable<Task>('control.tasks');
const ACTIVE = defineTable<{ kind: string }>('control.tasks_active');
const FINISHED = defineTable<{ resource?: string | undefined }>('control.tasks_finished');
const BY_RESOURCE = defineTable<{ kind: string }>('control.tasks_by_resource');

const FINISHED_KEPT_MS = 24 * 3600 * 1000;
/** Forgotten with each task that ends. */
const FORGOTTEN_MAX = 8;

export const leaseName = (id: string): string => `task/${id}`;

export interface TaskWorld {
  readonly clock: Clock;
  readonly random: Random;
}

/** Puts a new task; a runner takes it up once the transaction is committed. */
export function addTask(tx: WriteTx, task: NewTask, { clock, random }: TaskWorld): string {
  const id = makeUuid(random);
  const nowMs = clock.nowMs();
  const row: Task = {
    ...task,
    id,
    state: 'queued',
    stepsDone: 0,
    data: undefined,
    progress: 0,
    attempts: 0,
    cancelRequested: false,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
  tx.put(TASKS, id, row);
  tx.put(ACTIVE, id, { kind: task.kind });
  if (task.resource !== undefined) tx.put(BY_RESOURCE, joinKey(task.resource, id), { kind: task.kind });
  return id;
}

export const getTask = (tx: ReadTx, id: string): Promise<Task | undefined> => tx.get(TASKS, id);

export async function listByResource(tx: ReadTx, resource: string): Promise<Task[]> {
  const keys = await tx.scan(BY_RESOURCE, { prefix: joinKey(resource, '') });
  const tasks = await Promise.all(keys.map(({ key }) => tx.get(TASKS, splitKey(key).at(-1) as string)));
  return tasks.filter((task): task is Task => task !== undefined);
}

export async function listActive(tx: ReadTx): Promise<{ id: string; kind: string }[]> {
  return (await tx.scan(ACTIVE)).map(({ key, value }) => ({ id: key, kind: value.kind }));
}

/** False when it has ended or there is none. The owner sees it within a heartbeat, one in the same process at once. */
export async function requestCancel(tx: WriteTx, id: string): Promise<boolean> {
  const task = await tx.get(TASKS, id);
  if (task === undefined || isFinal(task)) return false;
  if (!task.cancelRequested) tx.put(TASKS, id, { ...task, cancelRequested: true });
  return true;
}

export const isFinal = ({ state }: Task): boolean => state === 'done' || state === 'failed' || state === 'cancelled';

/** The row as it is now, changed. Undefined `change` fields take the field away. */
export async function changeTask(tx: WriteTx, id: string, nowMs: number, change: Partial<Task>): Promise<Task> {
  const task = await tx.get(TASKS, id);
  assert(task !== undefined && !isFinal(task), 'an ended task does not change');
  const next = { ...task, ...change, updatedAtMs: nowMs };
  tx.put(TASKS, id, next);
  return next;
}

/** The last change: out of the index of unfinished ones, and its lease goes. */
export async function finishTask(tx: WriteTx, task: Task, ending: TaskEnding, nowMs: number): Promise<void> {
  tx.put(TASKS, task.id, {
    ...task,
    state: ending,
    ending,
    progress: ending === 'done' ? 1 : task.progress,
    updatedAtMs: nowMs,
  });
  tx.delete(ACTIVE, task.id);
  tx.delete(LEASES, leaseName(task.id));
  tx.put(FINISHED, joinKey(timeKey(nowMs), task.id), { resource: task.resource });
  const old = await tx.scan(FINISHED, { end: timeKey(nowMs - FINISHED_KEPT_MS), limit: FORGOTTEN_MAX });
  for (const { key, value } of old) {
    const id = splitKey(key)[1] as string;
    tx.delete(FINISHED, key);
    tx.delete(TASKS, id);
    if (value.resource !== undefined) tx.delete(BY_RESOURCE, joinKey(value.resource, id));
  }
}

const timeKey = (atMs: number): string => String(Math.max(0, Math.floor(atMs))).padStart(15, '0');
