/** GET /v3/role_assignments: as granted, or (`effective`) as they take effect, with names if asked for. */
import type { ReadTx } from '../../../control/contract.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import { all, ofActor, ofTarget, SYSTEM } from '../model/assignments.ts';
import { actorsOf, type Effective, expand } from '../model/effective.ts';
import { descendants } from '../model/projects.ts';
import { badRequest } from '../refusals.ts';
import type { Identity } from '../service-state.ts';
import { type AssignmentRow, tables } from '../tables.ts';
import { asBoolean } from './listing.ts';
import type { Body } from './shared.ts';

interface Ask {
  readonly userId: string | undefined;
  readonly groupId: string | undefined;
  readonly roleId: string | undefined;
  readonly projectId: string | undefined;
  readonly domainId: string | undefined;
  readonly system: boolean;
  readonly inheritedOnly: boolean;
  readonly effective: boolean;
  readonly names: boolean;
  readonly subtree: boolean;
}

export function roleAssignmentRoutes(identity: Identity): Route[] {
  return [
    route({
      name: 'role_assignments:list',
      method: 'GET',
      path: '/v3/role_assignments',
      head: true,
      note: 'user.id, group.id, role.id, scope.{project.id,domain.id,system,OS-INHERIT:inherited_to}, effective, include_names, include_subtree',
      run: (call) => identity.store.read((tx) => list(tx, call)),
    }),
  ];
}

function parse({ query }: Call): Ask {
  const flag = (name: string): boolean => query.has(name) && asBoolean(query.get(name) as string);
  const ask: Ask = {
    userId: query.get('user.id'),
    groupId: query.get('group.id'),
    roleId: query.get('role.id'),
    projectId: query.get('scope.project.id'),
    domainId: query.get('scope.domain.id'),
    system: query.has('scope.system'),
    inheritedOnly: query.has('scope.OS-INHERIT:inherited_to'),
    effective: flag('effective'),
    names: flag('include_names'),
    subtree: flag('include_subtree'),
  };
  if (ask.effective && ask.groupId !== undefined)
    throw badRequest('Combining effective and group filter will always result in an empty list.');
  if (ask.effective && ask.inheritedOnly && ask.domainId !== undefined)
    throw badRequest('Combining effective, domain and inherited filters will always result in an empty list.');
  if (ask.userId !== undefined && ask.groupId !== undefined) throw badRequest('Specify a user or a group, not both.');
  const scopes = [ask.projectId, ask.domainId, ask.system ? 'all' : undefined].filter((one) => one !== undefined);
  if (scopes.length > 1) throw badRequest('Specify one of project, domain and system.');
  if (ask.subtree && ask.projectId === undefined)
    throw badRequest('scope.project.id must be specified if include_subtree is also specified');
  return ask;
}

async function list(tx: ReadTx, call: Call): Promise<Answer> {
  const ask = parse(call);
  const domainId = await domainAskedFor(tx, call, ask);
  const rule = ask.subtree ? 'identity:list_role_assignments_for_tree' : 'identity:list_role_assignments';
  call.enforce(rule, { target: { domain_id: domainId } });
  const everywhere = call.allows(rule, { target: { domain_id: null } });
  const rows = ask.effective ? await effective(tx, ask) : await candidates(tx, ask);
  const projects = ask.subtree ? await withSubtree(tx, ask.projectId as string) : undefined;
  const kept = rows.filter((row) => fits(row, ask, projects));
  const shown: Body[] = [];
  for (const row of kept) {
    if (everywhere || (await domainOf(tx, row)) === domainId)
      shown.push(await show(tx, call, { row, names: ask.names }));
  }
  const path = call.request.query ? `${call.path}?${call.request.query}` : call.path;
  return { body: { role_assignments: shown, links: { self: call.url(path), previous: null, next: null } } };
}

async function domainAskedFor(tx: ReadTx, call: Call, ask: Ask): Promise<string | null> {
  const project = ask.projectId === undefined ? undefined : await tx.get(tables.projects, ask.projectId);
  return project?.domainId ?? ask.domainId ?? call.credentials.domainId ?? null;
}

async function domainOf(tx: ReadTx, { target, targetId }: AssignmentRow): Promise<string | undefined> {
  if (target === 'domain') return targetId;
  return target === 'project' ? (await tx.get(tables.projects, targetId))?.domainId : undefined;
}

async function candidates(tx: ReadTx, ask: Ask): Promise<Effective[]> {
  if (ask.userId !== undefined) return await ofActor(tx, { actor: 'user', actorId: ask.userId });
  if (ask.groupId !== undefined) return await ofActor(tx, { actor: 'group', actorId: ask.groupId });
  if (ask.system) return await ofTarget(tx, SYSTEM);
  if (ask.domainId !== undefined) return await ofTarget(tx, { target: 'domain', targetId: ask.domainId });
  if (ask.projectId !== undefined && !ask.subtree)
    return await ofTarget(tx, { target: 'project', targetId: ask.projectId });
  return await all(tx);
}

