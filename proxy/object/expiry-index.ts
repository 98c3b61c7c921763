/**
 * Which objects are to go when: an index by time, kept as rows. An object with a delete-at is noted here before it is
 * written itself, as pins are before a copy: a crash leaves an entry too many, which whoever comes by when it is due
 * finds to mean nothing, never one too few. Entries of objects that are overwritten or deleted stay until then.
 *
 * The store's own rows (own-rows.ts), in SHARDS prefixes:
 *
 *     hash    of /.expiring/<first hex digit of the object's hash>     incarnation 0
 *     name    <delete-at, Unix seconds, 10 digits>/<object's hash, 32 hex digits>
 *     extra   { account, container, name }
 */
import { decodeRow, type ListEntry } from '../../account-container/contract.ts';
import { headMeta, headStamp, type Key, unpackHex } from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import type { ObjectRef } from './contract.ts';
import type { Engine } from './engine.ts';
import { dropOwnRow, ownMeta, ownPrefix, putOwnRow } from './own-rows.ts';

export const SHARDS = 16;
const HASH_ACCOUNT = '.expiring';
const SECONDS_DIGITS = 10;

export interface ExpiryEntry {
  readonly deleteAtS: number;
  readonly ref: ObjectRef;
  /** As in listings of the shard. */
  readonly rowName: string;
  /** Of the proxy that noted it. */
  readonly writerId: number;
}

export function shardPrefix(cluster: Pick<Cluster, 'hash'>, shard: number): Key {
  return ownPrefix(cluster, HASH_ACCOUNT, shard.toString(16));
}

/** The first name in a shard that is due at `seconds` or later. */
export const timeName = (seconds: number): string => String(Math.max(0, seconds)).padStart(SECONDS_DIGITS, '0');

export function expiryRow(
  cluster: Pick<Cluster, 'hash'>,
  { account, container, object: name }: ObjectRef,
  deleteAtS: number,
): { readonly key: Key; readonly meta: Buffer } {
  const hash = unpackHex(cluster.hash(account, container, name));
  const key = `${shardPrefix(cluster, Number.parseInt(hash.charAt(0), 16))}${timeName(deleteAtS)}/${hash}`;
  return { key: key as Key, meta: ownMeta({ account, container, name }) };
}

/** Durable when it resolves. */
export async function noteExpiry({ cluster, expiryHint }: Engine, ref: ObjectRef, deleteAtS: number): Promise<void> {
  const { key, meta } = expiryRow(cluster, ref, deleteAtS);
  await putOwnRow(cluster, key, meta);
  expiryHint.note(deleteAtS);
}

export function dropEntry(cluster: Cluster, prefix: Key, { rowName }: ExpiryEntry): Promise<void> {
  return dropOwnRow(cluster, (prefix + rowName) as Key);
}

/** `entry`: of a listing of the shard. */
export function readEntry({ name: rowName, head }: ListEntry): ExpiryEntry | undefined {
  if (!head) return undefined;
  const { account, container, name } = decodeRow(headMeta(head)).extra as Record<
    'account' | 'container' | 'name',
    string
  >;
  const deleteAtS = Number(rowName.slice(0, SECONDS_DIGITS));
  const writerId = Number.parseInt(headStamp(head).slice(-3), 16);
  return { deleteAtS, ref: { account, container, object: name }, rowName, writerId };
}
