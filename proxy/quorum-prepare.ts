/**
 * Phase 1 of a decision (quorum-decide.ts, ADR 1): a majority of a key's primaries promises a ballot, durably, and says what it
 * holds. Changes nothing but promises; what the state means is the judge's.
 */
import { Fault, isFault } from '../fabric/errors.ts';
import type { Stamp } from '../fabric/stamp.ts';
import { headBallot, headBodyLength, type Key, type ObjectServiceCalls } from '../object-server/contract.ts';
import type { Cluster, ReadRegister, Replica } from './cluster.ts';
import { storeFaults } from './object/contract.ts';
import { readOrder } from './read-order.ts';

const PREPARE_DEADLINE_MS = 3_000;

type PrepareReply = ObjectServiceCalls['prepare']['reply'];

export type Prepared =
  | {
      readonly ok: true;
      readonly current: ReadRegister | undefined;
      readonly unanimous: boolean;
      readonly granted: readonly Replica[];
    }
  | { readonly ok: false; readonly ballot: Stamp | '' };

interface PrepareAnswer {
  readonly replica: Replica;
  readonly value: PrepareReply;
}

/** Phase 1. `current` is the newest state among a majority that promised; `unanimous` when they all hold that one. */
export async function prepareQuorum(cluster: Cluster, key: Key, ballot: Stamp): Promise<Prepared> {
  const answers = await askForPromises(cluster, key, ballot);
  const granted: Grant[] = [];
  let highest: Stamp | '' = '';
  for (const { replica, value } of answers) {
    if (!value.ok) highest = value.ballot > highest ? value.ballot : highest;
    else granted.push({ replica, held: value.head ? headBallot(value.head) : '', head: value.head, body: value.body });
  }
  if (granted.length < cluster.quorum) {
    if (highest === '') throw new Fault(storeFaults.quorumUnavailable, { phase: 'prepare' });
    return { ok: false, ballot: highest };
  }
  const [first] = granted as [Grant];
  let newest = first;
  for (const each of granted) {
    if (each.held > newest.held || (each.held === newest.held && each.body)) newest = each;
  }
  const unanimous = granted.every(({ held }) => held === first.held);
  const replicas = granted.map(({ replica }) => replica);
  if (!newest.head) return { ok: true, current: undefined, unanimous, granted: replicas };
  if (newest.body || headBodyLength(newest.head) === 0) {
    const { head, body, replica } = newest;
    return { ok: true, current: { head, body, replica }, unanimous, granted: replicas };
  }
  const current = await fetchBody(
    key,
    granted.filter(({ held }) => held === newest.held),
  );
  if (!current) throw new Fault(storeFaults.quorumUnavailable, { phase: 'prepare' });
  const now = headBallot(current.head);
  return now === newest.held ? { ok: true, current, unanimous, granted: replicas } : { ok: false, ballot: now };
}

/** A promise, and what its replica holds. */
interface Grant {
  readonly replica: Replica;
  readonly held: Stamp | '';
  readonly head: Buffer | null;
  readonly body: Buffer | undefined;
}

/** Who was asked for the body has not answered, or holds another state. What is found may be newer than what was promised on. */
async function fetchBody(key: Key, holders: readonly Grant[]): Promise<ReadRegister | undefined> {
  for (const { replica } of holders) {
    try {
      const args = { device: replica.device, key, body: true };
      const { head, body } = (await replica.peer.call('read', args, { deadlineMs: PREPARE_DEADLINE_MS }))
        .value as ObjectServiceCalls['read']['reply'];
      if (head) return { head, body, replica };
    } catch (error) {
      if (!isFault(error)) throw error;
    }
  }
  return undefined;
}

/** Answers as they come until a majority granted or nobody is left; the rest run on unheard. One is asked for the body too. */
function askForPromises(cluster: Cluster, key: Key, ballot: Stamp): Promise<PrepareAnswer[]> {
  return new Promise((resolve, reject) => {
    const replicas = readOrder(cluster, key);
    const answers: PrepareAnswer[] = [];
    let open = replicas.length;
    let granted = 0;
    const one = (): void => {
      open--;
      if (granted >= cluster.quorum || open === 0) resolve(answers.slice());
    };
    for (const replica of replicas) {
      const args = { device: replica.device, key, ballot, body: replica === replicas[0] };
      replica.peer.call('prepare', args, { deadlineMs: PREPARE_DEADLINE_MS }).then(
        (reply) => {
          const value = reply.value as PrepareReply;
          answers.push({ replica, value });
          if (value.ok) granted++;
          one();
        },
        (error) => (isFault(error) ? one() : reject(error)),
      );
    }
  });
}
