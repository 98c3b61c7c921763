/**
 * Whoever asks something of the store, and the policies that are its own, as contract.ts speaks of them: identity-policy.ts
 * reads them. Types alone.
 */

/** What policies say that belong to a caller, not to a bucket (identity-policy.ts). */
export interface CallerPolicies {
  ask(asked: {
    /** S3's name. */
    readonly action: string;
    readonly bucket: string;
    readonly key: string | undefined;
    /** Values of a condition key. */
    readonly facts: (key: string) => readonly string[] | undefined;
  }): 'allow' | 'deny' | undefined;
  /** Only the object itself can tell whether they hold. */
  readonly asksForTags: boolean;
}

/** Who asks. Built by proxy/auth from a token, a signature or nothing. */
export interface Caller {
  /** Storage account of the user (`AUTH_test`), undefined for anonymous. */
  readonly account: string | undefined;
  /** `account:user` as ACLs name it, e.g. `test:tester`; undefined for anonymous. */
  readonly user: string | undefined;
  /** Groups an ACL may name: `test:tester`, `test`. */
  readonly groups: readonly string[];
  /** Full rights on `account`. */
  readonly admin: boolean;
  /** Full rights on every account, and the only one who sets an account's quota. */
  readonly reseller?: boolean;
  /** Of a user within an account: what they allow there is allowed. */
  readonly own?: CallerPolicies | undefined;
  /** The role that was assumed: `account:name`, its ARN, and `AROA…:session`. */
  readonly role?: { readonly name: string; readonly arn: string; readonly id: string } | undefined;
  /** Of temporary keys: only what they allow, of all else that is allowed. */
  readonly session?: CallerPolicies | undefined;
}
