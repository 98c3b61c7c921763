/** A snapshot's manifest for reading: from an index to a reference, through nodes that are read when they are needed. */
import { FANOUT, type Ref, refFromRecord, refToRecord } from './node-format.ts';
import type { NodeStore } from './node-store.ts';
import type { TreeRecord } from './records.ts';

export class Tree {
  readonly rootLevel: number;
  readonly root: Ref | undefined;
  readonly #nodes: NodeStore;

  constructor(nodes: NodeStore, rootLevel: number, root: Ref | undefined) {
    this.#nodes = nodes;
    this.rootLevel = rootLevel;
    this.root = root;
  }

  static from(nodes: NodeStore, record: TreeRecord): Tree {
    return new Tree(nodes, record.level, record.root ? refFromRecord(record.root) : undefined);
  }

  toRecord(): TreeRecord {
    return { level: this.rootLevel, ...(this.root ? { root: refToRecord(this.root) } : {}) };
  }

  /** The node of a level that holds everything below `index`; undefined for a hole. */
  async node(level: number, index: number): Promise<Ref | undefined> {
    let ref = this.root;
    if (level > this.rootLevel || index >= FANOUT ** (this.rootLevel - level)) return undefined;
    for (let at = this.rootLevel; at > level && ref !== undefined; at--) {
      const entries = await this.#nodes.read(ref, at);
      ref = entries.get(Math.floor(index / FANOUT ** (at - level - 1)) % FANOUT);
    }
    return ref;
  }

  async entries(level: number, index: number): Promise<ReadonlyMap<number, Ref>> {
    const ref = await this.node(level, index);
    return ref === undefined ? NO_ENTRIES : await this.#nodes.read(ref, level);
  }

  async chunk(index: number): Promise<Ref | undefined> {
    return (await this.entries(0, Math.floor(index / FANOUT))).get(index % FANOUT);
  }
}

export const NO_ENTRIES: ReadonlyMap<number, Ref> = new Map();
