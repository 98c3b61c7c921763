/**
 * What follows from assignments: through groups, down the tree where they are inherited, and by implied roles. Reads with
 * narrow scans only, because what is read here is what a token's validity hangs on (feed.ts). Changes nothing.
 */
import type { ReadTx } from '../../../control/contract.ts';
import { type AssignmentRow, type ProjectRow, type RoleRow, tables } from '../tables.ts';
import { type Actor, grantedRoles, ofActor, SYSTEM, type Target } from './assignments.ts';
import { groupsOf } from './groups.ts';
import { ancestors, descendants } from './projects.ts';
import { implications, withImplied } from './roles.ts';
import { members } from './rows.ts';

/** The user and the user's groups. */
export async function actorsOf(tx: ReadTx, userId: string): Promise<Actor[]> {
  const groups = await groupsOf(tx, userId);
  return [{ actor: 'user', actorId: userId }, ...groups.map((actorId) => ({ actor: 'group' as const, actorId }))];
}

/** Roles of a token scoped to this project or domain: global ones only, implied ones included. */
export async function rolesOn(tx: ReadTx, userId: string, project: ProjectRow): Promise<RoleRow[]> {
  const places: (Target & { inherited: boolean })[] = [{ ...asTarget(project), inherited: false }];
  for (const above of await ancestors(tx, project)) places.push({ ...asTarget(above), inherited: true });
  // A domain is a project too: roles can be granted to it either way.
  if (project.isDomain) places.push({ target: 'project', targetId: project.id, inherited: false });
  return await rolesAt(tx, userId, places);
}

export async function rolesOnSystem(tx: ReadTx, userId: string): Promise<RoleRow[]> {
  return await rolesAt(tx, userId, [{ ...SYSTEM, inherited: false }]);
}

async function rolesAt(
  tx: ReadTx,
  userId: string,
  places: readonly (Target & { inherited: boolean })[],
): Promise<RoleRow[]> {
  const ids = new Set<string>();
  for (const actor of await actorsOf(tx, userId)) {
    for (const place of places) for (const id of await grantedRoles(tx, actor, place)) ids.add(id);
  }
  return ids.size === 0 ? [] : await globalRoles(tx, ids);
}

/** Rows of `ids` and of what they imply, without those of a domain. */
export async function globalRoles(tx: ReadTx, ids: Iterable<string>): Promise<RoleRow[]> {
  const rows: RoleRow[] = [];
  for (const id of withImplied(ids, await implications(tx))) {
    const row = await tx.get(tables.roles, id);
    if (row !== undefined && row.domainId === '') rows.push(row);
  }
  return rows;
}

export function asTarget(project: ProjectRow): Target {
  return { target: project.isDomain ? 'domain' : 'project', targetId: project.id };
}

/** Enabled projects the user has a role on, domains themselves left out. */
export async function projectsOf(tx: ReadTx, userId: string): Promise<ProjectRow[]> {
  const found = new Map<string, ProjectRow>();
  for (const row of await assignmentsOf(tx, userId)) {
    if (row.target === 'system') continue;
    const project = await tx.get(tables.projects, row.targetId);
    if (project === undefined) continue;
    const reached = row.inherited ? await descendants(tx, project.id) : [project];
    for (const one of reached) if (!one.isDomain) found.set(one.id, one);
  }
  return await usable(tx, [...found.values()]);
}

export async function domainsOf(tx: ReadTx, userId: string): Promise<ProjectRow[]> {
  const found = new Map<string, ProjectRow>();
  for (const row of await assignmentsOf(tx, userId)) {
    const domain = row.target === 'domain' && !row.inherited ? await tx.get(tables.projects, row.targetId) : undefined;
    if (domain?.enabled) found.set(domain.id, domain);
  }
  return [...found.values()];
}

async function assignmentsOf(tx: ReadTx, userId: string): Promise<AssignmentRow[]> {
  const rows: AssignmentRow[] = [];
  for (const actor of await actorsOf(tx, userId)) rows.push(...(await ofActor(tx, actor)));
  return rows;
}

async function usable(tx: ReadTx, projects: readonly ProjectRow[]): Promise<ProjectRow[]> {
  const rows: ProjectRow[] = [];
  for (const project of projects) {
    const domain = await tx.get(tables.projects, project.domainId);
    if (project.enabled && domain?.enabled) rows.push(project);
  }
  return rows;
}

/** One assignment as it takes effect, and where it comes from. */
export interface Effective extends AssignmentRow {
  /** The group it came through. */
  readonly groupId?: string;
  /** Where it was granted, when it was inherited from there. */
  readonly from?: Target;
  /** The role that implies this one. */
  readonly priorRoleId?: string;
}

/** Groups become their users, inherited assignments what lies below, roles what they imply. Each once. */
export async function expand(tx: ReadTx, rows: readonly AssignmentRow[]): Promise<Effective[]> {
  const rules = await implications(tx);
  const found = new Map<string, Effective>();
  for (const row of rows) {
    for (const placed of await placesOf(tx, row)) {
      for (const one of await usersOf(tx, placed)) for (const last of impliedOf(one, rules)) keep(found, last);
    }
  }
  return [...found.values()];
}

function keep(found: Map<string, Effective>, one: Effective): void {
  const key = [
    one.actorId,
    one.target,
    one.targetId,
    one.roleId,
    one.groupId ?? '',
    one.from?.targetId ?? '',
    one.priorRoleId ?? '',
  ];
  found.set(key.join(' '), one);
}

async function placesOf(tx: ReadTx, row: AssignmentRow): Promise<Effective[]> {
  if (!row.inherited) return [row];
  const from: Target = { target: row.target, targetId: row.targetId };
  const below = await descendants(tx, row.targetId);
  return below.map(({ id }) => ({ ...row, target: 'project' as const, targetId: id, inherited: false, from }));
}

async function usersOf(tx: ReadTx, row: Effective): Promise<Effective[]> {
  if (row.actor === 'user') return [row];
  const users = await members(tx, tables.groupUsers, row.actorId);
  return users.map((actorId) => ({ ...row, actor: 'user' as const, actorId, groupId: row.actorId }));
}

function impliedOf(row: Effective, rules: ReadonlyMap<string, readonly string[]>): Effective[] {
  const found: Effective[] = [row];
  for (const one of found) {
    for (const roleId of rules.get(one.roleId) ?? []) {
      if (!found.some((other) => other.roleId === roleId)) found.push({ ...row, roleId, priorRoleId: one.roleId });
    }
  }
  return found;
}
