/** Request ids, `req-<uuid>`: one of our own for each request; an inbound one is kept beside it, if it has that very form. */
import type { Random } from '../../fabric/random.ts';

const REQUEST_ID = /^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function makeRequestId(random: Random): string {
  return `req-${makeUuid(random)}`;
}

export function isRequestId(text: string): boolean {
  return REQUEST_ID.test(text);
}

/** RFC 4122, version 4. */
export function makeUuid(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Keystone's ids: the same without dashes. */
export function makeHexId(random: Random): string {
  return makeUuid(random).replaceAll('-', '');
}
