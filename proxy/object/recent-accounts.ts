/**
 * Accounts as they were a moment ago: their metadata may say something about any request (keys of signed URLs, quotas),
 * and reading them from a quorum every time would double its cost. On other proxies a change takes effect within
 * ACCOUNT_CACHE_MS.
 */
import type { AccountRecord } from '../../account-container/contract.ts';
import type { Clock } from '../../fabric/clock.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import type { Key } from '../../object-server/contract.ts';

export const ACCOUNT_CACHE_MS = 2_000;
const CACHED_MAX = 10_000;

export interface AccountState {
  readonly key: Key;
  readonly hash: string;
  /** Creation stamp: the incarnation of its rows. */
  readonly stamp: Stamp;
  /** Of its register: the same, until it is deleted. */
  readonly guardStamp: Stamp;
  readonly record: AccountRecord;
  readonly rowPrefix: Key;
}

export interface RecentAccounts {
  /** undefined for an account that nobody has used yet; one that is deleted says so (`deletedRows`). */
  find(account: string): Promise<AccountState | undefined> | AccountState | undefined;
  forget(account: string): void;
}

interface Recent {
  readonly state: AccountState | undefined;
  readonly readAtMs: number;
}

export function createRecentAccounts(
  clock: Clock,
  read: (account: string) => Promise<AccountState | undefined>,
): RecentAccounts {
  const cache = new Map<string, Recent>();
  const loading = new Map<string, Promise<AccountState | undefined>>();
  const load = (account: string): Promise<AccountState | undefined> => {
    const readAtMs = clock.monotonicMs();
    const promise = read(account)
      .then((state) => {
        if (loading.get(account) !== promise) return state;
        cache.delete(account);
        cache.set(account, { state, readAtMs });
        if (cache.size > CACHED_MAX) cache.delete(cache.keys().next().value as string);
        return state;
      })
      .finally(() => {
        if (loading.get(account) === promise) loading.delete(account);
      });
    loading.set(account, promise);
    return promise;
  };
  return {
    find(account) {
      const recent = cache.get(account);
      if (recent && clock.monotonicMs() - recent.readAtMs < ACCOUNT_CACHE_MS) return recent.state;
      return loading.get(account) ?? load(account);
    },
    forget(account) {
      cache.delete(account);
      loading.delete(account);
    },
  };
}
