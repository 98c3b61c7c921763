/**
 * Tokens of Swift's v1 auth. A token says who it was given to and until when, signed with the cluster's secret, so that
 * every proxy can check it without asking anybody:
 *
 *     AUTH_tk base64url( v1 | expires, Unix seconds u32 | account:user, UTF-8 | HMAC-SHA256, 32 bytes )
 *
 * The signature covers the user's key as well: a new key ends all tokens given for the old one. Nothing is stored; the
 * cache below only saves the HMAC.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../fabric/clock.ts';
import type { User, Users } from '../contract.ts';
import type { Caller } from '../object/contract.ts';
import { callerOf } from './callers.ts';

export const TOKEN_LIFE_MS = 24 * 60 * 60 * 1000;
const PREFIX = 'AUTH_tk';
const VERSION = 1;
const HEAD_BYTES = 5;
const MAC_BYTES = 32;
/** Longer than any token given out here. */
const TOKEN_LENGTH_MAX = 2048;
const CACHE_MAX = 1024;

export interface IssuedToken {
  readonly token: string;
  readonly expiresInS: number;
}

export interface Tokens {
  issue(user: User): IssuedToken;
  /** Who holds this token; undefined when it is not ours, is forged, has expired, or its user is gone or has a new key. */
  validate(token: string): Caller | undefined;
}

/**
 * Swift's reseller administrators are nobody special to S3. Who administers an account answers to its name in ACLs as well,
 * as with tempauth.
 */
export function swiftCallerOf(user: User): Caller {
  const caller = callerOf(user);
  if (!user.admin && !user.reseller) return caller;
  const groups = [...caller.groups];
  if (user.admin && caller.account !== undefined) groups.push(caller.account);
  return user.reseller ? { ...caller, groups: [...groups, '.reseller_admin'], reseller: true } : { ...caller, groups };
}

/** Whether it looks like one that was given out here. */
export const isOwnToken = (token: string): boolean => token.startsWith(PREFIX);

export function createTokens(world: { secret: Buffer; users: Users; clock: Clock }): Tokens {
  return new SignedTokens(world);
}

interface Known {
  readonly user: User;
  readonly caller: Caller;
  readonly expiresMs: number;
}

class SignedTokens implements Tokens {
  readonly #secret: Buffer;
  readonly #users: Users;
  readonly #clock: Clock;
  /** Valid tokens only, oldest first: nobody without a key can fill it. */
  readonly #cache = new Map<string, Known>();

  constructor({ secret, users, clock }: { secret: Buffer; users: Users; clock: Clock }) {
    this.#secret = secret;
    this.#users = users;
    this.#clock = clock;
  }

  issue(user: User): IssuedToken {
    const name = Buffer.from(`${user.account}:${user.name}`, 'utf8');
    const signed = Buffer.allocUnsafe(HEAD_BYTES + name.length);
    signed[0] = VERSION;
    signed.writeUInt32BE(Math.floor((this.#clock.nowMs() + TOKEN_LIFE_MS) / 1000), 1);
    signed.set(name, HEAD_BYTES);
    const token = PREFIX + Buffer.concat([signed, this.#mac(signed, user)]).toString('base64url');
    return { token, expiresInS: TOKEN_LIFE_MS / 1000 };
  }

  validate(token: string): Caller | undefined {
    const known = this.#cache.get(token) ?? this.#verify(token);
    if (!known) return undefined;
    const { user } = known;
    const current = this.#users.byName(user.account, user.name);
    const same = current === user || (current?.key === user.key && current.admin === user.admin);
    if (same && this.#clock.nowMs() < known.expiresMs) return known.caller;
    this.#cache.delete(token);
    return undefined;
  }

  #verify(token: string): Known | undefined {
    if (!token.startsWith(PREFIX) || token.length > TOKEN_LENGTH_MAX) return undefined;
    const bytes = Buffer.from(token.slice(PREFIX.length), 'base64url');
    const nameEnd = bytes.length - MAC_BYTES;
    if (bytes[0] !== VERSION || nameEnd <= HEAD_BYTES) return undefined;
    // base64url ignores stray characters: only the one spelling that was given out counts, or the cache could be filled.
    if (PREFIX + bytes.toString('base64url') !== token) return undefined;
    const user = this.#userOf(bytes.toString('utf8', HEAD_BYTES, nameEnd));
    if (!user || !timingSafeEqual(bytes.subarray(nameEnd), this.#mac(bytes.subarray(0, nameEnd), user)))
      return undefined;
    const known = { user, caller: swiftCallerOf(user), expiresMs: bytes.readUInt32BE(1) * 1000 };
    this.#remember(token, known);
    return known;
  }

  #userOf(name: string): User | undefined {
    const colon = name.indexOf(':');
    return this.#users.byName(name.slice(0, colon), name.slice(colon + 1));
  }

  #mac(signed: Buffer, user: User): Buffer {
    return createHmac('sha256', this.#secret).update(signed).update('\0').update(user.key, 'utf8').digest();
  }

  #remember(token: string, known: Known): void {
    if (this.#cache.size >= CACHE_MAX) {
      const oldest = this.#cache.keys().next().value;
      if (oldest !== undefined) this.#cache.delete(oldest);
    }
    this.#cache.set(token, known);
  }
}
