/**
 * Users, groups, roles, managed policies and keys in the control store: what can be done to them, within AWS' quotas, and
 * what must be gone before they can go. Secrets are not stored: they follow from the cluster's secret and the key's salt.
 * What all of it means to a request is view.ts's. Never decides what a user may do.
 */
import { joinKey, type ReadTx, type WriteTx } from '../../control/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import type { Users } from '../contract.ts';
import { AWS_ACCOUNT, AWS_DOCUMENTS, AWS_POLICIES } from './aws-policies.ts';
import {
  arnOf,
  HOLDERS,
  type HolderKind,
  type IamDirectory,
  type IamHolder,
  type IamKey,
  type IamPolicy,
  type IamRows,
  type IamUser,
  ID_LETTERS,
  iamFaults,
  type KeyUse,
  type Kind,
  type Named,
  type NewIamKey,
  type NewRow,
} from './contract.ts';
import {
  ATTACHED_MAX,
  COUNT_MAX,
  conflict,
  GROUPS_MAX,
  ID_PREFIX,
  KEY_USES,
  KEYS,
  KEYS_MAX,
  KEYS_OF,
  limit,
  missing,
  ownerOf,
  ROWS,
  readKey,
  readRow,
  scanRows,
} from './records.ts';
import { type Touched, View, type ViewWorld } from './view.ts';

const ID_LENGTH = 16;
const SALT_BYTES = 16;

export interface IamWorld extends ViewWorld {
  readonly random: Random;
}

export interface RunningDirectory extends IamDirectory {
  /** The users known elsewhere, and these. */
  users(others: Users): Users;
  stop(): void;
}

export async function openIamDirectory(world: IamWorld): Promise<RunningDirectory> {
  const view = new View(world);
  await view.load();
  return new Directory(world, view);
}

/** What is shown at once to requests here when a write is done. */
type Touch = (kind: Kind, of: Named) => void;

class Directory implements RunningDirectory {
  readonly #world: IamWorld;
  readonly #view: View;
  #others: Users | undefined;

  constructor(world: IamWorld, view: View) {
    this.#world = world;
    this.#view = view;
  }

  users(others: Users): Users {
    this.#others = others;
    const view = this.#view;
    void view.watch();
    return {
      byName: (account, name) => others.byName(account, name) ?? view.byName(account, name),
      byAccessKey: (id) => view.byAccessKey(id) ?? others.byAccessKey(id),
      hasAccount: (account) => others.hasAccount(account),
      roles: view.roles,
      ...(others.learn && { learn: (id: string) => others.learn?.(id) ?? Promise.resolve(false) }),
    };
  }

  stop(): void {
    this.#view.stop();
  }

