/** POST /volumes/{id}/action: what changes a volume and its state. Attaching in the older way is in connections.ts. */
import { type Call, type Route, route } from '../../../control/service/types.ts';
import { type Cinder, newId, startTask } from '../cinder.ts';
import { checkEncryption } from '../model/new-volume.ts';
import { growthAmounts, volumeAmounts } from '../model/quota-amounts.ts';
import { allocate, choose, disabledHosts, fits, isMultiattach } from '../model/scheduler.ts';
import { checkSize } from '../model/sizes.ts';
import { getType, mayUse, typeName } from '../model/types.ts';
import { badRequest, conflict, invalidInput, invalidVolume, notFound, notImplemented } from '../refusals.ts';
import { attachments, snapshots, volumes } from '../tables.ts';
import { EXTEND_VOLUME, RETYPE_VOLUME } from '../tasks/change-volume.ts';
import { change } from '../tasks/kind.ts';
import { type MigrateInput, startMigration } from '../tasks/migrate.ts';
import { REVERT_VOLUME } from '../tasks/snapshot.ts';
import { action, BOOLEAN, type Body, bool, isAdmin, owned, STRING, TEXT, targetIn, UUID, WORDS } from './shared.ts';
import { beginDelete } from './volumes.ts';

const PATH = '/volumes/{volume_id}/action';
const STATUSES = [
  'available',
  'creating',
  'deleting',
  'error',
  'error_deleting',
  'in-use',
  'maintenance',
  'reserved',
  'attaching',
  'detaching',
  'error_extending',
  'error_restoring',
  'awaiting-transfer',
  'managing',
  'error_managing',
  'error_managing_deleting',
  'backing-up',
  'error_backing-up',
  'restoring-backup',
  'retyping',
  'extending',
  'uploading',
  'downloading',
];
const ATTACHED = ['attached', 'detached'];
const MIGRATED = ['migrating', 'error', 'success', 'completing', 'none', 'starting'];
/** In either case of letters, or all large. */
const inAnyCase = (words: readonly string[]) => ({ enum: [...words, ...words.map((one) => one.toUpperCase()), null] });

export function volumeActionRoutes(cinder: Cinder): Route[] {
  const target = targetIn(cinder, { rows: volumes, what: 'Volume', param: 'volume_id' });
  const act = { method: 'POST', path: PATH, status: 202, target } as const;
  return [...changes(cinder, act), ...adminActions(cinder, act), ...imageActions(cinder, act)];
}

interface Act {
  readonly method: 'POST';
  readonly path: typeof PATH;
  readonly status: number;
  readonly target: ReturnType<typeof targetIn>;
}

const UPLOAD = {
  image_name: { type: 'string', minLength: 1, maxLength: 255 },
  ...{ force: BOOLEAN, protected: BOOLEAN, container_format: TEXT },
  disk_format: { enum: ['raw', 'vmdk', 'vdi', 'qcow2', 'vhd', 'vhdx', 'ploop'] },
  visibility: { enum: ['community', 'public', 'private', 'shared'] },
};
const MIGRATE = { host: { type: ['string', 'null'], maxLength: 255 }, force_host_copy: BOOLEAN, lock_volume: BOOLEAN };

const arg = (call: { readonly body: Readonly<Record<string, Body>> }, name: string): Body => call.body[name] ?? {};

