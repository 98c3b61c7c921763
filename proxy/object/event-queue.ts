/**
 * What has still to be told to whom: a durable queue of events, kept as rows of the store's own (own-rows.ts). An event
 * is noted before the change itself, as pins are before a copy: a crash leaves a note too many, which whoever comes by
 * compares with the object, never one too few. Once the change stands, the note is told to its target and dropped; what
 * cannot be told at once gets the change's own words written into it.
 *
 * In LANES prefixes a target; one object's are in one lane:
 *
 *     hash    of /.events/<target>/<lane>     incarnation 0
 *     name    stamp of the note, 16 hex digits
 *     extra   { account, container, name, event, rule, who, request, address, versionId?, told? { stamp, … } }
 */
import { decodeRow, type ListEntry } from '../../account-container/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { headMeta, type Key } from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import type { EventName } from './notification-rules.ts';
import { dropOwnRow, ownMeta, ownPrefix, putOwnRow } from './own-rows.ts';

/** Of each target: what is told side by side. */
export const LANES = 8;
const HASH_ACCOUNT = '.events';

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
  return ownPrefix(cluster, HASH_ACCOUNT, target, String(lane));
}

export function laneOf(cluster: Cluster, { account, container, name }: QueuedEvent): number {
  return cluster.hash(account, container, name).charCodeAt(0) % LANES;
}

/** Durable when it resolves. */
export function writeEvent(cluster: Cluster, prefix: Key, { note, event }: EventEntry): Promise<void> {
  return putOwnRow(cluster, (prefix + note) as Key, ownMeta({ ...event }));
}

export function dropEvent(cluster: Cluster, prefix: Key, note: Stamp): Promise<void> {
  return dropOwnRow(cluster, (prefix + note) as Key);
}

/** Of a listing of a lane. */
export function readEvent({ name, head }: ListEntry): EventEntry | undefined {
  if (!head) return undefined;
  return { note: name as Stamp, event: decodeRow(headMeta(head)).extra as unknown as QueuedEvent };
}