  #newId(prefix: string): string {
    const { random } = this.#world;
    return prefix + Array.from({ length: ID_LENGTH }, () => ID_LETTERS[random.below(ID_LETTERS.length)]).join('');
  }

  /** What it changed and touched holds here when this resolves. */
  async #write<T>(body: (tx: WriteTx, touch: Touch) => Promise<T>): Promise<T> {
    let touched: Touched[] = [];
    const done = await this.#world.store.write((tx) => {
      touched = [];
      return body(tx, (kind, of) => void touched.push({ kind, owner: ownerOf(of) }));
    });
    await this.#view.refresh(touched);
    return done;
  }

  async find<K extends Kind>(kind: K, of: Named): Promise<IamRows[K] | undefined> {
    if (of.account === AWS_ACCOUNT) return kind === 'policy' ? (AWS_POLICIES.get(of.name) as IamRows[K]) : undefined;
    return this.#world.store.read((tx) => tx.get<IamRows[K]>(ROWS[kind], ownerOf(of)));
  }

  async get<K extends Kind>(kind: K, of: Named): Promise<IamRows[K]> {
    return (await this.find(kind, of)) ?? this.#world.store.read((tx) => readRow(tx, kind, of));
  }

  list<K extends Kind>(kind: K, account: string): Promise<readonly IamRows[K][]> {
    return this.#world.store.read((tx) => scanRows(tx, kind, account));
  }

  async create<K extends Kind>(kind: K, given: NewRow<K>): Promise<IamRows[K]> {
    const row = { ...given, id: this.#newId(ID_PREFIX[kind]), createdMs: this.#world.clock.nowMs() } as IamRows[K];
    await this.#write(async (tx, touch) => {
      await this.#checkFree(tx, kind, row);
      tx.put<IamRows[K]>(ROWS[kind], ownerOf(row), row);
      touch(kind, row);
    });
    return row;
  }

  /** `but`: the name it had before. */
  async #checkFree(tx: ReadTx, kind: Kind, { account, name }: Named, but?: string): Promise<void> {
    const taken = new Fault(iamFaults.alreadyExists, {}, `${titleOf(kind)} with name ${name} already exists.`);
    if (kind === 'user' && this.#others?.byName(account, name)) throw taken;
    const rows = await scanRows(tx, kind, account);
    const isTaken = (each: Named): boolean => each.name !== but && each.name.toLowerCase() === name.toLowerCase();
    if (rows.some(isTaken)) throw taken;
    if (but === undefined && rows.length >= COUNT_MAX[kind]) throw limit(`${kind}s`, COUNT_MAX[kind]);
  }

  change<K extends Kind>(kind: K, of: Named, body: (row: IamRows[K]) => IamRows[K]): Promise<IamRows[K]> {
    return this.#write(async (tx, touch) => {
      const row = body(await readRow(tx, kind, of));
      tx.put<IamRows[K]>(ROWS[kind], ownerOf(of), row);
      touch(kind, of);
      return row;
    });
  }

  rename(kind: 'user' | 'group', of: Named, to: { readonly name: string; readonly path?: string }): Promise<void> {
    return this.#write(async (tx, touch) => {
      const row = await readRow(tx, kind, of);
      const next = { ...row, ...to };
      await this.#checkFree(tx, kind, next, row.name);
      tx.delete(ROWS[kind], ownerOf(row));
      tx.put<IamHolder>(ROWS[kind], ownerOf(next), next);
      touch(kind, row);
      touch(kind, next);
      if (kind === 'user') await moveKeys(tx, row, next.name);
      else {
        for (const member of await membersOf(tx, row)) {
          const groups = (member.groups ?? []).map((name) => (name === row.name ? next.name : name));
          tx.put(ROWS.user, ownerOf(member), { ...member, groups });
          touch('user', member);
        }
      }
    });
  }

  delete(kind: Kind, of: Named): Promise<void> {
    return this.#write(async (tx, touch) => {
      const row = await readRow(tx, kind, of);
      const left = kind === 'policy' ? await leftOfPolicy(tx, row as IamPolicy) : await leftOfHolder(tx, kind, row);
      if (left !== undefined) throw conflict(left);
      tx.delete<unknown>(ROWS[kind], ownerOf(row));
      touch(kind, row);
    });
  }

  setMember(group: Named, name: string, isIn: boolean): Promise<void> {
    return this.#write(async (tx, touch) => {
      await readRow(tx, 'group', group);
      const user = await readRow(tx, 'user', { account: group.account, name });
      const others = (user.groups ?? []).filter((each) => each !== group.name);
      const isIt = others.length < (user.groups ?? []).length;
      if (isIt === isIn) return;
      if (isIn && others.length >= GROUPS_MAX) throw limit('GroupsPerUser', GROUPS_MAX);
      tx.put(ROWS.user, ownerOf(user), { ...user, groups: isIn ? [...others, group.name] : others });
      touch('user', user);
    });
  }

  members(group: Named): Promise<readonly IamUser[]> {
    return this.#world.store.read(async (tx) => membersOf(tx, await readRow(tx, 'group', group)));
  }

  attach(kind: HolderKind, of: Named, arn: string): Promise<void> {
    return this.#write(async (tx, touch) => {
      const row = await readRow(tx, kind, of);
      if (!AWS_DOCUMENTS.has(arn)) await checkPolicy(tx, of.account, arn);
      const attached = row.attached ?? [];
      if (attached.includes(arn)) return;
      if (attached.length >= ATTACHED_MAX) throw limit(`PoliciesPer${titleOf(kind)}`, ATTACHED_MAX);
      tx.put<IamHolder>(ROWS[kind], ownerOf(of), { ...row, attached: [...attached, arn] });
      touch(kind, of);
    });
  }

  detach(kind: HolderKind, of: Named, arn: string): Promise<void> {
    return this.#write(async (tx, touch) => {
      const row = await readRow(tx, kind, of);
      const attached = (row.attached ?? []).filter((each) => each !== arn);
      if (attached.length === (row.attached ?? []).length) {
        throw new Fault(iamFaults.noSuchEntity, {}, `Policy ${arn} was not found.`);
      }
      tx.put<IamHolder>(ROWS[kind], ownerOf(of), { ...row, attached });
      touch(kind, of);
    });
  }

  createKey(user: Named): Promise<NewIamKey> {
    const { clock, random } = this.#world;
    const accessKeyId = this.#newId('AKIA');
    const salt = random.bytes(SALT_BYTES);
    const key = { accessKeyId, isActive: true, createdMs: clock.nowMs() };
    return this.#write(async (tx, touch) => {
      const { account, name } = await readRow(tx, 'user', user);
      const had = await tx.scan(KEYS_OF, { prefix: joinKey(account, name, '') });
      if (had.length >= KEYS_MAX) throw limit('AccessKeysPerUser', KEYS_MAX);
      tx.put(KEYS, accessKeyId, { ...key, account, name, salt });
      tx.put(KEYS_OF, joinKey(account, name, accessKeyId), true);
      touch('user', user);
      return { ...key, secretAccessKey: this.#view.secretOf(accessKeyId, salt) };
    });
  }

  listKeys(user: Named): Promise<readonly IamKey[]> {
    return this.#world.store.read(async (tx) => {
      await readRow(tx, 'user', user);
      return keysOf(tx, user);
    });
  }

  setKeyActive(user: Named, accessKeyId: string, isActive: boolean): Promise<void> {
    return this.#write(async (tx, touch) => {
      await readRow(tx, 'user', user);
      tx.put(KEYS, accessKeyId, { ...(await readKey(tx, user, accessKeyId)), isActive });
      touch('user', user);
    });
  }

  async deleteKey(user: Named, accessKeyId: string): Promise<void> {
    await this.#write(async (tx, touch) => {
      await readRow(tx, 'user', user);
      await readKey(tx, user, accessKeyId);
      tx.delete(KEYS, accessKeyId);
      tx.delete(KEY_USES, accessKeyId);
      tx.delete(KEYS_OF, joinKey(user.account, user.name, accessKeyId));
      touch('user', user);
    });
    this.#view.forgetKey(accessKeyId);
  }

  useOfKey(account: string, accessKeyId: string): Promise<KeyUse> {
    return this.#world.store.read(async (tx) => {
      const key = await tx.get(KEYS, accessKeyId);
      if (key?.account !== account) throw missing(`The Access Key with id ${accessKeyId}`);
      return { account, name: key.name, last: await tx.get(KEY_USES, accessKeyId) };
    });
  }
}

