/**
 * Which snapshot a volume's next one is incremental to. The engine counts changes since one snapshot; when that one is
 * deleted an older one takes its part, with what differs between the two: deleting the newest snapshot costs no full scan.
 */
import type { Extent, Repository, SnapshotInfo } from '../repository/contract.ts';
import type { BaseInstead, VolumeRecord } from './record-format.ts';

export interface Base {
  readonly snapshot: string;
  /** What differs from it besides what the engine counts. */
  readonly changed: readonly Extent[];
}

/** `counted`: the snapshot the engine counts changes since. */
export function baseOf(record: VolumeRecord, counted: string | undefined): Base | undefined {
  if (counted === undefined) return undefined;
  const instead = record.baseInstead;
  if (instead?.deleted !== counted) return { snapshot: counted, changed: [] };
  return instead.base === null ? undefined : { snapshot: instead.base, changed: instead.changed };
}

/** What stands in for the base once `gone`, which is still there, is deleted. */
export async function standIn(
  repository: Repository,
  record: VolumeRecord,
  { counted, gone }: { readonly counted: string; readonly gone: SnapshotInfo },
): Promise<BaseInstead> {
  const older = (await repository.list(record.lineage))
    .filter((one) => one.volume === record.id && one.createdMs < gone.createdMs && one.chunkBytes === gone.chunkBytes)
    .sort((a, b) => b.createdMs - a.createdMs)[0];
  if (!older) return { deleted: counted, base: null, changed: [] };
  const changed: Extent[] = [...(baseOf(record, counted)?.changed ?? [])];
  for await (const extent of repository.compare(older, gone)) changed.push(extent);
  return { deleted: counted, base: older.snapshot, changed: merge(changed) };
}

/** Ascending, without overlaps. */
export function merge(extents: readonly Extent[]): Extent[] {
  const merged: { offset: number; length: number }[] = [];
  for (const { offset, length } of extents.toSorted((a, b) => a.offset - b.offset)) {
    const last = merged.at(-1);
    if (last && offset <= last.offset + last.length) {
      last.length = Math.max(last.length, offset + length - last.offset);
    } else merged.push({ offset, length });
  }
  return merged;
}
