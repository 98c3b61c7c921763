/**
 * What a handler may answer. Headers that frame the message belong to the engine, and no byte of a name, value or reason
 * may end a line: a handler that puts a client's text into a header cannot be made to write a second response.
 */
import { STATUS_CODES } from 'node:http';
import { assert } from '../assert.ts';
import type { HttpBodyStream, HttpResponse } from './contract.ts';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NOT_A_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const ENGINE_OWNED = new Set(['content-length', 'date', 'connection', 'transfer-encoding', 'keep-alive']);
const ENGINE_OWNED_LENGTHS = new Set([...ENGINE_OWNED].map((name) => name.length));

/** Names seen to be good tokens; names come from code and from stored metadata, hence the bound. */
const knownNames = new Set<string>();
const KNOWN_NAMES_MAX = 1_000;

/** Throws on an answer that cannot be put on the wire as it is. */
export function checkResponse(response: HttpResponse): void {
  const { status, headers, reason } = response;
  assert(Number.isInteger(status) && status >= 200 && status <= 599, () => `response status ${status}`);
  assert(reason === undefined || !NOT_A_VALUE.test(reason), 'bad byte in a reason phrase');
  assert(headers.length % 2 === 0, 'response headers come in pairs');
  for (let i = 0; i < headers.length; i += 2) {
    if (!knownNames.has(headers[i]!)) checkName(headers[i]!);
    if (NOT_A_VALUE.test(headers[i + 1]!)) assert(false, `bad byte in response header ${headers[i]}`);
  }
}

function checkName(name: string): void {
  assert(TOKEN.test(name), () => `bad response header name ${JSON.stringify(name)}`);
  const owned = ENGINE_OWNED_LENGTHS.has(name.length) && ENGINE_OWNED.has(name.toLowerCase());
  assert(!owned, () => `response header ${name} belongs to the engine`);
  if (knownNames.size < KNOWN_NAMES_MAX) knownNames.add(name);
}

export function isStream(body: HttpResponse['body']): body is HttpBodyStream {
  return typeof body === 'object' && !(body instanceof Uint8Array);
}

/** "404 Not Found" */
export function statusLine(status: number): string {
  return STATUS_LINES[status] ?? `${status} Unknown`;
}

const STATUS_LINES: Record<number, string> = Object.fromEntries(
  Object.entries(STATUS_CODES).map(([status, reason]) => [status, `${status} ${reason}`]),
);

export const NO_BYTES: Buffer = Buffer.alloc(0);

/** The bytes of a body that is not a stream. */
export function bodyBytes(body: Uint8Array | string | undefined): Uint8Array {
  if (body === undefined) return NO_BYTES;
  return typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
}

/** 204 and 304 never have a body, whatever the handler says (RFC 9110 §6.4.1). */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}

/** A view, never a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
