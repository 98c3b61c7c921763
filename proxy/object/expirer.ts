/**
 * Deletes objects whose time has come, from the index of expiry-index.ts: a page of what is due from each of its shards,
 * at a bounded rate; nothing is ever searched for. It sleeps until the next entry is due, and now and then asks whether
 * another proxy has noted anything: where the shards' totals (which devices have in memory) say no, nothing is read.
 *
 * Any number of proxies may run it: a deletion is decided, on an object that still has that delete-at, so doing it twice
 * does nothing. What a proxy noted itself it deletes on time; another one's entries are left to it for a while, so that
 * no more than a page of one worker's effort is wasted when it is only slow.
 */
import type { ContainerTotals } from '../../account-container/contract.ts';
import { sameListing } from '../../account-container/contract.ts';
import { isFault } from '../../fabric/errors.ts';
import type { Key } from '../../object-server/contract.ts';
import type { Engine } from './engine.ts';
import { announced } from './events.ts';
import { dropEntry, type ExpiryEntry, readEntry, SHARDS, shardPrefix, timeName } from './expiry-index.ts';
import { listRows, readTotals, rowQuery } from './rows.ts';
import { vacate } from './version-place.ts';
import { WakeTimer } from './wake-timer.ts';

/** How long another proxy's entries are left to it, and as much again by chance. */
export const FOREIGN_DELAY_S = 5;
/** An entry without its object may belong to a write on its way for so long. */
const IN_FLIGHT_S = 300;
const PAUSE_MS = 1_000;
const RETRY_S = 10;
const PAGE = 100;
const PARALLEL = 4;
/** Between groups of PARALLEL deletions: a rest for the clients. */
const REST_MS = 10;

export interface ExpirerOptions {
  /** Expired objects stay, hidden, for so long (X-Open-Expired shows them). */
  readonly keptS?: number | undefined;
}

export interface Expirer {
  /** Everything that is due; resolves with the number of objects deleted. */
  pass(): Promise<number>;
  start(): void;
  stop(): void;
}

export function createExpirer(engine: Engine, { keptS = 0 }: ExpirerOptions = {}): Expirer {
  const worker = new Worker(engine, keptS);
  return { pass: () => worker.pass(), start: () => worker.start(), stop: () => worker.stop() };
}

/** What is known of a shard since the last pass. */
interface ShardState {
  readonly prefix: Key;
  /** Everything due before is gone. */
  doneUntilS: number;
  /** Of the next entry; Infinity when there is none. */
  nextS: number;
  totals: ContainerTotals | undefined;
}

class Worker {
  readonly #engine: Engine;
  readonly #keptS: number;
  readonly #shards: readonly ShardState[];
  readonly #timer: WakeTimer;

