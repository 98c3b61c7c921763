/**
 * What protects an object, as contract.ts speaks of it: object lock (object-lock.ts) and encryption (encryption.ts). Types
 * alone.
 */

export interface Retention {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  readonly untilMs: number;
}

/** What keeps a version from being deleted (object-lock.ts). `hold` false: one was set and taken off again. */
export interface ObjectLock {
  readonly retention?: Retention | undefined;
  readonly hold?: boolean | undefined;
}

/** One of both. `retention` null removes it. */
export interface LockChange {
  readonly retention?: Retention | null | undefined;
  readonly hold?: boolean | undefined;
  /** Overrule governance, if the caller may. */
  readonly bypassGovernance?: boolean | undefined;
}

export type EncryptionMode = 'SSE-C' | 'AES256' | 'aws:kms';

export interface EncryptionRequest {
  readonly mode: EncryptionMode;
  /** 32 bytes, with SSE-C alone. */
  readonly customerKey?: Uint8Array | undefined;
  /** Of the master key, with aws:kms alone; absent: the store's own. */
  readonly keyId?: string | undefined;
  /** KMS' encryption context, as it was sent. */
  readonly context?: string | undefined;
  readonly bucketKey?: boolean | undefined;
}
