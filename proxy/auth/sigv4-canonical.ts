/**
 * The canonical request of Signature Version 4 as S3 has it (path encoded once, never normalised), from the bytes on the
 * wire. Clients disagree on what needs encoding (`~`, `/`, `+`): the form that the documentation asks for is tried first,
 * then the bytes as they were sent. Both name exactly one path, so accepting either gives nothing away.
 */
import type { HttpRequest } from '../../fabric/http/contract.ts';

export interface CanonicalParts {
  /** As in SignedHeaders, in order. */
  readonly signedHeaders: Iterable<string>;
  /** SignedHeaders itself. */
  readonly signedHeaderList: string;
  /** Hex SHA-256 of the body, UNSIGNED-PAYLOAD or a STREAMING- constant. */
  readonly payload: string;
  /** Path and query exactly as sent, instead of re-encoded. */
  readonly verbatim: boolean;
}

/** A byte string (latin1). */
export function canonicalRequest(request: HttpRequest, parts: CanonicalParts): string {
  const path = parts.verbatim ? request.path : encodePath(request.path);
  const query = request.query === undefined ? '' : canonicalQuery(request.query, parts.verbatim);
  let text = `${request.method}\n${path}\n${query}\n`;
  const repeated = request.headerLines().length !== request.headers.size * 2;
  for (const name of parts.signedHeaders) {
    const value = repeated ? joinedValues(request, name) : (request.headers.get(name) ?? '');
    text += `${name}:${squeeze(value)}\n`;
  }
  return `${text}\n${parts.signedHeaderList}\n${parts.payload}`;
}

const UNRESERVED = 1;
const SLASH = 2;
const PERCENT = 3;
/** What each byte is to a URI: letters, digits and `-._~` stay as they are. */
const KIND = new Uint8Array(256);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~')
  KIND[char.charCodeAt(0)] = UNRESERVED;
KIND[0x2f] = SLASH;
KIND[0x25] = PERCENT;

const ENCODED = Array.from({ length: 256 }, (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`);

/** The path with every byte but unreserved ones and `/` percent-encoded, once. */
export function encodePath(path: string): string {
  for (let i = 0; i < path.length; i++) {
    const kind = KIND[path.charCodeAt(i)];
    if (kind !== UNRESERVED && kind !== SLASH) return encode(decodePercent(path), true);
  }
  return path;
}

/** Parameters sorted by encoded name, then value; X-Amz-Signature is not signed. */
export function canonicalQuery(query: string, verbatim: boolean): string {
  const pairs: [name: string, value: string][] = [];
  for (const piece of query.split('&')) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    const name = equals < 0 ? piece : piece.slice(0, equals);
    const value = equals < 0 ? '' : piece.slice(equals + 1);
    if (name === 'X-Amz-Signature') continue;
    pairs.push(verbatim ? [name, value] : [encodeParameter(name), encodeParameter(value)]);
  }
  if (pairs.length > 1) pairs.sort(byNameThenValue);
  let text = '';
  for (const [name, value] of pairs) text += text === '' ? `${name}=${value}` : `&${name}=${value}`;
  return text;
}

function byNameThenValue(a: readonly [string, string], b: readonly [string, string]): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1;
  if (a[1] === b[1]) return 0;
  return a[1] < b[1] ? -1 : 1;
}

function encodeParameter(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (KIND[text.charCodeAt(i)] !== UNRESERVED) return encode(decodePercent(text.replaceAll('+', ' ')), false);
  }
  return text;
}

function encode(bytes: string, keepSlash: boolean): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes.charCodeAt(i);
    const kind = KIND[code];
    text += kind === UNRESERVED || (keepSlash && kind === SLASH) ? bytes[i] : ENCODED[code & 0xff];
  }
  return text;
}

/** Percent-escapes to bytes, latin1 in and out; what is no escape stays. */
export function decodePercent(text: string): string {
  let at = text.indexOf('%');
  if (at < 0) return text;
  let out = text.slice(0, at);
  while (at < text.length) {
    const byte = text.charCodeAt(at) === 0x25 ? hexByte(text, at + 1) : -1;
    if (byte >= 0) out += String.fromCharCode(byte);
    else out += text[at];
    at += byte >= 0 ? 3 : 1;
  }
  return out;
}

/** Value of two hex digits, or -1. */
function hexByte(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at));
  const low = hexDigit(text.charCodeAt(at + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/** NaN (past the end) gives -1 like anything else that is no digit. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function joinedValues(request: HttpRequest, name: string): string {
  const lines = request.headerLines();
  let joined: string | undefined;
  for (let i = 0; i < lines.length; i += 2) {
    if (lines[i] === name) joined = joined === undefined ? lines[i + 1]! : `${joined},${lines[i + 1]!}`;
  }
  return joined ?? '';
}

/** Runs of blanks become one. */
function squeeze(value: string): string {
  if (!value.includes('  ') && !value.includes('\t')) return value;
  let out = '';
  for (const char of value) {
    const blank = char === ' ' || char === '\t';
    if (!blank) out += char;
    else if (!out.endsWith(' ')) out += ' ';
  }
  return out.trim();
}