  constructor(engine: Engine, keptS: number) {
    this.#engine = engine;
    this.#keptS = keptS;
    this.#shards = Array.from({ length: SHARDS }, (_, shard) => {
      return { prefix: shardPrefix(engine.cluster, shard), doneUntilS: 0, nextS: 0, totals: undefined };
    });
    // What could not be done yet is not tried again at once.
    this.#timer = new WakeTimer(engine, { what: 'expiry', pauseMs: PAUSE_MS, run: () => this.#run() });
  }

  start(): void {
    this.#engine.expiryHint.listen((deleteAtS) => this.#timer.wake((deleteAtS + this.#keptS) * 1000 + 1));
    this.#timer.wake(this.#engine.cluster.clock.nowMs() + this.#engine.random.below(1000));
  }

  stop(): void {
    this.#timer.stop();
    this.#engine.expiryHint.listen(undefined);
  }

  async #run(): Promise<void> {
    try {
      await this.pass();
    } finally {
      const nextS = Math.min(...this.#shards.map((shard) => shard.nextS));
      this.#timer.wake((nextS + this.#keptS) * 1000 + 1);
    }
  }

  async pass(): Promise<number> {
    let deleted = 0;
    const from = this.#engine.random.below(SHARDS);
    for (let i = 0; i < SHARDS && !this.#timer.stopped; i++) {
      const shard = this.#shards[(from + i) % SHARDS] as ShardState;
      try {
        deleted += await this.#passShard(shard);
      } catch (error) {
        // The quorum is away; the next pass finds the same.
        if (!isFault(error)) throw error;
        shard.totals = undefined;
        shard.nextS = Math.floor(this.#engine.cluster.clock.nowMs() / 1000) + RETRY_S;
      }
    }
    return deleted;
  }

  async #passShard(shard: ShardState): Promise<number> {
    const { cluster, random } = this.#engine;
    const nowS = Math.floor(cluster.clock.nowMs() / 1000) - this.#keptS;
    const totals = await readTotals(cluster, shard.prefix);
    const isKnown = shard.totals !== undefined && sameListing(shard.totals, totals);
    if (isKnown && shard.nextS > nowS) return 0;
    shard.totals = totals;
    shard.nextS = Number.POSITIVE_INFINITY;
    if (totals.rowCount === 0) return 0;
    const foreignS = nowS - FOREIGN_DELAY_S - random.below(FOREIGN_DELAY_S + 1);
    // The oldest entry that has to stay, and when one of them is to be looked at again.
    let leftS = nowS + 1;
    let againS = Number.POSITIVE_INFINITY;
    let deleted = 0;
    let marker = timeName(shard.doneUntilS - 1);
    while (!this.#timer.stopped) {
      const query = { ...rowQuery({ limit: PAGE, endMarker: timeName(nowS + 1) }), marker };
      const page = await listRows(cluster, shard.prefix, query);
      const entries = page.entries.map(readEntry).filter((entry) => entry !== undefined);
      for (let at = 0; at < entries.length && !this.#timer.stopped; at += PARALLEL) {
        const group = entries.slice(at, at + PARALLEL);
        const outcomes = await Promise.all(group.map((entry) => this.#expire(shard, entry, { nowS, foreignS })));
        group.forEach(({ deleteAtS }, i) => {
          if (outcomes[i] === 'deleted') deleted++;
          if (outcomes[i] === 'deleted' || outcomes[i] === 'dropped') return;
          leftS = Math.min(leftS, deleteAtS);
          againS = Math.min(againS, outcomes[i] === 'young' ? deleteAtS + IN_FLIGHT_S : nowS + FOREIGN_DELAY_S);
        });
        await cluster.clock.sleep(REST_MS);
      }
      marker = page.entries.at(-1)?.name ?? marker;
      if (!page.truncated) break;
    }
    if (this.#timer.stopped) return deleted;
    // Writers on their way may still note what is due by then.
    shard.doneUntilS = Math.max(0, Math.min(leftS, nowS - IN_FLIGHT_S));
    shard.nextS = Math.min(againS, await this.#firstAfter(shard, nowS));
    return deleted;
  }

  async #firstAfter({ prefix }: ShardState, nowS: number): Promise<number> {
    const query = { ...rowQuery({ limit: 1 }), marker: timeName(nowS + 1) };
    const [first] = (await listRows(this.#engine.cluster, prefix, query)).entries;
    return (first && readEntry(first)?.deleteAtS) ?? Number.POSITIVE_INFINITY;
  }

  async #expire(
    { prefix }: ShardState,
    entry: ExpiryEntry,
    { nowS, foreignS }: { nowS: number; foreignS: number },
  ): Promise<'deleted' | 'dropped' | 'young' | 'left'> {
    const { cluster } = this.#engine;
    const { deleteAtS, writerId } = entry;
    if (writerId !== cluster.stamps.writerId && deleteAtS > foreignS) return 'left';
    try {
      const isDeleted = await this.#deleteObject(entry);
      if (!isDeleted && deleteAtS > nowS - IN_FLIGHT_S) return 'young';
      await dropEntry(cluster, prefix, entry);
      return isDeleted ? 'deleted' : 'dropped';
    } catch (error) {
      if (!isFault(error)) throw error;
      return 'left';
    }
  }

  async #deleteObject({ ref, deleteAtS }: ExpiryEntry): Promise<boolean> {
    const container = await this.#engine.containers.find(ref);
    if (!container) return false;
    const only = ({ record }: { record: { deleteAt?: number | undefined } }): boolean => record.deleteAt === deleteAtS;
    const happening = { container, name: ref.object, event: 'LifecycleExpiration:Delete' } as const;
    const found = await announced(
      this.#engine,
      happening,
      () => vacate(this.#engine, { container, name: ref.object, only }),
      (vacated) => vacated && {},
    );
    return found !== undefined;
  }
}
