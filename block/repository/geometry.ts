/** Where a chunk is: volume size and chunk size to tree level, leaves and slots. Pure arithmetic. */
import { Fault } from '../../fabric/errors.ts';
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, type Extent } from './contract.ts';
import { repositoryFaults } from './faults.ts';
import { FANOUT, LEVEL_MAX } from './node-format.ts';

export interface Geometry {
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly chunkCount: number;
  readonly leafCount: number;
  /** Of the tree's root; 0 when one leaf holds it all. */
  readonly rootLevel: number;
}

/** Chunks [from, to). */
export interface ChunkRange {
  readonly from: number;
  readonly to: number;
}

export function geometryOf(sizeBytes: number, chunkBytes: number): Geometry {
  const chunkOk =
    chunkBytes >= CHUNK_BYTES_MIN && chunkBytes <= CHUNK_BYTES_MAX && Number.isInteger(Math.log2(chunkBytes));
  if (!chunkOk) throw new Fault(repositoryFaults.invalid, { chunkBytes });
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) throw new Fault(repositoryFaults.invalid, { sizeBytes });
  const chunkCount = Math.ceil(sizeBytes / chunkBytes);
  let rootLevel = 0;
  while (FANOUT ** (rootLevel + 1) < chunkCount) rootLevel++;
  if (rootLevel > LEVEL_MAX) throw new Fault(repositoryFaults.invalid, { sizeBytes });
  return { sizeBytes, chunkBytes, chunkCount, leafCount: Math.ceil(chunkCount / FANOUT), rootLevel };
}

export const chunkLength = ({ sizeBytes, chunkBytes }: Geometry, index: number): number =>
  Math.min(chunkBytes, sizeBytes - index * chunkBytes);

/** Of chunks [from, to), at least one. */
export const rangeBytes = (geometry: Geometry, from: number, to: number): number =>
  (to - from - 1) * geometry.chunkBytes + chunkLength(geometry, to - 1);

/** Whole chunks that the extents touch, ascending and apart. Fault InvalidArgument when the extents are not ascending. */
export function chunkRanges(geometry: Geometry, extents: 'all' | readonly Extent[]): ChunkRange[] {
  if (extents === 'all') return [{ from: 0, to: geometry.chunkCount }];
  const ranges: { from: number; to: number }[] = [];
  let end = 0;
  for (const { offset, length } of extents) {
    if (offset < end || length < 0) throw new Fault(repositoryFaults.invalid, { extent: offset });
    end = offset + length;
    const from = Math.floor(offset / geometry.chunkBytes);
    const to = Math.min(geometry.chunkCount, Math.ceil(end / geometry.chunkBytes));
    const last = ranges.at(-1);
    if (from >= to) continue;
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else ranges.push({ from, to });
  }
  return ranges;
}

export interface LeafRanges {
  readonly leaf: number;
  readonly ranges: readonly ChunkRange[];
}

/** The ranges cut at leaves, leaf by leaf from `firstLeaf` on; lazily, because a large volume has many. */
export function* byLeaf(ranges: readonly ChunkRange[], firstLeaf: number): Generator<LeafRanges> {
  let leaf = -1;
  let inside: ChunkRange[] = [];
  for (const range of ranges) {
    let from = Math.max(range.from, firstLeaf * FANOUT);
    while (from < range.to) {
      const at = Math.floor(from / FANOUT);
      const to = Math.min(range.to, (at + 1) * FANOUT);
      if (at !== leaf && inside.length > 0) yield { leaf, ranges: inside };
      if (at !== leaf) inside = [];
      leaf = at;
      inside.push({ from, to });
      from = to;
    }
  }
  if (inside.length > 0) yield { leaf, ranges: inside };
}
