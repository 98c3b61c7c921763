/**
 * /group_snapshots: a snapshot of each volume of a group. They are begun together, in one transaction, and each is of a moment of
 * its own: nothing stops all volumes at once, which is why types that ask for it are refused.
 */
import type { WriteTx } from '../../../control/contract.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import { type Cinder, newId, startTask } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import { refuseOneMoment } from '../model/groups.ts';
import { putSnapshot } from '../model/new-snapshot.ts';
import { invalidGroup, invalidGroupSnapshot } from '../refusals.ts';
import { type GroupSnapshotRow, groupSnapshots, groups, snapshots, volumes } from '../tables.ts';
import { DELETE_SNAPSHOT } from '../tasks/delete-snapshot.ts';
import { CREATE_GROUP_SNAPSHOT, DELETE_GROUP_SNAPSHOT, type GroupInput } from '../tasks/group.ts';
import { change } from '../tasks/kind.ts';
import { RESET } from './groups.ts';
import { listed, rowsFor } from './listing.ts';
import { type Body, owned, TEXT, targetIn, UUID, wrapped } from './shared.ts';

const CREATE = wrapped('group_snapshot', { group_id: UUID, name: TEXT, description: TEXT }, { required: ['group_id'] });
const FILTERS = ['id', 'name', 'status', 'group_id', 'group_type_id', 'user_id'];
const SORT = ['id', 'name', 'status', 'group_id', 'created_at', 'updated_at'];
const MIN = '3.14';

export function groupSnapshotRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const target = targetIn(cinder, { rows: groupSnapshots, what: 'GroupSnapshot', param: 'group_snapshot_id' });
  const about = { path: '/group_snapshots/{group_snapshot_id}', min: MIN, target } as const;
  const all = { method: 'GET', min: MIN, policy: 'group:get_all_group_snapshots' } as const;
  return [
    route({
      ...{ name: 'group-snapshots:list', ...all, path: '/group_snapshots' },
      run: (call) => list(cinder, call, ({ id, name }) => ({ id, name })),
    }),
    route({
      ...{ name: 'group-snapshots:detail', ...all, path: '/group_snapshots/detail' },
      run: (call) => list(cinder, call, (one) => detail(call, one)),
    }),
    route({
      ...{ name: 'group-snapshots:create', method: 'POST', path: '/group_snapshots', min: MIN, status: 202 },
      ...{ policy: 'group:create_group_snapshot', body: CREATE },
      note: 'the volumes one beside the other, each at a moment of its own',
      async run(call) {
        const row = await store.write((tx) => create(cinder, tx, call, call.body['group_snapshot'] as Body));
        call.note({ group_snapshot_id: row.id });
        return { body: { group_snapshot: { id: row.id, name: row.name, group_type_id: row.groupTypeId } } };
      },
    }),
    route({
      ...{ name: 'group-snapshots:show', method: 'GET', ...about, policy: 'group:get_group_snapshot' },
      async run(call) {
        const id = call.params.group_snapshot_id;
        const row = await store.read((tx) => owned(tx, call, { rows: groupSnapshots, what: 'GroupSnapshot', id }));
        return { body: { group_snapshot: detail(call, row) } };
      },
    }),
    route({
      ...{ name: 'group-snapshots:delete', method: 'DELETE', ...about, status: 202 },
      policy: 'group:delete_group_snapshot',
      async run(call) {
        await store.write((tx) => remove(cinder, tx, call, call.params.group_snapshot_id));
        return {};
      },
    }),
    route({
      ...{ name: 'group-snapshots:reset-status', method: 'POST', path: '/group_snapshots/{group_snapshot_id}/action' },
      ...{ action: 'reset_status', min: '3.19', status: 202, target, body: RESET },
      policy: 'group:reset_group_snapshot_status',
      async run(call) {
        const id = call.params.group_snapshot_id;
        const status = ((call.body['reset_status'] as Body)['status'] as string).toLowerCase();
        await store.write((tx) => change(cinder, tx, groupSnapshots, { id, status }));
        return {};
      },
    }),
  ];
}

