/**
 * What a proxy has in memory of the directory: who an access key stands for, and what roles may do. It changes with what is
 * written here, and follows the store's feed for what others write. A change appears all at once, whatever it touches.
 */
import { createHmac } from 'node:crypto';
import { type ControlStore, joinKey, type ReadTx, splitKey } from '../../control/contract.ts';
import type { Clock } from '../../fabric/clock.ts';
import { isFault } from '../../fabric/errors.ts';
import type { AssumableRole, Roles, User } from '../contract.ts';
import type { IamRole, IamRows, IamUser, Kind } from './contract.ts';
import { KeyUses } from './key-uses.ts';
import { KEYS, KEYS_OF, type KeyRow, ownerOf, ROWS } from './records.ts';
import { Rights } from './rights.ts';

const WAIT_MS = 60_000;
const RETRY_MS = 1000;
/** In this order they are learnt: each may speak of those before it. */
const KINDS: readonly Kind[] = ['policy', 'group', 'role', 'user'];

export interface ViewWorld {
  readonly store: ControlStore;
  readonly clock: Clock;
  /** Of the cluster: secrets are made with it. */
  readonly secret: Uint8Array;
  readonly onError: (error: unknown) => void;
}

/** A row, by its key. */
export interface Touched {
  readonly kind: Kind;
  readonly owner: string;
}

interface Found extends Touched {
  readonly row: IamRows[Kind] | undefined;
  /** Of a user. */
  readonly keys: readonly KeyRow[];
}

interface Person {
  readonly user: User;
  readonly keys: readonly string[];
}

export class View {
  readonly #world: ViewWorld;
  readonly #rights = new Rights();
  readonly #uses: KeyUses;
  /** By access key id: those that are active. */
  readonly #keys = new Map<string, User>();
  readonly #people = new Map<string, Person>();
  readonly #roles = new Map<string, AssumableRole>();
  readonly #rolesById = new Map<string, AssumableRole>();
  #turn: Promise<unknown> = Promise.resolve();
  #revision = 0;
  #stopped = false;

  constructor(world: ViewWorld) {
    this.#world = world;
    this.#uses = new KeyUses(world);
  }

  byName(account: string, name: string): User | undefined {
    return this.#people.get(joinKey(account, name))?.user;
  }

  byAccessKey(id: string): User | undefined {
    return this.#keys.get(id);
  }

