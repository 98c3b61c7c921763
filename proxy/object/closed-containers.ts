/**
 * Containers of a deleted account: closed at first, so that neither API sees them and their bucket names are free; removed
 * once they are empty. Both are decided on the container's register while the account is still deleted, so that a proxy
 * that was asleep meanwhile cannot touch a container that was made since.
 */
import { type AccountRow, type ContainerRecord, decodeRecord, encodeRecord } from '../../account-container/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  withBallot,
} from '../../object-server/contract.ts';
import type { ReadRegister } from '../cluster.ts';
import { decide, KEEP } from '../quorum-decide.ts';
import { findHeldAccount } from './accounts.ts';
import { isBucketName, releaseBucket } from './buckets.ts';
import { accountRowWrite, areEmpty, decided } from './container-ops.ts';
import { versionsTable } from './container-totals.ts';
import { containerKey, containerState } from './containers.ts';
import type { ContainerRef } from './contract.ts';
import type { Engine } from './engine.ts';
import type { AccountState } from './recent-accounts.ts';
import { versioningOf } from './version-format.ts';

/** A container as the deleted account lists it. */
export interface ClosedRow {
  readonly name: string;
  readonly row: AccountRow;
}

/** Nobody reaches it from here on; a creation that is on its way comes to nothing. */
export async function closeContainer(engine: Engine, account: AccountState, { name }: ClosedRow): Promise<void> {
  const ref = { account: account.record.name, container: name };
  const key = containerKey(engine.cluster, ref);
  await decided(engine, ref, (own) =>
    decide(
      engine.cluster,
      key,
      async (current, ballot) => {
        if (current && isTombstone(current.head)) return KEEP;
        if (!(await isStillDeleted(engine, account))) return KEEP;
        if (!current) return { write: [{ head: gone(key, ref, current, ballot) }] };
        const record = decodeRecord<ContainerRecord>(headMeta(current.head));
        if (record.closed) return KEEP;
        const meta = encodeRecord({ ...record, closed: true });
        return { write: [{ head: encodeHead({ key, ballot, stamp: headStamp(current.head), meta }) }] };
      },
      { unseal: true, own },
    ),
  );
  if (isBucketName(name)) await releaseBucket(engine, ref);
}

/** With its row of the account; false when it still holds anything. */
export async function removeClosed(engine: Engine, account: AccountState, { name }: ClosedRow): Promise<boolean> {
  const ref = { account: account.record.name, container: name };
  const key = containerKey(engine.cluster, ref);
  let isGone = false;
  await decided(engine, ref, (own) =>
    decide(
      engine.cluster,
      key,
      async (current, ballot, granted) => {
        isGone = false;
        if (!(await isStillDeleted(engine, account))) return KEEP;
        if (current && !isTombstone(current.head)) {
          const state = containerState(key, current.head, 0);
          const tables = versioningOf(state) === undefined ? [] : [versionsTable(state)];
          if (!state.record.closed || !(await areEmpty(engine, [state.rowPrefix, ...tables], granted))) return KEEP;
        }
        isGone = true;
        const row = accountRowWrite(account, name, { stamp: ballot, row: undefined });
        return { write: [{ head: gone(key, ref, current, ballot) }, row] };
      },
      { unseal: true, own },
    ),
  );
  return isGone;
}

function gone(key: Key, ref: ContainerRef, current: ReadRegister | undefined, ballot: Stamp): Buffer {
  if (current && isTombstone(current.head)) return withBallot(current.head, ballot);
  const nothing = { policy: 0, metadata: {}, createdStamp: ballot };
  const before = current && decodeRecord<ContainerRecord>(headMeta(current.head));
  const record: ContainerRecord = {
    ...(before ?? { account: ref.account, name: ref.container, ...nothing }),
    closed: undefined,
    modifiedStamp: ballot,
  };
  return encodeHead({ key, ballot, stamp: ballot, flags: FLAG_TOMBSTONE, meta: encodeRecord(record) });
}

/** Asked after the promise: what stood there then is of the account's life that was deleted. */
async function isStillDeleted(engine: Engine, account: AccountState): Promise<boolean> {
  const found = await findHeldAccount(engine, account.record.name);
  return found?.record.deletedRows !== undefined && found.guardStamp === account.guardStamp;
}
