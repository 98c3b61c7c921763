/**
 * IAM users in the control store: who they are, their keys and policies, and, in memory, who an access key stands for. Secrets
 * are not stored: they follow from the cluster's secret and the key's salt. Never decides what a user may do.
 */
import { createHmac } from 'node:crypto';
import type { ControlStore, ReadTx, WriteTx } from '../../control/contract.ts';
import { defineTable, joinKey, splitKey } from '../../control/contract.ts';
import type { Clock } from '../../fabric/clock.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import type { User, Users } from '../contract.ts';
import type { Caller, CallerPolicies } from '../object/contract.ts';
import { callerPolicies } from '../object/identity-policy.ts';
import { type IamDirectory, type IamKey, type IamUser, iamFaults, type NewIamKey, type UserName } from './contract.ts';

/** By joinKey(account, name). */
const USERS = defineTable<IamUser>('iam.users');
/** By access key id. */
const KEYS = defineTable<KeyRow>('iam.keys');
/** joinKey(account, name, access key id): which keys a user has. */
const KEYS_OF = defineTable<true>('iam.keys-of');

const USERS_MAX = 5000;
const KEYS_MAX = 2;
const POLICIES_MAX = 10;
/** All policies of a user together. */
const POLICY_LENGTH_MAX = 2048;
const WAIT_MS = 60_000;
const RETRY_MS = 1000;
const ID_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const ID_LENGTH = 16;
const SALT_BYTES = 16;

interface KeyRow extends IamKey {
  readonly account: string;
  readonly name: string;
  readonly salt: Uint8Array;
}

export interface IamWorld {
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Of the cluster: secrets are made with it. */
  readonly secret: Uint8Array;
  readonly onError: (error: unknown) => void;
}

export interface RunningDirectory extends IamDirectory {
  /** The users known elsewhere, and these. */
  users(others: Users): Users;
  stop(): void;
}

export async function openIamDirectory(world: IamWorld): Promise<RunningDirectory> {
  const directory = new Directory(world);
  await directory.load();
  return directory;
}

/** Whoever has policies that this version cannot read may do nothing. */
const NOTHING: CallerPolicies = { ask: () => 'deny', asksForTags: false };

class Directory implements RunningDirectory {
  readonly #world: IamWorld;
  /** By access key id: those that are active. */
  readonly #keys = new Map<string, User>();
  /** By joinKey(account, name): of each its keys. */
  readonly #people = new Map<string, { readonly user: User; readonly keys: readonly string[] }>();
  #others: Users | undefined;
  #revision = 0;
  #stopped = false;

  constructor(world: IamWorld) {
    this.#world = world;
  }

  async load(): Promise<void> {
    const { store } = this.#world;
    await store.read(async (tx) => {
      this.#revision = tx.revision;
      this.#keys.clear();
      this.#people.clear();
      for (const { value } of await tx.scan(USERS)) await this.#learn(tx, value);
    });
  }

