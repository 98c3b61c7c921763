/** /backups: full, incremental, of a snapshot; restore, export_record and import_record; their actions. */
import type { WriteTx } from '../../../control/contract.ts';
import type { JsonSchema } from '../../../control/service/schema.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import { type Cinder, newId, startTask } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import { putVolume } from '../model/new-volume.ts';
import { backupAmounts } from '../model/quota-amounts.ts';
import { badRequest, invalidBackup, invalidInput, invalidSnapshot, invalidVolume } from '../refusals.ts';
import { type BackupRow, backups, snapshots, type VolumeRow, volumes, type Words } from '../tables.ts';
import { CREATE_BACKUP, DELETE_BACKUP } from '../tasks/backup.ts';
import { change } from '../tasks/kind.ts';
import { addLeftovers } from '../tasks/leftovers.ts';
import { RESTORE_BACKUP, type RestoreInput } from '../tasks/restore.ts';
import { backupRecordRoutes } from './backup-records.ts';
import { listed, rowsFor } from './listing.ts';
import {
  action,
  BOOLEAN,
  type Body,
  bool,
  isAdmin,
  named,
  OPTIONAL_UUID,
  oneOf,
  owned,
  TEXT,
  targetIn,
  UUID,
  WORDS,
  WORDS_OR_NULL,
  words,
  wrapped,
} from './shared.ts';
import { volumeLinks } from './volume-view.ts';

const NAMES = { name: TEXT, description: TEXT };
const NEW = {
  ...{ ...NAMES, volume_id: UUID, container: TEXT, incremental: BOOLEAN, force: BOOLEAN, snapshot_id: OPTIONAL_UUID },
};
const newBackup = (properties: JsonSchema) => wrapped('backup', properties, { required: ['volume_id'] });
const CREATE = [
  { max: '3.42', schema: newBackup(NEW) },
  { min: '3.43', max: '3.50', schema: newBackup({ ...NEW, metadata: WORDS_OR_NULL }) },
  { min: '3.51', schema: newBackup({ ...NEW, metadata: WORDS_OR_NULL, availability_zone: TEXT }) },
];
const UPDATE = [
  { max: '3.42', schema: wrapped('backup', NAMES) },
  { min: '3.43', schema: wrapped('backup', { ...NAMES, metadata: WORDS }) },
];
const RESTORE = wrapped('restore', { name: TEXT, volume_id: OPTIONAL_UUID });
/** Statuses that an admin may set. */
const RESETTABLE = ['available', 'error', 'AVAILABLE', 'ERROR'];
const SORT = ['id', 'status', 'volume_id', 'size', 'name', 'created_at', 'updated_at'];
const FILTERS = ['name', 'status', 'volume_id', 'snapshot_id', 'id'];

