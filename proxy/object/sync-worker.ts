/**
 * The sending half of container sync: notes what changes in synchronised containers, and gives those that wait their turn
 * (sync-turn.ts). It sleeps until something is noted here, and now and then asks whether another proxy has noted anything:
 * devices have the number of notes in memory, so that without any nothing is read. One proxy at a time holds the lease.
 *
 * Another side that does not answer is left alone for a while, ever longer; what it has to be told waits, one note for each
 * name. A write waits for its note, and for nothing else of this.
 */
import { type ContainerTotals, sameListing } from '../../account-container/contract.ts';
import { isFault } from '../../fabric/errors.ts';
import { stampMs } from '../../fabric/stamp.ts';
import type { Key } from '../../object-server/contract.ts';
import { SYNC_KEY, SYNC_TO } from '../sync-realms.ts';
import type { ContainerState } from './containers.ts';
import { type ContainerRef, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { holdLeaseOf } from './lease.ts';
import { putOwnRow } from './own-rows.ts';
import { listRows, readTotals, rowQuery } from './rows.ts';
import type { SyncDesk } from './sync-desk.ts';
import {
  HASH_DIGITS,
  type NoteRow,
  nameNote,
  readNote,
  SHARDS,
  settleNote,
  shardPrefix,
  walkNote,
} from './sync-queue.ts';
import { IN_FLIGHT_MS, type Notes, notePages, type SyncTarget, Turn, type TurnWorld } from './sync-turn.ts';
import { RETRY_MAX_MS, RETRY_MIN_MS, type Waiting, WaitList } from './wait-list.ts';

const WORK = '.sync';
/** How often it asks whether another proxy has noted anything, and as much again by chance. */
const LOOK_EVERY_MS = 60_000;
const LEASE_MS = 20_000;
/** Containers that have their turn at the same time. */
const PARALLEL = 4;

export interface SyncerOptions {
  /** The other side that a container names; undefined where it may not be asked. */
  readonly targetOf: (to: string, key: string) => SyncTarget | undefined;
  readonly warn: (fields: object, message: string) => void;
}

export interface Syncer {
  readonly desk: SyncDesk;
  start(engine: Engine): void;
  /** Lets go of the lease. */
  stop(): Promise<void>;
}

export function createSyncer(options: SyncerOptions): Syncer {
  let worker: Worker | undefined;
  return {
    desk: {
      around: (container, name, change) => (worker ? worker.around(container, name, change) : change()),
      anew: (ref, change) => (worker ? worker.anew(ref, change) : change()),
    },
    start(engine) {
      worker = new Worker(engine, options);
      worker.start();
    },
    stop: async () => worker?.stop(),
  };
}

interface Shard {
  readonly prefix: Key;
  totals: ContainerTotals | undefined;
  /** Something was noted here, or waits no longer. */
  isDirty: boolean;
  /** When something in it is due. */
  nextMs: number;
}

class Worker {
  readonly #engine: Engine;
  readonly #options: SyncerOptions;
  readonly #shards: readonly Shard[];
  readonly #open = new Map<Key, number>();
  readonly #held = new WaitList<Key>();
  /** Containers whose other side is away, by hash. */
  readonly #resting = new WaitList<string>();
  readonly #world: TurnWorld;
  #leaseUntilMs = 0;
  #lookAtMs = 0;
  #timer: { cancel(): void } | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(engine: Engine, options: SyncerOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#shards = Array.from({ length: SHARDS }, (_, shard) => {
      return { prefix: shardPrefix(engine.cluster, shard), totals: undefined, isDirty: false, nextMs: 0 };
    });
    this.#world = {
      engine,
      startedMs: engine.cluster.clock.nowMs(),
      open: this.#open,
      held: this.#held,
      warn: options.warn,
      isStopped: () => this.#stopped,
      keepLease: () => this.#keepLease(),
    };
  }

  get #nowMs(): number {
    return this.#engine.cluster.clock.nowMs();
  }

  start(): void {
    this.#wake(this.#engine.random.below(1000));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
    if (this.#leaseUntilMs > this.#nowMs) await holdLeaseOf(this.#engine.cluster, WORK, { untilMs: 0 });
  }

  async around<T>(container: ContainerState, name: string, change: () => Promise<T>): Promise<T> {
    const { account, name: containerName } = container.record;
    const row = nameNote(this.#engine.cluster, { account, container: containerName }, name);
    const { key } = row;
    this.#open.set(key, (this.#open.get(key) ?? 0) + 1);
    try {
      await putOwnRow(this.#engine.cluster, key, row.meta);
      return await change();
    } catch (error) {
      // It may come to be all the same, after the note was looked at.
      const isUnsure = isFault(error, storeFaults.quorumUnavailable);
      if (isUnsure) this.#held.set(key, { failures: 0, untilMs: this.#nowMs + IN_FLIGHT_MS });
      throw error;
    } finally {
      const others = (this.#open.get(key) ?? 1) - 1;
      if (others > 0) this.#open.set(key, others);
      else this.#open.delete(key);
      this.#noted(row);
    }
  }

  async anew<T>(ref: ContainerRef, change: () => Promise<T>): Promise<T> {
    const row = walkNote(this.#engine.cluster, ref);
    // Before, because the change must not be left without it; after, because it says since when others may know.
    await putOwnRow(this.#engine.cluster, row.key, row.meta);
    const done = await change();
    await putOwnRow(this.#engine.cluster, row.key, row.meta);
    this.#resting.drop(row.hash);
    this.#noted(row);
    return done;
  }

  #noted({ shard: index, hash }: NoteRow): void {
    const shard = this.#shards[index] as Shard;
    const restsMs = this.#resting.get(hash)?.untilMs ?? 0;
    // It waits with the others.
    if (restsMs > this.#nowMs) shard.nextMs = Math.min(shard.nextMs, restsMs);
    else shard.isDirty = true;
    this.#plan();
  }

  #plan(): void {
    const nextMs = Math.min(this.#lookAtMs, ...this.#shards.map((shard) => (shard.isDirty ? 0 : shard.nextMs)));
    this.#wake(nextMs - this.#nowMs);
  }

  #wake(delayMs: number): void {
    if (this.#stopped || this.#running) return;
    this.#timer?.cancel();
    this.#timer = this.#engine.cluster.clock.after(Math.max(1, delayMs), () => {
      const pass = this.#pass().finally(() => {
        this.#running = undefined;
        this.#plan();
      });
      this.#running = pass.catch(() => {});
      this.#engine.later('container sync', () => pass);
    });
  }

  async #pass(): Promise<void> {
    const isLook = this.#lookAtMs <= this.#nowMs;
    const due = this.#shards.filter(({ isDirty, nextMs }) => isLook || isDirty || nextMs <= this.#nowMs);
    if (isLook) this.#lookAtMs = this.#nowMs + LOOK_EVERY_MS + this.#engine.random.below(LOOK_EVERY_MS);
    let at = 0;
    const work = async (): Promise<void> => {
      for (let shard = due[at++]; shard && !this.#stopped; shard = due[at++]) await this.#visit(shard);
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
  }

  async #visit(shard: Shard): Promise<void> {
    try {
      await this.#visitShard(shard);
    } catch (error) {
      // The quorum is away; the next pass finds the same.
      if (!isFault(error)) throw error;
      shard.totals = undefined;
      shard.nextMs = this.#nowMs + RETRY_MIN_MS + this.#engine.random.below(RETRY_MIN_MS);
    }
  }

  async #visitShard(shard: Shard): Promise<void> {
    const totals = await readTotals(this.#engine.cluster, shard.prefix);
    const isKnown = shard.totals !== undefined && sameListing(shard.totals, totals);
    if (isKnown && !shard.isDirty && shard.nextMs > this.#nowMs) return;
    shard.isDirty = false;
    shard.totals = totals;
    shard.nextMs = Number.POSITIVE_INFINITY;
    if (totals.rowCount === 0) return;
    if (await this.#keepLease()) return this.#containers(shard);
    shard.totals = undefined;
    shard.nextMs = this.#nowMs + LEASE_MS / 2;
  }

  async #containers(shard: Shard): Promise<void> {
    let marker = '';
    while (!this.#stopped) {
      const query = { ...rowQuery({ limit: 1 }), marker };
      const [first] = (await listRows(this.#engine.cluster, shard.prefix, query)).entries;
      const note = first && readNote(shard.prefix, first);
      if (!first || !note) return;
      const hash = first.name.slice(0, HASH_DIGITS);
      // Behind everything of this container.
      marker = `${hash}0`;
      const restsMs = this.#resting.get(hash)?.untilMs ?? 0;
      const isResting = restsMs > this.#nowMs;
      const nextMs = isResting ? restsMs : await this.#container({ prefix: shard.prefix, hash }, note.ref);
      shard.nextMs = Math.min(shard.nextMs, nextMs);
    }
  }

  async #keepLease(): Promise<boolean> {
    const nowMs = this.#nowMs;
    if (nowMs < this.#leaseUntilMs - LEASE_MS / 2) return true;
    const untilMs = nowMs + LEASE_MS;
    const isMine = await holdLeaseOf(this.#engine.cluster, WORK, { untilMs });
    this.#leaseUntilMs = isMine ? untilMs : 0;
    return isMine;
  }

  /** When something of it is due again. */
  async #container(notes: Notes, ref: ContainerRef): Promise<number> {
    const container = await this.#engine.containers.findFresh(ref);
    if (!container?.syncs) return this.#forget(notes);
    const { metadata } = container.record;
    const target = this.#options.targetOf(metadata[SYNC_TO] ?? '', metadata[SYNC_KEY] ?? '');
    const turn = target && new Turn(this.#world, notes, container, target);
    const nextMs = await turn?.run();
    if (nextMs === undefined || turn?.isAway !== false) return this.#away(notes, container).untilMs;
    this.#resting.drop(notes.hash);
    return nextMs;
  }

  #away({ hash }: Notes, container: ContainerState): Waiting {
    const waiting = this.#resting.failed(hash, { nowMs: this.#nowMs, random: this.#engine.random });
    const { account, name, metadata } = container.record;
    // At first, and once it is as seldom as it gets.
    const { failures } = waiting;
    if (failures === 1 || 2 ** (failures - 1) * RETRY_MIN_MS >= RETRY_MAX_MS) {
      this.#options.warn({ account, container: name, to: metadata[SYNC_TO] }, 'container sync: the other side is away');
    }
    return waiting;
  }

  /** It is not synchronised, or not yet: what is noted may belong to a change on its way. */
  async #forget(notes: Notes): Promise<number> {
    let nextMs = Number.POSITIVE_INFINITY;
    for await (const page of notePages(this.#world, notes)) {
      for (const note of page) {
        const dueMs = stampMs(note.stamp) + IN_FLIGHT_MS;
        if (dueMs <= this.#nowMs) await settleNote(this.#engine.cluster, note);
        else nextMs = Math.min(nextMs, dueMs);
      }
    }
    return nextMs;
  }
}
