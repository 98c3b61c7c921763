/**
 * Users that account owners make, in a control store of their own: DIR/control/iam. It is opened when the first one is made,
 * and at each start from then on: a cluster without such users has neither a store nor anything that watches it.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { openLmdbStore } from '../../control/store/open.ts';
import { systemClock } from '../../fabric/clock.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemRandom } from '../../fabric/random.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import type { Users } from '../../proxy/contract.ts';
import type { IamDirectory } from '../../proxy/iam/contract.ts';
import { openIamDirectory, type RunningDirectory } from '../../proxy/iam/directory.ts';
import { ofAws } from '../../proxy/iam/rights.ts';

export interface ClusterIam {
  /** The directory, which is made when it is first asked for. */
  open(): Promise<IamDirectory>;
  /** `others`, and whoever was made. */
  readonly users: Users;
  stop(): Promise<void>;
}

interface Opened {
  readonly directory: RunningDirectory;
  close(): Promise<void>;
}

export async function openClusterIam(
  others: Users,
  { directory, secret, log }: { readonly directory: string; readonly secret: Uint8Array; readonly log: Logger },
): Promise<ClusterIam> {
  const home = path.join(directory, 'control', 'iam');
  let opening: Promise<Opened> | undefined;
  let users = others;
  const open = (): Promise<Opened> => {
    opening ??= openAt(home, secret, log).then(
      (opened) => {
        users = opened.directory.users(others);
        return opened;
      },
      (error: unknown) => {
        opening = undefined;
        throw error;
      },
    );
    return opening;
  };
  if (existsSync(home)) await open();
  return {
    open: async () => (await open()).directory,
    users: {
      byName: (account, name) => users.byName(account, name),
      byAccessKey: (id) => users.byAccessKey(id),
      hasAccount: (account) => users.hasAccount(account),
      roles: {
        byId: (id) => users.roles?.byId(id),
        byName: (account, name) => users.roles?.byName(account, name),
        policy: (arn) => (users.roles ? users.roles.policy(arn) : ofAws(arn)),
        has: (account) => users.roles?.has(account) === true,
      },
      ...(others.learn && { learn: (id: string) => others.learn?.(id) ?? Promise.resolve(false) }),
    },
    stop: async () => (await opening)?.close(),
  };
}

async function openAt(home: string, secret: Uint8Array, log: Logger): Promise<Opened> {
  await systemDisk.makeDirectory(home);
  const store = await openLmdbStore({ path: home, clock: systemClock });
  const onError = (error: unknown): void => log.error({ err: error }, 'IAM failed');
  const directory = await openIamDirectory({ store, clock: systemClock, random: systemRandom, secret, onError });
  return {
    directory,
    async close() {
      directory.stop();
      await store.close();
    },
  };
}
