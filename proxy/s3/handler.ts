/**
 * The S3 API as one HTTP handler. Owns the order of a request: address, signature, operation, answer; and turns whatever
 * is thrown into S3's error document. Decides nothing about objects.
 */
import { isFault } from '../../fabric/errors.ts';
import type { HttpRequest, HttpResponse } from '../../fabric/http/contract.ts';
import { learnKey } from '../auth/learn-key.ts';
import { Sessions } from '../auth/sessions.ts';
import { isSigv2, Sigv2 } from '../auth/sigv2.ts';
import { Sigv4 } from '../auth/sigv4.ts';
import type { CreateHandler, ProxyWorld } from '../contract.ts';
import { formatHttpDate } from '../http-date.ts';
import { answerQuery, isQueryCall } from '../iam/handler.ts';
import type { ObjectInfo } from '../object/contract.ts';
import { type Address, bucketOfHost, readAddress } from './address.ts';
import { lastModifiedMs, type S3Call } from './call.ts';
import { answerPreflight, withCors } from './cors.ts';
import { withDetails, withNames } from './error-fields.ts';
import { answerFor, type ErrorAnswer, errorXml } from './errors.ts';
import { hoistedLines, withHoisted, withLines } from './hoisted.ts';
import { readQuery } from './query.ts';
import { checkHeaders } from './request-headers.ts';
import { isSignedByVersion2, route } from './route.ts';
import { S3Scope } from './scope.ts';
import { serveWebsite, websiteBucket } from './website-serve.ts';

const REQUEST_ID_BYTES = 8;
const RETRY_AFTER_SECONDS = '1';
const NOWHERE: Address = { bucket: '', key: '' };

export const createS3Handler: CreateHandler = (given) => {
  const sessions = new Sessions(given);
  const world = { ...given, users: sessions.users };
  const sigv4 = new Sigv4(world);
  const bucketOf = (request: HttpRequest): string => bucketOfHost(request.headers.get('host') ?? '', world.s3Domains);
  const { users, clock } = world;
  const sigv2 = new Sigv2({ users, clock, bucketOfHost: bucketOf, isSigned: isSignedByVersion2 });
  const hostId = world.random.bytes(24).toString('base64');
  return withCors(world, async (request) => {
    const requestId = world.random.bytes(REQUEST_ID_BYTES).toString('hex').toUpperCase();
    world.trace?.name(requestId);
    let address: Address = NOWHERE;
    try {
      const site = websiteBucket(request.headers.get('host'), world.s3Domains);
      const isPreflight = request.method === 'OPTIONS';
      if (site !== undefined && !isPreflight) {
        return await serveWebsite(world, request, { bucket: site, requestId, hostId });
      }
      address =
        site === undefined ? readAddress(request, world.s3Domains) : { bucket: site, key: request.path.slice(1) };
      if (address.bucket === '' && isQueryCall(request)) {
        return await answerQuery(world, request, { sigv4, sessions, requestId });
      }
      if (isPreflight) return await answerOptions(world, request, { requestId, hostId, address });
      const own = { sigv4, sigv2, requestId, hostId, address };
      let call: S3Call;
      try {
        call = openCall(world, request, own);
      } catch (error) {
        await learnKey(world, error);
        call = openCall(world, request, own);
      }
      const row = route(call);
      call.scope.operation = row.name;
      checkHeaders(call.request, row, call.auth.signedHeaders);
      return await row.run(call);
    } catch (error) {
      return errorAnswer(world, request, { error, requestId, hostId, address });
    }
  });
};

/** No signature: browsers ask on their own, and the URL may be one that was signed for another method. */
async function answerOptions(
  world: ProxyWorld,
  request: HttpRequest,
  { requestId, hostId, address }: { requestId: string; hostId: string; address: Address },
): Promise<HttpResponse> {
  const { status, headers } = await answerPreflight(world, request, address);
  return { status, headers: ['x-amz-request-id', requestId, 'x-amz-id-2', hostId, ...headers] };
}

