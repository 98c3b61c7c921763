/**
 * What the rest of the cluster asks of a host's volume engine. A volume is one directory: a plain raw file with the guest's
 * bytes, a qcow2 that only keeps dirty bitmaps between runs, and a state file. It is served by one detached daemon, which
 * outlives the agent that holds this engine. The engine knows nothing of projects, quotas or where snapshots are stored.
 * Every method may throw `Fault` with a code of `engineFaults`; calls for one volume run one after another.
 */

export const TRANSPORTS = { unix: 'unix', tcp: 'tcp', vhostUserBlk: 'vhost-user-blk' } as const;
export type Transport = (typeof TRANSPORTS)[keyof typeof TRANSPORTS];

/** Limits of one volume over all its attachments; an absent field is unlimited. Bytes and operations a second. */
export interface VolumeLimits {
  readonly iopsTotal?: number;
  readonly iopsRead?: number;
  readonly iopsWrite?: number;
  readonly bytesTotal?: number;
  readonly bytesRead?: number;
  readonly bytesWrite?: number;
}

export interface VolumePlace {
  /** 1–64 characters of [A-Za-z0-9_-]; a UUID as a rule. */
  readonly id: string;
  /** The volume's own directory, absolute; made by `create`, emptied by `remove`. */
  readonly dir: string;
}

export interface VolumeSpec extends VolumePlace {
  /** A multiple of 4096. */
  readonly sizeBytes: number;
  readonly limits?: VolumeLimits;
  /** What one dirty bit stands for: a power of two, 64 KiB to 4 MiB; 64 KiB where absent. */
  readonly granularityBytes?: number;
}

export interface AttachOptions {
  /** The export's name as well; 1–64 characters of [A-Za-z0-9_-]. Attaching again under the same id gives the same answer. */
  readonly attachmentId: string;
  readonly transport: Transport;
  readonly readOnly?: boolean;
  /** tcp: the pre-shared key as 64 hex digits; drawn where absent. */
  readonly secretHex?: string;
}

export interface Attachment {
  readonly attachmentId: string;
  readonly transport: Transport;
  readonly readOnly: boolean;
  /** nbd+unix:///NAME?socket=PATH, nbds://IDENTITY@HOST:PORT/NAME, or unix:PATH of the vhost-user socket. */
  readonly uri: string;
  readonly sizeBytes: number;
  /** tcp: TLS with this pre-shared key; the identity is the attachment's id. */
  readonly secretHex?: string;
}

export interface SnapshotHandle {
  readonly snapshotId: string;
  /** Read-only NBD export of the volume as it was at the moment of the snapshot. */
  readonly exportUri: string;
  readonly sizeBytes: number;
  /** The meta context of what changed since `baseSnapshotId`; both absent: nothing is known, read everything. */
  readonly dirtyContext?: string;
  readonly baseSnapshotId?: string;
  readonly reservedBytes: number;
}

export interface SnapshotOptions {
  /** 1–64 characters of [A-Za-z0-9_-]. */
  readonly snapshotId: string;
  /** Space for bytes that the guest overwrites while the snapshot is open; a sixteenth of the volume where absent. */
  readonly reserveBytes?: number;
}

export const SNAPSHOT_STATES = { none: 'none', open: 'open', failed: 'failed' } as const;

export interface SnapshotStatus {
  readonly state: (typeof SNAPSHOT_STATES)[keyof typeof SNAPSHOT_STATES];
  readonly snapshotId?: string;
  /** Space reserved for the bytes that the guest overwrites meanwhile, and what of it is used. */
  readonly reservedBytes: number;
  readonly usedBytes: number;
  /** A code of `engineFaults`: why it is lost. It stays until `endSnapshot`. */
  readonly failure?: string;
}

/** Where a volume is filled from: a read-only NBD export that stays the same until it is filled. */
export interface FillSource {
  readonly endpoint: { readonly path: string } | { readonly host: string; readonly port: number };
  readonly exportName: string;
}

export const FILL_STATES = { none: 'none', filling: 'filling' } as const;

export interface FillStatus {
  readonly state: (typeof FILL_STATES)[keyof typeof FILL_STATES];
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** The last attempt's error; the next one follows by itself. */
  readonly lastError?: string;
}

export const VOLUME_PHASES = { lazy: 'lazy', ready: 'ready', filling: 'filling' } as const;
export type VolumePhase = (typeof VOLUME_PHASES)[keyof typeof VOLUME_PHASES];

export interface VolumeStatus {
  readonly id: string;
  readonly sizeBytes: number;
  /** lazy: no files yet. filling: usable, a part of the bytes is still read from the source. */
  readonly phase: VolumePhase;
  readonly running: boolean;
  /** Of the raw file and whatever lies beside it; 0 for a lazy volume. */
  readonly allocatedBytes: number;
  readonly limits: VolumeLimits;
  readonly attachments: readonly Attachment[];
  readonly snapshot: SnapshotStatus;
  readonly fill: FillStatus;
  /** The snapshot that the next one will be incremental to. */
  readonly baseSnapshotId?: string;
  readonly daemonPid?: number;
  /** How often the daemon was started again after it died. */
  readonly restarts: number;
  readonly lastError?: string;
}

