/** GetObject and HeadObject: ranges, part numbers, conditions, overridden headers and checksums on the way out. */
import { isFault } from '../../fabric/errors.ts';
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { formatHttpDate, parseHttpDate } from '../http-date.ts';
import { contentRange, parseRange } from '../http-range.ts';
import { type ObjectInfo, type OpenObject, storeFaults } from '../object/contract.ts';
import { checkText, pushAttributes } from './attributes.ts';
import { checkVersionId, lastModifiedMs, resolveObject, type S3Call } from './call.ts';
import { partChecksum, pushChecksums } from './checksums.ts';
import { bareEtag, readConditions } from './conditions.ts';
import { isDynamic, openWhole } from './dynamic.ts';
import { pushEncryption, readCustomerKey } from './encryption.ts';
import { s3Fault } from './errors.ts';
import { pushExpiration } from './lifecycle.ts';
import { pushLock } from './lock.ts';
import { readCount } from './query.ts';
import { pushTagCount } from './tags.ts';

const PART_NUMBER_MAX = 10_000;

export async function getObject(call: S3Call): Promise<HttpResponse> {
  const { request, context } = call;
  const overrides = readOverrides(call);
  const conditions = readConditions(request.headers);
  const ref = await resolveObject(call);
  const customerKey = readCustomerKey(call);
  const options = { conditions, customerKey, judgesKey: true };
  try {
    if (request.method === 'HEAD') {
      const info = await call.world.store.headObject(context, ref, options);
      return answer(call, {
        info: isDynamic(info) ? (await openWhole(call, ref.account, info)).info : info,
        overrides,
      });
    }
    const found = await call.world.store.getObject(context, ref, options);
    const open = isDynamic(found.info) ? await openWhole(call, ref.account, found.info) : found;
    return answer(call, { info: open.info, open, overrides });
  } catch (error) {
    if (isFault(error, storeFaults.notModified))
      return notModified(call, error.details['info'] as ObjectInfo | undefined);
    throw error;
  }
}

interface Found {
  readonly info: ObjectInfo;
  /** Absent for HEAD. */
  readonly open?: OpenObject;
  readonly overrides: ReadonlyMap<string, string> | undefined;
}

