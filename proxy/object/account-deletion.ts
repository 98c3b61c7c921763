/**
 * How an account ends. Its register says so under a new stamp, in one decision: from then on the guard of its rows refuses
 * whatever container is on its way. Then its containers are closed, and whoever deletes (reaper.ts) takes its time. While
 * that goes on the account is deleted, and nothing can be made in it: what is reaped is never what came after.
 *
 *     live ──DELETE──> deleted (deletedRows) ──every container closed, emptied, removed──> no register ──first use──> live
 *
 * A crash leaves the account where it was on this line; the index of deleted accounts, written before, tells of it.
 */
import { type AccountRecord, type AccountRow, decodeRecord, encodeRecord } from '../../account-container/contract.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import { stampMs } from '../../fabric/stamp.ts';
import { encodeHead, headMeta, isTombstone, latin1ToUtf8 } from '../../object-server/contract.ts';
import { decide } from '../quorum-decide.ts';
import { accountDeleted, accountKey, accountState, authoriseReseller, findHeldAccount } from './accounts.ts';
import { type ClosedRow, closeContainer } from './closed-containers.ts';
import { type Context, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { checkAccountWritable } from './read-only.ts';
import { noteDeletion } from './reaper-index.ts';
import type { AccountState } from './recent-accounts.ts';
import { listRows, rowQuery } from './rows.ts';

/** Containers that are out of reach before the answer; the rest follow at once, behind it. */
const CLOSED_AT_ONCE_MAX = 1_000;
const PAGE = 1_000;
const PARALLEL = 8;

export async function deleteAccount(engine: Engine, context: Context, account: string): Promise<void> {
  authoriseReseller(context);
  await checkAccountWritable(engine, context, account);
  if (!(await findHeldAccount(engine, account))) throw new Fault(storeFaults.noSuchAccount);
  // First: one too many in the index means nothing, one too few would never be reaped.
  await noteDeletion(engine.cluster, account);
  const deleted = await markDeleted(engine, account);
  engine.recentAccounts.forget(account);
  try {
    await closeContainers(engine, deleted, CLOSED_AT_ONCE_MAX);
  } catch (error) {
    // It is deleted; whoever reaps it closes what is left.
    if (!isFault(error)) throw error;
  }
  engine.reaperHint.note(stampMs(deleted.guardStamp) / 1000);
}

async function markDeleted(engine: Engine, account: string): Promise<AccountState> {
  const key = accountKey(engine, account);
  let state: AccountState | undefined;
  const done = await decide(
    engine.cluster,
    key,
    (current, ballot, _granted, mine) => {
      if (!current || isTombstone(current.head)) return { keep: true, refuse: new Fault(storeFaults.noSuchAccount) };
      const held = accountState(key, current.head);
      const isDeleted = held.record.deletedRows !== undefined;
      if (isDeleted && !mine) return { keep: true, refuse: accountDeleted() };
      const { name, createdStamp } = held.record;
      const record: AccountRecord = { name, metadata: {}, createdStamp, deletedRows: held.stamp };
      const stamp = isDeleted ? held.guardStamp : ballot;
      const head = encodeHead({ key, ballot, stamp, meta: encodeRecord(record) });
      state = accountState(key, head);
      return { write: [{ head }] };
    },
    { unseal: true },
  );
  if (done.result !== 'ok') throw new Fault(storeFaults.quorumUnavailable, { reason: done.result });
  return state as AccountState;
}

/** Of a deleted account, page by page. */
export async function* containerRows(engine: Engine, account: AccountState): AsyncGenerator<readonly ClosedRow[]> {
  for (let marker = ''; ; ) {
    const page = await listRows(engine.cluster, account.rowPrefix, { ...rowQuery({ limit: PAGE }), marker });
    yield page.entries.flatMap(({ name, head }) =>
      head ? [{ name: latin1ToUtf8(name), row: decodeRecord<AccountRow>(headMeta(head)) }] : [],
    );
    const last = page.entries.at(-1);
    if (!page.truncated || !last) return;
    marker = last.name;
  }
}

/** True when all are: those of a deleted account, in the order of their names, `max` at most. */
export async function closeContainers(
  engine: Engine,
  account: AccountState,
  max = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  let closed = 0;
  for await (const rows of containerRows(engine, account)) {
    for (let at = 0; at < rows.length; at += PARALLEL) {
      if (closed >= max) return false;
      const group = rows.slice(at, at + PARALLEL);
      await Promise.all(group.map((row) => closeContainer(engine, account, row)));
      closed += group.length;
    }
  }
  return true;
}
