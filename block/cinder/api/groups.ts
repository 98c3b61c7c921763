/** /groups: volumes that are created, snapshotted and deleted together. What an action checks and changes is in model/groups.ts. */
import { schema } from '../../../control/service/schema.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import type { Cinder } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import { beginDeleteGroup, changeGroup, putGroup, putGroupFrom, refuseReplication } from '../model/groups.ts';
import { invalidInput } from '../refusals.ts';
import { type GroupRow, groups, volumes } from '../tables.ts';
import { change } from '../tasks/kind.ts';
import { listed, rowsFor } from './listing.ts';
import { action, BOOLEAN, type Body, bool, flag, NAME, named, owned, TEXT, targetIn, UUID, wrapped } from './shared.ts';

const CREATE = wrapped(
  'group',
  {
    ...{ name: TEXT, description: TEXT, group_type: NAME },
    volume_types: { type: 'array', minItems: 1, items: { type: 'string', maxLength: 255 }, uniqueItems: true },
    availability_zone: { type: ['string', 'null'], minLength: 1, maxLength: 255 },
  },
  { required: ['group_type', 'volume_types'] },
);
const FROM = schema<Readonly<Record<'create-from-src', Body>>>({
  type: 'object',
  properties: {
    'create-from-src': {
      type: 'object',
      properties: { name: TEXT, description: TEXT, group_snapshot_id: UUID, source_group_id: UUID },
      oneOf: [{ required: ['group_snapshot_id'] }, { required: ['source_group_id'] }],
      additionalProperties: false,
    },
  },
  required: ['create-from-src'],
  additionalProperties: false,
});
const UPDATE = schema<Readonly<Record<'group', Body>>>({
  type: 'object',
  properties: {
    group: {
      type: 'object',
      properties: { name: TEXT, description: TEXT, add_volumes: TEXT, remove_volumes: TEXT },
      minProperties: 1,
      additionalProperties: false,
    },
  },
  required: ['group'],
  additionalProperties: false,
});
/** Statuses that an admin may set. */
export const GROUP_STATUSES = ['error', 'available', 'creating', 'deleting', 'deleted', 'updating', 'error_deleting'];
export const RESET = action(
  'reset_status',
  { status: { enum: [...GROUP_STATUSES, ...GROUP_STATUSES.map((one) => one.toUpperCase())] } },
  ['status'],
);
const DELETE = wrapped('delete', { 'delete-volumes': BOOLEAN });
const FAILOVER = { allow_attached_volume: BOOLEAN, secondary_backend_id: TEXT };
const FILTERS = [
  ...['id', 'name', 'status', 'availability_zone', 'group_type_id', 'user_id', 'host'],
  ...['group_snapshot_id', 'source_group_id'],
];
const SORT = ['id', 'name', 'status', 'group_type', 'created_at', 'updated_at', 'availability_zone'];
const MIN = '3.13';

export function groupRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const target = targetIn(cinder, { rows: groups, what: 'Group', param: 'group_id' });
  const about = { path: '/groups/{group_id}', min: MIN, target } as const;
  return [
    route({
      ...{ name: 'groups:list', method: 'GET', path: '/groups', min: MIN, policy: 'group:get_all' },
      run: (call) => list(cinder, call, brief),
    }),
    route({
      ...{ name: 'groups:detail', method: 'GET', path: '/groups/detail', min: MIN, policy: 'group:get_all' },
      run: (call) => list(cinder, call, (parts) => detail(call, parts)),
    }),
    route({
      ...{ name: 'groups:create', method: 'POST', path: '/groups', min: MIN, status: 202, policy: 'group:create' },
      ...{ body: CREATE, note: 'the host of all its volumes is bound here; in error where none fits the types' },
      async run(call) {
        const row = await create(cinder, call, call.body['group'] as Body);
        call.note({ group_id: row.id });
        return { body: { group: { id: row.id, name: row.name } } };
      },
    }),
    route({
      ...{ name: 'groups:create-from-source', method: 'POST', path: '/groups/action', action: 'create-from-src' },
      ...{ min: '3.14', status: 202, policy: 'group:create', body: FROM },
      async run(call) {
        const row = await createFrom(cinder, call, call.body['create-from-src']);
        call.note({ group_id: row.id });
        return { body: { group: { id: row.id, name: row.name } } };
      },
    }),
    route({
      ...{ name: 'groups:show', method: 'GET', ...about, policy: 'group:get' },
      async run(call) {
        const id = call.params.group_id;
        const parts = await store.read(async (tx) => ({
          group: await owned(tx, call, { rows: groups, what: 'Group', id }),
          volumes: await volumes.by(tx, 'group', id),
        }));
        return { body: { group: detail(call, { ...parts, volumes: parts.volumes.map((one) => one.id) }) } };
      },
    }),
    route({
      ...{ name: 'groups:update', method: 'PUT', ...about, status: 202, policy: 'group:update', body: UPDATE },
      async run(call) {
        const { group } = call.body;
        const asked = { ...named(group), add: ids(group['add_volumes']), remove: ids(group['remove_volumes']) };
        await store.write((tx) => changeGroup(cinder, tx, { call, id: call.params.group_id, asked }));
        return {};
      },
    }),
    ...actions(cinder, target),
  ];
}

