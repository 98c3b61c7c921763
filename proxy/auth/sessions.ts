/**
 * Temporary keys: given out for a user's own, checked from their token alone. What they may do is what the user may, or the
 * role that was assumed, and of that what the session's policies allow. They end with their time, with the role, with the keys
 * that asked for them, and when those are made inactive. The cache saves reading a token twice; a stranger cannot fill it.
 */
import type { Clock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import type { AssumableRole, User, Users } from '../contract.ts';
import type { Caller } from '../object/contract.ts';
import { callerPolicies, joined, NOTHING } from '../object/identity-policy.ts';
import { callerOf } from './callers.ts';
import { decodeSession, encodeSession, type SessionClaim, type SessionTexts } from './session-format.ts';
import { refusal, sigv4Faults } from './sigv4-faults.ts';

const CACHE_MAX = 1024;
const NONCE_BYTES = 8;

export interface SessionWorld {
  readonly users: Users;
  readonly clock: Clock;
  readonly random: Random;
  readonly tokenSecret: Buffer;
}

export interface SessionKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly token: string;
  readonly expiresMs: number;
}

interface NewSession extends Omit<SessionTexts, 'parent'> {
  readonly lifeMs: number;
}

interface Known {
  readonly claim: SessionClaim;
  readonly parent: User;
  readonly role: AssumableRole | undefined;
  readonly user: User;
}

export class Sessions {
  readonly #world: SessionWorld;
  readonly #known = new Map<string, Known>();

  constructor(world: SessionWorld) {
    this.#world = world;
  }

  /** The world's users, and beside them whoever has temporary keys. */
  get users(): Users {
    const { users } = this.#world;
    return {
      byName: (account, name) => users.byName(account, name),
      byAccessKey: (id) => users.byAccessKey(id),
      hasAccount: (account) => users.hasAccount(account),
      bySession: (id, token) => this.#userOf(id, token),
      roles: users.roles,
      ...(users.learn && { learn: (id: string) => users.learn?.(id) ?? Promise.resolve(false) }),
    };
  }

  /**
   * `roleId`: of the role that is assumed; without one the user's own rights are meant. Fault PackedPolicyTooLarge for more
   * policies than a token holds.
   */
  issue(user: User, { lifeMs, ...session }: NewSession): SessionKeys {
    const { clock, random, tokenSecret } = this.#world;
    const parent = user.session?.parent ?? user;
    const expiresMs = Math.ceil((clock.nowMs() + lifeMs) / 1000) * 1000;
    const token = encodeSession(tokenSecret, {
      ...{ parent: parent.accessKeyId, parentSecret: parent.secretAccessKey, nonce: random.bytes(NONCE_BYTES) },
      ...{ ...session, expiresMs },
    });
    const claim = decodeSession(tokenSecret, token);
    if (claim === undefined) throw new Fault('PackedPolicyTooLarge');
    const { accessKeyId, secretAccessKey } = claim;
    return { accessKeyId, secretAccessKey, token, expiresMs };
  }

  #userOf(accessKeyId: string, token: string): User {
    const claim = this.#known.get(token)?.claim ?? decodeSession(this.#world.tokenSecret, token);
    if (claim === undefined || claim.accessKeyId !== accessKeyId) throw refusal(sigv4Faults.invalidToken);
    const parent = this.#world.users.byAccessKey(claim.parent);
    if (parent === undefined) {
      throw refusal(sigv4Faults.invalidAccessKeyId, undefined, { AWSAccessKeyId: claim.parent });
    }
    const known = this.#known.get(token);
    const role = claim.roleId === undefined ? undefined : this.#roleOf(claim.roleId);
    const isSame = known?.parent === parent && known.role === role;
    const found = isSame ? known : this.#verify(token, claim, { parent, role });
    if (this.#world.clock.nowMs() >= claim.expiresMs) throw refusal(sigv4Faults.expiredToken);
    return found.user;
  }

  /** One that is gone takes its sessions along. */
  #roleOf(roleId: string): AssumableRole {
    const role = this.#world.users.roles?.byId(roleId);
    if (role === undefined) throw refusal(sigv4Faults.invalidToken);
    return role;
  }

  #verify(token: string, claim: SessionClaim, { parent, role }: Pick<Known, 'parent' | 'role'>): Known {
    if (!claim.isSignedWith(parent.secretAccessKey)) throw refusal(sigv4Faults.invalidToken);
    const { accessKeyId, secretAccessKey, name, roleId } = claim;
    const caller = role === undefined ? callerOf(parent) : callerOfRole(role, name);
    const isOwn = role === undefined;
    const user: User = {
      ...(isOwn ? parent : { account: role.account, name: role.name, key: parent.key, admin: false }),
      accessKeyId,
      secretAccessKey,
      caller: this.#narrowed(caller, claim),
      session: { name, role: role?.name ?? claim.role, parent, roleId },
    };
    const known = { claim, parent, role, user };
    this.#known.delete(token);
    if (this.#known.size >= CACHE_MAX) this.#known.delete(this.#known.keys().next().value as string);
    this.#known.set(token, known);
    return known;
  }

  /** To what the session's own policies allow, if it has any. */
  #narrowed(caller: Caller, { policy, arns = [] }: SessionClaim): Caller {
    if (policy === '' && arns.length === 0) return caller;
    const { users } = this.#world;
    const others = arns.map((arn) => () => users.roles?.policy(arn) ?? NOTHING);
    return { ...caller, session: joined(callerPolicies(policy === '' ? [] : [policy]), others) };
  }
}

/** Nothing of whoever assumed it is left, but that it ends with their keys. */
function callerOfRole({ account, name, path, id, rights }: AssumableRole, session: string): Caller {
  const user = `${account}:assumed-role/${name}/${session}`;
  return {
    ...{ account: `AUTH_${account}`, user, groups: [user, account], admin: false, own: rights },
    role: { name: `${account}:${name}`, arn: `arn:aws:iam::${account}:role${path}${name}`, id: `${id}:${session}` },
  };
}
