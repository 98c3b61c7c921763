/**
 * What other services need of identity: who a token or an access key stands for. They hold no signing key and never open
 * identity's tables; they ask once per token over a Peer and follow the feed (verifier.ts), so that later checks are a
 * look-up in their own memory. This file never imports what carries it out.
 */
import type { Credentials } from '../../control/contract.ts';
import { matchesPath } from './access-path.ts';

/** One thing an application credential with access rules may do; all else is refused. */
export interface AccessRule {
  /** Type in the catalog, e.g. object-store. */
  readonly service: string;
  readonly method: string;
  /** `*` is one segment of a path, `**` any number, `{name}` one segment. */
  readonly path: string;
}

export interface NamedRole {
  readonly id: string;
  readonly name: string;
}

/** Plain data: it travels as it is. */
export interface TokenContext extends Credentials {
  readonly userName: string;
  readonly userDomainId: string;
  readonly userDomainName: string;
  readonly projectDomainName?: string | undefined;
  /** The project acts as a domain. */
  readonly isDomain?: boolean | undefined;
  readonly namedRoles: readonly NamedRole[];
  readonly methods: readonly string[];
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly auditIds: readonly string[];
  readonly appCred?: { readonly id: string; readonly name: string; readonly restricted: boolean } | undefined;
  /** Absent: no rules, everything is allowed. Whoever serves the request asks `permitsRequest`. */
  readonly accessRules?: readonly AccessRule[] | undefined;
}

/** An EC2 credential, for whoever checks signatures itself. `context` is what a token of it would say, now. */
export interface AccessKey {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly context: TokenContext;
}

/**
 * Both throw Fault IdentityUnavailable when nothing can be said for sure (the feed is stale and identity cannot be asked):
 * answer 503, never let the request through. What is known is answered at once, without a promise.
 */
export interface TokenVerifier {
  /** Undefined for a token that is unknown, expired or revoked. */
  authenticate(token: string): Promise<TokenContext | undefined> | TokenContext | undefined;
  accessKey(accessKey: string): Promise<AccessKey | undefined> | AccessKey | undefined;
}

/** Methods of identity's service on the fabric. Peers that may call `accessKey` learn secrets: give it to S3 fronts alone. */
export const IDENTITY_METHODS = {
  /** { token } -> Verdict of a TokenContext */
  verify: 'identity.verify',
  /** { accessKey } -> Verdict of an AccessKey */
  accessKey: 'identity.access-key',
  /** ChangesAsk -> ChangesReply */
  changes: 'identity.changes',
} as const;

/** An answer and all that it hangs on: rows read and ranges scanned, as `table key` and `table prefix`, joined by \0. */
export interface Verdict<T> {
  readonly result: T | undefined;
  /** Of the store's state that was judged. */
  readonly revision: number;
  readonly reads: readonly string[];
}

export interface ChangesAsk {
  /** Absent: only where the feed stands now. */
  readonly after?: number;
  /** Held so long when there is nothing new. */
  readonly waitMs: number;
}

export interface ChangesReply {
  /** `table key`, joined by \0, of each row that changed. */
  readonly changed: readonly string[];
  readonly revision: number;
  /** The feed does not reach back: forget everything. */
  readonly trimmed: boolean;
  /** Between the question's arrival and the look that this answer is from. */
  readonly heldMs: number;
}

/** Longer ones fit no rule: the work is the path's length times the rule's. */
const RULED_PATH_CHARS_MAX = 4096;

/** False when the context has access rules and none of them is for this request. `path` without the query. */
export function permitsRequest(
  { accessRules }: Pick<TokenContext, 'accessRules'>,
  { service, method, path }: { readonly service: string; readonly method: string; readonly path: string },
): boolean {
  if (accessRules === undefined) return true;
  if (path.length > RULED_PATH_CHARS_MAX) return false;
  return accessRules.some((rule) => rule.service === service && rule.method === method && matchesPath(rule.path, path));
}
