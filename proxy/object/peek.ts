/** Metadata for decisions that come before anybody is authorised; the caller must not show it. */
import type { ContainerState } from './containers.ts';
import type { ContainerRef, Peeked } from './contract.ts';
import type { Engine } from './engine.ts';
import type { AccountState } from './recent-accounts.ts';
import { readTotals } from './rows.ts';
import { versioningOf } from './version-format.ts';

const NOTHING = Object.freeze({});

/** At once when it was looked at a moment ago. */
export function peek(engine: Engine, ref: ContainerRef, options?: { totals?: boolean }): Peeked | Promise<Peeked> {
  const account = engine.recentAccounts.find(ref.account);
  const container = ref.container === '' ? undefined : engine.containers.find(ref);
  if (options?.totals === true || account instanceof Promise || container instanceof Promise) {
    return Promise.all([account, container]).then(([account, container]) =>
      options?.totals === true ? withTotals(engine, account, container) : peeked(account, container),
    );
  }
  return peeked(account, container);
}

function peeked(account: AccountState | undefined, container: ContainerState | undefined): Peeked {
  return {
    account: account?.record.metadata ?? NOTHING,
    container: container?.record.metadata,
    s3: container?.record.s3,
    versioning: container && versioningOf(container),
  };
}

async function withTotals(
  engine: Engine,
  account: AccountState | undefined,
  container: ContainerState | undefined,
): Promise<Peeked> {
  const totals = container && (await readTotals(engine.cluster, container.rowPrefix));
  return { ...peeked(account, container), objectCount: totals?.objectCount };
}
