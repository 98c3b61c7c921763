/** Volumes as clients see them, by microversion and by who looks. */
import type { ReadTx } from '../../../control/contract.ts';
import type { Call } from '../../../control/service/types.ts';
import type { Cinder } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import { uuidOf } from '../model/uuid-of.ts';
import { type AttachmentRow, attachments, types, type VolumeRow } from '../tables.ts';
import { type Body, isAdmin } from './shared.ts';

/** A volume with what its view needs beside the row. */
export interface VolumeParts {
  readonly volume: VolumeRow;
  readonly typeName: string | null;
  readonly attached: readonly AttachmentRow[];
}

export async function volumeParts(tx: ReadTx, rows: readonly VolumeRow[]): Promise<VolumeParts[]> {
  const names = new Map((await types.all(tx)).map(({ id, name }) => [id, name]));
  return Promise.all(
    rows.map(async (volume) => ({
      volume,
      typeName: names.get(volume.typeId) ?? null,
      attached: (await attachments.by(tx, 'volume', volume.id)).filter(({ status }) => status === 'attached'),
    })),
  );
}

/** With the project where the request's own address has it. */
export function volumeLinks(call: Call, id: string, kind = 'volumes') {
  const { projectId } = call.credentials;
  const at = call.path.startsWith(`/v3/${projectId}/`) ? `/${projectId}/${kind}/${id}` : `/${kind}/${id}`;
  return [
    { rel: 'self', href: call.url(`/v3${at}`) },
    { rel: 'bookmark', href: call.url(at) },
  ];
}

export const showVolumeBrief = (call: Call, { volume: { id, name } }: VolumeParts): Body => ({
  id,
  name,
  links: volumeLinks(call, id),
});

/** As the answers to creation and update have it: without attributes, which are there where volumes are shown and listed. */
export function showMadeVolume(call: Call, { volume, typeName, attached }: VolumeParts): Body {
  const { version } = call;
  const admin = isAdmin(call);
  const { imageMetadata } = volume;
  return {
    ...{ id: volume.id, status: volume.status, size: volume.sizeGb, availability_zone: volume.zone },
    ...{ created_at: isoTime(volume.createdAtMs), updated_at: isoTime(volume.updatedAtMs) },
    ...{ name: volume.name, description: volume.description, volume_type: typeName },
    ...{ snapshot_id: volume.snapshotId ?? null, source_volid: volume.sourceVolumeId ?? null },
    ...{
      metadata: { ...volume.metadata, ...volume.visibleMetadata },
      links: volumeLinks(call, volume.id),
      user_id: volume.userId,
    },
    ...{ bootable: String(volume.bootable), encrypted: false, replication_status: null },
    ...{ consistencygroup_id: null, multiattach: volume.multiattach },
    attachments: attached.map((one) => showAttached(one, admin)),
    ...(admin && { migration_status: volume.migrationStatus ?? null }),
    ...(version.atLeast('3.13') && { group_id: volume.groupId ?? null }),
    ...(admin && version.atLeast('3.21') && { provider_id: null }),
    ...(version.atLeast('3.48') && { shared_targets: false, service_uuid: serviceUuid(volume.host) }),
    ...(admin && version.atLeast('3.61') && { cluster_name: null }),
    ...(version.atLeast('3.63') && { volume_type_id: volume.typeId }),
    ...(version.atLeast('3.65') && { consumes_quota: true }),
    ...(Object.keys(imageMetadata).length > 0 && { volume_image_metadata: imageMetadata }),
  };
}

export function showVolume({ hosts }: Cinder, call: Call, parts: VolumeParts): Body {
  const { volume } = parts;
  const target = { project_id: volume.projectId };
  return {
    ...showMadeVolume(call, parts),
    ...(call.allows('volume_extension:volume_host_attribute', target) && {
      'os-vol-host-attr:host': volume.host === undefined ? null : hosts.fullName(volume.host),
    }),
    ...(call.allows('volume_extension:volume_tenant_attribute', target) && {
      'os-vol-tenant-attr:tenant_id': volume.projectId,
    }),
    ...(call.allows('volume_extension:volume_mig_status_attribute', target) && {
      'os-vol-mig-status-attr:migstat': volume.migrationStatus ?? null,
      'os-vol-mig-status-attr:name_id': null,
    }),
  };
}

/** Of the service on its host: the same for all volumes there, which clients lock by. */
function serviceUuid(host: string | undefined): string | null {
  return host === undefined ? null : uuidOf(`service\0${host}`);
}

function showAttached(one: AttachmentRow, admin: boolean): Body {
  return {
    ...{ id: one.volumeId, attachment_id: one.id, volume_id: one.volumeId, server_id: one.instanceId ?? null },
    ...{ host_name: admin ? (one.hostName ?? null) : null, device: one.mountpoint ?? null },
    attached_at: isoTime(one.attachedAtMs),
  };
}
