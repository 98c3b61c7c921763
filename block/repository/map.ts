/** Which parts of a snapshot hold data: read from the manifest, merged, in order. */
import type { AllocatedExtent } from './contract.ts';
import type { Geometry } from './geometry.ts';
import { FANOUT } from './node-format.ts';
import type { Tree } from './tree.ts';

export async function mapRange(
  tree: Tree,
  geometry: Geometry,
  offset: number,
  length: number,
): Promise<readonly AllocatedExtent[]> {
  const { chunkBytes } = geometry;
  const end = offset + length;
  const extents: { offset: number; length: number; data: boolean }[] = [];
  const add = (to: number, data: boolean): void => {
    const last = extents.at(-1);
    const from = last ? last.offset + last.length : offset;
    const until = Math.min(to, end);
    if (until <= from) return;
    if (last?.data === data) last.length += until - from;
    else extents.push({ offset: from, length: until - from, data });
  };
  let index = Math.floor(offset / chunkBytes);
  while (index * chunkBytes < end) {
    const span = await holeSpan(tree, index);
    if (span > 0) {
      index += span;
      add(index * chunkBytes, false);
      continue;
    }
    const entries = await tree.entries(0, Math.floor(index / FANOUT));
    const leafEnd = (Math.floor(index / FANOUT) + 1) * FANOUT;
    for (; index < leafEnd && index * chunkBytes < end; index++)
      add((index + 1) * chunkBytes, entries.has(index % FANOUT));
  }
  return extents;
}

/** Chunks from `index` to the end of the largest subtree around it that is missing as a whole; 0 when its leaf is there. */
async function holeSpan(tree: Tree, index: number): Promise<number> {
  for (let level = tree.rootLevel; level >= 0; level--) {
    const chunks = FANOUT ** (level + 1);
    const at = Math.floor(index / chunks);
    if ((await tree.node(level, at)) === undefined) return (at + 1) * chunks - index;
  }
  return 0;
}
