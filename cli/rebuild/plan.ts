/**
 * Listings as the object, container and account registers on all disks say they must be, against the rows there are. Where
 * a row is missing, wrong or has no object, a new one is decided; every other row keeps its newest state. Only for a
 * stopped cluster: nothing is under way, so what no disk holds will not come any more. Decides; writes nothing.
 */
import {
  type AccountRecord,
  type AccountRow,
  accountPrefix,
  accountRowsStamp,
  type BucketRecord,
  type ContainerRecord,
  decodeRecord,
  decodeRow,
  encodeRecord,
  ROW_SIZE_UNCOUNTED,
  tablePrefix,
} from '../../account-container/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  keyKind,
  makeKey,
  REST_AT,
  TABLE,
  utf8ToLatin1,
} from '../../object-server/contract.ts';
import { decodeMeta, type ObjectRecord } from '../../proxy/object/object-format.ts';
import { rowOf } from '../../proxy/object/row-writes.ts';
import { indexRows } from '../fsck/index-rows.ts';
import type { Held } from '../fsck/inventory.ts';
import { containerOfRow, isCurrent } from '../fsck/names.ts';
import { versionRows } from '../fsck/version-rows.ts';

const TABLE_AT = REST_AT + 2;

export interface PlanWorld {
  readonly keys: ReadonlyMap<Key, Held>;
  /** MD5 of the path, as keys begin. */
  readonly hash: (account: string, container?: string, object?: string) => string;
  /** A stamp above every one there is. */
  readonly restamp: () => Stamp;
}

export interface Plan {
  /** What every primary of the key must hold: containers, accounts and rows. */
  readonly heads: Map<Key, Buffer>;
  readonly containers: number;
  readonly objects: number;
  /** Rows decided anew, because there was none or it said something else. */
  rewritten: number;
  /** Rows taken away, because their object or container is gone. */
  removed: number;
}

interface Container {
  readonly key: Key;
  readonly record: ContainerRecord;
  readonly incarnation: Stamp;
  readonly rowPrefix: Key;
  objectCount: number;
  bytesUsed: number;
}

export function planListings(world: PlanWorld): Plan {
  const containers = findContainers(world);
  const heads = new Map<Key, Buffer>();
  for (const [key, { head }] of world.keys) {
    const kind = keyKind(key);
    if (kind === KIND.container || kind === KIND.account) heads.set(key, head);
  }
  const plan: Plan = { heads, containers: containers.size, objects: 0, rewritten: 0, removed: 0 };
  const objects = planObjects(world, plan, containers);
  planVersions(world, plan, containers);
  planIndexes(world, plan);
  planStrays(world, plan, containers);
  planAccounts(world, plan, containers);
  return { ...plan, objects };
}

function findContainers({ keys }: PlanWorld): Map<Key, Container> {
  const found = new Map<Key, Container>();
  for (const [key, { head }] of keys) {
    if (keyKind(key) !== KIND.container || isTombstone(head)) continue;
    const incarnation = headStamp(head);
    const rowPrefix = tablePrefix(key.slice(1, 17), incarnation, TABLE.current);
    const record = decodeRecord<ContainerRecord>(headMeta(head));
    found.set(key, { key, record, incarnation, rowPrefix, objectCount: 0, bytesUsed: 0 });
  }
  return found;
}

/** A row for every live object; returns how many there are. */
function planObjects(world: PlanWorld, plan: Plan, containers: ReadonlyMap<Key, Container>): number {
  let objects = 0;
  for (const [key, { head }] of world.keys) {
    if (keyKind(key) !== KIND.object || isTombstone(head)) continue;
    const record = decodeMeta<ObjectRecord>(head);
    const containerKey = makeKey(world.hash(record.account, record.container), undefined, KIND.container);
    const container = containers.get(containerKey);
    // What a deleted container left behind has no listing.
    if (!container || !isCurrent(world.keys.get(containerKey), key)) continue;
    // A delete marker is listed among the versions only.
    if (record.marker === true) continue;
    objects++;
    const rowKey = container.rowPrefix + utf8ToLatin1(record.name);
    const row = keepOrWrite(world, plan, { key: rowKey, meta: rowOf(record), stamp: headStamp(head) });
    const { flags = 0, sizeBytes } = decodeRow(headMeta(row));
    container.objectCount++;
    if (!(flags & ROW_SIZE_UNCOUNTED)) container.bytesUsed += sizeBytes;
  }
  return objects;
}

