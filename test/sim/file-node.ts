/** A file of the simulated disk: what programs see, what the platter holds, and the writes in between. */
import type { Chance } from './chance.ts';

const PAGE_BYTES = 4096;

/** Bytes that grow. */
export class Image {
  bytes: Buffer;
  size: number;

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.bytes = bytes;
    this.size = bytes.length;
  }

  write(from: Uint8Array, position: number): void {
    this.#reserve(position + from.length);
    this.bytes.set(from, position);
    this.size = Math.max(this.size, position + from.length);
  }

  truncate(length: number): void {
    this.#reserve(length);
    if (length < this.size) this.bytes.fill(0, length, this.size);
    this.size = length;
  }

  read(into: Uint8Array, position: number): number {
    const end = Math.min(this.size, position + into.length);
    if (end <= position) return 0;
    into.set(this.bytes.subarray(position, end));
    return end - position;
  }

  copy(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.size));
  }

  #reserve(length: number): void {
    if (length <= this.bytes.length) return;
    const grown = Buffer.alloc(Math.max(length, 2 * this.bytes.length, 1024));
    this.bytes.copy(grown, 0, 0, this.size);
    this.bytes = grown;
  }
}

type Pending =
  | { readonly bytes: Buffer; readonly position: number; done: boolean }
  | { readonly length: number; done: boolean };

function applyTo(image: Image, pending: Pending): void {
  if ('length' in pending) image.truncate(pending.length);
  else image.write(pending.bytes, pending.position);
}

export class FileNode {
  current: Image;
  #durable: Image;
  /** In order; not yet synced. */
  #pending: Pending[] = [];

  constructor(durable: Image = new Image(), current: Image = new Image()) {
    this.#durable = durable;
    this.current = current;
  }

  /** A file whose contents are durable. */
  static of(contents: Uint8Array): FileNode {
    return new FileNode(new Image(Buffer.from(contents)), new Image(Buffer.from(contents)));
  }

  /** Visible at once; the returned function says that the call is over. */
  write(bytes: Buffer, position: number): () => void {
    return this.#add({ bytes, position, done: false });
  }

  truncate(length: number): () => void {
    return this.#add({ length, done: false });
  }

  #add(pending: Pending): () => void {
    applyTo(this.current, pending);
    this.#pending.push(pending);
    return () => {
      pending.done = true;
    };
  }

  /** Covers the writes that were over when it was called. */
  beginSync(): { succeed(): void; fail(): void } {
    const covered = new Set(this.#pending.filter((pending) => pending.done));
    const settle = (durable: boolean): void => {
      const left: Pending[] = [];
      for (const pending of this.#pending) {
        if (!covered.has(pending)) left.push(pending);
        else if (durable) applyTo(this.#durable, pending);
      }
      this.#pending = left;
    };
    return { succeed: () => settle(true), fail: () => settle(false) };
  }

  /** Decides what survives; returns a few words when there was something to decide. */
  crash(chance: Chance): string | undefined {
    const fates = this.#pending.map((pending) => this.#fate(pending, chance));
    this.#pending = [];
    this.current = new Image(this.#durable.copy());
    return fates.length > 0 ? fates.join(', ') : undefined;
  }

  #fate(pending: Pending, chance: Chance): string {
    const roll = chance.below(100);
    if (roll < 35) return 'lost';
    if (roll < 70 || 'length' in pending) {
      applyTo(this.#durable, pending);
      return 'kept';
    }
    const { bytes, position } = pending;
    if (roll < 90) {
      const torn = chance.below(bytes.length + 1);
      this.#durable.write(bytes.subarray(0, torn), position);
      return `torn at ${torn} of ${bytes.length}`;
    }
    let kept = 0;
    for (let from = 0; from < bytes.length; ) {
      const to = Math.min(bytes.length, from + PAGE_BYTES - ((position + from) % PAGE_BYTES));
      if (chance.often(0.5)) {
        this.#durable.write(bytes.subarray(from, to), position + from);
        kept += to - from;
      }
      from = to;
    }
    return `pages kept: ${kept} of ${bytes.length} bytes`;
  }

  durableClone(): FileNode {
    return FileNode.of(this.#durable.copy());
  }

  rot(offset: number): void {
    for (const image of [this.current, this.#durable]) {
      if (offset < image.size) image.bytes[offset] = (image.bytes[offset] as number) ^ 1;
    }
  }
}
