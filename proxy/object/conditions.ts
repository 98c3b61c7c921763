/** Conditional requests, RFC 9110 §13.2.2's order, for both APIs. Judges only; what a verdict looks like is the API's. */
import { Fault } from '../../fabric/errors.ts';
import { stampMs } from '../../fabric/stamp.ts';
import { headStamp } from '../../object-server/contract.ts';
import { type Conditions, type ObjectInfo, storeFaults } from './contract.ts';
import type { ObjectRecord } from './object-format.ts';

/** Fault PreconditionFailed or NotModified (details.info). */
export function checkReadConditions(conditions: Conditions | undefined, info: ObjectInfo): void {
  if (!conditions) return;
  const { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs } = conditions;
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, info.etag)) throw new Fault(storeFaults.preconditionFailed, { header: 'If-Match', info });
  } else if (ifUnmodifiedSinceMs !== undefined && stampMs(info.stamp) > ifUnmodifiedSinceMs) {
    throw new Fault(storeFaults.preconditionFailed, { header: 'If-Unmodified-Since', info });
  }
  if (ifNoneMatch !== undefined) {
    if (matches(ifNoneMatch, info.etag)) throw new Fault(storeFaults.notModified, { header: 'If-None-Match', info });
  } else if (ifModifiedSinceMs !== undefined && stampMs(info.stamp) <= ifModifiedSinceMs) {
    throw new Fault(storeFaults.notModified, { header: 'If-Modified-Since', info });
  }
}

/** The Fault that refuses a write, or undefined. An absent object matches nothing. */
export function checkWriteConditions(
  { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs, ifStamp }: Conditions,
  current: { record: ObjectRecord; head: Buffer } | undefined,
): Fault | undefined {
  const refuse = (header: string): Fault => new Fault(storeFaults.preconditionFailed, { header });
  if (ifMatch !== undefined) {
    if (!current) return new Fault(storeFaults.noSuchObject, { header: 'If-Match' });
    if (!matches(ifMatch, current.record.etag)) return refuse('If-Match');
  }
  if (ifStamp !== undefined && ifStamp !== (current ? headStamp(current.head) : 'absent')) {
    return new Fault(storeFaults.conditionalConflict, { reason: 'changed' });
  }
  if (ifNoneMatch !== undefined && current && matches(ifNoneMatch, current.record.etag)) return refuse('If-None-Match');
  if (!current) return undefined;
  const modifiedMs = stampMs(headStamp(current.head));
  if (ifUnmodifiedSinceMs !== undefined && modifiedMs > ifUnmodifiedSinceMs) return refuse('If-Unmodified-Since');
  if (ifModifiedSinceMs !== undefined && modifiedMs <= ifModifiedSinceMs) return refuse('If-Modified-Since');
  return undefined;
}

function matches(wanted: readonly string[] | '*', etag: string): boolean {
  return wanted === '*' || wanted.includes(etag);
}
