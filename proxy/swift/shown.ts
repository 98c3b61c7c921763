/** How an object's validators are shown, wherever they are. */
import { type Stamp, stampMs } from '../../fabric/stamp.ts';
import { formatHttpDate } from '../http-date.ts';
import type { ObjectInfo } from '../object/contract.ts';

/** Last-Modified is the second after the write began, so that a validator never predates what it validates. */
export function lastModified(stamp: Stamp): string {
  return formatHttpDate(Math.ceil(stampMs(stamp) / 1000) * 1000);
}

/** ETag as Swift shows it: bare for plain objects, quoted for large ones. */
export function shownEtag(info: ObjectInfo): string {
  return info.slo ? `"${info.etag}"` : info.etag;
}
