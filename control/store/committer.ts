/**
 * Turns transactions into commits: all that wait become one commit of the map, judged one after another. A transaction that
 * read what others changed since runs again, this time in the batch itself, upon everything before it: so a row that everybody
 * wants costs one run each and one sync for all, and nobody starves. Another process that committed in between makes the whole
 * batch be judged again. Nobody hears of an outcome, error or value, before everything it rests on is durable.
 */
import type { Clock } from '../../fabric/clock.ts';
import { Fault, fabricFaults } from '../../fabric/errors.ts';
import type { KvCondition, KvKey, KvPut, SnapshotKv } from '../../fabric/kv.ts';
import { type Lease, storeFaults, type WriteTx } from '../contract.ts';
import { feedPut, RecentChanges, touches, trimFeed } from './feed.ts';
import { holdsLease } from './lease-row.ts';
import { type StoreState, sealRecord } from './record-format.ts';
import { STATE_KEY } from './row-key.ts';
import { readState, statePut } from './state.ts';
import { Transaction } from './transaction.ts';
import { OverlayView } from './view.ts';

/** Writes waiting; more are refused as Overloaded. */
const JOBS_WAITING_MAX = 20_000;
/** Writes in one commit of the map. */
const BATCH_JOBS_MAX = 2000;
/** A body that runs in a batch holds up all others: longer than this and it has to try outside again. */
const LANE_BODY_MS = 1000;
/** Batches judged again because another process was faster, before giving up. */
const BATCH_TRIES_MAX = 1000;

export type Body<T> = (tx: WriteTx) => Promise<T>;

export type Outcome = { readonly value: unknown } | { readonly error: unknown } | { readonly late: true };

export interface Job {
  readonly body: Body<unknown>;
  readonly fence: Lease | undefined;
  /** The run upon a snapshot of its own; undefined once others came between. */
  first: Run | undefined;
  /** As things stand in the batch. */
  outcome?: Outcome;
  readonly settle: (outcome: Outcome) => void;
}

/** A body's run to its end: what it read and wrote, and what it returned or threw. */
export interface Run {
  readonly transaction: Transaction;
  readonly outcome: Outcome;
}

export interface CommitterOptions {
  readonly kv: SnapshotKv;
  readonly clock: Clock;
  readonly feedCommitsKept: number;
  readonly onCommit: (revision: number) => void;
}

interface Batch {
  readonly view: OverlayView;
  readonly state: StoreState;
  readonly condition: KvCondition;
  revision: number;
  readonly feed: { readonly revision: number; readonly keys: KvKey[]; readonly put: KvPut }[];
}

export class Committer {
  readonly #options: CommitterOptions;
  readonly #recent = new RecentChanges();
  #waiting: Job[] = [];
  #running: Promise<void> | undefined;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  submit(job: Job): void {
    if (this.#waiting.length >= JOBS_WAITING_MAX) {
      job.settle({ error: new Fault(fabricFaults.overloaded, {}, 'too many writes wait for the store') });
      return;
    }
    this.#waiting.push(job);
    this.#running ??= this.#run();
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // Whoever is about to submit in this turn shares the commit.
    await new Promise<void>((resolve) => this.#options.clock.nextTurn(resolve));
    while (this.#waiting.length > 0) {
      const jobs = this.#waiting.splice(0, BATCH_JOBS_MAX);
      try {
        await this.#commit(jobs);
        for (const job of jobs) job.settle(job.outcome as Outcome);
      } catch (error) {
        for (const job of jobs) job.settle({ error });
      }
    }
    this.#running = undefined;
  }

  async #commit(jobs: readonly Job[]): Promise<void> {
    for (let tries = 0; tries < BATCH_TRIES_MAX; tries++) {
      if (await this.#tryCommit(jobs)) return;
    }
    throw new Fault(storeFaults.conflict, {}, 'another process kept changing the store');
  }

  async #tryCommit(jobs: readonly Job[]): Promise<boolean> {
    const snapshot = this.#options.kv.snapshot();
    try {
      const state = readState(snapshot);
      const bytes = snapshot.get(STATE_KEY);
      const condition = { key: STATE_KEY, value: bytes && Buffer.from(bytes) };
      this.#recent.catchUp(snapshot, state.revision);
      const batch: Batch = { view: new OverlayView(snapshot), state, condition, revision: state.revision, feed: [] };
      for (const job of jobs) await this.#judge(job, batch);
      if (batch.feed.length === 0) return true;
      return await this.#write(batch);
    } finally {
      snapshot.close();
    }
  }

  async #judge(job: Job, batch: Batch): Promise<void> {
    const { transaction, outcome } = this.#stands(job.first, batch) ? job.first : await this.#runInBatch(job, batch);
    job.outcome = outcome;
    if ('late' in outcome) return;
    if (job.fence && !holdsLease(batch.view, job.fence)) {
      job.outcome = { error: new Fault(storeFaults.leaseLost, { name: job.fence.name }, 'the lease has passed on') };
      return;
    }
    if ('error' in outcome || transaction.writes.size === 0) return;
    const revision = ++batch.revision;
    const { writes } = transaction;
    for (const [key, record] of writes) {
      // A copy is sealed: the draft may be judged again, in another batch.
      batch.view.writes.set(key, record && sealRecord(Buffer.from(record), key, revision));
    }
    batch.feed.push({ revision, keys: [...writes.keys()], put: feedPut(revision, writes) });
  }

  #stands(run: Run | undefined, { view }: Batch): run is Run {
    if (run === undefined || this.#recent.conflicts(run.transaction)) return false;
    return !touches(run.transaction, view.writes.keys());
  }

  /** What it sees of the batch is nothing yet: if the batch is judged again, so it is run again. */
  async #runInBatch(job: Job, batch: Batch): Promise<Run> {
    job.first = undefined;
    const transaction = new Transaction(batch.view, batch.revision);
    const outcome = await this.#bounded(runBody(job.body, transaction));
    transaction.close();
    return { transaction, outcome };
  }

  #bounded(running: Promise<Outcome>): Promise<Outcome> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(LANE_BODY_MS, () => resolve({ late: true }));
      void running.then((outcome) => {
        timer.cancel();
        resolve(outcome);
      });
    });
  }

  async #write(batch: Batch): Promise<boolean> {
    const { kv, feedCommitsKept, onCommit } = this.#options;
    const { puts: trims, feedFrom } = trimFeed(batch.state, batch.revision, feedCommitsKept);
    const state = statePut({ revision: batch.revision, feedFrom });
    const puts = [...batch.view.writes, ...batch.feed.map(({ put }) => put), ...trims, state];
    if (!(await kv.commitIf(batch.condition, puts))) return false;
    for (const entry of batch.feed) this.#recent.add({ revision: entry.revision, keys: entry.keys });
    onCommit(batch.revision);
    return true;
  }
}

export async function runBody(body: Body<unknown>, transaction: Transaction): Promise<Outcome> {
  try {
    return { value: await body(transaction) };
  } catch (error) {
    return { error };
  }
}
