/**
 * A synchronised container's turn: its notes (sync-queue.ts), and its walk, are told to the container that it is
 * synchronised with. A name is told as it is now, whatever became of it in between; the other side knows by its time
 * whether that is news. Ends when nothing is due, when others have waited long enough, or when the other side is away.
 */

import { isFault } from '../../fabric/errors.ts';
import { type Stamp, stampMs } from '../../fabric/stamp.ts';
import { headStamp, isTombstone, type Key, latin1ToUtf8 } from '../../object-server/contract.ts';
import { readQuorum } from '../quorum-read.ts';
import { objectKey } from './commit.ts';
import { CONTAINER_CACHE_MS, type ContainerState } from './containers.ts';
import { ANONYMOUS, type Body, type ContainerRef, type ObjectInfo, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { openBody, unlocked } from './get.ts';
import { decodeMeta, type ObjectRecord, toInfo } from './object-format.ts';
import { putOwnRow } from './own-rows.ts';
import { listRows, rowQuery } from './rows.ts';
import { nameNote, readNote, type SyncNote, settleNote, walkNote } from './sync-queue.ts';
import type { WaitList } from './wait-list.ts';

/** A change of another proxy, or one of which nobody knows what became of it, may still come so long after its note. */
export const IN_FLIGHT_MS = 60_000;
/** Proxies may take a container for one that is not synchronised for so long. */
const WALK_DELAY_MS = CONTAINER_CACHE_MS + 500;
const PAGE = 100;
/** Names under way, and names before the next container has its turn. */
const PARALLEL = 4;
const TURN_MAX = 2000;
/** Failures one after the other that are no longer about single objects. */
const MISSES_MAX = 4;
/** Where nothing is, a deletion leaves its trace for longer than that: without one there was nothing to delete. */
const TRACES_KEPT_MS = 24 * 3600 * 1000;
/** After the lease was lost, or could not be kept. */
const LEASE_AGAIN_MS = 10_000;

/** `later`: the other side is not there, lets nobody in, or failed. `refused`: it will not have this one. */
export type SyncOutcome = 'done' | 'later' | 'refused';

export interface SyncTarget {
  /** `body` is absent where the object is a manifest of segments. */
  put(name: string, info: ObjectInfo, body: (() => Body) | undefined): Promise<SyncOutcome>;
  remove(name: string, at: Stamp): Promise<SyncOutcome>;
}

/** What the turns of a proxy share. */
export interface TurnWorld {
  readonly engine: Engine;
  /** Since when this proxy has been there. */
  readonly startedMs: number;
  /** Notes whose change is under way here. */
  readonly open: ReadonlyMap<Key, number>;
  /** Notes that are not to be looked at yet, or not to be dropped. */
  readonly held: WaitList<Key>;
  readonly warn: (fields: object, message: string) => void;
  isStopped(): boolean;
  /** False when another proxy has taken over. */
  keepLease(): Promise<boolean>;
}

/** Where a container's notes are. */
export interface Notes {
  readonly prefix: Key;
  /** The container's, in hex. */
  readonly hash: string;
}

export async function* notePages({ engine, isStopped }: TurnWorld, notes: Notes): AsyncGenerator<readonly SyncNote[]> {
  let marker = '';
  while (!isStopped()) {
    const query = { ...rowQuery({ prefix: `${notes.hash}/`, limit: PAGE }), marker };
    const page = await listRows(engine.cluster, notes.prefix, query);
    marker = page.entries.at(-1)?.name ?? marker;
    yield page.entries.map((entry) => readNote(notes.prefix, entry)).filter((note) => note !== undefined);
    if (!page.truncated) return;
  }
}

export class Turn {
  /** The other side did not answer, or let nobody in. */
  isAway = false;
  readonly #world: TurnWorld;
  readonly #notes: Notes;
  readonly #container: ContainerState;
  readonly #target: SyncTarget;
  #names = 0;
  #misses = 0;
  #nextMs = Number.POSITIVE_INFINITY;

  constructor(world: TurnWorld, notes: Notes, container: ContainerState, target: SyncTarget) {
    this.#world = world;
    this.#notes = notes;
    this.#container = container;
    this.#target = target;
  }

  get #nowMs(): number {
    return this.#world.engine.cluster.clock.nowMs();
  }

  async #isOver(): Promise<boolean> {
    if (this.isAway || this.#names >= TURN_MAX || this.#world.isStopped()) return true;
    if (await this.#world.keepLease()) return false;
    this.#dueAgain(this.#nowMs + LEASE_AGAIN_MS);
    return true;
  }

  /** Resolves with when something is due again. */
  async run(): Promise<number> {
    let isMore = true;
    while (isMore) {
      const walk = await this.#tellNotes();
      isMore = walk !== undefined && !(await this.#isOver()) && (await this.#walk(walk));
    }
    return this.#names >= TURN_MAX ? this.#nowMs : this.#nextMs;
  }

  #dueAgain(atMs: number): void {
    this.#nextMs = Math.min(this.#nextMs, atMs);
  }

  /** Resolves with the walk, where there is one. */
  async #tellNotes(): Promise<SyncNote | undefined> {
    let walk: SyncNote | undefined;
    for await (const page of notePages(this.#world, this.#notes)) {
      const byName = new Map<string, SyncNote[]>();
      for (const note of page) {
        if (note.name === undefined) walk = note;
        else if (this.#isDue(note)) byName.set(note.name, [...(byName.get(note.name) ?? []), note]);
      }
      await this.#each([...byName], ([name, notes]) => this.#tellNoted(name, notes));
      if (await this.#isOver()) break;
    }
    return walk;
  }

  #isDue({ key, stamp }: SyncNote): boolean {
    if (this.#world.open.has(key)) return false;
    const held = this.#world.held.get(key);
    // Without a stamp it may be told, and not be dropped.
    if (held?.stamp !== stamp || held.untilMs <= this.#nowMs) return true;
    this.#dueAgain(held.untilMs);
    return false;
  }

  async #each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    for (let at = 0; at < items.length && !this.isAway && !this.#world.isStopped(); at += PARALLEL) {
      const group = items.slice(at, at + PARALLEL);
      this.#names += group.length;
      await Promise.all(group.map(work));
    }
  }

  async #tellNoted(name: string, notes: readonly SyncNote[]): Promise<void> {
    const newest = notes.reduce((last, note) => (note.stamp > last.stamp ? note : last));
    const outcome = await this.#tell(name, newest.stamp);
    for (const note of notes) {
      if (outcome === 'done') await this.#settle(note);
      else if (!this.isAway) this.#waits(note);
    }
  }

  async #settle(note: SyncNote): Promise<void> {
    const { held, engine, startedMs } = this.#world;
    const { key, stamp } = note;
    const isOwn = Number.parseInt(stamp.slice(-3), 16) === engine.cluster.stamps.writerId;
    const unsureMs = held.get(key)?.untilMs ?? 0;
    const untilMs = isOwn ? unsureMs : Math.max(stampMs(stamp), startedMs) + IN_FLIGHT_MS;
    if (untilMs > this.#nowMs) {
      held.set(key, { stamp, failures: 0, untilMs });
      return this.#dueAgain(untilMs);
    }
    // A change that has begun meanwhile writes its note anew: then it stays.
    if ((await settleNote(engine.cluster, note)) !== undefined) held.drop(key);
  }

  /** By itself: the others go on. */
  #waits({ key, stamp, name, ref }: SyncNote): void {
    const { held, engine, warn } = this.#world;
    const { failures, untilMs } = held.failed(key, { nowMs: this.#nowMs, random: engine.random, stamp });
    this.#dueAgain(untilMs);
    if (failures === 1) warn({ ...ref, name }, 'container sync: an object could not be sent');
  }

  /** A page of what the container holds; false when there is no more to be done. */
  async #walk(walk: SyncNote): Promise<boolean> {
    const { marker = '' } = walk;
    const dueMs = stampMs(walk.stamp) + WALK_DELAY_MS;
    if (marker === '' && dueMs > this.#nowMs) {
      this.#dueAgain(dueMs);
      return false;
    }
    const { cluster } = this.#world.engine;
    const page = await listRows(cluster, this.#container.rowPrefix, { ...rowQuery({ limit: PAGE }), marker });
    const names = page.entries.flatMap(({ name, head }) => (head ? [latin1ToUtf8(name)] : []));
    await this.#each(names, (name) => this.#tellWalked(name));
    if (this.isAway || this.#world.isStopped()) return false;
    const last = page.entries.at(-1)?.name;
    const isDone = !page.truncated || last === undefined;
    await settleNote(cluster, walk, isDone ? undefined : walkNote(cluster, walk.ref, last).meta);
    // What could not be sent has notes now; so has what changed.
    return true;
  }

  async #tellWalked(name: string): Promise<void> {
    if ((await this.#tell(name, undefined)) === 'done' || this.isAway) return;
    const { account, name: container } = this.#container.record;
    const ref: ContainerRef = { account, container };
    const { key, meta } = nameNote(this.#world.engine.cluster, ref, name);
    await putOwnRow(this.#world.engine.cluster, key, meta);
  }

  /** `noted`: when it was going to change. */
  async #tell(name: string, noted: Stamp | undefined): Promise<SyncOutcome> {
    const outcome = await this.#send(name, noted).catch((error: unknown): SyncOutcome => {
      if (!isFault(error)) throw error;
      return error.code === storeFaults.noSuchMasterKey ? 'refused' : 'later';
    });
    this.#misses = outcome === 'later' ? this.#misses + 1 : 0;
    if (this.#misses >= MISSES_MAX) this.isAway = true;
    return outcome;
  }

  #sendForgotten(name: string, noted: Stamp | undefined): Promise<SyncOutcome> | SyncOutcome {
    const isOld = noted !== undefined && stampMs(noted) + TRACES_KEPT_MS < this.#nowMs;
    return isOld ? this.#target.remove(name, noted) : 'done';
  }

  async #send(name: string, noted: Stamp | undefined): Promise<SyncOutcome> {
    const { engine } = this.#world;
    const register = await readQuorum(engine.cluster, objectKey(engine, this.#container, name), true);
    if (!register) return this.#sendForgotten(name, noted);
    if (isTombstone(register.head)) return this.#target.remove(name, headStamp(register.head));
    const record = decodeMeta<ObjectRecord>(register.head);
    // What expires is deleted soon, and that is noted; what a client's own key encrypts cannot be read.
    if (record.marker || engine.expired(record) || record.sealed?.mode === 'SSE-C') return 'done';
    const found = await unlocked(engine, { record, register, versioned: false }, undefined);
    const info = toInfo(record, register.head);
    const context = { transId: 'container-sync', caller: ANONYMOUS };
    const open = (): Body => openBody(engine, context, found, { offset: 0, length: record.size });
    return this.#target.put(name, info, record.slo ? undefined : open);
  }
}
