/** /v3/groups and who is in them. */
import type { ReadTx } from '../../../control/contract.ts';
import type { PolicyTarget } from '../../../control/policy/contract.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import { deleteGroup } from '../model/cascade.ts';
import { addMember, createGroup, getGroup, isMember, removeMember, updateGroup, usersIn } from '../model/groups.ts';
import { getDomain } from '../model/projects.ts';
import { getUser, refuseForeignDomain } from '../model/users.ts';
import { notFoundAs } from '../refusals.ts';
import { type Identity, moment } from '../service-state.ts';
import { type GroupRow, tables } from '../tables.ts';
import { listed } from './listing.ts';
import {
  type Body,
  described,
  domainOfCaller,
  extraOf,
  given,
  ID,
  NAME,
  nameOf,
  refuseOtherId,
  TEXT,
  targetOf,
  withinScope,
  wrapped,
} from './shared.ts';
import { showGroup, showUser } from './show.ts';

const PROPERTIES = { name: { ...NAME, maxLength: 64 }, domain_id: ID, description: TEXT };
const KNOWN = Object.keys(PROPERTIES);

type ById = { readonly group_id: string };

export function groupRoutes(identity: Identity): Route[] {
  const { store } = identity;
  const target = ({ params }: { params: ById }) => store.read((tx) => groupTarget(tx, params.group_id));
  const withId = { path: '/v3/groups/{group_id}', target } as const;
  return [
    route({
      name: 'groups:create',
      method: 'POST',
      path: '/v3/groups',
      body: wrapped('group', PROPERTIES, ['name']),
      status: 201,
      run: (call) => create(identity, call),
    }),
    route({
      name: 'groups:list',
      method: 'GET',
      path: '/v3/groups',
      head: true,
      note: 'filters name, domain_id',
      run: (call) => list(identity, call),
    }),
    route({
      ...withId,
      name: 'groups:show',
      method: 'GET',
      head: true,
      policy: 'identity:get_group',
      run: async (call) => shown(call, await store.read((tx) => getGroup(tx, call.params.group_id))),
    }),
    route({
      ...withId,
      name: 'groups:update',
      method: 'PATCH',
      policy: 'identity:update_group',
      body: wrapped('group', PROPERTIES),
      run: async (call) => {
        const body = call.body['group'] as Body;
        const row = await store.write(async (tx) => {
          const before = await getGroup(tx, call.params.group_id);
          refuseOtherId(body, before.id);
          refuseForeignDomain(before.domainId, body['domain_id']);
          return await updateGroup(tx, before, {
            extra: { ...before.extra, ...extraOf(body, KNOWN) },
            ...(body['name'] === undefined ? {} : { name: nameOf(body) }),
            ...(body['description'] === undefined ? {} : { description: body['description'] as string | null }),
          });
        });
        return shown(call, row);
      },
    }),
    route({
      ...withId,
      name: 'groups:delete',
      method: 'DELETE',
      policy: 'identity:delete_group',
      run: async ({ params }) => {
        await store.write(async (tx) => deleteGroup(tx, await getGroup(tx, params.group_id)));
        return {};
      },
    }),
    ...memberRoutes(identity),
  ];
}

