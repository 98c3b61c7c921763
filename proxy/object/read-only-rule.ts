/** What holds where nothing is said of an account or container. */
export interface ReadOnlyRule {
  readonly everywhere: boolean;
  readonly allowsDeletes: boolean;
}
