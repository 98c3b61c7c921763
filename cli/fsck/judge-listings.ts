/**
 * Listings against objects: every live object of a live container has a row that says the same, every row has its object,
 * and an account shows of a container what its rows add up to.
 */
import {
  type AccountRecord,
  type AccountRow,
  accountPrefix,
  accountRowsStamp,
  type ContainerRecord,
  decodeRecord,
  decodeRow,
  ROW_SIZE_UNCOUNTED,
} from '../../account-container/contract.ts';
import {
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  KIND_AT,
  keyKind,
  latin1ToUtf8,
  makeKey,
  REST_AT,
  rowRest,
  TABLE,
} from '../../object-server/contract.ts';
import { decodeMeta, type ObjectRecord } from '../../proxy/object/object-format.ts';
import type { JudgeWorld } from './findings.ts';
import { indexRows } from './index-rows.ts';
import type { Held } from './inventory.ts';
import { containerOfRow, isCurrent } from './names.ts';
import { versionRows } from './version-rows.ts';

const ROW_NAME_AT = REST_AT + 3;
const TABLE_AT = REST_AT + 2;

interface Sums {
  readonly account: string;
  readonly name: string;
  /** Its account is deleted: nobody keeps the account's totals up to date. */
  readonly closed: boolean;
  objectCount: number;
  bytesUsed: number;
}

export function judgeListings(world: JudgeWorld): void {
  const sums = new Map<Key, Sums>();
  for (const [key, held] of world.inventory.keys) {
    if (keyKind(key) !== KIND.container || isTombstone(held.head)) continue;
    const { account, name, closed = false } = decodeRecord<ContainerRecord>(headMeta(held.head));
    sums.set(key, { account, name, closed, objectCount: 0, bytesUsed: 0 });
  }
  for (const [key, held] of world.inventory.keys) {
    const kind = keyKind(key);
    if (kind === KIND.object) judgeObject(world, key, held);
    else if (kind === KIND.row && key.charCodeAt(TABLE_AT) === TABLE.current) judgeRow(world, sums, { key, held });
  }
  judgeVersions(world, sums);
  judgeIndexes(world);
  judgeAccounts(world, sums);
}

/** Versions against the rows of their table, both ways. */
function judgeVersions(world: JudgeWorld, sums: ReadonlyMap<Key, Sums>): void {
  const { inventory, namer, find, hash, unfinishedFrom } = world;
  const wanted = new Set<Key>();
  for (const { of, key, meta } of versionRows({ keys: inventory.keys, hash })) {
    wanted.add(key);
    const young = unfinishedFrom((inventory.keys.get(of) as Held).ballot);
    const row = inventory.keys.get(key);
    if (!row || isTombstone(row.head)) {
      find(young ? 'unfinished listing' : 'unlisted object', `${namer(of)}: no row among the versions`);
    } else if (!saysTheSame(headMeta(row.head), meta)) {
      find(
        young || unfinishedFrom(row.ballot) ? 'unfinished listing' : 'row differs',
        `${namer(of)}: among the versions`,
      );
    }
  }
  for (const [key, { head, ballot }] of inventory.keys) {
    if (keyKind(key) !== KIND.row || key.charCodeAt(TABLE_AT) !== TABLE.versions || isTombstone(head)) continue;
    const containerKey = containerOfRow(key);
    const sum = sums.get(containerKey);
    if (!sum || !isCurrent(inventory.keys.get(containerKey), key)) {
      find('orphan', namer(key));
      continue;
    }
    const { flags = 0, sizeBytes } = decodeRow(headMeta(head));
    if (!(flags & ROW_SIZE_UNCOUNTED)) sum.bytesUsed += sizeBytes;
    if (!wanted.has(key)) find(unfinishedFrom(ballot) ? 'unfinished listing' : 'row without object', namer(key));
  }
}

/** Whether its bytes are counted here or with the object is a matter of totals. */
function saysTheSame(a: Buffer, b: Buffer): boolean {
  const [one, other] = [decodeRow(a), decodeRow(b)];
  const kind = (flags = 0): number => flags & ~ROW_SIZE_UNCOUNTED;
  return one.etag === other.etag && one.sizeBytes === other.sizeBytes && kind(one.flags) === kind(other.flags);
}

