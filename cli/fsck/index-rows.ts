/**
 * The rows that the indexes without a container must have: one for each object that is to go at a time of its own
 * (proxy/object/expiry-index.ts), one for each container with lifecycle rules (proxy/object/lifecycle-index.ts) and one
 * for each account that is being reaped (proxy/object/reaper-index.ts), from the registers on all disks. More than these
 * may be there: they mean nothing. Judges nothing.
 */
import { type AccountRecord, type ContainerRecord, decodeRecord } from '../../account-container/contract.ts';
import { headMeta, isTombstone, type Key, KIND, keyKind, makeKey } from '../../object-server/contract.ts';
import { expiryRow } from '../../proxy/object/expiry-index.ts';
import { bucketRow } from '../../proxy/object/lifecycle-index.ts';
import { decodeMeta, type ObjectRecord } from '../../proxy/object/object-format.ts';
import { deletionRow } from '../../proxy/object/reaper-index.ts';
import { isCurrent } from './names.ts';
import type { Disks } from './version-rows.ts';

export interface IndexRow {
  /** The register that it stands for. */
  readonly of: Key;
  readonly key: Key;
  readonly meta: Buffer;
}

export function* indexRows({ keys, hash }: Disks): Generator<IndexRow> {
  for (const [key, { head }] of keys) {
    if (isTombstone(head)) continue;
    const kind = keyKind(key);
    if (kind === KIND.container) {
      const { account, name, s3 } = decodeRecord<ContainerRecord>(headMeta(head));
      if (s3?.['lifecycle']) yield { of: key, ...bucketRow({ hash }, { account, container: name }) };
    }
    if (kind === KIND.account) {
      const { name, deletedRows } = decodeRecord<AccountRecord>(headMeta(head));
      if (deletedRows !== undefined) yield { of: key, ...deletionRow({ hash }, name) };
    }
    if (kind !== KIND.object) continue;
    const { account, container, name, deleteAt } = decodeMeta<ObjectRecord>(head);
    if (deleteAt === undefined) continue;
    if (!isCurrent(keys.get(makeKey(hash(account, container), undefined, KIND.container)), key)) continue;
    yield { of: key, ...expiryRow({ hash }, { account, container, object: name }, deleteAt) };
  }
}