function changes(cinder: Cinder, act: Act): Route[] {
  const { store } = cinder;
  return [
    route({
      ...{ name: 'volumes:extend', ...act, action: 'os-extend', policy: 'volume:extend' },
      body: action('os-extend', { new_size: { type: ['integer', 'string'], pattern: '^\\d{1,6}$', minimum: 1 } }, [
        'new_size',
      ]),
      note: 'of an attached volume from 3.42 on; its clients reconnect',
      async run(call) {
        await extend(cinder, call, call.params.volume_id, Number(arg(call, 'os-extend')['new_size']));
        return {};
      },
    }),
    route({
      ...{ name: 'volumes:revert', ...act, action: 'revert', min: '3.40', policy: 'volume:revert_to_snapshot' },
      body: action('revert', { snapshot_id: UUID }, ['snapshot_id']),
      async run(call) {
        await revert(cinder, call, call.params.volume_id, arg(call, 'revert')['snapshot_id'] as string);
        return {};
      },
    }),
    route({
      ...{ name: 'volumes:retype', ...act, action: 'os-retype', policy: 'volume:retype' },
      body: action('os-retype', { new_type: STRING, migration_policy: { enum: ['on-demand', 'never'] } }, ['new_type']),
      note: 'on the same host at once; to another one with migration_policy on-demand while it is not attached',
      async run(call) {
        await retype(cinder, call, call.params.volume_id, arg(call, 'os-retype'));
        return {};
      },
    }),
    route({
      ...{ name: 'volumes:set-bootable', ...act, status: 200, action: 'os-set_bootable' },
      ...{
        policy: 'volume_extension:volume_actions:set_bootable',
        body: action('os-set_bootable', { bootable: BOOLEAN }, ['bootable']),
      },
      async run(call) {
        const bootable = bool(arg(call, 'os-set_bootable')['bootable']);
        await store.write((tx) => change(cinder, tx, volumes, { id: call.params.volume_id, bootable }));
        return {};
      },
    }),
    route({
      ...{ name: 'volumes:set-readonly', ...act, action: 'os-update_readonly_flag' },
      policy: 'volume_extension:volume_actions:update_readonly_flag',
      body: action('os-update_readonly_flag', { readonly: BOOLEAN }, ['readonly']),
      async run(call) {
        const id = call.params.volume_id;
        const readOnly = bool(arg(call, 'os-update_readonly_flag')['readonly']);
        await store.write(async (tx) => {
          const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id });
          if (volume.status !== 'available')
            throw invalidVolume(
              `Volume ${id} status must be available to update readonly flag, but current status is: ${volume.status}.`,
            );
          const visibleMetadata = { ...volume.visibleMetadata, readonly: readOnly ? 'True' : 'False' };
          await change(cinder, tx, volumes, { id, readOnly, visibleMetadata });
        });
        return {};
      },
    }),
    route({
      ...{ name: 'volumes:reimage', ...act, action: 'os-reimage', min: '3.68', policy: 'volume:reimage' },
      ...{
        body: action('os-reimage', { image_id: UUID, reimage_reserved: BOOLEAN }, ['image_id']),
        note: 'refused, 400: there is no image service',
      },
      run() {
        throw badRequest('There is no image service: a volume cannot be made of an image here.');
      },
    }),
    route({
      ...{ name: 'volumes:upload-image', ...act, action: 'os-volume_upload_image' },
      policy: 'volume_extension:volume_actions:upload_image',
      body: action('os-volume_upload_image', UPLOAD, ['image_name']),
      note: 'refused, 400: there is no image service',
      run() {
        throw badRequest('There is no image service: a volume cannot become an image here.');
      },
    }),
  ];
}

