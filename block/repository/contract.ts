/**
 * What the rest of block storage sees of the snapshot repository: snapshots of volumes in an object store, incremental to
 * upload and independent to restore or delete. A repository is a container; everything that is needed to list and restore is
 * in it. It knows nothing of volumes' engines, of NBD or of any database: bytes come from a source and go to a sink.
 */

export { repositoryFaults } from './faults.ts';
export type { ListedObject, ObjectClient, PutCondition, StoredObject } from './object-client.ts';

/** Chunk sizes are powers of two. */
export const CHUNK_BYTES_MIN = 64 * 1024;
export const CHUNK_BYTES_MAX = 4 * 1024 * 1024;
export const CHUNK_BYTES_DEFAULT = 256 * 1024;

/** A range of a volume in bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** A range of a snapshot: `data` false reads as zeros. */
export interface AllocatedExtent extends Extent {
  readonly data: boolean;
}

/** Ids are of letters, digits, `.`, `_` and `-`, at most 64 characters: UUIDs as a rule. */
export interface SnapshotRef {
  /** The volumes among which chunks are shared: one volume and its clones in one project, never two tenants. */
  readonly lineage: string;
  readonly snapshot: string;
}

export interface SnapshotInfo extends SnapshotRef {
  readonly volume: string;
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly createdMs: number;
  /** What it was uploaded against: for statistics and for people; nothing depends on it. */
  readonly parent: string | undefined;
  readonly counters: UploadCounters;
  /** Chunks that are not holes, their bytes before and after compression. */
  readonly chunks: number;
  readonly dataBytes: number;
  readonly storedBytes: number;
  /** The caller's own words: names, descriptions; at most 16 KiB as JSON. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface UploadCounters {
  /** Bytes read from the source. */
  readonly readBytes: number;
  /** Chunks that were all zeros, the same as in the base, found elsewhere in the lineage, and uploaded. */
  readonly zeroChunks: number;
  readonly sameChunks: number;
  readonly foundChunks: number;
  readonly uploadedChunks: number;
  /** Bytes sent to the object store: chunks, and nodes of the manifest. */
  readonly uploadedBytes: number;
  readonly manifestBytes: number;
}

export interface SnapshotSource {
  /** Exactly `length` bytes of the point in time; calls overlap, up to `streams` at once. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** What is allocated, covering the range in order; without it everything is read. */
  allocated?(offset: number, length: number): Promise<readonly AllocatedExtent[]>;
}

export interface BeginUpload extends SnapshotRef {
  readonly volume: string;
  readonly sizeBytes: number;
  readonly chunkBytes?: number;
  /**
   * A snapshot of the lineage whose unchanged parts are taken over. What it may name: everything that is not in `changed` is
   * as in the base. Ignored when its chunk size differs; then `changed` must be 'all'.
   */
  readonly base?: string;
  /** What may differ from the base, ascending; 'all' reads everything (a lost bitmap) and still uploads only what is new. */
  readonly changed: 'all' | readonly Extent[];
  readonly source: SnapshotSource;
  /** Asked after the last read and before anything is visible: when it fails, so does the upload, with the same error. */
  readonly verify?: () => Promise<void>;
  /**
   * Names the point in time that the source shows. An upload that is taken up again under the same name does not look anew at
   * what it had finished; without one it reads everything again, and uploads nothing twice.
   */
  readonly pointInTime?: string;
  /** Chunks in work at once: the bound of memory is about three times this many chunks. */
  readonly streams?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly onProgress?: (progress: UploadProgress) => void;
}

