/**
 * What has still to be told to whom: a durable queue of events, kept as rows without a container (expiry-index.ts). An event
 * is noted before the change itself, as pins are before a copy: a crash leaves a note too many, which whoever comes by
 * compares with the object, never one too few. Once the change stands, the note is told to its target and dropped; what
 * cannot be told at once gets the change's own words written into it.
 *
 * Rows of table `expiring` (account-container/row-format.ts), in LANES prefixes a target; one object's are in one lane:
 *
 *     hash    of /.events/<target>/<lane>     incarnation 0
 *     name    stamp of the note, 16 hex digits
 *     extra   { account, container, name, event, rule, who, request, address, versionId?, told? { stamp, … } }
 */
import { decodeRow, encodeRow, type ListEntry } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headMeta,
  type Key,
  KIND,
  makeKey,
  rowRest,
  TABLE,
} from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import { pause } from '../pause.ts';
import { writeUnder } from '../quorum-decide.ts';
import { storeFaults } from './contract.ts';
import type { EventName } from './notification-rules.ts';

/** Of each target: what is told side by side. */
export const LANES = 8;
const HASH_ACCOUNT = '.events';
const TRIES_MAX = 8;

/** What the change made. */
export interface Told {
  /** Of the version, or of the change. */
  readonly stamp: string;
  readonly versionId?: string | undefined;
  readonly sizeBytes?: number | undefined;
  readonly etag?: string | undefined;
}

export interface QueuedEvent {
  readonly account: string;
  readonly container: string;
  readonly name: string;
  readonly event: EventName;
  /** Id of the rule. */
  readonly rule: string;
  /** Who asked for the change, from where, by which request. */
  readonly who: string;
  readonly address: string;
  readonly request: string;
  /** That the request named. */
  readonly versionId?: string | undefined;
  readonly told?: Told | undefined;
}

export interface EventEntry {
  readonly note: Stamp;
  readonly event: QueuedEvent;
}

export function lanePrefix(cluster: Cluster, target: string, lane: number): Key {
  return makeKey(cluster.hash(HASH_ACCOUNT, target, String(lane)), undefined, KIND.row, rowRest(TABLE.expiring, ''));
}

export function laneOf(cluster: Cluster, { account, container, name }: QueuedEvent): number {
  return cluster.hash(account, container, name).charCodeAt(0) % LANES;
}

/** Durable when it resolves. */
export async function writeEvent(cluster: Cluster, prefix: Key, { note, event }: EventEntry): Promise<void> {
  const key = prefix + note;
  const extra = event as unknown as Record<string, unknown>;
  const meta = encodeRow({ sizeBytes: 0, etag: '', contentType: '', extra });
  await writeRow(cluster, (stamp) => encodeHead({ key, ballot: stamp, stamp, meta }));
}

export async function dropEvent(cluster: Cluster, prefix: Key, note: Stamp): Promise<void> {
  const key = prefix + note;
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

/** Of a listing of a lane. */
export function readEvent({ name, head }: ListEntry): EventEntry | undefined {
  if (!head) return undefined;
  return { note: name as Stamp, event: decodeRow(headMeta(head)).extra as unknown as QueuedEvent };
}
