/**
 * TempURL: a link that lets whoever holds it do one thing to one object, or to all objects under a prefix, until it
 * expires. It is signed with a key in the metadata of the account or the container. What it allows becomes the grant of
 * the request's context; this file never looks at objects.
 * https://docs.openstack.org/swift/latest/api/temporary_url_middleware.html
 */
import { isInIpRange } from '../../fabric/ip-range.ts';
import { formatHttpDate } from '../http-date.ts';
import type { Grant } from '../object/contract.ts';
import type { SwiftCall } from './call.ts';
import { refuseAsPage, swiftFaults } from './faults.ts';
import { withoutEndSlashes } from './names.ts';
import type { SwiftResponse } from './response.ts';
import { findKeys, isSignedBy, readSignature } from './signed-url.ts';

export const TEMP_URL_METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'] as const;
/** A HEAD is allowed by what allows these. */
const HEAD_ALLOWED_BY = ['HEAD', 'GET', 'POST', 'PUT'];
/** They would let the upload point at what the link does not cover. */
const DISALLOWED_HEADERS = ['X-Object-Manifest', 'X-Symlink-Target'];
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/;
const PRIVATE = 'x-object-meta-';
const PUBLIC = 'x-object-meta-public-';

/** How the answer to a request by such a link is dressed. */
export interface TempUrl {
  readonly expiresS: number;
  readonly filename: string | undefined;
  readonly isInline: boolean;
}

/** undefined for a request without a signature. Sets the grant, and forgets the query: nothing else of it counts. 401. */
export async function openTempUrl(call: SwiftCall): Promise<TempUrl | undefined> {
  const { params } = call;
  const signatureText = params.get('temp_url_sig');
  const expiresText = params.get('temp_url_expires');
  if ((signatureText === undefined && expiresText === undefined) || call.http.method === 'OPTIONS') return undefined;
  const signature = readSignature(signatureText ?? '');
  const expiresS = readExpires(expiresText ?? '');
  const isPresent = signature !== undefined && expiresS * 1000 >= call.world.clock.nowMs();
  if (!isPresent || !call.world.urlDigests.includes(signature.algorithm) || !isCovered(call)) throw invalid();
  const ipRange = params.get('temp_url_ip_range');
  if (ipRange && !isInIpRange(call.http.remoteAddress, ipRange)) throw invalid();
  const found = await findKeys(call);
  const texts = textsOf(call, expiresS, ipRange);
  const key = found.find(({ secret }) => texts.some((text) => isSignedBy(signature, secret, text)));
  if (!key) throw invalid();
  refusePointers(call);
  call.grant = grantOf(call, key.scope === 'container');
  const filename = params.get('filename') || undefined;
  const isInline = params.has('inline');
  call.forgetParams();
  return { expiresS, filename, isInline };
}

function invalid(): Error {
  return refuseAsPage(swiftFaults.unauthorized, '401 Unauthorized: Temp URL invalid\n');
}

/** Unix seconds; 0 for what is no time. */
function readExpires(text: string): number {
  if (/^\d{1,12}$/.test(text)) return Number(text);
  return ISO_TIME.test(text) ? Math.floor(Date.parse(text) / 1000) || 0 : 0;
}

/** Whether the method and the object are such as a link can be about. */
function isCovered(call: SwiftCall): boolean {
  const { method } = call.http;
  if (!(TEMP_URL_METHODS as readonly string[]).includes(method) || /^\/*$/.test(call.object)) return false;
  const prefix = call.params.get('temp_url_prefix');
  return prefix === undefined || call.object.startsWith(prefix);
}

/** What may have been signed. */
function textsOf(call: SwiftCall, expiresS: number, ipRange: string | undefined): string[] {
  const { method } = call.http;
  const prefix = call.params.get('temp_url_prefix');
  const base = `/v1/${call.account}/${call.container}/`;
  const path = prefix === undefined ? base + call.object : `prefix:${base}${prefix}`;
  const start = ipRange ? `ip=${ipRange}\n` : '';
  const methods = method === 'HEAD' ? HEAD_ALLOWED_BY : [method];
  return methods.map((each) => `${start}${each}\n${expiresS}\n${path}`);
}

function refusePointers(call: SwiftCall): void {
  for (const name of DISALLOWED_HEADERS) {
    if (call.header(name.toLowerCase()) === undefined) continue;
    throw refuseAsPage(swiftFaults.badRequest, `The header '${name}' is not allowed in this tempurl`);
  }
}

/** Segments of a large object are read with the same grant, so it covers the whole container or account of its key. */
function grantOf(call: SwiftCall, isContainerKey: boolean): Grant {
  const reads = call.http.method === 'GET' || call.http.method === 'HEAD';
  return {
    account: call.account ?? '',
    container: isContainerKey ? call.container : undefined,
    actions: reads ? ['read', 'list'] : ['write'],
  };
}

/** The answer as the link's holder gets it: no private metadata, and a name to save it under. */
export function dressAnswer(call: SwiftCall, { expiresS, filename, isInline }: TempUrl, answer: SwiftResponse): void {
  const { headers } = answer;
  const isRead = (call.http.method === 'GET' || call.http.method === 'HEAD') && answer.status < 300;
  let existing: string | undefined;
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    if (isRead && name === 'content-disposition') existing = headers[i + 1];
    else if (!name.startsWith(PRIVATE) || name.startsWith(PUBLIC)) kept.push(...headers.slice(i, i + 2));
  }
  if (isRead) {
    kept.push('Content-Disposition', disposition(call, { filename, isInline, existing }));
    kept.push('Expires', formatHttpDate(expiresS * 1000));
  }
  headers.splice(0, headers.length, ...kept);
}

function disposition(
  call: SwiftCall,
  { filename, isInline, existing }: Pick<TempUrl, 'filename' | 'isInline'> & { existing: string | undefined },
): string {
  if (isInline) return filename === undefined ? 'inline' : named('inline', filename);
  if (filename === undefined && existing !== undefined) return existing;
  return named('attachment', filename ?? (withoutEndSlashes(call.object).split('/').at(-1) as string));
}

function named(type: string, filename: string): string {
  const encoded = encodeURIComponent(filename)
    .replace(/[!'()*]/g, hexOf)
    .replaceAll('%2F', '/');
  return `${type}; filename="${encoded.replaceAll('%20', ' ')}"; filename*=UTF-8''${encoded}`;
}

function hexOf(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
