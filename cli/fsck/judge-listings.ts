/**
 * Listings against objects: every live object of a live container has a row that says the same, every row has its object,
 * and an account shows of a container what its rows add up to.
 */
import {
  type AccountRow,
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
  packHex,
  REST_AT,
  rowRest,
  TABLE,
} from '../../object-server/contract.ts';
import { decodeMeta, type ObjectRecord } from '../../proxy/object/object-format.ts';
import type { JudgeWorld } from './findings.ts';
import type { Held } from './inventory.ts';
import { containerOfRow } from './names.ts';

const ROW_NAME_AT = REST_AT + 3;
const TABLE_AT = REST_AT + 2;

interface Sums {
  readonly account: string;
  readonly name: string;
  objectCount: number;
  bytesUsed: number;
}

export function judgeListings(world: JudgeWorld): void {
  const sums = new Map<Key, Sums>();
  for (const [key, held] of world.inventory.keys) {
    if (keyKind(key) !== KIND.container || isTombstone(held.head)) continue;
    const { account, name } = decodeRecord<ContainerRecord>(headMeta(held.head));
    sums.set(key, { account, name, objectCount: 0, bytesUsed: 0 });
  }
  for (const [key, held] of world.inventory.keys) {
    const kind = keyKind(key);
    if (kind === KIND.object) judgeObject(world, key, held);
    else if (kind === KIND.row && key.charCodeAt(TABLE_AT) === TABLE.current) judgeRow(world, sums, { key, held });
  }
  judgeAccounts(world, sums);
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

/** Whether `key` was written under the container as it is now, and not under one of the same name before. */
export function isCurrent(container: Held | undefined, key: Key): boolean {
  if (!container || isTombstone(container.head)) return false;
  return packHex(headStamp(container.head)) === key.slice(KIND_AT - 8, KIND_AT);
}

function judgeAccounts({ inventory, find, hash }: JudgeWorld, sums: ReadonlyMap<Key, Sums>): void {
  const shown = new Map<string, AccountRow>();
  for (const [key, { head }] of inventory.keys) {
    if (keyKind(key) !== KIND.accountRow || isTombstone(head)) continue;
    shown.set(`${key.slice(1, KIND_AT - 8)}/${latin1ToUtf8(key.slice(REST_AT + 2))}`, decodeRecord(headMeta(head)));
  }
  for (const { account, name, objectCount, bytesUsed } of sums.values()) {
    const row = shown.get(`${hash(account)}/${name}`);
    if (!row) find('account totals', `${account} does not list ${name}`);
    else if (row.objectCount !== objectCount || row.bytesUsed !== bytesUsed) {
      const says = `${row.objectCount} objects, ${row.bytesUsed} bytes; its rows add up to ${objectCount}, ${bytesUsed}`;
      find('account totals', `${account} shows ${name} with ${says}`);
    }
  }
}
