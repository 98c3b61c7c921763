/** Every bound of a device in one place, with its reason. Tests pass smaller ones. */
const MIB = 1024 * 1024;

export interface DeviceLimits {
  /** A log segment is sealed at this size: small enough to compact in one go, few enough to keep all open. */
  readonly logSegmentBytes: number;
  readonly bulkSegmentBytes: number;
  /** Checkpoint after this many new records: bounds the pause of one index transaction and the start-up replay. */
  readonly checkpointRecords: number;
  /** Checkpoint after this much log. */
  readonly checkpointTailBytes: number;
  /** Checkpoint this long after the last write of a burst; afterwards an idle device does no I/O. */
  readonly checkpointIdleMs: number;
  /** Bytes of frames waiting for the disk: beyond, apply() waits. */
  readonly queuedBytesMax: number;
  /** Records in both in-memory tables: beyond, apply() waits for the checkpoint. */
  readonly tableRecordsMax: number;
  /** Space kept free: min(reserveBytes, 1 % of the disk) but at least reserveBytesMin. */
  readonly reserveBytes: number;
  readonly reserveBytesMin: number;
  /** Operations that their writers have not settled: beyond, new ones are pushed back. */
  readonly unsettledMax: number;
  /** Free space is asked for again after this much writing, or this long. */
  readonly spaceCheckBytes: number;
  readonly spaceCheckMs: number;
  /** Settled marks ride along with a batch at most this often. */
  readonly markEveryMs: number;
  /** Decoded index entries kept. */
  readonly viewCacheEntries: number;
  /** A blob that nothing refers to is kept this long: its upload may still be going on. */
  readonly blobGraceMs: number;
  /** A blob that lost its last reference is kept this long for readers that hold the old register. */
  readonly blobReadGraceMs: number;
  /** A stream's unsynced bytes: beyond, its data is synced, so that dirty pages stay bounded. */
  readonly blobSyncBytes: number;
  /** Segments a feed cursor may lag behind the newest before it is given up. */
  readonly cursorLagSegments: number;
  /** Tombstones younger than this are never dropped. */
  readonly tombstoneAgeMs: number;
  /** A segment is worth compacting when no more than this share of it is live. */
  readonly compactLiveShare: number;
  /** Housekeeping copies at most this much a second, so that clients do not notice; much more when space gets scarce. */
  readonly compactBytesPerSecond: number;
  /** Pause of housekeeping when there is nothing to do. */
  readonly compactIdleMs: number;
  /** Bytes one compaction step may copy. */
  readonly compactStepBytes: number;
}

export const defaultLimits: DeviceLimits = {
  logSegmentBytes: 128 * MIB,
  bulkSegmentBytes: 256 * MIB,
  checkpointRecords: 8_192,
  checkpointTailBytes: 128 * MIB,
  checkpointIdleMs: 3_000,
  queuedBytesMax: 32 * MIB,
  tableRecordsMax: 65_536,
  reserveBytes: 1024 * MIB,
  reserveBytesMin: 64 * MIB,
  unsettledMax: 500_000,
  // Five devices may share one small disk: together they must not write through the smallest reserve between two looks.
  spaceCheckBytes: 8 * MIB,
  spaceCheckMs: 5_000,
  markEveryMs: 1_000,
  viewCacheEntries: 4_096,
  blobGraceMs: 3_600_000,
  blobReadGraceMs: 60_000,
  blobSyncBytes: 16 * MIB,
  cursorLagSegments: 64,
  tombstoneAgeMs: 7 * 86_400_000,
  compactLiveShare: 0.5,
  compactBytesPerSecond: 4 * MIB,
  compactIdleMs: 10_000,
  compactStepBytes: 4 * MIB,
};
