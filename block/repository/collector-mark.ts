/** Marking: everything in a range of hashes that some tree refers to. Then what is stored in that range and not marked. */
import { Fault } from '../../fabric/errors.ts';
import { treesOf, type View } from './collector-view.ts';
import type { Condemned } from './condemned-format.ts';
import { repositoryFaults } from './faults.ts';
import { FingerprintSet } from './fingerprint-set.ts';
import { type ContentId, type ContentKind, contentPrefix, parseContentName } from './names.ts';
import type { NodeStore } from './node-store.ts';
import type { ObjectClient } from './object-client.ts';
import { Tree } from './tree.ts';
import { walkTree } from './walk.ts';

/** Ranges are of the first 32 bits of hashes. */
export const HASHES_END = 2 ** 32;

export interface HashRange {
  readonly from: number;
  readonly to: number;
}

const hashPlace = ({ hash }: ContentId): number => hash.readUInt32BE(0);
const placeText = (place: number): string => (place >= HASHES_END ? 'g' : place.toString(16).padStart(8, '0'));

export const inRange = (id: ContentId, { from, to }: HashRange): boolean => hashPlace(id) >= from && hashPlace(id) < to;

/**
 * Reads every node of every tree, once each. Undefined when more than `marksMax` are in the range: ask for a smaller one.
 * Throws when anything is unreadable.
 */
export async function markRange(
  nodes: NodeStore,
  view: View,
  range: HashRange,
  marksMax: number,
): Promise<FingerprintSet | undefined> {
  const marked = new FingerprintSet();
  const entered = new FingerprintSet();
  for (const record of treesOf(view)) {
    await walkTree(nodes, Tree.from(nodes, record), (kind, ref) => {
      if (marked.size <= marksMax && inRange(ref, range)) marked.add(kind, ref);
      return kind === 'nodes' && entered.add(kind, ref) ? 'enter' : 'skip';
    });
    if (marked.size > marksMax) return undefined;
  }
  return marked;
}

export interface Unmarked {
  readonly entries: readonly Condemned[];
  /** The range that they are complete for ends here. */
  readonly end: number;
}

/**
 * What is stored in the range and not marked, `entriesMax` at most. Fault ListingIncomplete when something marked is not in the
 * listing: either the listing cannot be trusted or a snapshot has lost content, and neither is a time to delete anything.
 */
export async function listUnmarked(
  client: ObjectClient,
  lineage: string,
  marked: FingerprintSet,
  { from, to, entriesMax }: HashRange & { readonly entriesMax: number },
): Promise<Unmarked> {
  const entries: Condemned[] = [];
  let end = to;
  let hits = 0;
  for (const kind of ['chunks', 'nodes'] as const) {
    for await (const id of listContent(client, kind, lineage, { from, to })) {
      if (marked.has(kind, id)) hits++;
      else if (hashPlace(id) < end) entries.push({ ...id, kind });
      if (entries.length > entriesMax && kind === 'chunks') end = Math.min(end, hashPlace(id));
    }
  }
  if (hits < marked.size)
    throw new Fault(repositoryFaults.listingIncomplete, {
      reason: 'live content is missing',
      missing: marked.size - hits,
    });
  return { entries: entries.filter((each) => hashPlace(each) < end), end };
}

async function* listContent(client: ObjectClient, kind: ContentKind, lineage: string, { from, to }: HashRange) {
  const prefix = contentPrefix(kind, lineage);
  const endMarker = prefix + placeText(to);
  for await (const { name } of client.list({ prefix, marker: prefix + placeText(from), endMarker })) {
    const id = parseContentName(name, prefix);
    if (id === undefined) throw new Fault(repositoryFaults.corrupt, { reason: 'a foreign name', name });
    yield id;
  }
}
