/** Which of the formats of a listing the client wants: `format=` first, then Accept (RFC 9110 §12.5.1). */
import type { SwiftCall } from './call.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';

export type ListingFormat = 'text/plain' | 'application/json' | 'application/xml' | 'text/xml';

/** In the order of preference where the client has none. */
const FORMATS: readonly ListingFormat[] = ['text/plain', 'application/json', 'application/xml', 'text/xml'];
const BY_NAME: Readonly<Record<string, ListingFormat>> = {
  plain: 'text/plain',
  json: 'application/json',
  xml: 'application/xml',
};
const RANGES_MAX = 50;

/** 406 when no format is acceptable, 400 for what names no types. */
export function chooseFormat(call: SwiftCall): ListingFormat {
  const name = call.params.get('format');
  if (name) return BY_NAME[name.toLowerCase()] ?? 'text/plain';
  const accept = call.header('accept');
  if (accept !== undefined && !isAccept(accept)) throw refuseAsPage(swiftFaults.badRequest, 'Invalid Accept header');
  const format = acceptedType(accept);
  if (!format) throw refuse(swiftFaults.notAcceptable);
  return format;
}

/** Whether JSON will do for a listing that comes in nothing else. */
export function acceptedJson(call: SwiftCall): boolean {
  const accept = call.header('accept');
  if (call.params.get('format') === 'json' || accept === undefined || accept === '') return true;
  return qualityOf('application/json', accept.split(',', RANGES_MAX).map(parseRange)) > 0;
}

/** A cache must know that the format hangs on the request's Accept. */
export function pushVary(headers: string[], call: SwiftCall): void {
  if (!call.params.get('format')) headers.push('Vary', 'Accept');
}

/** The best format for an Accept header; undefined when none will do. */
export function acceptedType(accept: string | undefined): ListingFormat | undefined {
  if (accept === undefined || accept === '' || accept === '*/*') return 'text/plain';
  const ranges = accept.split(',', RANGES_MAX).map(parseRange);
  let best: ListingFormat | undefined;
  let bestQuality = 0;
  for (const format of FORMATS) {
    const quality = qualityOf(format, ranges);
    if (quality > bestQuality) {
      best = format;
      bestQuality = quality;
    }
  }
  return best;
}

function isAccept(accept: string): boolean {
  const types = accept.split(',', RANGES_MAX).map((range) => range.split(';', 1)[0]?.trim());
  return types.every((type) => type === '' || type === '*' || type?.includes('/'));
}

interface MediaRange {
  readonly type: string;
  readonly quality: number;
}

function parseRange(text: string): MediaRange {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const quality = parameters.find((parameter) => parameter.startsWith('q='));
  return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) || 0 };
}

/** The most specific range that covers a format decides. */
function qualityOf(format: ListingFormat, ranges: readonly MediaRange[]): number {
  const family = `${format.slice(0, format.indexOf('/'))}/*`;
  for (const type of [format, family, '*/*']) {
    const range = ranges.find((candidate) => candidate.type === type);
    if (range) return range.quality;
  }
  return 0;
}
