/**
 * Reads that a later crash cannot take back: two primaries are asked, one for the register, one for its ballot only.
 * Where they differ the newer one is stored on a majority before anybody sees it (ADR 2).
 */
import { Fault, isFault } from '../fabric/errors.ts';
import type { Stamp } from '../fabric/stamp.ts';
import { headBallot, headKey, type Key, type ObjectServiceCalls } from '../object-server/contract.ts';
import type { Cluster, ReadRegister, Replica } from './cluster.ts';
import { storeFaults } from './object/contract.ts';
import { pause } from './pause.ts';
import { decide, KEEP } from './quorum-decide.ts';
import { type QuorumWrite, writeQuorum } from './quorum-write.ts';
import { readOrder } from './read-order.ts';
import { repairBlobs } from './repair-blobs.ts';

export const READ_DEADLINE_MS = 3_000;
const REPAIR_TRIES_MAX = 8;

type ReadReply = ObjectServiceCalls['read']['reply'];
type CheckReply = ObjectServiceCalls['check']['reply'];

/** Not known at once. */
const LATER = Symbol('later');

/**
 * The key's newest state on a majority, tombstones included; undefined when nobody knows it. Fault QuorumUnavailable.
 * Where both replicas are in this process and agree at once, so does the answer come: await it all the same.
 */
export function readQuorum(
  cluster: Cluster,
  key: Key,
  body: boolean,
): Promise<ReadRegister | undefined> | ReadRegister | undefined {
  const now = readNow(readOrder(cluster, key), key, body);
  return now === LATER ? readInTurns(cluster, key, body) : now;
}

function readNow(order: readonly Replica[], key: Key, body: boolean): ReadRegister | undefined | typeof LATER {
  const [first, second] = order;
  if (!first?.peer.callNow || !second?.peer.callNow) return LATER;
  const check = second.peer.callNow('check', { device: second.device, key });
  if (check instanceof Promise) return later(check);
  const read = first.peer.callNow('read', { device: first.device, key, body });
  if (read instanceof Promise) return later(read);
  const full = read.value as ReadReply;
  if ((full.head ? headBallot(full.head) : '') !== (check.value as CheckReply).ballot) return LATER;
  return full.head ? { head: full.head, body: full.body, replica: first } : undefined;
}

/** The answer is asked for again in full; this one only must not be reported as unhandled when it fails. */
function later(answer: Promise<unknown>): typeof LATER {
  answer.catch(() => {});
  return LATER;
}

async function readInTurns(cluster: Cluster, key: Key, body: boolean): Promise<ReadRegister | undefined> {
  for (let attempt = 0; attempt < REPAIR_TRIES_MAX; attempt++) {
    const [full, other] = await askTwo(cluster, { order: readOrder(cluster, key), key, body });
    if (!full) throw new Fault(storeFaults.quorumUnavailable, { key: 'read' });
    const ballot = full.head ? headBallot(full.head) : '';
    if (other === undefined || other.ballot === ballot) {
      return full.head ? { head: full.head, body: full.body, replica: full.replica } : undefined;
    }
    const newest = await newer(full, ballot, other, key);
    if (newest && (await repair(cluster, newest))) return newest;
    await pause(cluster, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable, { key: 'repair' });
}

interface FullAnswer extends ReadReply {
  readonly replica: Replica;
}

interface BallotAnswer {
  readonly ballot: Stamp | '';
  readonly replica: Replica;
}

interface Question {
  readonly order: readonly Replica[];
  readonly key: Key;
  readonly body: boolean;
}

type Answers = [FullAnswer | undefined, BallotAnswer | undefined];

/**
 * The first replica's register and the second's ballot; a replica that fails is replaced by the next. With one answer
 * only, `available` clusters go on without a second opinion and strict ones give up.
 */
async function askTwo(cluster: Cluster, { order, key, body }: Question): Promise<Answers> {
  const [first, second] = order as [Replica, ...Replica[]];
  const [full, ballot] = await Promise.all([
    settle(askFull(first, key, body)),
    second ? settle(askBallot(second, key)) : undefined,
  ]);
  if (full && ballot) return [full, ballot];
  return askRest(cluster, { order, key, body, full, ballot });
}

interface Partial extends Question {
  readonly full: FullAnswer | undefined;
  readonly ballot: BallotAnswer | undefined;
}

async function askRest(cluster: Cluster, { order, key, body, full, ballot }: Partial): Promise<Answers> {
  // The replica that gave a ballot can give the register; otherwise whoever is left.
  const candidates = ballot ? [ballot.replica, ...order.slice(2)] : order.slice(2);
  let best = full;
  let opinion = full ? undefined : ballot;
  for (const replica of candidates) {
    if (best && opinion && best.replica !== opinion.replica) break;
    if (!best) best = await settle(askFull(replica, key, body));
    else opinion = await settle(askBallot(replica, key));
    if (best && opinion?.replica === best.replica) opinion = undefined;
  }
  if (best && opinion) return [best, opinion];
  return cluster.consistency === 'available' ? [best, undefined] : [undefined, undefined];
}

async function newer(
  full: FullAnswer,
  fullBallot: Stamp | '',
  other: BallotAnswer,
  key: Key,
): Promise<ReadRegister | undefined> {
  if (full.head && fullBallot > other.ballot) {
    const again = headWithBody(full) ? full : await settle(askFull(full.replica, key, true));
    return again?.head ? { head: again.head, body: again.body, replica: again.replica } : undefined;
  }
  const read = await settle(askFull(other.replica, key, true));
  return read?.head ? { head: read.head, body: read.body, replica: read.replica } : undefined;
}

const headWithBody = (answer: ReadReply): boolean => answer.body !== undefined;

/** Stores what one replica holds on a majority of the primaries; false when that could not be done now. */
async function repair(cluster: Cluster, newest: ReadRegister): Promise<boolean> {
  const write: QuorumWrite = { head: newest.head, body: newest.body, repair: true };
  const done = await writeQuorum(cluster, [write], () => {});
  if (done.result === 'ok') return true;
  if (done.result === 'missing-blob') {
    await repairBlobs(cluster, newest);
    return (await writeQuorum(cluster, [write], () => {})).result === 'ok';
  }
  // A promise above this ballot is in the way: a conditional writer is at work, or died. Finish its round.
  if (done.result === 'newer') await decide(cluster, headKey(newest.head), () => KEEP);
  return false;
}

async function askFull(replica: Replica, key: Key, body: boolean): Promise<FullAnswer> {
  const reply = await replica.peer.call(
    'read',
    { device: replica.device, key, body },
    { deadlineMs: READ_DEADLINE_MS },
  );
  return { ...(reply.value as ReadReply), replica };
}

async function askBallot(replica: Replica, key: Key): Promise<BallotAnswer> {
  const reply = await replica.peer.call('check', { device: replica.device, key }, { deadlineMs: READ_DEADLINE_MS });
  return { ballot: (reply.value as CheckReply).ballot, replica };
}

/** A replica that fails is simply not an answer; bugs still surface. */
async function settle<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (!isFault(error)) throw error;
    return undefined;
  }
}
