/**
 * Accounts: made at the first container or by a reseller, read and changed by their owners; their totals lag
 * (account-totals.ts). How they end: account-deletion.ts.
 */
import {
  type AccountRecord,
  type AccountRow,
  accountRowsStamp,
  decodeRecord,
  encodeRecord,
  type ListEntry,
} from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { NO_STAMP, type Stamp } from '../../fabric/stamp.ts';
import {
  encodeHead,
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  latin1ToUtf8,
  makeKey,
  packU16,
} from '../../object-server/contract.ts';
import { decide } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import { authoriseAccount } from './authorise.ts';
import {
  type AccountInfo,
  type ContainerEntry,
  type Context,
  type ListQuery,
  type MetadataChange,
  type Page,
  storeFaults,
} from './contract.ts';
import type { Engine } from './engine.ts';
import { applyChange } from './metadata.ts';
import { checkAccountWritable } from './read-only.ts';
import type { AccountState } from './recent-accounts.ts';
import { listRows, readTotals, rowQuery } from './rows.ts';

export function accountKey(engine: Engine, account: string): Key {
  return makeKey(engine.cluster.hash(account), undefined, KIND.account);
}

export function findAccount(engine: Engine, account: string): Promise<AccountState | undefined> {
  return findAccountByHash(engine, engine.cluster.hash(account));
}

/** `hash`: of the account's path, 16 bytes as latin1. Not one that is deleted. */
export async function findAccountByHash(engine: Engine, hash: string): Promise<AccountState | undefined> {
  const found = await readAccount(engine, makeKey(hash, undefined, KIND.account));
  return found?.record.deletedRows === undefined ? found : undefined;
}

/** One that is deleted, too. */
export function findHeldAccount(engine: Engine, account: string): Promise<AccountState | undefined> {
  return readAccount(engine, accountKey(engine, account));
}

/** Fault AccountDeleted; undefined where nobody has used it yet. */
async function findUsable(engine: Engine, account: string): Promise<AccountState | undefined> {
  const found = await findHeldAccount(engine, account);
  if (found?.record.deletedRows !== undefined) throw accountDeleted();
  return found;
}

export const accountDeleted = (): Fault => new Fault(storeFaults.accountDeleted);

async function readAccount(engine: Engine, key: Key): Promise<AccountState | undefined> {
  const read = await readQuorum(engine.cluster, key, false);
  return read && !isTombstone(read.head) ? accountState(key, read.head) : undefined;
}

export function accountState(key: Key, head: Buffer): AccountState {
  const guardStamp = headStamp(head);
  const record = decodeRecord<AccountRecord>(headMeta(head));
  const stamp = accountRowsStamp(record, guardStamp);
  const hash = key.slice(1, 17);
  return { key, hash, stamp, guardStamp, record, rowPrefix: makeKey(hash, stamp, KIND.accountRow, packU16(0)) };
}

/** Makes the account when it is not there. Fault AccountDeleted. */
export async function ensureAccount(engine: Engine, account: string): Promise<AccountState> {
  return (await findUsable(engine, account)) ?? (await changeAccount(engine, account, {})).state;
}

export async function createAccount(
  engine: Engine,
  context: Context,
  account: string,
  change: MetadataChange,
): Promise<{ created: boolean }> {
  authoriseReseller(context);
  const { created } = await changeAccount(engine, account, change);
  engine.recentAccounts.forget(account);
  return { created };
}

export function authoriseReseller({ caller }: Context): void {
  if (caller.reseller !== true) throw new Fault(storeFaults.accessDenied);
}

export async function updateAccount(
  engine: Engine,
  context: Context,
  account: string,
  change: MetadataChange,
): Promise<void> {
  authoriseAccount(context, account);
  await checkAccountWritable(engine, context, account);
  await changeAccount(engine, account, change);
  engine.recentAccounts.forget(account);
}

interface Changed {
  readonly state: AccountState;
  readonly created: boolean;
}

