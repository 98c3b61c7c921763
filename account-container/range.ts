/**
 * Which rows a listing may show, as a key range, and how names fold into common prefixes. The rules of markers are here
 * and nowhere else: they follow Swift 2.30 (swift/container/backend.py), and S3 where `markerSkipsPrefix` says so.
 */
import { afterPrefix, type Key } from '../object-server/contract.ts';
import type { ListArgs } from './page.ts';

export interface RowRange {
  /** Inclusive. */
  start: Key;
  /** Exclusive. */
  end: Key;
}

/** The common prefix that `name` folds into, undefined when it stands for itself. */
export function commonPrefix(name: string, args: ListArgs): string | undefined {
  if (args.delimiter === '') return undefined;
  const at = name.indexOf(args.delimiter, args.prefix.length);
  return at < 0 ? undefined : name.slice(0, at + args.delimiter.length);
}

/** start >= end when nothing can match. */
export function rowRange(args: ListArgs): RowRange {
  const { rowPrefix, prefix, reverse, resume = '' } = args;
  const base = rowPrefix + prefix;
  const lower = reverse ? args.endMarker : args.marker;
  const upper = reverse ? args.marker : args.endMarker;
  const range = { start: base, end: afterPrefix(base) };
  if (lower !== '') range.start = later(range.start, afterLower(lower, args));
  if (upper !== '') range.end = earlier(range.end, rowPrefix + upper);
  if (resume !== '' && reverse) range.end = earlier(range.end, rowPrefix + resume);
  if (resume !== '' && !reverse) range.start = later(range.start, `${rowPrefix}${resume}\0`);
  return range;
}

/** First key above the lower marker: above everything that folds into it when it is itself a common prefix. */
function afterLower(lower: string, args: ListArgs): Key {
  if (args.delimiter !== '' && lower.startsWith(args.prefix)) {
    const folded = commonPrefix(lower, args);
    const skipped = folded === lower || (args.markerSkipsPrefix && !args.reverse);
    if (folded !== undefined && skipped) return afterPrefix(args.rowPrefix + folded);
  }
  return `${args.rowPrefix}${lower}\0`;
}

const later = (a: Key, b: Key): Key => (a < b ? b : a);
const earlier = (a: Key, b: Key): Key => (a < b ? a : b);
