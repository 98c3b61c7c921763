/** Query parameters of the S3 API: decoded once, `+` means a blank, the first of equal names counts. */
import { decodeName } from './address.ts';
import { s3Fault } from './errors.ts';

export type Query = ReadonlyMap<string, string>;

const NONE: Query = new Map();
const PARAMETERS_MAX = 200;

export function readQuery(raw: string | undefined): Query {
  if (raw === undefined || raw === '') return NONE;
  const pieces = raw.split('&');
  if (pieces.length > PARAMETERS_MAX) throw s3Fault('InvalidURI');
  const query = new Map<string, string>();
  for (const piece of pieces) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    const name = decodeName(equals < 0 ? piece : piece.slice(0, equals));
    if (!query.has(name)) query.set(name, equals < 0 ? '' : decodeName(piece.slice(equals + 1).replaceAll('+', ' ')));
  }
  return query;
}

/** A whole number in [min, max], the default when absent; InvalidArgument otherwise. */
export function readCount(query: Query, name: string, range: { min: number; max: number; absent: number }): number {
  const text = query.get(name);
  if (text === undefined) return range.absent;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  throw s3Fault('InvalidArgument', `Argument ${name} must be an integer between ${range.min} and ${range.max}`, {
    ArgumentName: name,
    ArgumentValue: text,
  });
}

/** Whether names in the answer are to be percent-encoded. */
export function readEncoding(query: Query): boolean {
  const type = query.get('encoding-type');
  if (type === undefined) return false;
  if (type === 'url') return true;
  throw s3Fault('InvalidArgument', 'Invalid Encoding Method specified in Request', {
    ArgumentName: 'encoding-type',
    ArgumentValue: type,
  });
}

/** As `encoding-type=url` asks: everything but letters, digits and `-_.~/` becomes %XX of its UTF-8. */
export function urlEncode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
