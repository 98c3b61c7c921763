/**
 * Rows of a container's listings as its object registers say they must be: what is written beside an object in the same
 * round. Pure: builds writes, sends none.
 */
import {
  encodeRow,
  ROW_DELETE_MARKER,
  ROW_NULL_VERSION,
  ROW_SIZE_UNCOUNTED,
} from '../../account-container/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headStamp,
  isTombstone,
  KIND,
  makeKey,
  rowRest,
  TABLE,
  withBallot,
} from '../../object-server/contract.ts';
import type { QuorumWrite } from '../quorum-write.ts';
import type { ContainerState } from './containers.ts';
import { LINK_HEADER, listedLink } from './links.ts';
import { decodeMeta, type ObjectRecord } from './object-format.ts';
import { orderOf, versionRowKey } from './version-format.ts';

/** The row of a name in its container's current table; `row` undefined removes it. */
export function rowWrite(container: ContainerState, name: string, row: Buffer | undefined, stamp: Stamp): QuorumWrite {
  const key = makeKey(container.hash, container.incarnation, KIND.row, rowRest(TABLE.current, name));
  const head = row
    ? encodeHead({ key, ballot: stamp, stamp, meta: row })
    : encodeHead({ key, ballot: stamp, stamp, flags: FLAG_TOMBSTONE });
  return { head, guardKey: container.key, guardStamp: container.incarnation, newerIsFine: true };
}

export function rowOf(record: ObjectRecord, flags = 0): Buffer {
  const about = aboutOf(record);
  const extra = record.version === undefined ? about : { ...about, version: record.version };
  return encodeRow({ sizeBytes: record.size, etag: record.etag, contentType: record.type, flags, extra });
}

function aboutOf(record: ObjectRecord): Record<string, unknown> | undefined {
  const about = kindOf(record);
  const owner = record.acl?.owner;
  return owner === undefined || owner === record.account ? about : { ...about, owner };
}

function kindOf(record: ObjectRecord): Record<string, unknown> | undefined {
  if (record.headers?.[LINK_HEADER]) return { link: listedLink(record.account, record.headers) };
  if (record.slo) return { slo: true };
  const sum = record.sums && firstKey(record.sums);
  const storageClass = record.headers?.['x-amz-storage-class'];
  if (storageClass !== undefined) return { class: storageClass, ...(sum ? { sum, sumType: record.sumType } : {}) };
  return sum ? { sum, sumType: record.sumType } : undefined;
}

const firstKey = (object: object): string | undefined => Object.keys(object)[0];

/**
 * The rows that say what the object's register says, under `ballot`: that of the current table, and of a delete marker,
 * which that table does not show, the one among the versions.
 */
export function rowsBeside(
  container: ContainerState,
  name: string,
  head: Buffer,
  ballot: Stamp,
): readonly QuorumWrite[] {
  const record = isTombstone(head) ? undefined : decodeMeta<ObjectRecord>(head);
  return rowsOf({ container, name }, { record, head }, ballot);
}

/** The same for who knows what `head` says. `record` undefined: a tombstone. */
export function rowsOf(
  { container, name }: { readonly container: ContainerState; readonly name: string },
  { record, head }: { readonly record: ObjectRecord | undefined; readonly head: Buffer },
  ballot: Stamp,
): readonly QuorumWrite[] {
  const row = record && record.marker !== true ? rowOf(record) : undefined;
  const stamp = headStamp(head);
  const write = rowWrite(container, name, row, stamp);
  const current = stamp === ballot ? write : { ...write, head: withBallot(write.head, ballot) };
  if (record?.marker !== true) return [current];
  return [current, { ...versionRow(container, { record, head }, ballot), newerIsFine: true }];
}

/**
 * Row of the versions table for the version in `head`. Never passed over for a newer one: it must say what it stands for.
 * `isCopy`: the object's register holds it too, and the current table counts its bytes.
 */
export function versionRow(
  container: ContainerState,
  { record, head }: { readonly record: ObjectRecord; readonly head: Buffer },
  ballot: Stamp,
  isCopy = false,
): QuorumWrite {
  const key = versionRowKey(container, record.name, orderOf(record, head));
  const kind = (record.marker ? ROW_DELETE_MARKER : 0) | (record.version === undefined ? ROW_NULL_VERSION : 0);
  const flags = kind | (isCopy ? ROW_SIZE_UNCOUNTED : 0);
  const row = encodeHead({ key, ballot, stamp: headStamp(head), meta: rowOf(record, flags) });
  return { head: row, guardKey: container.key, guardStamp: container.incarnation };
}

export function noVersionRow(
  container: ContainerState,
  name: string,
  { order, ballot }: { readonly order: Stamp; readonly ballot: Stamp },
): QuorumWrite {
  const key = versionRowKey(container, name, order);
  const head = encodeHead({ key, ballot, stamp: ballot, flags: FLAG_TOMBSTONE });
  return { head, guardKey: container.key, guardStamp: container.incarnation };
}
