/** An access key that is not in the store's own file may be known elsewhere. */
import { isFault } from '../../fabric/errors.ts';
import type { Users } from '../contract.ts';
import { sigv4Faults } from './sigv4-faults.ts';

/** What failed for want of the key may be tried once more when this resolves; otherwise throws `error` again. */
export async function learnKey({ users }: { readonly users: Users }, error: unknown): Promise<void> {
  if (!users.learn || !isFault(error, sigv4Faults.invalidAccessKeyId)) throw error;
  const { AWSAccessKeyId: id } = error.details['xml'] as { readonly AWSAccessKeyId?: string };
  if (id === undefined || !(await users.learn(id))) throw error;
}
