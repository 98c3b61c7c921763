/**
 * A sparse device in memory: pages come with the first write and go when zeroed whole. For tests and benchmarks of the
 * protocol, and as the example of an `NbdDevice`; as large as one likes, as long as little is written.
 */
import { allocationFlags, type Extent, type NbdDevice, type ReadPiece } from './contract.ts';

export const PAGE_BYTES = 64 * 1024;
const HOLE = allocationFlags.hole | allocationFlags.zero;
/** Of one answer. */
const EXTENTS_MAX = 4096;

export class MemoryDevice implements NbdDevice {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly #pages = new Map<number, Buffer>();

  constructor(sizeBytes: number, options: { readonly readOnly?: boolean } = {}) {
    this.sizeBytes = sizeBytes;
    this.readOnly = options.readOnly ?? false;
  }

  get pageCount(): number {
    return this.#pages.size;
  }

  async read(offset: number, length: number): Promise<readonly ReadPiece[]> {
    const pieces: ReadPiece[] = [];
    let holeBytes = 0;
    for (let at = offset; at < offset + length; ) {
      const start = at % PAGE_BYTES;
      const bytes = Math.min(PAGE_BYTES - start, offset + length - at);
      const page = this.#pages.get((at - start) / PAGE_BYTES);
      at += bytes;
      if (page === undefined) {
        holeBytes += bytes;
        continue;
      }
      if (holeBytes > 0) pieces.push({ holeBytes });
      holeBytes = 0;
      // Not a copy: a write that overlaps this read may show in it, as on any disk.
      pieces.push(page.subarray(start, start + bytes));
    }
    if (holeBytes > 0) pieces.push({ holeBytes });
    return pieces;
  }

  async write(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    let at = offset;
    for (const buffer of buffers) {
      for (let from = 0; from < buffer.length; ) {
        const start = at % PAGE_BYTES;
        const bytes = Math.min(PAGE_BYTES - start, buffer.length - from);
        this.#page((at - start) / PAGE_BYTES).set(buffer.subarray(from, from + bytes), start);
        from += bytes;
        at += bytes;
      }
    }
  }

  async flush(): Promise<void> {}

  async trim(offset: number, length: number): Promise<void> {
    this.#zero(offset, length);
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    this.#zero(offset, length);
  }

  async status(_context: string, offset: number, length: number): Promise<readonly Extent[]> {
    const extents: Extent[] = [];
    const end = offset + length;
    for (let at = offset; at < end && extents.length < EXTENTS_MAX; ) {
      const index = Math.floor(at / PAGE_BYTES);
      const held = this.#pages.has(index);
      const runEnd = Math.min(end, held ? (index + 1) * PAGE_BYTES : this.#nextPage(index) * PAGE_BYTES);
      extents.push({ offset: at, length: runEnd - at, flags: held ? 0 : HOLE });
      at = runEnd;
    }
    return extents;
  }

  #page(index: number): Buffer {
    let page = this.#pages.get(index);
    if (page === undefined) {
      page = Buffer.alloc(PAGE_BYTES);
      this.#pages.set(index, page);
    }
    return page;
  }

  /** The first page after `index`; walks the pages there are, which are few. */
  #nextPage(index: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const page of this.#pages.keys()) if (page > index && page < next) next = page;
    return next;
  }

  #zero(offset: number, length: number): void {
    const end = offset + length;
    for (const [index, page] of this.#pages) {
      const start = Math.max(offset - index * PAGE_BYTES, 0);
      const stop = Math.min(end - index * PAGE_BYTES, PAGE_BYTES);
      if (start >= stop) continue;
      if (start === 0 && stop === PAGE_BYTES) this.#pages.delete(index);
      else page.fill(0, start, stop);
    }
  }
}
