/**
 * TempAuth's two halves: `GET /auth/v1.0` gives a token for user and key; every other request is known by its token.
 * A token that is bad is refused at once; none at all means an anonymous caller, whom the store may still let in.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isOwnToken } from '../auth/token.ts';
import type { ForeignTokens, ForeignVerdict, User } from '../contract.ts';
import type { SwiftCall } from './call.ts';
import { refuse, swiftFaults } from './faults.ts';
import { encodeName } from './names.ts';
import type { SwiftResponse } from './response.ts';

const AUTH_PATHS = ['/auth/v1.0', '/auth/v1.0/', '/auth/v1', '/auth/v1/', '/v1.0', '/v1.0/'];
const HOST = /^[A-Za-z0-9._~:[\]-]{1,255}$/;

export function isAuthPath(path: string): boolean {
  return AUTH_PATHS.includes(path);
}

export function answerToken(call: SwiftCall): SwiftResponse {
  const user = findUser(call);
  if (!user) throw refuse(swiftFaults.unauthorized);
  const { token, expiresInS } = call.world.tokens.issue(user);
  const headers = ['Content-Type', 'text/html; charset=UTF-8', 'X-Storage-Url', storageUrl(call, user)];
  headers.push('X-Auth-Token', token, 'X-Storage-Token', token, 'X-Auth-Token-Expires', String(expiresInS));
  return { status: 200, headers };
}

/** Sets the caller; 401 for a token that is not valid. A promise where the identity service has to be asked first. */
export function authenticate(call: SwiftCall): Promise<void> | undefined {
  const token = call.header('x-auth-token') ?? call.header('x-storage-token');
  if (token === undefined || token === '') return undefined;
  const { keystone, tokens } = call.world;
  const caller = tokens.validate(token);
  if (caller) call.caller = caller;
  else if (keystone && !isOwnToken(token)) return authenticateBy(call, keystone, token);
  else throw refuse(swiftFaults.unauthorized);
  return undefined;
}

function authenticateBy(call: SwiftCall, keystone: ForeignTokens, token: string): Promise<void> | undefined {
  const found = keystone.authenticate(token, { method: call.http.method, path: call.http.path });
  if (found instanceof Promise) return found.then((one) => become(call, one));
  become(call, found);
  return undefined;
}

function become(call: SwiftCall, found: ForeignVerdict): void {
  if (found === undefined) throw refuse(swiftFaults.unauthorized);
  if (found === 'forbidden') throw refuse(swiftFaults.forbidden);
  call.caller = found.caller;
  const account = found.caller.account ?? '';
  if (found.isReader) call.grant = { account, container: undefined, actions: ['account', 'list', 'read'] };
}

function findUser(call: SwiftCall): User | undefined {
  const name = call.header('x-auth-user') ?? call.header('x-storage-user');
  const key = call.header('x-auth-key') ?? call.header('x-storage-pass');
  if (name === undefined || key === undefined || key === '') return undefined;
  const colon = name.indexOf(':');
  if (colon < 0) return undefined;
  const user = call.world.users.byName(fromWire(name.slice(0, colon)), fromWire(name.slice(colon + 1)));
  // Compared even when there is no such user, so that time does not tell who exists.
  const same = sameSecret(fromWire(key), user?.key ?? '');
  return user && same ? user : undefined;
}

function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** Header bytes as text. */
function fromWire(value: string): string {
  return Buffer.from(value, 'latin1').toString('utf8');
}

/** Where the client reached us is where its account is. */
function storageUrl(call: SwiftCall, user: User): string {
  const host = call.header('host') ?? '';
  if (!HOST.test(host)) throw refuse(swiftFaults.badRequest, 'Invalid Host header');
  return `${call.http.tls ? 'https' : 'http'}://${host}/v1/${encodeName(`AUTH_${user.account}`)}`;
}
