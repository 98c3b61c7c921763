/**
 * The store every OpenStack-style service keeps its state in, and the credentials that travel with a request. The contract
 * fits an embedded store (LMDB) and a database shared by several controllers: everything is asynchronous, a write's body
 * may be run again, leases are fenced. Services open nothing but this; agents on hosts never open it at all.
 *
 * The frame of HTTP services has its types in control/service/types.ts. This file never imports what carries it out.
 */

/** A table of rows of type T. Its name is `service.thing`, e.g. `identity.users`; see `defineTable`. */
export interface Table<T> {
  readonly name: string;
  /** Never set; carries the type. */
  readonly row?: T;
}

/** A table's name: lower-case letters, digits, `-`, `_`, with one dot. Names under `control.` belong to the frame. */
export function defineTable<T>(name: string): Table<T> {
  if (!TABLE_NAME.test(name)) throw new Error(`not a table's name: ${name}`);
  return { name };
}

const TABLE_NAME = /^[a-z][a-z0-9_-]*\.[a-z][a-z0-9_-]*$/;

/** A key of several parts, in order of the parts: `\0` between them. A prefix scan of `joinKey('a', '')` finds all of `a`. */
export function joinKey(...parts: readonly string[]): string {
  return parts.join('\0');
}

export function splitKey(key: string): string[] {
  return key.split('\0');
}

/** Key bytes (UTF-8), table's name included. */
export const STORE_KEY_BYTES_MAX = 1900;
/** One encoded row. */
export const STORE_ROW_BYTES_MAX = 4 * 1024 * 1024;

export interface Row<T> {
  readonly key: string;
  readonly value: T;
  /** Of the commit that wrote it: grows with every write in the store; 0 for what this transaction itself has put. */
  readonly revision: number;
}

/** Keys are compared as UTF-8 bytes. */
export interface ScanRange {
  readonly prefix?: string;
  /** Inclusive. */
  readonly start?: string;
  /** Exclusive start, for paging markers. */
  readonly after?: string;
  /** Exclusive. */
  readonly end?: string;
  readonly limit?: number;
  /** From the last key down. */
  readonly reverse?: boolean;
}

/** One state of the store, whatever others commit meanwhile. Of no use once its body has ended. */
export interface ReadTx {
  /** Of the last commit this transaction sees. */
  readonly revision: number;
  /** The value is the caller's own copy. */
  get<T>(table: Table<T>, key: string): Promise<T | undefined>;
  getRow<T>(table: Table<T>, key: string): Promise<Row<T> | undefined>;
  scan<T>(table: Table<T>, range?: ScanRange): Promise<Row<T>[]>;
}

/** Sees its own puts and deletes. */
export interface WriteTx extends ReadTx {
  /**
   * Plain data: objects, arrays, strings, numbers, booleans, null, Uint8Array, undefined. Encoded at once, so later
   * changes of `value` are not stored.
   */
  put<T>(table: Table<T>, key: string, value: T): void;
  /** No error when it is not there. */
  delete<T>(table: Table<T>, key: string): void;
}

export interface WriteOptions {
  /** The write happens only while this lease has not passed to anybody else; Fault LeaseLost otherwise. */
  readonly fence?: Lease;
}

/** The right to be the only one to do something, until it expires. `token` grows with every change of hands. */
export interface Lease {
  readonly name: string;
  readonly holder: string;
  readonly token: number;
  /** Unix ms by the store's clock. */
  readonly expiresAtMs: number;
}

/** A row that was put or deleted. Values are not in the feed: read what matters. */
export interface Change {
  readonly revision: number;
  readonly table: string;
  readonly key: string;
  readonly deleted: boolean;
}

export interface ChangesOptions {
  /** Changes of later commits only. 0: all there ever were, which works until the feed was trimmed the first time. */
  readonly after: number;
  /** Only these; all but the frame's own leases when absent. */
  readonly tables?: readonly Table<unknown>[];
  /** Commits looked at, at most. */
  readonly limit?: number;
}

export interface ChangesPage {
  readonly changes: readonly Change[];
  /** Ask again after this one; equal to the store's revision when everything was seen. */
  readonly revision: number;
}

export interface ControlStore {
  /** Runs `body` on one snapshot. */
  read<T>(body: (tx: ReadTx) => Promise<T>): Promise<T>;
  /**
   * Serialisable: as if all writes ran one after another. Durable when the promise resolves. `body` may run again when
   * another write came between, so it does nothing but use `tx`: no calls, no `write` inside, no effects outside. When it throws,
   * nothing is written and the error is passed on. Fault Conflict when it met others again and again, Overloaded when too
   * many wait.
   */
  write<T>(body: (tx: WriteTx) => Promise<T>, options?: WriteOptions): Promise<T>;
  /**
   * Takes the lease when it is free, expired, or held by the same `holder` (which fences the earlier one off); undefined
   * when somebody else has it.
   */
  lease(name: string, holder: string, ttlMs: number): Promise<Lease | undefined>;
  /** The same token with a later expiry; undefined when it has been lost. */
  renew(lease: Lease, ttlMs: number): Promise<Lease | undefined>;
  /** Frees it for others at once; no error when it had been lost. */
  release(lease: Lease): Promise<void>;
  /** Of the last commit. */
  revision(): Promise<number>;
  /** Fault FeedTrimmed when `after` is older than the feed: read everything anew and start from `revision()`. */
  changes(options: ChangesOptions): Promise<ChangesPage>;
  /**
   * Resolves with the revision once there are commits after `after`, those of other processes at most a second later;
   * with `after` itself when `waitMs` passed or the store closes.
   */
  waitForChange(after: number, waitMs: number): Promise<number>;
  close(): Promise<void>;
}

/** Faults of the store. */
export const storeFaults = {
  /** Run again and again and always somebody else came between. Nothing was written. */
  conflict: 'StoreConflict',
  leaseLost: 'LeaseLost',
  feedTrimmed: 'FeedTrimmed',
  /** A record's checksum is wrong or its version unknown. */
  damaged: 'StoreDamaged',
  /** A key or row above its limit. */
  tooLarge: 'StoreRowTooLarge',
} as const;

/**
 * Who asks, in which scope: what a token says. Made by identity, judged by policy. `roles` are names, with implied roles
 * already added. Exactly one of project, domain and system scope is set, or none for an unscoped token.
 */
export interface Credentials {
  readonly userId: string;
  readonly userName?: string | undefined;
  readonly userDomainId?: string | undefined;
  readonly projectId?: string | undefined;
  readonly projectName?: string | undefined;
  readonly projectDomainId?: string | undefined;
  readonly domainId?: string | undefined;
  readonly domainName?: string | undefined;
  readonly systemScope?: 'all' | undefined;
  readonly roles: readonly string[];
  /** Roles of the service that passed the request on (X-Service-Token). */
  readonly serviceRoles?: readonly string[] | undefined;
  readonly isAdmin?: boolean | undefined;
  readonly expiresAtMs?: number | undefined;
  readonly auditIds?: readonly string[] | undefined;
  /** Whatever else the authenticator wants to hand to its own service's operations. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
}

/** Token to credentials; undefined when it is not valid. A throw is a 503: fail closed. */
export type Authenticate = (token: string) => Promise<Credentials | undefined> | Credentials | undefined;
