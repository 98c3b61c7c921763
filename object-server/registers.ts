/**
 * The state machine of a device: what each key holds and has promised, and the rules by which a mutation is accepted. All
 * synchronous, in log order; replay runs through the same code, so that a restart ends in the same state. It never waits
 * for the disk (log.ts) and never decides when to checkpoint.
 */

import type { Clock } from '../fabric/clock.ts';
import { Fault } from '../fabric/errors.ts';
import { NO_STAMP, type Stamp } from '../fabric/stamp.ts';
import { blobKeyBeside, chunkRecordBytes, decodeBlob, isBlobKey } from './blob-format.ts';
import { type Lsn, type Mutation, OUTCOME_OK, type Outcome, type Projection } from './contract.ts';
import { deviceFaults } from './faults.ts';
import type { Index, IndexRange } from './index.ts';
import { handoffKey, type Key, KIND, keyKind, SPACE_HANDOFF, SPACE_REPLICATED } from './key-format.ts';
import type { DeviceLimits } from './limits.ts';
import { encodeMarks, encodeMs, encodeStamp, LOCAL, localU32, seal } from './local-format.ts';
import type { Log } from './log.ts';
import type { FoundFrame } from './log-reader.ts';
import { Entry } from './memtable.ts';
import {
  checkBody,
  checkHead,
  encodeHead,
  FLAG_FOREIGN,
  headBallot,
  headKey,
  headRefs,
  isTombstone,
} from './register-format.ts';
import { FRAME, FRAME_HANDOFF, FRAME_MOVED, type FrameType, LANE, lsnSegment } from './segment-format.ts';
import { Unsettled } from './unsettled.ts';
import type { Usage } from './usage.ts';

const REF_BYTES = 16;
/** Of registers that may be made of other keys' blobs. */
const FOREIGN_KINDS: ReadonlySet<string> = new Set([KIND.object, KIND.version, KIND.part]);
const NO_BYTES = Buffer.alloc(0);
const OUTCOME_GUARD: Outcome = { result: 'guard' };
const OUTCOME_MISSING_BLOB: Outcome = { result: 'missing-blob' };
const OUTCOME_FULL: Outcome = { result: 'full' };

export interface RegistersOptions {
  readonly index: Index;
  readonly usage: Usage;
  readonly clock: Clock;
  readonly limits: DeviceLimits;
  readonly projections: readonly Projection[];
}

export class Registers {
  readonly index: Index;
  readonly usage: Usage;
  readonly unsettled = new Unsettled();
  /** Outstanding promises. */
  readonly promises = new Map<Key, Stamp>();
  /** Those that the index knows of, as of the last checkpoint taken. Most are kept before a checkpoint sees them. */
  readonly #storedPromises = new Set<Key>();
  /** Whose promise the index has to learn of, or to forget. */
  readonly #changedPromises = new Set<Key>();
  /** Registers and blobs whose stored bytes do not check, by index key. */
  readonly quarantined = new Set<Key>();
  readonly cursors = new Map<string, Lsn>();
  /** How far this device has read the feeds of others. Durable with the checkpoint that covers what was applied before. */
  readonly bookmarks = new Map<string, Lsn>();
  handoffCopies = 0;
  maxStamp: Stamp = NO_STAMP;
  /** No space beyond the reserve: only tombstones are accepted. */
  full = false;
  /** Even what the space reserve has for repairs is used up. */
  exhausted = false;
  /** Bookkeeping that changed since the last checkpoint. */
  #local = new Map<Key, Buffer | null>();
  readonly #clock: Clock;
  readonly #limits: DeviceLimits;
  readonly #projections = new Map<string, Projection[]>();
  #log: Log | undefined;
  /** Arrival of what is being applied; undefined: nobody has to finish it. */
  #nowMs: number | undefined = 0;

  constructor({ index, usage, clock, limits, projections }: RegistersOptions) {
    this.index = index;
    this.usage = usage;
    this.#clock = clock;
    this.#limits = limits;
    for (const projection of projections) {
      for (const kind of projection.kinds) {
        this.#projections.set(kind, [...(this.#projections.get(kind) ?? []), projection]);
      }
    }
  }

  /** Replay is over: from now on changes go to the log. */
  attach(log: Log): void {
    this.#log = log;
  }

  get log(): Log {
    return this.#log as Log;
  }

  get(key: Key): Entry | undefined {
    return this.index.get(key);
  }

  forEach(range: IndexRange, visit: (key: Key, entry: Entry) => boolean | void): void {
    this.index.forEach(range, visit);
  }

