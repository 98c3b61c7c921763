/**
 * The sending half of container sync: tells other containers what changed, from the notes of sync-queue.ts. A name is told
 * as it is now, whatever became of it in between; the other side knows by its time whether that is news. It sleeps until
 * something is noted here, and now and then asks whether another proxy has noted anything: devices have the number of
 * notes in memory, so that without any nothing is read. One proxy at a time holds the lease.
 *
 * A target that does not answer is left alone for a while, ever longer; its notes wait, one for each name. No write waits
 * for any of this but for its note.
 */
import { type ContainerTotals, type ListEntry, sameListing } from '../../account-container/contract.ts';
import { isFault } from '../../fabric/errors.ts';
import { type Stamp, stampMs } from '../../fabric/stamp.ts';
import { headStamp, isTombstone, type Key, latin1ToUtf8 } from '../../object-server/contract.ts';
import { readQuorum } from '../quorum-read.ts';
import { SYNC_KEY, SYNC_TO } from '../sync-realms.ts';
import { objectKey } from './commit.ts';
import { CONTAINER_CACHE_MS, type ContainerState } from './containers.ts';
import { ANONYMOUS, type Body, type ContainerRef, type ObjectInfo, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { openBody, unlocked } from './get.ts';
import { holdLeaseOf } from './lease.ts';
import { decodeMeta, type ObjectRecord, toInfo } from './object-format.ts';
import { putOwnRow } from './own-rows.ts';
import { listRows, readTotals, rowQuery } from './rows.ts';
import type { SyncDesk } from './sync-desk.ts';
import {
  HASH_DIGITS,
  type NoteRow,
  nameNote,
  readNote,
  SHARDS,
  type SyncNote,
  settleNote,
  shardPrefix,
  walkNote,
} from './sync-queue.ts';

const WORK = '.sync';
/** How often it asks whether another proxy has noted anything, and as much again by chance. */
const LOOK_EVERY_MS = 60_000;
const LEASE_MS = 20_000;
/** A change of another proxy, or one of which nobody knows what became of it, may still come so long after its note. */
const IN_FLIGHT_MS = 60_000;
/** Proxies may take a container for one that is not synchronised for so long. */
const WALK_DELAY_MS = CONTAINER_CACHE_MS + 500;
/** After a failure: doubled each time. */
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 600_000;
const PAGE = 100;
/** Names under way to one container, containers at a time, names of one before the next has its turn. */
const PARALLEL = 4;
const SHARDS_PARALLEL = 4;
const TURN_MAX = 2000;
/** Notes and containers that are known to have to wait; of what is forgotten more is asked than need be. */
const HELD_MAX = 100_000;

/** `later`: the target is not there, or lets nobody in. `refused`: it will not have this one. */
export type SyncOutcome = 'done' | 'later' | 'refused';

/** Bodies are absent where the object is a manifest of segments. */
export interface SyncTarget {
  put(name: string, info: ObjectInfo, body: (() => Body) | undefined): Promise<SyncOutcome>;
  remove(name: string, at: Stamp): Promise<SyncOutcome>;
}

export interface SyncerOptions {
  /** The target that a container names; undefined where it may not be asked. */
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

interface Waiting {
  readonly stamp: Stamp | undefined;
  readonly failures: number;
  readonly untilMs: number;
}

/** A container's turn. */
interface Turn {
  readonly shard: Shard;
  readonly hash: string;
  readonly container: ContainerState;
  readonly target: SyncTarget;
  walk: SyncNote | undefined;
  /** The target is not there. */
  isAway: boolean;
  names: number;
  nextMs: number;
}

class Worker {
  readonly #engine: Engine;
  readonly #options: SyncerOptions;
  readonly #shards: readonly Shard[];
  /** Notes whose change is under way here, by key. */
  readonly #open = new Map<Key, number>();
  /** Notes that are not to be looked at yet, or not to be dropped. */
  readonly #held = new Map<Key, Waiting>();
  /** Containers whose target is not there, by hash. */
  readonly #resting = new Map<string, Waiting>();
  readonly #startedMs: number;
  #leaseUntilMs = 0;
  #lookAtMs = 0;
  #timer: { cancel(): void } | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(engine: Engine, options: SyncerOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#startedMs = engine.cluster.clock.nowMs();
    this.#shards = Array.from({ length: SHARDS }, (_, shard) => {
      return { prefix: shardPrefix(engine.cluster, shard), totals: undefined, isDirty: false, nextMs: 0 };
    });
  }

  get #nowMs(): number {
    return this.#engine.cluster.clock.nowMs();
  }

  start(): void {
    this.#wake(this.#engine.random.below(1000) + 1);
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
      if (isFault(error, storeFaults.quorumUnavailable)) this.#hold(key, { untilMs: this.#nowMs + IN_FLIGHT_MS });
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
    this.#resting.delete(row.hash);
    this.#noted(row);
    return done;
  }

  #noted({ shard: index, hash }: NoteRow): void {
    const shard = this.#shards[index] as Shard;
    const restsMs = this.#resting.get(hash)?.untilMs ?? 0;
    // It waits with the others.
    if (restsMs > this.#nowMs) shard.nextMs = Math.min(shard.nextMs, restsMs);
    else shard.isDirty = true;
    this.#wake(Math.max(0, restsMs - this.#nowMs));
  }

  /** `untilMs` 0 lets go. */
  #hold(key: Key, { stamp, failures = 0, untilMs = 0 }: Partial<Waiting>): void {
    this.#held.delete(key);
    if (untilMs > 0) this.#held.set(key, { stamp, failures, untilMs });
    if (this.#held.size > HELD_MAX) for (const oldest of this.#held.keys()) return void this.#held.delete(oldest);
  }

  #wake(delayMs: number): void {
    if (this.#stopped || this.#running) return;
    this.#timer?.cancel();
    this.#timer = this.#engine.cluster.clock.after(Math.max(1, delayMs), () => {
      const pass = this.#pass().finally(() => {
        this.#running = undefined;
        this.#rest();
      });
      this.#running = pass.catch(() => {});
      this.#engine.later('container sync', () => pass);
    });
  }

  #rest(): void {
    const nextMs = Math.min(this.#lookAtMs, ...this.#shards.map((shard) => (shard.isDirty ? 0 : shard.nextMs)));
    this.#wake(nextMs - this.#nowMs);
  }

  async #pass(): Promise<void> {
    const isLook = this.#lookAtMs <= this.#nowMs;
    const due = this.#shards.filter(({ isDirty, nextMs }) => isLook || isDirty || nextMs <= this.#nowMs);
    if (isLook) this.#lookAtMs = this.#nowMs + LOOK_EVERY_MS + this.#engine.random.below(LOOK_EVERY_MS);
    let at = 0;
    const work = async (): Promise<void> => {
      for (let shard = due[at++]; shard && !this.#stopped; shard = due[at++]) await this.#visit(shard);
    };
    await Promise.all(Array.from({ length: SHARDS_PARALLEL }, work));
  }

  async #visit(shard: Shard): Promise<void> {
    try {
      await this.#passShard(shard);
    } catch (error) {
      // The quorum is away; the next pass finds the same.
      if (!isFault(error)) throw error;
      shard.totals = undefined;
      shard.nextMs = this.#nowMs + RETRY_MIN_MS + this.#engine.random.below(RETRY_MIN_MS);
    }
  }

  async #passShard(shard: Shard): Promise<void> {
    const { cluster } = this.#engine;
    const totals = await readTotals(cluster, shard.prefix);
    const isKnown = shard.totals !== undefined && sameListing(shard.totals, totals);
    if (isKnown && !shard.isDirty && shard.nextMs > this.#nowMs) return;
    shard.isDirty = false;
    shard.totals = totals;
    shard.nextMs = Number.POSITIVE_INFINITY;
    if (totals.rowCount === 0) return;
    if (!(await this.#keepLease())) {
      shard.totals = undefined;
      shard.nextMs = this.#nowMs + LEASE_MS / 2;
      return;
    }
    let marker = '';
    while (!this.#stopped) {
      const [first] = (await listRows(cluster, shard.prefix, { ...rowQuery({ limit: 1 }), marker })).entries;
      const note = first && readNote(shard.prefix, first);
      if (!first || !note) return;
      const hash = first.name.slice(0, HASH_DIGITS);
      // Behind everything of this container.
      marker = `${hash}0`;
      const restsMs = this.#resting.get(hash)?.untilMs ?? 0;
      const nextMs = restsMs > this.#nowMs ? restsMs : await this.#container(shard, hash, note.ref);
      shard.nextMs = Math.min(shard.nextMs, nextMs);
    }
  }

  /** False when another proxy has it. */
  async #keepLease(): Promise<boolean> {
    const nowMs = this.#nowMs;
    if (nowMs < this.#leaseUntilMs - LEASE_MS / 2) return true;
    const untilMs = nowMs + LEASE_MS;
    if (!(await holdLeaseOf(this.#engine.cluster, WORK, { untilMs }))) return false;
    this.#leaseUntilMs = untilMs;
    return true;
  }

  /** When something of it is due again. */
  async #container(shard: Shard, hash: string, ref: ContainerRef): Promise<number> {
    const container = await this.#engine.containers.findFresh(ref);
    if (!container?.syncs) return this.#forget(shard, hash);
    const { metadata } = container.record;
    const target = this.#options.targetOf(metadata[SYNC_TO] ?? '', metadata[SYNC_KEY] ?? '');
    const turn = { shard, hash, container, walk: undefined, isAway: false, names: 0, nextMs: Number.POSITIVE_INFINITY };
    if (!target) return this.#away({ ...turn, target: NOWHERE });
    const own: Turn = { ...turn, target };
    let isMore = true;
    while (isMore && !own.isAway && !this.#stopped) {
      await this.#notes(own);
      isMore = !own.isAway && own.names < TURN_MAX && (await this.#keepLease()) && (await this.#walk(own));
    }
    if (own.isAway) return this.#away(own);
    this.#resting.delete(hash);
    return own.names >= TURN_MAX ? this.#nowMs : own.nextMs;
  }

  #away({ hash, container }: Turn): number {
    const failures = (this.#resting.get(hash)?.failures ?? 0) + 1;
    const untilMs = this.#nowMs + this.#backOff(failures);
    this.#resting.delete(hash);
    this.#resting.set(hash, { stamp: undefined, failures, untilMs });
    if (this.#resting.size > HELD_MAX) this.#resting.clear();
    const { account, name, metadata } = container.record;
    if (failures === 1 || 2 ** (failures - 1) * RETRY_MIN_MS >= RETRY_MAX_MS) {
      this.#options.warn({ account, container: name, to: metadata[SYNC_TO] }, 'container sync: the other side is away');
    }
    return untilMs;
  }

  #backOff(failures: number): number {
    const most = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures - 1, 20));
    return most / 2 + this.#engine.random.below(most / 2 + 1);
  }

  /** It is not synchronised, or not yet: what is noted may belong to a change on its way. */
  async #forget(shard: Shard, hash: string): Promise<number> {
    let nextMs = Number.POSITIVE_INFINITY;
    for await (const page of this.#pages(shard, hash)) {
      for (const note of page) {
        const dueMs = stampMs(note.stamp) + IN_FLIGHT_MS;
        if (dueMs <= this.#nowMs) await settleNote(this.#engine.cluster, note);
        else nextMs = Math.min(nextMs, dueMs);
      }
    }
    return nextMs;
  }

  async *#pages(shard: Shard, hash: string): AsyncGenerator<readonly SyncNote[]> {
    const { cluster } = this.#engine;
    let marker = '';
    while (!this.#stopped) {
      const query = { ...rowQuery({ prefix: `${hash}/`, limit: PAGE }), marker };
      const page = await listRows(cluster, shard.prefix, query);
      marker = page.entries.at(-1)?.name ?? marker;
      yield page.entries.map((entry: ListEntry) => readNote(shard.prefix, entry)).filter((note) => note !== undefined);
      if (!page.truncated) return;
    }
  }

  async #notes(turn: Turn): Promise<void> {
    turn.walk = undefined;
    for await (const page of this.#pages(turn.shard, turn.hash)) {
      const byName = new Map<string, SyncNote[]>();
      for (const note of page) {
        if (note.name === undefined) turn.walk = note;
        else if (this.#isDue(turn, note)) byName.set(note.name, [...(byName.get(note.name) ?? []), note]);
      }
      await this.#each(turn, [...byName], ([name, notes]) => this.#told(turn, name, notes));
      if (turn.isAway || turn.names >= TURN_MAX || !(await this.#keepLease())) return;
    }
  }

  #isDue(turn: Turn, { key, stamp }: SyncNote): boolean {
    if (this.#open.has(key)) return false;
    const held = this.#held.get(key);
    if (!held || (held.stamp !== undefined && held.stamp !== stamp) || held.untilMs <= this.#nowMs) return true;
    if (held.stamp === undefined) return true;
    turn.nextMs = Math.min(turn.nextMs, held.untilMs);
    return false;
  }

  async #each<T>(turn: Turn, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    for (let at = 0; at < items.length && !turn.isAway && !this.#stopped; at += PARALLEL) {
      const group = items.slice(at, at + PARALLEL);
      turn.names += group.length;
      await Promise.all(group.map(work));
    }
  }

  async #told(turn: Turn, name: string, notes: readonly SyncNote[]): Promise<void> {
    const [stamp] = notes
      .map((note) => note.stamp)
      .sort()
      .reverse();
    const outcome = await this.#tell(turn, name, stamp);
    for (const note of notes) {
      if (outcome === 'done') await this.#settle(turn, note);
      else if (outcome === 'refused') this.#refused(turn, note);
    }
  }

  async #settle(turn: Turn, note: SyncNote): Promise<void> {
    const { key, stamp } = note;
    const isOwn = Number.parseInt(stamp.slice(-3), 16) === this.#engine.cluster.stamps.writerId;
    const heldMs = this.#held.get(key)?.untilMs ?? 0;
    const untilMs = isOwn ? heldMs : Math.max(stampMs(stamp), this.#startedMs) + IN_FLIGHT_MS;
    if (untilMs > this.#nowMs) {
      this.#hold(key, { stamp, untilMs });
      turn.nextMs = Math.min(turn.nextMs, untilMs);
      return;
    }
    // A change that has begun meanwhile writes its note anew: then it stays.
    await settleNote(this.#engine.cluster, note);
    if (!this.#open.has(key)) this.#hold(key, {});
  }

  #refused(turn: Turn, { key, stamp, name, ref }: SyncNote): void {
    const failures = (this.#held.get(key)?.failures ?? 0) + 1;
    const untilMs = this.#nowMs + this.#backOff(failures);
    this.#hold(key, { stamp, failures, untilMs });
    turn.nextMs = Math.min(turn.nextMs, untilMs);
    if (failures === 1) this.#options.warn({ ...ref, name }, 'container sync: the other side will not have an object');
  }

  /** A page of what the container holds; false when there is no more to be done. */
  async #walk(turn: Turn): Promise<boolean> {
    const { walk, container } = turn;
    if (!walk) return false;
    const dueMs = stampMs(walk.stamp) + WALK_DELAY_MS;
    if (walk.marker === '' && dueMs > this.#nowMs) {
      turn.nextMs = Math.min(turn.nextMs, dueMs);
      return false;
    }
    const { cluster } = this.#engine;
    const query = { ...rowQuery({ limit: PAGE }), marker: walk.marker ?? '' };
    const page = await listRows(cluster, container.rowPrefix, query);
    const names = page.entries.flatMap(({ name, head }) => (head ? [latin1ToUtf8(name)] : []));
    await this.#each(turn, names, (name) => this.#walked(turn, name));
    if (turn.isAway || this.#stopped) return false;
    const last = page.entries.at(-1)?.name;
    const isDone = !page.truncated || last === undefined;
    await settleNote(cluster, walk, isDone ? undefined : walkNote(cluster, walk.ref, last).meta);
    return !isDone;
  }

  /** What is refused gets a note of its own, so that the walk goes on. */
  async #walked(turn: Turn, name: string): Promise<void> {
    if ((await this.#tell(turn, name, undefined)) !== 'refused') return;
    const { account, name: container } = turn.container.record;
    const { key, meta } = nameNote(this.#engine.cluster, { account, container }, name);
    await putOwnRow(this.#engine.cluster, key, meta);
    turn.shard.isDirty = true;
  }

  /** As it is now. `note`: when it was going to change. */
  async #tell(turn: Turn, name: string, note: Stamp | undefined): Promise<SyncOutcome> {
    const outcome = await this.#send(turn, name, note).catch((error: unknown): SyncOutcome => {
      if (!isFault(error)) throw error;
      return error.code === storeFaults.noSuchMasterKey ? 'refused' : 'later';
    });
    if (outcome === 'later') turn.isAway = true;
    return outcome;
  }

  async #send({ container, target }: Turn, name: string, note: Stamp | undefined): Promise<SyncOutcome> {
    const engine = this.#engine;
    const register = await readQuorum(engine.cluster, objectKey(engine, container, name), true);
    if (!register || isTombstone(register.head)) {
      const at = register ? headStamp(register.head) : note;
      return at === undefined ? 'done' : target.remove(name, at);
    }
    const record = decodeMeta<ObjectRecord>(register.head);
    // What expires is deleted soon, and that is noted; what a client's own key encrypts cannot be read.
    if (record.marker || engine.expired(record) || record.sealed?.mode === 'SSE-C') return 'done';
    const found = await unlocked(engine, { record, register, versioned: false }, undefined);
    const info = toInfo(record, register.head);
    const context = { transId: WORK, caller: ANONYMOUS };
    const open = (): Body => openBody(engine, context, found, { offset: 0, length: record.size });
    return target.put(name, info, record.slo ? undefined : open);
  }
}

const NOWHERE: SyncTarget = { put: async () => 'later', remove: async () => 'later' };
