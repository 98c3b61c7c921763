/**
 * A read-only device over chunks that somebody else keeps, such as a snapshot in the object store: each chunk is fetched once
 * however many readers want it, read ahead where they go in order, held a while in memory and longer in a local cache. Its
 * memory is bounded whatever the size of the device. Knows nothing of snapshots and never writes.
 */
import { Admission } from './admission.ts';
import type { ChunkCache } from './chunk-cache.ts';
import { allocationFlags, type Extent, type NbdBlockSizes, type NbdDevice, type ReadPiece } from './contract.ts';

const FETCHES_MAX = 16;
const FETCH_BYTES_MAX = 64 * 1024 * 1024;
const MEMORY_BYTES_MAX = 32 * 1024 * 1024;
const AHEAD_CHUNKS_MAX = 8;
/** Readers in order that are told apart; the one not seen longest is forgotten. */
const STREAMS_MAX = 16;
/** One request never asks for more chunks than memory may hold. */
const REQUEST_BYTES_MAX = 16 * 1024 * 1024;
const EXTENTS_MAX = 65_536;

/** Chunk `index` holds the bytes from `index * chunkBytes`; the last may be shorter. */
export interface ChunkSource {
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  /** Verified; undefined for a hole. The bytes must not change any more. */
  readChunk(index: number): Promise<Uint8Array | undefined>;
  /** A name that stands for the contents, such as a keyed hash; undefined for a hole. */
  chunkName(index: number): Promise<string | undefined>;
  /** Covers the range in order. */
  map(offset: number, length: number): Promise<readonly ChunkExtent[]>;
}

interface ChunkExtent {
  readonly offset: number;
  readonly length: number;
  /** False reads as zeroes. */
  readonly data: boolean;
}

export interface ChunkDeviceOptions {
  readonly source: ChunkSource;
  /** Shared by as many devices as one likes. */
  readonly cache?: ChunkCache;
  readonly description?: string;
  /** Chunks kept in memory; default 32 MiB, at least two chunks. */
  readonly memoryBytesMax?: number;
  /** Default 8; 0 turns reading ahead off. */
  readonly aheadChunksMax?: number;
  /** Chunks that are fetched at once; default 16. */
  readonly fetchesMax?: number;
  /** When no client uses the device any more. */
  readonly onClose?: () => Promise<void>;
}

export interface ChunkDeviceCounters {
  /** Chunks that were asked of the source, of the cache with success, and found in memory. */
  readonly fetched: number;
  readonly cached: number;
  readonly remembered: number;
  readonly ahead: number;
}

export class ChunkDevice implements NbdDevice {
  readonly sizeBytes: number;
  readonly readOnly = true;
  readonly blockSizes: NbdBlockSizes = { minimum: 1, preferred: 4096, maximum: REQUEST_BYTES_MAX };
  readonly description: string;
  readonly #options: ChunkDeviceOptions;
  readonly #source: ChunkSource;
  readonly #admission: Admission;
  readonly #memoryBytesMax: number;
  readonly #aheadMax: number;
  /** The least recently used first. */
  readonly #memory = new Map<number, Uint8Array>();
  #memoryBytes = 0;
  readonly #pending = new Map<number, Promise<Uint8Array | undefined>>();
  /** Next chunk of a reader in order -> how far it is read ahead. The least recently seen first. */
  readonly #streams = new Map<number, number>();
  readonly #counters = { fetched: 0, cached: 0, remembered: 0, ahead: 0 };
  #closed = false;

  constructor(options: ChunkDeviceOptions) {
    const { source } = options;
    this.#options = options;
    this.#source = source;
    this.sizeBytes = source.sizeBytes;
    this.description = options.description ?? '';
    this.#memoryBytesMax = Math.max(options.memoryBytesMax ?? MEMORY_BYTES_MAX, 2 * source.chunkBytes);
    this.#aheadMax = options.aheadChunksMax ?? AHEAD_CHUNKS_MAX;
    this.#admission = new Admission({ callsMax: options.fetchesMax ?? FETCHES_MAX, bytesMax: FETCH_BYTES_MAX });
  }

