/** Conditional headers (RFC 9110 §13) as the store wants them. An unreadable date does not count, as the RFC says. */
import { parseMailDate } from '../http-date.ts';
import type { Conditions } from '../object/contract.ts';
import type { SwiftCall } from './call.ts';
import { refuse, swiftFaults } from './faults.ts';

const ETAGS_MAX = 100;

/** undefined when the request has no conditions. */
export function readConditions(call: SwiftCall): Conditions | undefined {
  const ifMatch = call.header('if-match');
  const ifNoneMatch = call.header('if-none-match');
  const since = call.header('if-modified-since');
  const unmodified = call.header('if-unmodified-since');
  if (ifMatch === undefined && ifNoneMatch === undefined && since === undefined && unmodified === undefined) {
    return undefined;
  }
  return {
    ifMatch: ifMatch === undefined ? undefined : parseEtags(ifMatch, strongEtag),
    ifNoneMatch: ifNoneMatch === undefined ? undefined : parseEtags(ifNoneMatch, bareEtag),
    ifModifiedSinceMs: since === undefined ? undefined : parseMailDate(since),
    ifUnmodifiedSinceMs: unmodified === undefined ? undefined : parseMailDate(unmodified),
  };
}

/** Of a PUT. `If-None-Match` can only say that nothing may be there yet. */
export function readPutConditions(call: SwiftCall): Conditions | undefined {
  const conditions = readConditions(call);
  if (conditions?.ifNoneMatch !== undefined && conditions.ifNoneMatch !== '*') {
    throw refuse(swiftFaults.badRequest, 'If-None-Match only supports *');
  }
  return conditions;
}

/** `"a", W/"b", c` → [a, b, c]; `*` anywhere stands for any. */
function parseEtags(header: string, read: (text: string) => string): readonly string[] | '*' {
  const etags = header.split(',', ETAGS_MAX).map(read);
  return etags.includes('*') ? '*' : etags;
}

/** A weak one stays as it is, and is nobody's: `If-Match` compares strongly (RFC 9110 §13.1.1). */
function strongEtag(text: string): string {
  const trimmed = text.trim();
  return trimmed.startsWith('W/') ? trimmed : bareEtag(trimmed);
}

export function bareEtag(text: string): string {
  const trimmed = text.trim();
  const strong = trimmed.startsWith('W/') ? trimmed.slice(2) : trimmed;
  return strong.startsWith('"') && strong.endsWith('"') && strong.length > 1 ? strong.slice(1, -1) : strong;
}
