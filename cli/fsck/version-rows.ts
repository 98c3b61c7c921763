/**
 * The rows that versions must have in their container's versions table (docs/adr/0009-versions.md), from the registers on
 * all disks: one for each version that was set aside, and for each delete marker that is the newest. Judges nothing.
 */
import type { Stamp } from '../../fabric/stamp.ts';
import {
  headKey,
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  keyKind,
  makeKey,
} from '../../object-server/contract.ts';
import { containerState } from '../../proxy/object/containers.ts';
import { decodeMeta, type ObjectRecord } from '../../proxy/object/object-format.ts';
import { versionRow } from '../../proxy/object/row-writes.ts';
import { objectKeyOf, orderOf } from '../../proxy/object/version-format.ts';
import type { Held } from './inventory.ts';
import { isCurrent } from './names.ts';

export interface VersionRow {
  /** The register that it stands for. */
  readonly of: Key;
  readonly container: Key;
  readonly key: Key;
  readonly meta: Buffer;
  readonly stamp: Stamp;
}

export interface Disks {
  readonly keys: ReadonlyMap<Key, Held>;
  /** MD5 of the path, as keys begin. */
  readonly hash: (account: string, container?: string, object?: string) => string;
}

export function* versionRows({ keys, hash }: Disks): Generator<VersionRow> {
  for (const [key, { head, ballot }] of keys) {
    const kind = keyKind(key);
    if ((kind !== KIND.version && kind !== KIND.object) || isTombstone(head)) continue;
    const record = decodeMeta<ObjectRecord>(head);
    if (kind === KIND.object && record.marker !== true) continue;
    const container = makeKey(hash(record.account, record.container), undefined, KIND.container);
    const held = keys.get(container);
    if (!held || !isCurrent(held, key)) continue;
    const isCopy = kind === KIND.version && record.marker !== true && isAlso(keys.get(objectKeyOf(key)), record, head);
    const row = versionRow(containerState(container, held.head, 0), { record, head }, ballot, isCopy).head;
    yield { of: key, container, key: headKey(row), meta: headMeta(row), stamp: headStamp(head) };
  }
}

/** Whether the object's register holds this very version. */
function isAlso(object: Held | undefined, record: ObjectRecord, head: Buffer): boolean {
  if (!object || isTombstone(object.head)) return false;
  const current = decodeMeta<ObjectRecord>(object.head);
  return current.marker !== true && orderOf(current, object.head) === orderOf(record, head);
}
