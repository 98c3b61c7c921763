/**
 * Names of S3's actions, as bucket policies and authorise.ts speak of them, and what an ACL or a Swift ACL says about
 * each. https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
 */
import type { Permission } from './acl-types.ts';

export interface ActionRule {
  /** Permission of the bucket's ACL that includes it. */
  readonly bucket?: Permission;
  /** Permission of the object's ACL that includes it. */
  readonly object?: Permission;
  /** Which Swift ACL includes it. */
  readonly swift?: 'read' | 'write' | 'list';
}

/** What ACLs have a say in. Everything else is the owner's, or a policy's. */
export const ACL_ACTIONS: Readonly<Record<string, ActionRule>> = {
  's3:GetObject': { object: 'READ', swift: 'read' },
  's3:GetObjectVersion': { object: 'READ', swift: 'read' },
  's3:GetObjectAttributes': { object: 'READ', swift: 'read' },
  's3:GetObjectVersionAttributes': { object: 'READ', swift: 'read' },
  's3:GetObjectAcl': { object: 'READ_ACP' },
  's3:GetObjectVersionAcl': { object: 'READ_ACP' },
  's3:PutObjectAcl': { object: 'WRITE_ACP' },
  's3:PutObjectVersionAcl': { object: 'WRITE_ACP' },
  's3:GetObjectTagging': { swift: 'read' },
  's3:GetObjectVersionTagging': { swift: 'read' },
  's3:PutObjectTagging': { swift: 'write' },
  's3:PutObject': { bucket: 'WRITE', swift: 'write' },
  's3:DeleteObject': { bucket: 'WRITE', swift: 'write' },
  's3:DeleteObjectVersion': { swift: 'write' },
  's3:AbortMultipartUpload': { bucket: 'WRITE', swift: 'write' },
  's3:ListMultipartUploadParts': { bucket: 'WRITE', swift: 'write' },
  's3:ListBucket': { bucket: 'READ', swift: 'list' },
  's3:ListBucketVersions': { bucket: 'READ', swift: 'list' },
  's3:ListBucketMultipartUploads': { bucket: 'READ', swift: 'list' },
  's3:GetBucketAcl': { bucket: 'READ_ACP' },
  's3:PutBucketAcl': { bucket: 'WRITE_ACP' },
};

/** What an action is called when it names a version. */
export const OF_VERSIONS: Readonly<Record<string, string>> = {
  's3:DeleteObject': 's3:DeleteObjectVersion',
  's3:DeleteObjectTagging': 's3:DeleteObjectVersionTagging',
  's3:GetObject': 's3:GetObjectVersion',
  's3:GetObjectAcl': 's3:GetObjectVersionAcl',
  's3:GetObjectAttributes': 's3:GetObjectVersionAttributes',
  's3:GetObjectTagging': 's3:GetObjectVersionTagging',
  's3:PutObjectAcl': 's3:PutObjectVersionAcl',
  's3:PutObjectTagging': 's3:PutObjectVersionTagging',
};

/** Nobody, whatever a policy says, keeps the account's owner from these. */
export const POLICY_ACTIONS: ReadonlySet<string> = new Set([
  's3:GetBucketPolicy',
  's3:PutBucketPolicy',
  's3:DeleteBucketPolicy',
]);

const OBJECT_ACTIONS = [
  'AbortMultipartUpload',
  'BypassGovernanceRetention',
  'DeleteObject',
  'DeleteObjectTagging',
  'DeleteObjectVersion',
  'DeleteObjectVersionTagging',
  'GetObject',
  'GetObjectAcl',
  'GetObjectAttributes',
  'GetObjectLegalHold',
  'GetObjectRetention',
  'GetObjectTagging',
  'GetObjectTorrent',
  'GetObjectVersion',
  'GetObjectVersionAcl',
  'GetObjectVersionAttributes',
  'GetObjectVersionForReplication',
  'GetObjectVersionTagging',
  'GetObjectVersionTorrent',
  'InitiateReplication',
  'ListMultipartUploadParts',
  'ObjectOwnerOverrideToBucketOwner',
  'PutObject',
  'PutObjectAcl',
  'PutObjectLegalHold',
  'PutObjectRetention',
  'PutObjectTagging',
  'PutObjectVersionAcl',
  'PutObjectVersionTagging',
  'ReplicateDelete',
  'ReplicateObject',
  'ReplicateTags',
  'RestoreObject',
  'UpdateObjectEncryption',
];

const BUCKET_ACTIONS = [
  'CreateBucket',
  'CreateBucketMetadataTableConfiguration',
  'DeleteBucket',
  'DeleteBucketMetadataTableConfiguration',
  'DeleteBucketPolicy',
  'DeleteBucketWebsite',
  'GetAccelerateConfiguration',
  'GetAnalyticsConfiguration',
  'GetBucketAbac',
  'GetBucketAcl',
  'GetBucketCORS',
  'GetBucketLocation',
  'GetBucketLogging',
  'GetBucketMetadataTableConfiguration',
  'GetBucketNotification',
  'GetBucketObjectLockConfiguration',
  'GetBucketOwnershipControls',
  'GetBucketPolicy',
  'GetBucketPolicyStatus',
  'GetBucketPublicAccessBlock',
  'GetBucketRequestPayment',
  'GetBucketTagging',
  'GetBucketVersioning',
  'GetBucketWebsite',
  'GetEncryptionConfiguration',
  'GetIntelligentTieringConfiguration',
  'GetInventoryConfiguration',
  'GetLifecycleConfiguration',
  'GetMetricsConfiguration',
  'GetReplicationConfiguration',
  'ListBucket',
  'ListBucketMultipartUploads',
  'ListBucketVersions',
  'PutAccelerateConfiguration',
  'PutAnalyticsConfiguration',
  'PutBucketAbac',
  'PutBucketAcl',
  'PutBucketCORS',
  'PutBucketLogging',
  'PutBucketNotification',
  'PutBucketObjectLockConfiguration',
  'PutBucketOwnershipControls',
  'PutBucketPolicy',
  'PutBucketPublicAccessBlock',
  'PutBucketRequestPayment',
  'PutBucketTagging',
  'PutBucketVersioning',
  'PutBucketWebsite',
  'PutEncryptionConfiguration',
  'PutIntelligentTieringConfiguration',
  'PutInventoryConfiguration',
  'PutLifecycleConfiguration',
  'PutMetricsConfiguration',
  'PutReplicationConfiguration',
];

/** Of no bucket: policies of users and sessions alone speak of them. */
const ACCOUNT_ACTIONS = ['ListAllMyBuckets'];

export const CALLER_ACTIONS: readonly string[] = [...OBJECT_ACTIONS, ...BUCKET_ACTIONS, ...ACCOUNT_ACTIONS].map(
  (name) => `s3:${name.toLowerCase()}`,
);

const lower = (names: readonly string[]): readonly string[] => names.map((name) => `s3:${name.toLowerCase()}`);

/** Names a policy may use, lower-case: actions are compared without case. */
export const ON_OBJECTS = lower(OBJECT_ACTIONS);
export const ON_BUCKETS = lower(BUCKET_ACTIONS);
export const ALL_ACTIONS: readonly string[] = [...ON_OBJECTS, ...ON_BUCKETS];
