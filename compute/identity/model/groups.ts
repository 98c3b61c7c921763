/** Groups and who is in them. Two index tables, one for each direction of the question. */
import { joinKey, type ReadTx, type WriteTx } from '../../../control/contract.ts';
import { type GroupRow, tables } from '../tables.ts';
import { claimName, clear, type Moment, members, must } from './rows.ts';

export type GroupInput = Omit<GroupRow, 'id'>;
export type GroupChange = Partial<Omit<GroupInput, 'domainId'>>;

export function getGroup(tx: ReadTx, id: string): Promise<GroupRow> {
  return must(tx, tables.groups, { kind: 'group', id });
}

export async function findGroup(tx: ReadTx, domainId: string, name: string): Promise<GroupRow | undefined> {
  const id = await tx.get(tables.groupNames, joinKey(domainId, name));
  return id === undefined ? undefined : await tx.get(tables.groups, id);
}

export async function createGroup(tx: WriteTx, input: GroupInput, moment: Moment): Promise<GroupRow> {
  const row = { ...input, id: moment.newId() };
  await claimName(tx, nameIndex(row), row);
  tx.put(tables.groups, row.id, row);
  return row;
}

export async function updateGroup(tx: WriteTx, row: GroupRow, change: GroupChange): Promise<GroupRow> {
  const after = { ...row, ...change };
  await claimName(tx, nameIndex(row), after, row.name);
  tx.put(tables.groups, row.id, after);
  return after;
}

export function groupsOf(tx: ReadTx, userId: string): Promise<string[]> {
  return members(tx, tables.userGroups, userId);
}

export function usersIn(tx: ReadTx, groupId: string): Promise<string[]> {
  return members(tx, tables.groupUsers, groupId);
}

export async function isMember(tx: ReadTx, groupId: string, userId: string): Promise<boolean> {
  return (await tx.get(tables.groupUsers, joinKey(groupId, userId))) !== undefined;
}

export function addMember(tx: WriteTx, groupId: string, userId: string): void {
  tx.put(tables.groupUsers, joinKey(groupId, userId), true);
  tx.put(tables.userGroups, joinKey(userId, groupId), true);
}

export function removeMember(tx: WriteTx, groupId: string, userId: string): void {
  tx.delete(tables.groupUsers, joinKey(groupId, userId));
  tx.delete(tables.userGroups, joinKey(userId, groupId));
}

export async function dropGroup(tx: WriteTx, row: GroupRow): Promise<void> {
  for (const userId of await usersIn(tx, row.id)) tx.delete(tables.userGroups, joinKey(userId, row.id));
  await clear(tx, tables.groupUsers, row.id);
  tx.delete(tables.groups, row.id);
  tx.delete(tables.groupNames, joinKey(row.domainId, row.name));
}

function nameIndex(row: GroupRow) {
  return { table: tables.groupNames, kind: 'group', within: row.domainId };
}
