/**
 * Every error answer of the S3 API: S3's codes with status and default message, and which of them stands for a fault of
 * the store, the fabric or the XML reader. The only place where S3 statuses of errors are written down.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
import { Fault, fabricFaults, isFault } from '../../fabric/errors.ts';
import { XML_DECLARATION, xmlElement } from '../../fabric/xml.ts';
import type { ErrorFields } from '../auth/sigv4-faults.ts';
import { storeFaults } from '../object/contract.ts';
import { SELECT_CODES } from './select/select-codes.ts';

const INTERNAL = 'We encountered an internal error. Please try again.';

/** Status and default message by code. */
export const CODES = {
  ...SELECT_CODES,
  AccessControlListNotSupported: [400, 'The bucket does not allow ACLs'],
  AccessDenied: [403, 'Access Denied'],
  AccessForbidden: [403, 'CORSResponse: CORS is not enabled for this bucket.'],
  AccountProblem: [
    403,
    'There is a problem with your account that prevents the operation from completing successfully.',
  ],
  AuthorizationHeaderMalformed: [400, 'The authorization header is malformed.'],
  AuthorizationQueryParametersError: [400, 'Error parsing the authorization query parameters.'],
  BadRequest: [400, 'Bad Request'],
  BadDigest: [400, 'The Content-MD5 you specified did not match what we received.'],
  BucketAlreadyExists: [
    409,
    'The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.',
  ],
  BucketAlreadyOwnedByYou: [409, 'Your previous request to create the named bucket succeeded and you already own it.'],
  BucketNotEmpty: [409, 'The bucket you tried to delete is not empty'],
  ConditionalRequestConflict: [
    409,
    'The conditional request cannot succeed due to a conflicting operation against this resource.',
  ],
  QuotaExceeded: [403, 'The quota of the bucket or of its owner does not allow this upload'],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed size'],
  EntityTooSmall: [400, 'Your proposed upload is smaller than the minimum allowed size'],
  ExpiredToken: [400, 'The provided token has expired.'],
  IllegalVersioningConfigurationException: [400, 'The versioning configuration specified in the request is invalid.'],
  IllegalLocationConstraintException: [400, 'The specified location constraint is incompatible with this region.'],
  IncompleteBody: [400, 'You did not provide the number of bytes specified by the Content-Length HTTP header'],
  InsufficientStorage: [507, 'There is not enough space left to store the object.'],
  InternalError: [500, INTERNAL],
  InvalidBucketAclWithObjectOwnership: [
    400,
    "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
  ],
  InvalidAccessKeyId: [403, 'The AWS Access Key Id you provided does not exist in our records.'],
  InvalidArgument: [400, 'Invalid Argument'],
  InvalidBucketState: [409, 'The request is not valid with the current state of the bucket.'],
  InvalidBucketName: [400, 'The specified bucket is not valid.'],
  InvalidChunkSizeError: [403, 'Only the last chunk is allowed to have a size less than 8192 bytes'],
  InvalidDigest: [400, 'The Content-MD5 you specified is not valid.'],
  InvalidEncryptionAlgorithmError: [
    400,
    'The encryption request that you specified is not valid. The valid value is AES256.',
  ],
  InvalidLocationConstraint: [400, 'The specified location-constraint is not valid'],
  InvalidObjectState: [403, "The operation is not valid for the object's storage class"],
  InvalidPart: [
    400,
    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
  ],
  InvalidPartNumber: [416, 'The requested partnumber is not satisfiable'],
  InvalidPartOrder: [400, 'The list of parts was not in ascending order. Parts must be ordered by part number.'],
  InvalidPolicyDocument: [
    400,
    'The content of the form does not meet the conditions specified in the policy document.',
  ],
  InvalidRange: [416, 'The requested range is not satisfiable'],
  InvalidRequest: [400, 'Invalid Request'],
  InvalidRetentionPeriod: [400, 'The retention period must be a positive number, and no more than 100 years'],
  InvalidStorageClass: [400, 'The storage class you specified is not valid'],
  InvalidTag: [400, 'The tag provided was not a valid tag.'],
  InvalidToken: [400, 'The provided token is malformed or otherwise invalid.'],
  InvalidURI: [400, "Couldn't parse the specified URI."],
  'KMS.NotFoundException': [400, 'The key does not exist'],
  KeyTooLongError: [400, 'Your key is too long'],
  MalformedACLError: [400, 'The XML you provided was not well-formed or did not validate against our published schema'],
  MalformedPOSTRequest: [400, 'The body of your POST request is not well-formed multipart/form-data.'],
  MalformedPolicy: [400, 'This policy contains invalid Json'],
  MalformedTrailerError: [
    400,
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  ],
  MalformedXML: [400, 'The XML you provided was not well-formed or did not validate against our published schema'],
  MaxPostPreDataLengthExceededError: [400, 'Your POST request fields preceding the upload file were too large.'],
  MaxMessageLengthExceeded: [400, 'Your request was too big.'],
  MetadataTooLarge: [400, 'Your metadata headers exceed the maximum allowed metadata size'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  MissingRequestBodyError: [400, 'Request Body is empty'],
  MissingSecurityHeader: [400, 'Your request was missing a required header'],
  NoSuchBucket: [404, 'The specified bucket does not exist'],
  NoSuchBucketPolicy: [404, 'The bucket policy does not exist'],
  NoSuchCORSConfiguration: [404, 'The CORS configuration does not exist'],
  NoSuchConfiguration: [404, 'The specified configuration does not exist.'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchLifecycleConfiguration: [404, 'The lifecycle configuration does not exist'],
  NoSuchObjectLockConfiguration: [404, 'The specified object does not have a ObjectLock configuration'],
  NoSuchPublicAccessBlockConfiguration: [404, 'The public access block configuration was not found'],
  NoSuchTagSet: [404, 'The TagSet does not exist'],
  NoSuchUpload: [
    404,
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  ],
  NoSuchVersion: [404, 'The specified version does not exist.'],
  NoSuchWebsiteConfiguration: [404, 'The specified bucket does not have a website configuration'],
  NotImplemented: [501, 'A header you provided implies functionality that is not implemented'],
  NotModified: [304, 'Not Modified'],
  ObjectLockConfigurationNotFoundError: [404, 'Object Lock configuration does not exist for this bucket'],
  OwnershipControlsNotFoundError: [404, 'The bucket ownership controls were not found'],
  PreconditionFailed: [412, 'At least one of the pre-conditions you specified did not hold'],
  ReplicationConfigurationNotFoundError: [404, 'The replication configuration was not found'],
  RequestTimeout: [
    400,
    'Your socket connection to the server was not read from or written to within the timeout period.',
  ],
  RequestTimeTooSkewed: [403, 'The difference between the request time and the current time is too large.'],
  ServerSideEncryptionConfigurationNotFoundError: [404, 'The server side encryption configuration was not found'],
  ServiceUnavailable: [503, 'Service is unable to handle request.'],
  SignatureDoesNotMatch: [
    403,
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  ],
  SlowDown: [503, 'Please reduce your request rate.'],
  TooManyBuckets: [400, 'You have attempted to create more buckets than allowed'],
  UnexpectedContent: [400, 'This request does not support content'],
  UnresolvableGrantByEmailAddress: [400, 'The e-mail address you provided does not match any account on record.'],
  XAmzContentSHA256Mismatch: [400, "The provided 'x-amz-content-sha256' header does not match what was computed."],
} as const satisfies Readonly<Record<string, readonly [status: number, message: string]>>;

export type S3Code = keyof typeof CODES;

/** Faults of others by the S3 code that stands for them, where it is not the same word. */
const ALIASES: Readonly<Record<string, S3Code>> = {
  [storeFaults.noSuchAccount]: 'NoSuchBucket',
  [storeFaults.accountDeleted]: 'AccountProblem',
  [storeFaults.noSuchContainer]: 'NoSuchBucket',
  [storeFaults.noSuchObject]: 'NoSuchKey',
  [storeFaults.isDeleteMarker]: 'MethodNotAllowed',
  [storeFaults.containerNotEmpty]: 'BucketNotEmpty',
  [storeFaults.bucketTaken]: 'BucketAlreadyExists',
  [storeFaults.containerExists]: 'BucketAlreadyOwnedByYou',
  [storeFaults.policyMismatch]: 'InvalidLocationConstraint',
  [storeFaults.conditionalConflict]: 'ConditionalRequestConflict',
  [storeFaults.bodyTooLarge]: 'EntityTooLarge',
  [storeFaults.quotaExceeded]: 'QuotaExceeded',
  [storeFaults.lengthRequired]: 'MissingContentLength',
  [storeFaults.partTooSmall]: 'EntityTooSmall',
  [storeFaults.invalidName]: 'InvalidArgument',
  [storeFaults.tooMuchMetadata]: 'MetadataTooLarge',
  [storeFaults.brokenManifest]: 'InternalError',
  [storeFaults.tooManyLinks]: 'InternalError',
  [storeFaults.linkChanged]: 'InternalError',
  [storeFaults.quorumUnavailable]: 'ServiceUnavailable',
  [storeFaults.dataLost]: 'InternalError',
  [fabricFaults.unreachable]: 'ServiceUnavailable',
  [fabricFaults.deadline]: 'ServiceUnavailable',
  [fabricFaults.overloaded]: 'SlowDown',
  [fabricFaults.aborted]: 'RequestTimeout',
};

/** Without a message the code's own is used; `xml` are further fields of the answer. */
export function s3Fault(code: S3Code, message = '', xml?: ErrorFields): Fault {
  return new Fault(code, xml === undefined ? {} : { xml }, message);
}

export interface ErrorAnswer {
  readonly code: S3Code;
  readonly status: number;
  readonly message: string;
  readonly fields: ErrorFields;
}

const NO_FIELDS: ErrorFields = {};

/** What a thrown value means to a client. Anything that is not a known Fault is an internal error. */
export function answerFor(error: unknown): ErrorAnswer {
  if (!isFault(error)) return { code: 'InternalError', status: 500, message: INTERNAL, fields: NO_FIELDS };
  const alias = Object.hasOwn(ALIASES, error.code) ? ALIASES[error.code] : undefined;
  const known = Object.hasOwn(CODES, error.code);
  const code: S3Code = alias ?? (known ? (error.code as S3Code) : 'InternalError');
  const [status, message] = CODES[code];
  const fields = (error.details['xml'] as ErrorFields | undefined) ?? NO_FIELDS;
  // A Fault without a message of its own repeats its code, or is the internal word of another service.
  const own = error.message !== '' && error.message !== error.code && alias === undefined && known;
  return { code, status, message: own ? error.message : message, fields };
}

/** The answer's body. `resource` is a byte string of the URL and is written as its ASCII self. */
export function errorXml(answer: ErrorAnswer, ids: { resource: string; requestId: string; hostId: string }): string {
  let fields = '';
  for (const [name, value] of Object.entries(answer.fields)) fields += xmlElement(name, value);
  const resource = xmlElement('Resource', ids.resource);
  const end = xmlElement('RequestId', ids.requestId) + xmlElement('HostId', ids.hostId);
  return `${XML_DECLARATION}<Error>${xmlElement('Code', answer.code)}${xmlElement('Message', answer.message)}${fields}${resource}${end}</Error>`;
}
