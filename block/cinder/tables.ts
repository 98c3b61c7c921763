/**
 * What Cinder's controller remembers: the rows of its tables, one interface each. A row says what is true or what a task is
 * making true; every change of a status and the task that ends it are one transaction. Bytes and files are the hosts' business.
 * Sizes are GiB, times Unix ms.
 */
import { defineTable } from '../../control/contract.ts';
import type { SnapshotPlace, VolumeLimits } from '../volumes/contract.ts';
import { Collection } from './model/collection.ts';

export type Words = Readonly<Record<string, string>>;

export interface VolumeRow {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly sizeGb: number;
  /** As Cinder names them; those of STUCK_NEVER (states.ts) belong to a task. */
  readonly status: string;
  /** To go back to when an action is refused. */
  readonly previousStatus?: string | undefined;
  /** Absent where no host could take it. */
  readonly host?: string | undefined;
  readonly zone: string;
  readonly typeId: string;
  readonly createdAtMs: number;
  readonly updatedAtMs?: number | undefined;
  readonly metadata: Words;
  readonly imageMetadata: Words;
  /** `readonly` and `attached_mode`, which are shown among the metadata. */
  readonly visibleMetadata?: Words | undefined;
  readonly snapshotId?: string | undefined;
  readonly sourceVolumeId?: string | undefined;
  readonly backupId?: string | undefined;
  readonly multiattach: boolean;
  readonly readOnly: boolean;
  readonly bootable: boolean;
  readonly migrationStatus?: string | undefined;
  /** Of the snapshots to come: volumes of one family in one project share it. */
  readonly lineage: string;
  readonly groupId?: string | undefined;
}

export interface SnapshotRow {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  readonly volumeId: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly sizeGb: number;
  readonly status: string;
  readonly progress: string;
  readonly host: string;
  readonly typeId: string;
  readonly createdAtMs: number;
  readonly updatedAtMs?: number | undefined;
  readonly metadata: Words;
  readonly lineage: string;
  readonly groupSnapshotId?: string | undefined;
}

export interface BackupRow {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  readonly volumeId: string;
  readonly snapshotId?: string | undefined;
  readonly name: string | null;
  readonly description: string | null;
  readonly sizeGb: number;
  readonly status: string;
  readonly failReason?: string | undefined;
  readonly isIncremental: boolean;
  readonly host: string;
  readonly zone: string | null;
  readonly container: string;
  readonly objectCount: number;
  readonly createdAtMs: number;
  readonly updatedAtMs?: number | undefined;
  /** Of the bytes: its snapshot's, or its own. */
  readonly dataAtMs: number;
  readonly metadata: Words;
  readonly lineage: string;
}

export interface AttachmentRow {
  readonly id: string;
  readonly volumeId: string;
  readonly projectId: string;
  readonly instanceId?: string | undefined;
  readonly hostName?: string | undefined;
  readonly mountpoint?: string | undefined;
  /** reserved, attaching, attached, detaching, error_attaching, error_detaching. */
  readonly status: string;
  readonly mode: 'rw' | 'ro';
  readonly connector?: Readonly<Record<string, unknown>> | undefined;
  /** As clients see it, secrets included. */
  readonly connection?: Readonly<Record<string, unknown>> | undefined;
  readonly attachedAtMs?: number | undefined;
  readonly createdAtMs: number;
}

/** What os-initialize_connection opened at a host, until os-terminate_connection. */
export interface ConnectionRow {
  readonly id: string;
  readonly volumeId: string;
  readonly connector: Readonly<Record<string, unknown>>;
  readonly connection?: Readonly<Record<string, unknown>> | undefined;
}

export interface TypeRow {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly isPublic: boolean;
  readonly extraSpecs: Words;
  readonly qosId?: string | undefined;
  /** Projects that may use one that is not public. */
  readonly projects: readonly string[];
  readonly createdAtMs: number;
  readonly updatedAtMs?: number | undefined;
  /** No volume of such a type can be made: there is no key manager. */
  readonly encryption?: TypeEncryption | undefined;
}

/** What a type asks of its volumes' encryption, by Cinder's names. */
export interface TypeEncryption {
  readonly encryption_id: string;
  readonly provider: string;
  readonly control_location: string;
  readonly cipher: string | null;
  /** Bits. */
  readonly key_size: number | null;
  readonly createdAtMs: number;
  readonly updatedAtMs?: number | undefined;
}

export interface GroupTypeRow {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly isPublic: boolean;
  readonly specs: Readonly<Record<string, string | null>>;
  readonly createdAtMs: number;
  readonly updatedAtMs?: number | undefined;
}

