/** Pure rules of the store in memory: conditions, listings and metadata changes, apart from where things are kept. */
import { Fault } from '../fabric/errors.ts';
import { type Stamp, stampMs, stampTicks } from '../fabric/stamp.ts';
import { type Conditions, type ListQuery, type ObjectInfo, storeFaults } from '../proxy/object/contract.ts';
import type { StoredContainer } from './memory-store-state.ts';

/** RFC 9110 §13.2.2 for reads. */
export function checkRead(info: ObjectInfo, conditions: Conditions = {}): void {
  const modifiedMs = Math.floor(stampMs(info.stamp) / 1000) * 1000;
  const { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs } = conditions;
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, info)) throw new Fault(storeFaults.preconditionFailed, { header: 'If-Match', info });
  } else if (ifUnmodifiedSinceMs !== undefined && modifiedMs > ifUnmodifiedSinceMs) {
    throw new Fault(storeFaults.preconditionFailed, { header: 'If-Unmodified-Since', info });
  }
  if (ifNoneMatch !== undefined) {
    if (matches(ifNoneMatch, info)) throw new Fault(storeFaults.notModified, { header: 'If-None-Match', info });
  } else if (ifModifiedSinceMs !== undefined && modifiedMs <= ifModifiedSinceMs) {
    throw new Fault(storeFaults.notModified, { header: 'If-Modified-Since', info });
  }
}

export function checkWrite(info: ObjectInfo | undefined, conditions: Conditions = {}): void {
  const { ifMatch, ifNoneMatch } = conditions;
  if (ifMatch !== undefined && !info) throw new Fault(storeFaults.noSuchObject);
  if (ifMatch !== undefined && info && !matches(ifMatch, info)) throw new Fault(storeFaults.preconditionFailed);
  if (ifNoneMatch !== undefined && info && matches(ifNoneMatch, info)) throw new Fault(storeFaults.preconditionFailed);
}

/** `at`: when a change happened elsewhere. It counts only over what is older, be it a deletion. */
export function checkNewer({ objects, gone }: StoredContainer, name: string, at: Stamp | undefined): void {
  const last = objects.get(name)?.info.stamp ?? gone.get(name);
  if (at === undefined || last === undefined || stampTicks(last) < stampTicks(at)) return;
  throw new Fault(storeFaults.preconditionFailed, { header: 'X-Timestamp', isGone: !objects.has(name) });
}

/** Leaves a trace, also where there was nothing. Whether there was something. */
export function removeFrom(container: StoredContainer, name: string, at: Stamp): boolean {
  checkNewer(container, name, at);
  container.gone.set(name, at);
  return container.objects.delete(name);
}

function matches(wanted: readonly string[] | '*', info: ObjectInfo): boolean {
  return wanted === '*' || wanted.includes(info.etag);
}

type NameEntry = { readonly prefix: string } | { readonly name: string };

export function listNames(names: readonly string[], query: ListQuery): { entries: NameEntry[]; truncated: boolean } {
  const { prefix = '', delimiter = '', marker, endMarker, limit, reverse = false } = query;
  const direction = reverse ? -1 : 1;
  const sorted = names.filter((name) => name.startsWith(prefix)).sort((a, b) => direction * compareBytes(a, b));
  const entries: NameEntry[] = [];
  let lastPrefix: string | undefined;
  for (const name of sorted) {
    if (marker !== undefined && marker !== '' && direction * compareBytes(name, marker) <= 0) continue;
    if (endMarker !== undefined && endMarker !== '' && direction * compareBytes(name, endMarker) >= 0) continue;
    const cut = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length);
    const common = cut < 0 ? undefined : name.slice(0, cut + delimiter.length);
    if (common !== undefined && (common === lastPrefix || common === marker)) continue;
    if (entries.length >= limit) return { entries, truncated: limit > 0 };
    lastPrefix = common;
    entries.push(common === undefined ? { name } : { prefix: common });
  }
  return { entries, truncated: false };
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
