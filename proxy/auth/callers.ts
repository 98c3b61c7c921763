/** Who a user is to the store, whatever signature or form proved it. */
import type { User } from '../contract.ts';
import type { Caller } from '../object/contract.ts';

const callers = new WeakMap<User, Caller>();

/** The same object for the same user. */
export function callerOf(user: User): Caller {
  if (user.caller) return user.caller;
  let caller = callers.get(user);
  if (caller === undefined) {
    const name = `${user.account}:${user.name}`;
    const groups = [name, user.account, ...(user.service ? ['.service'] : [])];
    caller = { account: `AUTH_${user.account}`, user: name, groups, admin: user.admin };
    callers.set(user, caller);
  }
  return caller;
}
