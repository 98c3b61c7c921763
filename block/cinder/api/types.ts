/** /types: volume types with their extra specs, access and defaults of projects. */
import { schema } from '../../../control/service/schema.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import { type Cinder, newId } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import { DEFAULT_TYPE, defaultType, findType, getType, mayUse } from '../model/types.ts';
import { badRequest, conflict, notFound } from '../refusals.ts';
import { DEFAULT_TYPES, groups, type TypeRow, types, volumes, type Words } from '../tables.ts';
import { change } from '../tasks/kind.ts';
import { listed, readWords } from './listing.ts';
import { BOOLEAN, type Body, bool, isAdmin, NAME, TEXT, WORDS, WORDS_OR_NULL, wrapped } from './shared.ts';
import { typeEncryptionRoutes } from './type-encryption.ts';

const CREATE = wrapped(
  'volume_type',
  {
    ...{ name: NAME, description: TEXT, extra_specs: WORDS_OR_NULL },
    'os-volume-type-access:is_public': BOOLEAN,
  },
  { required: ['name'] },
);
const UPDATE = wrapped('volume_type', { name: TEXT, description: TEXT, is_public: BOOLEAN });
/** Specs that everybody may see. */
const VISIBLE = ['multiattach', 'RESKEY:availability_zones', 'replication_enabled'];
const SORT = ['id', 'name', 'is_public', 'created_at'];

export function typeRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const about = { path: '/types/{type_id}' } as const;
  const visible = async (call: Call, id: string): Promise<TypeRow> => {
    const type = await store.read((tx) => findType(tx, id));
    if (type && (isAdmin(call) || mayUse(type, call.credentials.projectId))) return type;
    throw notFound('Volume type', id);
  };
  return [
    route({
      ...{ name: 'types:list', method: 'GET', path: '/types', policy: 'volume_extension:type_get_all' },
      run: async (call) => list(cinder, call),
    }),
    route({
      ...{ name: 'types:create', method: 'POST', path: '/types', policy: 'volume_extension:type_create', body: CREATE },
      run: async (call) => ({
        body: { volume_type: brief(call, await create(cinder, call.body['volume_type'] as Body)) },
      }),
    }),
    route({
      ...{ name: 'types:default', method: 'GET', path: '/types/default', policy: 'volume_extension:type_get' },
      run: async (call) => ({
        body: { volume_type: show(call, await store.read((tx) => defaultType(tx, call.credentials.projectId))) },
      }),
    }),
    route({
      ...{ name: 'types:show', method: 'GET', ...about, policy: 'volume_extension:type_get' },
      run: async (call) => ({ body: { volume_type: show(call, await visible(call, call.params.type_id)) } }),
    }),
    route({
      ...{ name: 'types:update', method: 'PUT', ...about, policy: 'volume_extension:type_update', body: UPDATE },
      run: async (call) => ({
        body: { volume_type: show(call, await update(cinder, call.params.type_id, call.body['volume_type'] as Body)) },
      }),
    }),
    route({
      ...{ name: 'types:delete', method: 'DELETE', ...about, status: 202, policy: 'volume_extension:type_delete' },
      async run(call) {
        await store.write(async (tx) => {
          const { id, name } = await getType(tx, call.params.type_id);
          if (name === DEFAULT_TYPE) throw badRequest('The default volume type cannot be deleted.');
          const isOfGroup = (await groups.all(tx)).some(({ typeIds }) => typeIds.includes(id));
          if (isOfGroup || (await volumes.by(tx, 'type', id)).length > 0)
            throw badRequest('Target volume type is still in use.');
          for (const one of await tx.scan(DEFAULT_TYPES))
            if (one.value.typeId === id) tx.delete(DEFAULT_TYPES, one.key);
          await types.remove(tx, id);
        });
        return {};
      },
    }),
    ...specRoutes(cinder, visible),
    ...accessRoutes(cinder),
    ...typeEncryptionRoutes(cinder),
    ...defaultRoutes(cinder),
  ];
}

type Visible = (call: Call, id: string) => Promise<TypeRow>;

function show(call: Call, type: TypeRow): Body {
  const { 'os-volume-type-access:is_public': access, ...rest } = brief(call, type);
  return {
    ...rest,
    ...(call.allows('volume_extension:volume_type_access') && { 'os-volume-type-access:is_public': access }),
    ...(call.allows('volume_extension:access_types_qos_specs_id') && { qos_specs_id: type.qosId ?? null }),
  };
}

function brief(call: Call, { id, name, isPublic, description, extraSpecs }: TypeRow): Body {
  const all = call.allows('volume_extension:types_extra_specs:read_sensitive');
  const extra_specs = all
    ? extraSpecs
    : Object.fromEntries(Object.entries(extraSpecs).filter(([key]) => VISIBLE.includes(key)));
  return {
    ...{ id, name, is_public: isPublic, 'os-volume-type-access:is_public': isPublic, description, extra_specs },
  };
}

