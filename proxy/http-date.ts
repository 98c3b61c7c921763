/**
 * HTTP dates (RFC 9110 §5.6.7): written in the one preferred form, read in all three that a recipient must accept.
 * Takes milliseconds and never asks what time it is.
 */
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const IMF_FIXDATE = /^[A-Za-z]{3}, (\d{2}) ([A-Za-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) (?:GMT|UTC)$/;
const RFC_850 = /^[A-Za-z]{6,9}, (\d{2})-([A-Za-z]{3})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) (?:GMT|UTC)$/;
const ASCTIME = /^[A-Za-z]{3} ([A-Za-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/;
const MAIL_DATE =
  /^(?:[A-Za-z]{3,9}, ?)?(\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4}|\d{2}) (\d{2}):(\d{2})(?::(\d{2}))?(?: (?:GMT|UTC|UT|Z|([+-]\d{4})))?$/;
/** Two-digit years (RFC 850) below this belong to the 2000s. */
const CENTURY_PIVOT = 70;

let lastSecond = Number.NaN;
let lastText = '';

/** `Sun, 06 Nov 1994 08:49:37 GMT` from Unix milliseconds; the part below a second is dropped. */
export function formatHttpDate(unixMs: number): string {
  const second = Math.floor(unixMs / 1000);
  if (second !== lastSecond) {
    lastText = new Date(second * 1000).toUTCString();
    lastSecond = second;
  }
  return lastText;
}

/** Unix milliseconds, or undefined for anything that is not an HTTP date: such a header is to be ignored. */
export function parseHttpDate(text: string): number | undefined {
  const fixdate = IMF_FIXDATE.exec(text);
  if (fixdate) return fromFields(fixdate[3], fixdate[2], fixdate[1], [fixdate[4], fixdate[5], fixdate[6]]);
  const rfc850 = RFC_850.exec(text);
  if (rfc850) {
    const year = Number(rfc850[3]);
    const full = String(year < CENTURY_PIVOT ? 2000 + year : 1900 + year);
    return fromFields(full, rfc850[2], rfc850[1], [rfc850[4], rfc850[5], rfc850[6]]);
  }
  const asctime = ASCTIME.exec(text);
  return asctime ? fromFields(asctime[6], asctime[1], asctime[2], [asctime[3], asctime[4], asctime[5]]) : undefined;
}

/**
 * As people write dates (RFC 5322): the day of the week, the zone and a century may be missing. For conditions whose
 * neglect would cost more than it saves.
 */
export function parseMailDate(text: string): number | undefined {
  const exact = parseHttpDate(text);
  const mail = exact === undefined ? MAIL_DATE.exec(text) : null;
  if (!mail) return exact;
  const year = Number(mail[3]);
  const full = (mail[3] as string).length > 2 ? year : year < CENTURY_PIVOT ? 2000 + year : 1900 + year;
  const unixMs = fromFields(String(full), mail[2], mail[1], [mail[4], mail[5], mail[6] ?? '0']);
  if (unixMs === undefined || mail[7] === undefined) return unixMs;
  const zone = Number(mail[7]);
  return unixMs - (Math.trunc(zone / 100) * 60 + (zone % 100)) * 60_000;
}

type Field = string | undefined;

function fromFields(year: Field, month: Field, day: Field, time: readonly Field[]): number | undefined {
  const monthIndex = MONTHS.indexOf((month ?? '').toLowerCase());
  const [hour = Number.NaN, minute = Number.NaN, second = Number.NaN] = time.map(Number);
  if (monthIndex < 0 || hour > 23 || minute > 59 || second > 60) return undefined;
  const unixMs = Date.UTC(Number(year), monthIndex, Number(day), hour, minute, second);
  // Date.UTC carries 31 February over into March: no such day was meant.
  const valid = new Date(Date.UTC(Number(year), monthIndex, Number(day))).getUTCDate() === Number(day);
  return valid && !Number.isNaN(unixMs) ? unixMs : undefined;
}
