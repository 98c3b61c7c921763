/** What differs between two snapshots of a lineage: both manifests walked at once, equal subtrees never read. */
import type { Extent } from './contract.ts';
import { FANOUT, type Ref } from './node-format.ts';
import type { NodeStore } from './node-store.ts';
import { NO_ENTRIES, type Tree } from './tree.ts';

export interface CompareOptions {
  readonly nodes: NodeStore;
  readonly older: Tree;
  readonly newer: Tree;
  readonly chunkBytes: number;
  /** Of the newer one: nothing beyond is told. */
  readonly sizeBytes: number;
}

/** Ascending, merged, in whole chunks but for the end. */
export async function* compareTrees(options: CompareOptions): AsyncGenerator<Extent> {
  const { chunkBytes, sizeBytes } = options;
  let open: { offset: number; length: number } | undefined;
  for await (const { from, to } of differing(options)) {
    const offset = from * chunkBytes;
    const length = Math.min(to * chunkBytes, sizeBytes) - offset;
    if (length <= 0) continue;
    if (open && open.offset + open.length === offset) open.length += length;
    else {
      if (open) yield open;
      open = { offset, length };
    }
  }
  if (open) yield open;
}

async function* differing({ nodes, older, newer }: CompareOptions): AsyncGenerator<{ from: number; to: number }> {
  // One volume may have outgrown the other's tree: the smaller tree is the first subtree of the larger one.
  const low = Math.min(older.rootLevel, newer.rootLevel);
  const [a, b] = await Promise.all([older.node(low, 0), newer.node(low, 0)]);
  yield* walk({ nodes, level: low, index: 0 }, a, b);
  const larger = older.rootLevel > newer.rootLevel ? older : newer;
  for (let at = low + 1; at <= larger.rootLevel; at++) {
    const entries = [...(await larger.entries(at, 0))].sort(([x], [y]) => x - y);
    for (const [slot, ref] of entries) if (slot > 0) yield* walk({ nodes, level: at - 1, index: slot }, undefined, ref);
  }
}

interface Place {
  readonly nodes: NodeStore;
  readonly level: number;
  readonly index: number;
}

async function* walk(
  { nodes, level, index }: Place,
  a: Ref | undefined,
  b: Ref | undefined,
): AsyncGenerator<{ from: number; to: number }> {
  // Content decides, not generation: the same bytes may have been uploaded anew.
  if (a === b || (a && b && a.hash.equals(b.hash))) return;
  const [left, right] = await Promise.all([a, b].map((ref) => (ref ? nodes.read(ref, level) : NO_ENTRIES)));
  const slots = new Set([...(left ?? NO_ENTRIES).keys(), ...(right ?? NO_ENTRIES).keys()]);
  for (const slot of [...slots].sort((x, y) => x - y)) {
    const [from, to] = [left?.get(slot), right?.get(slot)];
    const child = index * FANOUT + slot;
    if (level > 0) yield* walk({ nodes, level: level - 1, index: child }, from, to);
    else if (!(from && to && from.hash.equals(to.hash))) yield { from: child, to: child + 1 };
  }
}
