/**
 * Points in time as SQL has them: with a precision, from a year to fractions of a second, and a local offset that may be
 * unknown. Text: https://www.w3.org/TR/NOTE-datetime, with a `T` behind what has no day.
 */
import { s3Fault } from '../errors.ts';
import type { DATE_PARTS, EXTRACTED_PARTS } from './sql-words.ts';

export type DatePart = (typeof DATE_PARTS)[number];
export type ExtractedPart = (typeof EXTRACTED_PARTS)[number];

const TEXT =
  /^(\d{4})(?:T|-(\d\d)(?:T|-(\d\d)(?:T(?:(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,100}))?)?(Z|[+-]\d\d:\d\d)?)?)?))$/;
const PRECISIONS = ['year', 'month', 'day', 'minute', 'second'] as const;
type Precision = (typeof PRECISIONS)[number];

const MINUTE_MS = 60_000;
const UNIT_MS = { day: 24 * 60 * MINUTE_MS, hour: 60 * MINUTE_MS, minute: MINUTE_MS, second: 1000 } as const;
const YEAR_MAX = 9999;
const OFFSET_MINUTES_MAX = 24 * 60;

interface Parts {
  readonly unixMs: number;
  readonly precision: Precision;
  /** Digits of the second's fraction, all of them. */
  readonly fraction: string;
  /** Undefined: unknown, written `-00:00`. */
  readonly offsetMinutes: number | undefined;
}

/** As it stands on a calendar and a clock there. */
export interface Fields extends Readonly<Record<DatePart, number>> {
  readonly offsetMinutes: number;
  readonly fraction: string;
}

