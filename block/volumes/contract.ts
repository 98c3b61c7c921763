/**
 * What may be asked of the volumes of one host: by the `needletail volume` commands and by controllers, over the RPC fabric.
 * Everything that changes is named by an id its caller chose, so that repeating a call after a lost answer is harmless.
 * Sizes are bytes, times Unix ms. Long work goes on behind the answer; `show` and `showSnapshot` tell how far it is.
 */

import type { Attachment, Transport, VolumeLimits } from '../engine/contract.ts';

export { TRANSPORTS } from '../engine/contract.ts';
export type { Attachment, Transport, VolumeLimits };

/** The host's unix socket answers to this name. */
export const VOLUME_SERVICE = 'volumes';

export const VOLUME_STATUSES = ['creating', 'available', 'in-use', 'deleting', 'error'] as const;
export type VolumeStatus = (typeof VOLUME_STATUSES)[number];
export const SNAPSHOT_STATUSES = ['creating', 'available', 'deleting', 'error'] as const;
export type SnapshotStatus = (typeof SNAPSHOT_STATUSES)[number];

/** Sizes are multiples of it. */
export const SIZE_STEP_BYTES = 4096;
export const VOLUME_BYTES_MIN = 1024 * 1024;
/** What a file of ext4 can be. */
export const VOLUME_BYTES_MAX = 16 * 2 ** 40 - 4096;
/** Of one volume, at a time. */
export const ATTACHMENTS_MAX = 32;

/** Where a snapshot is, for anybody who can reach the object store. */
export interface SnapshotPlace {
  readonly lineage: string;
  readonly snapshot: string;
}

export interface CreateVolume {
  readonly id: string;
  readonly name?: string;
  /** At least the source's size. */
  readonly sizeBytes: number;
  /** Of its snapshots. */
  readonly chunkBytes?: number;
  /** Volumes of one lineage share the chunks of their snapshots: never give two tenants the same. A new one by default. */
  readonly lineage?: string;
  readonly source?: { readonly snapshot: SnapshotPlace } | { readonly volume: string };
  readonly limits?: VolumeLimits;
}

export interface AttachVolume {
  readonly id: string;
  readonly attachment: string;
  readonly transport: Transport;
  readonly readOnly?: boolean;
}

export interface VolumeView {
  readonly id: string;
  readonly name: string;
  readonly status: VolumeStatus;
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly lineage: string;
  readonly createdMs: number;
  /** Of the disk; 0 before the first attach. */
  readonly allocatedBytes: number;
  readonly attachments: readonly Attachment[];
  readonly limits: VolumeLimits;
  /** While it is filled from where it came from. */
  readonly fill?: { readonly doneBytes: number; readonly totalBytes: number } | undefined;
  readonly source?: SnapshotPlace | undefined;
  /** Snapshots and backups that are being taken of it. */
  readonly jobs: readonly SnapshotView[];
  readonly error?: string | undefined;
}

export interface SnapshotView extends SnapshotPlace {
  readonly volume: string;
  readonly kind: 'snapshot' | 'backup';
  readonly status: SnapshotStatus;
  readonly name: string;
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly createdMs: number;
  /** What had to be looked at: what changed, by the volume's bitmap, or everything. */
  readonly scan: 'changed' | 'full';
  readonly progress?: { readonly doneBytes: number; readonly totalBytes: number; readonly paused: boolean } | undefined;
  /** Sent to the object store. */
  readonly uploadedBytes: number;
  readonly storedBytes: number;
  readonly parent?: string | undefined;
  readonly error?: string | undefined;
}

