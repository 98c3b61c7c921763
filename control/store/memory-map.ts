/**
 * An ordered map with snapshots in memory, with the promises of LMDB's: for tests and the simulator. Each key keeps the
 * versions that open snapshots may still ask for. What is committed survives `close`: see `reopen`.
 */
import { assert } from '../../fabric/assert.ts';
import type { KvCondition, KvKey, KvPut, KvRange, KvSnapshot, SnapshotKv } from '../../fabric/kv.ts';
import { lowerBound } from '../../fabric/search.ts';

interface Version {
  readonly sequence: number;
  readonly value: Buffer | null;
}

/** What a process that ends leaves behind. */
class Contents {
  readonly order: KvKey[] = [];
  readonly versions = new Map<KvKey, Version[]>();
  readonly snapshots = new Map<object, number>();
  sequence = 0;

  get(key: KvKey, sequence: number): Buffer | undefined {
    const versions = this.versions.get(key);
    if (versions === undefined) return undefined;
    for (let i = versions.length - 1; i >= 0; i--) {
      const one = versions[i] as Version;
      if (one.sequence <= sequence) return one.value ?? undefined;
    }
    return undefined;
  }

  forEach(range: KvRange, sequence: number, visit: (key: KvKey, value: Buffer) => boolean | void): void {
    const { start, end, limit = Infinity, reverse = false } = range;
    // Names only: a commit meanwhile may move places.
    const keys = this.order.slice(lowerBound(this.order, start), lowerBound(this.order, end));
    if (reverse) keys.reverse();
    let seen = 0;
    for (const key of keys) {
      const value = this.get(key, sequence);
      if (value === undefined) continue;
      if (seen++ >= limit || visit(key, value) === false) return;
    }
  }

  put(puts: readonly KvPut[]): void {
    const sequence = ++this.sequence;
    const oldest = Math.min(sequence, ...this.snapshots.values());
    for (const [key, value] of puts) {
      const versions = this.versions.get(key) ?? [];
      if (versions.length === 0) this.order.splice(lowerBound(this.order, key), 0, key);
      versions.push({ sequence, value: value && Buffer.from(value) });
      while (versions.length > 1 && (versions[1] as Version).sequence <= oldest) versions.shift();
      this.versions.set(key, versions);
      if (versions.length === 1 && value === null) {
        this.versions.delete(key);
        this.order.splice(lowerBound(this.order, key), 1);
      }
    }
  }
}

export interface MemoryMap extends SnapshotKv {
  /** A map over the same contents, as another process would have it. */
  reopen(): MemoryMap;
}

export function createMemoryMap(): MemoryMap {
  return new Memory(new Contents());
}

class Memory implements MemoryMap {
  readonly #contents: Contents;
  #open = true;

  constructor(contents: Contents) {
    this.#contents = contents;
  }

  get(key: KvKey): Buffer | undefined {
    return this.#contents.get(key, this.#contents.sequence);
  }

  forEach(range: KvRange, visit: (key: KvKey, value: Buffer) => boolean | void): void {
    this.#contents.forEach(range, this.#contents.sequence, visit);
  }

  forEachKey(range: KvRange, visit: (key: KvKey) => boolean | void): void {
    this.forEach(range, (key) => visit(key));
  }

  snapshot(): KvSnapshot {
    const contents = this.#contents;
    const { sequence } = contents;
    const id = {};
    contents.snapshots.set(id, sequence);
    return {
      get: (key) => contents.get(key, sequence),
      forEach: (range, visit) => contents.forEach(range, sequence, visit),
      close: () => void contents.snapshots.delete(id),
    };
  }

  async commit(puts: readonly KvPut[]): Promise<void> {
    await this.commitIf({ key: '\0', value: undefined }, puts);
  }

  async commitIf({ key, value }: KvCondition, puts: readonly KvPut[]): Promise<boolean> {
    assert(this.#open, 'the map is closed');
    // A commit takes a while, in which others see the old state.
    await Promise.resolve();
    const now = this.get(key);
    if (value === undefined ? now !== undefined : now === undefined || now.compare(value) !== 0) return false;
    this.#contents.put(puts);
    return true;
  }

  reopen(): MemoryMap {
    return new Memory(this.#contents);
  }

  async close(): Promise<void> {
    this.#open = false;
  }
}
