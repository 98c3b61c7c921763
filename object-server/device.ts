/**
 * One device: a log-structured store of registers and blobs. This file is its public surface and decides the order of
 * things; the rules are in registers.ts, the log in log.ts, the checkpoint in checkpointer.ts. Nothing is answered before it
 * is durable, and a failed write or sync is never tried again: the device is out.
 */

import { Fault } from '../fabric/errors.ts';
import type { ByteStream } from '../fabric/rpc/contract.ts';
import type { Stamp } from '../fabric/stamp.ts';
import { isBlobKey } from './blob-format.ts';
import { BlobStore } from './blob-store.ts';
import { collectGarbage } from './collector.ts';
import { Compactor, type CompactStep } from './compactor.ts';
import type { DeviceStatus, DeviceStore, Lsn, Mutation, Outcome, RegisterView } from './contract.ts';
import { DAEMON_WRITER } from './contract.ts';
import type { DeviceParts } from './device-parts.ts';
import { deviceFaults } from './faults.ts';
import { type FeedReply, readFeed, restBytes } from './feed.ts';
import type { DeviceIdentity } from './identity.ts';
import type { IndexRange } from './index.ts';
import type { Key } from './key-format.ts';
import type { Log } from './log.ts';
import type { Entry } from './memtable.ts';
import { type ReadResult, RecordReader } from './record-reader.ts';
import type { Registers } from './registers.ts';
import type { UnsettledOperation } from './unsettled.ts';

const OUTCOME_OUT: Outcome = { result: 'out' };

export interface ApplyContext {
  readonly writer: number;
  /** See ObjectServiceCalls.apply. */
  readonly settled: Stamp;
  readonly handoffFor?: number | undefined;
}

export type PrepareResult =
  | { readonly ok: true; readonly head: Buffer | null; readonly body?: Buffer }
  | { readonly ok: false; readonly ballot: Stamp };

const ABSENT: ReadResult = { head: null };
const PROMISED_ABSENT: PrepareResult = { ok: true, head: null };

/** More undeliverable handoff copies than these are told of later. */
const BLOCKED_MAX = 1_000;

export class Device implements DeviceStore {
  readonly deviceId: number;
  readonly identity: DeviceIdentity;
  readonly #parts: DeviceParts;
  readonly #registers: Registers;
  readonly #log: Log;
  readonly #blobs: BlobStore;
  readonly #compactor: Compactor;
  readonly #reader: RecordReader;
  /** Found again by the next delivery after a restart. */
  readonly #blocked = new Map<Key, { readonly ballot: Stamp; readonly sinceMs: number }>();

