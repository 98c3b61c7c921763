/** JSON in and out: numbers that a double would not hold are kept as they are, and nothing nests without end. */
import { isFault } from '../../../fabric/errors.ts';
import { s3Fault } from '../errors.ts';
import { Decimal } from './decimal.ts';
import { Timestamp } from './timestamp.ts';
import type { Json, Value } from './value-types.ts';

const DEPTH_MAX = 200;
/** Digits or an exponent that a double may not be able to hold. */
const PRECISE = /\d{16}|\d[eE]|\.\d{14}|\d\.\d*0[\s,}\]]/;
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const SIMPLE = /^-?\d{1,15}$/;
/** Begins a text that stands for a number; text of JSON never begins so, as control characters are escaped there. */
const MARK = '\u0001';

/** Faults JSONParsingError, NumberFormatError. */
export function parseJson(text: string): Json {
  try {
    if (!PRECISE.test(text)) return JSON.parse(text) as Json;
    return JSON.parse(text.replace(STRING_OR_NUMBER, mark), unmark) as Json;
  } catch (error) {
    if (isFault(error)) throw error;
    throw s3Fault('JSONParsingError');
  }
}

/** A number that is written otherwise once it has been a double; a string that begins as a mark does gets one more. */
function mark(token: string): string {
  if (token.startsWith('"')) return token.startsWith('"\\u0001') ? `"\\u0001s${token.slice(1)}` : token;
  if (SIMPLE.test(token) || String(Number(token)) === token) return token;
  // What JSON does not take as a number is not to become one.
  if (/^-?0\d/.test(token)) throw new Error('a leading nought');
  return `"\\u0001${token}"`;
}

function unmark(_name: string, value: unknown): unknown {
  if (typeof value !== 'string' || !value.startsWith(MARK)) return value;
  if (value.startsWith(`${MARK}s`)) return value.slice(2);
  const decimal = Decimal.parse(value.slice(1));
  if (decimal === undefined) throw s3Fault('NumberFormatError');
  return decimal;
}

/** One line. Fault JSONParsingError for what nests too deeply. */
export function jsonText(value: Exclude<Value, undefined>, depth = 0): string {
  if (depth > DEPTH_MAX) throw s3Fault('JSONParsingError', `A value nests deeper than ${DEPTH_MAX} levels.`);
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Timestamp) return `"${value}"`;
  if (value === null || typeof value !== 'object' || value instanceof Decimal) return String(value);
  if (Array.isArray(value)) return `[${value.map((each: Json) => jsonText(each, depth + 1)).join(',')}]`;
  const members = Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}:${jsonText(each, depth + 1)}`);
  return `{${members.join(',')}}`;
}
