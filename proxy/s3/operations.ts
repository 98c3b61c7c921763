/**
 * Every operation of the S3 API by what names it on the wire: method, service, bucket or object, and sub-resource. The
 * router dispatches by this table, docs/api-s3.md is written from it, and an operation that is not built has a row with
 * its refusal: nothing is accepted and ignored. https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html
 */
import { getBucketAcl, getObjectAcl, putBucketAcl, putObjectAcl } from './acl.ts';
import { createBucket, deleteBucket, getLocation, headBucket, listBuckets } from './bucket.ts';
import type { Operation } from './call.ts';
import { copyObject } from './copy-object.ts';
import { deleteCors, getCors, putCors } from './cors.ts';
import { deleteObject, deleteObjects } from './delete-object.ts';
import * as encryption from './encryption.ts';
import type { S3Code } from './errors.ts';
import { getObject } from './get-object.ts';
import type { HeaderUse } from './header-use.ts';
import * as lifecycle from './lifecycle.ts';
import { listObjects } from './list-objects.ts';
import { listParts, listUploads } from './list-uploads.ts';
import { listVersions } from './list-versions.ts';
import * as lock from './lock.ts';
import { abortUpload, completeUpload, createUpload } from './multipart.ts';
import { getNotification, putNotification } from './notification.ts';
import { getObjectAttributes } from './object-attributes.ts';
import { createPostObject } from './post-object.ts';
import { putObject } from './put-object.ts';
import * as rights from './rights.ts';
import { selectObject } from './select-object.ts';
import * as constant from './sub-resources.ts';
import * as tagging from './tagging.ts';
import { uploadPart } from './upload-part.ts';
import { getVersioning, putVersioning } from './versioning.ts';
import { deleteWebsite, getWebsite, putWebsite } from './website.ts';

export type Target = 'service' | 'bucket' | 'object';

export interface OperationRow extends HeaderUse {
  /** AWS' name of it. */
  readonly name: string;
  readonly target: Target;
  readonly method: string;
  /** Of the query; '' for none. */
  readonly sub: string;
  /** The request has x-amz-copy-source. */
  readonly copies?: true;
  readonly run?: Operation;
  /** What it answers where `run` is absent. */
  readonly refusal?: S3Code;
  /** For the document. */
  readonly note: string;
}

interface Built extends HeaderUse {
  readonly run: Operation;
  readonly copies?: true;
  readonly note?: string;
}

/** `wire`: "GET bucket acl", "PUT object", … */
function built(name: string, wire: string, { note = '', ...rest }: Built): OperationRow {
  return { name, ...readWire(wire), ...rest, note };
}

function refused(name: string, wire: string, note = ''): OperationRow {
  return { name, ...readWire(wire), refusal: 'NotImplemented', note };
}

function readWire(wire: string): Pick<OperationRow, 'method' | 'target' | 'sub'> {
  const [method = '', target = '', sub = ''] = wire.split(' ');
  return { method, target: target as Target, sub };
}

/** Configurations that nobody can make here, as AWS calls them: the noun, the sub-resource, and the root of their list. */
const NEVER_MADE = [
  ['Analytics', 'analytics', 'ListBucketAnalyticsConfigurationResult'],
  ['IntelligentTiering', 'intelligent-tiering', 'ListBucketIntelligentTieringConfigurationsOutput'],
  ['Inventory', 'inventory', 'ListInventoryConfigurationsResult'],
  ['Metrics', 'metrics', 'ListMetricsConfigurationsResult'],
] as const;

/** What comes with a new object. */
const OF_NEW_OBJECTS = [...lock.LOCK_HEADERS, 'x-amz-tagging', ...encryption.WRITE_HEADERS];
const ONE_SOURCE = 'x-amz-copy-source';