export function backupRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const target = targetIn(cinder, { rows: backups, what: 'Backup', param: 'backup_id' });
  const about = { path: '/backups/{backup_id}', target } as const;
  const list = (path: string, name: string, show: (call: Call, one: BackupRow) => Body): Route =>
    route({
      ...{ name, method: 'GET', path, policy: 'backup:get_all' },
      async run(call) {
        const rows = await store.read((tx) => rowsFor(tx, call, backups));
        return listed(call, {
          ...{
            ...{ collection: 'backups', what: 'Backup', resource: 'backup' },
            rows,
            filters: FILTERS,
            like: ['name', 'status'],
            sortKeys: SORT,
            fields: fieldsOf,
          },
          ...{ show: (one: BackupRow) => show(call, one), counts: true },
        });
      },
    });
  return [
    list('/backups', 'backups:list', brief),
    list('/backups/detail', 'backups:detail', showBackup),
    route({
      ...{
        name: 'backups:create',
        method: 'POST',
        path: '/backups',
        status: 202,
        policy: 'backup:create',
        body: CREATE,
      },
      note: 'incremental: shares chunks with what is stored of the volume; each restores and goes alone',
      async run(call) {
        const row = await store.write((tx) => create(cinder, tx, call, call.body['backup'] as Body));
        call.note({ backup_id: row.id });
        return { body: { backup: brief(call, row) } };
      },
    }),
    route({
      ...{ name: 'backups:show', method: 'GET', ...about, policy: 'backup:get' },
      run: async (call) => ({ body: { backup: showBackup(call, await find(cinder, call, call.params.backup_id)) } }),
    }),
    route({
      ...{ name: 'backups:update', method: 'PUT', ...about, min: '3.9', policy: 'backup:update', body: UPDATE },
      async run(call) {
        const id = call.params.backup_id;
        const body = call.body['backup'] as Body;
        const metadata = 'metadata' in body ? { metadata: words(body['metadata']) } : {};
        await store.write((tx) => change(cinder, tx, backups, { id, ...named(body), ...metadata }));
        return { body: { backup: brief(call, await find(cinder, call, id)) } };
      },
    }),
    route({
      ...{ name: 'backups:delete', method: 'DELETE', ...about, status: 202, policy: 'backup:delete' },
      run: async (call) => remove(cinder, call, { id: call.params.backup_id, force: false }),
    }),
    route({
      ...{ name: 'backups:restore', method: 'POST', path: '/backups/{backup_id}/restore', status: 202, target },
      ...{ policy: 'backup:restore', body: RESTORE, note: 'serves at once, is filled behind' },
      async run(call) {
        const volume = await restore(cinder, call, call.params.backup_id, call.body['restore'] as Body);
        const about = { backup_id: call.params.backup_id, volume_id: volume.id, volume_name: volume.name };
        return { body: { restore: about } };
      },
    }),
    ...actions(cinder, target),
    ...backupRecordRoutes(cinder, target),
  ];
}

function actions(cinder: Cinder, target: ReturnType<typeof targetIn>): Route[] {
  const { store } = cinder;
  const act = { method: 'POST', path: '/backups/{backup_id}/action', status: 202, target } as const;
  return [
    route({
      ...{ name: 'backups:force-delete', ...act, action: 'os-force_delete', body: action('os-force_delete') },
      policy: 'volume_extension:backup_admin_actions:force_delete',
      run: async (call) => remove(cinder, call, { id: call.params.backup_id, force: true }),
    }),
    route({
      ...{ name: 'backups:reset-status', ...act, action: 'os-reset_status' },
      policy: 'volume_extension:backup_admin_actions:reset_status',
      body: action('os-reset_status', { status: { enum: RESETTABLE } }, ['status']),
      async run(call) {
        const status = ((call.body['os-reset_status'] as Body)['status'] as string).toLowerCase();
        await store.write((tx) => change(cinder, tx, backups, { id: call.params.backup_id, status }));
        return {};
      },
    }),
  ];
}

const find = ({ store }: Cinder, call: Call, id: string): Promise<BackupRow> =>
  store.read((tx) => owned(tx, call, { rows: backups, what: 'Backup', id }));

const fieldsOf = (one: BackupRow): Body => ({
  ...{ id: one.id, name: one.name, status: one.status, volume_id: one.volumeId, snapshot_id: one.snapshotId },
  ...{ size: one.sizeGb, created_at: isoTime(one.createdAtMs), updated_at: isoTime(one.updatedAtMs) },
});

const brief = (call: Call, { id, name }: BackupRow): Body => ({ id, name, links: volumeLinks(call, id, 'backups') });

