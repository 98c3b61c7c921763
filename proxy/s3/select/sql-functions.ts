/**
 * Scalar functions of S3 Select by name: how many arguments each takes, and what it makes of them.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-select-sql-reference-sql-functions.html
 */
import { s3Fault } from '../errors.ts';
import { Decimal } from './decimal.ts';
import { isSame, isUnknown, readNumber } from './sql-values.ts';
import { type DatePart, type ExtractedPart, Timestamp } from './timestamp.ts';
import { formatTimestamp } from './timestamp-pattern.ts';
import type { Known, Value } from './value-types.ts';

export interface FunctionWorld {
  /** Unix milliseconds; the same for the whole query. */
  readonly nowMs: number;
}

export interface SqlFunction {
  readonly min: number;
  readonly max: number;
  /** Gets NULL and MISSING too; the others are null with any of them. */
  readonly takesUnknown?: true;
  run(args: readonly Known[], world: FunctionWorld): Value;
}

const TRIMMED = ' ';

function text(value: Known | undefined, name: string): string {
  if (typeof value === 'string') return value;
  throw s3Fault('IncorrectSqlFunctionArgumentType', `${name} takes a string.`);
}

/** Data of a CSV file is text, so a text that is a number is one here. */
function whole(value: Known | undefined, name: string): number {
  const number = typeof value === 'string' ? readNumber(value) : value;
  if (typeof number === 'bigint') return Number(number);
  if (typeof number === 'number') return Math.trunc(number);
  if (number instanceof Decimal) return Number(number.truncate());
  throw s3Fault('IncorrectSqlFunctionArgumentType', `${name} takes a whole number.`);
}

function time(value: Known | undefined, name: string): Timestamp {
  if (value instanceof Timestamp) return value;
  throw s3Fault('IncorrectSqlFunctionArgumentType', `${name} takes a timestamp.`);
}

const ofText = (name: string, run: (value: string) => Value): SqlFunction => ({
  min: 1,
  max: 1,
  run: ([value]) => run(text(value, name)),
});

/** Characters are code points. */
const charLength = ofText('CHAR_LENGTH', (value) => {
  let length = 0;
  for (const _ of value) length++;
  return BigInt(length);
});

/** The first character is 1; what lies before it counts towards the length. */
const substring: SqlFunction = {
  min: 2,
  max: 3,
  run([value, from, count]) {
    const chars = [...text(value, 'SUBSTRING')];
    const start = whole(from, 'SUBSTRING');
    if (count === undefined) return chars.slice(Math.max(start, 1) - 1).join('');
    const length = whole(count, 'SUBSTRING');
    if (length < 0) throw s3Fault('EvaluatorInvalidArguments', 'The length of a SUBSTRING must not be negative.');
    return chars.slice(Math.max(start, 1) - 1, Math.max(start + length - 1, 0)).join('');
  },
};

function trim(side: 'leading' | 'trailing' | 'both'): SqlFunction {
  return {
    min: 1,
    max: 2,
    run(args) {
      const removed = new Set(args.length === 1 ? TRIMMED : text(args[0], 'TRIM'));
      const chars = [...text(args.at(-1), 'TRIM')];
      let [start, end] = [0, chars.length];
      if (side !== 'trailing') while (start < end && removed.has(chars[start] as string)) start++;
      if (side !== 'leading') while (end > start && removed.has(chars[end - 1] as string)) end--;
      return chars.slice(start, end).join('');
    },
  };
}

const dateAdd: SqlFunction = {
  min: 3,
  max: 3,
  run: ([part, quantity, to]) => time(to, 'DATE_ADD').add(part as DatePart, whole(quantity, 'DATE_ADD')),
};

const dateDiff: SqlFunction = {
  min: 3,
  max: 3,
  run: ([part, from, to]) => BigInt(time(from, 'DATE_DIFF').difference(part as DatePart, time(to, 'DATE_DIFF'))),
};

const extract: SqlFunction = {
  min: 2,
  max: 2,
  run: ([part, of]) => BigInt(time(of, 'EXTRACT').extract(part as ExtractedPart)),
};

const toText: SqlFunction = {
  min: 2,
  max: 2,
  run: ([value, pattern]) => formatTimestamp(time(value, 'TO_STRING').fields, text(pattern, 'TO_STRING')),
};

const toTimestamp = ofText('TO_TIMESTAMP', (value) => {
  const read = Timestamp.parse(value);
  if (read === undefined) throw s3Fault('ValueParseFailure');
  return read;
});

const coalesce: SqlFunction = {
  min: 1,
  max: Number.POSITIVE_INFINITY,
  takesUnknown: true,
  run: (args) => args.find((each) => !isUnknown(each)) ?? null,
};

const nullIf: SqlFunction = {
  min: 2,
  max: 2,
  takesUnknown: true,
  run([first, second]) {
    if (isUnknown(first)) return null;
    return !isUnknown(second) && isSame(first, second) ? null : first;
  },
};

export const FUNCTIONS: Readonly<Record<string, SqlFunction>> = {
  char_length: charLength,
  character_length: charLength,
  lower: ofText('LOWER', (value) => value.toLowerCase()),
  upper: ofText('UPPER', (value) => value.toUpperCase()),
  substring,
  trim: { ...trim('both'), max: 2 },
  trim_leading: trim('leading'),
  trim_trailing: trim('trailing'),
  trim_both: trim('both'),
  date_add: dateAdd,
  date_diff: dateDiff,
  extract,
  to_string: toText,
  to_timestamp: toTimestamp,
  utcnow: { min: 0, max: 0, run: (_, { nowMs }) => Timestamp.now(nowMs) },
  coalesce,
  nullif: nullIf,
};

export const AGGREGATES: ReadonlySet<string> = new Set(['count', 'sum', 'avg', 'min', 'max']);
