/** /v3/roles and what roles imply. A role of a domain has rules of its own (`domain_role`). */
import type { ReadTx } from '../../../control/contract.ts';
import { joinKey } from '../../../control/contract.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import { deleteRole } from '../model/cascade.ts';
import { getDomain } from '../model/projects.ts';
import { addImplication, createRole, getRole, implications, impliedBy, updateRole } from '../model/roles.ts';
import { badRequest, notFoundAs, refuseImmutable } from '../refusals.ts';
import { type Identity, moment } from '../service-state.ts';
import { type RoleRow, tables } from '../tables.ts';
import { listed } from './listing.ts';
import {
  type Body,
  extraOf,
  given,
  mergeOptions,
  NAME,
  NULLABLE_ID,
  OPTIONS,
  refuseOtherId,
  STRING,
  wrapped,
} from './shared.ts';
import { showRole } from './show.ts';

const PROPERTIES = { name: NAME, description: STRING, domain_id: NULLABLE_ID, options: OPTIONS };
const KNOWN = Object.keys(PROPERTIES);

export function roleRoutes(identity: Identity): Route[] {
  const { store } = identity;
  /** The role, once the caller may do this to it. */
  const permitted = async (tx: ReadTx, call: Call, { id, verb }: { id: string; verb: string }): Promise<RoleRow> => {
    const row = await tx.get(tables.roles, id);
    call.enforce(
      row === undefined || row.domainId === '' ? `identity:${verb}_role` : `identity:${verb}_domain_role`,
      {},
    );
    return await getRole(tx, id);
  };
  return [
    route({
      name: 'roles:create',
      method: 'POST',
      path: '/v3/roles',
      body: wrapped('role', PROPERTIES, ['name']),
      status: 201,
      run: (call) => create(identity, call),
    }),
    route({
      name: 'roles:list',
      method: 'GET',
      path: '/v3/roles',
      head: true,
      note: 'filters name, domain_id; without domain_id global roles',
      run: async (call) => {
        const domainId = call.query.get('domain_id') ?? '';
        call.enforce(domainId === '' ? 'identity:list_roles' : 'identity:list_domain_roles', {});
        const rows = (await store.read((tx) => tx.scan(tables.roles))).map(({ value }) => value);
        const shown = rows.filter((row) => row.domainId === domainId).map((row) => showRole(call, row));
        return listed(call, 'roles', shown, { filters: ['name'], listMax: identity.settings.listMax });
      },
    }),
    route({
      name: 'roles:show',
      method: 'GET',
      path: '/v3/roles/{role_id}',
      head: true,
      run: (call) =>
        store.read(async (tx) => {
          const row = await permitted(tx, call, { id: call.params.role_id, verb: 'get' });
          return { body: { role: showRole(call, row) } };
        }),
    }),
    route({
      name: 'roles:update',
      method: 'PATCH',
      path: '/v3/roles/{role_id}',
      body: wrapped('role', PROPERTIES),
      run: (call) => update(identity, call, (tx) => permitted(tx, call, { id: call.params.role_id, verb: 'update' })),
    }),
    route({
      name: 'roles:delete',
      method: 'DELETE',
      path: '/v3/roles/{role_id}',
      run: async (call) => {
        await store.write(async (tx) => {
          await deleteRole(tx, await permitted(tx, call, { id: call.params.role_id, verb: 'delete' }));
        });
        return {};
      },
    }),
    ...inferenceRoutes(identity),
    ...implicationRoutes(identity),
  ];
}

async function create(identity: Identity, call: Call<unknown, Readonly<Record<string, Body>>>): Promise<Answer> {
  const body = call.body['role'] as Body;
  const domainId = given<string | null>(body, 'domain_id') ?? '';
  call.enforce(domainId === '' ? 'identity:create_role' : 'identity:create_domain_role', {});
  const input = {
    name: String(body['name']),
    domainId,
    description: given<string | null>(body, 'description') ?? null,
    options: mergeOptions({}, body['options']),
    extra: extraOf(body, KNOWN),
  };
  const row = await identity.store.write(async (tx) => {
    if (domainId !== '') await getDomain(tx, domainId);
    return await createRole(tx, input, moment(identity));
  });
  return { body: { role: showRole(call, row) } };
}

