/**
 * The control store over an ordered map with snapshots (LMDB or memory): first runs are optimistic, each upon its own
 * snapshot and at once; the committer judges and writes. Several processes may have the same map open.
 */
import type { Clock, Timer } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import type { KvSnapshot, SnapshotKv } from '../../fabric/kv.ts';
import {
  type Change,
  type ChangesOptions,
  type ChangesPage,
  type ControlStore,
  type Lease,
  type ReadTx,
  storeFaults,
  type WriteOptions,
  type WriteTx,
} from '../contract.ts';
import { Committer, type Job, type Outcome, type Run, runBody } from './committer.ts';
import { FEED_COMMITS_KEPT, forEachEntry } from './feed.ts';
import { LEASES } from './lease-row.ts';
import { parseRowKey } from './row-key.ts';
import { readState } from './state.ts';
import { Transaction } from './transaction.ts';

/** How often commits of other processes are looked for while somebody waits for them. */
const POLL_MS = 250;
/** Commits in a page of the feed. */
const CHANGES_LIMIT = 1000;
/** Runs of a body that takes too long to run in a batch. */
const RUNS_MAX = 10;

export interface KvStoreOptions {
  readonly kv: SnapshotKv;
  readonly clock: Clock;
  readonly feedCommitsKept?: number;
  /** Runs every write's body twice, for tests that look for effects outside. */
  readonly runTwice?: boolean;
}

interface Waiter {
  readonly after: number;
  readonly resolve: (revision: number) => void;
}

export class KvControlStore implements ControlStore {
  readonly #kv: SnapshotKv;
  readonly #clock: Clock;
  readonly #runTwice: boolean;
  readonly #committer: Committer;
  readonly #waiters = new Set<Waiter>();
  #poll: Timer | undefined;
  #closed = false;

  constructor({ kv, clock, feedCommitsKept = FEED_COMMITS_KEPT, runTwice = false }: KvStoreOptions) {
    this.#kv = kv;
    this.#clock = clock;
    this.#runTwice = runTwice;
    this.#committer = new Committer({ kv, clock, feedCommitsKept, onCommit: (revision) => this.#wake(revision) });
  }

  async read<T>(body: (tx: ReadTx) => Promise<T>): Promise<T> {
    const { snapshot, transaction } = this.#begin();
    try {
      return await body(transaction);
    } finally {
      transaction.close();
      snapshot.close();
    }
  }

  async write<T>(body: (tx: WriteTx) => Promise<T>, { fence }: WriteOptions = {}): Promise<T> {
    for (let run = 0; run < RUNS_MAX; run++) {
      const first = await this.#runFirst(body);
      if ('error' in first.outcome) throw first.outcome.error;
      if (first.transaction.writes.size === 0 && fence === undefined) return (first.outcome as { value: T }).value;
      const outcome = await this.#submit({ first, body, fence });
      if ('error' in outcome) throw outcome.error;
      if ('value' in outcome) return outcome.value as T;
    }
    throw new Fault(storeFaults.conflict, {}, 'the body takes too long, and others keep changing what it reads');
  }

  async #runFirst(body: (tx: WriteTx) => Promise<unknown>): Promise<Run> {
    if (this.#runTwice) {
      const { snapshot, transaction } = this.#begin();
      await runBody(body, transaction);
      transaction.close();
      snapshot.close();
    }
    const { snapshot, transaction } = this.#begin();
    // The committer will ask, when the snapshot is closed.
    void transaction.revision;
    const outcome = await runBody(body, transaction);
    transaction.close();
    snapshot.close();
    return { transaction, outcome };
  }

  #submit(job: Omit<Job, 'settle'>): Promise<Outcome> {
    return new Promise((settle) => this.#committer.submit({ ...job, settle }));
  }

  #begin(): { snapshot: KvSnapshot; transaction: Transaction } {
    if (this.#closed) throw new Error('the store is closed');
    const snapshot = this.#kv.snapshot();
    return { snapshot, transaction: new Transaction(snapshot) };
  }

  lease(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    return this.write(async (tx) => {
      const nowMs = this.#clock.nowMs();
      const row = await tx.get(LEASES, name);
      if (row && row.holder !== '' && row.holder !== holder && row.expiresAtMs > nowMs) return undefined;
      const taken = { holder, token: (row?.token ?? 0) + 1, expiresAtMs: nowMs + ttlMs };
      tx.put(LEASES, name, taken);
      return { name, ...taken };
    });
  }

  renew(lease: Lease, ttlMs: number): Promise<Lease | undefined> {
    return this.write(async (tx) => {
      const row = await tx.get(LEASES, lease.name);
      if (row?.token !== lease.token || row.holder !== lease.holder) return undefined;
      const renewed = { ...row, expiresAtMs: this.#clock.nowMs() + ttlMs };
      tx.put(LEASES, lease.name, renewed);
      return { name: lease.name, ...renewed };
    });
  }

  release(lease: Lease): Promise<void> {
    return this.write(async (tx) => {
      const row = await tx.get(LEASES, lease.name);
      if (row?.token !== lease.token || row.holder !== lease.holder) return;
      tx.put(LEASES, lease.name, { ...row, holder: '', expiresAtMs: 0 });
    });
  }

  revision(): Promise<number> {
    return this.read(async ({ revision }) => revision);
  }

  async changes({ after, tables, limit = CHANGES_LIMIT }: ChangesOptions): Promise<ChangesPage> {
    const { snapshot } = this.#begin();
    try {
      const { feedFrom, revision: newest } = readState(snapshot);
      if (after + 1 < feedFrom) throw new Fault(storeFaults.feedTrimmed, { feedFrom }, 'the feed begins later');
      const names = tables && new Set(tables.map(({ name }) => name));
      const changes: Change[] = [];
      let revision = newest;
      let seen = 0;
      forEachEntry(snapshot, after, (at, payload) => {
        for (let i = 0; i < payload.length; i += 2) {
          const { table, key } = parseRowKey(payload[i] as string);
          if (names ? !names.has(table) : table === LEASES.name) continue;
          changes.push({ revision: at, table, key, deleted: payload[i + 1] === true });
        }
        if (++seen < limit) return true;
        revision = at;
        return false;
      });
      return { changes, revision };
    } finally {
      snapshot.close();
    }
  }

  async waitForChange(after: number, waitMs: number): Promise<number> {
    if (this.#closed) return after;
    const revision = await this.revision();
    if (revision > after) return revision;
    return new Promise((resolve) => {
      const timer = this.#clock.after(waitMs, () => waiter.resolve(after));
      const waiter: Waiter = {
        after,
        resolve: (at) => {
          timer.cancel();
          this.#waiters.delete(waiter);
          resolve(at);
        },
      };
      this.#waiters.add(waiter);
      this.#poll ??= this.#clock.after(POLL_MS, () => this.#look());
    });
  }

  #look(): void {
    this.#poll = undefined;
    if (this.#closed) return;
    const snapshot = this.#kv.snapshot();
    const { revision } = readState(snapshot);
    snapshot.close();
    this.#wake(revision);
    if (this.#waiters.size > 0) this.#poll = this.#clock.after(POLL_MS, () => this.#look());
  }

  #wake(revision: number): void {
    for (const waiter of this.#waiters) if (revision > waiter.after) waiter.resolve(revision);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll?.cancel();
    for (const waiter of this.#waiters) waiter.resolve(waiter.after);
    await this.#committer.idle();
    await this.#kv.close();
  }
}
