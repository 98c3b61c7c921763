/**
 * What refers to content of a lineage, as the collector sees it at one time. The order matters: markers, snapshots
 * and sessions, those that came meanwhile, readers, and markers once more. Whoever verified that a snapshot was still there after its own record
 * was durable is found here, or the snapshot is. Anything unreadable throws: what is not known is not guessed.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import { repositoryFaults } from './faults.ts';
import { parseWorkName, readerPrefix, snapshotName, snapshotPrefix, type WorkMarker, workPrefix } from './names.ts';
import type { ObjectClient } from './object-client.ts';
import { forEach } from './parallel.ts';
import { readerTree } from './reader.ts';
import type { CollectorRecord, SessionRecord, TreeRecord } from './records.ts';
import { readEntry } from './upload-state.ts';

const READS_AT_ONCE = 16;

export interface View {
  readonly snapshots: ReadonlyMap<string, TreeRecord>;
  readonly sessions: ReadonlyMap<string, { readonly record: SessionRecord; readonly etag: string }>;
  readonly readers: readonly {
    readonly name: string;
    readonly etag: string;
    readonly snapshot: string;
    readonly tree: TreeRecord;
  }[];
  /** As they were before everything else was looked at: what they stand for is in this view, if it is not over. */
  readonly markers: readonly (WorkMarker & { readonly name: string })[];
  /** As they were afterwards. */
  readonly latestMarkers: View['markers'];
}

export async function readView(client: ObjectClient, lineage: string): Promise<View> {
  const markers = await readMarkers(client, lineage);
  const snapshots = new Map<string, TreeRecord>();
  const sessions = new Map<string, { record: SessionRecord; etag: string }>();
  const seen = new Set<string>();
  const readNew = (): Promise<void> =>
    forEach(client.list({ prefix: snapshotPrefix(lineage) }), READS_AT_ONCE, async ({ name }) => {
      const snapshot = name.slice(snapshotName(lineage, '').length);
      if (seen.has(snapshot)) return;
      seen.add(snapshot);
      const entry = await readEntry(client, { lineage, snapshot });
      if (entry?.kind === 'session') sessions.set(snapshot, { record: entry.value, etag: entry.etag });
      else if (entry) snapshots.set(snapshot, entry.value.tree);
    });
  await readNew();
  await readNew();
  const readers = await readReaders(client, lineage);
  return { markers, snapshots, sessions, readers, latestMarkers: await readMarkers(client, lineage) };
}

async function readReaders(client: ObjectClient, lineage: string): Promise<View['readers']> {
  const readers: View['readers'][number][] = [];
  await forEach(client.list({ prefix: readerPrefix(lineage) }), READS_AT_ONCE, async ({ name }) => {
    try {
      const { body, etag } = await client.get(name);
      const { snapshot, tree } = readerTree(body);
      readers.push({ name, etag, snapshot, tree });
    } catch (error) {
      // Closed between the listing and now.
      if (!isFault(error, repositoryFaults.noSuchObject)) throw error;
    }
  });
  return readers;
}

export async function readMarkers(client: ObjectClient, lineage?: string): Promise<View['markers']> {
  const markers: View['markers'][number][] = [];
  for await (const { name } of client.list({ prefix: workPrefix(lineage) })) {
    const marker = parseWorkName(name);
    if (marker === undefined) throw new Fault(repositoryFaults.corrupt, { reason: 'a foreign name', name });
    markers.push({ ...marker, name });
  }
  return markers;
}

/** Fault ListingIncomplete when a snapshot that was there before is gone, and nobody said that it was deleted. */
export function checkKnown({ snapshots, latestMarkers }: View, { known }: CollectorRecord): void {
  const deleted = new Set(latestMarkers.filter(({ why }) => why === 'delete').map(({ id }) => id));
  for (const snapshot of known)
    if (!snapshots.has(snapshot) && !deleted.has(snapshot))
      throw new Fault(repositoryFaults.listingIncomplete, { reason: 'a snapshot vanished', snapshot });
}

/**
 * Whether what a marker stands for is over, so that a pass that begins now finds all its garbage: the upload ended, the snapshot
 * is gone, and nobody holds it any more. Once true it stays true: nobody can open, or upload against, what is gone.
 */
export function isOver({ snapshots, sessions, readers }: View, { id, why }: WorkMarker): boolean {
  if (why === 'upload') return !sessions.has(id);
  if (snapshots.has(id)) return false;
  const held = readers.some(({ snapshot }) => snapshot === id);
  const based = [...sessions.values()].some(({ record }) => record.base?.snapshot === id);
  return !held && !based;
}

/** All trees that keep their content: of snapshots, of readers of deleted ones, of what uploads build on. */
export function treesOf({ snapshots, sessions, readers }: View): TreeRecord[] {
  const bases = [...sessions.values()].flatMap(({ record }) => (record.base ? [record.base.tree] : []));
  return [...snapshots.values(), ...readers.map(({ tree }) => tree), ...bases];
}
