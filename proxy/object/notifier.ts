/**
 * Tells targets what happened: at least once, and what concerns one object in order. Each target has LANES lanes, and each
 * lane tells one event at a time. What was just noted is told from memory; when a target does not answer, when this proxy
 * starts, and when another one died, from the rows of event-queue.ts. A lane with nothing to tell reads nothing: devices
 * have the number of its rows in memory.
 */
import { isFault } from '../../fabric/errors.ts';
import { type Stamp, stampMs } from '../../fabric/stamp.ts';
import { headStamp, isTombstone, type Key } from '../../object-server/contract.ts';
import { readQuorum } from '../quorum-read.ts';
import { objectKey } from './commit.ts';
import type { Engine } from './engine.ts';
import type { EventDesk, NotedEvent } from './event-desk.ts';
import { eventJson } from './event-json.ts';
import {
  dropEvent,
  type EventEntry,
  LANES,
  laneOf,
  lanePrefix,
  type QueuedEvent,
  readEvent,
  type Told,
  writeEvent,
} from './event-queue.ts';
import { decodeMeta, type ObjectRecord } from './object-format.ts';
import { listRows, readTotals, rowQuery } from './rows.ts';
import { versionIdOf } from './version-format.ts';

/** Events of a lane that are kept in memory as well, and in all. */
const MEMORY_MAX = 1000;
const LANE_EVENTS_MAX = 100_000;
/** After a failure: doubled each time. */
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 60_000;
/** Nobody wants to know after so long. */
const EVENT_LIFE_MS = 24 * 3600 * 1000;
const LOOK_EVERY_MS = 60_000;
const PAGE = 100;

export interface EventTarget {
  readonly name: string;
  /** False, or an error, when it was not taken. Bounded in time. */
  send(body: string): Promise<boolean>;
}

export interface NotifierOptions {
  readonly targets: readonly EventTarget[];
  readonly region: string;
  /** A note whose change nobody reported, or which another proxy is to tell, is left alone for so long. */
  readonly foreignMs?: number | undefined;
  readonly warn: (fields: object, message: string) => void;
}

export interface Notifier {
  readonly desk: EventDesk;
  start(engine: Engine): void;
  stop(): void;
}

export const FOREIGN_MS = 30_000;

export function createNotifier(options: NotifierOptions): Notifier {
  const lanes = new Map<string, readonly Lane[]>();
  return {
    desk: {
      has: (target) => lanes.has(target),
      note: (target, event) => {
        const all = lanes.get(target) as readonly Lane[];
        return (all[all[0]?.indexFor(event) ?? 0] as Lane).note(event);
      },
    },
    start(engine) {
      for (const target of options.targets) {
        const all = Array.from({ length: LANES }, (_, lane) => new Lane(engine, target, { ...options, lane }));
        lanes.set(target.name, all);
        for (const lane of all) lane.start();
      }
    },
    stop() {
      for (const all of lanes.values()) for (const lane of all) lane.stop();
      lanes.clear();
    },
  };
}

type ToldEntry = EventEntry & { readonly event: QueuedEvent & { readonly told: Told } };

class Lane {
  readonly #engine: Engine;
  readonly #target: EventTarget;
  readonly #options: NotifierOptions;
  readonly #prefix: Key;
  readonly #foreignMs: number;
  /** Told from memory, oldest first. */
  readonly #queue: ToldEntry[] = [];
  /** Notes whose change is under way here. */
  readonly #open = new Set<Stamp>();
  /** About how many rows there are. */
  #count = 0;
  /** There are rows that are not in the queue; to be looked at from then on. */
  #backlogFromMs = Number.POSITIVE_INFINITY;
  #failures = 0;
  #lookAtMs = 0;
  #timer: { cancel(): void } | undefined;
  #running = false;
  #stopped = false;
  #isFull = false;

