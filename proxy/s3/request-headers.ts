/**
 * Every request header that S3 knows, and what becomes of it: taken, or refused with a code. Checked once for each request,
 * before its operation runs, so that no header which promises something is accepted and ignored. docs/api-s3.md is
 * written from these tables.
 */
import type { HttpRequest } from '../../fabric/http/contract.ts';
import { unprovenHeader } from '../../fabric/http/unproven.ts';
import { parseHttpDate } from '../http-date.ts';
import { type S3Code, s3Fault } from './errors.ts';
import type { HeaderUse } from './header-use.ts';

export interface HeaderRule {
  /** Lower-case; with `*` at the end a whole family. */
  readonly name: string;
  /** Absent: taken, whatever the value; the operation checks it further. */
  readonly refusal?: S3Code;
  /** Values taken in spite of `refusal`. */
  readonly takes?: readonly string[];
  /** For the document. */
  readonly note: string;
}

const NONE = 'nothing of the kind exists here';
const ACL_GRANTS: ReadonlySet<string> = new Set(
  ['read', 'write', 'read-acp', 'write-acp', 'full-control'].map((permission) => `x-amz-grant-${permission}`),
);

export const AMZ_HEADERS: readonly HeaderRule[] = [
  {
    name: 'x-amz-acl',
    refusal: 'AccessControlListNotSupported',
    takes: ['private', 'bucket-owner-full-control'],
    note: 'CreateBucket, PutBucketAcl, PutObject, PutObjectAcl, CopyObject, CreateMultipartUpload: `private`, `public-read`, `public-read-write`, `authenticated-read`, `bucket-owner-read`, `bucket-owner-full-control`, where the bucket has ACLs',
  },
  {
    name: 'x-amz-bucket-object-lock-enabled',
    refusal: 'NotImplemented',
    takes: ['false', 'False'],
    note: 'CreateBucket: turns on versioning and object lock',
  },
  { name: 'x-amz-bucket-object-lock-token', note: 'no effect: none is needed' },
  {
    name: 'x-amz-bypass-governance-retention',
    refusal: 'NotImplemented',
    takes: ['false', 'False'],
    note: 'DeleteObject, DeleteObjects, PutObjectRetention: for who has s3:BypassGovernanceRetention',
  },
  {
    name: 'x-amz-checksum-algorithm',
    note: 'CreateMultipartUpload, CopyObject: CRC32, CRC32C, CRC64NVME, SHA1, SHA256',
  },
  {
    name: 'x-amz-checksum-crc32',
    note: 'of the body, or of the whole object in CompleteMultipartUpload; compared and stored',
  },
  { name: 'x-amz-checksum-crc32c', note: 'the same' },
  { name: 'x-amz-checksum-crc64nvme', note: 'the same' },
  {
    name: 'x-amz-checksum-mode',
    refusal: 'InvalidArgument',
    takes: ['ENABLED', 'enabled'],
    note: 'GetObject, HeadObject: answers the stored checksums',
  },
  { name: 'x-amz-checksum-sha1', note: 'the same' },
  { name: 'x-amz-checksum-sha256', note: 'the same' },
  { name: 'x-amz-checksum-type', note: 'CreateMultipartUpload, CompleteMultipartUpload: COMPOSITE, FULL_OBJECT' },
  {
    name: 'x-amz-content-sha256',
    note: 'hash of the body, UNSIGNED-PAYLOAD, or a STREAMING- constant (ECDSA: NotImplemented)',
  },
  { name: 'x-amz-copy-source', note: 'CopyObject, UploadPartCopy; `?versionId=`' },
  { name: 'x-amz-copy-source-if-match', note: 'CopyObject, UploadPartCopy' },
  { name: 'x-amz-copy-source-if-modified-since', note: 'CopyObject, UploadPartCopy' },
  { name: 'x-amz-copy-source-if-none-match', note: 'CopyObject, UploadPartCopy' },
  { name: 'x-amz-copy-source-if-unmodified-since', note: 'CopyObject, UploadPartCopy' },
  { name: 'x-amz-copy-source-range', note: 'UploadPartCopy' },
  {
    name: 'x-amz-copy-source-server-side-encryption-customer-algorithm',
    refusal: 'InvalidArgument',
    note: 'CopyObject, UploadPartCopy: `AES256`',
  },
  {
    name: 'x-amz-copy-source-server-side-encryption-customer-key',
    refusal: 'InvalidArgument',
    note: 'the same: 32 bytes in base64',
  },
  {
    name: 'x-amz-copy-source-server-side-encryption-customer-key-md5',
    refusal: 'InvalidArgument',
    note: 'the same; compared',
  },
  { name: 'x-amz-date', note: 'time of the signature' },
  { name: 'x-amz-decoded-content-length', note: 'with a STREAMING- body' },
  { name: 'x-amz-expected-bucket-owner', note: 'account with or without `AUTH_`; AccessDenied when it is another one' },
  { name: 'x-amz-confirm-remove-self-bucket-access', note: 'no effect: the owner of an account is never locked out' },
  {
    name: 'x-amz-grant-*',
    refusal: 'AccessControlListNotSupported',
    note: 'where x-amz-acl is taken: `id=`, `uri=` lists for read, write, read-acp, write-acp, full-control',
  },
  { name: 'x-amz-if-match-last-modified-time', refusal: 'NotImplemented', note: 'directory buckets' },
  { name: 'x-amz-if-match-size', refusal: 'NotImplemented', note: 'directory buckets' },
  { name: 'x-amz-max-parts', refusal: 'NotImplemented', note: 'GetObjectAttributes' },
  { name: 'x-amz-meta-*', note: 'stored by PutObject, CopyObject with REPLACE, CreateMultipartUpload; 2 KiB in all' },
  { name: 'x-amz-metadata-directive', note: 'CopyObject: COPY, REPLACE' },
  { name: 'x-amz-mfa', refusal: 'NotImplemented', note: NONE },
  { name: 'x-amz-mp-object-size', note: 'CompleteMultipartUpload' },
  {
    name: 'x-amz-object-attributes',
    refusal: 'NotImplemented',
    note: 'GetObjectAttributes: ETag, Checksum, ObjectParts, StorageClass, ObjectSize',
  },
  { name: 'x-amz-part-number-marker', refusal: 'NotImplemented', note: 'GetObjectAttributes' },
  {
    name: 'x-amz-object-lock-legal-hold',
    refusal: 'NotImplemented',
    note: 'PutObject, CopyObject, CreateMultipartUpload: `ON`, `OFF`; answered by GetObject and HeadObject',
  },
  { name: 'x-amz-object-lock-mode', refusal: 'NotImplemented', note: 'the same: `GOVERNANCE`, `COMPLIANCE`' },
  { name: 'x-amz-object-lock-retain-until-date', refusal: 'NotImplemented', note: 'the same: ISO 8601, in the future' },
  {
    name: 'x-amz-object-ownership',
    refusal: 'InvalidArgument',
    takes: ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'],
    note: 'CreateBucket',
  },
  {
    name: 'x-amz-optional-object-attributes',
    refusal: 'NotImplemented',
    takes: ['RestoreStatus'],
    note: 'nothing is ever archived: no object has one',
  },
  {
    name: 'x-amz-request-payer',
    refusal: 'InvalidArgument',
    takes: ['requester'],
    note: 'no bucket makes the requester pay',
  },
  { name: 'x-amz-sdk-checksum-algorithm', note: 'must name the checksum that comes along' },
  { name: 'x-amz-security-token', note: 'of temporary keys (STS); in a presigned URL and in a form, too' },
  {
    name: 'x-amz-server-side-encryption',
    refusal: 'InvalidArgument',
    note: 'PutObject, CopyObject, CreateMultipartUpload: `AES256`, `aws:kms`; answered where it was used',
  },
  { name: 'x-amz-server-side-encryption-aws-kms-key-id', refusal: 'InvalidArgument', note: 'the same, with `aws:kms`' },
  {
    name: 'x-amz-server-side-encryption-bucket-key-enabled',
    refusal: 'InvalidArgument',
    note: 'the same; kept and answered, no effect: a key manager is asked for each object',
  },
  { name: 'x-amz-server-side-encryption-context', refusal: 'InvalidArgument', note: 'the same' },
  {
    name: 'x-amz-server-side-encryption-customer-algorithm',
    refusal: 'InvalidArgument',
    note: 'GetObject, HeadObject, PutObject, CopyObject, CreateMultipartUpload, UploadPart: `AES256`; over TLS, or from the same machine',
  },
  {
    name: 'x-amz-server-side-encryption-customer-key',
    refusal: 'InvalidArgument',
    note: 'the same: 32 bytes in base64',
  },
  { name: 'x-amz-server-side-encryption-customer-key-md5', refusal: 'InvalidArgument', note: 'the same; compared' },
  { name: 'x-amz-server-side-encryption*', refusal: 'NotImplemented', note: 'every other one' },
  {
    name: 'x-amz-skip-destination-validation',
    note: 'PutBucketNotificationConfiguration: no effect, a destination must be configured, and none is sent a test',
  },
  { name: 'x-amz-source-expected-bucket-owner', note: 'CopyObject, UploadPartCopy' },
  {
    name: 'x-amz-storage-class',
    refusal: 'InvalidStorageClass',
    takes: ['STANDARD', 'REDUCED_REDUNDANCY', 'STANDARD_IA', 'ONEZONE_IA', 'INTELLIGENT_TIERING', 'GLACIER_IR'],
    note: 'kept and shown; all of them are stored alike, and read at once. Those to be restored first are refused',
  },
  {
    name: 'x-amz-tagging',
    refusal: 'NotImplemented',
    takes: [''],
    note: 'PutObject, CopyObject with x-amz-tagging-directive REPLACE, CreateMultipartUpload: up to 10 tags',
  },
  { name: 'x-amz-tagging-directive', note: 'CopyObject: COPY, REPLACE' },
  { name: 'x-amz-te', note: 'no effect: the answer is never transfer-encoded by S3’s own scheme' },
  { name: 'x-amz-trailer', note: 'checksum headers alone' },
  {
    name: 'x-amz-transition-default-minimum-object-size',
    note: 'PutBucketLifecycleConfiguration: kept and answered, no effect: there are no transitions',
  },
  { name: 'x-amz-user-agent', note: 'no effect' },
  {
    name: 'x-amz-website-redirect-location',
    note: 'stored and answered; a copy has it of its own request alone',
  },
  { name: 'x-amz-write-offset-bytes', refusal: 'NotImplemented', note: 'directory buckets' },
  { name: 'x-amz-*', refusal: 'NotImplemented', note: 'every other one' },
];

