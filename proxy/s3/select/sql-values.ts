/**
 * What is done with values of SQL: conversions, comparison, arithmetic.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-select-sql-reference-data-types.html
 */
import { s3Fault } from '../errors.ts';
import { Decimal } from './decimal.ts';
import { jsonText } from './json-text.ts';
import type { Arithmetic } from './sql-types.ts';
import type { SqlType } from './sql-words.ts';
import { Timestamp } from './timestamp.ts';
import type { Json, JsonObject, Known, Value } from './value-types.ts';

type Numeric = bigint | Decimal | number;

const INT_MAX = 2n ** 63n - 1n;
const INT_MIN = -(2n ** 63n);
const INT_TEXT = /^\s*[+-]?\d{1,40}\s*$/;
const FLOAT_TEXT = /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,5})?\s*$/;
const TEXT_LENGTH_MAX = 1000;

/** A number of JSON is an INT or a DECIMAL. */
export function fromJson(json: Json | undefined): Value {
  if (typeof json !== 'number') return json;
  if (Number.isSafeInteger(json)) return BigInt(json);
  const decimal = Decimal.parse(String(json));
  if (decimal === undefined) throw s3Fault('NumberFormatError');
  return decimal;
}

export const isNumeric = (value: Value): value is Numeric =>
  typeof value === 'bigint' || typeof value === 'number' || value instanceof Decimal;

export const isUnknown = (value: Value): value is null | undefined => value === null || value === undefined;

/** What a text says, if it is a number; the data of a CSV file is nothing but text. */
export function readNumber(text: string): bigint | Decimal | undefined {
  if (text.length > TEXT_LENGTH_MAX) return undefined;
  if (INT_TEXT.test(text)) {
    const value = BigInt(text.trim().replace('+', ''));
    return value >= INT_MIN && value <= INT_MAX ? value : Decimal.parse(text.trim());
  }
  return FLOAT_TEXT.test(text) ? Decimal.parse(text.trim()) : undefined;
}

/** Text as CSV shows it and CAST makes it. */
export function textOf(value: Known): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value instanceof Decimal || value instanceof Timestamp) return String(value);
  return jsonText(value);
}

/** Negative, zero or positive; undefined where the two have no order. Neither is unknown. */
export function compare(left: Value, right: Value): number | undefined {
  if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0;
  if (typeof left === 'string') return compareText(left, right);
  if (typeof right === 'string') {
    const order = compareText(right, left);
    return order === undefined ? undefined : -order;
  }
  if (isNumeric(left) && isNumeric(right)) return compareNumbers(left, right);
  if (left instanceof Timestamp && right instanceof Timestamp) return left.compare(right);
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) - Number(right);
  return undefined;
}

/** Text against something else: as what it says, if it says such a thing. */
function compareText(text: string, other: Value): number | undefined {
  if (isNumeric(other)) {
    const number = readNumber(text);
    return number === undefined ? undefined : compareNumbers(number, other);
  }
  if (typeof other !== 'boolean') return undefined;
  const said = readBool(text);
  return said === undefined ? undefined : Number(said) - Number(other);
}

function compareNumbers(left: Numeric, right: Numeric): number {
  if (typeof left === 'bigint' && typeof right === 'bigint') return left < right ? -1 : left > right ? 1 : 0;
  if (typeof left === 'number' || typeof right === 'number') {
    const [a, b] = [toFloat(left), toFloat(right)];
    return a < b ? -1 : a > b ? 1 : 0;
  }
  return toDecimal(left).compare(toDecimal(right));
}

/** Of two that are known. */
export function isEqual(left: Value, right: Value): boolean {
  if (isNested(left) && isNested(right)) return jsonText(left) === jsonText(right);
  return compare(left, right) === 0;
}

/** As isEqual, where text is only ever equal to text. */
export function isSame(left: Value, right: Value): boolean {
  return (typeof left === 'string') === (typeof right === 'string') && isEqual(left, right);
}

const isNested = (value: Value): value is readonly Json[] | JsonObject =>
  typeof value === 'object' && value !== null && !(value instanceof Decimal) && !(value instanceof Timestamp);

