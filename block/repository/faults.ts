/** Codes of expected failures of the snapshot repository and of its object store. Each API maps them in one file of its own. */
export const repositoryFaults = {
  /** The object store has no such object; after a successful listing or reference it means loss. */
  noSuchObject: 'NoSuchStoredObject',
  /** A conditional put or delete met another state; nothing was changed. */
  preconditionFailed: 'StoredObjectChanged',
  /** The object store did not answer, or only with errors, until the retries were used up. What it did is unknown. */
  storeUnavailable: 'ObjectStoreUnavailable',
  /** The object store refused for good: rights, quota, a name. */
  storeRefused: 'ObjectStoreRefused',
  /** A listing that skips, repeats or ends early: nothing may be concluded from it. */
  listingIncomplete: 'ListingIncomplete',
  /** Bytes that do not check: magic, version, checksum or keyed hash. */
  corrupt: 'SnapshotCorrupt',
  noSuchLineage: 'NoSuchLineage',
  noSuchSnapshot: 'NoSuchSnapshot',
  /** The id is taken by another snapshot or upload. */
  snapshotExists: 'SnapshotExists',
  /** Still being uploaded: it cannot be read, and is cancelled rather than deleted. */
  notAvailable: 'SnapshotNotAvailable',
  /** The upload was cancelled, given up by the collector, or taken over by another uploader. */
  uploadLost: 'UploadLost',
  /** The upload was cancelled through its own session. */
  cancelled: 'UploadCancelled',
  /** Another owner collects garbage in this repository now. */
  notOwner: 'NotRepositoryOwner',
  /** The reader's registration is gone and so is the snapshot. */
  readerLost: 'ReaderLost',
  /** The repository was written by a newer version, or the container holds something else. */
  unknownFormat: 'UnknownRepositoryFormat',
  invalid: 'InvalidArgument',
} as const;
