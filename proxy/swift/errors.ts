/**
 * The one place where a failure becomes a Swift answer: code → status, reason, text, extra headers. Faults of the store
 * and of the fabric come here as they are; the API's own refusals are made by `refuse`. What is not in the table is a bug
 * or unknown: 500, logged by the handler.
 */
import { fabricFaults, isFault } from '../../fabric/errors.ts';
import { type ObjectInfo, storeFaults } from '../object/contract.ts';
import type { SwiftCall } from './call.ts';
import { swiftFaults } from './faults.ts';
import { emptyResponse, type SwiftResponse } from './response.ts';
import { validators } from './shown.ts';

export const STATUS: Readonly<Record<string, number>> = {
  [swiftFaults.badRequest]: 400,
  [swiftFaults.unauthorized]: 401,
  [swiftFaults.forbidden]: 403,
  [swiftFaults.notFound]: 404,
  [swiftFaults.methodNotAllowed]: 405,
  [swiftFaults.notAcceptable]: 406,
  [swiftFaults.conflict]: 409,
  [swiftFaults.gone]: 410,
  [swiftFaults.lengthRequired]: 411,
  [swiftFaults.preconditionFailed]: 412,
  [swiftFaults.tooLarge]: 413,
  [swiftFaults.rangeNotSatisfiable]: 416,
  [swiftFaults.unprocessable]: 422,
  [swiftFaults.blacklisted]: 497,
  [swiftFaults.rateLimited]: 498,
  // accessDenied is 401 or 403 by who asks: see statusOf.
  [storeFaults.noSuchAccount]: 404,
  [storeFaults.accountDeleted]: 404,
  [storeFaults.noSuchContainer]: 404,
  [storeFaults.noSuchObject]: 404,
  [storeFaults.noSuchUpload]: 404,
  [storeFaults.noSuchVersion]: 404,
  [storeFaults.isDeleteMarker]: 404,
  [storeFaults.containerNotEmpty]: 409,
  [storeFaults.bucketTaken]: 409,
  [storeFaults.containerExists]: 409,
  [storeFaults.policyMismatch]: 409,
  [storeFaults.invalidBucketState]: 409,
  [storeFaults.wrongEncryption]: 400,
  [storeFaults.noSuchMasterKey]: 503,
  [storeFaults.preconditionFailed]: 412,
  [storeFaults.notModified]: 304,
  [storeFaults.conditionalConflict]: 409,
  [storeFaults.badDigest]: 422,
  [storeFaults.bodyTooLarge]: 413,
  [storeFaults.quotaExceeded]: 413,
  [storeFaults.incompleteBody]: 499,
  [storeFaults.lengthRequired]: 411,
  [storeFaults.invalidRange]: 416,
  [storeFaults.invalidName]: 400,
  [storeFaults.tooMuchMetadata]: 400,
  [storeFaults.brokenManifest]: 409,
  [storeFaults.tooManyLinks]: 409,
  [storeFaults.linkChanged]: 409,
  [storeFaults.quorumUnavailable]: 503,
  [storeFaults.insufficientStorage]: 507,
  [storeFaults.dataLost]: 500,
  [fabricFaults.unreachable]: 503,
  [fabricFaults.deadline]: 503,
  [fabricFaults.overloaded]: 503,
  [fabricFaults.handshake]: 503,
};

/** Reason phrase and explanation. The phrases are Swift's, because clients print them. */
const TEXTS: Readonly<Record<number, readonly [reason: string, text: string]>> = {
  400: ['Bad Request', 'The request is malformed or asks for something that cannot be done.'],
  401: ['Unauthorized', 'A valid token is needed for this request.'],
  403: ['Forbidden', 'Access was denied to this resource.'],
  404: ['Not Found', 'The resource could not be found.'],
  405: ['Method Not Allowed', 'The method is not allowed for this resource.'],
  406: ['Not Acceptable', 'The resource cannot be had in any format that the request accepts.'],
  409: ['Conflict', 'The request conflicts with the present state of the resource.'],
  410: ['Gone', 'The resource is not here any more.'],
  411: ['Length Required', 'A Content-Length header is required.'],
  412: ['Precondition Failed', 'A precondition for this request was not met.'],
  413: ['Request Entity Too Large', 'The body of the request is too large.'],
  416: ['Requested Range Not Satisfiable', 'The range requested is not available.'],
  422: ['Unprocessable Entity', 'What was received is not what the request announced.'],
  497: ['Blacklisted', 'The account may not do this.'],
  498: ['Rate Limited', 'Slow down.'],
  499: ['Client Disconnect', 'The body ended before its announced length.'],
  500: ['Internal Error', 'The server could not perform the operation.'],
  503: ['Service Unavailable', 'The server cannot do this now. Please try again later.'],
  507: ['Insufficient Storage', 'There is not enough space to store the resource.'],
};
const VERSIONS_TEXT = 'Delete all versions before deleting container.';
const IF_DELETE_AT_TEXT = 'X-If-Delete-At and X-Delete-At do not match';