export function showBackup(call: Call, one: BackupRow): Body {
  const { version } = call;
  return {
    ...{ id: one.id, status: one.status, size: one.sizeGb, object_count: one.objectCount },
    ...{ availability_zone: one.zone, container: one.container, volume_id: one.volumeId },
    ...{ created_at: isoTime(one.createdAtMs), updated_at: isoTime(one.updatedAtMs) },
    ...{ name: one.name, description: one.description, fail_reason: one.failReason ?? null },
    ...{ links: volumeLinks(call, one.id, 'backups'), is_incremental: one.isIncremental },
    // Any backup can be deleted while others that came after it stay whole.
    ...{ has_dependent_backups: false, snapshot_id: one.snapshotId ?? null, data_timestamp: isoTime(one.dataAtMs) },
    ...(isAdmin(call) && version.atLeast('3.18') && { 'os-backup-project-attr:project_id': one.projectId }),
    ...(version.atLeast('3.43') && { metadata: one.metadata }),
    ...(isAdmin(call) && version.atLeast('3.56') && { user_id: one.userId }),
  };
}

async function create(cinder: Cinder, tx: WriteTx, call: Call, body: Body): Promise<BackupRow> {
  const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id: body['volume_id'] as string });
  const container = body['container'];
  if (typeof container === 'string' && container !== '' && container !== cinder.settings.container)
    throw badRequest(`Backups are stored in container ${cinder.settings.container}: another cannot be chosen.`);
  const isIncremental = bool(body['incremental']);
  const earlier = await backups.by(tx, 'volume', volume.id);
  if (isIncremental && !earlier.some(({ status }) => status === 'available'))
    throw invalidBackup('No backups available to do an incremental backup.');
  const from = await sourceOf(tx, call, { volume, body });
  const id = newId(cinder);
  const sizeGb = from.sizeGb;
  await cinder.quotas.take(tx, volume.projectId, backupAmounts(sizeGb));
  await from.mark(tx, cinder);
  const { name = null, description = null } = named(body);
  const nowMs = cinder.clock.nowMs();
  const about = { kind: CREATE_BACKUP, input: { backupId: id }, resource: from.resource, call };
  const task = startTask(cinder, tx, about);
  if (from.snapshotId !== undefined) await addLeftovers(cinder, tx, task, [{ host: from.host, volumeId: id }]);
  return backups.put(tx, {
    ...{ id, projectId: volume.projectId, userId: call.credentials.userId, volumeId: volume.id, name, description },
    ...{ snapshotId: from.snapshotId, sizeGb, status: 'creating', isIncremental, host: from.host, objectCount: 0 },
    ...{
      container: cinder.settings.container,
      zone: volume.zone,
      createdAtMs: nowMs,
      dataAtMs: from.dataAtMs ?? nowMs,
    },
    ...{ metadata: words(body['metadata']), lineage: isIncremental ? from.lineage : id },
  });
}

interface From {
  readonly sizeGb: number;
  readonly host: string;
  readonly lineage: string;
  readonly snapshotId?: string;
  readonly dataAtMs?: number;
  /** Tasks about it run one after another. */
  readonly resource: string;
  /** Says that it is being read. */
  mark(tx: WriteTx, cinder: Cinder): Promise<unknown>;
}

async function sourceOf(tx: WriteTx, call: Call, { volume, body }: { volume: VolumeRow; body: Body }): Promise<From> {
  const { id, host, status, sizeGb, lineage } = volume;
  const snapshotId = body['snapshot_id'];
  if (host === undefined) throw invalidVolume(`Volume ${id} is on no host.`);
  if (typeof snapshotId === 'string' && snapshotId !== '') {
    const snapshot = await owned(tx, call, { rows: snapshots, what: 'Snapshot', id: snapshotId });
    if (snapshot.volumeId !== id) throw badRequest(`Snapshot ${snapshotId} is not of volume ${id}.`);
    if (snapshot.status !== 'available')
      throw invalidSnapshot(
        `Snapshot to be backed up must be available, but the current status is "${snapshot.status}".`,
      );
    return {
      ...{ sizeGb: snapshot.sizeGb, host, lineage: snapshot.lineage, snapshotId, dataAtMs: snapshot.createdAtMs },
      resource: `snapshot/${snapshotId}`,
      mark: (at, cinder) => change(cinder, at, snapshots, { id: snapshotId, status: 'backing-up' }),
    };
  }
  const allowed = bool(body['force']) ? ['available', 'in-use'] : ['available'];
  if (!allowed.includes(status))
    throw invalidVolume(
      `Volume to be backed up must be ${oneOf(allowed)}, but the current status is "${status}".` +
        (status === 'in-use' ? ' Use the force flag to back up an attached volume.' : ''),
    );
  return {
    ...{ sizeGb, host, lineage, resource: `volume/${id}` },
    mark: (at, cinder) => change(cinder, at, volumes, { id, status: 'backing-up', previousStatus: status }),
  };
}

