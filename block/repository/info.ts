/** A snapshot's record as others see it. */
import type { SnapshotInfo, SnapshotRef } from './contract.ts';
import type { SnapshotRecord } from './records.ts';

export function snapshotInfo({ lineage, snapshot }: SnapshotRef, record: SnapshotRecord): SnapshotInfo {
  const { volume, sizeBytes, chunkBytes, createdMs, parent, counters, labels, tree } = record;
  const { chunks = 0, rawBytes = 0, storedBytes = 0 } = tree.root ?? {};
  return {
    ...{ lineage, snapshot, volume, sizeBytes, chunkBytes, createdMs, parent, counters, labels },
    ...{ chunks, dataBytes: rawBytes, storedBytes },
  };
}