  constructor(engine: Engine, target: EventTarget, options: NotifierOptions & { readonly lane: number }) {
    this.#engine = engine;
    this.#target = target;
    this.#options = options;
    this.#foreignMs = options.foreignMs ?? FOREIGN_MS;
    this.#prefix = lanePrefix(engine.cluster, target.name, options.lane);
  }

  indexFor(event: QueuedEvent): number {
    return laneOf(this.#engine.cluster, event);
  }

  start(): void {
    this.#wake(this.#engine.random.below(1000));
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  get #nowMs(): number {
    return this.#engine.cluster.clock.nowMs();
  }

  async note(event: QueuedEvent): Promise<NotedEvent | undefined> {
    if (this.#count >= LANE_EVENTS_MAX) {
      if (!this.#isFull) this.#options.warn({ target: this.#target.name }, 'too many events wait: new ones are lost');
      this.#isFull = true;
      return undefined;
    }
    this.#isFull = false;
    const { cluster } = this.#engine;
    const note = cluster.stamps.next();
    this.#open.add(note);
    this.#count++;
    try {
      await writeEvent(cluster, this.#prefix, { note, event });
    } catch (error) {
      this.#left(note, this.#foreignMs);
      throw error;
    }
    return {
      happened: (told) => this.#happened({ note, event: { ...event, told } }),
      dropped: () => this.#engine.later('event', () => this.#drop(note).finally(() => this.#open.delete(note))),
      unknown: () => this.#left(note, this.#foreignMs),
    };
  }

  #happened(entry: ToldEntry): void {
    // Behind what waits in rows it waits there as well.
    const waits = this.#failures > 0 || this.#backlogFromMs <= this.#nowMs || this.#queue.length >= MEMORY_MAX;
    if (!waits) {
      this.#queue.push(entry);
      return this.#wake(0);
    }
    this.#engine.later('event', () => this.#write(entry));
  }

  async #write(entry: ToldEntry): Promise<void> {
    try {
      await writeEvent(this.#engine.cluster, this.#prefix, entry);
    } finally {
      this.#left(entry.note, 0);
    }
  }

  /** To the rows. */
  #left(note: Stamp, waitMs: number): void {
    this.#open.delete(note);
    this.#backlogFromMs = Math.min(this.#backlogFromMs, this.#nowMs + waitMs);
    if (this.#failures === 0) this.#wake(waitMs);
  }

  async #drop(note: Stamp): Promise<void> {
    await dropEvent(this.#engine.cluster, this.#prefix, note);
    this.#count = Math.max(0, this.#count - 1);
  }

  /** Runs no later than that. */
  #wake(delayMs: number): void {
    if (this.#stopped || this.#running) return;
    this.#timer?.cancel();
    if (delayMs <= 0) return this.#run();
    const nextMs = Math.min(delayMs, Math.max(1, this.#backlogFromMs - this.#nowMs));
    this.#timer = this.#engine.cluster.clock.after(nextMs, () => this.#run());
  }

  #run(): void {
    this.#running = true;
    this.#engine.later('notification', () => this.#work().finally(() => this.#rest()));
  }

  #rest(): void {
    this.#running = false;
    if (this.#failures > 0) {
      const most = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** (this.#failures - 1));
      this.#backlogFromMs = this.#nowMs + most / 2 + this.#engine.random.below(most / 2 + 1);
      return this.#wake(RETRY_MAX_MS);
    }
    if (this.#queue.length > 0) return this.#wake(0);
    this.#wake(Math.max(1, this.#lookAtMs - this.#nowMs));
  }

  async #work(): Promise<void> {
    if (this.#failures === 0) {
      for (let entry = this.#queue[0]; entry && !this.#stopped; entry = this.#queue[0]) {
        if (!(await this.#tell(entry))) return this.#spill();
        this.#queue.shift();
        this.#open.delete(entry.note);
      }
    }
    try {
      const isDue = Math.min(this.#backlogFromMs, this.#lookAtMs) <= this.#nowMs;
      if (!this.#stopped && isDue) await this.#rows();
    } catch (error) {
      // The quorum is away; the rows are still there.
      if (!isFault(error)) throw error;
      this.#failures++;
    }
  }

  /** What is in memory goes to the rows, where it waits until the target answers. */
  async #spill(): Promise<void> {
    for (const entry of this.#queue.splice(0)) {
      await this.#write(entry).catch((error: unknown) => {
        if (!isFault(error)) throw error;
      });
    }
  }

  /** Whether it is out of the way. */
  async #tell({ note, event }: ToldEntry): Promise<boolean> {
    const isTaken = await this.#target.send(eventJson(this.#options.region, note, event)).catch(() => false);
    const isStale = this.#nowMs - stampMs(note) > EVENT_LIFE_MS;
    if (!isTaken && !isStale) {
      this.#failures++;
      return false;
    }
    if (!isTaken) this.#options.warn({ target: this.#target.name, event }, 'event given up');
    this.#failures = 0;
    await this.#drop(note).catch((error: unknown) => {
      if (!isFault(error)) throw error;
      this.#backlogFromMs = this.#nowMs + RETRY_MIN_MS;
    });
    return true;
  }

  async #rows(): Promise<void> {
    const { cluster } = this.#engine;
    const totals = await readTotals(cluster, this.#prefix);
    this.#count = totals.rowCount;
    this.#backlogFromMs = Number.POSITIVE_INFINITY;
    this.#lookAtMs = this.#nowMs + LOOK_EVERY_MS / 2 + this.#engine.random.below(LOOK_EVERY_MS);
    let isWhole = totals.rowCount <= this.#open.size;
    let marker = '';
    while (!isWhole && !this.#stopped) {
      const page = await listRows(cluster, this.#prefix, { ...rowQuery({ limit: PAGE }), marker });
      for (const row of page.entries) {
        marker = row.name;
        if (this.#stopped) return;
        const entry = readEvent(row);
        if (entry && !(await this.#row(entry))) return;
      }
      isWhole = !page.truncated;
    }
    this.#failures = 0;
  }

  /** False: the target does not answer. */
  async #row(entry: EventEntry): Promise<boolean> {
    const { note, event } = entry;
    if (this.#open.has(note)) return true;
    const untilMs = stampMs(note) + this.#foreignMs;
    if (!(this.#isOwn(note) && event.told) && this.#nowMs < untilMs) {
      this.#backlogFromMs = Math.min(this.#backlogFromMs, untilMs);
      return true;
    }
    const told = event.told ?? (await this.#reconstruct(entry));
    if (told) return this.#tell({ note, event: { ...event, told } });
    await this.#drop(note);
    return true;
  }

  #isOwn(note: Stamp): boolean {
    return Number.parseInt(note.slice(-3), 16) === this.#engine.cluster.stamps.writerId;
  }

  /** Whether the change came to be, as far as the object shows it; rather once too often. */
  async #reconstruct({ note, event }: EventEntry): Promise<Told | undefined> {
    const { account, container: containerName, name } = event;
    const container = await this.#engine.containers.findFresh({ account, container: containerName });
    if (!container) return undefined;
    const held = await readQuorum(this.#engine.cluster, objectKey(this.#engine, container, name), false);
    const record = held && !isTombstone(held.head) ? decodeMeta<ObjectRecord>(held.head) : undefined;
    const stamp = held ? headStamp(held.head) : note;
    const isRemoval = event.event.endsWith(':Delete') && !event.event.startsWith('ObjectTagging');
    if (isRemoval && event.versionId !== undefined) return { stamp: note, versionId: event.versionId };
    const isSettled = event.event.startsWith('ObjectTagging') || event.event.startsWith('ObjectAcl');
    const happened = isSettled ? record !== undefined : stamp > note || (isRemoval && !record);
    if (!happened) return undefined;
    if (!record || isRemoval) return { stamp };
    const versionId = record.version === undefined ? undefined : versionIdOf(record);
    return record.marker ? { stamp, versionId } : { stamp, versionId, sizeBytes: record.size, etag: record.etag };
  }
}
