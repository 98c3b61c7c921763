/** /group_types: what groups may be made as, and what their hosts have to be able to do. */
import { schema } from '../../../control/service/schema.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import { type Cinder, newId } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import { getGroupType } from '../model/group-types.ts';
import { badRequest, conflict, notFound } from '../refusals.ts';
import { type GroupTypeRow, groups, groupTypes } from '../tables.ts';
import { change } from '../tasks/kind.ts';
import { listed } from './listing.ts';
import { BOOLEAN, type Body, bool, isAdmin, NAME, TEXT, WORDS, wrapped } from './shared.ts';
import { checkPublic } from './types.ts';

type Specs = GroupTypeRow['specs'];

const SPECS = {
  type: 'object',
  propertyNames: { pattern: '^[a-zA-Z0-9_:.-]{1,255}$' },
  additionalProperties: { type: ['string', 'null'], maxLength: 255 },
} as const;
/** Made with a type, they may have blanks in their names. */
const NEW_SPECS = { ...SPECS, type: ['object', 'null'], propertyNames: WORDS.propertyNames };
const CREATE = wrapped(
  'group_type',
  { name: NAME, description: TEXT, is_public: BOOLEAN, group_specs: NEW_SPECS },
  { required: ['name'] },
);
const UPDATE = wrapped('group_type', { name: TEXT, description: TEXT, is_public: BOOLEAN });
const SPEC_BODY = schema<{ readonly group_specs: Specs }>({
  type: 'object',
  properties: { group_specs: SPECS },
  required: ['group_specs'],
  additionalProperties: false,
});
const ONE_SPEC = schema<Specs>({ ...SPECS, minProperties: 1, maxProperties: 1 });
const MIN = '3.11';
const RULE = 'group:group_types';

export function groupTypeRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const about = { path: '/group_types/{group_type_id}', min: MIN } as const;
  return [
    route({
      ...{ name: 'group-types:list', method: 'GET', path: '/group_types', min: MIN },
      note: 'those that are not public: for admins',
      run: (call) => list(cinder, call),
    }),
    route({
      ...{ name: 'group-types:create', method: 'POST', path: '/group_types', min: MIN, status: 202, body: CREATE },
      ...{
        policy: `${RULE}:create`,
        note: 'no host can promise consistent_group_snapshot_enabled or replication: groups of such types are in error',
      },
      run: async (call) => ({
        body: { group_type: show(call, await create(cinder, call.body['group_type'] as Body)) },
      }),
    }),
    route({
      ...{ name: 'group-types:default', method: 'GET', path: '/group_types/default', min: MIN },
      note: 'as the setting names it',
      async run(call) {
        const name = cinder.settings.defaultGroupType;
        const [type] = name === null ? [] : await store.read((tx) => groupTypes.by(tx, 'name', name));
        if (type === undefined) throw notFound('Default group type', name ?? '(none is set)');
        return { body: { group_type: show(call, type) } };
      },
    }),
    route({
      ...{ name: 'group-types:show', method: 'GET', ...about },
      async run(call) {
        const type = await store.read((tx) => getGroupType(tx, call, call.params.group_type_id));
        return { body: { group_type: show(call, type) } };
      },
    }),
    route({
      ...{ name: 'group-types:update', method: 'PUT', ...about, policy: `${RULE}:update`, body: UPDATE },
      run: async (call) => ({
        body: { group_type: show(call, await update(cinder, call, call.params.group_type_id)) },
      }),
    }),
    route({
      ...{ name: 'group-types:delete', method: 'DELETE', ...about, status: 202, policy: `${RULE}:delete` },
      async run(call) {
        await store.write(async (tx) => {
          const { id } = await getGroupType(tx, call, call.params.group_type_id);
          if ((await groups.by(tx, 'type', id)).length > 0) throw badRequest('Target group type is still in use.');
          await groupTypes.remove(tx, id);
        });
        return {};
      },
    }),
    ...specRoutes(cinder),
  ];
}

function specRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const path = '/group_types/{group_type_id}/group_specs';
  const one = { path: `${path}/{key}`, min: MIN } as const;
  const rule = `${RULE}_specs`;
  const shown = (call: Call & { readonly params: { readonly group_type_id: string } }): Promise<Specs> =>
    store.read(async (tx) => (await getGroupType(tx, call, call.params.group_type_id)).specs);
  const set = (call: Call, id: string, make: (before: Specs, type: string) => Specs) =>
    store.write(async (tx) => {
      const type = await getGroupType(tx, call, id);
      await change(cinder, tx, groupTypes, { id: type.id, specs: make(type.specs, type.id) });
    });
  const missing = (id: string, key: string) => notFound(`Spec of group type ${id.slice(0, 64)} with key`, key);
  return [
    route({
      ...{ name: 'group-types:list-specs', method: 'GET', path, min: MIN, policy: `${rule}:get_all` },
      run: async (call) => ({ body: { group_specs: await shown(call) } }),
    }),
    route({
      ...{ name: 'group-types:add-specs', method: 'POST', path, min: MIN, status: 202, policy: `${rule}:create` },
      body: SPEC_BODY,
      async run(call) {
        const { group_specs } = call.body;
        await set(call, call.params.group_type_id, (before) => ({ ...before, ...group_specs }));
        return { body: { group_specs } };
      },
    }),
    route({
      ...{ name: 'group-types:show-spec', method: 'GET', ...one, policy: `${rule}:get` },
      async run(call) {
        const { group_type_id, key } = call.params;
        const value = (await shown(call))[key];
        if (value === undefined) throw missing(group_type_id, key);
        return { body: { [key]: value } };
      },
    }),
    route({
      ...{ name: 'group-types:set-spec', method: 'PUT', ...one, policy: `${rule}:update`, body: ONE_SPEC },
      async run(call) {
        const { group_type_id, key } = call.params;
        const value = call.body[key];
        if (value === undefined) throw badRequest('Request body and URI mismatch');
        await set(call, group_type_id, (before) => ({ ...before, [key]: value }));
        return { body: { [key]: value } };
      },
    }),
    route({
      ...{ name: 'group-types:delete-spec', method: 'DELETE', ...one, status: 202, policy: `${rule}:delete` },
      async run(call) {
        const { group_type_id, key } = call.params;
        await set(call, group_type_id, ({ [key]: gone, ...rest }, id) => {
          if (gone === undefined) throw missing(id, key);
          return rest;
        });
        return {};
      },
    }),
  ];
}

function show(call: Call, { id, name, description, isPublic, specs }: GroupTypeRow): Body {
  const isTold = call.allows('group:access_group_types_specs');
  return { id, name, description, is_public: isPublic, ...(isTold && { group_specs: specs }) };
}

async function list(cinder: Cinder, call: Call) {
  const asked = isAdmin(call) ? checkPublic(call) : true;
  const every = await cinder.store.read((tx) => groupTypes.all(tx));
  return listed(call, {
    ...{ collection: 'group_types', linked: 'group_type', what: 'Group type', filters: [] },
    rows: every.filter(({ isPublic }) => asked === undefined || isPublic === asked),
    ...{ sortKeys: ['id', 'name', 'is_public', 'created_at'], show: (type: GroupTypeRow) => show(call, type) },
    fields: ({ id, name, isPublic, createdAtMs }) => ({
      ...{ id, name, is_public: isPublic, created_at: isoTime(createdAtMs) },
    }),
  });
}

async function create(cinder: Cinder, body: Body): Promise<GroupTypeRow> {
  const name = body['name'] as string;
  return cinder.store.write(async (tx) => {
    if ((await groupTypes.by(tx, 'name', name)).length > 0) throw conflict(`Group Type ${name} already exists.`);
    const isPublic = body['is_public'] === undefined || bool(body['is_public']);
    const specs = { ...(body['group_specs'] as Specs | null | undefined) };
    return groupTypes.put(tx, {
      ...{ id: newId(cinder), name, description: (body['description'] ?? null) as string | null, isPublic, specs },
      createdAtMs: cinder.clock.nowMs(),
    });
  });
}

async function update(cinder: Cinder, call: Call<unknown, Readonly<Record<string, Body>>>, id: string) {
  const body = call.body['group_type'] as Body;
  const { name, description } = body as { name?: string | null; description?: string | null };
  const isPublic = body['is_public'] === undefined ? undefined : bool(body['is_public']);
  if (typeof name === 'string' && name.trim() === '') throw badRequest('Group type name can not be empty.');
  if ((name ?? undefined) === undefined && (description ?? undefined) === undefined && isPublic === undefined)
    throw badRequest('Specify group type name, description or a combination thereof.');
  return cinder.store.write(async (tx) => {
    const type = await getGroupType(tx, call, id);
    const others = name ? await groupTypes.by(tx, 'name', name) : [];
    if (others.some((one) => one.id !== type.id)) throw conflict(`Group Type ${name} already exists.`);
    const changes = {
      ...(name ? { name } : {}),
      ...(typeof description === 'string' ? { description } : {}),
      ...(isPublic === undefined ? {} : { isPublic }),
    };
    return (await change(cinder, tx, groupTypes, { id: type.id, ...changes })) as GroupTypeRow;
  });
}