interface OwnOfCall {
  readonly sigv4: Sigv4;
  readonly sigv2: Sigv2;
  readonly requestId: string;
  readonly hostId: string;
  readonly address: Address;
}

function openCall(world: ProxyWorld, request: HttpRequest, own: OwnOfCall): S3Call {
  const { bucket, key } = own.address;
  const auth = isSigv2(request) ? own.sigv2.authenticate(request) : own.sigv4.authenticate(request);
  const query = readQuery(request.query);
  const scope = new S3Scope(request, query, world.clock);
  const context = {
    transId: own.requestId,
    caller: auth.caller,
    referer: request.headers.get('referer'),
    signal: request.signal,
    scope,
  };
  const headers = ['x-amz-request-id', own.requestId, 'x-amz-id-2', own.hostId];
  const call = { world, request, context, scope, auth, query, bucket, key, headers };
  const hoisted = query.size === 0 ? [] : hoistedLines(request, query);
  if (hoisted.length === 0) return call;
  const signedHeaders = withHoisted(auth.signedHeaders, hoisted);
  scope.request = withLines(request, hoisted);
  return { ...call, request: scope.request, auth: { ...auth, signedHeaders } };
}

interface Failure {
  readonly error: unknown;
  readonly requestId: string;
  readonly hostId: string;
  readonly address: Address;
}

function errorAnswer(world: ProxyWorld, request: HttpRequest, failure: Failure): HttpResponse {
  const { error, requestId, hostId } = failure;
  const told = answerFor(error);
  const detailed = isFault(error) ? withDetails(told, error, request, failure.address.key) : told;
  const answer = withNames(detailed, request, failure.address);
  if (answer.status >= 500) logFailure(world, request, { answer, failure });
  const headers = ['x-amz-request-id', requestId, 'x-amz-id-2', hostId];
  if (answer.status === 503) headers.push('Retry-After', RETRY_AFTER_SECONDS);
  if (tellsRegion(answer, request, failure.address)) headers.push('x-amz-bucket-region', world.region);
  if (answer.code === 'MethodNotAllowed') headers.push('Allow', answer.fields['AllowedMethods'] ?? 'DELETE');
  if (isFault(error)) pushMarker(headers, error.details);
  if (answer.code === 'InvalidRange')
    headers.push('Content-Range', `bytes */${answer.fields['ActualObjectSize'] ?? '*'}`);
  if (request.method === 'HEAD' || answer.status === 304) return { status: answer.status, headers };
  headers.push('Content-Type', 'application/xml');
  return { status: answer.status, headers, body: errorXml(answer, { resource: request.path, requestId, hostId }) };
}

/** SDKs ask for a bucket's region by a HEAD without a name, and read it from the refusal. */
function tellsRegion({ code }: ErrorAnswer, { method }: HttpRequest, { bucket, key }: Address): boolean {
  if (code === 'AuthorizationHeaderMalformed' || code === 'NoSuchBucket') return true;
  return code === 'AccessDenied' && method === 'HEAD' && bucket !== '' && key === '';
}

/** What stands in the object's place is a delete marker. */
function pushMarker(headers: string[], details: Readonly<Record<string, unknown>>): void {
  const { deleteMarker, info } = details as { deleteMarker?: string; info?: ObjectInfo };
  if (deleteMarker === undefined) return;
  headers.push('x-amz-delete-marker', 'true', 'x-amz-version-id', deleteMarker);
  if (info) headers.push('Last-Modified', formatHttpDate(lastModifiedMs(info.stamp)));
}

function logFailure(
  world: ProxyWorld,
  request: HttpRequest,
  { answer, failure }: { answer: ErrorAnswer; failure: Failure },
): void {
  const fields = { err: failure.error, transId: failure.requestId, method: request.method, path: request.path };
  if (isFault(failure.error)) world.log.warn({ ...fields, code: answer.code }, 'S3 request failed');
  else world.log.error(fields, 'S3 request failed unexpectedly');
}