/** Plain lines for faults of the store that Swift explains in words of its own. */
const FAULT_TEXTS: Readonly<Record<string, (details: Readonly<Record<string, unknown>>) => string | undefined>> = {
  [storeFaults.lengthRequired]: () => 'Missing Content-Length header.',
  [storeFaults.containerNotEmpty]: ({ versions }) => (versions === true ? VERSIONS_TEXT : undefined),
  [storeFaults.preconditionFailed]: ({ header }) => (header === 'X-If-Delete-At' ? IF_DELETE_AT_TEXT : undefined),
  [storeFaults.quotaExceeded]: () => 'Upload exceeds quota.',
  [storeFaults.tooManyLinks]: ({ max }) => `Too many levels of symbolic links, maximum allowed is ${max}`,
  [storeFaults.linkChanged]: ({ etag, wanted }) =>
    `Object Etag '${etag}' does not match X-Symlink-Target-Etag header '${wanted}'`,
};
/** Whose lines Swift types as such, and not as a page. */
const PLAIN_FAULTS: ReadonlySet<string> = new Set([
  storeFaults.tooManyLinks,
  storeFaults.linkChanged,
  storeFaults.lengthRequired,
]);
const READ_ONLY_TEXT = 'Writes are disabled for this account.';
const RETRY_AFTER_S = '1';
const HTML = 'text/html; charset=UTF-8';

/** `404 Not Found`, as reports about many objects show it. */
export function statusLine(status: number): string {
  return `${status} ${reasonOf(status)}`;
}

export function reasonOf(status: number): string {
  return TEXTS[status]?.[0] ?? { 200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No Content' }[status] ?? '';
}

/** What `error` means for this caller; 500 for everything unexpected. */
export function statusOf(error: unknown, call: SwiftCall): number {
  if (isFault(error, storeFaults.accessDenied) && error.details['readOnly'] === true) return 405;
  if (isFault(error, storeFaults.accessDenied)) return call.caller.user === undefined ? 401 : 403;
  return isFault(error) ? (STATUS[error.code] ?? 500) : 500;
}

export function errorResponse(error: unknown, call: SwiftCall): SwiftResponse {
  const status = statusOf(error, call);
  const details = isFault(error) ? error.details : {};
  const info = details['info'] as ObjectInfo | undefined;
  if (status === 304) return notModified(info);
  if (status === 412 && info) return emptyResponse(412, validators(info));
  const isReadOnly = details['readOnly'] === true;
  const known = isReadOnly ? READ_ONLY_TEXT : isFault(error) ? FAULT_TEXTS[error.code]?.(details) : undefined;
  const text = typeof details['text'] === 'string' ? details['text'] : known;
  const isPlain = typeof details['text'] === 'string' || (isFault(error) && PLAIN_FAULTS.has(error.code));
  const contentType = details['contentType'] ?? (isPlain ? 'text/plain' : HTML);
  const headers = ['Content-Type', String(contentType)];
  const extra = details['headers'] as readonly string[] | undefined;
  if (extra) headers.push(...extra);
  if (status === 401) headers.push('WWW-Authenticate', `${details['scheme'] ?? 'Swift'} realm="${realmOf(call)}"`);
  if (status === 503) headers.push('Retry-After', RETRY_AFTER_S);
  return { status, reason: reasonOf(status), headers, body: text ?? errorPage(status) };
}

/** The page's words without the page. */
export function explain(status: number): string {
  return (TEXTS[status] ?? []).join('\n');
}

function errorPage(status: number): string {
  const [reason, text] = TEXTS[status] ?? ['', ''];
  return `<html><h1>${reason}</h1><p>${text}</p></html>`;
}

function notModified(info: ObjectInfo | undefined): SwiftResponse {
  if (!info) return { status: 304, headers: [] };
  return { status: 304, headers: ['Content-Type', info.contentType, ...validators(info), 'Accept-Ranges', 'bytes'] };
}

function realmOf(call: SwiftCall): string {
  return call.account === undefined ? 'unknown' : encodeURIComponent(call.account);
}