async function update(
  identity: Identity,
  call: Call<unknown, Readonly<Record<string, Body>>>,
  find: (tx: ReadTx) => Promise<RoleRow>,
): Promise<Answer> {
  const body = call.body['role'] as Body;
  const row = await identity.store.write(async (tx) => {
    const before = await find(tx);
    refuseOtherId(body, before.id);
    refuseImmutable('role', before, body);
    if (body['domain_id'] !== undefined && body['domain_id'] !== (before.domainId || null))
      throw badRequest('Update of `domain_id` is not allowed.');
    return await updateRole(tx, before, {
      extra: { ...before.extra, ...extraOf(body, KNOWN) },
      ...(body['name'] === undefined ? {} : { name: String(body['name']) }),
      ...(body['description'] === undefined ? {} : { description: body['description'] as string | null }),
      ...(body['options'] === undefined ? {} : { options: mergeOptions(before.options, body['options']) }),
    });
  });
  return { body: { role: showRole(call, row) } };
}

function brief(call: Call, { id, name }: RoleRow): Body {
  return { id, name, links: { self: call.url(`/v3/roles/${id}`) } };
}

async function inference(
  tx: ReadTx,
  call: Call,
  { priorId, impliedIds }: { priorId: string; impliedIds: readonly string[] },
) {
  const implied = await Promise.all(impliedIds.map((id) => getRole(tx, id)));
  return { prior_role: brief(call, await getRole(tx, priorId)), implies: implied.map((row) => brief(call, row)) };
}

function implicationRoutes(identity: Identity): Route[] {
  const { store } = identity;
  const path = '/v3/roles/{prior_role_id}/implies/{implied_role_id}' as const;
  type Pair = { readonly prior_role_id: string; readonly implied_role_id: string };
  const mustImply = async (tx: ReadTx, { prior_role_id, implied_role_id }: Pair) => {
    if ((await tx.get(tables.impliedRoles, joinKey(prior_role_id, implied_role_id))) === undefined)
      throw notFoundAs(`${prior_role_id} does not imply ${implied_role_id}.`);
  };
  const single = async (tx: ReadTx, call: Call<Pair, unknown>) => {
    const prior = await getRole(tx, call.params.prior_role_id);
    const implied = await getRole(tx, call.params.implied_role_id);
    const links = { self: call.url(call.path) };
    return { body: { role_inference: { prior_role: brief(call, prior), implies: brief(call, implied) }, links } };
  };
  return [
    route({
      name: 'roles:imply',
      method: 'PUT',
      path,
      status: 201,
      policy: 'identity:create_implied_role',
      run: (call) =>
        store.write(async (tx) => {
          const prior = await getRole(tx, call.params.prior_role_id);
          await addImplication(tx, prior, await getRole(tx, call.params.implied_role_id));
          return await single(tx, call);
        }),
    }),
    route({
      name: 'roles:show-implied',
      method: 'GET',
      path,
      policy: 'identity:get_implied_role',
      run: (call) =>
        store.read(async (tx) => {
          await mustImply(tx, call.params);
          return await single(tx, call);
        }),
    }),
    route({
      name: 'roles:check-implied',
      method: 'HEAD',
      path,
      status: 204,
      policy: 'identity:check_implied_role',
      run: (call) =>
        store.read(async (tx) => {
          await mustImply(tx, call.params);
          return {};
        }),
    }),
    route({
      name: 'roles:stop-implying',
      method: 'DELETE',
      path,
      policy: 'identity:delete_implied_role',
      run: (call) =>
        store.write(async (tx) => {
          await mustImply(tx, call.params);
          tx.delete(tables.impliedRoles, joinKey(call.params.prior_role_id, call.params.implied_role_id));
          return {};
        }),
    }),
  ];
}

function inferenceRoutes({ store }: Identity): Route[] {
  return [
    route({
      name: 'roles:list-implied',
      method: 'GET',
      path: '/v3/roles/{prior_role_id}/implies',
      head: true,
      policy: 'identity:list_implied_roles',
      run: (call) =>
        store.read(async (tx) => {
          const priorId = call.params.prior_role_id;
          const rule = await inference(tx, call, { priorId, impliedIds: await impliedBy(tx, priorId) });
          return { body: { role_inference: rule, links: { self: call.url(call.path) } } };
        }),
    }),
    route({
      name: 'roles:list-inferences',
      method: 'GET',
      path: '/v3/role_inferences',
      head: true,
      policy: 'identity:list_role_inference_rules',
      run: (call) =>
        store.read(async (tx) => {
          const rules = [...(await implications(tx))];
          const shown = await Promise.all(
            rules.map(([priorId, impliedIds]) => inference(tx, call, { priorId, impliedIds })),
          );
          return { body: { role_inferences: shown } };
        }),
    }),
  ];
}
