/**
 * Blobs of one device: bulk bytes first, durable, then the register that names them. A crash in between leaves garbage in
 * the bulk lane, never a register without its bytes. Reads verify every block they return.
 */

import { diskFaults } from '../fabric/disk.ts';
import { Fault, isFault } from '../fabric/errors.ts';
import type { ByteStream } from '../fabric/rpc/contract.ts';
import {
  type BlobPlaces,
  blobIdOf,
  type ChunkPlace,
  chunkRecordBytes,
  decodeBlob,
  encodeBlobHead,
} from './blob-format.ts';
import { BlobReader } from './blob-reader.ts';
import type { BulkLane } from './bulk-lane.ts';
import { type Chunk, ChunkParser } from './chunk-parser.ts';
import { deviceFaults } from './faults.ts';
import { handoffKey, type Key } from './key-format.ts';
import type { Entry } from './memtable.ts';
import type { Registers } from './registers.ts';
import type { Segment, Segments } from './segments.ts';

export interface BlobStoreOptions {
  readonly registers: Registers;
  readonly bulk: BulkLane;
  readonly segments: Segments;
  readonly syncBytes: number;
  readonly refuse: () => Fault | undefined;
  readonly onCorrupt: (key: Key, entry: Entry) => void;
  readonly wrote: () => void;
}

export class BlobStore {
  readonly #options: BlobStoreOptions;

  constructor(options: BlobStoreOptions) {
    this.#options = options;
  }

  /** Answers when every byte is durable. Fault DeviceFull, DeviceOut, CorruptChunk (of the stream). */
  async write(original: Key, stream: ByteStream, handoffFor: number | undefined): Promise<{ lengthBytes: number }> {
    const { registers } = this.#options;
    const key = handoffFor === undefined ? original : handoffKey(handoffFor, original);
    const pins = new Set<Segment>();
    try {
      const held = registers.get(key);
      if (held && !registers.quarantined.has(key)) {
        stream.cancel();
        await registers.log.whenSynced(undefined);
        return { lengthBytes: decodeBlob(held.head).lengthBytes };
      }
      const places = await this.#append(original, stream, pins);
      const head = encodeBlobHead(original, places);
      registers.write(key, head, { handoffFor }, registers.get(key));
      this.#options.wrote();
      await registers.log.whenSynced(undefined);
      return { lengthBytes: decodeBlob(head).lengthBytes };
    } catch (error) {
      stream.cancel();
      throw error;
    } finally {
      this.#options.bulk.unpin(pins);
    }
  }

  async #append(key: Key, stream: ByteStream, pins: Set<Segment>): Promise<ChunkPlace[]> {
    const { bulk, syncBytes, refuse } = this.#options;
    const parser = new ChunkParser(stream, blobIdOf(key));
    const places: ChunkPlace[] = [];
    let writing: Promise<ChunkPlace> | undefined;
    let syncing: Promise<void> = Promise.resolve();
    let unsynced = 0;
    try {
      for (let chunk = await parser.next(); chunk; chunk = await parser.next()) {
        const refusal = refuse();
        if (refusal) throw refusal;
        // One chunk is being written while the next arrives.
        if (writing) places.push(await writing);
        writing = this.#write(chunk, pins).finally(() => {
          for (const bytes of chunk.payload) stream.release?.(bytes);
        });
        writing.catch(() => undefined);
        unsynced += chunk.payloadBytes;
        if (unsynced < syncBytes) continue;
        unsynced = 0;
        await syncing;
        syncing = bulk.sync();
        syncing.catch(() => undefined);
      }
    } finally {
      // Nothing may still use the stream's buffers when it is let go.
      const last = await writing?.catch(() => undefined);
      if (last) places.push(last);
    }
    await writing;
    await syncing;
    await bulk.sync();
    return places;
  }

  async #write({ head, payload, payloadBytes }: Chunk, pins: Set<Segment>): Promise<ChunkPlace> {
    this.#options.wrote();
    const place = await this.#options.bulk.append([head, ...payload], chunkRecordBytes(payloadBytes), pins);
    return { ...place, payloadBytes };
  }

  /** Verified bytes. Fault NoSuchBlob; the stream throws CorruptChunk, after setting the blob aside. */
  async read(key: Key, offset: number, length: number): Promise<{ lengthBytes: number; stream: ByteStream }> {
    const { registers, segments } = this.#options;
    const found = registers.get(key);
    if (found && found.lsn >= registers.log.synced) await registers.log.whenSynced(undefined);
    // Looked up again: from here to the reader's hold on the files nothing else runs.
    const entry = registers.get(key);
    if (!entry) throw new Fault(deviceFaults.noSuchBlob);
    const places: BlobPlaces = decodeBlob(entry.head);
    const from = Math.min(offset, places.lengthBytes);
    const end = Math.min(places.lengthBytes, from + length);
    const failed = (error: Error): Error => {
      const corrupt = isFault(error, deviceFaults.corruptChunk);
      if (!corrupt && !isFault(error, diskFaults.io)) return error;
      this.#options.onCorrupt(key, entry);
      return corrupt ? error : new Fault(deviceFaults.corruptChunk, { reason: String(error) });
    };
    const blobId = blobIdOf(key);
    return { lengthBytes: places.lengthBytes, stream: new BlobReader({ places, segments, blobId, from, end, failed }) };
  }
}