export type EngineEvent =
  | { readonly type: 'daemon-died' | 'daemon-back' | 'fill-done'; readonly id: string }
  | { readonly type: 'restart-failed' | 'fill-failed'; readonly id: string; readonly reason: string }
  | { readonly type: 'snapshot-failed'; readonly id: string; readonly snapshotId: string; readonly failure: string };

export interface VolumeEngine {
  /** Writes the volume's state; its files come with the first attachment. */
  create(spec: VolumeSpec): Promise<void>;
  /**
   * Takes over a volume that an earlier agent made: finds its daemon again or starts it if it should run, finishes or undoes
   * what was under way. Called once for each volume when the agent starts.
   */
  adopt(place: VolumePlace): Promise<VolumeStatus>;
  status(id: string): Promise<VolumeStatus>;
  attach(id: string, options: AttachOptions): Promise<Attachment>;
  /** Ends the attachment's connections at once; no error if there is none of that id. */
  detach(id: string, attachmentId: string): Promise<void>;
  /** Saves the bitmap and ends the daemon. Refused while there are attachments, an open snapshot or a fill. */
  close(id: string): Promise<void>;
  /** Grows the volume. Refused during a snapshot or a fill. Attached clients see a short break and reconnect. */
  resize(id: string, sizeBytes: number): Promise<void>;
  setLimits(id: string, limits: VolumeLimits): Promise<void>;
  /** Ends everything that serves the volume and removes its files. Refused while there are attachments. */
  remove(id: string): Promise<void>;

  /**
   * A point in time while the guest goes on. At most one at a time; asking again for the same id gives the same answer.
   * The reserve is taken at once (`noSpace` if it is not there). When it runs low the snapshot fails, never the guest's
   * write.
   */
  beginSnapshot(id: string, options: SnapshotOptions): Promise<SnapshotHandle>;
  snapshotStatus(id: string): Promise<SnapshotStatus>;
  /**
   * After the last byte was read and before anything read is published: whether the export was true up to now. A snapshot
   * that has failed goes on to be readable for a moment, and what it shows then is torn. Throws `snapshotSpace` or
   * `snapshotLost`.
   */
  verifySnapshot(id: string, snapshotId: string): Promise<void>;
  /**
   * keep: the next snapshot is incremental to this one; otherwise to the one before, as if this had never been. `baseKept`:
   * whether the next one will be incremental to this one (not after a crash: it will read everything, or from an older base).
   * No error for a snapshot that has ended already.
   */
  endSnapshot(
    id: string,
    options: { readonly snapshotId: string; readonly keep: boolean },
  ): Promise<{ readonly baseKept: boolean }>;
  /** The next snapshot reads everything. */
  forgetBase(id: string): Promise<void>;

  /** A new volume that serves the source's bytes at once and is filled in the background. */
  startFrom(spec: VolumeSpec, source: FillSource): Promise<void>;
  /** The source has moved; the fill and pending reads go on from there. Clients see a short break and reconnect. */
  setSource(id: string, source: FillSource): Promise<void>;
  fillStatus(id: string): Promise<FillStatus>;
  /**
   * A copy of the volume at this moment, as a new volume on the same host; returns when it stands on its own. When the agent
   * dies before, the target is there, still being filled from nowhere: remove it.
   */
  clone(id: string, target: VolumePlace): Promise<void>;

  /** Lets go of everything and leaves the daemons running, for the next agent to adopt. */
  release(): Promise<void>;
}

export const engineFaults = {
  noVolume: 'NoSuchVolume',
  exists: 'VolumeExists',
  badRequest: 'BadVolumeRequest',
  attached: 'VolumeAttached',
  /** A snapshot is open; end it first. */
  snapshotOpen: 'SnapshotOpen',
  noSnapshot: 'NoSuchSnapshot',
  /** The daemon died, or the host: the moment of the snapshot is gone. Take another. */
  snapshotLost: 'SnapshotLost',
  /** The space for overwritten bytes ran low: the snapshot was given up, the guest was not disturbed. */
  snapshotSpace: 'SnapshotSpace',
  /** The volume is still being filled. */
  filling: 'VolumeFilling',
  shrink: 'VolumeShrink',
  noSpace: 'NoSpace',
  /** The state file is damaged or from a later version. */
  badState: 'BadVolumeState',
  /** The daemon refused a command; `details.reason` is its text. */
  refused: 'DaemonRefused',
  /** The daemon does not answer or cannot be started. */
  unavailable: 'DaemonUnavailable',
  /** Too many calls wait for this volume. */
  overloaded: 'Overloaded',
} as const;
