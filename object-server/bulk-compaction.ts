/** Moves the live chunks out of one bulk segment: see compactor.ts. */

import { isFault } from '../fabric/errors.ts';
import {
  type BlobPlaces,
  blobIdOf,
  type ChunkPlace,
  chunkRecordBytes,
  decodeBlob,
  encodeBlobHead,
} from './blob-format.ts';
import { readRecord } from './blob-reader.ts';
import type { Compaction } from './compaction.ts';
import type { DeviceParts } from './device-parts.ts';
import { deviceFaults } from './faults.ts';
import { handoffTarget, type Key, SPACE_HANDOFF } from './key-format.ts';
import { LOCAL, localRange, localU32 } from './local-format.ts';
import type { Entry } from './memtable.ts';
import { headKey } from './register-format.ts';
import type { Segment } from './segments.ts';

const KEYS_PER_PAGE = 64;

export class BulkCompaction implements Compaction {
  readonly segment: Segment;
  readonly #parts: DeviceParts;
  readonly #prefix: Key;
  #after: Key;
  movedBytes = 0;
  damaged = false;

  constructor(parts: DeviceParts, segment: Segment) {
    this.#parts = parts;
    this.segment = segment;
    this.#prefix = LOCAL.bulk + localU32(segment.number);
    this.#after = this.#prefix;
  }

  async step(bytesMax: number): Promise<boolean> {
    const stopAt = this.movedBytes + bytesMax;
    while (this.movedBytes < stopAt) {
      const notes = this.#page();
      for (const note of notes) {
        await this.#moveBlob(note.slice(this.#prefix.length));
        this.#after = `${note}\0`;
        if (this.movedBytes >= stopAt) return false;
      }
      if (notes.length < KEYS_PER_PAGE) {
        await this.#parts.log.whenSynced(undefined);
        if (!this.damaged) this.#forgetNotes();
        return true;
      }
    }
    return false;
  }

  #page(): Key[] {
    const notes: Key[] = [];
    const { end } = localRange(this.#prefix);
    this.#parts.kv.forEachKey({ start: this.#after, end, limit: KEYS_PER_PAGE }, (key) => void notes.push(key));
    return notes;
  }

  #forgetNotes(): void {
    const { kv, registers } = this.#parts;
    kv.forEachKey(localRange(this.#prefix), (key) => registers.forgetLocal(key));
  }

  async #moveBlob(key: Key): Promise<void> {
    const { registers, bulk, onCorrupt } = this.#parts;
    const entry = registers.get(key);
    if (!entry) return;
    const places = decodeBlob(entry.head);
    const pins = new Set<Segment>();
    try {
      const moved = await this.#copy(key, places, pins);
      if (!moved) return;
      await bulk.sync();
      this.#point(key, entry, moved);
    } catch (error) {
      if (!isFault(error, deviceFaults.corruptChunk) && !isFault(error, 'EIO')) throw error;
      this.damaged = true;
      if (registers.quarantine(key, entry.lsn)) onCorrupt(key);
    } finally {
      bulk.unpin(pins);
    }
  }

  async #copy(key: Key, places: BlobPlaces, pins: Set<Segment>): Promise<ChunkPlace[] | undefined> {
    const { bulk } = this.#parts;
    const result: ChunkPlace[] = [];
    let any = false;
    for (let index = 0; index < places.chunkCount; index++) {
      const place = places.place(index);
      if (place.segment !== this.segment.number) {
        result.push(place);
        continue;
      }
      any = true;
      const file = this.segment.acquire();
      try {
        const record = await readRecord({ file, ...place, blobId: blobIdOf(key), index });
        const { payloadBytes } = place;
        result.push({ ...(await bulk.append([record], record.length, pins)), payloadBytes });
        this.movedBytes += chunkRecordBytes(payloadBytes);
      } finally {
        this.segment.release();
      }
    }
    return any ? result : undefined;
  }

  /** Only if nothing has happened to the blob meanwhile; else the copies are garbage. */
  #point(key: Key, entry: Entry, places: readonly ChunkPlace[]): void {
    const { registers } = this.#parts;
    if (registers.get(key)?.lsn !== entry.lsn) return;
    const handoffFor = key.startsWith(SPACE_HANDOFF) ? handoffTarget(key) : undefined;
    const head = encodeBlobHead(headKey(entry.head), places);
    registers.write(key, head, { handoffFor, moved: true, origin: entry.origin }, registers.get(key));
  }
}
