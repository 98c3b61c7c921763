/**
 * A compact set of content ids: 64 bits of the keyed hash and generation in open addressing, 8 bytes a place. Two ids may
 * look the same (among a million ids once in 10^7 sets), and then it says yes too often: used only where that keeps garbage or
 * uploads once more, never where it loses something.
 */
import { assert } from '../../fabric/assert.ts';
import type { ContentId, ContentKind } from './names.ts';

const SLOTS_MIN = 1024;
const FULL = 0.6;
const NODE_SALT = 0x5bd1e995;

export class FingerprintSet {
  #low = new Uint32Array(SLOTS_MIN);
  #high = new Uint32Array(SLOTS_MIN);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** True when it was not there. */
  add(kind: ContentKind, id: ContentId): boolean {
    const { low, high } = fingerprint(kind, id);
    return this.#insert(low, high);
  }

  has(kind: ContentKind, id: ContentId): boolean {
    const { low, high } = fingerprint(kind, id);
    const slot = this.#find(low, high);
    return this.#low[slot] !== 0 || this.#high[slot] !== 0;
  }

  #insert(low: number, high: number): boolean {
    const slot = this.#find(low, high);
    if (this.#low[slot] !== 0 || this.#high[slot] !== 0) return false;
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#size++;
    if (this.#size > this.#low.length * FULL) this.#grow();
    return true;
  }

  /** Where it is, or the empty place where it would be. */
  #find(low: number, high: number): number {
    const mask = this.#low.length - 1;
    let slot = (low ^ Math.imul(high, 0x9e3779b1)) & mask;
    for (let probes = 0; probes <= mask; probes++) {
      const [a, b] = [this.#low[slot], this.#high[slot]];
      if ((a === low && b === high) || (a === 0 && b === 0)) return slot;
      slot = (slot + 1) & mask;
    }
    assert(false, 'a set with room');
    return 0;
  }

  #grow(): void {
    const [low, high] = [this.#low, this.#high];
    this.#low = new Uint32Array(low.length * 2);
    this.#high = new Uint32Array(low.length * 2);
    this.#size = 0;
    for (let slot = 0; slot < low.length; slot++) {
      const [a = 0, b = 0] = [low[slot], high[slot]];
      if (a !== 0 || b !== 0) this.#insert(a, b);
    }
  }
}

function fingerprint(kind: ContentKind, { hash, generation }: ContentId): { low: number; high: number } {
  const low = (hash.readUInt32LE(0) ^ Math.imul(generation + 1, 0x85ebca6b)) >>> 0;
  const high = (hash.readUInt32LE(4) ^ (kind === 'nodes' ? NODE_SALT : 0)) >>> 0;
  return low === 0 && high === 0 ? { low: 1, high: 0 } : { low, high };
}