  /** An outstanding promise above the accepted ballot. */
  promised(key: Key): Stamp | undefined {
    return this.promises.size === 0 ? undefined : this.promises.get(key);
  }

  /** Decides over one mutation and, if it is accepted, applies and queues it. */
  accept(mutation: Mutation, handoffFor: number | undefined, nowMs: number | undefined): Outcome {
    const { head, body } = mutation;
    checkHead(head);
    const key = handoffFor === undefined ? headKey(head) : handoffKey(handoffFor, headKey(head));
    if (isBlobKey(key)) throw new Fault(deviceFaults.badMutation, { reason: 'blob registers are local to a device' });
    const ballot = headBallot(head);
    const held = this.index.get(key);
    if (held) {
      if (held.ballot === ballot && !this.#damaged(key)) return OUTCOME_OK;
      if (held.ballot > ballot) return { result: 'newer', ballot: held.ballot };
    }
    const promised = this.promised(key);
    if (promised !== undefined && promised > ballot) return { result: 'newer', ballot: promised };
    if (handoffFor === undefined) {
      const refusal = this.#guard(mutation) ?? this.#missing(key, head);
      if (refusal) return refusal;
    }
    if (this.full && !isTombstone(head) && (this.exhausted || !mutation.repair)) return OUTCOME_FULL;
    checkBody(head, body);
    this.#nowMs = nowMs;
    const again = held?.ballot === ballot;
    const foreign = held && !again ? foreignHead(key, held) : undefined;
    this.write(key, head, { body, handoffFor, moved: again, origin: again ? (held as Entry).origin : 0 }, held);
    return foreign ? { result: 'ok', replaced: foreign } : OUTCOME_OK;
  }

  #damaged(key: Key): boolean {
    return this.quarantined.size > 0 && this.quarantined.has(key);
  }