/** Stored with the object; free text. */
export const STORED = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
] as const;
export const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const;
const STORED_SET: ReadonlySet<string> = new Set(STORED);
const CONDITION_SET: ReadonlySet<string> = new Set(CONDITIONS);
const RANGE_SET: ReadonlySet<string> = new Set(['range', 'if-range']);
/** Only their first line would count. */
const SINGLE: ReadonlySet<string> = new Set([
  ...STORED,
  ...CONDITIONS,
  'range',
  'if-range',
  'content-md5',
  'authorization',
]);
/** Values that prove themselves: against the body, the signature or a list of words; or that nothing obeys. */
const SELF_PROVEN: ReadonlySet<string> = new Set([
  'x-amz-checksum-mode',
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-request-payer',
  'x-amz-te',
  'x-amz-user-agent',
]);

/** Words of closed lists, numbers and base64: no client writes other than ASCII there, signed or not. */
const ASCII_AMZ: ReadonlySet<string> = new Set([
  'x-amz-acl',
  'x-amz-checksum-algorithm',
  'x-amz-checksum-type',
  'x-amz-decoded-content-length',
  'x-amz-sdk-checksum-algorithm',
  'x-amz-server-side-encryption',
  'x-amz-storage-class',
  'x-amz-trailer',
]);
const ASCII_WORD = /^[\x21-\x7e]+$/;

