/** What the records of a repository say: plain JSON. Byte strings are hex. Fields are only ever added. */
import type { UploadCounters } from './contract.ts';

/** A reference to a chunk or a node, as JSON. */
export interface RefRecord {
  readonly hash: string;
  readonly generation: number;
  readonly chunks: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
}

export interface TreeRecord {
  /** 0: the root is a leaf. */
  readonly level: number;
  /** Absent: all holes. */
  readonly root?: RefRecord;
}

export interface SessionRecord {
  readonly volume: string;
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly createdMs: number;
  /** New with every uploader: who took the session over can commit, who lost it cannot. */
  readonly nonce: string;
  readonly beat: number;
  /** The collector's round that this upload knows; -1 before it looked. Also the generation of what it writes. */
  readonly seenRound: number;
  readonly workNonce: string;
  readonly base?: { readonly snapshot: string; readonly tree: TreeRecord };
}

export interface SnapshotRecord {
  readonly volume: string;
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly createdMs: number;
  readonly nonce: string;
  readonly workNonce: string;
  readonly parent?: string;
  readonly tree: TreeRecord;
  readonly counters: UploadCounters;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ProgressRecord {
  /** The work nonce of the session, which no other session under the same id shares. */
  readonly session: string;
  /** What the caller said of the point in time; another one makes this record worthless. */
  readonly pointInTime: string;
  /** Leaves below this index are done. */
  readonly leavesDone: number;
  readonly pending: readonly PendingRecord[];
  readonly counters: UploadCounters;
}

/** A node whose children are not all known yet: slots that differ from the base; null takes an entry away. */
export interface PendingRecord {
  readonly level: number;
  readonly index: number;
  readonly slots: Readonly<Record<string, RefRecord | null>>;
}

export interface CollectorRecord {
  readonly revision: number;
  readonly ownerEpoch: number;
  /** Of the newest condemned set that was ever made durable here. */
  readonly round: number;
  readonly condemned?: {
    readonly round: number;
    readonly parts: readonly string[];
    readonly count: number;
    /** It covers hashes from the pass's cursor to before this one, by their first 32 bits. */
    readonly end: number;
  };
  readonly pass?: {
    /** Reasons for this pass: removed when it is complete. */
    readonly markers: readonly string[];
    /** Hashes below are done, by their first 32 bits; 2^32 when all are. */
    readonly cursor: number;
  };
  /** Snapshots that the last view showed. One that vanishes without a marker means a listing that cannot be trusted. */
  readonly known: readonly string[];
  /** Records of uploads and readers, and since when they have not changed. */
  readonly watched: Readonly<Record<string, { readonly etag: string; readonly sinceMs: number }>>;
}

export interface Records {
  repository: { readonly version: 1; readonly nonce: string };
  owner: { readonly epoch: number; readonly holder: string; readonly nonce: string };
  lineage: { readonly key: string; readonly createdMs: number };
  session: SessionRecord;
  snapshot: SnapshotRecord;
  progress: ProgressRecord;
  reader: { readonly snapshot: string; readonly nonce: string; readonly beat: number; readonly tree: TreeRecord };
  collector: CollectorRecord;
  work: { readonly why: 'upload' | 'delete'; readonly nonce: string };
}
