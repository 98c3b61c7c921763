/** A ProxyWorld over the store in memory, for tests of the two APIs: two accounts, real clock, errors collected. */
import { clusterInfo } from '../cli/cluster/info.ts';
import { systemClock } from '../fabric/clock.ts';
import { createSeededRandom } from '../fabric/random.ts';
import type { ProxyWorld, User, Users } from '../proxy/contract.ts';
import { MemoryStore } from './memory-store.ts';

export const OWNER: User = {
  account: 'test',
  name: 'tester',
  key: 'testing',
  admin: true,
  accessKeyId: 'OWNERACCESSKEY000000',
  secretAccessKey: 'owner-secret',
};
export const STRANGER: User = {
  account: 'other',
  name: 'stranger',
  key: 'strange',
  admin: true,
  accessKeyId: 'STRANGERACCESSKEY000',
  secretAccessKey: 'stranger-secret',
};

export const RESELLER: User = {
  account: 'admin',
  name: 'admin',
  key: 'admin',
  admin: true,
  reseller: true,
  accessKeyId: 'RESELLERACCESSKEY000',
  secretAccessKey: 'reseller-secret',
};

/** Opens accounts of services together with their owners. */
export const SERVICE: User = {
  account: 'glance',
  name: 'glance',
  key: 'glancing',
  admin: false,
  service: true,
  accessKeyId: 'SERVICEACCESSKEY0000',
  secretAccessKey: 'service-secret',
};

/** Of the owner's account, without rights of their own. */
export const MEMBER: User = {
  account: 'test',
  name: 'member',
  key: 'membering',
  admin: false,
  accessKeyId: 'MEMBERACCESSKEY00000',
  secretAccessKey: 'member-secret',
};

export function createUsers(all: readonly User[]): Users {
  return {
    byName: (account, name) => all.find((user) => user.account === account && user.name === name),
    byAccessKey: (accessKeyId) => all.find((user) => user.accessKeyId === accessKeyId),
    hasAccount: (account) => all.some((user) => user.account === account),
  };
}

export function createMemoryWorld(errors: object[] = []): ProxyWorld {
  const clock = systemClock;
  return {
    store: new MemoryStore(clock),
    users: createUsers([OWNER, STRANGER, MEMBER, RESELLER, SERVICE]),
    clock,
    random: createSeededRandom(1),
    log: { info: () => {}, warn: () => {}, error: (fields) => void errors.push(fields) },
    region: 'us-east-1',
    s3Domains: ['s3.localhost', 'localhost'],
    tokenSecret: Buffer.alloc(32, 7),
    info: {
      ...clusterInfo({ version: 'test', region: 'us-east-1', urlDigests: ['sha256', 'sha512'] }),
      swift: { version: 'test', policies: [{ name: 'Policy-0', default: true }] },
    },
  };
}