function adminActions(cinder: Cinder, act: Act): Route[] {
  const { store } = cinder;
  return [
    route({
      ...{ name: 'volumes:migrate', ...act, action: 'os-migrate_volume' },
      policy: 'volume_extension:volume_admin_actions:migrate_volume',
      body: [
        { max: '3.15', schema: action('os-migrate_volume', MIGRATE, ['host']) },
        { min: '3.16', schema: action('os-migrate_volume', { ...MIGRATE, cluster: TEXT }) },
      ],
      note: 'of a volume that is not attached: by a snapshot',
      async run(call) {
        await migrate(cinder, call, call.params.volume_id, arg(call, 'os-migrate_volume'));
        return {};
      },
    }),
    route({
      ...{ name: 'volumes:migrate-completion', ...act, action: 'os-migrate_volume_completion' },
      policy: 'volume_extension:volume_admin_actions:migrate_volume',
      body: action('os-migrate_volume_completion', { new_volume: UUID, error: {} }, ['new_volume']),
      note: 'refused, 400: migrations complete by themselves',
      async run(call) {
        const id = arg(call, 'os-migrate_volume_completion')['new_volume'] as string;
        await store.read((tx) => owned(tx, call, { rows: volumes, what: 'Volume', id }));
        throw invalidVolume(`Volume ${call.params.volume_id} is not being migrated to volume ${id}.`);
      },
    }),
    route({
      ...{ name: 'volumes:reset-status', ...act, action: 'os-reset_status' },
      policy: 'volume_extension:volume_admin_actions:reset_status',
      body: action('os-reset_status', {
        status: inAnyCase(STATUSES),
        attach_status: inAnyCase(ATTACHED),
        migration_status: inAnyCase(MIGRATED),
      }),
      async run(call) {
        await resetStatus(cinder, call, call.params.volume_id, arg(call, 'os-reset_status'));
        return {};
      },
    }),
    route({
      ...{ name: 'volumes:force-delete', ...act, action: 'os-force_delete' },
      ...{ policy: 'volume_extension:volume_admin_actions:force_delete', body: action('os-force_delete') },
      async run(call) {
        await beginDelete(cinder, call, { volumeId: call.params.volume_id, force: true, cascade: false });
        return {};
      },
    }),
    route({
      ...{ name: 'volumes:unmanage', ...act, action: 'os-unmanage', note: 'refused, 501', body: action('os-unmanage') },
      policy: 'volume_extension:volume_admin_actions:force_delete',
      run() {
        throw notImplemented('Volumes cannot be handed to somebody else.');
      },
    }),
    route({
      ...{ name: 'volumes:show-image-metadata', ...act, status: 200, action: 'os-show_image_metadata' },
      ...{ policy: 'volume_extension:volume_image_metadata:show', body: action('os-show_image_metadata') },
      async run(call) {
        const id = call.params.volume_id;
        const { imageMetadata } = await store.read((tx) => owned(tx, call, { rows: volumes, what: 'Volume', id }));
        return { body: { metadata: imageMetadata } };
      },
    }),
  ];
}

function imageActions(cinder: Cinder, act: Act): Route[] {
  const { store } = cinder;
  return [
    route({
      ...{ name: 'volumes:set-image-metadata', ...act, status: 200, action: 'os-set_image_metadata' },
      ...{
        policy: 'volume_extension:volume_image_metadata:set',
        body: action('os-set_image_metadata', { metadata: WORDS }, ['metadata']),
      },
      async run(call) {
        const id = call.params.volume_id;
        const metadata = await store.write(async (tx) => {
          const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id });
          const imageMetadata = {
            ...volume.imageMetadata,
            ...(arg(call, 'os-set_image_metadata')['metadata'] as object),
          };
          await change(cinder, tx, volumes, { id, imageMetadata });
          return imageMetadata;
        });
        return { body: { metadata } };
      },
    }),
    route({
      ...{ name: 'volumes:unset-image-metadata', ...act, status: 200, action: 'os-unset_image_metadata' },
      ...{
        policy: 'volume_extension:volume_image_metadata:remove',
        body: action('os-unset_image_metadata', { key: { type: 'string', minLength: 1, maxLength: 255 } }, ['key']),
      },
      async run(call) {
        const id = call.params.volume_id;
        const key = arg(call, 'os-unset_image_metadata')['key'] as string;
        await store.write(async (tx) => {
          const { imageMetadata } = await owned(tx, call, { rows: volumes, what: 'Volume', id });
          const { [key]: gone, ...rest } = imageMetadata;
          if (gone === undefined) throw notFound('Image metadata', key.slice(0, 64));
          await change(cinder, tx, volumes, { id, imageMetadata: rest });
        });
        return {};
      },
    }),
  ];
}

