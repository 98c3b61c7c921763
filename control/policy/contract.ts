/** Who may do what: named rules over credentials and a target. See rules.ts for the language, defaults.ts for the usual ones. */
import type { Credentials } from '../contract.ts';

/** Attributes of what is acted upon: `%(project_id)s`, `%(target.user.domain_id)s` (nested objects, or a flat name with dots). */
export type PolicyTarget = Readonly<Record<string, unknown>>;

export interface PolicyRow {
  readonly name: string;
  /** As written. */
  readonly check: string;
}

export interface Policy {
  /** False for a rule that nobody named. */
  allows(rule: string, credentials: Credentials, target: PolicyTarget): boolean;
  has(rule: string): boolean;
  readonly rows: readonly PolicyRow[];
}
