/** Codes of the store's Faults: what an operation may fail with although nothing is broken. Each API gives them its own words. */
export const storeFaults = {
  accessDenied: 'AccessDenied',
  /** The container has no S3 ACLs (BucketOwnerEnforced) and this one says more than that. */
  aclNotSupported: 'AccessControlListNotSupported',
  /** A bucket policy that is none; the message says why. */
  malformedPolicy: 'MalformedPolicy',
  noSuchAccount: 'NoSuchAccount',
  /** It is deleted, and what was in it is being reaped. */
  accountDeleted: 'AccountDeleted',
  noSuchContainer: 'NoSuchContainer',
  /** details: { deleteMarker: version id } where one stands in the object's place. */
  noSuchObject: 'NoSuchObject',
  noSuchUpload: 'NoSuchUpload',
  /** Nothing of this version id. */
  noSuchVersion: 'NoSuchVersion',
  /** The version asked for is a delete marker. details: { deleteMarker: its version id }. */
  isDeleteMarker: 'IsDeleteMarker',
  containerNotEmpty: 'ContainerNotEmpty',
  /** The bucket name belongs to another account. */
  bucketTaken: 'BucketTaken',
  /** createContainer with `exclusive`: the caller's own container is there already. */
  containerExists: 'ContainerExists',
  policyMismatch: 'PolicyMismatch',
  preconditionFailed: 'PreconditionFailed',
  /** details: the ObjectInfo as `info`, for the 304's headers. */
  notModified: 'NotModified',
  /** Two conditional writers met and this one could not be decided: try again. */
  conditionalConflict: 'ConditionalConflict',
  /** Declared checksum or ETag and received bytes differ. details: { algorithm }. */
  badDigest: 'BadDigest',
  bodyTooLarge: 'BodyTooLarge',
  /** The container or the account may not hold that much. */
  quotaExceeded: 'QuotaExceeded',
  /** The body ended before its declared length. */
  incompleteBody: 'IncompleteBody',
  lengthRequired: 'LengthRequired',
  invalidRange: 'InvalidRange',
  /** details: { partNumber }. */
  invalidPart: 'InvalidPart',
  invalidPartOrder: 'InvalidPartOrder',
  partTooSmall: 'PartTooSmall',
  /** A name or value that cannot be stored. details: { what }. */
  invalidName: 'InvalidName',
  tooMuchMetadata: 'TooMuchMetadata',
  /** A tag that cannot be; the message says why. */
  invalidTag: 'InvalidTag',
  /** By S3's own name of it. */
  tooManyTags: 'BadRequest',
  /** A segment of a manifest is gone or has changed. */
  brokenManifest: 'BrokenManifest',
  /** details: { max }. */
  tooManyLinks: 'TooManyLinks',
  /** What a static link leads to has another ETag now. details: { etag, wanted }. */
  linkChanged: 'LinkChanged',
  /** What object lock rules out for a container. */
  invalidBucketState: 'InvalidBucketState',
  /** A lock is asked for in a container without object lock; only S3 can ask. */
  noObjectLock: 'InvalidRequest',
  /** A key for what is not encrypted with one, or none for what is; the message says which. */
  wrongEncryption: 'InvalidRequest',
  /** By S3's own name of it. */
  noSuchMasterKey: 'KMS.NotFoundException',
  noKeyManager: 'NotImplemented',
  /** No quorum of the key's primaries answered: nothing is promised (503, Retry-After). */
  quorumUnavailable: 'QuorumUnavailable',
  insufficientStorage: 'InsufficientStorage',
  /** A replica that had to be read is damaged everywhere. */
  dataLost: 'DataLost',
} as const;
