/**
 * Raw path and query bytes to names: percent-decoding, UTF-8 and NUL checks, length limits. The only place that decodes a
 * Swift path; nothing is normalised, because `a//b` and `a/../b` are names like any other.
 */
import { isUtf8 } from 'node:buffer';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';

export const CONTAINER_NAME_BYTES_MAX = 256;
export const ACCOUNT_NAME_BYTES_MAX = 256;
export const OBJECT_NAME_BYTES_MAX = 1024;

const PLAIN = /^[\x20-\x24\x26-\x7e]*$/;
const HEX_PAIR = /^[0-9A-Fa-f]{2}$/;
const PERCENT = 0x25;
const SLASH = 0x2f;
const PARAMETERS_MAX = 100;

/** Without a regular expression: one that looks for an end takes quadratic time over slashes that are not at the end. */
export function withoutEndSlashes(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === SLASH) end--;
  return text.slice(0, end);
}

/** Path segments, still encoded; '' where the path ends early. */
export interface RawPath {
  readonly version: string;
  readonly account: string;
  readonly container: string;
  readonly object: string;
}

/** `/version/account/container/object…`, or undefined when an inner segment is empty. */
export function splitPath(path: string): RawPath | undefined {
  const first = path.indexOf('/', 1);
  if (first < 0) return { version: path.slice(1), account: '', container: '', object: '' };
  const version = path.slice(1, first);
  const second = path.indexOf('/', first + 1);
  if (second < 0) return { version, account: path.slice(first + 1), container: '', object: '' };
  const account = path.slice(first + 1, second);
  const third = path.indexOf('/', second + 1);
  const container = third < 0 ? path.slice(second + 1) : path.slice(second + 1, third);
  const object = third < 0 ? '' : path.slice(third + 1);
  if (account === '' || (container === '' && object !== '')) return undefined;
  return { version, account, container, object };
}

/** A name from its bytes as sent; broken escapes stay as they are. Refused with 412 when it is no UTF-8 or holds NUL. */
export function decodeName(raw: string): string {
  if (PLAIN.test(raw)) return raw;
  const text = decodeBytes(raw);
  if (text === undefined || text.includes('\0')) {
    throw refuseAsPage(swiftFaults.preconditionFailed, 'Invalid UTF8 or contains NULL');
  }
  return text;
}

/** Latin1 byte string with percent escapes to text; undefined when the bytes are no UTF-8. Broken escapes stay as they are. */
function decodeBytes(raw: string): string | undefined {
  const bytes = Buffer.allocUnsafe(raw.length);
  let length = 0;
  for (let i = 0; i < raw.length; i++) {
    let byte = raw.charCodeAt(i);
    if (byte === PERCENT) {
      const digits = raw.slice(i + 1, i + 3);
      if (HEX_PAIR.test(digits)) {
        byte = Number.parseInt(digits, 16);
        i += 2;
      }
    }
    bytes[length++] = byte;
  }
  const decoded = bytes.subarray(0, length);
  return isUtf8(decoded) ? decoded.toString('utf8') : undefined;
}

/** Percent-encoded as Swift shows names in headers: everything but unreserved characters and `/`. */
export function encodeName(name: string): string {
  return encodeURIComponent(name)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, escapeByte);
}

function escapeByte(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

export type Params = ReadonlyMap<string, string>;
export const NO_PARAMS: Params = new Map();

/** First value of each parameter; a parameter without `=` is ''. 400 when a value is no UTF-8 or holds NUL. */
export function parseQuery(query: string | undefined): Params {
  if (query === undefined || query === '') return NO_PARAMS;
  const params = new Map<string, string>();
  for (const pair of query.split('&', PARAMETERS_MAX)) {
    const equals = pair.indexOf('=');
    const name = decodeParam(equals < 0 ? pair : pair.slice(0, equals));
    if (name !== '' && !params.has(name)) params.set(name, equals < 0 ? '' : decodeParam(pair.slice(equals + 1), name));
  }
  return params;
}

function decodeParam(raw: string, of?: string): string {
  const spaced = raw.includes('+') ? raw.replaceAll('+', ' ') : raw;
  const text = PLAIN.test(spaced) ? spaced : decodeBytes(spaced);
  if (text !== undefined && !text.includes('\0')) return text;
  throw refuse(
    swiftFaults.badRequest,
    of ? `"${of.replace(/[^\x20-\x7e]/g, '?')}" parameter not valid UTF-8` : 'Parameters must be valid UTF-8',
  );
}

export function utf8Length(name: string): number {
  return Buffer.byteLength(name, 'utf8');
}

/** Refuses names that are too long to be made. */
export function checkNewName(kind: 'Account' | 'Container' | 'Object', name: string): void {
  const max = kind === 'Object' ? OBJECT_NAME_BYTES_MAX : CONTAINER_NAME_BYTES_MAX;
  if (name.length * 3 <= max) return;
  const length = utf8Length(name);
  if (length > max)
    throw (kind === 'Object' ? refuse : refuseAsPage)(
      swiftFaults.badRequest,
      `${kind} name length of ${length} longer than ${max}`,
    );
}
