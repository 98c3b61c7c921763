/**
 * Temporary keys: given out for a user's own, checked from their token alone. What they may do is what the user may, and of
 * that what the session's policy allows. They end with their time, with the keys that asked for them, and when those are
 * made inactive. The cache saves reading a token twice; a stranger cannot fill it.
 */
import type { Clock } from '../../fabric/clock.ts';
import type { Random } from '../../fabric/random.ts';
import type { User, Users } from '../contract.ts';
import { callerPolicies } from '../object/identity-policy.ts';
import { callerOf } from './callers.ts';
import { decodeSession, encodeSession, type SessionClaim } from './session-format.ts';
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

interface Known {
  readonly claim: SessionClaim;
  readonly parent: User;
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
      ...(users.learn && { learn: (id: string) => users.learn?.(id) ?? Promise.resolve(false) }),
    };
  }

  issue(
    user: User,
    { name, role, policy, lifeMs }: { name: string; role: string; policy: string; lifeMs: number },
  ): SessionKeys {
    const { clock, random, tokenSecret } = this.#world;
    const expiresMs = Math.ceil((clock.nowMs() + lifeMs) / 1000) * 1000;
    const token = encodeSession(tokenSecret, {
      ...{ parent: user.accessKeyId, parentSecret: user.secretAccessKey, nonce: random.bytes(NONCE_BYTES) },
      ...{ name, role, policy, expiresMs },
    });
    const { accessKeyId, secretAccessKey } = decodeSession(tokenSecret, token) as SessionClaim;
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
    const found = known?.parent === parent ? known : this.#verify(token, claim, parent);
    if (this.#world.clock.nowMs() >= claim.expiresMs) throw refusal(sigv4Faults.expiredToken);
    return found.user;
  }

  #verify(token: string, claim: SessionClaim, parent: User): Known {
    if (!claim.isSignedWith(parent.secretAccessKey)) throw refusal(sigv4Faults.invalidToken);
    const { accessKeyId, secretAccessKey, name, role, policy } = claim;
    const caller = callerOf(parent);
    const user: User = {
      ...parent,
      accessKeyId,
      secretAccessKey,
      caller: policy === '' ? caller : { ...caller, session: callerPolicies([policy]) },
      session: { name, role },
    };
    const known = { claim, parent, user };
    this.#known.delete(token);
    if (this.#known.size >= CACHE_MAX) this.#known.delete(this.#known.keys().next().value as string);
    this.#known.set(token, known);
    return known;
  }
}