/** Null where one is unknown. Faults CastFailed, IntegerOverflow, NumberFormatError, ExternalEvalException. */
export function compute(op: Arithmetic, left: Value, right: Value): Value {
  if (isUnknown(left) || isUnknown(right)) return left === undefined || right === undefined ? undefined : null;
  const [a, b] = [toNumeric(left), toNumeric(right)];
  if ((op === '/' || op === '%') && isZero(b)) throw s3Fault('ExternalEvalException', 'A division by zero.');
  if (typeof a === 'number' || typeof b === 'number') return checkFloat(OF_FLOATS[op](toFloat(a), toFloat(b)));
  if (typeof a === 'bigint' && typeof b === 'bigint') return checkInt(OF_INTS[op](a, b));
  return OF_DECIMALS[op](toDecimal(a), toDecimal(b));
}

const OF_INTS: Readonly<Record<Arithmetic, (a: bigint, b: bigint) => bigint>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};
const OF_FLOATS: Readonly<Record<Arithmetic, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};
const OF_DECIMALS: Readonly<Record<Arithmetic, (a: Decimal, b: Decimal) => Decimal>> = {
  '+': (a, b) => a.add(b),
  '-': (a, b) => a.subtract(b),
  '*': (a, b) => a.multiply(b),
  '/': (a, b) => a.divide(b),
  '%': (a, b) => a.remainder(b),
};

/** The same for numbers that are equal. */
export function numberKey(value: Numeric): string {
  if (typeof value === 'bigint') return value.toString();
  const decimal = value instanceof Decimal ? value : Decimal.parse(String(value));
  return decimal === undefined ? String(value) : decimal.normalised().toString();
}

const isZero = (value: Numeric): boolean => toFloat(value) === 0;
const toFloat = (value: Numeric): number => (value instanceof Decimal ? value.toNumber() : Number(value));
const toDecimal = (value: bigint | Decimal): Decimal => (value instanceof Decimal ? value : Decimal.from(value));

export function toNumeric(value: Known): Numeric {
  if (isNumeric(value)) return value;
  const read = typeof value === 'string' ? readNumber(value) : undefined;
  if (read === undefined) throw castFailed(value, 'a number');
  return read;
}

export function checkInt(value: bigint): bigint {
  if (value > INT_MAX || value < INT_MIN) throw s3Fault('IntegerOverflow');
  return value;
}

function checkFloat(value: number): number {
  if (!Number.isFinite(value)) throw s3Fault('NumberFormatError');
  return value;
}

const SHOWN_LENGTH = 50;

function castFailed(value: Known, to: string): Error {
  const shown = JSON.stringify(textOf(value).slice(0, SHOWN_LENGTH));
  return s3Fault('CastFailed', `Attempt to convert ${shown} to ${to} failed in the SQL expression.`);
}

function readBool(text: string): boolean | undefined {
  const lower = text.trim().toLowerCase();
  return lower === 'true' ? true : lower === 'false' ? false : undefined;
}

/** What is unknown stays so. Faults CastFailed, IntegerOverflow. */
export function cast(value: Value, to: SqlType): Value {
  if (isUnknown(value)) return value;
  const result = CASTS[to](value);
  if (result === undefined) throw castFailed(value, to.toUpperCase());
  return result;
}

type Cast = (value: Known) => Value;

const CASTS: Readonly<Record<SqlType, Cast>> = {
  bool(value) {
    if (typeof value === 'boolean') return value;
    if (typeof value === 'string') return readBool(value);
    return isNumeric(value) ? !isZero(value) : undefined;
  },
  int(value) {
    if (typeof value === 'boolean') return value ? 1n : 0n;
    if (typeof value === 'string')
      return INT_TEXT.test(value) ? checkInt(BigInt(value.trim().replace('+', ''))) : undefined;
    if (typeof value === 'bigint') return value;
    if (value instanceof Decimal) return checkInt(value.truncate());
    return typeof value === 'number' ? checkInt(BigInt(Math.trunc(value))) : undefined;
  },
  float(value) {
    if (typeof value === 'boolean') return Number(value);
    if (isNumeric(value)) return toFloat(value);
    const number = typeof value === 'string' && FLOAT_TEXT.test(value) ? Number(value) : undefined;
    return number === undefined ? undefined : checkFloat(number);
  },
  decimal(value) {
    if (typeof value === 'boolean') return Decimal.from(value ? 1n : 0n);
    if (typeof value === 'bigint') return Decimal.from(value);
    if (value instanceof Decimal) return value;
    if (typeof value === 'number') return Decimal.parse(String(value));
    return typeof value === 'string' && FLOAT_TEXT.test(value) ? Decimal.parse(value.trim()) : undefined;
  },
  string: textOf,
  timestamp(value) {
    if (value instanceof Timestamp) return value;
    return typeof value === 'string' ? Timestamp.parse(value.trim()) : undefined;
  },
};
