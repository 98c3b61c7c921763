/**
 * A bounded cache of verified chunks in one local file, by their names (hashes of the contents): survives a restart, gives up
 * the least recently used first. Every chunk is checked when it is read; damage, a full disk and races are misses, never
 * errors: the source has it all. Order of use is kept in memory; after a restart it is the order of filling.
 */

import { type Disk, type DiskFile, diskFaults } from '../../fabric/disk.ts';
import { isFault } from '../../fabric/errors.ts';
import {
  chunkChecksum,
  decodeSlotHeader,
  encodeSlotHeader,
  nameFits,
  SLOT_HEAD_BYTES,
  SLOT_HEADER_BYTES,
  type SlotHeader,
} from './chunk-cache-format.ts';

/** Chunks being written at once; further ones are not cached. */
const FILLS_MAX = 8;
/** Headers read at once when a cache is opened. */
const SCAN_READS = 32;

export interface ChunkCacheOptions {
  readonly disk: Disk;
  /** Made when it is missing; one process at a time. */
  readonly directory: string;
  /** Of the file, at most. */
  readonly bytesMax: number;
  /** The largest chunk. A cache of another size is another file. */
  readonly chunkBytes: number;
}

interface Slot {
  readonly index: number;
  readonly name: string;
  readonly lengthBytes: number;
  /** Reads and writes under way: not to be given away. */
  busy: number;
}

export interface ChunkCacheCounters {
  readonly hits: number;
  readonly misses: number;
  readonly fills: number;
  readonly evictions: number;
  /** Chunks that did not check, and calls of the disk that failed. */
  readonly damaged: number;
}

export async function openChunkCache(options: ChunkCacheOptions): Promise<ChunkCache> {
  const { disk, directory, chunkBytes } = options;
  await disk.makeDirectory(directory);
  const path = `${directory}/chunks-${chunkBytes}`;
  const file = await openOrCreate(disk, path);
  const slotBytes = SLOT_HEADER_BYTES + chunkBytes;
  const slotCount = Math.max(1, Math.floor(options.bytesMax / slotBytes));
  // A cache that got smaller.
  const held = Math.ceil((await file.size()) / slotBytes);
  if (held > slotCount) await file.truncate(slotCount * slotBytes);
  const headers = await scan(file, Math.min(held, slotCount), slotBytes);
  return new ChunkCache(file, { chunkBytes, slotCount, headers });
}

async function openOrCreate(disk: Disk, path: string): Promise<DiskFile> {
  try {
    return await disk.open(path, 'write');
  } catch (error) {
    if (!isFault(error, diskFaults.notFound)) throw error;
    return disk.open(path, 'create');
  }
}

async function scan(file: DiskFile, count: number, slotBytes: number): Promise<(SlotHeader | undefined)[]> {
  const headers = new Array<SlotHeader | undefined>(count);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const head = Buffer.alloc(SLOT_HEAD_BYTES);
      await file.read(head, index * slotBytes);
      headers[index] = decodeSlotHeader(head);
    }
  };
  await Promise.all(Array.from({ length: SCAN_READS }, worker));
  return headers;
}

interface Found {
  readonly chunkBytes: number;
  readonly slotCount: number;
  readonly headers: readonly (SlotHeader | undefined)[];
}

export class ChunkCache {
  readonly #file: DiskFile;
  readonly #chunkBytes: number;
  readonly #slotCount: number;
  /** The least recently used first. */
  readonly #slots = new Map<string, Slot>();
  readonly #free: number[] = [];
  readonly #fills = new Set<Promise<void>>();
  #used: number;
  #sequence = 0;
  #reads = 0;
  #idle: (() => void) | undefined;
  #closed = false;
  readonly #counters = { hits: 0, misses: 0, fills: 0, evictions: 0, damaged: 0 };

