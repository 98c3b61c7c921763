/**
 * Makes a change of an object visible: the object's register and its row in the container's listing, in one round, each
 * on a majority before the answer (ADR 1, 3). Re-stamps when another writer was ahead, waits while the container is
 * being decided on, and leaves nothing behind when the container is gone.
 */

import { Fault, isFault } from '../../fabric/errors.ts';
import { type Stamp, stampTicks } from '../../fabric/stamp.ts';
import { headStamp, isTombstone, type Key, KIND, makeKey, withBallot } from '../../object-server/contract.ts';
import type { ReadRegister } from '../cluster.ts';
import { pause } from '../pause.ts';
import { decide, type Judge, KEEP, type OwnRounds, writeUnder } from '../quorum-decide.ts';
import type { QuorumWrite, WriteResult } from '../quorum-write.ts';
import { checkWriteConditions } from './conditions.ts';
import { type ContainerState, noContainer } from './containers.ts';
import type { Conditions } from './contract.ts';
import { storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { decodeMeta, gravestoneHead, type ObjectRecord, type Pin } from './object-format.ts';
import { dropPins } from './pins.ts';
import { rowsBeside, rowWrite } from './row-writes.ts';

export const TRIES_MAX = 24;
const ALIGN_TRIES_MAX = 4;
/** Tries that may meet a sealed container before its unfinished decision is finished here. */
const SEALED_TRIES = 6;

/** The object that a change is about. */
export interface Named {
  readonly container: ContainerState;
  readonly name: string;
}

/** What to write once the stamp is known: the object's register and the companions that share its fate. */
export interface Change extends Named {
  /** All writes of the change but the row; the object's own first. */
  writes(stamp: Stamp): readonly QuorumWrite[];
  /** The listing's row; undefined removes it. */
  readonly row: Buffer | undefined;
  readonly conditions?: Conditions | undefined;
  /** Pins that the new state holds, perhaps since before. */
  readonly pins?: readonly Pin[] | undefined;
  /**
   * When the change happened, where that was elsewhere: the stamp that the object's register then says, and what stands
   * there must be older, whether it is an object or the trace of a deletion. Fault PreconditionFailed (X-Timestamp).
   */
  readonly at?: Stamp | undefined;
  /** Told, where the change is decided, what it takes the place of. */
  readonly onFound?: ((found: boolean) => void) | undefined;
}

export function objectKey(engine: Engine, container: ContainerState, name: string): Key {
  const { account, name: containerName } = container.record;
  return makeKey(engine.cluster.hash(account, containerName, name), container.incarnation, KIND.object);
}

/** Resolves with the stamp under which the change stands. */
export async function commit(engine: Engine, change: Change): Promise<Stamp> {
  const own: OwnRounds = new Set();
  // What comes after it here must also come after it there.
  if (change.at !== undefined) engine.cluster.stamps.observe(change.at);
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    // A plain write that may stand already must not take effect twice: from then on it is decided.
    const decided = change.conditions !== undefined || change.at !== undefined || own.size > 0;
    const { stamp, done } = decided ? await decideOnce(engine, change, own) : await writeOnce(engine, change);
    if (done.result === 'ok') {
      if (done.passed !== undefined) await alignRow(engine, change, done);
      if (done.replaced.length > 0) dropPins(engine, done.replaced, change.pins);
      engine.touched(change.container);
      return stamp;
    }
    if (!done.harmless) own.add(stamp);
    await recover(engine, change, done, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable, { reason: 'contended' });
}

/**
 * A newer row may belong to a write that never came to be, and hide this one. Before the answer the object is decided on
 * once more, and its row written beside it above whatever stood there. Fault QuorumUnavailable.
 */
export async function alignRow(engine: Engine, { container, name }: Named, done: WriteResult): Promise<void> {
  const { cluster } = engine;
  const key = objectKey(engine, container, name);
  let latest = done;
  for (let attempt = 0; latest.result === 'ok' && latest.passed !== undefined; attempt++) {
    if (attempt === ALIGN_TRIES_MAX) throw new Fault(storeFaults.quorumUnavailable, { reason: 'row' });
    cluster.stamps.observe(latest.passed);
    latest = await decide(cluster, key, (current, ballot) => {
      if (!current) return KEEP;
      const write = { head: withBallot(current.head, ballot), body: current.body };
      return { write: [write, ...rowsBeside(container, name, current.head, ballot)] };
    }).catch((error: unknown): never => {
      if (!isFault(error, storeFaults.conditionalConflict)) throw error;
      throw new Fault(storeFaults.quorumUnavailable, { reason: 'row' });
    });
  }
  if (latest.result !== 'ok') throw new Fault(storeFaults.quorumUnavailable, { reason: latest.result });
}

interface Attempt {
  readonly stamp: Stamp;
  readonly done: WriteResult;
}

/** One round: last writer wins. */
async function writeOnce({ cluster }: Engine, change: Change): Promise<Attempt> {
  const stamp = cluster.settled.open();
  const done = await writeUnder(cluster, stamp, withRow(change, stamp));
  return { stamp, done };
}

/** Two rounds: the conditions are judged on what a majority holds, and the write stands only on that state. */
async function decideOnce(engine: Engine, change: Change, own: OwnRounds): Promise<Attempt> {
  const key = objectKey(engine, change.container, change.name);
  let stamp = '' as Stamp;
  const judge: Judge = (current, ballot, _granted, mine) => {
    stamp = ballot;
    const found = recordOf(engine, current);
    const refused = mine ? undefined : checkWriteConditions(change.conditions ?? {}, found);
    const fault = refused ?? (mine ? undefined : superseded(change, current));
    if (!mine) change.onFound?.(found !== undefined);
    return fault ? { keep: true, refuse: fault } : { write: withRow(change, ballot) };
  };
  const done = await decide(engine.cluster, key, judge, { own }).catch((error: unknown): never => {
    // Only who set conditions may hear of a conflict; to others it is no more than an unknown outcome.
    if (change.conditions || !isFault(error, storeFaults.conditionalConflict)) throw error;
    throw new Fault(storeFaults.quorumUnavailable, { reason: 'overtaken' });
  });
  return { stamp, done };
}

/** Of the same moment is not older: the other side may be told twice. */
export function superseded({ at }: Pick<Change, 'at'>, current: ReadRegister | undefined): Fault | undefined {
  if (at === undefined || !current || stampTicks(headStamp(current.head)) < stampTicks(at)) return undefined;
  return new Fault(storeFaults.preconditionFailed, { header: 'X-Timestamp', isGone: isTombstone(current.head) });
}

/** The live object in a register, if it is one: no delete marker, not expired. */
export function recordOf(
  engine: Engine,
  current: ReadRegister | undefined,
): { record: ObjectRecord; head: Buffer } | undefined {
  if (!current || isTombstone(current.head)) return undefined;
  const record = decodeMeta<ObjectRecord>(current.head);
  return record.marker === true || engine.expired(record) ? undefined : { record, head: current.head };
}

function withRow(change: Change, stamp: Stamp): readonly QuorumWrite[] {
  if (change.at !== undefined) {
    const writes = change.writes(stamp);
    return [...writes, ...rowsBeside(change.container, change.name, (writes[0] as QuorumWrite).head, stamp)];
  }
  return [...change.writes(stamp), rowWrite(change.container, change.name, change.row, stamp)];
}

/** Returns when another try makes sense; otherwise throws what the client should hear. */
export async function recover(engine: Engine, change: Named, done: WriteResult, attempt: number): Promise<void> {
  const { cluster } = engine;
  switch (done.result) {
    case 'newer':
      cluster.stamps.observe(done.ballot);
      if (attempt > 2) await pause(cluster, attempt);
      return;
    case 'sealed':
      if (attempt === SEALED_TRIES) await decide(cluster, change.container.key, () => KEEP, { unseal: true });
      return pause(cluster, attempt);
    case 'guard':
      if (await stillThere(engine, change.container)) return pause(cluster, attempt);
      await withdraw(engine, change);
      throw await goneOrNew(engine, change.container);
    case 'full':
      throw new Fault(storeFaults.insufficientStorage);
    default:
      throw new Fault(storeFaults.quorumUnavailable, { reason: done.result });
  }
}

/**
 * Whether a guard's refusal was wrong: a replica may have missed the container's creation. It is told; another try makes
 * sense then.
 */
export async function stillThere({ cluster, containers }: Engine, container: ContainerState): Promise<boolean> {
  const { account, name } = container.record;
  const fresh = await containers.findHeld({ account, container: name });
  if (fresh?.incarnation !== container.incarnation) return false;
  await decide(cluster, container.key, () => KEEP, { unseal: true });
  return true;
}

/** What to say of a container that is not the one remembered: gone, or made anew, which another try will find. */
export async function goneOrNew({ containers }: Engine, container: ContainerState): Promise<Fault> {
  const { account, name } = container.record;
  const fresh = await containers.findFresh({ account, container: name });
  return fresh ? new Fault(storeFaults.quorumUnavailable, { reason: 'the container was made anew' }) : noContainer();
}

/** The container is gone, and with its incarnation every way to this object: free what replicas took meanwhile. */
async function withdraw(engine: Engine, change: Named): Promise<void> {
  const { account, name: container } = change.container.record;
  const key = objectKey(engine, change.container, change.name);
  const stamp = engine.cluster.settled.open();
  await writeUnder(engine.cluster, stamp, [
    { head: gravestoneHead({ account, container, name: change.name }, key, stamp) },
  ]);
}
