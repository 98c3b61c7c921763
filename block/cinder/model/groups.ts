/**
 * Groups as rows: made empty, made of a source with all their volumes, changed, deleted. Each action is one transaction with its
 * members' tasks, so what a group says of itself is either true or about to be made true.
 */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import type { Call } from '../../../control/service/types.ts';
import { owned, projectOf } from '../api/shared.ts';
import { type Cinder, newId, startTask } from '../cinder.ts';
import { invalidGroup, invalidGroupType, invalidVolume } from '../refusals.ts';
import {
  attachments,
  type GroupRow,
  groupSnapshots,
  groups,
  snapshots,
  type TypeRow,
  type VolumeRow,
  volumes,
} from '../tables.ts';
import { DELETE_VOLUME, type DeleteInput } from '../tasks/delete-volume.ts';
import { CREATE_GROUP, DELETE_GROUP, type GroupInput, removeGroupRow } from '../tasks/group.ts';
import { change } from '../tasks/kind.ts';
import { asksForOneMoment, asksForReplication, asksTooMuch, findGroupType, getGroupType } from './group-types.ts';
import type { Pool } from './hosts.ts';
import { addMessage } from './messages.ts';
import { putVolume } from './new-volume.ts';
import { chooseForGroup, disabledHosts } from './scheduler.ts';
import { getType } from './types.ts';

interface Named {
  readonly name: string | null;
  readonly description: string | null;
}

export interface NewGroup extends Named {
  /** Ids or names. */
  readonly groupType: string;
  readonly volumeTypes: readonly string[];
  readonly zone: string;
}

interface Asked<A> {
  readonly call: Call;
  readonly asked: A;
  readonly pools: readonly Pool[];
}

/** Its host is bound here; one that no host can take is in `error`, as Cinder's scheduler leaves it. */
export async function putGroup(
  cinder: Cinder,
  tx: WriteTx,
  { call, asked, pools }: Asked<NewGroup>,
): Promise<GroupRow> {
  const { name, description, zone } = asked;
  const types: TypeRow[] = [];
  for (const one of asked.volumeTypes) types.push(await getType(tx, one));
  const groupType = await getGroupType(tx, call, asked.groupType);
  const projectId = projectOf(call);
  await cinder.quotas.take(tx, projectId, { groups: 1 });
  const tooMuch = asksTooMuch(groupType);
  const disabled = await disabledHosts(tx);
  const host = tooMuch === undefined ? chooseForGroup({ types, zone }, { pools, disabled }) : undefined;
  const id = newId(cinder);
  if (host === undefined) {
    const reason = tooMuch && `The group type asks for ${tooMuch}, which no host can promise.`;
    const about = { projectId, resourceId: id, requestId: call.requestId, reason };
    await addMessage(tx, cinder, { event: 'groupSchedule', ...about });
  }
  return groups.put(tx, {
    ...{ id, projectId, userId: call.credentials.userId, name, description, zone, host },
    ...{ status: host === undefined ? 'error' : 'available', groupTypeId: groupType.id },
    ...{ typeIds: [...new Set(types.map((type) => type.id))], createdAtMs: cinder.clock.nowMs() },
  });
}

export interface FromSource extends Named {
  readonly groupSnapshotId?: string | undefined;
  readonly sourceGroupId?: string | undefined;
}

/** A volume for each snapshot of a group snapshot, or for each volume of a group, on the source's host. */
export async function putGroupFrom(cinder: Cinder, tx: WriteTx, of: Asked<FromSource>): Promise<GroupRow> {
  const { call, asked, pools } = of;
  const { name, description, groupSnapshotId, sourceGroupId } = asked;
  const { source, members } = await sourceOf(tx, call, asked);
  const projectId = projectOf(call);
  await cinder.quotas.take(tx, projectId, { groups: 1 });
  const { host, zone, groupTypeId, typeIds } = source;
  const id = newId(cinder);
  if (host === undefined) throw invalidGroup(`No valid host to create group ${id}.`);
  const group = await groups.put(tx, {
    ...{ id, projectId, userId: call.credentials.userId, name, description, host, zone, groupTypeId },
    ...{ status: 'creating', createdAtMs: cinder.clock.nowMs(), groupSnapshotId, sourceGroupId },
    typeIds: [...new Set([...typeIds, ...members.map(({ typeId }) => typeId)])],
  });
  const made: VolumeRow[] = [];
  for (const { sizeGb, typeId, from } of members) {
    const volume = { name: null, description: null, sizeGb, typeName: typeId, zone, metadata: {}, ...from };
    made.push(await putVolume(cinder, tx, { call, pools, group, asked: volume }));
  }
  if (made.some((volume) => volume.host === undefined)) throw invalidGroup(`No valid host to create group ${id}.`);
  const input: GroupInput = { id, members: made.map((volume) => `volume/${volume.id}`) };
  startTask(cinder, tx, { kind: CREATE_GROUP, input, resource: `group/${id}`, call });
  return group;
}

