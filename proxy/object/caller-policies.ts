/** Policies of users and of temporary keys, as contract.ts speaks of them: identity-policy.ts reads them. Types alone. */

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
