/**
 * What a creation asks for becomes a row: its source, type, size, zone and host, its cost, its lineage, and the task that makes
 * it. All in one transaction, so what is promised is there or nothing is.
 */
import type { WriteTx } from '../../../control/contract.ts';
import type { Call } from '../../../control/service/types.ts';
import { owned, projectOf } from '../api/shared.ts';
import { type Cinder, newId, startTask } from '../cinder.ts';
import { badRequest, invalidBackup, invalidGroup, invalidInput, invalidSnapshot, invalidVolume } from '../refusals.ts';
import {
  backups,
  type GroupRow,
  groups,
  LINEAGES,
  snapshots,
  type TypeRow,
  type VolumeRow,
  volumes,
  type Words,
} from '../tables.ts';
import { CREATE_VOLUME, type CreateInput } from '../tasks/create-volume.ts';
import type { Pool } from './hosts.ts';
import { addMessage } from './messages.ts';
import { volumeAmounts } from './quota-amounts.ts';
import { allocate, choose, disabledHosts, hostsOf, isMultiattach } from './scheduler.ts';
import { checkSize } from './sizes.ts';
import { defaultType, getType, mayUse } from './types.ts';

export interface NewVolume {
  readonly name: string | null;
  readonly description: string | null;
  readonly sizeGb: number | undefined;
  readonly typeName: string | undefined;
  readonly zone: string | undefined;
  readonly metadata: Words;
  readonly snapshotId?: string | undefined;
  readonly sourceVolumeId?: string | undefined;
  readonly backupId?: string | undefined;
  readonly sameHost?: readonly string[] | undefined;
  readonly differentHost?: readonly string[] | undefined;
  readonly groupId?: string | undefined;
}

export interface Making {
  readonly call: Call;
  readonly asked: NewVolume;
  readonly pools: readonly Pool[];
  /** False for a volume that a restore will make. */
  readonly task?: boolean;
  /** That is being made with it; else the one of `asked` is looked up. */
  readonly group?: GroupRow;
}

/** What it is made of. */
interface Source {
  readonly sizeGb: number;
  readonly lineage: string;
  readonly typeId?: string | undefined;
  readonly onlyHost?: string | undefined;
  readonly bootable?: boolean | undefined;
  readonly imageMetadata?: Words | undefined;
  readonly from: NonNullable<CreateInput['source']>;
}

export async function putVolume(cinder: Cinder, tx: WriteTx, making: Making): Promise<VolumeRow> {
  const { call, asked, pools, task = true } = making;
  const projectId = projectOf(call);
  const source = await findSource(tx, call, asked);
  const type = await typeFor(tx, projectId, asked, source);
  checkEncryption(type);
  const group = making.group ?? (await groupFor(tx, call, asked, type));
  const sizeGb = asked.sizeGb ?? source?.sizeGb;
  if (sizeGb === undefined) throw invalidInput('Volume size must be given.');
  if (source && sizeGb < source.sizeGb)
    throw invalidInput(`Size of specified volume ${sizeGb}GB is smaller than its source's ${source.sizeGb}GB.`);
  await checkSize(cinder, tx, projectId, sizeGb);
  const id = newId(cinder);
  const hints = await hintedHosts(tx, asked);
  const disabled = await disabledHosts(tx);
  const zone = group?.zone ?? asked.zone;
  const wish = { sizeGb, type, zone, onlyHost: source?.onlyHost, ...hints, ...(group && besides(hints, group)) };
  const origin = asked.backupId === undefined ? {} : { src_backup_id: asked.backupId };
  const metadata = { ...asked.metadata, ...origin };
  const choice = await choose(tx, wish, { pools, settings: cinder.settings, disabled });
  await cinder.quotas.take(tx, projectId, volumeAmounts(sizeGb, type.name));
  if (choice) await allocate(tx, choice.host, sizeGb);
  const volume = await volumes.put(tx, {
    ...{ id, projectId, userId: call.credentials.userId, name: asked.name, description: asked.description, sizeGb },
    ...{ host: choice?.host, zone: choice?.zone ?? zone ?? cinder.settings.zone, typeId: type.id, groupId: group?.id },
    ...{ status: choice ? 'creating' : 'error', createdAtMs: cinder.clock.nowMs(), metadata },
    ...{ imageMetadata: source?.imageMetadata ?? {}, bootable: source?.bootable ?? false, readOnly: false },
    ...{ snapshotId: asked.snapshotId, sourceVolumeId: asked.sourceVolumeId, backupId: asked.backupId },
    ...{ multiattach: isMultiattach(type), lineage: await lineageFor(tx, { id, projectId, source }) },
  });
  if (choice === undefined) {
    await addMessage(tx, cinder, { event: 'schedule', projectId, resourceId: id, requestId: call.requestId });
  } else if (task) {
    const input: CreateInput = { volumeId: id, ...(source && { source: source.from }) };
    startTask(cinder, tx, { kind: CREATE_VOLUME, input, resource: `volume/${id}`, call });
  }
  return volume;
}