async function extend(cinder: Cinder, call: Call, id: string, toGb: number): Promise<void> {
  await cinder.store.write(async (tx) => {
    const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id });
    const { status, sizeGb, projectId, host } = volume;
    const isLive = status === 'in-use' && call.version.atLeast('3.42');
    if (isLive) call.enforce('volume:extend_attached_volume', { project_id: projectId });
    if ((status !== 'available' && !isLive) || host === undefined)
      throw invalidVolume(
        `Volume ${id} status must be '${isLive ? 'in-use' : 'available'}' to extend, but it is ${status}.`,
      );
    if (toGb <= sizeGb)
      throw invalidInput(
        `New size for extend must be greater than current size. (current: ${sizeGb}, extended: ${toGb}).`,
      );
    await checkSize(cinder, tx, projectId, toGb);
    await cinder.quotas.take(tx, projectId, growthAmounts(toGb - sizeGb, await typeName(tx, volume.typeId)));
    await allocate(tx, host, toGb - sizeGb);
    await change(cinder, tx, volumes, { id, status: 'extending', previousStatus: status });
    const input = { volumeId: id, fromGb: sizeGb, toGb };
    startTask(cinder, tx, { kind: EXTEND_VOLUME, input, resource: `volume/${id}`, call });
  });
}

async function revert(cinder: Cinder, call: Call, id: string, snapshotId: string): Promise<void> {
  await cinder.store.write(async (tx) => {
    const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id });
    const [latest] = (await snapshots.by(tx, 'volume', id)).sort((a, b) => b.createdAtMs - a.createdAtMs);
    if (latest === undefined) throw badRequest(`Volume ${id} doesn't have any snapshots.`);
    if (latest.id !== snapshotId)
      throw badRequest(`Specified snapshot ${snapshotId} is None or not the latest one of volume ${id}.`);
    if (volume.sizeGb !== latest.sizeGb)
      throw badRequest(
        `Can't revert volume ${id} to its latest snapshot ${snapshotId}. The volume size must be equal to the snapshot size.`,
      );
    if (volume.status !== 'available' || latest.status !== 'available')
      throw conflict(
        `Volume and snapshot must be available to revert: they are ${volume.status} and ${latest.status}.`,
      );
    await change(cinder, tx, volumes, { id, status: 'reverting', previousStatus: volume.status });
    await change(cinder, tx, snapshots, { id: snapshotId, status: 'restoring' });
    startTask(cinder, tx, { kind: REVERT_VOLUME, input: { volumeId: id, snapshotId }, resource: `volume/${id}`, call });
  });
}

async function retype(cinder: Cinder, call: Call, id: string, asked: Body): Promise<void> {
  const pools = await cinder.hosts.pools();
  await cinder.store.write(async (tx) => {
    const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id });
    const { host, status, typeId, sizeGb, projectId } = volume;
    const type = await getType(tx, asked['new_type'] as string);
    if (!mayUse(type, projectId) && !isAdmin(call))
      throw invalidInput('The volume type cannot be used by this project.');
    if ((status !== 'available' && status !== 'in-use') || host === undefined)
      throw invalidVolume(`Volume ${id} status must be available or in-use to be retyped, but it is ${status}.`);
    if (volume.groupId !== undefined)
      throw invalidVolume(`Volume ${id} must not be part of a group to be retyped: it is in group ${volume.groupId}.`);
    checkEncryption(type);
    if (type.id === typeId) throw badRequest(`New volume type must be different: volume ${id} has it already.`);
    if (status === 'in-use' && isMultiattach(type) !== volume.multiattach)
      throw invalidInput('Changing the multiattach property of a volume that is in use is not allowed.');
    const wish = { type, zone: undefined };
    const here = pools.find((pool) => pool.host === host);
    const { volumes: _, gigabytes: __, ...own } = volumeAmounts(sizeGb, type.name);
    await cinder.quotas.take(tx, projectId, own);
    await change(cinder, tx, volumes, { id, status: 'retyping', previousStatus: status });
    if (here && fits(here, wish)) {
      const input = { volumeId: id, fromTypeId: typeId, toTypeId: type.id };
      startTask(cinder, tx, { kind: RETYPE_VOLUME, input, resource: `volume/${id}`, call });
      return;
    }
    const disabled = await disabledHosts(tx);
    const there = await choose(tx, { ...wish, sizeGb }, { pools, settings: cinder.settings, disabled });
    if (asked['migration_policy'] !== 'on-demand' || status !== 'available' || there === undefined)
      throw badRequest(
        'No host of this type: retyping would have to move the volume (migration_policy on-demand, and not attached).',
      );
    await allocate(tx, there.host, sizeGb);
    await change(cinder, tx, volumes, { id, migrationStatus: 'migrating' });
    const input: MigrateInput = {
      volumeId: id,
      from: host,
      to: there.host,
      snapshotId: newId(cinder),
      toTypeId: type.id,
    };
    await startMigration(cinder, tx, { input, lineage: volume.lineage, call });
  });
}

