/** Every node and chunk of a manifest, each node's children once; `skip` cuts off subtrees that were seen before. */
import type { ContentKind } from './names.ts';
import type { Ref } from './node-format.ts';
import type { NodeStore } from './node-store.ts';
import { forEach } from './parallel.ts';
import type { Tree } from './tree.ts';

const READS_AT_ONCE = 16;

export type Visit = (kind: ContentKind, ref: Ref) => 'enter' | 'skip';

/** Depth first below the root's children, READS_AT_ONCE nodes at once. Throws what reading throws: half a walk is none. */
export async function walkTree(nodes: NodeStore, tree: Tree, visit: Visit): Promise<void> {
  if (tree.root === undefined) return;
  let level: readonly Ref[] = visit('nodes', tree.root) === 'enter' ? [tree.root] : [];
  for (let at = tree.rootLevel; at >= 0; at--) {
    const below: Ref[] = [];
    await forEach(level, READS_AT_ONCE, async (node) => {
      for (const ref of (await nodes.read(node, at)).values()) {
        if (at === 0) visit('chunks', ref);
        else if (visit('nodes', ref) === 'enter') below.push(ref);
      }
    });
    level = below;
  }
}