/** A row for every version that was set aside, and for every delete marker. */
function planVersions(world: PlanWorld, plan: Plan, containers: ReadonlyMap<Key, Container>): void {
  for (const { container: containerKey, key, meta, stamp } of versionRows(world)) {
    const container = containers.get(containerKey);
    if (!container || plan.heads.has(key)) continue;
    const row = keepOrWrite(world, plan, { key, meta, stamp });
    const { flags = 0, sizeBytes } = decodeRow(headMeta(row));
    if (!(flags & ROW_SIZE_UNCOUNTED)) container.bytesUsed += sizeBytes;
  }
}

/** What is to go by itself is noted where that is looked for; entries that mean nothing stay, as they do in a running cluster. */
function planIndexes({ keys, hash, restamp }: PlanWorld, plan: Plan): void {
  for (const [key, { head }] of keys) {
    if (keyKind(key) === KIND.row && key.charCodeAt(TABLE_AT) === TABLE.expiring) plan.heads.set(key, head);
  }
  for (const { key, meta } of indexRows({ keys, hash })) {
    const held = plan.heads.get(key);
    if (held && !isTombstone(held)) continue;
    const stamp = restamp();
    plan.heads.set(key, encodeHead({ key, ballot: stamp, stamp, meta }));
    plan.rewritten++;
  }
}

/** The newest row there is when it says the same, else a new one. */
function keepOrWrite(
  { keys, restamp }: PlanWorld,
  plan: Plan,
  { key, meta, stamp }: { key: Key; meta: Buffer; stamp: Stamp },
): Buffer {
  const held = keys.get(key)?.head;
  const same = held && !isTombstone(held) && headStamp(held) === stamp && headMeta(held).equals(meta);
  if (!same) plan.rewritten++;
  const head = same ? held : encodeHead({ key, ballot: restamp(), stamp, meta });
  plan.heads.set(key, head);
  return head;
}

/** Every other row of objects and versions goes; tombstones and rows of other tables are kept as they are. */
function planStrays({ keys, restamp }: PlanWorld, plan: Plan, containers: ReadonlyMap<Key, Container>): void {
  for (const [key, { head }] of keys) {
    if (keyKind(key) !== KIND.row || plan.heads.has(key)) continue;
    const container = containers.get(containerOfRow(key));
    if (!container || !isCurrent(keys.get(container.key), key)) continue;
    const table = key.charCodeAt(TABLE_AT);
    const stray = (table === TABLE.current || table === TABLE.versions) && !isTombstone(head);
    plan.heads.set(key, stray ? tombstone(key, restamp()) : head);
    if (stray) plan.removed++;
  }
}

/** One row a container in its account, with the sums of what is listed. */
function planAccounts(world: PlanWorld, plan: Plan, containers: ReadonlyMap<Key, Container>): void {
  const { keys, hash, restamp } = world;
  for (const { record, incarnation, objectCount, bytesUsed } of containers.values()) {
    const account = keys.get(makeKey(hash(record.account), undefined, KIND.account));
    if (!account || isTombstone(account.head)) continue;
    const stamp = accountRowsStamp(decodeRecord<AccountRecord>(headMeta(account.head)), headStamp(account.head));
    const key = accountPrefix(hash(record.account), stamp) + utf8ToLatin1(record.name);
    const held = keys.get(key)?.head;
    const shown = held && !isTombstone(held) ? decodeRecord<AccountRow>(headMeta(held)) : undefined;
    const same =
      shown?.incarnation === incarnation && shown.objectCount === objectCount && shown.bytesUsed === bytesUsed;
    if (held && same) {
      plan.heads.set(key, held);
      continue;
    }
    const ballot = restamp();
    const bucket = ownsBucket(world, record);
    const row: AccountRow = {
      incarnation,
      policy: record.policy,
      objectCount,
      bytesUsed,
      modifiedStamp: ballot,
      bucket,
    };
    plan.heads.set(key, encodeHead({ key, ballot, stamp: incarnation, meta: encodeRecord(row) }));
    plan.rewritten++;
  }
  for (const [key, { head }] of keys) {
    if (keyKind(key) !== KIND.accountRow || plan.heads.has(key)) continue;
    plan.heads.set(key, isTombstone(head) ? head : tombstone(key, restamp()));
    if (!isTombstone(head)) plan.removed++;
  }
}

function ownsBucket({ keys, hash }: PlanWorld, { account, name }: ContainerRecord): boolean {
  const head = keys.get(makeKey(hash('.buckets', name), undefined, KIND.bucket))?.head;
  return head !== undefined && !isTombstone(head) && decodeRecord<BucketRecord>(headMeta(head)).account === account;
}

const tombstone = (key: Key, stamp: Stamp): Buffer => encodeHead({ key, ballot: stamp, stamp, flags: FLAG_TOMBSTONE });