export class Timestamp {
  readonly unixMs: number;
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.unixMs = parts.unixMs;
    this.#parts = parts;
  }

  static now(unixMs: number): Timestamp {
    const fraction = String(unixMs % 1000).padStart(3, '0');
    return new Timestamp({ unixMs, precision: 'second', fraction, offsetMinutes: 0 });
  }

  /** Undefined for what is none. */
  static parse(text: string): Timestamp | undefined {
    const match = TEXT.exec(text);
    if (!match) return undefined;
    const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(toNumber);
    const fraction = match[7] ?? '';
    const offsetMinutes = readOffset(match[8]);
    const localMs = utc([year, month, day, hour, minute, second]) + Number(fraction.slice(0, 3).padEnd(3, '0'));
    const isReal = isoOf(localMs).startsWith(`${match[1]}-${pad(month)}-${pad(day)}T${pad(hour)}:${pad(minute)}`);
    if (!isReal || second > 59 || year === 0 || Math.abs(offsetMinutes ?? 0) >= OFFSET_MINUTES_MAX) return undefined;
    const precision = match[6] ? 'second' : match[4] ? 'minute' : match[3] ? 'day' : match[2] ? 'month' : 'year';
    return new Timestamp({ unixMs: localMs - (offsetMinutes ?? 0) * MINUTE_MS, precision, fraction, offsetMinutes });
  }

  compare(other: Timestamp): number {
    if (this.unixMs !== other.unixMs) return this.unixMs < other.unixMs ? -1 : 1;
    const [left, right] = [this, other].map(({ fields }) => fields.fraction.slice(3).replace(/0+$/, '')) as [
      string,
      string,
    ];
    return left < right ? -1 : left > right ? 1 : 0;
  }

  get fields(): Fields {
    const offsetMinutes = this.#parts.offsetMinutes ?? 0;
    const local = new Date(this.unixMs + offsetMinutes * MINUTE_MS);
    return {
      year: local.getUTCFullYear(),
      month: local.getUTCMonth() + 1,
      day: local.getUTCDate(),
      hour: local.getUTCHours(),
      minute: local.getUTCMinutes(),
      second: local.getUTCSeconds(),
      offsetMinutes,
      fraction: this.#parts.fraction,
    };
  }

  extract(part: ExtractedPart): number {
    const { fields } = this;
    if (part === 'timezone_hour') return Math.trunc(fields.offsetMinutes / 60) + 0;
    if (part === 'timezone_minute') return (fields.offsetMinutes % 60) + 0;
    return fields[part];
  }

  /** Months and years keep the day, or take the month's last. Fault IntegerOverflow beyond the year 9999. */
  add(part: DatePart, quantity: number): Timestamp {
    const precision = finest(this.#parts.precision, part === 'hour' ? 'minute' : part);
    const unixMs = part === 'year' || part === 'month' ? this.#plusMonths(part, quantity) : this.#plus(part, quantity);
    const year = new Date(unixMs).getUTCFullYear();
    // Not a number for what is beyond all dates.
    if (!(year >= 1 && year <= YEAR_MAX)) throw s3Fault('IntegerOverflow');
    return new Timestamp({ ...this.#parts, unixMs, precision });
  }

  /** Whole units from here to there. */
  difference(part: DatePart, other: Timestamp): number {
    const elapsedMs = other.unixMs - this.unixMs;
    if (part !== 'year' && part !== 'month') return Math.trunc(elapsedMs / UNIT_MS[part]) + 0;
    const [from, to] = [this.#utcFields(), other.#utcFields()];
    let months = (to.year - from.year) * 12 + to.month - from.month;
    // A month is over when its day and time have come again.
    if (months > 0 && to.restMs < from.restMs) months--;
    if (months < 0 && to.restMs > from.restMs) months++;
    return part === 'month' ? months : Math.trunc(months / 12) + 0;
  }

  toString(): string {
    const { precision, fraction } = this.#parts;
    const { year, month, day, hour, minute, second } = this.fields;
    const yearText = pad(year, 4);
    if (precision === 'year') return `${yearText}T`;
    if (precision === 'month') return `${yearText}-${pad(month)}T`;
    const date = `${yearText}-${pad(month)}-${pad(day)}`;
    if (precision === 'day') return date;
    const seconds = precision === 'minute' ? '' : `:${pad(second)}${fraction === '' ? '' : `.${fraction}`}`;
    return `${date}T${pad(hour)}:${pad(minute)}${seconds}${this.#offsetText()}`;
  }

  #offsetText(): string {
    const { offsetMinutes } = this.#parts;
    if (offsetMinutes === undefined) return '-00:00';
    return offsetMinutes === 0 ? 'Z' : offsetText(offsetMinutes, ':');
  }

  #plus(part: keyof typeof UNIT_MS, quantity: number): number {
    return this.unixMs + quantity * UNIT_MS[part];
  }

  #plusMonths(part: 'year' | 'month', quantity: number): number {
    const { year, month, day, offsetMinutes } = this.fields;
    const months = year * 12 + month - 1 + quantity * (part === 'year' ? 12 : 1);
    const [toYear, toMonth] = [Math.floor(months / 12), (((months % 12) + 12) % 12) + 1];
    const daysInMonth = new Date(utc([toYear, toMonth + 1, 0])).getUTCDate();
    const localMs = this.unixMs + offsetMinutes * MINUTE_MS;
    const ofDayMs = ((localMs % UNIT_MS.day) + UNIT_MS.day) % UNIT_MS.day;
    return utc([toYear, toMonth, Math.min(day, daysInMonth)]) + ofDayMs - offsetMinutes * MINUTE_MS;
  }

  #utcFields(): { readonly year: number; readonly month: number; readonly restMs: number } {
    const date = new Date(this.unixMs);
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() + 1];
    return { year, month, restMs: this.unixMs - utc([year, month, 1]) };
  }
}

const toNumber = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));

export const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0');

/** Unlike Date.UTC, years below 100 are what they say. */
function utc([year, month, day, hour = 0, minute = 0, second = 0]: readonly [
  number,
  number,
  number,
  ...number[],
]): number {
  const date = new Date(Date.UTC(2000, month - 1, day, hour, minute, second));
  date.setUTCFullYear(year, month - 1, day);
  return date.getTime();
}

function isoOf(unixMs: number): string {
  return Number.isNaN(unixMs) ? '' : new Date(unixMs).toISOString();
}

function readOffset(text: string | undefined): number | undefined {
  if (text === undefined || text === '-00:00') return undefined;
  if (text === 'Z') return 0;
  const [hours = 0, minutes = 0] = text.slice(1).split(':').map(Number);
  if (minutes > 59) return Number.POSITIVE_INFINITY;
  return (text.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}

function finest(left: Precision, right: Precision): Precision {
  return PRECISIONS.indexOf(left) > PRECISIONS.indexOf(right) ? left : right;
}

/** `+01:30`, with `:` or what else is asked for between. */
export function offsetText(offsetMinutes: number, between: string): string {
  const minutes = Math.abs(offsetMinutes);
  return `${offsetMinutes < 0 ? '-' : '+'}${pad(Math.trunc(minutes / 60))}${between}${pad(minutes % 60)}`;
}
