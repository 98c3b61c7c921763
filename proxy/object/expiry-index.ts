/**
 * Which objects are to go when: an index by time, kept as rows. An object with a delete-at is noted here before it is
 * written itself, as pins are before a copy: a crash leaves an entry too many, which whoever comes by when it is due
 * finds to mean nothing, never one too few. Entries of objects that are overwritten or deleted stay until then.
 *
 * Rows of table `expiring` (account-container/row-format.ts), in SHARDS prefixes of their own, no container behind them:
 *
 *     hash    of /.expiring/<first hex digit of the object's hash>     incarnation 0
 *     name    <delete-at, Unix seconds, 10 digits>/<object's hash, 32 hex digits>
 *     extra   { account, container, name }
 */
import { decodeRow, encodeRow, type ListEntry } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headMeta,
  headStamp,
  type Key,
  KIND,
  makeKey,
  rowRest,
  TABLE,
  unpackHex,
} from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import { pause } from '../pause.ts';
import { writeUnder } from '../quorum-decide.ts';
import { type ObjectRef, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';

export const SHARDS = 16;
const HASH_ACCOUNT = '.expiring';
const SECONDS_DIGITS = 10;
const TRIES_MAX = 8;

export interface ExpiryEntry {
  readonly deleteAtS: number;
  readonly ref: ObjectRef;
  /** As in listings of the shard. */
  readonly rowName: string;
  /** Of the proxy that noted it. */
  readonly writerId: number;
}

export function shardPrefix(cluster: Pick<Cluster, 'hash'>, shard: number): Key {
  return makeKey(cluster.hash(HASH_ACCOUNT, shard.toString(16)), undefined, KIND.row, rowRest(TABLE.expiring, ''));
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
  const meta = encodeRow({ sizeBytes: 0, etag: '', contentType: '', extra: { account, container, name } });
  return { key: key as Key, meta };
}

/** Durable when it resolves. */
export async function noteExpiry({ cluster, expiryHint }: Engine, ref: ObjectRef, deleteAtS: number): Promise<void> {
  const { key, meta } = expiryRow(cluster, ref, deleteAtS);
  await writeRow(cluster, (stamp) => encodeHead({ key, ballot: stamp, stamp, meta }));
  expiryHint.note(deleteAtS);
}

export async function dropEntry(cluster: Cluster, prefix: Key, { rowName }: ExpiryEntry): Promise<void> {
  const key = prefix + rowName;
  await writeRow(cluster, (stamp) => encodeHead({ key, ballot: stamp, stamp, flags: FLAG_TOMBSTONE }));
}

async function writeRow(cluster: Cluster, head: (stamp: Stamp) => Buffer): Promise<void> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const stamp = cluster.settled.open();
    const done = await writeUnder(cluster, stamp, [{ head: head(stamp) }]);
    if (done.result === 'ok') return;
    if (done.result === 'full') throw new Fault(storeFaults.insufficientStorage);
    if (done.result !== 'newer') throw new Fault(storeFaults.quorumUnavailable, { reason: done.result });
    cluster.stamps.observe(done.ballot);
    await pause(cluster, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable, { reason: 'contended' });
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