function judgeIndexes({ inventory, namer, find, hash }: JudgeWorld): void {
  for (const { of, key } of indexRows({ keys: inventory.keys, hash })) {
    const row = inventory.keys.get(key);
    if (!row || isTombstone(row.head)) find('not scheduled', namer(of));
  }
}

function judgeObject(world: JudgeWorld, key: Key, { head, ballot }: Held): void {
  if (isTombstone(head)) return;
  const { inventory, namer, find, hash, unfinishedFrom } = world;
  const record = decodeMeta<ObjectRecord>(head);
  const containerHash = hash(record.account, record.container);
  const container = inventory.keys.get(makeKey(containerHash, undefined, KIND.container));
  if (!isCurrent(container, key)) return find('orphan', namer(key));
  const incarnation = headStamp((container as Held).head);
  const row = inventory.keys.get(makeKey(containerHash, incarnation, KIND.row, rowRest(TABLE.current, record.name)));
  if (record.marker === true) {
    if (row && !isTombstone(row.head))
      find(unfinishedFrom(ballot) ? 'unfinished listing' : 'row without object', `${namer(key)}: a delete marker`);
    return;
  }
  if (!row || isTombstone(row.head)) {
    return find(unfinishedFrom(ballot) ? 'unfinished listing' : 'unlisted object', `${namer(key)}: no row`);
  }
  const { etag, sizeBytes } = decodeRow(headMeta(row.head));
  if (etag === record.etag && sizeBytes === record.size) return;
  const young = unfinishedFrom(ballot) || unfinishedFrom(row.ballot);
  const says = `the row says ${sizeBytes} bytes ${etag}, the object ${record.size} bytes ${record.etag}`;
  find(young ? 'unfinished listing' : 'row differs', `${namer(key)}: ${says}`);
}

function judgeRow(world: JudgeWorld, sums: ReadonlyMap<Key, Sums>, { key, held }: { key: Key; held: Held }): void {
  const { inventory, namer, find, hash, unfinishedFrom } = world;
  if (isTombstone(held.head)) return;
  const containerKey = containerOfRow(key);
  const sum = sums.get(containerKey);
  const container = inventory.keys.get(containerKey);
  if (!sum || !isCurrent(container, key)) return find('orphan', namer(key));
  const row = decodeRow(headMeta(held.head));
  sum.objectCount++;
  if (!((row.flags ?? 0) & ROW_SIZE_UNCOUNTED)) sum.bytesUsed += row.sizeBytes;
  const name = latin1ToUtf8(key.slice(ROW_NAME_AT));
  const incarnation = headStamp((container as Held).head);
  const object = inventory.keys.get(makeKey(hash(sum.account, sum.name, name), incarnation, KIND.object));
  if (object && !isTombstone(object.head)) return;
  find(unfinishedFrom(held.ballot) ? 'unfinished listing' : 'row without object', namer(key));
}

function judgeAccounts({ inventory, find, hash }: JudgeWorld, sums: ReadonlyMap<Key, Sums>): void {
  const shown = new Map<string, AccountRow>();
  const prefixes = new Set<string>();
  for (const [key, { head }] of inventory.keys) {
    if (keyKind(key) !== KIND.account || isTombstone(head)) continue;
    const stamp = accountRowsStamp(decodeRecord<AccountRecord>(headMeta(head)), headStamp(head));
    prefixes.add(accountPrefix(key.slice(1, KIND_AT - 8), stamp));
  }
  for (const [key, { head }] of inventory.keys) {
    if (keyKind(key) !== KIND.accountRow || isTombstone(head)) continue;
    // Of an account that was there before: nobody looks at it.
    if (!prefixes.has(key.slice(0, REST_AT + 2))) continue;
    shown.set(`${key.slice(1, KIND_AT - 8)}/${latin1ToUtf8(key.slice(REST_AT + 2))}`, decodeRecord(headMeta(head)));
  }
  for (const { account, name, closed, objectCount, bytesUsed } of sums.values()) {
    const row = shown.get(`${hash(account)}/${name}`);
    if (!row) find('account totals', `${account} does not list ${name}`);
    else if (!closed && (row.objectCount !== objectCount || row.bytesUsed !== bytesUsed)) {
      const says = `${row.objectCount} objects, ${row.bytesUsed} bytes; its rows add up to ${objectCount}, ${bytesUsed}`;
      find('account totals', `${account} shows ${name} with ${says}`);
    }
  }
}
