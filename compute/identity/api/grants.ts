/**
 * Who gets which role where: `…/users|groups/{id}/roles/{role}` below projects, domains, the system and OS-INHERIT. Thirty
 * paths of one kind, made from a table. Taking a role away takes application credentials made from it too.
 */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import type { PolicyTarget } from '../../../control/policy/contract.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import {
  type Actor,
  grant,
  grantedRoles,
  isGranted,
  notGranted,
  SYSTEM,
  type Target,
  ungrant,
} from '../model/assignments.ts';
import { dropDelegations } from '../model/cascade.ts';
import { getGroup } from '../model/groups.ts';
import { descendants, getDomain, getProject } from '../model/projects.ts';
import { getRole } from '../model/roles.ts';
import { members } from '../model/rows.ts';
import { getUser } from '../model/users.ts';
import { badRequest, forbidden } from '../refusals.ts';
import type { Identity } from '../service-state.ts';
import { type ActorKind, type AssignmentRow, type TargetKind, tables } from '../tables.ts';
import { listed } from './listing.ts';
import { showRole } from './show.ts';

/** A role that a manager of a domain may give out. */
const DELEGABLE: readonly string[] = ['member', 'reader', 'manager'];

interface Place {
  readonly target: TargetKind;
  readonly actor: ActorKind;
  readonly inherited: boolean;
  /** Without `/roles` and what follows. */
  readonly base: string;
  /** What OS-INHERIT's paths end in. */
  readonly end: string;
}

const PLACES: readonly Place[] = (['user', 'group'] as const).flatMap((actor) => {
  const who = `${actor}s/{${actor}_id}`;
  return [
    { target: 'project', actor, inherited: false, base: `/v3/projects/{project_id}/${who}`, end: '' },
    { target: 'domain', actor, inherited: false, base: `/v3/domains/{domain_id}/${who}`, end: '' },
    { target: 'system', actor, inherited: false, base: `/v3/system/${who}`, end: '' },
    inheritedPlace('project', actor),
    inheritedPlace('domain', actor),
  ] as Place[];
});

function inheritedPlace(target: 'project' | 'domain', actor: ActorKind): Place {
  const base = `/v3/OS-INHERIT/${target}s/{${target}_id}/${actor}s/{${actor}_id}`;
  return { target, actor, inherited: true, base, end: '/inherited_to_projects' };
}

const RULES = { list: 'list_grants', check: 'check_grant', create: 'create_grant', revoke: 'revoke_grant' } as const;
type Verb = keyof typeof RULES;

function ruleOf(place: Place, verb: Verb): string {
  if (place.target !== 'system') return `identity:${RULES[verb]}`;
  return `identity:${verb}_system_${verb === 'list' ? 'grants' : 'grant'}_for_${place.actor}`;
}

export function grantRoutes(identity: Identity): Route[] {
  return PLACES.flatMap((place) => routesOf(identity, place));
}

type Params = Readonly<Record<string, string>>;

function paramsOf(call: Pick<Call, 'params'>): Params {
  return call.params as Params;
}

function actorOf(place: Place, params: Params): Actor {
  return { actor: place.actor, actorId: params[`${place.actor}_id`] as string };
}

function targetOfPlace(place: Place, params: Params): Target {
  return place.target === 'system'
    ? SYSTEM
    : { target: place.target, targetId: params[`${place.target}_id`] as string };
}

function rowOf(place: Place, params: Params): AssignmentRow {
  const { inherited } = place;
  return { ...actorOf(place, params), ...targetOfPlace(place, params), inherited, roleId: params['role_id'] as string };
}

function routesOf(identity: Identity, place: Place): Route[] {
  const { store } = identity;
  const prefix = `grants:${place.inherited ? 'inherited-' : ''}${place.target}-${place.actor}`;
  const one = `${place.base}/roles/{role_id}${place.end}`;
  const about = (call: Pick<Call, 'params'>) => store.read((tx) => policyTarget(tx, place, paramsOf(call)));
  const make = (verb: Verb, method: Route['method'], path: string, run: Route['run']): Route =>
    route({ name: `${prefix}:${verb}`, method, path, policy: ruleOf(place, verb), target: about, run });
  return [
    { ...make('list', 'GET', `${place.base}/roles${place.end}`, (call) => list(identity, place, call)), head: true },
    {
      ...make('check', 'GET', one, (call) => store.read((tx) => check(tx, place, paramsOf(call)))),
      head: true,
      status: 204,
    },
    {
      ...make('create', 'PUT', one, async (call) => {
        await store.write((tx) => give(tx, place, paramsOf(call)));
        return {};
      }),
      status: 204,
    },
    make('revoke', 'DELETE', one, async (call) => {
      await store.write((tx) => take(tx, place, paramsOf(call)));
      return {};
    }),
  ];
}

