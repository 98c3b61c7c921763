/** Whose an account is. */
import type { Caller } from '../object/contract.ts';

export function ownsAccount(caller: Caller, account: string | undefined): boolean {
  return caller.reseller === true || (caller.admin && caller.account === account);
}