export interface UploadProgress {
  /** Of what has to be looked at. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly counters: UploadCounters;
}

/** An upload in work. It survives its process: `beginUpload` with the same ref, base and source goes on where it stood. */
export interface UploadSession {
  readonly ref: SnapshotRef;
  /** Whether an earlier session's work was found. */
  readonly resumed: boolean;
  /** Reads and uploads everything, then commits. Resolves when the snapshot is durable and visible. */
  run(): Promise<SnapshotInfo>;
  /** No new chunk is begun; those in work end. */
  pause(): void;
  resume(): void;
  /** Ends `run` with Fault UploadCancelled and gives the id free; nothing of it is ever visible. */
  cancel(): Promise<void>;
}

export interface OpenSnapshot {
  readonly info: SnapshotInfo;
  /** Verified by keyed hash; zeros for holes. Fault SnapshotCorrupt or NoSuchStoredObject when it cannot be trusted. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Holes and data in order, merged, cut at chunk boundaries; covers the range. */
  map(offset: number, length: number): Promise<readonly AllocatedExtent[]>;
  chunks(): ChunkSource;
  /** Writes everything into the sink with several streams. */
  restore(sink: RestoreSink, options?: RestoreOptions): Promise<RestoreResult>;
  /** Takes the registration back: from now on the collector may take what no snapshot holds. */
  close(): Promise<void>;
}

/** What an NBD export that serves straight from the object store reads. */
export interface ChunkSource {
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly chunkCount: number;
  /** The chunk's bytes, verified, as long as its place in the volume; undefined for a hole. */
  readChunk(index: number): Promise<Uint8Array | undefined>;
  /** The keyed hash, in hex, as a name for caches; undefined for a hole. */
  chunkName(index: number): Promise<string | undefined>;
  map(offset: number, length: number): Promise<readonly AllocatedExtent[]>;
}

export interface RestoreSink {
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** For a sink that is not known to be zero already. */
  zero?(offset: number, length: number): Promise<void>;
}

export interface RestoreOptions {
  readonly streams?: number;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Looked at between chunks: true ends the restore with Fault UploadCancelled. */
  readonly cancelled?: () => boolean;
}

export interface RestoreResult {
  readonly writtenBytes: number;
  readonly zeroBytes: number;
}

export interface CheckResult {
  readonly chunks: number;
  readonly bytes: number;
  readonly damaged: readonly { readonly offset: number; readonly length: number; readonly reason: string }[];
}

export interface SnapshotStatistics {
  readonly logicalBytes: number;
  readonly dataBytes: number;
  readonly storedBytes: number;
  /** Stored bytes that no other snapshot of the lineage refers to: what its deletion would give free. */
  readonly uniqueBytes: number;
  readonly sharedBytes: number;
}

export interface Repository {
  /** Of all lineages, or of one. Snapshots that are being uploaded are not among them. */
  list(lineage?: string): Promise<SnapshotInfo[]>;
  /** Fault NoSuchSnapshot, also while it is being uploaded. */
  get(ref: SnapshotRef): Promise<SnapshotInfo>;
  /** Begins, or takes over, an upload. Fault SnapshotExists when it is committed already. */
  beginUpload(options: BeginUpload): Promise<UploadSession>;
  /** Ids of uploads that were begun and neither committed nor cancelled. */
  uploads(lineage?: string): Promise<SnapshotRef[]>;
  /** Gives up an upload that nobody works at any more. Its uploader, should it still live, can no longer commit. */
  abandonUpload(ref: SnapshotRef): Promise<void>;
  /** Registers a reader first, so that no collector takes anything from under it, even when the snapshot is deleted. */
  open(ref: SnapshotRef): Promise<OpenSnapshot>;
  /** Gone for new readers at once; its space follows by `collect`. No other snapshot is touched. Repeats are harmless. */
  delete(ref: SnapshotRef): Promise<void>;
  /** What differs between two snapshots of a lineage, ascending, in whole chunks. */
  compare(older: SnapshotRef, newer: SnapshotRef): AsyncIterable<Extent>;
  /** Reads and verifies every chunk. */
  check(ref: SnapshotRef): Promise<CheckResult>;
  statistics(ref: SnapshotRef): Promise<SnapshotStatistics>;
  collector(options: CollectorOptions): Promise<Collector>;
}

export interface CollectorOptions {
  /** Says in the owner record who collects; for people. */
  readonly holder: string;
  /** An upload or a reader whose record did not change for this long, as this collector saw it, is given up. */
  readonly abandonMs?: number;
}

/** The repository's one collector of garbage; a newer one puts it out (Fault NotRepositoryOwner). */
export interface Collector {
  readonly epoch: number;
  /** One step in every lineage with work: marks and condemns, or marks and sweeps. Resumes what a dead collector began. */
  collect(): Promise<CollectResult>;
}

export interface CollectResult {
  /** Nothing is left to do: the next call asks for one listing and no more. */
  readonly idle: boolean;
  readonly condemned: number;
  readonly swept: number;
  /** Lineages whose condemned objects wait for the end of an older upload. */
  readonly waiting: readonly string[];
  /** Lineages where nothing was taken because something could not be read or a listing did not add up. */
  readonly stopped: readonly { readonly lineage: string; readonly reason: string }[];
}
