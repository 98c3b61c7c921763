/**
 * One round of writes to the primaries of several keys at once (ADR 1, 2, 3): each device gets one message with
 * everything that concerns it; the answer comes when a majority of every key's primaries has it on disk. The rest is
 * waited for behind the answer; a primary that misses it gets a handoff copy, which never counts.
 *
 * Never retries and never re-stamps: the caller decides what a refusal means.
 */
import { isFault } from '../fabric/errors.ts';
import type { Stamp } from '../fabric/stamp.ts';
import { headKey, type Key, type Mutation, type ObjectServiceCalls, type Outcome } from '../object-server/contract.ts';
import type { Cluster, Replica } from './cluster.ts';

export const WRITE_DEADLINE_MS = 10_000;
const WRITE_OPTIONS = { deadlineMs: WRITE_DEADLINE_MS };
const HANDOFF_TRIES_MAX = 2;

/**
 * 'ok': every key is on a majority; `passed` is the highest ballot of what stands in place of a write with `newerIsFine`.
 * Otherwise the first key that cannot be, and why. `ballot` (for newer, sealed) is the
 * highest met. `harmless`: every primary of the first key has refused it for good or was never asked, so that nobody has
 * seen it or ever will; otherwise some replica may hold it, and a decision that met it there may have made it stand.
 */
export type WriteResult =
  | { readonly result: 'ok'; readonly replaced: readonly Buffer[]; readonly passed?: Stamp }
  | { readonly result: 'newer' | 'sealed'; readonly ballot: Stamp; readonly key: Key; readonly harmless: boolean }
  | {
      readonly result: 'guard' | 'full' | 'missing-blob' | 'unavailable';
      readonly key: Key;
      readonly harmless: boolean;
    };

/** How a round ended: 'complete', 'void' (no primary holds any of it, or ever will), or something is left to be seen to. */
export type Ending = 'complete' | 'void' | 'partial';
export type OnSettled = (ending: Ending) => void;

type ApplyReply = ObjectServiceCalls['apply']['reply'];

/**
 * `newerIsFine`: refused as older is not a failure: a newer write of the name is there already. It may be one that never
 * came to be; where that matters, look at the result's `passed`.
 */
export interface QuorumWrite extends Mutation {
  readonly newerIsFine?: boolean;
}

/** What is known of one key's write so far. */
interface Tally {
  readonly write: QuorumWrite;
  readonly key: Key;
  readonly primaries: readonly Replica[];
  oks: number;
  failures: number;
  /** Primaries that do not hold it and never will: asked and 'newer', which stays true for ever, or not asked at all. */
  barren: number;
  worst: Exclude<Outcome['result'], 'ok'> | 'unavailable' | undefined;
  ballot: Stamp | '';
}

interface Batch {
  readonly replica: Replica;
  readonly tallies: Tally[];
}

/**
 * Resolves with the verdict. `onSettled` is called when every replica has answered: 'complete' when all primaries hold
 * everything or a handoff copy records what one of them misses.
 */
export function writeQuorum(
  cluster: Cluster,
  writes: readonly QuorumWrite[],
  onSettled: OnSettled,
): Promise<WriteResult> {
  return new Promise((resolve) => {
    const round = new Round(cluster, writes, resolve, onSettled);
    round.send();
  });
}

class Round {
  readonly #cluster: Cluster;
  readonly #tallies: Tally[];
  readonly #resolve: (result: WriteResult) => void;
  readonly #onSettled: OnSettled;
  readonly #replaced: Buffer[] = [];
  #verdict: WriteResult | undefined;
  #passed: Stamp | undefined;
  /** Until there is a verdict. */
  #owed: { readonly missing: Replica; readonly tallies: readonly Tally[] }[] = [];
  #pending = 0;
  #complete = true;
  /** A copy may be somewhere, and be delivered. */
  #handedOff = false;

