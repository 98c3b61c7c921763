/**
 * What an S3 request is to a bucket policy: its action, where that is not what the store would call it, and the values that
 * conditions ask for, worked out only when one does. Decides nothing: proxy/object/authorise.ts does.
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
 */
import type { Clock } from '../../fabric/clock.ts';
import type { HttpRequest } from '../../fabric/http/contract.ts';
import { parseAmzDate } from '../auth/sigv4-time.ts';
import type { ObjectLock, RequestScope, Tags } from '../object/contract.ts';
import { tagValue } from '../object/tags.ts';
import { commonFact, one } from '../request-facts.ts';
import type { Query } from './query.ts';
import { parseTagQuery } from './tag-query.ts';

/** Of configurations that have ids. */
function ofConfigurations(...nouns: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    nouns.flatMap((noun) => {
      const name = `Bucket${noun}Configuration`;
      return [
        [`Get${name}, List${name}s`, `s3:Get${noun}Configuration`],
        [`Delete${name}`, `s3:Put${noun}Configuration`],
      ];
    }),
  );
}

/** By operation. One that is not here does what the store calls it: s3:GetObject, s3:PutObject, s3:ListBucket … */
const ACTIONS: Readonly<Record<string, string>> = {
  GetBucketAccelerateConfiguration: 's3:GetAccelerateConfiguration',
  PutBucketAccelerateConfiguration: 's3:PutAccelerateConfiguration',
  GetBucketAcl: 's3:GetBucketAcl',
  PutBucketAcl: 's3:PutBucketAcl',
  GetBucketCors: 's3:GetBucketCORS',
  PutBucketCors: 's3:PutBucketCORS',
  DeleteBucketCors: 's3:PutBucketCORS',
  GetBucketEncryption: 's3:GetEncryptionConfiguration',
  PutBucketEncryption: 's3:PutEncryptionConfiguration',
  DeleteBucketEncryption: 's3:PutEncryptionConfiguration',
  GetBucketLifecycleConfiguration: 's3:GetLifecycleConfiguration',
  PutBucketLifecycleConfiguration: 's3:PutLifecycleConfiguration',
  DeleteBucketLifecycle: 's3:PutLifecycleConfiguration',
  GetBucketLocation: 's3:GetBucketLocation',
  GetBucketLogging: 's3:GetBucketLogging',
  PutBucketLogging: 's3:PutBucketLogging',
  GetBucketNotificationConfiguration: 's3:GetBucketNotification',
  PutBucketNotificationConfiguration: 's3:PutBucketNotification',
  GetBucketOwnershipControls: 's3:GetBucketOwnershipControls',
  PutBucketOwnershipControls: 's3:PutBucketOwnershipControls',
  DeleteBucketOwnershipControls: 's3:PutBucketOwnershipControls',
  GetBucketPolicy: 's3:GetBucketPolicy',
  PutBucketPolicy: 's3:PutBucketPolicy',
  DeleteBucketPolicy: 's3:DeleteBucketPolicy',
  GetBucketPolicyStatus: 's3:GetBucketPolicyStatus',
  GetPublicAccessBlock: 's3:GetBucketPublicAccessBlock',
  PutPublicAccessBlock: 's3:PutBucketPublicAccessBlock',
  DeletePublicAccessBlock: 's3:PutBucketPublicAccessBlock',
  GetBucketReplication: 's3:GetReplicationConfiguration',
  PutBucketReplication: 's3:PutReplicationConfiguration',
  DeleteBucketReplication: 's3:PutReplicationConfiguration',
  GetBucketRequestPayment: 's3:GetBucketRequestPayment',
  PutBucketRequestPayment: 's3:PutBucketRequestPayment',
  GetBucketTagging: 's3:GetBucketTagging',
  PutBucketTagging: 's3:PutBucketTagging',
  DeleteBucketTagging: 's3:PutBucketTagging',
  GetBucketVersioning: 's3:GetBucketVersioning',
  PutBucketVersioning: 's3:PutBucketVersioning',
  GetBucketWebsite: 's3:GetBucketWebsite',
  PutBucketWebsite: 's3:PutBucketWebsite',
  DeleteBucketWebsite: 's3:DeleteBucketWebsite',
  GetObjectLockConfiguration: 's3:GetBucketObjectLockConfiguration',
  PutObjectLockConfiguration: 's3:PutBucketObjectLockConfiguration',
  ListObjectVersions: 's3:ListBucketVersions',
  ListMultipartUploads: 's3:ListBucketMultipartUploads',
  ListParts: 's3:ListMultipartUploadParts',
  AbortMultipartUpload: 's3:AbortMultipartUpload',
  GetObjectAcl: 's3:GetObjectAcl',
  PutObjectAcl: 's3:PutObjectAcl',
  GetObjectAttributes: 's3:GetObjectAttributes',
  GetObjectTagging: 's3:GetObjectTagging',
  PutObjectTagging: 's3:PutObjectTagging',
  DeleteObjectTagging: 's3:DeleteObjectTagging',
  GetObjectLegalHold: 's3:GetObjectLegalHold',
  PutObjectLegalHold: 's3:PutObjectLegalHold',
  GetObjectRetention: 's3:GetObjectRetention',
  PutObjectRetention: 's3:PutObjectRetention',
  RestoreObject: 's3:RestoreObject',
  ...ofConfigurations('Analytics', 'IntelligentTiering', 'Inventory', 'Metrics'),
};