const titleOf = (kind: Kind): string => `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;

async function keysOf(tx: ReadTx, { account, name }: Named) {
  const found = [];
  for (const { key } of await tx.scan(KEYS_OF, { prefix: joinKey(account, name, '') })) {
    const row = await tx.get(KEYS, key.slice(key.lastIndexOf('\0') + 1));
    if (row) found.push(row);
  }
  return found;
}

async function moveKeys(tx: WriteTx, { account, name }: Named, to: string): Promise<void> {
  for (const row of await keysOf(tx, { account, name })) {
    tx.put(KEYS, row.accessKeyId, { ...row, name: to });
    tx.delete(KEYS_OF, joinKey(account, name, row.accessKeyId));
    tx.put(KEYS_OF, joinKey(account, to, row.accessKeyId), true);
  }
}

async function membersOf(tx: ReadTx, { account, name }: Named): Promise<IamUser[]> {
  return (await scanRows(tx, 'user', account)).filter(({ groups }) => groups?.includes(name));
}

async function checkPolicy(tx: ReadTx, account: string, arn: string): Promise<void> {
  const row = await tx.get(ROWS.policy, ownerOf({ account, name: arn.slice(arn.lastIndexOf('/') + 1) }));
  if (row && arnOf('policy', row, row.path) === arn) return;
  throw new Fault(iamFaults.noSuchEntity, {}, `Policy ${arn} does not exist or is not attachable.`);
}

/** Why it cannot be deleted. */
async function leftOfHolder(tx: ReadTx, kind: HolderKind, row: IamRows[Kind]): Promise<string | undefined> {
  const { policies, attached = [], groups = [] } = row as IamUser;
  const first = (what: string): string => `Cannot delete entity, must ${what} first.`;
  const hasKeys = kind === 'user' && (await keysOf(tx, row)).length > 0;
  if (hasKeys) return first('delete access keys');
  if (Object.keys(policies).length > 0) return first('delete policies');
  if (attached.length > 0) return first('detach all policies');
  if (groups.length > 0) return first('remove users from group');
  const hasMembers = kind === 'group' && (await membersOf(tx, row)).length > 0;
  return hasMembers ? first('remove users from group') : undefined;
}

async function leftOfPolicy(tx: ReadTx, row: IamPolicy): Promise<string | undefined> {
  const arn = arnOf('policy', row, row.path);
  for (const kind of HOLDERS) {
    const rows = await scanRows(tx, kind, row.account);
    if (rows.some(({ attached }) => attached?.includes(arn))) return 'Cannot delete a policy attached to entities.';
  }
  if (row.versions.length === 1) return undefined;
  return 'This policy has more than one version. Before you delete a policy, you must delete the policy’s versions.';
}