function actions(cinder: Cinder, target: ReturnType<typeof targetIn>): Route[] {
  const { store } = cinder;
  const act = { method: 'POST', path: '/groups/{group_id}/action', status: 202, target } as const;
  const replication = (name: string, properties = {}, open = true): Route =>
    route({
      ...{ name: `groups:${name.replaceAll('_', '-')}`, ...act, action: name, min: '3.38', policy: `group:${name}` },
      ...{ body: wrapped(name, properties, { open }), note: 'refused, 400: volumes are not replicated between hosts' },
      async run(call) {
        const id = call.params.group_id;
        return store.read(async (tx) =>
          refuseReplication(tx, await owned(tx, call, { rows: groups, what: 'Group', id })),
        );
      },
    });
  return [
    route({
      ...{ name: 'groups:delete', ...act, action: 'delete', min: MIN, policy: 'group:delete' },
      body: DELETE,
      note: 'each volume by a task of its own; what could not be deleted stays, in error_deleting, with the group',
      async run(call) {
        const withVolumes = bool((call.body['delete'] as Body)['delete-volumes']);
        await store.write((tx) => beginDeleteGroup(cinder, tx, { call, id: call.params.group_id, withVolumes }));
        return {};
      },
    }),
    route({
      ...{ name: 'groups:reset-status', ...act, action: 'reset_status', min: '3.20', policy: 'group:reset_status' },
      body: RESET,
      async run(call) {
        const status = ((call.body['reset_status'] as Body)['status'] as string).toLowerCase();
        await store.write((tx) => change(cinder, tx, groups, { id: call.params.group_id, status }));
        return {};
      },
    }),
    replication('enable_replication'),
    replication('disable_replication'),
    replication('failover_replication', FAILOVER, false),
    replication('list_replication_targets'),
  ];
}

interface GroupParts {
  readonly group: GroupRow;
  readonly volumes: readonly string[];
}

const ids = (value: unknown): string[] =>
  typeof value === 'string' ? value.split(',').filter((one) => one !== '') : [];

async function list(cinder: Cinder, call: Call, show: (parts: GroupParts) => Body) {
  const rows = await cinder.store.read(async (tx) =>
    Promise.all(
      (await rowsFor(tx, call, groups)).map(async (group) => ({
        group,
        volumes: (await volumes.by(tx, 'group', group.id)).map(({ id }) => id),
      })),
    ),
  );
  return listed<GroupParts>(call, {
    ...{ collection: 'groups', linked: 'group', what: 'Group', resource: 'group', rows, filters: FILTERS },
    ...{ like: ['name'], sortKeys: SORT, also: ['list_volume'], fields: ({ group }) => fieldsOf(group), show },
  });
}

const fieldsOf = (one: GroupRow): Body => ({
  ...{ id: one.id, name: one.name, status: one.status, availability_zone: one.zone, host: one.host },
  ...{ group_type: one.groupTypeId, group_type_id: one.groupTypeId, user_id: one.userId },
  ...{ group_snapshot_id: one.groupSnapshotId, source_group_id: one.sourceGroupId },
  ...{ created_at: isoTime(one.createdAtMs), updated_at: isoTime(one.updatedAtMs) },
});

const brief = ({ group: { id, name } }: GroupParts): Body => ({ id, name });

function detail(call: Call, { group, volumes: members }: GroupParts): Body {
  const since = (version: string): boolean => call.version.atLeast(version);
  return {
    ...{ id: group.id, status: group.status, availability_zone: group.zone, created_at: isoTime(group.createdAtMs) },
    ...{ name: group.name, description: group.description, group_type: group.groupTypeId },
    volume_types: group.typeIds,
    ...(since('3.14') && {
      group_snapshot_id: group.groupSnapshotId ?? null,
      source_group_id: group.sourceGroupId ?? null,
    }),
    ...(since('3.25') && flag(call, 'list_volume') && { volumes: members }),
    ...(since('3.38') && { replication_status: 'disabled' }),
    ...(since('3.58') && call.allows('group:group_project_attribute') && { project_id: group.projectId }),
  };
}

async function create(cinder: Cinder, call: Call, body: Body): Promise<GroupRow> {
  const { hosts, settings, store } = cinder;
  const { name = null, description = null } = named(body);
  const zone = (body['availability_zone'] as string | null | undefined) ?? settings.zone;
  if (!hosts.zones.includes(zone)) throw invalidInput(`Availability zone '${zone}' is invalid.`);
  const volumeTypes = body['volume_types'] as string[];
  const asked = { name, description, groupType: body['group_type'] as string, volumeTypes, zone };
  const pools = await hosts.pools();
  return store.write((tx) => putGroup(cinder, tx, { call, asked, pools }));
}

async function createFrom(cinder: Cinder, call: Call, body: Body): Promise<GroupRow> {
  const { name = null, description = null } = named(body);
  const groupSnapshotId = body['group_snapshot_id'] as string | undefined;
  const sourceGroupId = body['source_group_id'] as string | undefined;
  const asked = { name, description, groupSnapshotId, sourceGroupId };
  const pools = await cinder.hosts.pools();
  return cinder.store.write((tx) => putGroupFrom(cinder, tx, { call, asked, pools }));
}
