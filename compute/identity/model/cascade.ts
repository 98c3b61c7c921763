/**
 * What goes with a project, a user, a group, a role or a domain when it is deleted: assignments, credentials, application
 * credentials, memberships, limits. All in the one transaction of the delete, so that nothing is left over by a crash.
 * Tokens of what is gone do not resolve any more; nothing else has to be done to them.
 */
import { joinKey, type WriteTx } from '../../../control/contract.ts';
import { badRequest, forbidden, immutable } from '../refusals.ts';
import {
  type AppCredRow,
  type CredentialRow,
  type GroupRow,
  type ProjectRow,
  type RoleRow,
  tables,
  type UserRow,
} from '../tables.ts';
import { dropOfActor, dropOfRole, dropOfTarget } from './assignments.ts';
import { dropGroup, groupsOf, removeMember } from './groups.ts';
import { descendants, dropProject } from './projects.ts';
import { dropRole } from './roles.ts';
import { clear, members } from './rows.ts';
import { dropUser } from './users.ts';

export async function deleteProject(tx: WriteTx, row: ProjectRow): Promise<void> {
  if (row.isDomain)
    throw badRequest(`Cannot delete project ${row.id}: it acts as a domain. Delete the domain instead.`);
  const children = await members(tx, tables.projectChildren, row.id);
  if (children.length > 0)
    throw forbidden(
      `Cannot delete the project ${row.id} since it is not a leaf in the hierarchy. Use the cascade option if you want to delete a whole subtree.`,
    );
  if (row.options['immutable'] === true) throw immutable('delete', 'project', row.id);
  await removeProject(tx, row);
}

async function removeProject(tx: WriteTx, row: ProjectRow): Promise<void> {
  await dropOfTarget(tx, { target: 'project', targetId: row.id });
  for (const { value } of await tx.scan(tables.credentials)) if (value.projectId === row.id) dropCredential(tx, value);
  for (const { value } of await tx.scan(tables.appCreds)) if (value.projectId === row.id) dropAppCred(tx, value);
  for (const { value } of await tx.scan(tables.limits))
    if (value['project_id'] === row.id) tx.delete(tables.limits, value.id);
  for (const { value } of await tx.scan(tables.users)) {
    if (value.defaultProjectId !== row.id) continue;
    const { defaultProjectId: _, ...rest } = value;
    tx.put(tables.users, value.id, rest);
  }
  dropProject(tx, row);
}

export async function deleteUser(tx: WriteTx, row: UserRow): Promise<void> {
  await dropOfActor(tx, { actor: 'user', actorId: row.id });
  for (const groupId of await groupsOf(tx, row.id)) removeMember(tx, groupId, row.id);
  for (const id of await members(tx, tables.userCredentials, row.id)) {
    const credential = await tx.get(tables.credentials, id);
    if (credential) dropCredential(tx, credential);
  }
  for (const name of await members(tx, tables.appCredNames, row.id)) {
    const id = await tx.get(tables.appCredNames, joinKey(row.id, name));
    const appCred = id === undefined ? undefined : await tx.get(tables.appCreds, id);
    if (appCred) dropAppCred(tx, appCred);
  }
  for (const id of await members(tx, tables.userAccessRules, row.id)) tx.delete(tables.accessRules, id);
  await clear(tx, tables.userAccessRules, row.id);
  dropUser(tx, row);
}

export async function deleteGroup(tx: WriteTx, row: GroupRow): Promise<void> {
  await dropOfActor(tx, { actor: 'group', actorId: row.id });
  await dropGroup(tx, row);
}

/** Application credentials that carry the role go too: with one role less they would mean something else. */
export async function deleteRole(tx: WriteTx, row: RoleRow): Promise<void> {
  await dropRole(tx, row);
  await dropOfRole(tx, row.id);
  for (const { value } of await tx.scan(tables.appCreds)) if (value.roleIds.includes(row.id)) dropAppCred(tx, value);
}

/** Only a disabled domain, as in Keystone; with its users, groups, roles and projects. */
export async function deleteDomain(tx: WriteTx, row: ProjectRow): Promise<void> {
  if (row.options['immutable'] === true) throw immutable('delete', 'domain', row.id);
  if (row.enabled) throw forbidden('Cannot delete a domain that is enabled, please disable it first.');
  const projects = await descendants(tx, row.id);
  for (const project of projects.reverse()) await removeProject(tx, project);
  for (const { value } of await tx.scan(tables.userNames, { prefix: joinKey(row.id, '') })) {
    const user = await tx.get(tables.users, value);
    if (user) await deleteUser(tx, user);
  }
  for (const { value } of await tx.scan(tables.groupNames, { prefix: joinKey(row.id, '') })) {
    const group = await tx.get(tables.groups, value);
    if (group) await deleteGroup(tx, group);
  }
  for (const { value } of await tx.scan(tables.roleNames, { prefix: joinKey(row.id, '') })) {
    const role = await tx.get(tables.roles, value);
    if (role) await deleteRole(tx, { ...role, options: {} });
  }
  await dropOfTarget(tx, { target: 'domain', targetId: row.id });
  for (const { value } of await tx.scan(tables.limits))
    if (value['domain_id'] === row.id) tx.delete(tables.limits, value.id);
  dropProject(tx, row);
}

export function dropCredential(tx: WriteTx, row: CredentialRow): void {
  tx.delete(tables.credentials, row.id);
  tx.delete(tables.userCredentials, joinKey(row.userId, row.id));
}

export function dropAppCred(tx: WriteTx, row: AppCredRow): void {
  tx.delete(tables.appCreds, row.id);
  tx.delete(tables.appCredNames, joinKey(row.userId, row.name));
}

/** After a role was taken from a user on a project: what was delegated from it there must not outlive it. */
export async function dropDelegations(tx: WriteTx, userId: string, projectId: string): Promise<void> {
  for (const name of await members(tx, tables.appCredNames, userId)) {
    const id = await tx.get(tables.appCredNames, joinKey(userId, name));
    const row = id === undefined ? undefined : await tx.get(tables.appCreds, id);
    if (row?.projectId === projectId) dropAppCred(tx, row);
  }
}