export interface TakeSnapshot {
  readonly volume: string;
  readonly snapshot: string;
  readonly name?: string;
  readonly kind?: 'snapshot' | 'backup';
  /** A backup that shares nothing with what is stored already: a lineage of its own. */
  readonly alone?: boolean;
  readonly streams?: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A backup that Cinder wrote, as its metadata tells. */
export interface FoundBackup {
  readonly id: string;
  readonly volume: string;
  readonly name: string;
  readonly createdAt: string;
  readonly parent?: string | undefined;
}

/** One of Cinder's backups becomes one of ours. */
export interface ImportBackup {
  readonly container: string;
  /** Storage account that holds the container; the one that keeps our snapshots by default. It must let us read. */
  readonly account?: string;
  /** Cinder's id. */
  readonly backup: string;
  readonly snapshot: string;
  /** One of its own by default. */
  readonly lineage?: string;
}

export interface HostStatus {
  readonly host: string;
  /** Of the file system that holds the volumes. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Promised to volumes, whether written or not. */
  readonly provisionedBytes: number;
  readonly volumes: number;
  readonly attached: number;
  readonly snapshotsRunning: number;
  /** Why volumes cannot be served here; absent when they can. */
  readonly unfit?: string | undefined;
}

type Call<Args, Answer> = { readonly args: Args; readonly reply: Answer };
type Nothing = Readonly<Record<string, never>>;

export interface VolumeCalls {
  /** Repeating it with the same id gives the volume that is there. */
  createVolume: Call<CreateVolume, VolumeView>;
  volumes: Call<Nothing, { readonly volumes: readonly VolumeView[] }>;
  volume: Call<{ readonly id: string }, VolumeView>;
  /** Snapshots to come belong to this lineage and share nothing with earlier ones: the volume has changed hands. */
  moveVolume: Call<{ readonly id: string; readonly lineage: string }, VolumeView>;
  renameVolume: Call<{ readonly id: string; readonly name: string }, VolumeView>;
  /** Nothing happens when it is gone already. `force`: also with clients and snapshots in work, which are ended. */
  deleteVolume: Call<{ readonly id: string; readonly force?: boolean }, Nothing>;
  extendVolume: Call<{ readonly id: string; readonly sizeBytes: number }, VolumeView>;
  limitVolume: Call<{ readonly id: string; readonly limits: VolumeLimits }, VolumeView>;
  attachVolume: Call<AttachVolume, Attachment>;
  detachVolume: Call<{ readonly id: string; readonly attachment: string }, Nothing>;
  /** The volume's bytes become those of a snapshot; it must not be attached. */
  revertVolume: Call<{ readonly id: string; readonly snapshot: SnapshotPlace }, VolumeView>;

  takeSnapshot: Call<TakeSnapshot, SnapshotView>;
  snapshots: Call<
    { readonly volume?: string; readonly lineage?: string },
    { readonly snapshots: readonly SnapshotView[] }
  >;
  snapshot: Call<SnapshotPlace, SnapshotView>;
  pauseSnapshot: Call<SnapshotPlace & { readonly paused: boolean }, SnapshotView>;
  /** Ends one that is being taken, or forgets one that failed. */
  cancelSnapshot: Call<SnapshotPlace, Nothing>;
  deleteSnapshot: Call<SnapshotPlace, Nothing>;
  checkSnapshot: Call<
    SnapshotPlace,
    { readonly chunks: number; readonly bytes: number; readonly damaged: readonly string[] }
  >;
  /** A read-only export straight from the object store. */
  exportSnapshot: Call<SnapshotPlace, { readonly uri: string }>;
  unexportSnapshot: Call<SnapshotPlace, Nothing>;

  findBackups: Call<
    { readonly container: string; readonly account?: string },
    { readonly backups: readonly FoundBackup[] }
  >;
  importBackup: Call<ImportBackup, SnapshotView>;

  hostStatus: Call<Nothing, HostStatus>;
}

export const volumeFaults = {
  noSuchVolume: 'NoSuchVolume',
  noSuchSnapshot: 'NoSuchSnapshot',
  noSuchAttachment: 'NoSuchAttachment',
  /** Not now: details.reason says what must end first. */
  busy: 'VolumeBusy',
  badRequest: 'BadVolumeRequest',
  /** The volume failed: its error says how. */
  broken: 'VolumeBroken',
  /** This host cannot serve volumes: a program is missing. */
  unfit: 'HostUnfit',
} as const;

/** All of them, by name. */
export const VOLUME_METHODS = Object.keys({
  createVolume: true,
  volumes: true,
  volume: true,
  moveVolume: true,
  renameVolume: true,
  deleteVolume: true,
  extendVolume: true,
  limitVolume: true,
  attachVolume: true,
  detachVolume: true,
  revertVolume: true,
  takeSnapshot: true,
  snapshots: true,
  snapshot: true,
  pauseSnapshot: true,
  cancelSnapshot: true,
  deleteSnapshot: true,
  checkSnapshot: true,
  exportSnapshot: true,
  unexportSnapshot: true,
  findBackups: true,
  importBackup: true,
  hostStatus: true,
} satisfies Record<keyof VolumeCalls, true>) as readonly (keyof VolumeCalls)[];