async function policyTarget(tx: ReadTx, place: Place, params: Params): Promise<PolicyTarget> {
  const { actor, actorId } = actorOf(place, params);
  const row = actor === 'user' ? await tx.get(tables.users, actorId) : await tx.get(tables.groups, actorId);
  const { target, targetId } = targetOfPlace(place, params);
  const project = target === 'system' ? undefined : await tx.get(tables.projects, targetId);
  const role = params['role_id'] === undefined ? undefined : await tx.get(tables.roles, params['role_id']);
  const domainId = project === undefined ? null : project.isDomain ? project.id : project.domainId;
  return {
    target: {
      actor: { domain_id: row?.domainId ?? null },
      domain_id: domainId,
      role: { id: role?.id ?? null, name: role?.name ?? null, delegable: isDelegable(role) },
    },
  };
}

function isDelegable(role: { readonly name: string; readonly domainId: string } | undefined): string {
  return role !== undefined && role.domainId === '' && DELEGABLE.includes(role.name) ? 'True' : 'False';
}

/** Everything that is named exists; the role fits the target. */
async function checkParts(tx: ReadTx, place: Place, params: Params): Promise<void> {
  const { actor, actorId } = actorOf(place, params);
  if (actor === 'user') await getUser(tx, actorId);
  else await getGroup(tx, actorId);
  const { target, targetId } = targetOfPlace(place, params);
  const scope =
    target === 'project'
      ? await getProject(tx, targetId)
      : target === 'domain'
        ? await getDomain(tx, targetId)
        : undefined;
  if (params['role_id'] === undefined) return;
  const role = await getRole(tx, params['role_id']);
  if (scope === undefined && role.domainId !== '')
    throw badRequest(
      `Role ${role.id} is a domain-specific role. Unable to use a domain-specific role in a system assignment.`,
    );
  const domainId = scope === undefined ? '' : scope.isDomain ? scope.id : scope.domainId;
  if (role.domainId !== '' && role.domainId !== domainId)
    throw forbidden(
      target === 'project'
        ? `Project ${targetId} must be in the same domain as the role ${role.id} being assigned.`
        : `The role ${role.id} belongs to another domain than the ${target}.`,
    );
}

async function list(identity: Identity, place: Place, call: Call): Promise<Answer> {
  const rows = await identity.store.read(async (tx) => {
    await checkParts(tx, place, paramsOf(call));
    const at = { ...targetOfPlace(place, paramsOf(call)), inherited: place.inherited };
    const ids = await grantedRoles(tx, actorOf(place, paramsOf(call)), at);
    return await Promise.all(ids.map((id) => getRole(tx, id)));
  });
  return listed(
    call,
    'roles',
    rows.map((row) => showRole(call, row)),
    { filters: [] },
  );
}

async function check(tx: ReadTx, place: Place, params: Params): Promise<Answer> {
  await checkParts(tx, place, params);
  const row = rowOf(place, params);
  if (!(await isGranted(tx, row))) throw notGranted(row);
  return {};
}

async function give(tx: WriteTx, place: Place, params: Params): Promise<void> {
  await checkParts(tx, place, params);
  grant(tx, rowOf(place, params));
}

async function take(tx: WriteTx, place: Place, params: Params): Promise<void> {
  const row = rowOf(place, params);
  // A user or group that is gone from elsewhere must not keep its assignment from being removed.
  await getRole(tx, row.roleId);
  await ungrant(tx, row);
  const users = row.actor === 'user' ? [row.actorId] : await members(tx, tables.groupUsers, row.actorId);
  const projects =
    row.target === 'system'
      ? []
      : row.inherited
        ? (await descendants(tx, row.targetId)).map(({ id }) => id)
        : [row.targetId];
  for (const userId of users) for (const projectId of projects) await dropDelegations(tx, userId, projectId);
}
