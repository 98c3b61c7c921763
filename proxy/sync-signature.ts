/** The signature of requests between clusters of a realm: HMAC-SHA1 over what is asked, with both keys. Pure. */
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface SignedRequest {
  readonly method: string;
  /** As of `signedPath` (sync-realms.ts), without a query. */
  readonly path: string;
  /** X-Timestamp as sent; '0' where there is none. */
  readonly timestamp: string;
  readonly nonce: string;
}

export interface SyncKeys {
  /** The operators', UTF-8. */
  readonly realm: string;
  /** The container's, latin1 as sent. */
  readonly user: string;
}

/** 40 hex digits. */
export function signSync({ method, path, timestamp, nonce }: SignedRequest, { realm, user }: SyncKeys): string {
  return createHmac('sha1', Buffer.from(realm, 'utf8'))
    .update(`${method}\n${path}\n${timestamp}\n${nonce}\n${user}`, 'latin1')
    .digest('hex');
}

/** In constant time. */
export function sameText(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given, 'latin1'), Buffer.from(expected, 'latin1')];
  return one.length === other.length && timingSafeEqual(one, other);
}
