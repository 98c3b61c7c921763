/**
 * An ordered, durable map of byte strings. Keys are latin1 strings: one character is one byte, so JavaScript's `<` sorts
 * them as bytes. `openLmdb` (fabric/lmdb.ts) is the real one, `createMemoryKv` the simulator's; both pass
 * test/conformance/kv.ts. Nothing is ever opened with NOSYNC or NOMETASYNC.
 */
export type KvKey = string;

/** null deletes. */
export type KvPut = readonly [key: KvKey, value: Uint8Array | null];

export interface KvRange {
  /** Inclusive (exclusive in reverse walks: see `reverse`). */
  readonly start: KvKey;
  /** Exclusive. */
  readonly end: KvKey;
  readonly limit?: number;
  /** Walks down from just below `end` to `start`. */
  readonly reverse?: boolean;
}

export interface Kv {
  /** The value is a copy-free view that may be overwritten by the next call on this Kv: use it at once or copy it. */
  get(key: KvKey): Buffer | undefined;
  /** Calls `visit` in order until it returns false. `value` is valid only during the call. Sees committed puts only. */
  forEach(range: KvRange, visit: (key: KvKey, value: Buffer) => boolean | void): void;
  /** As forEach, without values: 4x cheaper. */
  forEachKey(range: KvRange, visit: (key: KvKey) => boolean | void): void;
  /** One transaction: all or nothing, durable when the promise resolves. Commits are applied in call order. */
  commit(puts: readonly KvPut[]): Promise<void>;
  close(): Promise<void>;
}

/** One state of the map, whatever is committed meanwhile. It holds back reuse of space: close it soon. */
export interface KvSnapshot {
  /** As `Kv.get`: use the view at once or copy it. */
  get(key: KvKey): Buffer | undefined;
  forEach(range: KvRange, visit: (key: KvKey, value: Buffer) => boolean | void): void;
  close(): void;
}

/** A map that several may change, each upon what it has read: see control/store/. */
export interface SnapshotKv extends Kv {
  /** Of all that is committed now, by any process. Fault Overloaded when too many different ones are open. */
  snapshot(): KvSnapshot;
  /** As `commit`, if `key` still has these bytes (undefined: is absent) when the transaction begins; false and no change otherwise. */
  commitIf(condition: KvCondition, puts: readonly KvPut[]): Promise<boolean>;
}

export interface KvCondition {
  readonly key: KvKey;
  readonly value: Uint8Array | undefined;
}

export const KEY_BYTES_MAX = 1978;
