/** One lineage's collector: decides which step is next and carries it out. See collector.ts for what the steps promise. */
import { type Fault, isFault } from '../../fabric/errors.ts';
import { HASHES_END, listUnmarked, markRange } from './collector-mark.ts';
import { type CollectorState, readCollectorState, writeCollectorState } from './collector-state.ts';
import { checkKnown, isOver, readView, type View } from './collector-view.ts';
import { type Condemned, decodeCondemned, encodeCondemned } from './condemned-format.ts';
import { repositoryFaults } from './faults.ts';
import { readLineage } from './lineage.ts';
import { condemnedName, condemnedPrefix, contentName, parseWorkName, progressName, snapshotName } from './names.ts';
import { NodeStore } from './node-store.ts';
import type { Ownership } from './owner.ts';
import { forEach } from './parallel.ts';
import type { CollectorRecord } from './records.ts';
import { giveUp, newNonce, readEntry } from './upload-state.ts';
import { Watch } from './watch.ts';
import type { World } from './world.ts';

/** Marks held at once: 16 to 32 bytes each. More content is worked on in ranges of hashes. */
const MARKS_MAX = 4 * 1024 * 1024;
/** Condemned at once: every upload that begins holds them in memory, at 16 bytes each. */
const CONDEMNED_MAX = 1024 * 1024;
const PART_ENTRIES = 64 * 1024;
const DELETES_AT_ONCE = 16;
/** Deletes between two looks at the office. */
const BATCH = 1024;

export interface StepResult {
  readonly idle: boolean;
  readonly waiting: boolean;
  readonly condemned: number;
  readonly swept: number;
}

export interface LineageParts {
  readonly world: World;
  readonly lineage: string;
  readonly owner: Ownership;
  readonly abandonMs: number;
}

const IDLE: StepResult = { idle: true, waiting: false, condemned: 0, swept: 0 };

export class LineageCollector {
  readonly #parts: LineageParts;
  readonly #watch: Watch;
  /** As last read or written. */
  #state: CollectorState | undefined;

  constructor(parts: LineageParts) {
    this.#parts = parts;
    this.#watch = new Watch(parts.world.clock, parts.abandonMs);
  }

  /** Whether somebody else wrote since the step that failed: one who has lost the office may still end what was begun. */
  async stateChanged(): Promise<boolean> {
    const { world, lineage } = this.#parts;
    return (await readCollectorState(world.client, lineage)).etag !== this.#state?.etag;
  }

  async step(): Promise<StepResult> {
    const { client } = this.#parts.world;
    const { lineage } = this.#parts;
    let state = await readCollectorState(client, lineage);
    this.#state = state;
    if (state.record.pass?.cursor === HASHES_END) state = await this.#finishPass(state);
    const view = await readView(client, lineage);
    checkKnown(view, state.record);
    state = await this.#giveUpDead(state, view);
    const { condemned } = state.record;
    if (condemned === undefined) return await this.#condemn(state, view);
    const early = [...view.sessions.values()].some(({ record }) => record.seenRound < condemned.round);
    return early ? { ...IDLE, idle: false, waiting: true } : await this.#sweep(state, view);
  }