function memberRoutes(identity: Identity): Route[] {
  const { store } = identity;
  const withUser = {
    path: '/v3/groups/{group_id}/users/{user_id}',
    target: ({ params }: { params: ById & { readonly user_id: string } }) =>
      store.read(async (tx) => {
        const user = await tx.get(tables.users, params.user_id);
        const group = await tx.get(tables.groups, params.group_id);
        return {
          target: { user: { domain_id: user?.domainId ?? null }, group: { domain_id: group?.domainId ?? null } },
        };
      }),
  } as const;
  const both = async (tx: ReadTx, { group_id, user_id }: ById & { readonly user_id: string }) => {
    await getUser(tx, user_id);
    await getGroup(tx, group_id);
  };
  const noMember = (groupId: string, id: string) => notFoundAs(`User '${id}' not found in group '${groupId}'`);
  return [
    route({
      name: 'groups:list-users',
      method: 'GET',
      path: '/v3/groups/{group_id}/users',
      head: true,
      policy: 'identity:list_users_in_group',
      target: ({ params }) => store.read((tx) => groupTarget(tx, params.group_id)),
      run: async (call) => {
        const rows = await store.read(async (tx) => {
          await getGroup(tx, call.params.group_id);
          const ids = await usersIn(tx, call.params.group_id);
          return await Promise.all(
            ids.map(async (id) => ({
              user: await tx.get(tables.users, id),
              expires: (await tx.get(tables.passwords, id))?.entries[0]?.expiresAtMs,
            })),
          );
        });
        const there = rows.flatMap(({ user, expires }) => (user === undefined ? [] : [{ ...user, expires }]));
        const users = withinScope(call, there).map(({ expires, ...user }) => showUser(call, user, expires));
        return listed(call, 'users', users, { filters: ['name', 'enabled'] });
      },
    }),
    route({
      ...withUser,
      name: 'groups:check-user',
      method: 'GET',
      head: true,
      status: 204,
      policy: 'identity:check_user_in_group',
      run: ({ params }) =>
        store.read(async (tx) => {
          await both(tx, params);
          if (!(await isMember(tx, params.group_id, params.user_id))) throw noMember(params.group_id, params.user_id);
          return {};
        }),
    }),
    route({
      ...withUser,
      name: 'groups:add-user',
      method: 'PUT',
      status: 204,
      policy: 'identity:add_user_to_group',
      run: async ({ params }) => {
        await store.write(async (tx) => {
          await both(tx, params);
          addMember(tx, params.group_id, params.user_id);
        });
        return {};
      },
    }),
    route({
      ...withUser,
      name: 'groups:remove-user',
      method: 'DELETE',
      policy: 'identity:remove_user_from_group',
      run: async ({ params }) => {
        await store.write(async (tx) => {
          await both(tx, params);
          if (!(await isMember(tx, params.group_id, params.user_id))) throw noMember(params.group_id, params.user_id);
          removeMember(tx, params.group_id, params.user_id);
        });
        return {};
      },
    }),
  ];
}

async function groupTarget(tx: ReadTx, id: string): Promise<PolicyTarget> {
  return targetOf('group', { id, domain_id: (await tx.get(tables.groups, id))?.domainId ?? null });
}

function shown(call: Call, row: GroupRow): Answer {
  return { body: { group: showGroup(call, row) } };
}

async function create(identity: Identity, call: Call<unknown, Readonly<Record<string, Body>>>): Promise<Answer> {
  const body = call.body['group'] as Body;
  const domainId = given<string>(body, 'domain_id') ?? domainOfCaller(call);
  call.enforce('identity:create_group', targetOf('group', { domain_id: domainId }));
  const input = {
    name: nameOf(body),
    domainId,
    description: described(body),
    extra: extraOf(body, KNOWN),
  };
  const row = await identity.store.write(async (tx) => {
    await getDomain(tx, domainId);
    return await createGroup(tx, input, moment(identity));
  });
  return shown(call, row);
}

async function list(identity: Identity, call: Call): Promise<Answer> {
  const domainId = call.query.get('domain_id') ?? call.credentials.domainId ?? null;
  call.enforce('identity:list_groups', { target: { domain_id: domainId } });
  const everywhere = call.allows('identity:list_groups', { target: { domain_id: null } });
  const rows = (await identity.store.read((tx) => tx.scan(tables.groups))).map(({ value }) => value);
  const kept = withinScope(call, rows).filter((row) => everywhere || row.domainId === domainId);
  const items = kept.map((row) => showGroup(call, row));
  return listed(call, 'groups', items, { filters: ['name', 'domain_id'], listMax: identity.settings.listMax });
}