  get counters(): ChunkDeviceCounters {
    return { ...this.#counters };
  }

  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  async read(offset: number, length: number): Promise<readonly ReadPiece[]> {
    const { chunkBytes } = this.#source;
    const first = Math.floor(offset / chunkBytes);
    const last = Math.floor((offset + length - 1) / chunkBytes);
    const chunks = Array.from({ length: last - first + 1 }, (_, i) => this.#chunk(first + i));
    this.#readAhead(first, last);
    // All have settled before it throws: nothing goes on behind the caller's back.
    const settled = await Promise.allSettled(chunks);
    return settled.map((one, i) => {
      if (one.status === 'rejected') throw one.reason;
      const start = (first + i) * chunkBytes;
      const from = Math.max(offset - start, 0);
      const to = Math.min(offset + length - start, chunkBytes);
      return one.value ? one.value.subarray(from, to) : { holeBytes: to - from };
    });
  }

  async status(_context: string, offset: number, length: number): Promise<readonly Extent[]> {
    const hole = allocationFlags.hole | allocationFlags.zero;
    const extents = await this.#source.map(offset, length);
    return extents.slice(0, EXTENTS_MAX).map((one) => ({
      offset: one.offset,
      length: one.length,
      flags: one.data ? 0 : hole,
    }));
  }

  async cache(offset: number, length: number): Promise<void> {
    const { chunkBytes } = this.#source;
    const last = Math.floor((offset + length - 1) / chunkBytes);
    for (let index = Math.floor(offset / chunkBytes); index <= last; index++) await this.#chunk(index);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#pending.values());
    this.#memory.clear();
    this.#memoryBytes = 0;
    await this.#options.onClose?.();
  }

  #chunk(index: number): Promise<Uint8Array | undefined> {
    const held = this.#memory.get(index);
    if (held) {
      this.#memory.delete(index);
      this.#memory.set(index, held);
      this.#counters.remembered++;
      return Promise.resolve(held);
    }
    let pending = this.#pending.get(index);
    if (pending === undefined) {
      pending = this.#fetch(index).finally(() => this.#pending.delete(index));
      this.#pending.set(index, pending);
    }
    return pending;
  }

  async #fetch(index: number): Promise<Uint8Array | undefined> {
    const { chunkBytes } = this.#source;
    const wait = this.#admission.enter(chunkBytes);
    if (wait) await wait;
    try {
      const chunk = await this.#cachedOrFetched(index);
      if (chunk) this.#remember(index, chunk);
      return chunk;
    } finally {
      this.#admission.leave(chunkBytes);
    }
  }

  async #cachedOrFetched(index: number): Promise<Uint8Array | undefined> {
    const { cache } = this.#options;
    const name = cache ? await this.#source.chunkName(index) : undefined;
    if (cache && name === undefined) return undefined;
    const cached = name === undefined ? undefined : await cache?.get(name);
    if (cached?.length === this.#lengthOf(index)) {
      this.#counters.cached++;
      return cached;
    }
    const chunk = await this.#source.readChunk(index);
    if (chunk) this.#counters.fetched++;
    if (chunk && name !== undefined) cache?.put(name, chunk);
    return chunk;
  }

  #lengthOf(index: number): number {
    const { chunkBytes } = this.#source;
    return Math.min(chunkBytes, this.sizeBytes - index * chunkBytes);
  }

  #remember(index: number, chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#memory.set(index, chunk);
    this.#memoryBytes += chunk.length;
    for (const [oldest, bytes] of this.#memory) {
      if (this.#memoryBytes <= this.#memoryBytesMax) return;
      this.#memory.delete(oldest);
      this.#memoryBytes -= bytes.length;
    }
  }

  /** A read that begins in the chunk where another ended, or in the next one, is taken to go on: twice as far each time. */
  #readAhead(first: number, last: number): void {
    const found = [first, first + 1].find((chunk) => this.#streams.has(chunk));
    const window = found === undefined ? 0 : (this.#streams.get(found) ?? 0);
    if (found !== undefined) this.#streams.delete(found);
    const oldest = this.#streams.keys().next().value;
    if (this.#streams.size >= STREAMS_MAX && oldest !== undefined) this.#streams.delete(oldest);
    const moved = found !== undefined && last + 1 > found;
    const next = moved ? Math.min(Math.max(2 * window, 1), this.#aheadMax) : window;
    this.#streams.set(last + 1, next);
    if (this.#closed || !moved) return;
    const end = Math.min(last + next, Math.ceil(this.sizeBytes / this.#source.chunkBytes) - 1);
    for (let index = last + 1; index <= end; index++) {
      if (this.#memory.has(index) || this.#pending.has(index)) continue;
      this.#counters.ahead++;
      // A failure shows when somebody asks for it.
      void this.#chunk(index).catch(() => {});
    }
  }
}
