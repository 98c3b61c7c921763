/** /snapshots and their actions. A snapshot stands alone in the object store: it is deleted in any order, on any host. */
import type { WriteTx } from '../../../control/contract.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import { type Cinder, startTask } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import { putSnapshot } from '../model/new-snapshot.ts';
import { badRequest, invalidSnapshot, notImplemented } from '../refusals.ts';
import { type SnapshotRow, snapshots, volumes } from '../tables.ts';
import { DELETE_SNAPSHOT } from '../tasks/delete-snapshot.ts';
import { change } from '../tasks/kind.ts';
import { hasWords, listed, readWords, rowsFor } from './listing.ts';
import {
  action,
  BOOLEAN,
  type Body,
  bool,
  named,
  oneOf,
  owned,
  STRING,
  TEXT,
  targetIn,
  UUID,
  WORDS_OR_NULL,
  words,
  wrapped,
} from './shared.ts';

const NAMES = { name: TEXT, description: TEXT, display_name: TEXT, display_description: TEXT };
const { display_description: _, ...NEW_NAMES } = NAMES;
const CREATE = wrapped(
  'snapshot',
  { ...NEW_NAMES, volume_id: UUID, force: BOOLEAN, metadata: WORDS_OR_NULL },
  { required: ['volume_id'] },
);
const UPDATE = wrapped('snapshot', NAMES);
const SORT = ['id', 'status', 'volume_id', 'size', 'volume_size', 'display_name', 'name', 'created_at', 'updated_at'];
const FILTERS = [
  'name',
  'display_name',
  'status',
  'volume_id',
  'availability_zone',
  'user_id',
  'consumes_quota',
  'id',
  'group_snapshot_id',
];

/** Statuses that an admin may set. */
const RESETTABLE = [
  ...['available', 'creating', 'deleting', 'deleted', 'error', 'error_deleting'],
  ...['updating', 'restoring', 'unmanaging', 'backing-up'],
];

export function snapshotRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const target = targetIn(cinder, { rows: snapshots, what: 'Snapshot', param: 'snapshot_id' });
  const about = { path: '/snapshots/{snapshot_id}', target } as const;
  const list = (path: string, name: string, show: (call: Call, one: SnapshotRow) => Body): Route =>
    route({
      ...{ name, method: 'GET', path, policy: 'volume:get_all_snapshots' },
      async run(call) {
        const rows = await store.read((tx) => rowsFor(tx, call, snapshots));
        const metadata = call.version.atLeast('3.22') ? readWords(call.query.get('metadata')) : undefined;
        return listed(call, {
          ...{
            collection: 'snapshots',
            what: 'Snapshot',
            resource: 'snapshot',
            rows,
            filters: FILTERS,
            like: ['name', 'status'],
            sortKeys: SORT,
          },
          ...{
            fields: (one: SnapshotRow) => fieldsOf(cinder, one),
            show: (one: SnapshotRow) => show(call, one),
            counts: true,
          },
          more: hasWords((item) => (item['row'] as SnapshotRow).metadata, metadata),
        });
      },
    });
  return [
    list('/snapshots', 'snapshots:list', showBrief),
    list('/snapshots/detail', 'snapshots:detail', show),
    route({
      ...{
        name: 'snapshots:create',
        method: 'POST',
        path: '/snapshots',
        status: 202,
        policy: 'volume:create_snapshot',
      },
      body: CREATE,
      async run(call) {
        const row = await store.write((tx) => create(cinder, tx, call, call.body['snapshot'] as Body));
        call.note({ snapshot_id: row.id });
        return { body: { snapshot: showMade(call, row) } };
      },
    }),
    route({
      ...{ name: 'snapshots:show', method: 'GET', ...about, policy: 'volume:get_snapshot' },
      run: async (call) => ({ body: { snapshot: show(call, await find(cinder, call, call.params.snapshot_id)) } }),
    }),
    route({
      ...{ name: 'snapshots:update', method: 'PUT', ...about, policy: 'volume:update_snapshot', body: UPDATE },
      async run(call) {
        const id = call.params.snapshot_id;
        const body = call.body['snapshot'] as Body;
        if (Object.keys(body).length === 0) throw badRequest("Missing required element 'snapshot' in request body.");
        await store.write((tx) => change(cinder, tx, snapshots, { id, ...named(body) }));
        return { body: { snapshot: showMade(call, await find(cinder, call, id)) } };
      },
    }),
    route({
      ...{ name: 'snapshots:delete', method: 'DELETE', ...about, status: 202, policy: 'volume:delete_snapshot' },
      run: async (call) => remove(cinder, call, { id: call.params.snapshot_id, force: false }),
    }),
    ...actions(cinder, target),
  ];
}