const EXACT: ReadonlyMap<string, HeaderRule> = new Map(
  AMZ_HEADERS.filter(({ name }) => !name.endsWith('*')).map((rule) => [rule.name, rule]),
);
/** The longer ones come first; the last takes everything. */
const FAMILIES = AMZ_HEADERS.filter(({ name }) => name.endsWith('*')).map((rule) => ({
  prefix: rule.name.slice(0, -1),
  rule,
}));

/** Throws what the first header that cannot be honoured deserves. `covered`: names under the verified signature. */
export function checkHeaders(request: HttpRequest, use: HeaderUse, covered: ReadonlySet<string>): void {
  const lines = request.headerLines();
  for (let i = 0; i < lines.length; i += 2) {
    if (lines[i]!.startsWith('x-amz-')) checkAmz(lines[i]!, lines[i + 1]!, use);
  }
  if (lines.length !== request.headers.size * 2) checkSingle(lines);
  if (request.method !== 'GET' && request.method !== 'HEAD') checkWriteHeaders(request, use);
  if (request.altersHeaders === true) checkProven(request, use, covered);
}

function checkAmz(name: string, value: string, use: HeaderUse): void {
  const rule = EXACT.get(name) ?? FAMILIES.find(({ prefix }) => name.startsWith(prefix))?.rule;
  if (rule?.refusal === undefined || rule.takes?.includes(value)) return;
  if (use.acl === true && (name === 'x-amz-acl' || ACL_GRANTS.has(name))) return;
  if (use.obeys?.includes(rule.name)) return;
  switch (rule.refusal) {
    case 'NotImplemented':
      throw s3Fault('NotImplemented', '', { Header: name });
    case 'InvalidStorageClass':
      throw s3Fault('InvalidStorageClass', '', { StorageClassRequested: value });
    case 'InvalidArgument':
      throw s3Fault('InvalidArgument', `Invalid value for ${name}`, { ArgumentName: name, ArgumentValue: value });
    case 'AccessControlListNotSupported':
      throw s3Fault(rule.refusal, 'This operation does not take an ACL');
    default:
      throw s3Fault(rule.refusal);
  }
}

