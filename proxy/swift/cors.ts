/**
 * Cross-origin requests, as the metadata of a container allows them: preflights are answered, and what is answered to an
 * allowed origin says so. Browsers decide by it; it gives nobody a right.
 * https://docs.openstack.org/swift/latest/cors.html
 */
import type { Metadata } from '../../account-container/contract.ts';
import type { SwiftCall } from './call.ts';
import { emptyResponse, type SwiftResponse } from './response.ts';

const ALLOW_ORIGIN = 'x-container-meta-access-control-allow-origin';
const MAX_AGE = 'x-container-meta-access-control-max-age';
const EXPOSE_HEADERS = 'x-container-meta-access-control-expose-headers';
/** Shown to scripts of every allowed origin. */
const EXPOSED = [
  'cache-control',
  'content-language',
  'content-type',
  'expires',
  'last-modified',
  'pragma',
  'etag',
  'x-timestamp',
  'x-trans-id',
  'x-openstack-request-id',
];
const EXPOSED_STARTS = ['x-container-', 'x-object-', 'x-static-large-object'];

/** OPTIONS: what may be done here; to a preflight also by whom. 401 for an origin or a method that is not allowed. */
export async function answerOptions(call: SwiftCall, methods: string): Promise<SwiftResponse> {
  const answer = emptyResponse(200, ['Allow', methods]);
  const origin = call.header('origin');
  if (!origin || call.container === '') return answer;
  const metadata = await metadataOf(call);
  const allowed = allowedOrigin(metadata, origin);
  const method = call.header('access-control-request-method');
  if (allowed === undefined || method === undefined || !methods.split(', ').includes(method)) {
    return emptyResponse(401, ['Allow', methods]);
  }
  const { headers } = answer;
  headers.push('Access-Control-Allow-Origin', allowed, 'Access-Control-Allow-Methods', methods);
  const maxAge = metadata[MAX_AGE];
  if (maxAge !== undefined) headers.push('Access-Control-Max-Age', maxAge);
  const asked = listOf(call.header('access-control-request-headers'), ',');
  if (asked.length > 0) headers.push('Access-Control-Allow-Headers', asked.join(', '));
  const vary = [
    ...(allowed === '*' ? [] : ['Origin']),
    ...(asked.length > 0 ? ['Access-Control-Request-Headers'] : []),
  ];
  if (vary.length > 0) headers.push('Vary', vary.join(', '));
  return answer;
}

/** Adds to the answer of a request with an Origin what its browser wants to know. */
export async function pushCors(call: SwiftCall, headers: string[]): Promise<void> {
  const origin = call.header('origin');
  if (!origin || call.container === '' || call.http.method === 'OPTIONS') return;
  const metadata = await metadataOf(call);
  const allowed = allowedOrigin(metadata, origin);
  if (allowed === undefined) return;
  headers.push('Access-Control-Allow-Origin', allowed);
  if (allowed !== '*') addVary(headers, 'Origin');
  const shown = new Set(EXPOSED);
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    if (EXPOSED_STARTS.some((start) => name.startsWith(start))) shown.add(name);
  }
  for (const name of listOf(metadata[EXPOSE_HEADERS], /[\s,]+/)) shown.add(name.toLowerCase());
  headers.push('Access-Control-Expose-Headers', [...shown].join(', '));
}

async function metadataOf(call: SwiftCall): Promise<Metadata> {
  return (await call.world.store.peek(call.containerRef)).container ?? {};
}

/** What to answer to this origin; undefined when it is not allowed. */
function allowedOrigin(metadata: Metadata, origin: string): string | undefined {
  const origins = listOf(metadata[ALLOW_ORIGIN], /\s+/);
  if (origins.includes('*')) return '*';
  return origins.includes(origin) ? origin : undefined;
}

function listOf(text: string | undefined, separator: string | RegExp): string[] {
  return (text ?? '')
    .split(separator)
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function addVary(headers: string[], name: string): void {
  const at = headers.findIndex((header, i) => i % 2 === 0 && header === 'Vary');
  if (at < 0) headers.push('Vary', name);
  else headers[at + 1] = `${headers[at + 1]}, ${name}`;
}
