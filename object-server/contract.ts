/**
 * What other services may know of the object server: key, register and chunk formats, the device store's local interface
 * (account-container builds listings on it), and the calls a zone answers. A zone serves one or more devices.
 */
import type { DiskSpace } from '../fabric/disk.ts';
import type { Stamp } from '../fabric/stamp.ts';
import type { Key } from './key-format.ts';

export * from './chunk-format.ts';
export * from './faults.ts';
export * from './key-format.ts';
export * from './register-format.ts';

/** Position in a device's log: segment number * 2^32 + offset. The change feed's sequence. */
export type Lsn = number;

/** A register as the device holds it now: newest applied, maybe not yet durable. */
export interface RegisterView {
  readonly ballot: Stamp;
  readonly stamp: Stamp;
  readonly tombstone: boolean;
  /** Head as encoded (register-format.ts). Valid as long as the view is held. */
  readonly head: Buffer;
  /** Log position; reads wait for `DeviceStore.durable()` before they reveal a view above the synced one. */
  readonly lsn: Lsn;
}

/** Keeps derived state (container totals, digests) exactly in step with the registers, through crashes too. */
export interface Projection {
  /** Which keys it wants to hear of. */
  readonly kinds: readonly string[];
  /** Synchronously, in log order, once per accepted change (also at replay). Must not throw. */
  applied(key: Key, previous: RegisterView | undefined, next: RegisterView): void;
  /** State changed since the last call, as puts in SPACE_LOCAL; committed in the checkpoint's own transaction. */
  checkpoint(): readonly (readonly [Key, Uint8Array | null])[];
  /** At start, before replay: `get` reads what the last checkpoint stored. May be kept for lazy loading. */
  open(get: (key: Key) => Buffer | undefined): void;
}

/** The local, synchronous half of a device, for code that runs beside it. */
export interface DeviceStore {
  readonly deviceId: number;
  /** Newest applied state. */
  get(key: Key): RegisterView | undefined;
  /** Applied state in key order, tombstones included, until `visit` returns false. */
  forEach(
    range: { start: Key; end: Key; reverse?: boolean },
    visit: (key: Key, view: RegisterView) => boolean | void,
  ): void;
  /** undefined when everything applied so far is durable; otherwise a promise that it is. */
  durable(): Promise<void> | undefined;
  /** An outstanding ballot promise above the accepted one (a seal, see ADR 1). */
  promised(key: Key): Stamp | undefined;
}

/** One write of one register. */
export interface Mutation {
  readonly head: Buffer;
  readonly body?: Uint8Array | undefined;
  /** Accept only while this register is live with this stamp and carries no promise: a row needs its container. */
  readonly guardKey?: Key | undefined;
  readonly guardStamp?: Stamp | undefined;
  /** Another primary holds it already: half of the space reserve is for such writes, so that a full cluster can be read. */
  readonly repair?: boolean | undefined;
}

/**
 * 'ok': applied and durable (or held already with the same ballot). 'newer': the key holds or promised `ballot`.
 * 'guard': the guard register is absent, a tombstone or another incarnation. 'sealed': the guard carries a promise: retry.
 * 'missing-blob': a referenced blob is not on this device. 'full': no space beyond the reserve (507). 'out': the device
 * does not take writes.
 */
export type Outcome =
  /** `replaced`: head of the register this one took the place of, when that one had FLAG_FOREIGN: its pins can go. */
  | { readonly result: 'ok'; readonly replaced?: Buffer }
  | { readonly result: 'newer' | 'sealed'; readonly ballot: Stamp }
  | { readonly result: 'guard' | 'missing-blob' | 'full' | 'out' };

/** Writer id of copies between devices: the operation is complete, or known where it is not; nobody has to finish it here. */
export const DAEMON_WRITER = 0;

export const OUTCOME_OK: Outcome = { result: 'ok' };