  readonly roles: Roles = {
    byId: (id) => this.#rolesById.get(id),
    byName: (account, name) => this.#roles.get(joinKey(account, name)),
    policy: (arn) => this.#rights.policy(arn),
    has: (account) => [...this.#roles.keys()].some((owner) => owner.startsWith(joinKey(account, ''))),
  };

  load(): Promise<void> {
    return this.#inTurn(async (tx) => {
      const found: Found[] = [];
      for (const kind of KINDS) {
        for (const { key, value } of await tx.scan<IamRows[Kind]>(ROWS[kind])) {
          found.push({ kind, owner: key, row: value, keys: kind === 'user' ? await readKeys(tx, key) : [] });
        }
      }
      this.#revision = tx.revision;
      for (const map of [this.#keys, this.#people, this.#roles, this.#rolesById]) map.clear();
      this.#rights.clear();
      this.#learn(found);
    });
  }

  /** Reads anew what was changed. */
  refresh(touched: readonly Touched[]): Promise<void> {
    return this.#inTurn(async (tx) => {
      const found: Found[] = [];
      for (const kind of KINDS) {
        for (const { owner } of touched.filter((each) => each.kind === kind)) {
          const row = await tx.get<IamRows[Kind]>(ROWS[kind], owner);
          found.push({ kind, owner, row, keys: kind === 'user' && row ? await readKeys(tx, owner) : [] });
        }
      }
      this.#learn(found);
    });
  }

  /** Follows what other processes change, until `stop`. */
  async watch(): Promise<void> {
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

  stop(): void {
    this.#stopped = true;
    this.#uses.stop();
  }

  secretOf(accessKeyId: string, salt: Uint8Array): string {
    return this.#derive('key', Buffer.concat([Buffer.from(accessKeyId), salt])).slice(0, 40);
  }

  /** One after the other: what was read first is never learnt last. */
  #inTurn(body: (tx: ReadTx) => Promise<void>): Promise<void> {
    const done = this.#turn.then(() => this.#world.store.read(body));
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #follow(): Promise<void> {
    const tables = [...KINDS.map((kind) => ROWS[kind]), KEYS_OF, KEYS];
    try {
      const page = await this.#world.store.changes({ after: this.#revision, tables });
      const touched = new Map<string, Touched>();
      for (const { table, key } of page.changes) {
        const kind = KINDS.find((each) => ROWS[each].name === table) ?? 'user';
        const owner = table === KEYS.name ? this.#ownerOfKey(key) : table === KEYS_OF.name ? ownerIn(key) : key;
        if (owner !== '') touched.set(`${kind} ${owner}`, { kind, owner });
      }
      if (touched.size > 0) await this.refresh([...touched.values()]);
      this.#revision = Math.max(this.#revision, page.revision);
    } catch (error) {
      if (!isFault(error, 'FeedTrimmed')) throw error;
      await this.load();
    }
  }

  #ownerOfKey(accessKeyId: string): string {
    for (const [owner, { keys }] of this.#people) if (keys.includes(accessKeyId)) return owner;
    return '';
  }

  /** First all is forgotten: a key may have come from one of them to another. */
  #learn(found: readonly Found[]): void {
    for (const { kind, owner } of found) this.#forget(kind, owner);
    for (const { kind, owner, row, keys } of found) if (row) this.#add(kind, owner, row, keys);
  }

  #forget(kind: Kind, owner: string): void {
    if (kind === 'policy') this.#rights.setPolicy(owner, undefined);
    else if (kind === 'group') this.#rights.setGroup(owner, undefined);
    else if (kind === 'role') {
      this.#rolesById.delete(this.#roles.get(owner)?.id ?? '');
      this.#roles.delete(owner);
    } else {
      for (const id of this.#people.get(owner)?.keys ?? []) this.#keys.delete(id);
      this.#people.delete(owner);
    }
  }

  #add(kind: Kind, owner: string, row: IamRows[Kind], keys: readonly KeyRow[]): void {
    if (kind === 'policy') this.#rights.setPolicy(owner, row as IamRows['policy']);
    else if (kind === 'group') this.#rights.setGroup(owner, row as IamRows['group']);
    else if (kind === 'user') this.#addUser(owner, row as IamUser, keys);
    else {
      const { account, name, path, id, trust, maxSessionS } = row as IamRole;
      const role = { account, name, path, id, trust, maxSessionS, rights: this.#rights.of(row as IamRole) };
      this.#roles.set(owner, role);
      this.#rolesById.set(id, role);
    }
  }

  #addUser(owner: string, row: IamUser, keys: readonly KeyRow[]): void {
    const { account, name } = row;
    const id = `${account}:${name}`;
    const own = this.#rights.of(row);
    const caller = { account: `AUTH_${account}`, user: id, groups: [id, account], admin: false, own };
    const user: User = {
      ...{ account, name, admin: false, accessKeyId: '', secretAccessKey: '', caller },
      // Nobody logs in to Swift as this user: nobody knows it.
      key: this.#derive('no password', owner),
    };
    this.#people.set(owner, { user, keys: keys.map(({ accessKeyId }) => accessKeyId) });
    for (const { accessKeyId, salt, isActive } of keys) {
      if (!isActive) continue;
      const watched = { ...caller, own: this.#uses.watched(accessKeyId, own) };
      const secretAccessKey = this.secretOf(accessKeyId, salt);
      this.#keys.set(accessKeyId, { ...user, accessKeyId, secretAccessKey, caller: watched });
    }
  }

  forgetKey(accessKeyId: string): void {
    this.#uses.forget(accessKeyId);
  }

  #derive(what: string, text: string | Uint8Array): string {
    return createHmac('sha256', this.#world.secret).update(`iam ${what}\0`).update(text).digest('base64url');
  }
}

const ownerIn = (key: string): string => {
  const [account = '', name = ''] = splitKey(key);
  return ownerOf({ account, name });
};

async function readKeys(tx: ReadTx, owner: string): Promise<KeyRow[]> {
  const found: KeyRow[] = [];
  for (const { key } of await tx.scan(KEYS_OF, { prefix: joinKey(owner, '') })) {
    const row = await tx.get(KEYS, splitKey(key)[2] as string);
    if (row) found.push(row);
  }
  return found;
}
