/** What both APIs are told of an account. */
import type { Metadata } from '../../account-container/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';

export interface AccountSums {
  readonly containerCount: number;
  readonly objectCount: number;
  readonly bytesUsed: number;
}

export interface AccountInfo {
  readonly metadata: Metadata;
  /** By index of the policy; absent where there is nothing. */
  readonly perPolicy?: Readonly<Record<number, AccountSums>> | undefined;
  readonly containerCount: number;
  readonly objectCount: number;
  readonly bytesUsed: number;
  readonly createdStamp: Stamp;
}