async function sourceOf(tx: ReadTx, call: Call, { groupSnapshotId, sourceGroupId }: FromSource) {
  if (groupSnapshotId !== undefined) {
    const taken = await owned(tx, call, { rows: groupSnapshots, what: 'GroupSnapshot', id: groupSnapshotId });
    const source = await owned(tx, call, { rows: groups, what: 'Group', id: taken.groupId });
    const of = await snapshots.by(tx, 'group', groupSnapshotId);
    if (of.length === 0) throw invalidGroup('Group snapshot is empty. No group will be created.');
    const members = of.map(({ id, sizeGb, typeId }) => ({ sizeGb, typeId, from: { snapshotId: id } }));
    return { source, members };
  }
  const source = await owned(tx, call, { rows: groups, what: 'Group', id: sourceGroupId as string });
  await refuseOneMoment(tx, source);
  const of = await volumes.by(tx, 'group', source.id);
  if (of.length === 0) throw invalidGroup('Source Group is empty. No group will be created.');
  return { source, members: of.map(({ id, sizeGb, typeId }) => ({ sizeGb, typeId, from: { sourceVolumeId: id } })) };
}

export interface GroupChange {
  readonly name?: string | null;
  readonly description?: string | null;
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

const ADDABLE = ['available', 'in-use'];
const REMOVABLE = ['available', 'in-use', 'error', 'error_deleting'];

/** Members come and go as rows: nothing is done at their host. */
export async function changeGroup(
  cinder: Cinder,
  tx: WriteTx,
  { call, id, asked }: { readonly call: Call; readonly id: string; readonly asked: GroupChange },
): Promise<void> {
  const group = await owned(tx, call, { rows: groups, what: 'Group', id });
  const both = asked.add.filter((one) => asked.remove.includes(one));
  if (both.length > 0) throw invalidVolume(`UUIDs ${both.join(', ')} are in both add and remove volume list.`);
  const members = await volumes.by(tx, 'group', id);
  const added = asked.add.filter((one) => !members.some((member) => member.id === one));
  for (const one of added) checkAdded(group, one, await volumes.get(tx, one));
  for (const one of asked.remove) checkRemoved(group, one, members);
  const named = {
    ...(asked.name === undefined || asked.name === null || asked.name === group.name ? {} : { name: asked.name }),
    ...(asked.description === undefined || asked.description === null || asked.description === group.description
      ? {}
      : { description: asked.description }),
  };
  if (Object.keys(named).length + added.length + asked.remove.length === 0)
    throw invalidGroup(
      `Cannot update group ${id} because no valid name, description, add_volumes, or remove_volumes were provided.`,
    );
  if (added.length + asked.remove.length > 0 && group.status !== 'available')
    throw invalidGroup('Group status must be available.');
  for (const one of added) await change(cinder, tx, volumes, { id: one, groupId: id });
  for (const one of asked.remove) await change(cinder, tx, volumes, { id: one, groupId: undefined });
  await change(cinder, tx, groups, { id, ...named });
}

function checkAdded(group: GroupRow, id: string, volume: VolumeRow | undefined): void {
  const refuse = (why: string) => invalidVolume(`Cannot add volume ${id} to group ${group.id} because ${why}.`);
  if (volume === undefined) throw refuse('volume cannot be found');
  const { projectId, groupId, typeId, status, host } = volume;
  if (projectId !== group.projectId) throw refuse('volume cannot be found');
  if (groupId !== undefined) throw refuse(`it is already in group ${groupId}`);
  if (!group.typeIds.includes(typeId)) throw refuse(`volume type ${typeId} is not supported by the group`);
  if (!ADDABLE.includes(status))
    throw refuse(`volume is in an invalid state: ${status}. Valid states are: ${ADDABLE.join(', ')}`);
  if (host !== group.host) throw invalidVolume('Volume is not local to this node.');
}

function checkRemoved(group: GroupRow, id: string, members: readonly VolumeRow[]): void {
  const refuse = (why: string) => invalidVolume(`Cannot remove volume ${id} from group ${group.id} because ${why}.`);
  const member = members.find((one) => one.id === id);
  if (member === undefined) throw refuse('it is not in the group');
  if (!REMOVABLE.includes(member.status))
    throw refuse(`volume is in an invalid state: ${member.status}. Valid states are: ${REMOVABLE.join(', ')}`);
}

/** Statuses of members that a group takes with it. */
const GOING = [
  'available',
  'creating',
  'error',
  'error_restoring',
  'error_extending',
  'error_deleting',
  'error_managing',
];

/** With its volumes, each by a task of its own; without any it is gone at once. */
export async function beginDeleteGroup(
  cinder: Cinder,
  tx: WriteTx,
  { call, id, withVolumes }: { readonly call: Call; readonly id: string; readonly withVolumes: boolean },
): Promise<void> {
  const group = await owned(tx, call, { rows: groups, what: 'Group', id });
  const { status } = group;
  if (status === 'deleting') return;
  if (!withVolumes && !['available', 'error', 'error_deleting'].includes(status))
    throw invalidGroup(`Group status must be available or error, but current status is: ${status}`);
  if ((await groupSnapshots.by(tx, 'group', id)).length > 0) throw invalidGroup('Group has existing snapshots.');
  const made = (await groups.by(tx, 'group', id)).find((one) => one.status === 'creating');
  if (made)
    throw invalidGroup(`Cannot delete group ${id}. It is the source of group ${made.id}, which is being created.`);
  const members = await volumes.by(tx, 'group', id);
  if (members.length > 0 && !withVolumes)
    throw invalidGroup(`Group ${id} still contains volumes. The delete-volumes flag is required to delete it.`);
  for (const one of members) await checkGoing(tx, group, one);
  if (members.length === 0) return removeGroupRow(cinder, tx, group);
  for (const { id: volumeId, status: previousStatus } of members) {
    await change(cinder, tx, volumes, { id: volumeId, status: 'deleting', previousStatus });
    const input: DeleteInput = { volumeId, force: false, cascade: false };
    startTask(cinder, tx, { kind: DELETE_VOLUME, input, resource: `volume/${volumeId}`, call });
  }
  await change(cinder, tx, groups, { id, status: 'deleting' });
  const input: GroupInput = { id, members: members.map((one) => `volume/${one.id}`) };
  startTask(cinder, tx, { kind: DELETE_GROUP, input, resource: `group/${id}`, call });
}

async function checkGoing(tx: ReadTx, group: GroupRow, { id, status }: VolumeRow): Promise<void> {
  const open = await attachments.by(tx, 'volume', id);
  if (open.length > 0) throw invalidGroup(`Volume in group ${group.id} is attached. Need to detach first.`);
  if ((await snapshots.by(tx, 'volume', id)).length > 0)
    throw invalidGroup('Volume in group still has dependent snapshots.');
  if (!GOING.includes(status)) throw invalidGroup(`Volume ${id} in group ${group.id} is ${status}.`);
}

/** Nothing of groups is replicated; the type is asked first, as in Cinder. */
export async function refuseReplication(tx: ReadTx, { id, groupTypeId }: GroupRow): Promise<never> {
  const type = await findGroupType(tx, groupTypeId);
  if (type === undefined || !asksForReplication(type))
    throw invalidGroupType(`Group ${id} is not a replication group type.`);
  throw invalidGroup(`Group ${id} cannot be replicated: volumes are not replicated between hosts here.`);
}

/** For what would have to stop all members at once, whatever the type said when the group was made. */
export async function refuseOneMoment(tx: ReadTx, { id, groupTypeId }: GroupRow): Promise<void> {
  const type = await findGroupType(tx, groupTypeId);
  if (type === undefined || !asksForOneMoment(type)) return;
  throw invalidGroup(
    `The type of group ${id} asks for consistent_group_snapshot_enabled, but no host here takes several volumes at one moment.`,
  );
}
