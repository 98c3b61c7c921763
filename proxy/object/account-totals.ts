/**
 * Keeps an account's view of its containers' totals. A container that changed is noted; soon after, its totals are read
 * from a quorum and put into its row of the account. Account totals are therefore exact once writes pause, and lag by
 * TOTALS_LAG_MS while they go on.
 */
import type { AccountRow } from '../../account-container/contract.ts';
import { writeUnder } from '../quorum-decide.ts';
import { findAccount } from './accounts.ts';
import { isBucketName, resolveBucket } from './buckets.ts';
import { accountRowWrite } from './container-ops.ts';
import type { ContainerState } from './containers.ts';
import type { Engine } from './engine.ts';
import { readTotals } from './rows.ts';

export const TOTALS_LAG_MS = 1_000;
/** Containers waiting at most; beyond, the oldest note is dropped until the container changes again. */
const WAITING_MAX = 100_000;

export interface AccountTotals {
  note(container: ContainerState): void;
  /** Containers whose account has not heard of their last change. */
  readonly waiting: number;
  stop(): void;
}

export function createAccountTotals(engine: () => Engine): AccountTotals {
  const waiting = new Map<string, ContainerState>();
  let timer: { cancel(): void } | undefined;
  let stopped = false;

  const flush = async (): Promise<void> => {
    const batch = [...waiting.values()];
    waiting.clear();
    for (const container of batch) await refresh(engine(), container);
  };
  const arm = (): void => {
    if (timer || stopped) return;
    timer = engine().cluster.clock.after(TOTALS_LAG_MS, () => {
      timer = undefined;
      engine().later('account totals', flush);
    });
  };
  return {
    note(container) {
      if (waiting.size < WAITING_MAX) waiting.set(container.key, container);
      arm();
    },
    get waiting() {
      return waiting.size;
    },
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}

async function refresh(engine: Engine, container: ContainerState): Promise<void> {
  const { account: accountName, name, policy } = container.record;
  const account = await findAccount(engine, accountName);
  const alive = await engine.containers.findFresh({ account: accountName, container: name });
  if (!account || alive?.incarnation !== container.incarnation) return;
  const stamp = engine.cluster.settled.open();
  const totals = await readTotals(engine.cluster, container.rowPrefix).catch((error) => {
    engine.cluster.settled.close(stamp);
    throw error;
  });
  const bucket = isBucketName(name) && (await ownsBucket(engine, accountName, name));
  const row: AccountRow = {
    incarnation: container.incarnation,
    policy,
    objectCount: totals.objectCount,
    bytesUsed: totals.bytesUsed,
    modifiedStamp: stamp,
    bucket,
  };
  await writeUnder(engine.cluster, stamp, [accountRowWrite(account, name, { stamp, row })]);
}

async function ownsBucket(engine: Engine, account: string, name: string): Promise<boolean> {
  const owner = await resolveBucket(engine, name).catch(() => undefined);
  return owner?.account === account;
}