async function list(cinder: Cinder, call: Call, show: (one: GroupSnapshotRow) => Body) {
  const rows = await cinder.store.read((tx) => rowsFor(tx, call, groupSnapshots));
  return listed(call, {
    ...{ collection: 'group_snapshots', linked: 'group_snapshot', what: 'GroupSnapshot', resource: 'group_snapshot' },
    ...{ rows, filters: FILTERS, like: ['name', 'status'], sortKeys: SORT, fields: fieldsOf, show },
  });
}

const fieldsOf = (one: GroupSnapshotRow): Body => ({
  ...{ id: one.id, name: one.name, status: one.status, group_id: one.groupId, group_type_id: one.groupTypeId },
  ...{ user_id: one.userId, created_at: isoTime(one.createdAtMs), updated_at: isoTime(one.updatedAtMs) },
});

function detail(call: Call, one: GroupSnapshotRow): Body {
  const isTold = call.version.atLeast('3.58') && call.allows('group:group_snapshot_project_attribute');
  return {
    ...{ id: one.id, group_id: one.groupId, group_type_id: one.groupTypeId, status: one.status },
    ...{ created_at: isoTime(one.createdAtMs), name: one.name, description: one.description },
    ...(isTold && { project_id: one.projectId }),
  };
}

/** Statuses of groups. */
const TAKEN_OF = ['available', 'error', 'error_deleting'];

async function create(cinder: Cinder, tx: WriteTx, call: Call, body: Body): Promise<GroupSnapshotRow> {
  const group = await owned(tx, call, { rows: groups, what: 'Group', id: body['group_id'] as string });
  const of = await volumes.by(tx, 'group', group.id);
  if (of.length === 0 || !TAKEN_OF.includes(group.status))
    throw invalidGroup(
      `Source group cannot be empty or in 'creating' or 'updating' state. No group snapshot will be created. It is ${group.status}.`,
    );
  await refuseOneMoment(tx, group);
  const { name = null, description = null } = body as { name?: string | null; description?: string | null };
  const id = newId(cinder);
  const members: string[] = [];
  for (const volume of of) {
    const asked = { volume, allowed: ['available', 'in-use'], name, description, metadata: {}, groupSnapshotId: id };
    members.push(`snapshot/${(await putSnapshot(cinder, tx, { call, ...asked })).id}`);
  }
  const input: GroupInput = { id, members };
  startTask(cinder, tx, { kind: CREATE_GROUP_SNAPSHOT, input, resource: `group-snapshot/${id}`, call });
  return groupSnapshots.put(tx, {
    ...{ id, projectId: group.projectId, userId: call.credentials.userId, groupId: group.id },
    ...{ groupTypeId: group.groupTypeId, name, description, status: 'creating', createdAtMs: cinder.clock.nowMs() },
  });
}

/** The group snapshot, and each of its snapshots. */
const DELETABLE = ['available', 'error', 'error_deleting'];

async function remove(cinder: Cinder, tx: WriteTx, call: Call, id: string): Promise<void> {
  const { status } = await owned(tx, call, { rows: groupSnapshots, what: 'GroupSnapshot', id });
  if (status === 'deleting') return;
  const isSource = (await groups.by(tx, 'snapshot', id)).some((one) => one.status === 'creating');
  if (isSource || !DELETABLE.includes(status))
    throw invalidGroupSnapshot(
      'GroupSnapshot status must be available or error, and no Group can be currently using it as source for its creation.',
    );
  const members = await snapshots.by(tx, 'group', id);
  const busy = members.find((one) => !DELETABLE.includes(one.status));
  if (busy) throw invalidGroupSnapshot(`Snapshot ${busy.id} of the group snapshot is ${busy.status}.`);
  if (members.length === 0) return groupSnapshots.remove(tx, id);
  for (const { id: snapshotId } of members) {
    await change(cinder, tx, snapshots, { id: snapshotId, status: 'deleting' });
    startTask(cinder, tx, { kind: DELETE_SNAPSHOT, input: { snapshotId }, resource: `snapshot/${snapshotId}`, call });
  }
  await change(cinder, tx, groupSnapshots, { id, status: 'deleting' });
  const input: GroupInput = { id, members: members.map((one) => `snapshot/${one.id}`) };
  startTask(cinder, tx, { kind: DELETE_GROUP_SNAPSHOT, input, resource: `group-snapshot/${id}`, call });
}
