/** Times as Keystone writes them: UTC, microseconds, a Z. Times of clients are read in the ISO forms they send. */
import { malformed } from './refusals.ts';

export function isoTime(ms: number): string {
  return new Date(ms).toISOString().replace(/(\.\d{3})Z$/, '$1000Z');
}

/** Credentials of old tables and password expiry go without the zone in some places. */
export function isoTimeBare(ms: number): string {
  return isoTime(ms).slice(0, -1);
}

const FORM = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?$/;

/** Unix ms. Without a zone it is UTC. Fault BadRequest. */
export function parseIsoTime(text: string): number {
  if (!FORM.test(text)) throw malformed('Timestamp not in expected format.');
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`;
  // Date.parse knows milliseconds.
  const ms = Date.parse(zoned.replace(/(\.\d{3})\d+/, '$1'));
  if (Number.isNaN(ms)) throw malformed('Timestamp not in expected format.');
  return ms;
}