  constructor(
    cluster: Cluster,
    writes: readonly QuorumWrite[],
    resolve: (result: WriteResult) => void,
    onSettled: OnSettled,
  ) {
    this.#cluster = cluster;
    this.#resolve = resolve;
    this.#onSettled = onSettled;
    this.#tallies = writes.map((write) => {
      const key = headKey(write.head);
      return {
        write,
        key,
        primaries: cluster.primaries(key),
        oks: 0,
        failures: 0,
        barren: 0,
        worst: undefined,
        ballot: '',
      };
    });
  }

  send(): void {
    const batches = this.#batchByDevice();
    this.#pending = batches.length;
    const down: Batch[] = [];
    for (const batch of batches) {
      if (batch.replica.peer.up) {
        this.#sendBatch(batch);
        continue;
      }
      for (const tally of batch.tallies) tally.barren++;
      down.push(batch);
    }
    for (const batch of down) this.#missed(batch);
  }

  #batchByDevice(): Batch[] {
    const batches: Batch[] = [];
    for (const tally of this.#tallies) {
      for (const replica of tally.primaries) {
        const batch = batches.find((each) => each.replica === replica);
        if (batch) batch.tallies.push(tally);
        else batches.push({ replica, tallies: [tally] });
      }
    }
    return batches;
  }

  /** On the path of every write: callbacks instead of an async function save a promise and a frame per device. */
  #sendBatch(batch: Batch): void {
    const { device, peer } = batch.replica;
    peer.call('apply', this.#applyArgs(device, batch.tallies), WRITE_OPTIONS).then(
      (reply) => this.#replied(batch, (reply.value as ApplyReply).outcomes),
      (error) => this.#failed(batch, error),
    );
  }

  #replied(batch: Batch, outcomes: readonly Outcome[]): void {
    let missed: Tally[] | undefined;
    for (let i = 0; i < batch.tallies.length; i++) {
      const tally = batch.tallies[i] as Tally;
      if (!this.#count(tally, outcomes[i] as Outcome)) continue;
      missed ??= [];
      missed.push(tally);
    }
    this.#answerIfDecided();
    if (missed) this.#owe(batch.replica, missed);
    else this.#finishOne();
  }

  #failed(batch: Batch, error: unknown): void {
    // A bug on the other side of a local call surfaces as an unhandled rejection, as it should.
    if (!isFault(error)) throw error;
    this.#missed(batch);
  }

  #applyArgs(device: number, tallies: readonly Tally[], handoffFor?: number): ObjectServiceCalls['apply']['args'] {
    const mutations = tallies.map((tally) => tally.write);
    const { settled, stamps } = this.#cluster;
    const args = { device, mutations, writer: stamps.writerId, settled: settled.mark() };
    return handoffFor === undefined ? args : { ...args, handoffFor };
  }

  /** True when this replica should hold the write but does not. */
  #count(tally: Tally, outcome: Outcome): boolean {
    if (outcome.result === 'ok') {
      tally.oks++;
      if (outcome.replaced) this.#replaced.push(outcome.replaced);
      return false;
    }
    if (outcome.result === 'newer' && tally.write.newerIsFine) {
      tally.oks++;
      if (this.#passed === undefined || outcome.ballot > this.#passed) this.#passed = outcome.ballot;
      return false;
    }
    tally.failures++;
    if (outcome.result === 'newer') tally.barren++;
    tally.worst = worse(tally.worst, outcome.result);
    if ('ballot' in outcome && outcome.ballot > tally.ballot) tally.ballot = outcome.ballot;
    if (outcome.result === 'missing-blob' || outcome.result === 'full' || outcome.result === 'out') return true;
    // A guard that it missed, or somebody's promise, may be all that stands against it: whether it holds this write, or a
    // newer one, somebody must see to.
    this.#complete = false;
    return false;
  }

  /** The primary cannot be reached: it owes these writes, and a handoff copy says so. */
  #missed({ replica, tallies }: Batch): void {
    for (const tally of tallies) {
      tally.failures++;
      tally.worst ??= 'unavailable';
    }
    this.#answerIfDecided();
    this.#owe(replica, tallies);
  }

  /** What is refused, or reached no primary, is owed to nobody: a copy of it, delivered late, could still come to light. */
  #owe(missing: Replica, tallies: readonly Tally[]): void {
    if (!this.#verdict) this.#owed.push({ missing, tallies });
    else if (isRefusal(this.#verdict) || this.#isBarren()) this.#finishOne();
    else void this.#handOff(missing, tallies).then(() => this.#finishOne());
  }

  async #handOff(missing: Replica, tallies: readonly Tally[]): Promise<void> {
    this.#handedOff = true;
    for (const tally of tallies) {
      if (!(await this.#handOffOne(missing, tally))) this.#complete = false;
    }
  }

  async #handOffOne(missing: Replica, tally: Tally): Promise<boolean> {
    let tries = 0;
    for (const stand of this.#cluster.handoffs(tally.key)) {
      if (!stand.peer.up) continue;
      if (tries++ >= HANDOFF_TRIES_MAX) return false;
      try {
        const args = this.#applyArgs(stand.device, [tally], missing.device);
        const reply = await stand.peer.call('apply', args, WRITE_OPTIONS);
        if ((reply.value as ApplyReply).outcomes[0]?.result === 'ok') return true;
      } catch (error) {
        if (!isFault(error)) throw error;
      }
    }
    return false;
  }

  #finishOne(): void {
    this.#pending--;
    if (this.#pending > 0) return;
    const complete = this.#complete && this.#tallies.every((tally) => tally.oks >= this.#cluster.quorum);
    const isVoid = this.#isBarren() && !this.#handedOff;
    this.#onSettled(complete ? 'complete' : isVoid ? 'void' : 'partial');
  }

  #isBarren(): boolean {
    return this.#tallies.every((tally) => tally.barren === tally.primaries.length);
  }

  #answerIfDecided(): void {
    if (this.#verdict) return;
    let waiting = false;
    for (const tally of this.#tallies) {
      const { quorum } = this.#cluster;
      if (tally.primaries.length - tally.failures < quorum) {
        const verdict = refusal(tally, this.#harmless());
        if (verdict.result !== 'newer' || !this.#mayBeHarmless()) this.#answer(verdict);
        return;
      }
      if (tally.oks < quorum) waiting = true;
    }
    if (waiting) return;
    const replaced = this.#replaced;
    this.#answer(
      this.#passed === undefined ? { result: 'ok', replaced } : { result: 'ok', replaced, passed: this.#passed },
    );
  }

  #harmless(): boolean {
    const [first] = this.#tallies;
    return first !== undefined && first.barren === first.primaries.length;
  }

  /** Not known yet: worth waiting for, because then the caller can simply try again with another stamp. */
  #mayBeHarmless(): boolean {
    const [first] = this.#tallies;
    if (!first || first.oks > 0 || first.failures > first.barren) return false;
    return first.failures < first.primaries.length;
  }

  #answer(result: WriteResult): void {
    this.#verdict = result;
    this.#resolve(result);
    const owed = this.#owed;
    this.#owed = [];
    for (const { missing, tallies } of owed) this.#owe(missing, tallies);
  }
}

const isRefusal = ({ result }: WriteResult): boolean => result === 'newer' || result === 'guard' || result === 'sealed';

/** The most telling of several reasons: a client can act on 'newer' and 'guard', not on a replica that is down. */
const SEVERITY = ['unavailable', 'out', 'missing-blob', 'full', 'sealed', 'guard', 'newer'] as const;

function worse(a: Tally['worst'], b: Exclude<Outcome['result'], 'ok'>): Tally['worst'] {
  return a === undefined || SEVERITY.indexOf(b) > SEVERITY.indexOf(a) ? b : a;
}

function refusal({ worst = 'unavailable', ballot, key }: Tally, harmless: boolean): WriteResult {
  if (worst === 'newer' || worst === 'sealed') return { result: worst, ballot: ballot as Stamp, key, harmless };
  if (worst === 'out') return { result: 'unavailable', key, harmless };
  return { result: worst, key, harmless };
}