async function remove(cinder: Cinder, call: Call, { id, force }: { id: string; force: boolean }) {
  await cinder.store.write(async (tx) => {
    const one = await owned(tx, call, { rows: backups, what: 'Backup', id });
    const allowed = ['available', 'error', 'error_deleting'];
    if (one.status === 'deleting' && !force) return;
    if (!force && !allowed.includes(one.status))
      throw invalidBackup(`Backup status must be ${oneOf(allowed)}, but it is ${one.status}.`);
    await change(cinder, tx, backups, { id, status: 'deleting' });
    startTask(cinder, tx, { kind: DELETE_BACKUP, input: { backupId: id }, resource: `backup/${id}`, call });
  });
  return {};
}

async function restore(cinder: Cinder, call: Call, backupId: string, body: Body): Promise<VolumeRow> {
  const pools = await cinder.hosts.pools();
  return cinder.store.write(async (tx) => {
    const backup = await owned(tx, call, { rows: backups, what: 'Backup', id: backupId });
    if (backup.status !== 'available')
      throw invalidBackup(`Backup status must be available, but it is ${backup.status}.`);
    const given = body['volume_id'];
    const isNew = typeof given !== 'string' || given === '';
    const volume = isNew
      ? await newVolume(cinder, tx, call, { backup, name: body['name'], pools })
      : await oldVolume(tx, call, { backup, id: given });
    if (volume.host === undefined) return volume;
    await change(cinder, tx, backups, { id: backupId, status: 'restoring' });
    const input: RestoreInput = { backupId, volumeId: volume.id, isNew };
    startTask(cinder, tx, { kind: RESTORE_BACKUP, input, resource: `volume/${volume.id}`, call });
    const metadata = originOf(backup, volume);
    return (await change(cinder, tx, volumes, { id: volume.id, status: 'restoring-backup', metadata })) as VolumeRow;
  });
}

/** A volume with the bytes of another's backup, or of another backup than before, says so. */
function originOf({ id, volumeId }: BackupRow, { id: to, metadata }: VolumeRow): Words {
  const before = metadata['src_backup_id'];
  return volumeId === to && (before === undefined || before === id) ? metadata : { ...metadata, src_backup_id: id };
}

function newVolume(
  cinder: Cinder,
  tx: WriteTx,
  call: Call,
  { backup, name, pools }: { backup: BackupRow; name: unknown; pools: Awaited<ReturnType<Cinder['hosts']['pools']>> },
): Promise<VolumeRow> {
  const asked = {
    ...{ name: typeof name === 'string' && name !== '' ? name : `restore_backup_${backup.id}` },
    ...{
      description: 'auto-created_from_restore_from_backup',
      sizeGb: backup.sizeGb,
      typeName: undefined,
      zone: undefined,
      metadata: {},
    },
    backupId: backup.id,
  };
  return putVolume(cinder, tx, { call, asked, pools, task: false });
}

async function oldVolume(
  tx: WriteTx,
  call: Call,
  { backup, id }: { backup: BackupRow; id: string },
): Promise<VolumeRow> {
  const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id });
  if (volume.status !== 'available')
    throw invalidVolume(`Volume to be restored to must be available, but it is ${volume.status}.`);
  if (volume.sizeGb < backup.sizeGb)
    throw invalidInput(`volume size ${volume.sizeGb} is too small to restore backup of size ${backup.sizeGb}.`);
  return volume;
}
