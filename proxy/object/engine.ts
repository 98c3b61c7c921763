/** What the operations of one proxy share. Made once (store.ts); nothing here does anything by itself. */
import type { Random } from '../../fabric/random.ts';
import type { Key } from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import type { ContainerState, Containers } from './containers.ts';
import type { ContainerRef } from './contract.ts';
import type { DigestPool } from './digest.ts';
import type { EventDesk } from './event-desk.ts';
import type { KeyManager } from './key-manager.ts';
import type { ObjectRecord } from './object-format.ts';
import type { PageCache } from './page-cache.ts';
import type { ReadOnlyRule } from './read-only-rule.ts';
import type { RecentAccounts } from './recent-accounts.ts';
import type { SyncDesk } from './sync-desk.ts';
import type { TimeHint } from './time-hint.ts';

/** A bucket name as it was resolved a moment ago. */
export interface CachedBucket {
  readonly ref: ContainerRef;
  readonly readAtMs: number;
}

export interface Engine {
  readonly cluster: Cluster;
  readonly containers: Containers;
  readonly recentAccounts: RecentAccounts;
  /** Owned by buckets.ts. */
  readonly bucketCache: Map<string, CachedBucket>;
  /** Owned by list.ts. */
  readonly pages: PageCache;
  readonly digests: DigestPool;
  readonly random: Random;
  /** Of lifecycle rules: a day, or less in tests. */
  readonly lifecycleDayMs: number;
  /** Absent where nothing can be encrypted. */
  readonly keys: KeyManager | undefined;
  /** Past its delete-at: as if it were not there. */
  expired(record: ObjectRecord): boolean;
  readonly readOnly: ReadOnlyRule;
  /** From whoever notes an expiry (expiry-index.ts) to whoever deletes (expirer.ts). */
  readonly expiryHint: TimeHint;
  /** From whoever deletes an account to whoever reaps it (reaper.ts). */
  readonly reaperHint: TimeHint;
  /** Where changes are announced (events.ts); absent where nobody could be told. */
  readonly events: EventDesk | undefined;
  /** Where containers are synchronised with others (sync-desk.ts); absent where they cannot be. */
  readonly sync: SyncDesk | undefined;
  /** The container's totals changed: its account's row follows soon (account-totals.ts). */
  touched(container: ContainerState): void;
  /** Runs the removal of a container while nothing rewrites its account's row (account-totals.ts). */
  holdTotals<T>(containerKey: Key, work: () => Promise<T>): Promise<T>;
  /** Work nobody waits for; failures are logged. */
  later(what: string, work: () => Promise<unknown>): void;
}