  users(others: Users): Users {
    this.#others = others;
    void this.#watch();
    return {
      byName: (account, name) => others.byName(account, name) ?? this.#people.get(joinKey(account, name))?.user,
      byAccessKey: (id) => this.#keys.get(id) ?? others.byAccessKey(id),
      hasAccount: (account) => others.hasAccount(account),
      ...(others.learn && { learn: (id: string) => others.learn?.(id) ?? Promise.resolve(false) }),
    };
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Follows what other processes change. */
  async #watch(): Promise<void> {
    const { store, clock, onError } = this.#world;
    while (!this.#stopped) {
      try {
        const revision = await store.waitForChange(this.#revision, WAIT_MS);
        if (this.#stopped) return;
        if (revision > this.#revision) await this.#follow();
      } catch (error) {
        if (this.#stopped) return;
        onError(error);
        await clock.sleep(RETRY_MS);
      }
    }
  }

  async #follow(): Promise<void> {
    const { store } = this.#world;
    try {
      const page = await store.changes({ after: this.#revision, tables: [USERS, KEYS_OF, KEYS] });
      const owners = new Set<string>();
      for (const { table, key } of page.changes) {
        if (table === USERS.name) owners.add(key);
        else if (table === KEYS_OF.name) owners.add(joinKey(...splitKey(key).slice(0, 2)));
        else owners.add(this.#ownerOf(key));
      }
      owners.delete('');
      for (const owner of owners) await this.#refresh(owner);
      this.#revision = Math.max(this.#revision, page.revision);
    } catch (error) {
      if (!isFault(error, 'FeedTrimmed')) throw error;
      await this.load();
    }
  }

  #ownerOf(accessKeyId: string): string {
    for (const [owner, { keys }] of this.#people) if (keys.includes(accessKeyId)) return owner;
    return '';
  }

  async #refresh(owner: string): Promise<void> {
    await this.#world.store.read(async (tx) => {
      const row = await tx.get(USERS, owner);
      for (const id of this.#people.get(owner)?.keys ?? []) this.#keys.delete(id);
      this.#people.delete(owner);
      if (row) await this.#learn(tx, row);
    });
  }

  async #learn(tx: ReadTx, row: IamUser): Promise<void> {
    const { account, name } = row;
    const owner = joinKey(account, name);
    const user: User = {
      ...{ account, name, admin: false, accessKeyId: '', secretAccessKey: '' },
      // Nobody logs in to Swift as this user: nobody knows it.
      key: this.#derive('no password', owner),
      caller: callerOfRow(row),
    };
    const ids: string[] = [];
    const active: [string, User][] = [];
    for (const { key } of await tx.scan(KEYS_OF, { prefix: joinKey(owner, '') })) {
      const accessKeyId = splitKey(key)[2] as string;
      const found = await tx.get(KEYS, accessKeyId);
      ids.push(accessKeyId);
      if (!found?.isActive) continue;
      active.push([accessKeyId, { ...user, accessKeyId, secretAccessKey: this.#secretOf(accessKeyId, found.salt) }]);
    }
    this.#people.set(owner, { user, keys: ids });
    for (const [id, each] of active) this.#keys.set(id, each);
  }

  #derive(what: string, text: string | Uint8Array): string {
    return createHmac('sha256', this.#world.secret).update(`iam ${what}\0`).update(text).digest('base64url');
  }

  #secretOf(accessKeyId: string, salt: Uint8Array): string {
    return this.#derive('key', Buffer.concat([Buffer.from(accessKeyId), salt])).slice(0, 40);
  }

  #newId(prefix: string): string {
    const { random } = this.#world;
    return prefix + Array.from({ length: ID_LENGTH }, () => ID_LETTERS[random.below(ID_LETTERS.length)]).join('');
  }

  /** `body` on the user's row; what it changed holds here when this resolves. */
  async #change<T>(user: UserName, body: (tx: WriteTx, row: IamUser, owner: string) => Promise<T> | T): Promise<T> {
    const owner = joinKey(user.account, user.name);
    const done = await this.#world.store.write(async (tx) => body(tx, await readUser(tx, user), owner));
    await this.#refresh(owner);
    return done;
  }

  async createUser({ account, name, path }: UserName & { path: string }): Promise<IamUser> {
    const { store, clock } = this.#world;
    const owner = joinKey(account, name);
    const taken = new Fault(iamFaults.alreadyExists, {}, `User with name ${name} already exists.`);
    if (this.#others?.byName(account, name)) throw taken;
    const row = { account, name, path, id: this.#newId('AIDA'), createdMs: clock.nowMs(), policies: {} };
    await store.write(async (tx) => {
      const inAccount = { prefix: joinKey(account, '') };
      for (const { key } of await tx.scan(USERS, inAccount)) {
        if (key.toLowerCase() === owner.toLowerCase()) throw taken;
      }
      if ((await tx.scan(USERS, inAccount)).length >= USERS_MAX) throw limit('users', USERS_MAX);
      tx.put(USERS, owner, row);
    });
    await this.#refresh(owner);
    return row;
  }

  getUser(user: UserName): Promise<IamUser> {
    return this.#world.store.read((tx) => readUser(tx, user));
  }

  listUsers(
    account: string,
    { pathPrefix, after, limit: most }: { pathPrefix: string; after: string; limit: number },
  ): Promise<readonly IamUser[]> {
    return this.#world.store.read(async (tx) => {
      const rows = await tx.scan(USERS, {
        prefix: joinKey(account, ''),
        ...(after === '' ? {} : { after: joinKey(account, after) }),
      });
      const found = rows.map(({ value }) => value).filter(({ path }) => path.startsWith(pathPrefix));
      return found.slice(0, most + 1);
    });
  }

  deleteUser(user: UserName): Promise<void> {
    return this.#change(user, async (tx, row, owner) => {
      const inUse = (what: string): Fault =>
        new Fault(iamFaults.deleteConflict, {}, `Cannot delete entity, must delete ${what} first.`);
      if ((await tx.scan(KEYS_OF, { prefix: joinKey(owner, ''), limit: 1 })).length > 0) throw inUse('access keys');
      if (Object.keys(row.policies).length > 0) throw inUse('policies');
      tx.delete(USERS, owner);
    });
  }

  createKey(user: UserName): Promise<NewIamKey> {
    const { clock, random } = this.#world;
    const accessKeyId = this.#newId('AKIA');
    const salt = random.bytes(SALT_BYTES);
    const key = { accessKeyId, isActive: true, createdMs: clock.nowMs() };
    return this.#change(user, async (tx, { account, name }, owner) => {
      const had = await tx.scan(KEYS_OF, { prefix: joinKey(owner, '') });
      if (had.length >= KEYS_MAX) throw limit('access keys', KEYS_MAX);
      tx.put(KEYS, accessKeyId, { ...key, account, name, salt });
      tx.put(KEYS_OF, joinKey(owner, accessKeyId), true);
      return { ...key, secretAccessKey: this.#secretOf(accessKeyId, salt) };
    });
  }

