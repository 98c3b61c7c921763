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

export interface ClusterIam {
  readonly directory: IamDirectory;
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
  const at = async (): Promise<IamDirectory> => (await open()).directory;
  return {
    directory: {
      createUser: async (user) => (await at()).createUser(user),
      getUser: async (user) => (await at()).getUser(user),
      listUsers: async (account, page) => (await at()).listUsers(account, page),
      deleteUser: async (user) => (await at()).deleteUser(user),
      createKey: async (user) => (await at()).createKey(user),
      listKeys: async (user) => (await at()).listKeys(user),
      setKeyActive: async (user, id, isActive) => (await at()).setKeyActive(user, id, isActive),
      deleteKey: async (user, id) => (await at()).deleteKey(user, id),
      putPolicy: async (user, policy, document) => (await at()).putPolicy(user, policy, document),
      deletePolicy: async (user, policy) => (await at()).deletePolicy(user, policy),
    },
    users: {
      byName: (account, name) => users.byName(account, name),
      byAccessKey: (id) => users.byAccessKey(id),
      hasAccount: (account) => users.hasAccount(account),
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
