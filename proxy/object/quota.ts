/**
 * Quotas of containers and accounts, kept in their metadata: what may still be written. They hold as Swift's do: against
 * the totals at the time of the request, so writers at the same moment may pass them together. Nobody pays for a quota
 * that is not set. Older versions take room: their bytes count, they themselves do not.
 */
import type { ContainerTotals, Metadata } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { containerTotals } from './container-totals.ts';
import type { ContainerState } from './containers.ts';
import { storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import type { AccountState } from './recent-accounts.ts';
import { readTotals } from './rows.ts';

interface Quota {
  readonly bytesMax: number;
  readonly countMax: number;
}

/**
 * Resolves when an object of `sizeBytes` more may be written; undefined at once where there is no quota. Faults
 * QuotaExceeded, AccountDeleted.
 */
export function checkQuota(engine: Engine, container: ContainerState, sizeBytes: number): Promise<void> | undefined {
  const quota = quotaOf(container.record.metadata, 'x-container-meta-quota-');
  const account = engine.recentAccounts.find(container.record.account);
  if (account instanceof Promise) return account.then((found) => check(engine, container, { quota, found, sizeBytes }));
  const isFree = quota === undefined && (account === undefined || isUnlimited(account));
  return isFree ? undefined : check(engine, container, { quota, found: account, sizeBytes });
}

interface Wanted {
  readonly quota: Quota | undefined;
  readonly found: AccountState | undefined;
  readonly sizeBytes: number;
}

const isUnlimited = (account: AccountState): boolean =>
  account.record.deletedRows === undefined && accountQuota(account) === undefined;

async function check(engine: Engine, container: ContainerState, { quota, found, sizeBytes }: Wanted): Promise<void> {
  if (found?.record.deletedRows !== undefined) return checkDeleted(engine, container);
  if (quota) compare(await containerTotals(engine.cluster, container), quota, sizeBytes);
  const ofAccount = found && accountQuota(found);
  if (ofAccount) compare(await readTotals(engine.cluster, found.rowPrefix), ofAccount, sizeBytes);
}

/** What is known of the account may be of the time before it was reaped and made anew. */
async function checkDeleted(engine: Engine, container: ContainerState): Promise<void> {
  const { account } = container.record;
  engine.recentAccounts.forget(account);
  const found = await engine.recentAccounts.find(account);
  if (found?.record.deletedRows !== undefined) throw new Fault(storeFaults.accountDeleted);
}

function compare({ objectCount, bytesUsed }: ContainerTotals, quota: Quota, sizeBytes: number): void {
  if (bytesUsed + sizeBytes > quota.bytesMax || objectCount + 1 > quota.countMax) {
    throw new Fault(storeFaults.quotaExceeded);
  }
}

const accountQuota = ({ record }: AccountState): Quota | undefined => quotaOf(record.metadata, 'x-account-meta-quota-');

function quotaOf(metadata: Metadata, start: string): Quota | undefined {
  const bytes = metadata[`${start}bytes`];
  const count = metadata[`${start}count`];
  if (bytes === undefined && count === undefined) return undefined;
  return { bytesMax: limitOf(bytes), countMax: limitOf(count) };
}

function limitOf(text: string | undefined): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
}