/** Roles of a domain take effect by what they imply alone. */
async function effective(tx: ReadTx, ask: Ask): Promise<Effective[]> {
  const global = new Set<string>();
  for (const { value } of await tx.scan(tables.roles)) if (value.domainId === '') global.add(value.id);
  return (await expand(tx, await effectiveCandidates(tx, ask))).filter(({ roleId }) => global.has(roleId));
}

async function effectiveCandidates(tx: ReadTx, ask: Ask): Promise<AssignmentRow[]> {
  if (ask.userId === undefined) return await all(tx);
  const rows = await Promise.all((await actorsOf(tx, ask.userId)).map((actor) => ofActor(tx, actor)));
  return rows.flat();
}

async function withSubtree(tx: ReadTx, projectId: string): Promise<Set<string>> {
  return new Set([projectId, ...(await descendants(tx, projectId)).map(({ id }) => id)]);
}

function fits(row: Effective, ask: Ask, projects: ReadonlySet<string> | undefined): boolean {
  if (ask.userId !== undefined && (row.actor !== 'user' || row.actorId !== ask.userId)) return false;
  if (ask.groupId !== undefined && (row.actor !== 'group' || row.actorId !== ask.groupId)) return false;
  if (ask.roleId !== undefined && row.roleId !== ask.roleId) return false;
  if (ask.system && row.target !== 'system') return false;
  if (ask.domainId !== undefined && (row.target !== 'domain' || row.targetId !== ask.domainId)) return false;
  if (ask.inheritedOnly && !row.inherited && row.from === undefined) return false;
  if (ask.projectId === undefined) return true;
  return row.target === 'project' && (projects?.has(row.targetId) ?? row.targetId === ask.projectId);
}

interface Shown {
  readonly row: Effective;
  readonly names: boolean;
}

async function show(tx: ReadTx, call: Call, { row, names }: Shown): Promise<Body> {
  const scope = await scopeOf(tx, { row, names });
  const actor = await namedIn(tx, { kind: row.actor, id: row.actorId, names });
  return {
    role: await namedIn(tx, { kind: 'role', id: row.roleId, names }),
    [row.actor]: actor,
    scope,
    links: linksOf(call, row),
  };
}

async function scopeOf(tx: ReadTx, { row, names }: Shown): Promise<Body> {
  const isInherited = row.inherited || row.from !== undefined;
  const inherited = isInherited ? { 'OS-INHERIT:inherited_to': 'projects' } : {};
  if (row.target === 'system') return { system: { all: true } };
  return { [row.target]: await namedIn(tx, { kind: row.target, id: row.targetId, names }), ...inherited };
}

interface Part {
  readonly kind: 'user' | 'group' | 'role' | 'project' | 'domain';
  readonly id: string;
  readonly names: boolean;
}

async function namedIn(tx: ReadTx, { kind, id, names }: Part): Promise<Body> {
  if (!names) return { id };
  const tableOf = {
    user: tables.users,
    group: tables.groups,
    role: tables.roles,
    project: tables.projects,
    domain: tables.projects,
  };
  const row = await tx.get<{ readonly name: string; readonly domainId: string }>(tableOf[kind], id);
  if (row === undefined) return { id };
  const domain = row.domainId === '' ? undefined : await tx.get(tables.projects, row.domainId);
  return { id, name: row.name, ...(domain === undefined ? {} : { domain: { id: domain.id, name: domain.name } }) };
}

function linksOf(call: Call, row: Effective): Body {
  const granted = row.from ?? row;
  const [actor, actorId] = row.groupId === undefined ? [row.actor, row.actorId] : ['group', row.groupId];
  const place = granted.target === 'system' ? '/system' : `/${granted.target}s/${granted.targetId}`;
  const inherited = row.inherited || row.from !== undefined;
  const base = inherited ? `/v3/OS-INHERIT${place}` : `/v3${place}`;
  const end = inherited ? '/inherited_to_projects' : '';
  const assignment = call.url(`${base}/${actor}s/${actorId}/roles/${row.priorRoleId ?? row.roleId}${end}`);
  return {
    assignment,
    ...(row.groupId === undefined ? {} : { membership: call.url(`/v3/groups/${row.groupId}/users/${row.actorId}`) }),
    ...(row.priorRoleId === undefined ? {} : { prior_role: call.url(`/v3/roles/${row.priorRoleId}`) }),
  };
}
