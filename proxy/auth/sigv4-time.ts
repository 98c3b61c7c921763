/** The timestamps of Signature Version 4: `20130524T000000Z`. Pure; the clock is asked by sigv4.ts alone. */
const LENGTH = 16;

/** Most requests of a second carry the same one. */
let lastText = '';
let lastMs = 0;

/** Unix milliseconds, or undefined for anything but YYYYMMDD'T'HHMMSS'Z'. */
export function parseAmzDate(text: string): number | undefined {
  if (text === lastText) return lastMs;
  if (text.length !== LENGTH || text.charCodeAt(8) !== 0x54 || text.charCodeAt(15) !== 0x5a) return undefined;
  const year = digits(text, 0, 4);
  const month = digits(text, 4, 6);
  const day = digits(text, 6, 8);
  const hour = digits(text, 9, 11);
  const minute = digits(text, 11, 13);
  const second = digits(text, 13, 15);
  const bad = year < 0 || month < 1 || month > 12 || day < 1 || day > 31;
  if (bad || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return undefined;
  lastMs = Date.UTC(year, month - 1, day, hour, minute, second);
  lastText = text;
  return lastMs;
}

export function formatAmzDate(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 19).replaceAll('-', '').replaceAll(':', '')}Z`;
}

/** `2013-05-24T00:00:00Z`, as error answers show times. */
export function formatIsoSecond(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 19)}Z`;
}

/** -1 when one of them is not a digit. */
function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
