/**
 * Who has which role where, as it was granted: rows and their index by target. What follows from it (groups, inheritance,
 * implied roles) is model/effective.ts.
 */
import { joinKey, type ReadTx, splitKey, type WriteTx } from '../../../control/contract.ts';
import { notFoundAs } from '../refusals.ts';
import { type ActorKind, type AssignmentRow, type TargetKind, tables } from '../tables.ts';

export interface Actor {
  readonly actor: ActorKind;
  readonly actorId: string;
}

export interface Target {
  readonly target: TargetKind;
  readonly targetId: string;
}

export const SYSTEM: Target = { target: 'system', targetId: 'all' };

export function assignmentKey(row: AssignmentRow): string {
  const kind = row.inherited ? 'inherited' : 'direct';
  return joinKey(row.actor, row.actorId, row.target, row.targetId, kind, row.roleId);
}

export function grant(tx: WriteTx, row: AssignmentRow): void {
  const key = assignmentKey(row);
  tx.put(tables.assignments, key, row);
  tx.put(tables.assignmentTargets, joinKey(row.target, row.targetId, key), key);
}

/** Fault NotFound when there is no such assignment. */
export async function ungrant(tx: WriteTx, row: AssignmentRow): Promise<void> {
  if (!(await isGranted(tx, row))) throw notGranted(row);
  drop(tx, row);
}

export async function isGranted(tx: ReadTx, row: AssignmentRow): Promise<boolean> {
  return (await tx.get(tables.assignments, assignmentKey(row))) !== undefined;
}

export function notGranted({ actorId, targetId, roleId }: AssignmentRow) {
  return notFoundAs(
    `Could not find role assignment with role: ${roleId}, user or group: ${actorId}, project, domain, or system: ${targetId}.`,
  );
}

function drop(tx: WriteTx, row: AssignmentRow): void {
  const key = assignmentKey(row);
  tx.delete(tables.assignments, key);
  tx.delete(tables.assignmentTargets, joinKey(row.target, row.targetId, key));
}

/** Ids of roles granted to exactly this actor on exactly this target. */
export async function grantedRoles(
  tx: ReadTx,
  { actor, actorId }: Actor,
  place: Target & { inherited: boolean },
): Promise<string[]> {
  const kind = place.inherited ? 'inherited' : 'direct';
  const prefix = joinKey(actor, actorId, place.target, place.targetId, kind, '');
  const rows = await tx.scan(tables.assignments, { prefix });
  return rows.map(({ value }) => value.roleId);
}

export async function ofActor(tx: ReadTx, { actor, actorId }: Actor): Promise<AssignmentRow[]> {
  const rows = await tx.scan(tables.assignments, { prefix: joinKey(actor, actorId, '') });
  return rows.map(({ value }) => value);
}

export async function ofTarget(tx: ReadTx, { target, targetId }: Target): Promise<AssignmentRow[]> {
  const rows = await tx.scan(tables.assignmentTargets, { prefix: joinKey(target, targetId, '') });
  return rows.map(({ value }) => parseKey(value));
}

export async function all(tx: ReadTx): Promise<AssignmentRow[]> {
  const rows = await tx.scan(tables.assignments);
  return rows.map(({ value }) => value);
}

export async function dropOfActor(tx: WriteTx, actor: Actor): Promise<void> {
  for (const row of await ofActor(tx, actor)) drop(tx, row);
}

export async function dropOfTarget(tx: WriteTx, target: Target): Promise<void> {
  for (const row of await ofTarget(tx, target)) drop(tx, row);
}

export async function dropOfRole(tx: WriteTx, roleId: string): Promise<void> {
  for (const row of await all(tx)) if (row.roleId === roleId) drop(tx, row);
}

function parseKey(key: string): AssignmentRow {
  const [actor, actorId = '', target, targetId = '', kind, roleId = ''] = splitKey(key);
  return {
    actor: actor as ActorKind,
    actorId,
    target: target as TargetKind,
    targetId,
    roleId,
    inherited: kind === 'inherited',
  };
}