/** Every call names the device. Methods of a zone's object service, with argument and reply value types. */
export interface ObjectServiceCalls {
  /**
   * Applies all mutations in one group commit and answers when they are durable, outcomes in order.
   * `settled`: every operation of writer `writer` with a stamp below it is complete on all its primaries, or its debt is
   * recorded by a handoff copy (ADR 3). Mutations above a writer's settled mark are remembered as unsettled.
   */
  apply: {
    args: { device: number; mutations: readonly Mutation[]; writer: number; settled: Stamp; handoffFor?: number };
    reply: { outcomes: readonly Outcome[] };
  };
  /** Head and inline body of a key, durable state only. `body: false` omits the body. */
  read: {
    args: { device: number; key: Key; body: boolean };
    reply: { head: Buffer | null; body?: Buffer };
  };
  /** Just the ballot of the durable state ('' when the key is unknown): the second primary's half of a quorum read. */
  check: { args: { device: number; key: Key }; reply: { ballot: Stamp | '' } };
  /**
   * Paxos phase 1: promises, durably, to accept nothing below `ballot`; answers with what is held. `body: false` omits the
   * body.
   */
  prepare: {
    args: { device: number; key: Key; ballot: Stamp; body?: boolean };
    reply: { ok: true; head: Buffer | null; body?: Buffer } | { ok: false; ballot: Stamp };
  };
  /** Heads in [start, end), tombstones included. */
  scan: {
    args: { device: number; start: Key; end: Key; limit: number };
    reply: { heads: readonly Buffer[]; more: boolean };
  };
  /**
   * Stores a blob from an upload stream of chunk heads and payloads in turn (head, payload, head, payload …; payload may
   * come in several buffers). Answers when every byte is durable. `key` is the blob's key. Idempotent: an existing blob
   * of the same length answers at once.
   */
  blobWrite: { args: { device: number; key: Key; handoffFor?: number }; reply: { lengthBytes: number } };
  /** Streams verified bytes [offset, offset + length). Fault NoSuchBlob, CorruptChunk (quarantined and reported). */
  blobRead: { args: { device: number; key: Key; offset: number; length: number }; reply: { lengthBytes: number } };
  /**
   * Change feed: accepted registers with an LSN above `after`, in order, no promises, no moved copies. Limit 0 reads no
   * log. `consumer`: this one has durably gone through everything up to `after`; the log behind it is kept for it.
   */
  feed: {
    args: { device: number; after: Lsn; limit: number; consumer?: string };
    reply: {
      entries: readonly { lsn: Lsn; key: Key; ballot: Stamp }[];
      /** Resume here. */
      next: Lsn;
      /** The log's identity: positions in another one mean nothing. */
      log: string;
      /** Log between `next` and `synced`. */
      restBytes: number;
      /** End of the log; everything is below. */
      synced: Lsn;
      /** Everything at or below is settled: a peer that is up may move its cursor here. */
      settled: Lsn;
      /** Below this the feed is gone: the consumer must compare everything instead. */
      oldest: Lsn;
    };
  };
  /**
   * Operations whose writer has not settled them for `olderThanMs`, and handoff copies that a promise keeps from their target. A
   * key in SPACE_HANDOFF is a copy's own.
   */
  unsettled: {
    args: { device: number; olderThanMs: number; limit: number };
    reply: { operations: readonly { stamp: Stamp; keys: readonly Key[] }[] };
  };
  status: { args: { device?: number }; reply: { devices: readonly DeviceStatus[] } };
}

export interface DeviceStatus {
  readonly device: number;
  readonly state: 'starting' | 'up' | 'read-only' | 'full' | 'out';
  readonly reason?: string;
  readonly tail: Lsn;
  readonly synced: Lsn;
  readonly checkpointed: Lsn;
  readonly liveBytes: number;
  readonly logBytes: number;
  readonly handoffCopies: number;
  readonly unsettled: number;
  readonly quarantined: number;
  /** Handoff copies by the device they wait for. */
  readonly handoffsFor?: Readonly<Record<number, number>>;
  /** Log bytes of other devices still to go through for changes missed here, by device; empty when caught up. */
  readonly behind: Readonly<Record<number, number>>;
  readonly maxStamp: Stamp;
  /** Appended to the log, not yet on disk. */
  readonly queuedBytes: number;
  /** What a restart would replay: records that only memory and log have, and the log they lie in. */
  readonly uncheckpointed: { readonly records: number; readonly bytes: number };
  /** Since the start: damage found, and repaired from other replicas. */
  readonly damage?: { readonly found: number; readonly repaired: number };
  /** fdatasync of the log since the device was opened; buckets as in fabric/latency-grid.ts. */
  readonly syncs: { readonly count: number; readonly totalMs: number; readonly buckets: readonly number[] };
  /** Of the file system the device lies on, as last seen. */
  readonly space: DiskSpace;
}