async function list(cinder: Cinder, call: Call) {
  const admin = isAdmin(call);
  const asked = admin ? checkPublic(call) : undefined;
  const every = await cinder.store.read((tx) => types.all(tx));
  const wanted = (type: TypeRow): boolean =>
    admin ? asked === undefined || type.isPublic === asked : mayUse(type, call.credentials.projectId);
  const specs = call.version.atLeast('3.52') ? readWords(call.query.get('extra_specs')) : undefined;
  const has = ({ extraSpecs }: TypeRow): boolean =>
    Object.entries(specs ?? {}).every(([key, value]) => extraSpecs[key] === String(value));
  return listed(call, {
    ...{ collection: 'volume_types', linked: 'volume_type', what: 'Volume type' },
    ...(call.version.atLeast('3.52') && { resource: 'volume_type' }),
    ...{ rows: every.filter((type) => wanted(type) && has(type)), sortKeys: SORT },
    ...{ filters: ['name', 'description'], show: (type: TypeRow) => show(call, type) },
    fields: ({ id, name, description, isPublic, createdAtMs }) => ({
      id,
      name,
      description,
      is_public: isPublic,
      created_at: isoTime(createdAtMs),
    }),
  });
}

/** Which an admin wants to see; undefined: all. */
export function checkPublic({ query }: Call): boolean | undefined {
  const asked = query.get('is_public');
  if (asked === undefined) return true;
  if (!/^(?:none|true|false|t|f|yes|no|y|n|on|off|1|0)$/i.test(asked))
    throw badRequest(`Invalid is_public filter [${asked.slice(0, 32)}]`);
  return asked.toLowerCase() === 'none' ? undefined : bool(asked);
}

async function create(cinder: Cinder, body: Body): Promise<TypeRow> {
  const name = body['name'] as string;
  const asked = body['os-volume-type-access:is_public'];
  return cinder.store.write(async (tx) => {
    if ((await types.by(tx, 'name', name)).length > 0) throw conflict(`Volume Type ${name} already exists.`);
    const isPublic = asked === undefined || bool(asked);
    return types.put(tx, {
      ...{ id: newId(cinder), name, description: (body['description'] ?? null) as string | null, isPublic },
      ...{ extraSpecs: { ...(body['extra_specs'] as Words | null | undefined) }, createdAtMs: cinder.clock.nowMs() },
      projects: [],
    });
  });
}

async function update(cinder: Cinder, id: string, body: Body): Promise<TypeRow> {
  const name = typeof body['name'] === 'string' ? body['name'].trim() : undefined;
  const isPublic = body['is_public'] === undefined ? undefined : bool(body['is_public']);
  if (name === '') throw badRequest('Volume type name can not be empty.');
  if (name === undefined && typeof body['description'] !== 'string' && isPublic === undefined)
    throw badRequest('Specify volume type name, description, is_public or a combination thereof.');
  return cinder.store.write(async (tx) => {
    const type = await getType(tx, id);
    const others = name === undefined ? [] : await types.by(tx, 'name', name);
    if (others.some((one) => one.id !== type.id)) throw conflict(`Volume Type ${name} already exists.`);
    const described = body['description'] === undefined ? {} : { description: body['description'] as string | null };
    const changes = {
      ...(name === undefined ? {} : { name }),
      ...described,
      ...(isPublic === undefined ? {} : { isPublic }),
    };
    return (await change(cinder, tx, types, { id: type.id, ...changes })) as TypeRow;
  });
}

const SPEC_WORDS = { ...WORDS, propertyNames: { pattern: '^[a-zA-Z0-9_:.-]{1,255}$' } };
const SPEC_BODY = schema<{ readonly extra_specs: Words }>({
  type: 'object',
  properties: { extra_specs: SPEC_WORDS },
  required: ['extra_specs'],
  additionalProperties: false,
});
const ONE_SPEC = schema<Words>({ ...SPEC_WORDS, minProperties: 1, maxProperties: 1 });

function specRoutes(cinder: Cinder, visible: Visible): Route[] {
  const { store } = cinder;
  const rule = 'volume_extension:types_extra_specs';
  const path = '/types/{type_id}/extra_specs';
  const set = (id: string, make: (before: Words) => Words) =>
    store.write(async (tx) => {
      const type = await getType(tx, id);
      await change(cinder, tx, types, { id: type.id, extraSpecs: make(type.extraSpecs) });
    });
  const shown = async (call: Call, id: string): Promise<Words> =>
    show(call, await visible(call, id))['extra_specs'] as Words;
  return [
    route({
      ...{ name: 'types:list-specs', method: 'GET', path, policy: `${rule}:index` },
      run: async (call) => ({ body: { extra_specs: await shown(call, call.params.type_id) } }),
    }),
    route({
      ...{ name: 'types:add-specs', method: 'POST', path, policy: `${rule}:create`, body: SPEC_BODY },
      async run(call) {
        await set(call.params.type_id, (before) => ({ ...before, ...call.body.extra_specs }));
        return { body: { extra_specs: call.body.extra_specs } };
      },
    }),
    route({
      ...{ name: 'types:show-spec', method: 'GET', path: `${path}/{key}`, policy: `${rule}:show` },
      async run(call) {
        const { type_id, key } = call.params;
        const value = (await shown(call, type_id))[key];
        if (value === undefined) throw notFound('Volume type extra spec', key);
        return { body: { [key]: value } };
      },
    }),
    route({
      ...{ name: 'types:set-spec', method: 'PUT', path: `${path}/{key}`, policy: `${rule}:update`, body: ONE_SPEC },
      async run(call) {
        const { type_id, key } = call.params;
        const value = call.body[key];
        if (value === undefined) throw badRequest('Request body and URI mismatch');
        await set(type_id, (before) => ({ ...before, [key]: value }));
        return { body: { [key]: value } };
      },
    }),
    route({
      ...{ name: 'types:delete-spec', method: 'DELETE', path: `${path}/{key}`, status: 202, policy: `${rule}:delete` },
      async run(call) {
        const { type_id, key } = call.params;
        await set(type_id, ({ [key]: gone, ...rest }) => {
          if (gone === undefined) throw notFound('Volume type extra spec', key);
          return rest;
        });
        return {};
      },
    }),
  ];
}

function accessRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const change1 = (name: 'addProjectAccess' | 'removeProjectAccess') =>
    route({
      ...{
        name: `types:${name === 'addProjectAccess' ? 'add' : 'remove'}-access`,
        method: 'POST',
        path: '/types/{type_id}/action',
      },
      ...{ action: name, status: 202, policy: `volume_extension:volume_type_access:${name}` },
      body: schema<Readonly<Record<string, Body>>>({
        type: 'object',
        properties: {
          [name]: {
            type: 'object',
            properties: { project: { type: 'string', minLength: 1, maxLength: 64 } },
            required: ['project'],
            additionalProperties: false,
          },
        },
        required: [name],
      }),
      async run(call) {
        const project = (call.body[name] as Body)['project'] as string;
        await store.write(async (tx) => {
          const type = await getType(tx, call.params.type_id);
          if (type.isPublic)
            throw badRequest('Invalid volume type: Type access modification is not applicable to public volume type.');
          const has = type.projects.includes(project);
          if (name === 'addProjectAccess' && has)
            throw conflict(`Volume type access for ${type.id} / ${project} combination already exists.`);
          if (name === 'removeProjectAccess' && !has) throw notFound('Volume type access', `${type.id} / ${project}`);
          const projects =
            name === 'addProjectAccess' ? [...type.projects, project] : type.projects.filter((one) => one !== project);
          await change(cinder, tx, types, { id: type.id, projects });
        });
        return {};
      },
    });
  return [
    change1('addProjectAccess'),
    change1('removeProjectAccess'),
    route({
      ...{ name: 'types:list-access', method: 'GET', path: '/types/{type_id}/os-volume-type-access' },
      policy: 'volume_extension:volume_type_access:get_all_for_type',
      async run(call) {
        const type = await store.read((tx) => getType(tx, call.params.type_id));
        if (type.isPublic) throw notFound('Access list not available for public volume types:', type.id);
        return {
          body: { volume_type_access: type.projects.map((one) => ({ volume_type_id: type.id, project_id: one })) },
        };
      },
    }),
  ];
}

function defaultRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const about = { path: '/default-types/{target_project_id}', min: '3.62' } as const;
  const one = (project_id: string, volume_type_id: string): Body => ({ project_id, volume_type_id });
  return [
    route({
      ...{ name: 'default-types:list', method: 'GET', path: '/default-types', min: '3.62' },
      policy: 'volume_extension:default_get_all',
      async run() {
        const rows = await store.read((tx) => tx.scan(DEFAULT_TYPES));
        return { body: { default_types: rows.map(({ key, value }) => one(key, value.typeId)) } };
      },
    }),
    route({
      ...{ name: 'default-types:show', method: 'GET', ...about, policy: 'volume_extension:default_get' },
      async run(call) {
        const project = call.params.target_project_id;
        const row = await store.read((tx) => tx.get(DEFAULT_TYPES, project));
        if (row === undefined) throw notFound('Default type for project', project);
        return { body: { default_type: one(project, row.typeId) } };
      },
    }),
    route({
      ...{ name: 'default-types:set', method: 'PUT', ...about, policy: 'volume_extension:default_set_or_update' },
      body: wrapped('default_type', { volume_type: NAME }, { required: ['volume_type'] }),
      async run(call) {
        const project = call.params.target_project_id;
        const typeId = await store.write(async (tx) => {
          const type = await getType(tx, (call.body['default_type'] as Body)['volume_type'] as string);
          tx.put(DEFAULT_TYPES, project, { typeId: type.id });
          return type.id;
        });
        return { body: { default_type: one(project, typeId) } };
      },
    }),
    route({
      ...{
        name: 'default-types:unset',
        method: 'DELETE',
        ...about,
        status: 204,
        policy: 'volume_extension:default_unset',
      },
      async run(call) {
        await store.write(async (tx) => tx.delete(DEFAULT_TYPES, call.params.target_project_id));
        return {};
      },
    }),
  ];
}