async function migrate(cinder: Cinder, call: Call, id: string, asked: Body): Promise<void> {
  if (typeof asked['cluster'] === 'string') throw badRequest('There are no clusters of hosts: name a host.');
  const to = String(asked['host'] ?? '').split('@')[0] as string;
  if (!cinder.hosts.has(to)) throw badRequest(`No available service named '${to.slice(0, 64)}'.`);
  const pools = await cinder.hosts.pools();
  await cinder.store.write(async (tx) => {
    const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id });
    const { host, status, sizeGb, typeId } = volume;
    const open = await attachments.by(tx, 'volume', id);
    if (status !== 'available' || open.length > 0 || host === undefined)
      throw invalidVolume(
        `Volume ${id} status must be available and it must not be attached to be migrated, but it is ${status}.`,
      );
    if (volume.groupId !== undefined)
      throw invalidVolume(`Volume ${id} must not be part of a group to be migrated: it is in group ${volume.groupId}.`);
    if (host === to) throw invalidVolume(`Destination host must be different from the current host.`);
    // A host that is switched off takes what an administrator sends there.
    const wish = { sizeGb, type: await getType(tx, typeId), zone: undefined, onlyHost: to };
    const choice = await choose(tx, wish, { pools, settings: cinder.settings, disabled: new Set() });
    if (choice === undefined) throw badRequest(`Host ${to} cannot take the volume.`);
    await allocate(tx, to, sizeGb);
    await change(cinder, tx, volumes, {
      id,
      status: 'maintenance',
      migrationStatus: 'migrating',
      previousStatus: status,
    });
    const input: MigrateInput = { volumeId: id, from: host, to, snapshotId: newId(cinder) };
    await startMigration(cinder, tx, { input, lineage: volume.lineage, call });
  });
}

async function resetStatus(cinder: Cinder, call: Call, id: string, asked: Body): Promise<void> {
  const lower = (name: string): string | undefined => (asked[name] as string | null | undefined)?.toLowerCase();
  const [status, attachStatus, migrationStatus] = ['status', 'attach_status', 'migration_status'].map(lower);
  if (!status && !attachStatus && !migrationStatus)
    throw badRequest("Must specify 'status', 'attach_status' or 'migration_status' for update.");
  await cinder.store.write(async (tx) => {
    await owned(tx, call, { rows: volumes, what: 'Volume', id });
    if (attachStatus === 'detached') {
      for (const one of await attachments.by(tx, 'volume', id)) await attachments.remove(tx, one.id);
    }
    const moved = migrationStatus === 'none' ? undefined : migrationStatus;
    const migrated = migrationStatus ? { migrationStatus: moved } : {};
    await change(cinder, tx, volumes, { id, ...(status ? { status } : {}), ...migrated });
  });
}