/** Condition keys that are a parameter of the query. */
const PARAMETERS: Readonly<Record<string, string>> = {
  's3:delimiter': 'delimiter',
  's3:max-keys': 'max-keys',
  's3:prefix': 'prefix',
  's3:versionid': 'versionId',
};

const TAG = 's3:requestobjecttag/';
const LOCK_UNTIL = 'x-amz-object-lock-retain-until-date';
const DAY_MS = 24 * 3600 * 1000;

export class S3Scope implements RequestScope {
  /** With the headers that a presigned URL carries in its query. */
  request: HttpRequest;
  /** AWS' name of it, once it is known. */
  operation = '';
  /** Not so for visitors of websites, who get the page that says so. */
  onlyListersMiss = true;
  /** How the form was signed that this is. */
  postedBy: 'AWS4-HMAC-SHA256' | 'AWS' | undefined;
  /** Of its body; those of x-amz-tagging need not be told. */
  tags: Tags | undefined;
  /** Of its body; what headers say need not be told. */
  lock: ObjectLock | undefined;
  readonly #clock: Clock;
  readonly #query: Query;

  constructor(request: HttpRequest, query: Query, clock: Clock) {
    this.request = request;
    this.#query = query;
    this.#clock = clock;
  }

  action(usual: string): string {
    return ACTIONS[this.operation] ?? usual;
  }

  fact(key: string): readonly string[] | undefined {
    const parameter = PARAMETERS[key];
    if (parameter !== undefined) return one(this.#query.get(parameter));
    const { headers } = this.request;
    if (key.startsWith('s3:x-amz-') || key.startsWith('s3:if-')) return one(headers.get(key.slice(3)));
    if (key.startsWith('s3:object-lock-')) return one(this.#lock(key.slice('s3:object-lock-'.length)));
    if (key.startsWith(TAG)) return one(tagValue(this.#tags(), key.slice(TAG.length)));
    if (key === 's3:requestobjecttagkeys') return this.#tags().map(([name]) => name);
    if (key.startsWith('s3:')) return this.#signature(key);
    return commonFact(this.request, this.#clock, key);
  }

  /** What cannot be read is refused elsewhere. */
  #tags(): Tags {
    if (this.tags !== undefined) return this.tags;
    try {
      return parseTagQuery(this.request.headers.get('x-amz-tagging') ?? '');
    } catch {
      return [];
    }
  }

  #lock(name: string): string | undefined {
    const { headers } = this.request;
    const { retention, hold } = this.lock ?? {};
    if (name === 'mode' && retention) return retention.mode;
    if (name === 'legal-hold' && hold !== undefined) return hold ? 'ON' : 'OFF';
    const until = retention ? new Date(retention.untilMs).toISOString() : headers.get(LOCK_UNTIL);
    if (name === 'retain-until-date') return until;
    if (name !== 'remaining-retention-days') return headers.get(`x-amz-object-lock-${name}`);
    const leftMs = Date.parse(until ?? '') - this.#clock.nowMs();
    return Number.isNaN(leftMs) ? undefined : String(Math.ceil(leftMs / DAY_MS));
  }

  #signature(key: string): readonly string[] | undefined {
    if (this.postedBy !== undefined && key === 's3:authtype') return ['POST'];
    if (this.postedBy !== undefined && key === 's3:signatureversion') return [this.postedBy];
    const query = this.#query;
    const isPresigned = query.has('X-Amz-Signature') || query.has('Signature');
    const header = this.request.headers.get('authorization');
    if (!isPresigned && header === undefined) return undefined;
    if (key === 's3:authtype') return [isPresigned ? 'REST-QUERY-STRING' : 'REST-HEADER'];
    if (key === 's3:signatureversion') {
      const isFour = query.has('X-Amz-Signature') || header?.startsWith('AWS4-') === true;
      return [isFour ? 'AWS4-HMAC-SHA256' : 'AWS'];
    }
    if (key !== 's3:signatureage') return undefined;
    const signedMs = parseAmzDate(query.get('X-Amz-Date') ?? '');
    return signedMs === undefined ? undefined : [String(Math.max(this.#clock.nowMs() - signedMs, 0))];
  }
}