  constructor(file: DiskFile, { chunkBytes, slotCount, headers }: Found) {
    this.#file = file;
    this.#chunkBytes = chunkBytes;
    this.#slotCount = slotCount;
    this.#used = headers.length;
    const known = [...headers.entries()].flatMap(([index, header]) => (header ? [{ index, ...header }] : []));
    known.sort((a, b) => a.sequence - b.sequence);
    // Of two slots of one name the later one counts.
    for (const { index, name, lengthBytes, sequence } of known) {
      this.#slots.delete(name);
      if (lengthBytes <= chunkBytes) this.#slots.set(name, { index, name, lengthBytes, busy: 0 });
      this.#sequence = sequence;
    }
    const taken = new Set([...this.#slots.values()].map((slot) => slot.index));
    for (const index of headers.keys()) if (!taken.has(index)) this.#free.push(index);
  }

  get counters(): ChunkCacheCounters {
    return { ...this.#counters };
  }

  get chunks(): number {
    return this.#slots.size;
  }

  /** The chunk, checked; undefined when it is not here or not what it was. The bytes are the caller's. */
  async get(name: string): Promise<Buffer | undefined> {
    const slot = this.#closed ? undefined : this.#slots.get(name);
    if (slot === undefined) {
      this.#counters.misses++;
      return undefined;
    }
    this.#slots.delete(name);
    this.#slots.set(name, slot);
    slot.busy++;
    this.#reads++;
    const chunk = await this.#read(slot).catch(() => undefined);
    this.#reads--;
    slot.busy--;
    if (this.#reads === 0) this.#idle?.();
    this.#counters[chunk ? 'hits' : 'misses']++;
    if (chunk === undefined) this.#drop(slot);
    return chunk;
  }

  /** Writes in the background, or not at all when it is busy. The bytes must not change any more. */
  put(name: string, chunk: Uint8Array): void {
    if (this.#closed || this.#fills.size >= FILLS_MAX || this.#slots.has(name)) return;
    if (chunk.length === 0 || chunk.length > this.#chunkBytes || !nameFits(name)) return;
    const index = this.#takeSlot();
    if (index === undefined) return;
    const fill = this.#fill({ index, name, lengthBytes: chunk.length, busy: 1 }, chunk).finally(() => {
      this.#fills.delete(fill);
    });
    this.#fills.add(fill);
  }

  /** What is being written is finished first. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(this.#fills);
    if (this.#reads > 0)
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    await this.#file.close();
  }

  #position(index: number): number {
    return index * (SLOT_HEADER_BYTES + this.#chunkBytes);
  }

  async #read(slot: Slot): Promise<Buffer | undefined> {
    const bytes = Buffer.allocUnsafeSlow(SLOT_HEADER_BYTES + slot.lengthBytes);
    const got = await this.#file.read(bytes, this.#position(slot.index));
    if (got < bytes.length) return undefined;
    const header = decodeSlotHeader(bytes);
    const chunk = bytes.subarray(SLOT_HEADER_BYTES);
    const same = header?.name === slot.name && header.lengthBytes === slot.lengthBytes;
    return same && header.checksum === chunkChecksum(chunk) ? chunk : undefined;
  }

  #drop(slot: Slot): void {
    this.#counters.damaged++;
    if (this.#slots.get(slot.name) !== slot) return;
    this.#slots.delete(slot.name);
    // Another reader may still be at it; then the slot is lost until the next start, which costs little.
    if (slot.busy === 0) this.#free.push(slot.index);
  }

  #takeSlot(): number | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#used < this.#slotCount) return this.#used++;
    for (const [name, slot] of this.#slots) {
      if (slot.busy > 0) continue;
      this.#slots.delete(name);
      this.#counters.evictions++;
      return slot.index;
    }
    return undefined;
  }

  async #fill(slot: Slot, chunk: Uint8Array): Promise<void> {
    const sequence = ++this.#sequence;
    const { name, lengthBytes, index } = slot;
    const header = encodeSlotHeader({ name, lengthBytes, sequence, checksum: chunkChecksum(chunk) });
    try {
      await this.#file.write([header, chunk], this.#position(index));
    } catch {
      this.#counters.damaged++;
      this.#free.push(index);
      return;
    }
    slot.busy--;
    this.#counters.fills++;
    // Two fills of one name may have been under way: the later one stays.
    const older = this.#slots.get(name);
    if (older) this.#free.push(index);
    else this.#slots.set(name, slot);
  }
}
