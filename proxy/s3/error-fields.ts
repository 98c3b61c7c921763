/**
 * What the answer to a failed request says beyond code and message: which key, bucket, version, upload, part or condition
 * it is about, under the names that AWS gives them. Knows nothing of how a fault came about but what it carries.
 */
import type { Fault } from '../../fabric/errors.ts';
import type { HttpRequest } from '../../fabric/http/contract.ts';
import type { ErrorFields } from '../auth/sigv4-faults.ts';
import { storeFaults } from '../object/contract.ts';
import { type Address, isBucketName } from './address.ts';
import { CODES, type ErrorAnswer, type S3Code } from './errors.ts';

/** All parts but the last, as S3 has it. */
const PART_BYTES_MIN = 5 * 1024 * 1024;
const BUCKET_CODES: ReadonlySet<string> = new Set<S3Code>([
  'BucketAlreadyExists',
  'BucketAlreadyOwnedByYou',
  'BucketNotEmpty',
  'NoSuchBucket',
]);

/** Of a copy the source may be meant, which `address` does not name: then nothing is added. */
export function withNames(answer: ErrorAnswer, request: HttpRequest, { bucket, key }: Address): ErrorAnswer {
  if (Object.keys(answer.fields).length > 0 || request.headers.has('x-amz-copy-source')) return answer;
  if (answer.code === 'NoSuchKey') return { ...answer, fields: { Key: key } };
  if (!BUCKET_CODES.has(answer.code)) return answer;
  const fields = { BucketName: bucket };
  if (answer.code !== 'NoSuchBucket' || isBucketName(bucket)) return { ...answer, fields };
  // No bucket can be called so.
  const [status, message] = CODES.InvalidBucketName;
  return { code: 'InvalidBucketName', status, message, fields };
}

/** What a fault of the store carries. */
export function withDetails(answer: ErrorAnswer, fault: Fault, request: HttpRequest, key: string): ErrorAnswer {
  if (Object.keys(answer.fields).length > 0) return answer;
  const fields = fieldsOf(fault, request, key);
  return fields === undefined ? answer : { ...answer, fields };
}

function fieldsOf({ code, details }: Fault, request: HttpRequest, key: string): ErrorFields | undefined {
  const text = (name: string): string => String(details[name] ?? '');
  switch (code) {
    case storeFaults.isDeleteMarker:
      return { Method: request.method, ResourceType: 'DeleteMarker' };
    case storeFaults.noSuchVersion:
      return { Key: key, VersionId: text('versionId') };
    case storeFaults.noSuchUpload:
      return details['uploadId'] === undefined ? undefined : { UploadId: text('uploadId') };
    case storeFaults.invalidPart:
      return { PartNumber: text('partNumber'), ETag: text('etag') };
    case storeFaults.partTooSmall: {
      const sizes = { ProposedSize: text('sizeBytes'), MinSizeAllowed: String(PART_BYTES_MIN) };
      return { ...sizes, PartNumber: text('partNumber'), ETag: text('etag') };
    }
    case storeFaults.preconditionFailed:
      return details['header'] === undefined ? undefined : { Condition: text('header') };
    default:
      return undefined;
  }
}
