/**
 * Which one of all proxies does what only one should: a register that says who and until when, for each kind of work.
 * Clocks that differ make two workers at worst: what they do must be such that twice is once.
 *
 *     hash of /<work>/lease, kind bucket: { account: <work>, container: 'lease', writer, untilMs, doneMs }
 */
import { type BucketRecord, decodeRecord, encodeRecord } from '../../account-container/contract.ts';
import { isFault } from '../../fabric/errors.ts';
import { encodeHead, headMeta, isTombstone, type Key, KIND, makeKey } from '../../object-server/contract.ts';
import type { Cluster, ReadRegister } from '../cluster.ts';
import { decide } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';

interface LeaseRecord extends BucketRecord {
  readonly writer: number;
  readonly untilMs: number;
  /** Until when everything is done. */
  readonly doneMs: number;
}

export interface Lease {
  readonly untilMs: number;
  /** Kept when absent. */
  readonly doneMs?: number | undefined;
}

const leaseKey = (cluster: Cluster, work: string): Key => makeKey(cluster.hash(work, 'lease'), undefined, KIND.bucket);

function recordIn(held: ReadRegister | undefined): LeaseRecord | undefined {
  return held && !isTombstone(held.head) ? decodeRecord<LeaseRecord>(headMeta(held.head)) : undefined;
}

/** Until when some proxy has done everything; 0 for never. `work`: a name that no account can have. */
export async function leaseDone(cluster: Cluster, work: string): Promise<number> {
  return recordIn(await readQuorum(cluster, leaseKey(cluster, work), false))?.doneMs ?? 0;
}

/** Takes or keeps the lease until `untilMs`; false while another proxy has it, or when nobody knows. */
export async function holdLeaseOf(cluster: Cluster, work: string, { untilMs, doneMs }: Lease): Promise<boolean> {
  const key = leaseKey(cluster, work);
  const writer = cluster.stamps.writerId;
  let isMine = false;
  try {
    const done = await decide(cluster, key, (current, ballot) => {
      const held = recordIn(current);
      isMine = held === undefined || held.writer === writer || held.untilMs <= cluster.clock.nowMs();
      if (!isMine) return { keep: true };
      const names = { account: work, container: 'lease' };
      const record: LeaseRecord = { ...names, writer, untilMs, doneMs: doneMs ?? held?.doneMs ?? 0 };
      return { write: [{ head: encodeHead({ key, ballot, stamp: ballot, meta: encodeRecord(record) }) }] };
    });
    return done.result === 'ok' && isMine;
  } catch (error) {
    if (!isFault(error)) throw error;
    return false;
  }
}
