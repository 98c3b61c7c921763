/**
 * Linearizable read-modify-write of one key: a CASPaxos round (Rystsov, 2018; ADR 1). A majority promises a ballot, the
 * newest state among them is judged, and what the judge decides is written under that ballot. Without a decision to
 * write, the state that was judged is made sure of first. Plain writes take part: a promise refuses them below its ballot.
 */
import { Fault } from '../fabric/errors.ts';
import type { Stamp } from '../fabric/stamp.ts';
import { headBallot, headStamp, type Key, withBallot } from '../object-server/contract.ts';
import type { Cluster, ReadRegister, Replica } from './cluster.ts';
import { storeFaults } from './object/contract.ts';
import { pause } from './pause.ts';
import { type Prepared, prepareQuorum } from './quorum-prepare.ts';
import { type QuorumWrite, type WriteResult, writeQuorum } from './quorum-write.ts';
import { repairBlobs } from './repair-blobs.ts';

const ROUNDS_MAX = 12;

/**
 * The judge's word. `write`: these writes under the ballot it was given, the judged key's own first. `keep`: nothing
 * changes; with `refuse` the caller gets that Fault once the judged state is safe.
 */
export type Decision = { readonly write: readonly QuorumWrite[] } | { readonly keep: true; readonly refuse?: Fault };

export const KEEP: Decision = { keep: true };

/**
 * `granted` are the replicas that promised: what they hold cannot change below the ballot while the judge looks. `own`:
 * `current` is what an earlier round of this very operation wrote, so the judge has approved of it already.
 */
export type Judge = (
  current: ReadRegister | undefined,
  ballot: Stamp,
  granted: readonly Replica[],
  own: boolean,
) => Decision | Promise<Decision>;

/**
 * Ballots under which this operation wrote the key and was refused, though some replica may hold it: a later round may
 * meet its own write, and must neither judge it as another's nor take effect a second time.
 */
export type OwnRounds = Set<Stamp>;

export interface DecideOptions {
  /** The key guards others, and a promise on it seals them: write it back even when nothing changes. */
  readonly unseal?: boolean;
  /** Where the operation decides more than once. */
  readonly own?: OwnRounds;
  /** The judge itself can tell what became of own rounds that something newer hides (versions keep a trace). */
  readonly judgesOwn?: boolean;
}

/**
 * Resolves when decided. Faults: the judge's own; ConditionalConflict when other writers kept winning, or overtook a round
 * of which nobody can say any more whether it took effect; QuorumUnavailable; what a companion write was refused for
 * comes back as the result.
 */
export async function decide(
  cluster: Cluster,
  key: Key,
  judge: Judge,
  options: DecideOptions = {},
): Promise<WriteResult> {
  const { unseal = false, own = new Set(), judgesOwn = false } = options;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const ballot = cluster.settled.open();
    const result = await runRound(cluster, { key, judge, ballot, unseal, own, judgesOwn }).catch((error) => {
      cluster.settled.close(ballot);
      throw error;
    });
    if (result !== 'again') return result;
    await pause(cluster, round);
  }
  throw new Fault(storeFaults.conditionalConflict);
}

interface RoundArgs {
  readonly key: Key;
  readonly judge: Judge;
  readonly ballot: Stamp;
  readonly unseal: boolean;
  readonly own: OwnRounds;
  readonly judgesOwn: boolean;
}

async function runRound(
  cluster: Cluster,
  { key, judge, ballot, unseal, own, judgesOwn }: RoundArgs,
): Promise<WriteResult | 'again'> {
  const prepared = await prepareQuorum(cluster, key, ballot);
  if (!prepared.ok) {
    cluster.stamps.observe(prepared.ballot as Stamp);
    cluster.settled.close(ballot);
    return 'again';
  }
  const decision = await judge(prepared.current, ballot, prepared.granted, isOwn(prepared.current, own, judgesOwn));
  const writes = 'write' in decision ? decision.write : keeping(prepared, ballot, unseal);
  if (writes.length === 0) cluster.settled.close(ballot);
  const done =
    writes.length === 0
      ? ({ result: 'ok', replaced: [] } as const)
      : await writeAll(cluster, ballot, writes, prepared.current);
  if (done.result !== 'ok' && !done.harmless && 'write' in decision) own.add(ballot);
  if (done.result === 'newer' && done.key === key) return 'again';
  if (done.result === 'ok' && 'keep' in decision && decision.refuse) throw decision.refuse;
  return done;
}

/** Fault ConditionalConflict when something newer hides whether an own round took effect before it. */
function isOwn(current: ReadRegister | undefined, own: OwnRounds, judgesOwn: boolean): boolean {
  if (!current || own.size === 0) return false;
  const held = headBallot(current.head);
  if (own.has(held) || own.has(headStamp(current.head))) return true;
  if (judgesOwn) return false;
  for (const ballot of own)
    if (held > ballot) throw new Fault(storeFaults.conditionalConflict, { reason: 'overtaken' });
  return false;
}

/** What to write when nothing changes: the judged state again, where a replica may lack it or a seal must go. */
function keeping(
  { current, unanimous }: Prepared & { ok: true },
  ballot: Stamp,
  unseal: boolean,
): readonly QuorumWrite[] {
  if (!current || (unanimous && !unseal)) return [];
  return [{ head: withBallot(current.head, ballot), body: current.body }];
}

async function writeAll(
  cluster: Cluster,
  ballot: Stamp,
  writes: readonly QuorumWrite[],
  current: ReadRegister | undefined,
): Promise<WriteResult> {
  const done = await writeUnder(cluster, ballot, writes);
  if (done.result !== 'missing-blob' || !current) return done;
  await repairBlobs(cluster, current);
  return writeUnder(cluster, ballot, writes);
}

/** Writes that belong to an open operation: closes it when all is settled, hands it to the reconciler when it is not. */
export function writeUnder(cluster: Cluster, stamp: Stamp, writes: readonly QuorumWrite[]): Promise<WriteResult> {
  return writeQuorum(cluster, writes, (ending) => {
    // What one replica took, be it only a row, may stay there alone when the caller gives up.
    if (ending === 'partial') cluster.settled.abandon(stamp, writes);
    else cluster.settled.close(stamp);
  });
}