function actions(cinder: Cinder, target: ReturnType<typeof targetIn>): Route[] {
  const { store } = cinder;
  const act = { method: 'POST', path: '/snapshots/{snapshot_id}/action', status: 202, target } as const;
  return [
    route({
      ...{ name: 'snapshots:force-delete', ...act, action: 'os-force_delete' },
      ...{ policy: 'volume_extension:snapshot_admin_actions:force_delete', body: action('os-force_delete') },
      run: async (call) => remove(cinder, call, { id: call.params.snapshot_id, force: true }),
    }),
    route({
      ...{ name: 'snapshots:reset-status', ...act, action: 'os-reset_status' },
      policy: 'volume_extension:snapshot_admin_actions:reset_status',
      body: action(
        'os-reset_status',
        { status: { enum: [...RESETTABLE, ...RESETTABLE.map((one) => one.toUpperCase())] } },
        ['status'],
      ),
      async run(call) {
        const status = ((call.body['os-reset_status'] as Body)['status'] as string).toLowerCase();
        await store.write((tx) => change(cinder, tx, snapshots, { id: call.params.snapshot_id, status }));
        return {};
      },
    }),
    route({
      ...{ name: 'snapshots:update-status', ...act, action: 'os-update_snapshot_status' },
      policy: 'snapshot_extension:snapshot_actions:update_snapshot_status',
      body: action('os-update_snapshot_status', { status: STRING }, ['status']),
      note: 'refused, 501: snapshots of a hypervisor are not taken',
      run() {
        throw notImplemented('Snapshots that a hypervisor takes are not offered.');
      },
    }),
    route({
      ...{ name: 'snapshots:unmanage', ...act, action: 'os-unmanage', body: action('os-unmanage') },
      ...{ policy: 'volume_extension:snapshot_admin_actions:force_delete', note: 'refused, 501' },
      run() {
        throw notImplemented('Snapshots cannot be handed to somebody else.');
      },
    }),
  ];
}

const find = ({ store }: Cinder, call: Call, id: string): Promise<SnapshotRow> =>
  store.read((tx) => owned(tx, call, { rows: snapshots, what: 'Snapshot', id }));

const fieldsOf = ({ hosts }: Cinder, one: SnapshotRow): Body => ({
  ...{ id: one.id, name: one.name, display_name: one.name, status: one.status, volume_id: one.volumeId },
  ...{ size: one.sizeGb, volume_size: one.sizeGb, user_id: one.userId, consumes_quota: true },
  ...{ availability_zone: hosts.zoneOf(one.host), group_snapshot_id: one.groupSnapshotId },
  ...{ created_at: isoTime(one.createdAtMs), updated_at: isoTime(one.updatedAtMs) },
});

const showBrief = (_: Call, one: SnapshotRow): Body => ({
  ...{ id: one.id, created_at: isoTime(one.createdAtMs), updated_at: isoTime(one.updatedAtMs) },
  ...{ name: one.name, description: one.description, volume_id: one.volumeId, status: one.status },
  ...{ size: one.sizeGb, metadata: one.metadata },
});

/** As the answers to creation and update have it. */
const showMade = (call: Call, one: SnapshotRow): Body => ({
  ...showBrief(call, one),
  ...(call.version.atLeast('3.14') && { group_snapshot_id: one.groupSnapshotId ?? null }),
  ...(call.version.atLeast('3.41') && { user_id: one.userId }),
  ...(call.version.atLeast('3.65') && { consumes_quota: true }),
});

function show(call: Call, one: SnapshotRow): Body {
  const extended = call.allows('volume_extension:extended_snapshot_attributes', { project_id: one.projectId });
  return {
    ...showMade(call, one),
    ...(extended && {
      'os-extended-snapshot-attributes:project_id': one.projectId,
      'os-extended-snapshot-attributes:progress': one.progress,
    }),
  };
}

async function create(cinder: Cinder, tx: WriteTx, call: Call, body: Body): Promise<SnapshotRow> {
  const allowed = force(call, body) ? ['available', 'in-use'] : ['available'];
  const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id: body['volume_id'] as string });
  const { name = null, description = null } = named(body);
  return putSnapshot(cinder, tx, { call, volume, allowed, name, description, metadata: words(body['metadata']) });
}

/** Since 3.66 an attached volume needs no force, and `force` may only say so. */
function force({ version }: Call, body: Body): boolean {
  if (!version.atLeast('3.66')) return bool(body['force']);
  if ('force' in body && !bool(body['force']))
    throw badRequest("Since microversion 3.66 the force parameter is invalid for this request, unless it is 'true'.");
  return true;
}

async function remove(cinder: Cinder, call: Call, { id, force }: { id: string; force: boolean }) {
  await cinder.store.write(async (tx) => {
    const one = await owned(tx, call, { rows: snapshots, what: 'Snapshot', id });
    const allowed = ['available', 'error', 'error_deleting'];
    if (one.status === 'deleting' && !force) return;
    if (one.groupSnapshotId !== undefined)
      throw invalidSnapshot(`Snapshot ${id} must not be part of a group: it goes with ${one.groupSnapshotId}.`);
    if (!force && !allowed.includes(one.status))
      throw invalidSnapshot(`Volume Snapshot status must be ${oneOf(allowed)}, but it is ${one.status}.`);
    await change(cinder, tx, snapshots, { id, status: 'deleting' });
    startTask(cinder, tx, { kind: DELETE_SNAPSHOT, input: { snapshotId: id }, resource: `snapshot/${id}`, call });
  });
  return {};
}
