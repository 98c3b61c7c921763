/**
 * Cross-origin requests of browsers: the configuration of a bucket, the answer to a preflight, and what is added to the
 * answer of a request that says where it comes from. Browsers decide by it; it gives nobody a right, and a preflight is
 * answered whoever asks.
 */
import type { HttpHandler, HttpRequest, HttpResponse } from '../../fabric/http/contract.ts';
import type { ProxyWorld } from '../contract.ts';
import { ANONYMOUS } from '../object/contract.ts';
import { type Address, readAddress } from './address.ts';
import { emptyAnswer, resolve, type S3Call, xmlAnswer } from './call.ts';
import {
  type CorsRule,
  type CrossOrigin,
  corsHeaders,
  corsXml,
  METHODS,
  readCorsRules,
  ruleFor,
} from './cors-rules.ts';
import { s3Fault } from './errors.ts';
import { websiteBucket } from './website-serve.ts';
import { readXml } from './xml-body.ts';

const DOCUMENT_BYTES_MAX = 64 * 1024;
const DOCUMENT_ELEMENTS_MAX = 5000;
const VARY = ['Vary', 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method'];
const NOT_ALLOWED =
  "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";

export async function getCors(call: S3Call): Promise<HttpResponse> {
  const { s3 } = await call.world.store.headContainer(call.context, await resolve(call));
  const rules = rulesOf(s3);
  if (rules === undefined) throw s3Fault('NoSuchCORSConfiguration', '', { BucketName: call.bucket });
  return xmlAnswer(call, 'CORSConfiguration', corsXml(rules));
}

export async function putCors(call: S3Call): Promise<HttpResponse> {
  const root = await readXml(call, { bytesMax: DOCUMENT_BYTES_MAX, elementsMax: DOCUMENT_ELEMENTS_MAX });
  const cors = readCorsRules(root);
  await call.world.store.updateContainer(call.context, await resolve(call), { s3: { cors } });
  return emptyAnswer(call, 200);
}

export async function deleteCors(call: S3Call): Promise<HttpResponse> {
  const ref = await resolve(call);
  const { s3 } = await call.world.store.headContainer(call.context, ref);
  if (s3['cors']) await call.world.store.updateContainer(call.context, ref, { s3: { cors: null } });
  return emptyAnswer(call, 204);
}

const rulesOf = (s3: Readonly<Record<string, unknown>> | undefined): readonly CorsRule[] | undefined =>
  (s3?.['cors'] as readonly CorsRule[] | null | undefined) ?? undefined;

/** What OPTIONS is answered, whoever asks. Faults BadRequest, AccessForbidden. */
export async function answerPreflight(
  world: ProxyWorld,
  request: HttpRequest,
  { bucket, key }: Address,
): Promise<HttpResponse> {
  const origin = request.headers.get('origin');
  const method = request.headers.get('access-control-request-method');
  if (!origin) throw s3Fault('BadRequest', 'Insufficient information. Origin request header needed.');
  if (method === undefined || !METHODS.includes(method)) {
    throw s3Fault('BadRequest', `Invalid Access-Control-Request-Method: ${method ?? 'null'}`);
  }
  const fields = { Method: method, ResourceType: key === '' ? 'BUCKET' : 'OBJECT' };
  const rules = await findRules(world, bucket);
  if (rules === undefined) throw s3Fault('AccessForbidden', '', fields);
  const asked = { origin, method, headers: readNames(request.headers.get('access-control-request-headers')) };
  const rule = ruleFor(rules, asked);
  if (rule === undefined) throw s3Fault('AccessForbidden', NOT_ALLOWED, fields);
  return { status: 200, headers: [...corsHeaders(rule, asked), ...VARY] };
}

/** Names of headers, lower-case. Blanks around commas are allowed. */
function readNames(text: string | undefined): readonly string[] {
  return (text ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** Undefined for a bucket without any, and for none at all. */
async function findRules(world: ProxyWorld, bucket: string): Promise<readonly CorsRule[] | undefined> {
  if (bucket === '') return undefined;
  try {
    const ref = await world.store.resolveBucket({ transId: '', caller: ANONYMOUS }, bucket);
    return rulesOf((await world.store.peek(ref)).s3);
  } catch {
    // Whatever is wrong with the bucket, the request itself will tell.
    return undefined;
  }
}

/** Answers as `answer` does; where the request comes from another origin, with what its browser wants to know. */
export function withCors(world: ProxyWorld, answer: HttpHandler): HttpHandler {
  return (request) => {
    const origin = request.headers.get('origin');
    return origin && request.method !== 'OPTIONS' ? answerAcross(world, answer, request, origin) : answer(request);
  };
}

async function answerAcross(
  world: ProxyWorld,
  answer: HttpHandler,
  request: HttpRequest,
  origin: string,
): Promise<HttpResponse> {
  const response = await answer(request);
  const rules = await findRules(world, bucketOf(world, request));
  if (rules === undefined) return response;
  const method = request.headers.get('access-control-request-method') ?? request.method;
  const asked: CrossOrigin = { origin, method, headers: [] };
  const rule = ruleFor(rules, asked);
  const more = rule === undefined ? VARY : [...corsHeaders(rule, asked), ...VARY];
  return { ...response, headers: [...response.headers, ...more] };
}

function bucketOf(world: ProxyWorld, request: HttpRequest): string {
  try {
    const site = websiteBucket(request.headers.get('host'), world.s3Domains);
    return site ?? readAddress(request, world.s3Domains).bucket;
  } catch {
    return '';
  }
}