/** Volumes on one host that are created, snapshotted and deleted together. */
export interface GroupRow {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  readonly name: string | null;
  readonly description: string | null;
  /** available, error, error_deleting; creating and deleting belong to a task. */
  readonly status: string;
  /** Absent where no host could take it. */
  readonly host?: string | undefined;
  readonly zone: string;
  readonly groupTypeId: string;
  /** Types that its volumes may have. */
  readonly typeIds: readonly string[];
  readonly groupSnapshotId?: string | undefined;
  readonly sourceGroupId?: string | undefined;
  readonly createdAtMs: number;
  readonly updatedAtMs?: number | undefined;
}

export interface GroupSnapshotRow {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  readonly groupId: string;
  readonly groupTypeId: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly status: string;
  readonly createdAtMs: number;
  readonly updatedAtMs?: number | undefined;
}

export interface QosRow {
  readonly id: string;
  readonly name: string;
  readonly consumer: string;
  readonly specs: Words;
  readonly createdAtMs: number;
}

export interface TransferRow {
  readonly id: string;
  readonly volumeId: string;
  readonly projectId: string;
  readonly name: string | null;
  readonly salt: string;
  readonly authHash: string;
  readonly noSnapshots: boolean;
  readonly createdAtMs: number;
  readonly destinationProjectId?: string | undefined;
  readonly accepted: boolean;
}

export interface MessageRow {
  readonly id: string;
  readonly projectId: string;
  readonly requestId: string | null;
  readonly resourceType: string;
  readonly resourceId: string;
  readonly eventId: string;
  readonly level: string;
  readonly text: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export interface ServiceRow {
  /** binary/host */
  readonly id: string;
  readonly disabled: boolean;
  readonly reason: string | null;
  readonly updatedAtMs: number;
}

/** What a task makes at hosts for its own time: cleared away once the task has ended, however it ended. */
export interface LeftoverRow {
  readonly id: string;
  readonly taskId: string;
  readonly host: string;
  /** Its files at that host, unless they are a volume's that lives there. */
  readonly volumeId?: string;
  /** Unless it is somebody's snapshot or backup. */
  readonly place?: SnapshotPlace;
}

export const volumes = new Collection<VolumeRow>('volume.volumes', {
  project: (row) => row.projectId,
  host: (row) => row.host,
  type: (row) => row.typeId,
  snapshot: (row) => row.snapshotId,
  backup: (row) => row.backupId,
  group: (row) => row.groupId,
});
export const snapshots = new Collection<SnapshotRow>('volume.snapshots', {
  project: (row) => row.projectId,
  volume: (row) => row.volumeId,
  group: (row) => row.groupSnapshotId,
});
export const groupTypes = new Collection<GroupTypeRow>('volume.group_types', { name: (row) => row.name });
export const groups = new Collection<GroupRow>('volume.groups', {
  project: (row) => row.projectId,
  type: (row) => row.groupTypeId,
  snapshot: (row) => row.groupSnapshotId,
  group: (row) => row.sourceGroupId,
});
export const groupSnapshots = new Collection<GroupSnapshotRow>('volume.group_snapshots', {
  project: (row) => row.projectId,
  group: (row) => row.groupId,
});
export const backups = new Collection<BackupRow>('volume.backups', {
  project: (row) => row.projectId,
  volume: (row) => row.volumeId,
});
export const attachments = new Collection<AttachmentRow>('volume.attachments', {
  project: (row) => row.projectId,
  volume: (row) => row.volumeId,
});
export const connections = new Collection<ConnectionRow>('volume.connections', { volume: (row) => row.volumeId });
export const types = new Collection<TypeRow>('volume.types', { name: (row) => row.name, qos: (row) => row.qosId });
export const qosSpecs = new Collection<QosRow>('volume.qos', { name: (row) => row.name });
export const transfers = new Collection<TransferRow>('volume.transfers', {
  project: (row) => row.projectId,
  volume: (row) => row.volumeId,
});
export const messages = new Collection<MessageRow>('volume.messages', { project: (row) => row.projectId });
export const leftovers = new Collection<LeftoverRow>('volume.leftovers', { task: (row) => row.taskId });
export const services = new Collection<ServiceRow>('volume.services', {});

/** Host to GiB promised to volumes there, exact in the transaction that puts or takes a volume. */
export const ALLOCATED = defineTable<{ readonly gigabytes: number }>('volume.allocated');
/** Project to the type of its new volumes. */
export const DEFAULT_TYPES = defineTable<{ readonly typeId: string }>('volume.default_types');
/** Lineage to the project whose chunks it holds: never two. */
export const LINEAGES = defineTable<{ readonly projectId: string }>('volume.lineages');

export const NO_LIMITS: VolumeLimits = {};