/** Makes the account when it is not there. Fault AccountDeleted. */
async function changeAccount(engine: Engine, account: string, change: MetadataChange): Promise<Changed> {
  const key = accountKey(engine, account);
  let state: AccountState | undefined;
  let created = false;
  const done = await decide(
    engine.cluster,
    key,
    (current, ballot) => {
      const live = current && !isTombstone(current.head) ? accountState(key, current.head) : undefined;
      if (live?.record.deletedRows !== undefined) return { keep: true, refuse: accountDeleted() };
      created ||= live === undefined;
      if (live && Object.keys(change).length === 0) {
        state = live;
        return { keep: true };
      }
      const record: AccountRecord = {
        name: account,
        metadata: applyChange(live?.record.metadata ?? {}, change),
        createdStamp: live?.record.createdStamp ?? ballot,
      };
      const head = encodeHead({ key, ballot, stamp: live?.stamp ?? ballot, meta: encodeRecord(record) });
      state = accountState(key, head);
      return { write: [{ head }] };
    },
    { unseal: true },
  );
  if (done.result !== 'ok') throw new Fault(storeFaults.quorumUnavailable, { reason: done.result });
  return { state: state as AccountState, created };
}

const NOTHING: AccountInfo = Object.freeze({
  metadata: {},
  containerCount: 0,
  objectCount: 0,
  bytesUsed: 0,
  createdStamp: NO_STAMP,
});

/** An account nobody has used yet looks empty, as with Swift's account_autocreate. */
export async function headAccount(engine: Engine, context: Context, account: string): Promise<AccountInfo> {
  authoriseAccount(context, account, 'account');
  const state = await findUsable(engine, account);
  return state ? accountInfo(engine, state) : NOTHING;
}

async function accountInfo(engine: Engine, { record, rowPrefix }: AccountState): Promise<AccountInfo> {
  const totals = await readTotals(engine.cluster, rowPrefix);
  return {
    metadata: record.metadata,
    containerCount: totals.rowCount,
    objectCount: totals.objectCount,
    bytesUsed: totals.bytesUsed,
    createdStamp: record.createdStamp,
    perPolicy: Object.fromEntries(
      Object.entries(totals.perPolicy).map(([policy, { rowCount: containerCount, objectCount, bytesUsed }]) => [
        policy,
        { containerCount, objectCount, bytesUsed },
      ]),
    ),
  };
}

export async function listContainers(
  engine: Engine,
  context: Context,
  account: string,
  query: ListQuery,
): Promise<Page<ContainerEntry> & { info: AccountInfo }> {
  authoriseAccount(context, account, 'account');
  const state = await findUsable(engine, account);
  if (!state) return { entries: [], truncated: false, info: NOTHING };
  const [page, info] = await Promise.all([
    listRows(engine.cluster, state.rowPrefix, rowQuery(query)),
    accountInfo(engine, state),
  ]);
  return { entries: page.entries.map(containerEntry), truncated: page.truncated, info };
}

function containerEntry({ name, head }: ListEntry): ContainerEntry {
  if (!head) return { prefix: latin1ToUtf8(name) };
  const row = decodeRecord<AccountRow>(headMeta(head));
  return { name: latin1ToUtf8(name), objectCount: row.objectCount, bytesUsed: row.bytesUsed, stamp: headStamp(head) };
}

/** Containers of the caller's account that are S3 buckets, by name. */
export async function listBuckets(
  engine: Engine,
  context: Context,
): Promise<readonly { name: string; createdStamp: Stamp }[]> {
  const { account } = context.caller;
  if (account === undefined) throw new Fault(storeFaults.accessDenied);
  authoriseAccount(context, account);
  const state = await findUsable(engine, account);
  if (!state) return [];
  const buckets: { name: string; createdStamp: Stamp }[] = [];
  let marker = '';
  while (true) {
    const page = await listRows(engine.cluster, state.rowPrefix, { ...rowQuery({ limit: 1000 }), marker });
    for (const { name, head } of page.entries) {
      if (head && decodeRecord<AccountRow>(headMeta(head)).bucket)
        buckets.push({ name: latin1ToUtf8(name), createdStamp: headStamp(head) });
    }
    const last = page.entries.at(-1);
    if (!page.truncated || !last) return buckets;
    marker = last.name;
  }
}
