/** Answers and faults turned into HTTP responses: status, JSON, request ids, versions. The one place that knows these headers. */
import { Fault, fabricFaults } from '../../fabric/errors.ts';
import { type HttpResponse, httpFaults } from '../../fabric/http/contract.ts';
import type { ServiceCall } from './call.ts';
import { apiFaults, COMMON_FAULTS, type FaultRow, type FaultStyle, renderFault } from './faults.ts';
import { NO_VERSION } from './microversion.ts';
import type { Answer, ServiceOptions } from './types.ts';

const VERSION_HEADER = 'OpenStack-API-Version';
const RETRY_SECONDS = 1;

const UNEXPECTED: Readonly<Record<FaultStyle, string>> = {
  keystone: 'An unexpected error prevented the server from fulfilling your request.',
  cinder: 'The server has either erred or is incapable of performing the requested operation.',
  nova: 'Unexpected API Error. Please report this with the request id.',
  neutron: 'Request Failed: internal server error while processing your request.',
  glance: 'The server has either erred or is incapable of performing the requested operation.',
};

export function respond(call: ServiceCall, answer: Answer, options: ServiceOptions): HttpResponse {
  const { body, raw, headers = [] } = answer;
  const content = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const status = answer.status ?? call.route?.status ?? (content === undefined ? 204 : 200);
  const type = content === undefined || raw !== undefined ? [] : ['Content-Type', 'application/json'];
  const all = [...type, ...commonHeaders(call, options), ...headers];
  if (call.request.method !== 'HEAD') return { status, headers: all, body: content };
  return { status, headers: all, lengthBytes: content === undefined ? 0 : Buffer.byteLength(content) };
}

export interface Refusal {
  readonly response: HttpResponse;
  readonly code: string;
  /** A 500: to be told. */
  readonly isUnexpected: boolean;
}

export function refuse(call: ServiceCall, error: unknown, options: ServiceOptions): Refusal {
  const fault = asFault(error);
  const row = options.faults?.[fault.code] ?? COMMON_FAULTS[fault.code];
  const isUnexpected = row === undefined;
  const status = row?.status ?? 500;
  const message = row ? messageOf(fault, row) : UNEXPECTED[options.style];
  const retryAfterSeconds = retryAfter(status, fault, options);
  const body = renderFault(options.style, { code: fault.code, status, message, type: row?.type, retryAfterSeconds });
  const headers = ['Content-Type', 'application/json', ...commonHeaders(call, options)];
  const identityUrl = options.style === 'keystone' ? call.url('/v3') : options.identityUrl;
  if (status === 401 && identityUrl !== undefined) headers.push('WWW-Authenticate', `Keystone uri="${identityUrl}"`);
  if (status === 405 && Array.isArray(fault.details['allow'])) headers.push('Allow', fault.details['allow'].join(', '));
  if (retryAfterSeconds !== undefined) headers.push('Retry-After', String(retryAfterSeconds));
  const content = call.request.method === 'HEAD' ? { lengthBytes: Buffer.byteLength(body) } : { body };
  return { response: { status, headers, ...content }, code: fault.code, isUnexpected };
}

/** Cinder says with a quota that it may be asked again at once. */
function retryAfter(status: number, { code }: Fault, { style }: ServiceOptions): number | undefined {
  if (status === 503 || status === 429) return RETRY_SECONDS;
  return style === 'cinder' && code === apiFaults.overQuota ? 0 : undefined;
}

function asFault(error: unknown): Fault {
  if (!(error instanceof Fault)) return new Fault(fabricFaults.internal);
  if (error.code === httpFaults.bodyTooLarge) return new Fault(apiFaults.tooLarge);
  // The client has gone: whatever is answered, nobody reads it.
  return error.code === fabricFaults.aborted ? new Fault(apiFaults.badRequest) : error;
}

/** A fault without words of its own has its code for a message. */
function messageOf(fault: Fault, row: FaultRow): string {
  return fault.message === fault.code && row.message !== undefined ? row.message : fault.message;
}

function commonHeaders(call: ServiceCall, { versions, name, requestIdHeader, style }: ServiceOptions): string[] {
  const headers = ['x-openstack-request-id', call.requestId];
  if (requestIdHeader !== undefined) headers.push(requestIdHeader, call.requestId);
  if (style === 'keystone') headers.push('Vary', 'X-Auth-Token');
  if (versions?.list.some(({ maxVersion }) => maxVersion !== undefined) !== true) return headers;
  const legacy = versions.legacyHeader;
  if (call.version !== NO_VERSION) {
    headers.push(VERSION_HEADER, `${name} ${call.version}`);
    if (legacy !== undefined) headers.push(legacy, String(call.version));
  }
  headers.push('Vary', legacy === undefined ? VERSION_HEADER : `${VERSION_HEADER}, ${legacy}`);
  return headers;
}