  constructor(parts: DeviceParts) {
    this.#parts = parts;
    this.identity = parts.identity;
    this.deviceId = parts.identity.deviceId;
    this.#registers = parts.registers;
    this.#log = parts.log;
    this.#reader = new RecordReader({
      segments: parts.segments,
      clock: parts.clock,
      current: (key) => this.#registers.get(key),
      corrupt: (key, entry, reason) => this.#corrupt(key, entry, reason),
    });
    this.#compactor = new Compactor(parts);
    this.#blobs = new BlobStore({
      registers: parts.registers,
      bulk: parts.bulk,
      segments: parts.bulkSegments,
      syncBytes: parts.limits.blobSyncBytes,
      refuse: () => this.#refusal(),
      onCorrupt: (key, entry) => void this.#corrupt(key, entry, 'blob'),
      wrote: () => this.#wrote(),
    });
  }

  /** Once, after the start: asks for space, and checkpoints what was replayed. */
  async begin(): Promise<void> {
    const { space, checkpointer } = this.#parts;
    await space.check();
    if (this.#log.tail > checkpointer.covered) checkpointer.wrote();
  }

  /** Why nothing can be written now, if so. */
  #refusal(): Fault | undefined {
    const { closed, reason } = this.#parts.health;
    if (closed) return new Fault(deviceFaults.out, { device: this.deviceId, reason });
    return this.#registers.full ? new Fault(deviceFaults.full, { device: this.deviceId }) : undefined;
  }

  #wrote(): void {
    this.#parts.checkpointer.wrote();
    this.#parts.space.wrote();
  }

  get(key: Key): RegisterView | undefined {
    return this.#registers.get(key);
  }

  forEach(range: IndexRange, visit: (key: Key, view: RegisterView) => boolean | void): void {
    this.#registers.forEach(range, visit);
  }

  durable(): Promise<void> | undefined {
    return this.#log.tail === this.#log.synced ? undefined : this.#log.whenSynced(undefined);
  }

  promised(key: Key): Stamp | undefined {
    return this.#registers.promised(key);
  }

  /** Applies in order, answers when all is durable. Fault DeviceOut, CorruptRegister (a mutation that does not check). */
  apply(mutations: readonly Mutation[], context: ApplyContext): Promise<Outcome[]> {
    const { health, limits, clock } = this.#parts;
    if (health.state === 'out' || health.state === 'read-only')
      return Promise.resolve(mutations.map(() => OUTCOME_OUT));
    const { index } = this.#registers;
    if (index.pendingRecords >= limits.tableRecordsMax || this.#log.queuedBytes >= limits.queuedBytesMax) {
      return this.#whenRoom().then(() => this.apply(mutations, context));
    }
    const nowMs = context.writer === DAEMON_WRITER ? undefined : clock.nowMs();
    const outcomes: Outcome[] = [];
    try {
      this.#registers.settle(context.writer, context.settled);
      if (nowMs !== undefined && mutations.length > 0 && this.#registers.unsettled.count >= limits.unsettledMax) {
        throw new Fault('Overloaded', {}, 'too many operations that their writers have not settled');
      }
      for (const mutation of mutations) outcomes.push(this.#registers.accept(mutation, context.handoffFor, nowMs));
    } catch (error) {
      return Promise.reject(error);
    }
    this.#wrote();
    return this.#log.whenSynced(outcomes);
  }

  async #whenRoom(): Promise<void> {
    const { limits, checkpointer, health } = this.#parts;
    await this.#log.whenSynced(undefined);
    if (this.#registers.index.pendingRecords < limits.tableRecordsMax) return;
    await checkpointer.run();
    if (this.#registers.index.pendingRecords < limits.tableRecordsMax || health.state === 'out') return;
    throw new Fault('Overloaded', {}, 'the index does not take what the log holds');
  }

  /** Durable state only; at once where it is, without a promise. Fault CorruptRegister. */
  read(key: Key, wantBody: boolean): ReadResult | Promise<ReadResult> {
    const entry = this.#registers.get(key);
    if (!entry) return this.#absent(key);
    if (entry.lsn >= this.#log.synced) return this.#readLater(key, entry, wantBody);
    return this.#reader.read(key, entry, wantBody);
  }

  /** Nothing is here; unless something is, but cannot be read. */
  #absent(key: Key): ReadResult {
    if (this.#registers.index.isCorrupt(key)) throw new Fault(deviceFaults.corruptRegister, { device: this.deviceId });
    return ABSENT;
  }

  async #readLater(key: Key, entry: Entry, wantBody: boolean): Promise<ReadResult> {
    await this.#log.whenSynced(undefined);
    return this.#reader.read(key, entry, wantBody);
  }

  /** Sets the record aside, tells whoever repairs, and makes the Fault to throw. */
  #corrupt(key: Key, entry: Entry, reason: string): Fault {
    if (this.#registers.quarantine(key, entry.lsn)) {
      this.#parts.checkpointer.wrote();
      this.#parts.onCorrupt(key);
    }
    return new Fault(deviceFaults.corruptRegister, { reason, device: this.deviceId });
  }

  /** The ballot of the durable state, '' when the key is unknown. */
  check(key: Key): Stamp | '' | Promise<Stamp | ''> {
    const entry = this.#registers.get(key);
    if (!entry) return this.#absent(key) && '';
    return entry.lsn >= this.#log.synced ? this.#log.whenSynced(entry.ballot) : entry.ballot;
  }

  /** See ObjectServiceCalls.prepare. Fault DeviceOut, CorruptRegister. */
  async prepare(key: Key, ballot: Stamp, wantBody = true): Promise<PrepareResult> {
    const { health, checkpointer } = this.#parts;
    if (health.closed) throw new Fault(deviceFaults.out, { device: this.deviceId });
    const entry = this.#registers.get(key);
    const against = this.#registers.promise(key, ballot, entry);
    checkpointer.wrote();
    await this.#log.whenSynced(undefined);
    if (against !== undefined) return { ok: false, ballot: against };
    if (!entry) return this.#absent(key) && PROMISED_ABSENT;
    const held = this.#reader.read(key, entry, wantBody);
    const { head, body } = held instanceof Promise ? await held : held;
    return body === undefined ? { ok: true, head } : { ok: true, head, body };
  }

  /** Heads in [start, end) in order, without those that cannot be read, and without blobs (their registers are about this device's own layout). */
  async scan(start: Key, end: Key, limit: number): Promise<{ heads: Buffer[]; more: boolean }> {
    const heads: Buffer[] = [];
    let more = false;
    let highest: Lsn = 0;
    this.#registers.forEach({ start, end }, (key, entry) => {
      if (isBlobKey(key)) return true;
      more = heads.length >= limit;
      if (more) return false;
      const head = this.#reader.headOf(key, entry);
      if (head) heads.push(head);
      highest = Math.max(highest, entry.lsn);
      return true;
    });
    if (highest >= this.#log.synced) await this.#log.whenSynced(undefined);
    return { heads, more };
  }

  /**
   * Stores a blob from chunk heads and payloads in turn; answers when every byte is durable. One that is here already is
   * not stored again. Fault DeviceFull, DeviceOut, CorruptChunk.
   */
  async blobWrite(key: Key, stream: ByteStream, handoffFor?: number): Promise<{ lengthBytes: number }> {
    const refusal = this.#refusal();
    if (refusal) {
      stream.cancel();
      throw refusal;
    }
    return this.#blobs.write(key, stream, handoffFor);
  }

  /** Verified bytes of [offset, offset + length), cut at the blob's end. Fault NoSuchBlob, CorruptChunk. */
  blobRead(key: Key, offset: number, length: number): Promise<{ lengthBytes: number; stream: ByteStream }> {
    return this.#blobs.read(key, offset, length);
  }

  /** Oldest first, then the handoff copies that cannot be delivered; keys of handoff copies are their own. */
  unsettled(olderThanMs: number, limit: number): UnsettledOperation[] {
    const beforeMs = this.#parts.clock.nowMs() - olderThanMs;
    const old = this.#registers.unsettled.olderThan(beforeMs, limit);
    for (const [key, { ballot, sinceMs }] of this.#blocked) {
      const entry = this.#registers.get(key);
      if (entry?.ballot !== ballot) this.#blocked.delete(key);
      else if (sinceMs <= beforeMs && old.length < limit)
        old.push({ stamp: ballot, keys: [key], lsn: entry.lsn, arrivedMs: sinceMs });
    }
    return old;
  }

  /** A handoff copy's target refuses it for somebody's promise and holds nothing newer: only a decision can help. */
  blocked(key: Key, ballot: Stamp): void {
    if (this.#blocked.get(key)?.ballot === ballot || this.#blocked.size >= BLOCKED_MAX) return;
    this.#blocked.set(key, { ballot, sinceMs: this.#parts.clock.nowMs() });
  }

  /** Removes a delivered handoff copy (its own key, not the original) if it is still at `ballot`. */
  async dropHandoff(key: Key, ballot: Stamp): Promise<boolean> {
    const dropped = this.#registers.drop(key, ballot);
    this.#parts.checkpointer.wrote();
    await this.#log.whenSynced(undefined);
    return dropped;
  }

  /** Changes behind `after`; see ObjectServiceCalls.feed. */
  async feed(after: Lsn, limit: number): Promise<FeedReply> {
    const { segments, checkpointer } = this.#parts;
    const { synced } = this.#log;
    const lowest = this.#registers.unsettled.lowestLsn() ?? synced;
    const page = limit > 0 ? await readFeed({ segments, after, synced, limit }) : { entries: [], next: after };
    return {
      ...page,
      log: this.identity.deviceUuid,
      restBytes: restBytes(segments, page.next, synced),
      synced,
      settled: Math.max(0, Math.min(lowest, synced) - 1),
      oldest: checkpointer.feedOldest,
    };
  }

  /** Remembers how far a consumer of the feed has come, so that the log is kept for it (durable with the next checkpoint). */
  setCursor(name: string, lsn: Lsn): void {
    this.#registers.setCursor(name, lsn);
    this.#parts.checkpointer.wrote();
  }

  cursor(name: string): Lsn | undefined {
    return this.#registers.cursors.get(name);
  }

  removeCursor(name: string): void {
    this.#registers.removeCursor(name);
    this.#parts.checkpointer.wrote();
  }

  /** How far this device has come with the feeds of others, by a name of the caller's. */
  get bookmarks(): ReadonlyMap<string, Lsn> {
    return this.#registers.bookmarks;
  }

  /** Durable together with everything applied before it, at the next checkpoint. undefined forgets it. */
  setBookmark(name: string, lsn: Lsn | undefined): void {
    if (lsn === undefined) this.#registers.removeBookmark(name);
    else this.#registers.setBookmark(name, lsn);
    this.#parts.checkpointer.wrote();
  }

  /** Registers and blobs set aside because their bytes do not check, by key on this device. */
  quarantined(): ReadonlySet<Key> {
    return this.#registers.quarantined;
  }

  checkpoint(): Promise<void> {
    return this.#parts.checkpointer.run();
  }

  /** One bounded step of housekeeping: dead blobs, then the emptiest segment. The caller sets the pace. */
  async compact(): Promise<CompactStep> {
    const { health, checkpointer, kv, clock } = this.#parts;
    if (health.closed) return { movedBytes: 0, freedBytes: 0, more: false };
    if (collectGarbage({ registers: this.#registers, kv, clock }) > 0) checkpointer.wrote();
    return this.#compactor.step();
  }

  status(): DeviceStatus {
    const { health, segments, bulkSegments, checkpointer, space } = this.#parts;
    const { usage, handoffCopies, unsettled, quarantined, maxStamp } = this.#registers;
    return {
      device: this.deviceId,
      state: health.state,
      ...(health.reason === undefined ? {} : { reason: health.reason }),
      tail: this.#log.tail,
      synced: this.#log.synced,
      checkpointed: checkpointer.covered,
      liveBytes: usage.liveBytes(),
      logBytes: [...segments.list(), ...bulkSegments.list()].reduce((sum, { bytes }) => sum + bytes, 0),
      handoffCopies,
      unsettled: unsettled.count,
      quarantined: quarantined.size,
      behind: {},
      maxStamp,
      queuedBytes: this.#log.queuedBytes,
      uncheckpointed: {
        records: this.#registers.index.pendingRecords,
        bytes: restBytes(segments, checkpointer.covered, this.#log.tail),
      },
      syncs: this.#log.syncs,
      space: space.last(),
    };
  }

  /** Waits for what is under way, checkpoints, closes everything: the next start replays nothing. */
  async close(): Promise<void> {
    const { checkpointer, kv, segments, bulkSegments } = this.#parts;
    if (!this.#log.out) {
      await this.#log.whenSynced(undefined).catch(() => undefined);
      await checkpointer.run();
    }
    checkpointer.close();
    this.#parts.health.close('closed');
    await kv.close();
    await segments.close();
    await bulkSegments.close();
  }

  /** For tests: lets go of all files without writing anything more, as a crash would. */
  async abandon(): Promise<void> {
    const { checkpointer, kv, segments, bulkSegments } = this.#parts;
    checkpointer.close();
    this.#parts.health.close('abandoned');
    await kv.close();
    await segments.close();
    await bulkSegments.close();
  }
}