  #guard({ guardKey, guardStamp }: Mutation): Outcome | undefined {
    if (guardKey === undefined) return undefined;
    const guard = this.index.get(guardKey);
    if (!guard || guard.tombstone || guard.stamp !== guardStamp) return OUTCOME_GUARD;
    const promised = this.promised(guardKey);
    return promised !== undefined && promised > guard.ballot ? { result: 'sealed', ballot: promised } : undefined;
  }

  #missing(key: Key, head: Buffer): Outcome | undefined {
    const refs = headRefs(head);
    for (let at = 0; at < refs.length; at += REF_BYTES) {
      const blob = blobKeyBeside(key, refs.toString('latin1', at, at + REF_BYTES));
      if (!this.index.get(blob) || this.#damaged(blob)) return OUTCOME_MISSING_BLOB;
    }
    return undefined;
  }

  /** Queues a register's frame and applies it. The caller has decided, and says what the key holds so far. */
  write(key: Key, head: Buffer, how: WriteHow, held: Entry | undefined): Lsn {
    const handoff = how.handoffFor !== undefined;
    const flags = (how.moved ? FRAME_MOVED : 0) | (handoff ? FRAME_HANDOFF : 0);
    const target = how.handoffFor ?? 0;
    const origin = how.origin ?? 0;
    const lsn = this.log.append({ type: FRAME.register, flags, target, origin, head, body: how.body });
    this.#install(key, Entry.of(this.index.copyHead(head), lsn, origin || lsnSegment(lsn)), held, how.moved ?? false);
    return lsn;
  }

  #install(key: Key, entry: Entry, held: Entry | undefined, moved: boolean): void {
    const { ballot } = entry;
    this.usage.add(LANE.log, entry.segment, entry.recordBytes);
    if (held) this.usage.kill(LANE.log, held.segment, held.recordBytes);
    this.index.put(key, entry);
    if (this.quarantined.size > 0 && this.quarantined.delete(key)) this.#note(LOCAL.quarantine + key, null);
    if (isBlobKey(key)) {
      this.#installBlob(key, entry, held, moved);
      return;
    }
    if (ballot > this.maxStamp) this.maxStamp = ballot;
    if (this.promises.size > 0) this.#clearPromise(key, ballot);
    if (held && held.ballot !== ballot) this.#releaseBlobs(key, held, entry);
    const handoff = key.startsWith(SPACE_HANDOFF);
    if (handoff && !held) this.handoffCopies++;
    if (moved) return;
    // Of a handoff copy, too: should the writer die, it may be all there is of its operation.
    if (this.#nowMs !== undefined) this.unsettled.add(ballot, key, entry.lsn, this.#nowMs);
    if (handoff) return;
    const projections = this.#projections.get(keyKind(key));
    if (projections) for (const projection of projections) projection.applied(key, held, entry);
  }

  #installBlob(key: Key, entry: Entry, held: Entry | undefined, moved: boolean): void {
    if (held) this.#countChunks(key, held, false);
    this.#countChunks(key, entry, true);
    if (!moved) this.#lookAtBlob(key, this.#limits.blobGraceMs);
  }

  #countChunks(key: Key, entry: Entry, live: boolean): void {
    const { chunkCount, place } = decodeBlob(entry.head);
    let noted = -1;
    for (let i = 0; i < chunkCount; i++) {
      const { segment, payloadBytes } = place(i);
      if (live && segment !== noted) this.#note(LOCAL.bulk + localU32(segment) + key, NO_BYTES);
      noted = segment;
      if (live) this.usage.add(LANE.bulk, segment, chunkRecordBytes(payloadBytes));
      else this.usage.kill(LANE.bulk, segment, chunkRecordBytes(payloadBytes));
    }
  }

  /** Blobs that the old version referred to and the new one does not may be garbage now. */
  #releaseBlobs(key: Key, held: Entry, next: Entry): void {
    if (!held.hasRefs) return;
    let before: Buffer;
    try {
      before = headRefs(held.head);
    } catch {
      // Its head has rotted: what it referred to is not known. That space is lost, nothing else.
      return;
    }
    const after = headRefs(next.head).toString('latin1');
    for (let at = 0; at < before.length; at += REF_BYTES) {
      const id = before.toString('latin1', at, at + REF_BYTES);
      if (!after.includes(id)) this.#lookAtBlob(blobKeyBeside(key, id), this.#limits.blobReadGraceMs);
    }
  }

  #lookAtBlob(key: Key, graceMs: number): void {
    const due = Buffer.alloc(8);
    due.writeBigUInt64BE(BigInt(Math.ceil(this.#clock.nowMs() + graceMs)));
    this.#note(LOCAL.garbage + due.toString('latin1') + key, NO_BYTES);
  }

  #clearPromise(key: Key, ballot: Stamp): void {
    const promised = this.promises.get(key);
    if (promised === undefined || promised > ballot) return;
    this.promises.delete(key);
    if (this.#storedPromises.has(key)) this.#changedPromises.add(key);
    else this.#changedPromises.delete(key);
  }

  /** Promises `ballot` if it is above everything held or promised; otherwise says what stands against it. */
  promise(key: Key, ballot: Stamp, entry = this.index.get(key)): Stamp | undefined {
    const held = entry?.ballot ?? NO_STAMP;
    const promised = this.promised(key) ?? NO_STAMP;
    if (held >= ballot) return held;
    if (promised > ballot) return promised;
    if (promised === ballot) return undefined;
    this.#frame(FRAME.promise, encodeHead({ key, ballot, stamp: NO_STAMP }));
    this.#installPromise(key, ballot);
    return undefined;
  }

  #installPromise(key: Key, ballot: Stamp): void {
    this.promises.set(key, ballot);
    if (ballot > this.maxStamp) this.maxStamp = ballot;
    this.#changedPromises.add(key);
  }

  /** At start: one that the index remembers. */
  restorePromise(key: Key, ballot: Stamp): void {
    this.promises.set(key, ballot);
    this.#storedPromises.add(key);
  }

  #notePromises(): void {
    for (const key of this.#changedPromises) {
      const ballot = this.promises.get(key);
      this.#note(LOCAL.promise + key, ballot === undefined ? null : seal(encodeStamp(ballot)));
      if (ballot === undefined) this.#storedPromises.delete(key);
      else this.#storedPromises.add(key);
    }
    this.#changedPromises.clear();
  }

  #frame(type: FrameType, head: Buffer): Lsn {
    const lsn = this.log.append({ type, flags: 0, target: 0, origin: 0, head, body: undefined });
    return lsn;
  }

  /** Removes a key that is still at `ballot`: a delivered handoff copy, a dead blob. */
  drop(key: Key, ballot: Stamp): boolean {
    const held = this.index.get(key);
    if (held?.ballot !== ballot) return false;
    this.#frame(FRAME.drop, Buffer.concat([encodeStamp(ballot), Buffer.from(key, 'latin1')]));
    this.forget(key, held);
    return true;
  }

  /** Removes a key without a trace in the log: only for records that no replay can meet again. */
  forget(key: Key, held: Entry): void {
    this.usage.kill(LANE.log, held.segment, held.recordBytes);
    if (isBlobKey(key)) this.#countChunks(key, held, false);
    else if (key.startsWith(SPACE_HANDOFF)) {
      this.handoffCopies--;
      this.#releaseBlobs(key, held, Entry.of(encodeHead({ key: '', ballot: NO_STAMP, stamp: NO_STAMP }), 0, 0));
    }
    if (this.quarantined.delete(key)) this.#note(LOCAL.quarantine + key, null);
    this.index.drop(key);
  }

  quarantine(key: Key, lsn: Lsn): boolean {
    if (this.quarantined.has(key)) return false;
    this.quarantined.add(key);
    this.#note(LOCAL.quarantine + key, seal(encodeMs(lsn)));
    return true;
  }

  setCursor(name: string, lsn: Lsn): void {
    this.cursors.set(name, lsn);
    this.#note(LOCAL.cursor + name, seal(encodeMs(lsn)));
  }

  removeCursor(name: string): void {
    if (this.cursors.delete(name)) this.#note(LOCAL.cursor + name, null);
  }

  setBookmark(name: string, lsn: Lsn): void {
    this.bookmarks.set(name, lsn);
    this.#note(LOCAL.bookmark + name, seal(encodeMs(lsn)));
  }

  removeBookmark(name: string): void {
    if (this.bookmarks.delete(name)) this.#note(LOCAL.bookmark + name, null);
  }

  settle(writer: number, mark: Stamp): void {
    this.unsettled.settle(writer, mark);
  }

  /** Writes the settled marks along with the batch that is being begun. */
  logMarks(): void {
    const marks = encodeMarks(this.unsettled.marks());
    if (marks.length > 0) this.#frame(FRAME.settled, marks);
  }

  #note(key: Key, value: Buffer | null): void {
    this.#local.set(key, value);
  }

  /** Removes bookkeeping that has done its work. */
  forgetLocal(key: Key): void {
    this.#note(key, null);
  }

  /** Writes an outstanding promise once more, because its first record is about to go. */
  renewPromise(key: Key, ballot: Stamp): void {
    if (this.promises.get(key) === ballot) this.#frame(FRAME.promise, encodeHead({ key, ballot, stamp: NO_STAMP }));
  }

  /** Bookkeeping changes since the last call, for the checkpoint's transaction. */
  takeLocal(): Map<Key, Buffer | null> {
    this.#notePromises();
    const local = this.#local;
    this.#local = new Map();
    return local;
  }

  get localChanges(): ReadonlyMap<Key, Buffer | null> {
    return this.#local;
  }

  /** Applies a register frame found at start; the log's order is the order of the first time. */
  replayRegister({ lsn, frame, head }: FoundFrame, nowMs: number): Key {
    const original = headKey(head);
    const key = frame.flags & FRAME_HANDOFF ? handoffKey(frame.target, original) : original;
    const held = this.index.get(key);
    const ballot = headBallot(head);
    const moved = (frame.flags & FRAME_MOVED) !== 0;
    this.#nowMs = nowMs;
    const stale = held && !isBlobKey(key) && (held.ballot > ballot || (held.ballot === ballot && !moved));
    if (!stale)
      this.#install(key, Entry.of(this.index.copyHead(head), lsn, frame.origin), held, moved && held !== undefined);
    return key;
  }

  replayPromise(head: Buffer): void {
    const key = headKey(head);
    const ballot = headBallot(head);
    const held = this.index.get(key)?.ballot ?? NO_STAMP;
    if (ballot > held && ballot > (this.promises.get(key) ?? NO_STAMP)) this.#installPromise(key, ballot);
  }

  replayDrop(head: Buffer): void {
    const key = head.toString('latin1', 8);
    const held = this.index.get(key);
    if (held?.ballot === head.toString('hex', 0, 8)) this.forget(key, held);
  }
}

export interface WriteHow {
  readonly body?: Uint8Array | undefined;
  readonly handoffFor?: number | undefined;
  /** Not news: the same version again. */
  readonly moved?: boolean;
  readonly origin?: number;
}

/** What refers to other keys' blobs. Such a register has no body of its own. */
function foreignHead(key: Key, held: Entry): Buffer | undefined {
  if (held.tombstone || held.bodyBytes > 0 || !FOREIGN_KINDS.has(keyKind(key))) return undefined;
  try {
    const { head } = held;
    return ((head[1] as number) & FLAG_FOREIGN) !== 0 ? head : undefined;
  } catch {
    // Its head has rotted: what it pinned is not known. That space is lost, nothing else.
    return undefined;
  }
}

export const isReplicated = (key: Key): boolean => key.startsWith(SPACE_REPLICATED);
