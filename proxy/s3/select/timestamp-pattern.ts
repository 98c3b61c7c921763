/**
 * TO_STRING: a timestamp in the form that a pattern draws.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-select-sql-reference-date.html
 */
import { s3Fault } from '../errors.ts';
import { type Fields, offsetText, pad } from './timestamp.ts';

const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October'],
  ...['November', 'December'],
] as const;
const NANO_DIGITS = 9;
const PATTERN_LENGTH_MAX = 1000;

type Render = (fields: Fields) => string;

const monthName = ({ month }: Fields): string => MONTHS[month - 1] as string;
const hour12 = ({ hour }: Fields): number => (hour % 12 === 0 ? 12 : hour % 12);
/** Hours alone where there are no minutes. */
const shortOffset = ({ offsetMinutes }: Fields): string =>
  offsetMinutes % 60 === 0 ? offsetText(offsetMinutes, '').slice(0, 3) : offsetText(offsetMinutes, '');
const orZ =
  (render: Render): Render =>
  (fields) =>
    fields.offsetMinutes === 0 ? 'Z' : render(fields);
const plainOffset: Render = ({ offsetMinutes }) => offsetText(offsetMinutes, '');
const colonOffset: Render = ({ offsetMinutes }) => offsetText(offsetMinutes, ':');

const SYMBOLS: Readonly<Record<string, Render>> = {
  y: ({ year }) => String(year),
  yy: ({ year }) => pad(year % 100),
  yyyy: ({ year }) => pad(year, 4),
  M: ({ month }) => String(month),
  MM: ({ month }) => pad(month),
  MMM: (fields) => monthName(fields).slice(0, 3),
  MMMM: monthName,
  MMMMM: (fields) => monthName(fields).slice(0, 1),
  d: ({ day }) => String(day),
  dd: ({ day }) => pad(day),
  a: ({ hour }) => (hour < 12 ? 'AM' : 'PM'),
  h: (fields) => String(hour12(fields)),
  hh: (fields) => pad(hour12(fields)),
  H: ({ hour }) => String(hour),
  HH: ({ hour }) => pad(hour),
  m: ({ minute }) => String(minute),
  mm: ({ minute }) => pad(minute),
  s: ({ second }) => String(second),
  ss: ({ second }) => pad(second),
  n: ({ fraction }) => String(Number(fraction.slice(0, NANO_DIGITS).padEnd(NANO_DIGITS, '0'))),
  X: orZ(shortOffset),
  XX: orZ(plainOffset),
  XXX: orZ(colonOffset),
  XXXX: orZ(plainOffset),
  XXXXX: orZ(colonOffset),
  x: shortOffset,
  xx: plainOffset,
  xxx: colonOffset,
  xxxx: plainOffset,
  xxxxx: colonOffset,
};
const LETTERS: ReadonlySet<string> = new Set([...Object.keys(SYMBOLS).map((symbol) => symbol[0] as string), 'S']);

/** Faults EvaluatorInvalidTimestampFormatPatternSymbol, …Token, EvaluatorUnterminatedTimestampFormatPatternToken. */
export function formatTimestamp(fields: Fields, pattern: string): string {
  if (pattern.length > PATTERN_LENGTH_MAX) throw s3Fault('EvaluatorInvalidTimestampFormatPatternToken');
  let text = '';
  for (let at = 0; at < pattern.length; ) {
    const char = pattern[at] as string;
    if (char === "'") {
      const end = endOfQuote(pattern, at);
      // Two are one, wherever they stand.
      text += end === at + 2 ? "'" : pattern.slice(at + 1, end - 1).replaceAll("''", "'");
      at = end;
    } else if (/[A-Za-z]/.test(char)) {
      let end = at + 1;
      while (pattern[end] === char) end++;
      text += renderOf(pattern.slice(at, end))(fields);
      at = end;
    } else {
      text += char;
      at++;
    }
  }
  return text;
}

function endOfQuote(pattern: string, start: number): number {
  for (let at = pattern.indexOf("'", start + 1); at >= 0; at = pattern.indexOf("'", at + 2)) {
    if (at === start + 1 || pattern[at + 1] !== "'") return at + 1;
  }
  throw s3Fault('EvaluatorUnterminatedTimestampFormatPatternToken');
}

function renderOf(symbol: string): Render {
  const letter = symbol[0] as string;
  if (letter === 'S') return ({ fraction }) => fraction.slice(0, symbol.length).padEnd(symbol.length, '0');
  const render = Object.hasOwn(SYMBOLS, symbol) ? SYMBOLS[symbol] : undefined;
  if (render) return render;
  if (LETTERS.has(letter)) throw s3Fault('EvaluatorInvalidTimestampFormatPatternToken', `${symbol} is no field.`);
  throw s3Fault('EvaluatorInvalidTimestampFormatPatternSymbol', `${letter} is no symbol of a timestamp pattern.`);
}