  /** Marks range by range, until something is found that nobody refers to or the pass is complete. */
  async #condemn(start: CollectorState, view: View): Promise<StepResult> {
    const { world, lineage } = this.#parts;
    let state = start;
    const markers = view.markers.filter((marker) => isOver(view, marker)).map(({ name }) => name);
    if (state.record.pass === undefined && markers.length === 0) return IDLE;
    const pass = state.record.pass ?? { markers, cursor: 0 };
    const nodes = new NodeStore(world.client, await readLineage(world.client, lineage));
    const known = [...view.snapshots.keys()];
    let from = pass.cursor;
    let span = HASHES_END - from;
    while (from < HASHES_END) {
      const to = Math.min(HASHES_END, from + span);
      const marked = await markRange(nodes, view, { from, to }, MARKS_MAX);
      if (marked === undefined) {
        span = Math.ceil(span / 2);
        continue;
      }
      const range = { from, to, entriesMax: CONDEMNED_MAX };
      const { entries, end } = await listUnmarked(world.client, lineage, marked, range);
      if (entries.length > 0) {
        await this.#save(state, {
          known,
          pass: { ...pass, cursor: from },
          ...(await this.#publish(state, entries, end)),
        });
        return { ...IDLE, idle: false, condemned: entries.length };
      }
      from = to;
    }
    state = await this.#save(state, { known, pass: { ...pass, cursor: HASHES_END } });
    await this.#finishPass(state);
    return { ...IDLE, idle: false };
  }

  /** The condemned set's parts are durable before the state names them, under names of their own. */
  async #publish(state: CollectorState, entries: readonly Condemned[], end: number) {
    const { world, lineage } = this.#parts;
    const round = state.record.round + 1;
    const nonce = newNonce(world);
    const parts: string[] = [];
    for (let at = 0; at < entries.length; at += PART_ENTRIES) {
      const name = condemnedName(lineage, round, `${nonce}-${parts.length}`);
      await world.client.put(name, encodeCondemned(entries.slice(at, at + PART_ENTRIES)));
      parts.push(name);
    }
    return { round, condemned: { round, parts, count: entries.length, end } };
  }

  async #sweep(state: CollectorState, view: View): Promise<StepResult> {
    const { world, lineage, owner } = this.#parts;
    const { condemned, pass } = state.record;
    if (condemned === undefined || pass === undefined) return IDLE;
    const nodes = new NodeStore(world.client, await readLineage(world.client, lineage));
    // No more than when it was condemned, but for what uploads have added since.
    const marked = await markRange(nodes, view, { from: pass.cursor, to: condemned.end }, Number.POSITIVE_INFINITY);
    let swept = 0;
    for (const part of condemned.parts) {
      const entries = decodeCondemned((await world.client.get(part)).body);
      const dead = entries.filter((each) => !marked?.has(each.kind, each));
      for (let at = 0; at < dead.length; at += BATCH) {
        await owner.check();
        await forEach(dead.slice(at, at + BATCH), DELETES_AT_ONCE, async (each) => {
          if (await world.client.delete(contentName(each.kind, lineage, each))) swept++;
        });
      }
    }
    const next = { ...state.record, known: [...view.snapshots.keys()], pass: { ...pass, cursor: condemned.end } };
    const saved = await this.#save({ ...state, record: without(next, 'condemned') }, {});
    for (const part of condemned.parts) await world.client.delete(part);
    if (condemned.end === HASHES_END) await this.#finishPass(saved);
    return { ...IDLE, idle: false, swept };
  }

  /** The reasons for the pass are gone for good: markers, progress of uploads that ended, parts that no state names. */
  async #finishPass(state: CollectorState): Promise<CollectorState> {
    const { client } = this.#parts.world;
    const { lineage } = this.#parts;
    await this.#parts.owner.check();
    // A newer owner's parts have a higher round; they must stay, however late this comes.
    const endMarker = condemnedName(lineage, state.record.round + 1, '');
    for await (const { name } of client.list({ prefix: condemnedPrefix(lineage), endMarker }))
      await client.delete(name);
    for (const name of state.record.pass?.markers ?? []) {
      const snapshot = parseWorkName(name)?.id ?? '';
      const entry = await readEntry(client, { lineage, snapshot });
      if (entry?.kind !== 'session') await client.delete(progressName(lineage, snapshot));
      await client.delete(name);
    }
    return await this.#save({ ...state, record: without(state.record, 'pass') }, {});
  }

  async #giveUpDead(state: CollectorState, view: View): Promise<CollectorState> {
    const { world, lineage } = this.#parts;
    const sessions = [...view.sessions].map(([id, { etag }]) => ({
      name: snapshotName(lineage, id),
      etag,
      session: id,
    }));
    const readers = view.readers.map(({ name, etag }) => ({ name, etag, session: undefined }));
    const { watched, dead } = this.#watch.look(state.record.watched, [...sessions, ...readers]);
    for (const { name, etag, session } of dead) {
      try {
        if (session === undefined) await world.client.delete(name, { etag });
        else await giveUp(world, { lineage, snapshot: session }, etag);
      } catch (error) {
        // It lives after all.
        if (!isFault(error as Fault, repositoryFaults.preconditionFailed)) throw error;
      }
    }
    return watched === state.record.watched ? state : await this.#save(state, { watched });
  }

  async #save(state: CollectorState, change: Partial<CollectorRecord>): Promise<CollectorState> {
    const { world, lineage, owner } = this.#parts;
    const next = { ...state.record, ...change, ownerEpoch: owner.epoch };
    this.#state = await writeCollectorState(world.client, lineage, state, next);
    return this.#state;
  }
}

function without(record: CollectorRecord, field: 'condemned' | 'pass'): CollectorRecord {
  const { [field]: _, ...rest } = record;
  return rest;
}