/** A type that asks for what no volume can have would be a promise. */
export function checkEncryption({ name, encryption }: TypeRow): void {
  if (encryption === undefined) return;
  throw badRequest(
    `Volume type ${name} asks for encryption by ${encryption.provider}, but there is no key manager here that could keep a volume's key: no volume of an encrypted type can be made.`,
  );
}

async function groupFor(tx: WriteTx, call: Call, asked: NewVolume, type: TypeRow): Promise<GroupRow | undefined> {
  if (asked.groupId === undefined) return undefined;
  const group = await owned(tx, call, { rows: groups, what: 'Group', id: asked.groupId });
  if (group.projectId !== projectOf(call)) throw invalidInput('The group belongs to another project.');
  if (group.status !== 'available' && group.status !== 'creating')
    throw invalidGroup("Originating group status must be one of 'available, creating' values");
  if (asked.typeName === undefined)
    throw invalidInput('volume_type must be provided when creating a volume in a group.');
  if (!group.typeIds.includes(type.id))
    throw invalidInput(`Invalid volume_type provided: ${type.name} (requested type must be supported by this group).`);
  if (asked.zone !== undefined && asked.zone !== group.zone)
    throw invalidInput(`Availability zone '${asked.zone}' is not the group's, which is '${group.zone}'.`);
  return group;
}

/** All volumes of a group are on its host. */
function besides({ sameHosts }: { readonly sameHosts?: readonly string[] }, { host }: GroupRow) {
  return { sameHosts: [host ?? ''].filter((one) => sameHosts === undefined || sameHosts.includes(one)) };
}

/** A family of volumes in one project shares the chunks of its snapshots; in another project a new family begins. */
async function lineageFor(
  tx: WriteTx,
  { id, projectId, source }: { id: string; projectId: string; source: Source | undefined },
): Promise<string> {
  if (source && (await tx.get(LINEAGES, source.lineage))?.projectId === projectId) return source.lineage;
  tx.put(LINEAGES, id, { projectId });
  return id;
}

async function findSource(tx: WriteTx, call: Call, asked: NewVolume): Promise<Source | undefined> {
  const { snapshotId, sourceVolumeId, backupId } = asked;
  if ([snapshotId, sourceVolumeId, backupId].filter((one) => one !== undefined).length > 1)
    throw invalidInput('Only one of snapshot_id, source_volid and backup_id can be given.');
  if (snapshotId !== undefined) return fromSnapshot(tx, call, snapshotId);
  if (sourceVolumeId !== undefined) return fromVolume(tx, call, sourceVolumeId);
  return backupId === undefined ? undefined : fromBackup(tx, call, backupId);
}

async function fromSnapshot(tx: WriteTx, call: Call, id: string): Promise<Source> {
  const snapshot = await owned(tx, call, { rows: snapshots, what: 'Snapshot', id });
  if (snapshot.status !== 'available')
    throw invalidSnapshot(`Originating snapshot status must be one of 'available' values, not '${snapshot.status}'.`);
  const { sizeGb, lineage, typeId, volumeId } = snapshot;
  const volume = await volumes.get(tx, volumeId);
  const about = { bootable: volume?.bootable, imageMetadata: volume?.imageMetadata };
  return { sizeGb, lineage, typeId, ...about, from: { snapshot: { lineage, snapshot: id } } };
}

async function fromVolume(tx: WriteTx, call: Call, id: string): Promise<Source> {
  const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id });
  const { status, sizeGb, lineage, typeId, host, bootable, imageMetadata } = volume;
  if ((status !== 'available' && status !== 'in-use') || host === undefined)
    throw invalidVolume(`Source volume status must be available or in-use, but it is ${status}.`);
  // Copied from file to file, on one host.
  return { sizeGb, lineage, typeId, onlyHost: host, bootable, imageMetadata, from: { volume: id } };
}

async function fromBackup(tx: WriteTx, call: Call, id: string): Promise<Source> {
  const backup = await owned(tx, call, { rows: backups, what: 'Backup', id });
  if (backup.status !== 'available')
    throw invalidBackup(`Backup status must be available to create a volume from it, but it is ${backup.status}.`);
  const { sizeGb, lineage } = backup;
  return { sizeGb, lineage, from: { snapshot: { lineage, snapshot: id } } };
}

async function typeFor(
  tx: WriteTx,
  projectId: string,
  { typeName }: NewVolume,
  source: Source | undefined,
): Promise<TypeRow> {
  if (typeName === undefined && source?.typeId !== undefined) return getType(tx, source.typeId);
  if (typeName === undefined) return defaultType(tx, projectId);
  const type = await getType(tx, typeName);
  if (!mayUse(type, projectId)) throw invalidInput(`Volume type ${typeName} cannot be used by this project.`);
  return type;
}

async function hintedHosts(tx: WriteTx, { sameHost, differentHost }: NewVolume) {
  const find = (ids: readonly string[]) => Promise.all(ids.map((id) => volumes.get(tx, id)));
  return {
    ...(sameHost && sameHost.length > 0 && { sameHosts: hostsOf(await find(sameHost)) }),
    ...(differentHost && { otherHosts: hostsOf(await find(differentHost)) }),
  };
}
