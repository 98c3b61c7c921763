/**
 * Makes a manifest out of a base and the leaves that differ, given in ascending order. A node is written once all its children
 * are known; one that came out as in the base is the base's own. What is not yet written is at most one node a level, and can
 * be saved and taken up again.
 */
import { assert } from '../../fabric/assert.ts';
import type { Geometry } from './geometry.ts';
import { FANOUT, type Ref, refFromRecord, refToRecord, sameContent } from './node-format.ts';
import type { NodeStore } from './node-store.ts';
import type { PendingRecord } from './records.ts';
import { Tree } from './tree.ts';

interface Pending {
  readonly index: number;
  readonly slots: Map<number, Ref | undefined>;
}

export interface BuilderOptions {
  readonly nodes: NodeStore;
  readonly base: Tree;
  readonly geometry: Geometry;
  readonly generation: number;
  readonly onNode: (bytes: number) => void;
}

export class TreeBuilder {
  readonly #options: BuilderOptions;
  /** By level; level 0 is unused, because leaves come ready. */
  readonly #pending: (Pending | undefined)[] = [];
  #lastLeaf = -1;
  #root: { readonly ref: Ref | undefined } | undefined;

  constructor(options: BuilderOptions) {
    assert(options.base.root === undefined || options.base.rootLevel <= options.geometry.rootLevel, 'a base no larger');
    this.#options = options;
  }

  /** Undefined: all holes. */
  async add(leaf: number, ref: Ref | undefined): Promise<void> {
    assert(leaf > this.#lastLeaf, 'leaves in ascending order');
    // A base with fewer levels hangs below slot 0, so the way there has to be gone even when nothing changed.
    if (this.#lastLeaf === -1 && leaf > 0) await this.#put(0, 0, await this.#options.base.node(0, 0));
    this.#lastLeaf = leaf;
    await this.#put(0, leaf, ref);
  }

  async finish(): Promise<Tree> {
    const { nodes, base, geometry } = this.#options;
    if (this.#lastLeaf === -1) await this.#put(0, 0, await base.node(0, 0));
    for (let level = 1; level <= geometry.rootLevel; level++) await this.#flush(level);
    assert(this.#root !== undefined, 'a root');
    return new Tree(nodes, geometry.rootLevel, this.#root.ref);
  }

  save(): PendingRecord[] {
    return this.#pending.flatMap((pending, level) => {
      if (pending === undefined) return [];
      const slots = [...pending.slots].map(([slot, ref]) => [slot, ref ? refToRecord(ref) : null]);
      return [{ level, index: pending.index, slots: Object.fromEntries(slots) }];
    });
  }

  /** Only on a new builder; `leavesDone` as it was when `pending` was saved. */
  restore(pending: readonly PendingRecord[], leavesDone: number): void {
    for (const { level, index, slots } of pending) {
      const entries = Object.entries(slots).map(([slot, ref]) => [Number(slot), ref ? refFromRecord(ref) : undefined]);
      this.#pending[level] = { index, slots: new Map(entries as [number, Ref | undefined][]) };
    }
    this.#lastLeaf = leavesDone - 1;
  }

  async #put(level: number, index: number, ref: Ref | undefined): Promise<void> {
    if (level === this.#options.geometry.rootLevel) {
      assert(index === 0, 'one root');
      this.#root = { ref };
      return;
    }
    const parent = Math.floor(index / FANOUT);
    if (this.#pending[level + 1]?.index !== parent) await this.#flush(level + 1);
    this.#pending[level + 1] ??= { index: parent, slots: new Map() };
    this.#pending[level + 1]?.slots.set(index % FANOUT, ref);
  }

  async #flush(level: number): Promise<void> {
    const pending = this.#pending[level];
    if (pending === undefined) return;
    const { nodes, base, generation, onNode } = this.#options;
    const before = await base.entries(level, pending.index);
    const changed = [...pending.slots].some(([slot, ref]) => !sameContent(before.get(slot), ref));
    const entries = new Map(before);
    for (const [slot, ref] of pending.slots) ref === undefined ? entries.delete(slot) : entries.set(slot, ref);
    let ref: Ref | undefined;
    if (!changed) ref = await base.node(level, pending.index);
    else if (entries.size > 0) {
      const written = await nodes.write(level, entries, generation);
      ref = written.ref;
      onNode(written.bytes);
    }
    this.#pending[level] = undefined;
    await this.#put(level, pending.index, ref);
  }
}