function answer(call: S3Call, { info, open, overrides }: Found): HttpResponse {
  const { headers, request } = call;
  const slice = chooseSlice(call, info);
  pushAttributes(headers, info, overrides);
  pushTagCount(headers, info);
  pushLock(headers, info);
  pushEncryption(call, info.encryption);
  pushExpiration(headers, info);
  if (slice.partsCount !== undefined) headers.push('x-amz-mp-parts-count', String(slice.partsCount));
  if (request.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED') pushSliceChecksums(call, info, slice);
  if (slice.status === 206) headers.push('Content-Range', contentRange(slice, info.sizeBytes));
  if (open === undefined) return { status: slice.status, headers, lengthBytes: slice.length };
  const body = open.open(slice.offset, slice.length);
  return { status: slice.status, headers, body: body.bytes ?? body, lengthBytes: slice.length };
}

/** Of the whole object, or of the one part that is asked for. */
function pushSliceChecksums({ headers }: S3Call, info: ObjectInfo, slice: Slice): void {
  const part = slice.partNumber === undefined ? undefined : partChecksum(info, slice.partNumber);
  if (part !== undefined)
    headers.push(part.kind.header, part.value, 'x-amz-checksum-type', info.checksumType ?? 'FULL_OBJECT');
  else if (slice.whole) pushChecksums(headers, info);
}

interface Slice {
  readonly status: 200 | 206;
  readonly offset: number;
  readonly length: number;
  readonly whole: boolean;
  readonly partsCount?: number;
  readonly partNumber?: number;
}

function chooseSlice(call: S3Call, info: ObjectInfo): Slice {
  const range = call.request.headers.get('range');
  const everything: Slice = { status: 200, offset: 0, length: info.sizeBytes, whole: true };
  if (call.query.has('partNumber')) {
    if (range !== undefined) {
      throw s3Fault('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter');
    }
    return partSlice(call, info);
  }
  if (range === undefined || !isRangeMeant(call, info)) return everything;
  const outcome = parseRange(range, info.sizeBytes);
  const emptySuffix = outcome === 'whole' && info.sizeBytes === 0 && /^bytes=-\d+$/.test(range);
  if (outcome === 'unsatisfiable' || emptySuffix) {
    throw s3Fault('InvalidRange', '', { RangeRequested: range, ActualObjectSize: String(info.sizeBytes) });
  }
  // S3 serves one range; a request for several gets everything.
  if (outcome === 'whole' || outcome.length !== 1) return everything;
  return { status: 206, offset: outcome[0]!.offset, length: outcome[0]!.length, whole: false };
}

/** If-Range (RFC 9110 §13.1.5): without a match the whole object is meant. */
function isRangeMeant(call: S3Call, info: ObjectInfo): boolean {
  const ifRange = call.request.headers.get('if-range');
  if (ifRange === undefined) return true;
  const dateMs = parseHttpDate(ifRange);
  return dateMs === undefined ? bareEtag(ifRange) === info.etag : lastModifiedMs(info.stamp) === dateMs;
}

/** An object that was not uploaded in parts is its own part 1. */
function partSlice(call: S3Call, info: ObjectInfo): Slice {
  const number = readCount(call.query, 'partNumber', { min: 1, max: PART_NUMBER_MAX, absent: 1 });
  const sizes = info.partSizes ?? [info.sizeBytes];
  const length = sizes[number - 1];
  if (length === undefined) {
    const fields = { ActualPartCount: String(sizes.length), PartNumberRequested: String(number) };
    throw s3Fault('InvalidPartNumber', '', fields);
  }
  let offset = 0;
  for (let i = 0; i < number - 1; i++) offset += sizes[i]!;
  const whole = length === info.sizeBytes;
  const status = length === 0 ? 200 : 206;
  if (info.partSizes === undefined) return { status, offset, length, whole };
  return { status, offset, length, whole, partsCount: sizes.length, partNumber: number };
}

const OVERRIDES = [
  'content-type',
  'content-language',
  'expires',
  'cache-control',
  'content-disposition',
  'content-encoding',
] as const;

/** response-content-type and its like: a signed request only, so that nobody can bend a public object's headers. */
function readOverrides(call: S3Call): ReadonlyMap<string, string> | undefined {
  if (call.query.size === 0) return undefined;
  checkVersionId(call.query.get('versionId'));
  for (const name of call.query.keys()) if (name.startsWith('response-')) checkOverride(call, name);
  let overrides: Map<string, string> | undefined;
  for (const name of OVERRIDES) {
    const value = call.query.get(`response-${name}`);
    if (value === undefined) continue;
    if (call.auth.user === undefined) {
      throw s3Fault('InvalidRequest', 'Request specific response headers cannot be used for anonymous GET requests.');
    }
    checkText(`response-${name}`, value);
    overrides ??= new Map();
    overrides.set(name, Buffer.from(value, 'utf8').toString('latin1'));
  }
  return overrides;
}

function checkOverride({ query }: S3Call, parameter: string): void {
  const name = parameter.slice('response-'.length);
  if (OVERRIDES.some((each) => each === name)) return;
  const message = `${parameter} is not in the set of overridable response headers. Please refer to the S3 API documentation for a complete list of overridable response headers.`;
  throw s3Fault('InvalidArgument', message, { ArgumentName: parameter, ArgumentValue: query.get(parameter) ?? '' });
}

function notModified(call: S3Call, info: ObjectInfo | undefined): HttpResponse {
  const headers = call.headers;
  if (info !== undefined) {
    headers.push('ETag', `"${info.etag}"`, 'Last-Modified', formatHttpDate(lastModifiedMs(info.stamp)));
    const cacheControl = info.headers['cache-control'];
    if (cacheControl !== undefined) headers.push('Cache-Control', cacheControl);
    const expires = info.headers['expires'];
    if (expires !== undefined) headers.push('Expires', expires);
  }
  return { status: 304, headers };
}
