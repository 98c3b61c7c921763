/** How an object's validators are shown, wherever they are. */
import { type Stamp, stampMs, stampToSwift } from '../../fabric/stamp.ts';
import { formatHttpDate } from '../http-date.ts';
import type { ObjectInfo } from '../object/contract.ts';

/** Last-Modified is the second after the write began, so that a validator never predates what it validates. */
export function lastModified(stamp: Stamp): string {
  return formatHttpDate(Math.ceil(stampMs(stamp) / 1000) * 1000);
}

/**
 * Whether clients must not expect the MD5 of the content as ETag: a static large object, or an object that S3 uploaded in
 * parts, which Swift too shows as one. The latter has no segments with names: its manifest is an empty list.
 */
export function isShownAsLarge(info: Pick<ObjectInfo, 'slo' | 'etag'>): boolean {
  return info.slo !== undefined || info.etag.includes('-');
}

/** ETag as Swift shows it: bare for plain objects, quoted for large ones. */
export function shownEtag(info: ObjectInfo): string {
  return isShownAsLarge(info) ? `"${info.etag}"` : info.etag;
}

/** What an answer without the object says of it. */
export function validators(info: ObjectInfo): string[] {
  const { stamp } = info;
  return ['Etag', shownEtag(info), 'Last-Modified', lastModified(stamp), 'X-Timestamp', stampToSwift(stamp)];
}