  listKeys(user: UserName): Promise<readonly IamKey[]> {
    return this.#world.store.read(async (tx) => {
      const { account, name } = await readUser(tx, user);
      const found: IamKey[] = [];
      for (const { key } of await tx.scan(KEYS_OF, { prefix: joinKey(account, name, '') })) {
        const row = await tx.get(KEYS, splitKey(key)[2] as string);
        if (row) found.push(row);
      }
      return found;
    });
  }

  setKeyActive(user: UserName, accessKeyId: string, isActive: boolean): Promise<void> {
    return this.#change(user, async (tx) => {
      tx.put(KEYS, accessKeyId, { ...(await readKey(tx, user, accessKeyId)), isActive });
    });
  }

  deleteKey(user: UserName, accessKeyId: string): Promise<void> {
    return this.#change(user, async (tx, _row, owner) => {
      await readKey(tx, user, accessKeyId);
      tx.delete(KEYS, accessKeyId);
      tx.delete(KEYS_OF, joinKey(owner, accessKeyId));
    });
  }

  putPolicy(user: UserName, policy: string, document: string): Promise<void> {
    callerPolicies([document]);
    return this.#change(user, (tx, row, owner) => {
      const policies = { ...row.policies, [policy]: document };
      if (Object.keys(policies).length > POLICIES_MAX) throw limit('policies', POLICIES_MAX);
      const length = Object.values(policies).reduce((sum, text) => sum + text.replace(/\s/g, '').length, 0);
      if (length > POLICY_LENGTH_MAX) {
        const message = `Maximum policy size of ${POLICY_LENGTH_MAX} bytes exceeded for user ${row.name}`;
        throw new Fault(iamFaults.limitExceeded, {}, message);
      }
      tx.put(USERS, owner, { ...row, policies });
    });
  }

  deletePolicy(user: UserName, policy: string): Promise<void> {
    return this.#change(user, (tx, row, owner) => {
      const { [policy]: gone, ...policies } = row.policies;
      if (gone === undefined) throw missing(`The user policy with name ${policy}`);
      tx.put(USERS, owner, { ...row, policies });
    });
  }
}

function callerOfRow({ account, name, policies }: IamUser): Caller {
  const user = `${account}:${name}`;
  const base = { account: `AUTH_${account}`, user, groups: [user, account], admin: false };
  try {
    return { ...base, own: callerPolicies(Object.values(policies)) };
  } catch {
    return { ...base, own: NOTHING };
  }
}

async function readUser(tx: ReadTx, { account, name }: UserName): Promise<IamUser> {
  const row = await tx.get(USERS, joinKey(account, name));
  if (!row) throw missing(`The user with name ${name}`);
  return row;
}

async function readKey(tx: ReadTx, { account, name }: UserName, accessKeyId: string): Promise<KeyRow> {
  const row = await tx.get(KEYS, accessKeyId);
  if (row?.account !== account || row.name !== name) throw missing(`The Access Key with id ${accessKeyId}`);
  return row;
}

const missing = (what: string): Fault => new Fault(iamFaults.noSuchEntity, {}, `${what} cannot be found.`);
const limit = (what: string, most: number): Fault =>
  new Fault(iamFaults.limitExceeded, {}, `Cannot exceed quota for ${what}: ${most}`);