function checkSingle(lines: readonly string[]): void {
  const seen = new Set<string>();
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i]!;
    if (seen.has(name) && SINGLE.has(name)) {
      throw s3Fault('InvalidArgument', 'A header is given more than once', { ArgumentName: name });
    }
    seen.add(name);
  }
}

/** A condition on a write must never be dropped. */
function checkWriteHeaders(request: HttpRequest, use: HeaderUse): void {
  for (const name of CONDITIONS) {
    const isTaken = use.conditions === 'write' && (name === 'if-match' || name === 'if-none-match');
    if (!isTaken && request.headers.has(name)) throw s3Fault('NotImplemented', '', { Header: name });
  }
  if (request.headers.has('content-range')) throw s3Fault('NotImplemented', '', { Header: 'content-range' });
}

/**
 * On a listener that may have cut bytes off the ends of values: what would be stored or decide over a write is under the
 * signature, or refused. Where the grammar is ASCII alone, being well-formed is enough: what came in can only be the cut
 * form of a header that no client sends. That is so for ranges and conditions of reads, and for the stored headers that
 * SDKs leave unsigned (minio-go Content-Type in streamed uploads, the JavaScript SDK Cache-Control and, in presigned
 * URLs, Content-Type; all of them checksums, where nobody signs). Content-Disposition carries names of files, in
 * whatever bytes.
 */
function checkProven(request: HttpRequest, use: HeaderUse, covered: ReadonlySet<string>): void {
  const name = unprovenHeader(request, covered, (header) => {
    if (header.startsWith('x-amz-')) return !SELF_PROVEN.has(header) && !isAsciiAmz(header, request);
    if (STORED_SET.has(header)) return use.stores === true && !isWellFormed(header, request.headers.get(header) ?? '');
    const isObeyed =
      (use.conditions !== undefined && CONDITION_SET.has(header)) || (use.ranges === true && RANGE_SET.has(header));
    if (!isObeyed) return false;
    return use.conditions === 'write' || !isWellFormed(header, request.headers.get(header) ?? '');
  });
  if (name === undefined) return;
  const message =
    'No signature covers this header, and this port cannot tell whether it arrived as it was sent. Sign it, or use the port that serves every API.';
  throw s3Fault('InvalidArgument', message, { ArgumentName: name });
}

/** What SDKs send along without a signature, where anybody may write. */
function isAsciiAmz(header: string, { headers }: HttpRequest): boolean {
  const isOfList = ASCII_AMZ.has(header) || header.startsWith('x-amz-checksum-');
  return isOfList && ASCII_WORD.test(headers.get(header) ?? '');
}

const ETAG = /^(?:\*|(?:W\/)?"[\x21\x23-\x7e]*"(?:\s*,\s*(?:W\/)?"[\x21\x23-\x7e]*")*|[0-9a-fA-F]{32}(?:-\d+)?)$/;

/** RFC 9110 §8.3, §8.4, §8.5 and RFC 9111 §5.2, without the bytes ≥ 0x80 that old text allows between quotes. */
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const WORD = `(?:${TOKEN}|"(?:[\\t !#-\\[\\]-~]|\\\\[\\t -~])*")`;
const listOf = (item: string): RegExp => new RegExp(`^${item}(?:[ \\t]*,[ \\t]*${item})*$`);
const STORED_GRAMMAR: Readonly<Record<string, RegExp>> = {
  'cache-control': listOf(`${TOKEN}(?:=${WORD})?`),
  'content-encoding': listOf(TOKEN),
  'content-language': listOf('[A-Za-z0-9-]+'),
  'content-type': new RegExp(`^${TOKEN}/${TOKEN}(?:[ \\t]*;[ \\t]*${TOKEN}=${WORD})*$`),
};

function isWellFormed(name: string, value: string): boolean {
  const isDate = parseHttpDate(value) !== undefined;
  if (name === 'expires') return isDate;
  if (STORED_SET.has(name)) return STORED_GRAMMAR[name]?.test(value) === true;
  if (name === 'range') return /^bytes=[0-9, -]*[0-9-]$/.test(value);
  if (name.endsWith('-since')) return isDate;
  return ETAG.test(value) || (name === 'if-range' && isDate);
}
