/**
 * Keeps an account's view of its containers' totals. A container that changed is noted; soon after, its totals are read
 * from a quorum and put into its row of the account. Account totals are therefore exact once writes pause, and lag by
 * TOTALS_LAG_MS while they go on. What a crash made forgotten is found by `recount`, at the next start.
 */
import { type AccountRow, decodeRecord } from '../../account-container/contract.ts';
import { isFault } from '../../fabric/errors.ts';
import { type Stamp, stampMs } from '../../fabric/stamp.ts';
import { headBallot, headKey, headMeta, isTombstone, type Key, latin1ToUtf8 } from '../../object-server/contract.ts';
import { decide, KEEP, writeUnder } from '../quorum-decide.ts';
import { findAccount } from './accounts.ts';
import { isBucketName, resolveBucket } from './buckets.ts';
import { accountRowWrite } from './container-ops.ts';
import { containerTotals } from './container-totals.ts';
import type { ContainerState } from './containers.ts';
import type { Engine } from './engine.ts';
import type { AccountState } from './recent-accounts.ts';
import { listRows, rowQuery } from './rows.ts';

export const TOTALS_LAG_MS = 1_000;
/** Containers waiting at most; beyond, the oldest note is dropped until the container changes again. */
const WAITING_MAX = 100_000;

/** After a failure, a container or an account is tried again when so much time has passed. */
const RETRY_MS = 5_000;
const PAGE_ROWS = 1_000;
/** A row of no container that is older than this is a leftover. */
const GONE_AFTER_MS = 60_000;

export interface AccountTotals {
  note(container: ContainerState): void;
  /** Runs `work`, which removes the container, while nothing brings its row up to date. */
  hold<T>(containerKey: Key, work: () => Promise<T>): Promise<T>;
  /** Compares what the account shows of each of its containers with the container's own totals. */
  recount(account: string): void;
  /** Containers whose account has not heard of their last change. */
  readonly waiting: number;
  stop(): void;
}

export function createAccountTotals(engine: () => Engine): AccountTotals {
  const waiting = new Map<string, ContainerState>();
  let timer: { cancel(): void } | undefined;
  let stopped = false;

  let underWay = 0;
  /** Being deleted: how often at once. */
  const held = new Map<Key, number>();
  const refreshing = new Map<Key, Promise<unknown>>();

  const flush = async (): Promise<void> => {
    const batch = [...waiting.values()];
    waiting.clear();
    underWay += batch.length;
    for (const container of batch) {
      try {
        if (held.has(container.key)) later(() => note(container));
        else await bringUpToDate(container);
      } catch (error) {
        if (!isFault(error)) throw error;
        later(() => note(container));
      } finally {
        underWay--;
      }
    }
  };
  const bringUpToDate = async (container: ContainerState): Promise<void> => {
    const done = refresh(engine(), container);
    refreshing.set(
      container.key,
      done.catch(() => undefined),
    );
    try {
      const again = await done;
      if (again) note(again);
    } finally {
      refreshing.delete(container.key);
    }
  };
  const hold = async <T>(key: Key, work: () => Promise<T>): Promise<T> => {
    held.set(key, (held.get(key) ?? 0) + 1);
    try {
      await refreshing.get(key);
      return await work();
    } finally {
      const left = (held.get(key) ?? 1) - 1;
      if (left > 0) held.set(key, left);
      else held.delete(key);
    }
  };
  /** Counts as lagging until then. */
  const later = (work: () => void): void => {
    underWay++;
    engine().cluster.clock.after(RETRY_MS, () => {
      underWay--;
      if (!stopped) work();
    });
  };
  const note = (container: ContainerState): void => {
    if (waiting.size < WAITING_MAX) waiting.set(container.key, container);
    arm();
  };
  const recount = (account: string): void => {
    underWay++;
    const work = async (): Promise<void> => {
      try {
        await findStale(engine(), account, note);
      } catch (error) {
        if (!isFault(error)) throw error;
        later(() => recount(account));
      } finally {
        underWay--;
      }
    };
    engine().later('recount of account totals', work);
  };
  const arm = (): void => {
    if (timer || stopped) return;
    timer = engine().cluster.clock.after(TOTALS_LAG_MS, () => {
      timer = undefined;
      engine().later('account totals', flush);
    });
  };
  return {
    note,
    hold,
    recount,
    get waiting() {
      return waiting.size + underWay;
    },
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}

/** Notes each container of which the account shows something else than its totals. */
async function findStale(
  engine: Engine,
  accountName: string,
  note: (container: ContainerState) => void,
): Promise<void> {
  const { cluster, containers } = engine;
  const account = await findAccount(engine, accountName);
  for (let marker = ''; account; ) {
    const page = await listRows(cluster, account.rowPrefix, { ...rowQuery({ limit: PAGE_ROWS }), marker });
    for (const { name, head } of page.entries) {
      const container = head && (await containers.findFresh({ account: accountName, container: latin1ToUtf8(name) }));
      if (!head) continue;
      if (!container) {
        // A younger row may be that of a container which is just being made.
        if (stampMs(headBallot(head)) > cluster.clock.nowMs() - GONE_AFTER_MS) continue;
        const again = await buryRow(engine, account, { name: latin1ToUtf8(name), ballot: headBallot(head) });
        if (again) note(again);
        continue;
      }
      const shown = decodeRecord<AccountRow>(headMeta(head));
      const totals = await containerTotals(cluster, container);
      if (shown.objectCount !== totals.objectCount || shown.bytesUsed !== totals.bytesUsed) note(container);
    }
    const last = page.entries.at(-1);
    if (!page.truncated || !last) return;
    marker = last.name;
  }
}

/** Returns the container again when it needs another look. */
async function refresh(engine: Engine, container: ContainerState): Promise<ContainerState | undefined> {
  const { account: accountName, name, policy } = container.record;
  const account = await findAccount(engine, accountName);
  const alive = await engine.containers.findFresh({ account: accountName, container: name });
  if (!account || alive?.incarnation !== container.incarnation) return undefined;
  const stamp = engine.cluster.settled.open();
  const totals = await containerTotals(engine.cluster, container).catch((error) => {
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
  // Another proxy may have deleted the container in between, and this row would outlive it.
  if (await engine.containers.findFresh({ account: accountName, container: name })) return undefined;
  return buryRow(engine, account, { name, ballot: stamp });
}

/** Removes the row of a container that is gone, if it is still the one that was seen. Returns the container if it is back. */
async function buryRow(
  { cluster, containers }: Engine,
  account: AccountState,
  { name, ballot: seen }: { name: string; ballot: Stamp },
): Promise<ContainerState | undefined> {
  const { head } = accountRowWrite(account, name, { stamp: seen, row: undefined });
  await decide(cluster, headKey(head), (current, ballot) => {
    if (!current || isTombstone(current.head) || headBallot(current.head) !== seen) return KEEP;
    return { write: [accountRowWrite(account, name, { stamp: ballot, row: undefined })] };
  });
  return containers.findFresh({ account: account.record.name, container: name });
}

async function ownsBucket(engine: Engine, account: string, name: string): Promise<boolean> {
  const owner = await resolveBucket(engine, name).catch(() => undefined);
  return owner?.account === account;
}