export const OPERATIONS: readonly OperationRow[] = [
  built('ListBuckets', 'GET service', {
    run: listBuckets,
    note: 'prefix, max-buckets, continuation-token, bucket-region',
  }),
  built('CreateBucket', 'PUT bucket', {
    obeys: lock.NEW_BUCKET_HEADERS,
    run: createBucket,
    acl: true,
    note: 'LocationConstraint must be the region',
  }),
  built('HeadBucket', 'HEAD bucket', { run: headBucket }),
  built('DeleteBucket', 'DELETE bucket', { run: deleteBucket }),
  built('GetBucketLocation', 'GET bucket location', { run: getLocation }),
  built('ListObjects, ListObjectsV2', 'GET bucket', {
    run: listObjects,
    note: 'list-type, prefix, delimiter, max-keys, encoding-type, marker, start-after, continuation-token, fetch-owner',
  }),
  built('ListObjectVersions', 'GET bucket versions', {
    run: listVersions,
    note: 'prefix, delimiter, key-marker, version-id-marker, max-keys, encoding-type',
  }),
  built('GetBucketVersioning', 'GET bucket versioning', { run: getVersioning }),
  built('PutBucketVersioning', 'PUT bucket versioning', {
    run: putVersioning,
    note: 'Enabled, Suspended; MFA delete is refused',
  }),
  built('DeleteObjects', 'POST bucket delete', {
    obeys: lock.BYPASS_HEADERS,
    run: deleteObjects,
    note: 'up to 1,000 keys; Content-MD5 or a checksum is required',
  }),
  built('GetBucketAcl', 'GET bucket acl', { run: getBucketAcl }),
  built('PutBucketAcl', 'PUT bucket acl', {
    run: putBucketAcl,
    acl: true,
    note: 'canned, grant headers or a document; takes the place of a Swift ACL',
  }),
  built('ListMultipartUploads', 'GET bucket uploads', {
    run: listUploads,
    note: 'prefix, delimiter, max-uploads, key-marker, upload-id-marker, encoding-type',
  }),
  built('GetObject', 'GET object', {
    obeys: encryption.READ_HEADERS,
    run: getObject,
    conditions: 'read',
    ranges: true,
    version: true,
    note: 'partNumber, response-*; one range, several give the whole object',
  }),
  built('HeadObject', 'HEAD object', {
    obeys: encryption.READ_HEADERS,
    run: getObject,
    conditions: 'read',
    ranges: true,
    version: true,
    note: 'partNumber, response-*',
  }),
  built('PutObject', 'PUT object', {
    obeys: OF_NEW_OBJECTS,
    run: putObject,
    acl: true,
    stores: true,
    conditions: 'write',
    note: 'up to 5 GiB',
  }),
  built('CopyObject', 'PUT object', {
    obeys: [...OF_NEW_OBJECTS, ...encryption.COPY_HEADERS],
    run: copyObject,
    acl: true,
    copies: true,
    stores: true,
    conditions: 'write',
    note: ONE_SOURCE,
  }),
  built('DeleteObject', 'DELETE object', {
    obeys: lock.BYPASS_HEADERS,
    run: deleteObject,
    conditions: 'write',
    version: true,
    note: 'If-Match',
  }),
  built('GetObjectAcl', 'GET object acl', {
    run: getObjectAcl,
    version: true,
    note: 'private where ACLs are off',
  }),
  built('PutObjectAcl', 'PUT object acl', {
    run: putObjectAcl,
    acl: true,
    version: true,
    note: 'canned, grant headers or a document',
  }),
  built('GetObjectTagging', 'GET object tagging', { run: tagging.getObjectTagging, version: true }),
  built('PutObjectTagging', 'PUT object tagging', {
    run: tagging.putObjectTagging,
    version: true,
    note: 'up to 10 tags, keys of 128 and values of 256 characters',
  }),
  built('DeleteObjectTagging', 'DELETE object tagging', { run: tagging.deleteObjectTagging, version: true }),
  built('PostObject', 'POST bucket', {
    run: createPostObject({ acl: true, stores: true, obeys: OF_NEW_OBJECTS }),
    note: 'a form, its policy signed by Version 4 or 2, or anonymous; fields come before the file, 20 KiB of them',
  }),
  built('GetObjectAttributes', 'GET object attributes', {
    run: getObjectAttributes,
    version: true,
    obeys: [...encryption.READ_HEADERS, 'x-amz-object-attributes', 'x-amz-max-parts', 'x-amz-part-number-marker'],
    note: 'x-amz-object-attributes, x-amz-max-parts, x-amz-part-number-marker; lists parts without checksums too',
  }),
  built('CreateMultipartUpload', 'POST object uploads', {
    obeys: OF_NEW_OBJECTS,
    run: createUpload,
    acl: true,
    stores: true,
  }),
  built('UploadPart', 'PUT object uploadId', {
    obeys: encryption.PART_HEADERS,
    run: uploadPart,
    note: 'partNumber 1 to 10,000, up to 5 GiB each',
  }),
  built('UploadPartCopy', 'PUT object uploadId', {
    obeys: encryption.PART_COPY_HEADERS,
    run: uploadPart,
    copies: true,
    note: `${ONE_SOURCE}, x-amz-copy-source-range`,
  }),
  built('ListParts', 'GET object uploadId', {
    obeys: encryption.READ_HEADERS,
    run: listParts,
    note: 'max-parts, part-number-marker, encoding-type',
  }),
  built('CompleteMultipartUpload', 'POST object uploadId', {
    obeys: encryption.READ_HEADERS,
    run: completeUpload,
    conditions: 'write',
    note: 'repeated: the same answer',
  }),
  built('AbortMultipartUpload', 'DELETE object uploadId', { run: abortUpload }),

  built('GetBucketAccelerateConfiguration', 'GET bucket accelerate', { run: constant.getAccelerate }),
  built('PutBucketAccelerateConfiguration', 'PUT bucket accelerate', {
    run: constant.putAccelerate,
    note: 'Suspended; Enabled is NotImplemented',
  }),
  built('GetBucketCors', 'GET bucket cors', { run: getCors }),
  built('PutBucketCors', 'PUT bucket cors', { run: putCors, note: 'up to 100 rules' }),
  built('DeleteBucketCors', 'DELETE bucket cors', { run: deleteCors }),
  built('GetBucketEncryption', 'GET bucket encryption', { run: encryption.getDefault }),
  built('PutBucketEncryption', 'PUT bucket encryption', { run: encryption.putDefault, note: 'AES256, aws:kms' }),
  built('DeleteBucketEncryption', 'DELETE bucket encryption', { run: encryption.deleteDefault }),
  built('GetBucketLifecycleConfiguration', 'GET bucket lifecycle', { run: lifecycle.getLifecycle }),
  built('PutBucketLifecycleConfiguration', 'PUT bucket lifecycle', {
    run: lifecycle.putLifecycle,
    note: 'expiration, noncurrent versions, markers, uploads; filters by prefix, tags and size; no transitions',
  }),
  built('DeleteBucketLifecycle', 'DELETE bucket lifecycle', { run: lifecycle.deleteLifecycle }),
  built('GetBucketLogging', 'GET bucket logging', {
    run: constant.emptyConfiguration('BucketLoggingStatus'),
    note: 'answers the empty configuration',
  }),
  built('PutBucketLogging', 'PUT bucket logging', {
    run: constant.putLogging,
    note: 'the empty configuration; LoggingEnabled is NotImplemented',
  }),
  built('GetBucketNotificationConfiguration', 'GET bucket notification', { run: getNotification }),
  built('PutBucketNotificationConfiguration', 'PUT bucket notification', {
    run: putNotification,
    note: 'topics and queues whose ARN names a configured webhook; filters by prefix and suffix',
  }),
  built('GetObjectLockConfiguration', 'GET bucket object-lock', { run: lock.getLockConfiguration }),
  built('PutObjectLockConfiguration', 'PUT bucket object-lock', {
    run: lock.putLockConfiguration,
    note: 'the bucket must have versioning; lock is never turned off again',
  }),
  built('GetBucketOwnershipControls', 'GET bucket ownershipControls', {
    run: rights.getOwnership,
    note: 'BucketOwnerEnforced unless something else was set',
  }),
  built('PutBucketOwnershipControls', 'PUT bucket ownershipControls', {
    run: rights.putOwnership,
    note: 'BucketOwnerPreferred and ObjectWriter turn ACLs on',
  }),
  built('DeleteBucketOwnershipControls', 'DELETE bucket ownershipControls', {
    run: rights.deleteOwnership,
    note: 'turns ACLs on',
  }),
  built('GetBucketPolicy', 'GET bucket policy', { run: rights.getPolicy }),
  built('PutBucketPolicy', 'PUT bucket policy', {
    run: rights.putPolicy,
    note: 'up to 20 KiB; what it does not know is MalformedPolicy',
  }),
  built('DeleteBucketPolicy', 'DELETE bucket policy', { run: rights.deletePolicy }),
  built('GetBucketPolicyStatus', 'GET bucket policyStatus', { run: rights.getPolicyStatus }),
  built('GetPublicAccessBlock', 'GET bucket publicAccessBlock', { run: rights.getBlock }),
  built('PutPublicAccessBlock', 'PUT bucket publicAccessBlock', {
    run: rights.putBlock,
    note: 'counts for Swift’s referrer ACLs too',
  }),
  built('DeletePublicAccessBlock', 'DELETE bucket publicAccessBlock', { run: rights.deleteBlock }),
  built('GetBucketReplication', 'GET bucket replication', {
    run: constant.absentConfiguration('ReplicationConfigurationNotFoundError'),
    note: 'answers ReplicationConfigurationNotFoundError: there never is one',
  }),
  refused('PutBucketReplication', 'PUT bucket replication'),
  built('DeleteBucketReplication', 'DELETE bucket replication', {
    run: constant.nothingToDelete,
    note: 'there never is one',
  }),
  built('GetBucketRequestPayment', 'GET bucket requestPayment', {
    run: constant.emptyConfiguration('RequestPaymentConfiguration', '<Payer>BucketOwner</Payer>'),
    note: 'BucketOwner',
  }),
  built('PutBucketRequestPayment', 'PUT bucket requestPayment', {
    run: constant.putPayment,
    note: 'BucketOwner; Requester is NotImplemented',
  }),
  built('GetBucketTagging', 'GET bucket tagging', { run: tagging.getBucketTagging }),
  built('PutBucketTagging', 'PUT bucket tagging', { run: tagging.putBucketTagging, note: 'up to 50' }),
  built('DeleteBucketTagging', 'DELETE bucket tagging', { run: tagging.deleteBucketTagging }),
  built('GetBucketWebsite', 'GET bucket website', { run: getWebsite }),
  built('PutBucketWebsite', 'PUT bucket website', {
    run: putWebsite,
    note: 'index and error document, redirect of everything, up to 50 routing rules',
  }),
  built('DeleteBucketWebsite', 'DELETE bucket website', { run: deleteWebsite }),

  refused('CreateSession', 'GET bucket session', 'directory buckets'),
  ...NEVER_MADE.flatMap(([noun, sub, list]) => {
    const name = `Bucket${noun}Configuration`;
    const note = 'there are none: an empty list, or NoSuchConfiguration';
    const gone = constant.absentConfiguration('NoSuchConfiguration');
    return [
      built(`Get${name}, List${name}s`, `GET bucket ${sub}`, { run: constant.noConfigurations(list), note }),
      refused(`Put${name}`, `PUT bucket ${sub}`),
      built(`Delete${name}`, `DELETE bucket ${sub}`, { run: gone, note: 'NoSuchConfiguration' }),
    ];
  }),
  refused('CreateBucketMetadataConfiguration', 'POST bucket metadataConfiguration'),
  refused('GetBucketMetadataConfiguration', 'GET bucket metadataConfiguration'),
  refused('DeleteBucketMetadataConfiguration', 'DELETE bucket metadataConfiguration'),
  refused('CreateBucketMetadataTableConfiguration', 'POST bucket metadataTable'),
  refused('GetBucketMetadataTableConfiguration', 'GET bucket metadataTable'),
  refused('DeleteBucketMetadataTableConfiguration', 'DELETE bucket metadataTable'),
  refused('UpdateBucketMetadataInventoryTableConfiguration', 'PUT bucket metadataInventoryTable'),
  refused('UpdateBucketMetadataJournalTableConfiguration', 'PUT bucket metadataJournalTable'),
  refused('GetBucketAbac', 'GET bucket abac'),
  refused('PutBucketAbac', 'PUT bucket abac'),
  built('GetObjectLegalHold', 'GET object legal-hold', { run: lock.getLegalHold, version: true }),
  built('PutObjectLegalHold', 'PUT object legal-hold', { run: lock.putLegalHold, version: true }),
  built('GetObjectRetention', 'GET object retention', { run: lock.getRetention, version: true }),
  built('PutObjectRetention', 'PUT object retention', {
    run: lock.putRetention,
    version: true,
    obeys: lock.BYPASS_HEADERS,
  }),
  refused('GetObjectTorrent', 'GET object torrent'),
  built('RestoreObject', 'POST object restore', {
    run: constant.restoreObject,
    version: true,
    note: 'InvalidObjectState: nothing is ever archived',
  }),
  built('SelectObjectContent', 'POST object select', {
    obeys: encryption.READ_HEADERS,
    run: selectObject,
    note: 'SQL over CSV and JSON, plain, gzip or bzip2; no Parquet',
  }),
  refused('RenameObject', 'PUT object renameObject', 'directory buckets'),
  refused('UpdateObjectEncryption', 'PUT object encryption'),
];
