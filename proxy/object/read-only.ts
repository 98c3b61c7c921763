/**
 * Accounts and containers that nobody may write into for the time being, as the operator says for all of them or their
 * resellers for one (x-account-sysmeta-read-only, x-container-sysmeta-read-only). Nobody pays for it where it is not set.
 */
import type { ContainerRecord, Metadata } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { type Context, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';

export const READ_ONLY = {
  account: 'x-account-sysmeta-read-only',
  container: 'x-container-sysmeta-read-only',
} as const;

/** Resolves, or returns, when it may be written; Fault AccessDenied (details: readOnly). */
export function checkWritable(
  engine: Engine,
  { account, metadata }: Pick<ContainerRecord, 'account' | 'metadata'>,
  action = '',
): Promise<void> | undefined {
  if (engine.readOnly.allowsDeletes && action.startsWith('s3:Delete')) return undefined;
  const own = metadata[READ_ONLY.container];
  if (own !== undefined) return refuseIf(own === 'true');
  const found = engine.recentAccounts.find(account);
  if (found instanceof Promise) return found.then((state) => judge(engine, state?.record.metadata));
  return judge(engine, found?.record.metadata);
}

/** Of what an account holds beside containers. Resellers may always change it: that is how it ends. */
export async function checkAccountWritable(engine: Engine, { caller }: Context, account: string): Promise<void> {
  if (caller.reseller !== true) await checkWritable(engine, { account, metadata: {} });
}

function judge(engine: Engine, account: Metadata | undefined): undefined {
  const said = account?.[READ_ONLY.account];
  return refuseIf(said === undefined ? engine.readOnly.everywhere : said === 'true');
}

function refuseIf(isReadOnly: boolean): undefined {
  if (isReadOnly) throw new Fault(storeFaults.accessDenied, { readOnly: true }, 'read-only');
  return undefined;
}
