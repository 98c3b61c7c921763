/**
 * What has still to be told to the containers that others are synchronised with: names, not changes. A name is noted
 * before it changes, as events and expiries are: a crash leaves a note too many, which whoever comes by finds to mean
 * nothing, never one too few. Each writer has a note of its own for a name, so that however often it changes, no more wait.
 * A walk goes over everything the container had before it was synchronised; its row says how far it has come.
 *
 * The store's own rows (own-rows.ts), in SHARDS prefixes:
 *
 *     hash    of /.sync/<first hex digit of the container's hash>     incarnation 0
 *     name    <container's hash, 32 hex digits>/<writer, 3 hex digits>/<object's name>     extra { account, container, name }
 *             <container's hash, 32 hex digits>/walk                  extra { account, container, marker }
 */
import { decodeRow, type ListEntry } from '../../account-container/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  unpackHex,
  utf8ToLatin1,
} from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import { decide, KEEP } from '../quorum-decide.ts';
import type { ContainerRef } from './contract.ts';
import { ownMeta, ownPrefix } from './own-rows.ts';

export const SHARDS = 16;
export const HASH_DIGITS = 32;
const HASH_ACCOUNT = '.sync';
const WALK = 'walk';

/** Either a changed name or a walk. */
export interface SyncNote {
  readonly ref: ContainerRef;
  readonly key: Key;
  /** Of this very note. */
  readonly stamp: Stamp;
  readonly name: string | undefined;
  /** The last name, latin1, that the walk has been to. */
  readonly marker: string | undefined;
}

export interface NoteRow {
  readonly shard: number;
  /** The container's, in hex. */
  readonly hash: string;
  readonly key: Key;
  readonly meta: Buffer;
}

export function shardPrefix(cluster: Pick<Cluster, 'hash'>, shard: number): Key {
  return ownPrefix(cluster, HASH_ACCOUNT, shard.toString(16));
}

export function nameNote(cluster: Cluster, ref: ContainerRef, name: string): NoteRow {
  const writer = cluster.stamps.writerId.toString(16).padStart(3, '0');
  return noteRow(cluster, ref, `${writer}/${utf8ToLatin1(name)}`, { name });
}

/** `marker` '': from the beginning. */
export function walkNote(cluster: Pick<Cluster, 'hash'>, ref: ContainerRef, marker = ''): NoteRow {
  return noteRow(cluster, ref, WALK, { marker });
}

function noteRow(cluster: Pick<Cluster, 'hash'>, ref: ContainerRef, rest: string, extra: object): NoteRow {
  const { account, container } = ref;
  const hash = unpackHex(cluster.hash(account, container));
  const shard = Number.parseInt(hash.charAt(0), 16);
  const key = `${shardPrefix(cluster, shard)}${hash}/${rest}` as Key;
  return { shard, hash, key, meta: ownMeta({ account, container, ...extra }) };
}

/** `entry`: of a listing of the shard. */
export function readNote(prefix: Key, { name: rowName, head }: ListEntry): SyncNote | undefined {
  if (!head) return undefined;
  const extra = decodeRow(headMeta(head)).extra as Readonly<Record<string, string | undefined>>;
  const { account = '', container = '', name, marker } = extra;
  return { ref: { account, container }, key: (prefix + rowName) as Key, stamp: headStamp(head), name, marker };
}

/** Drops the note, or moves the walk it is, unless it has been written again since. Resolves with its stamp now. */
export async function settleNote(
  cluster: Cluster,
  { key, stamp }: SyncNote,
  meta?: Buffer,
): Promise<Stamp | undefined> {
  let now: Stamp | undefined;
  await decide(cluster, key, (current, ballot) => {
    now = undefined;
    if (!current || isTombstone(current.head) || headStamp(current.head) !== stamp) return KEEP;
    now = ballot;
    const made = meta === undefined ? { flags: FLAG_TOMBSTONE } : { meta };
    return { write: [{ head: encodeHead({ key, ballot, stamp: ballot, ...made }) }] };
  });
  return now;
}
