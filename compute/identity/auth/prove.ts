/**
 * Proves who asks, by each method the request names; all of them must agree on the user. Passwords are checked between
 * transactions, because that takes long. Failures are all one Fault Unauthorized, and take as long for users that do not
 * exist; why is in its details, for the log.
 */
import { Fault } from '../../../fabric/errors.ts';
import { identityFaults } from '../faults.ts';
import { checkNotLocked, countFailure, countsFailures, isActive, loginNeedsNote, noteLogin } from '../model/users.ts';
import { forbidden, unauthorized } from '../refusals.ts';
import type { Identity } from '../service-state.ts';
import { type AppCredRow, tables, type UserRow } from '../tables.ts';
import { METHODS, type Method } from '../token-format.ts';
import { lookUpAppCred, lookUpUser } from './lookup.ts';
import type { AuthRequest } from './request.ts';
import { resolve } from './resolve.ts';
import { openToken } from './resolve-text.ts';

export interface Proven {
  readonly userId: string;
  readonly methods: readonly Method[];
  /** The token this one is made from: its end and its chain are kept. */
  readonly from?: { readonly expiresAtS: number; readonly chainId: string; readonly ofSystem: boolean };
  readonly appCred?: AppCredRow;
}

const DELEGATED =
  'You are not authorized to perform the requested action: Using a delegated token to create another token is not allowed.';
const SUPPORTED: readonly string[] = ['password', 'token', 'application_credential'];

export async function prove(identity: Identity, request: AuthRequest): Promise<Proven> {
  const unknown = request.methods.find((method) => !SUPPORTED.includes(method));
  if (unknown !== undefined) throw unsupportedMethod(unknown);
  if (request.methods.length === 0) throw unauthorized('no method');
  if (request.methods.includes('application_credential') && request.methods.length > 1)
    throw unauthorized('an application credential stands alone');
  const proofs: Proven[] = [];
  if (request.methods.includes('password')) proofs.push(await provePassword(identity, request));
  if (request.methods.includes('token')) proofs.push(await proveToken(identity, request));
  if (request.methods.includes('application_credential')) proofs.push(await proveAppCred(identity, request));
  const [first, ...others] = proofs as [Proven, ...Proven[]];
  if (others.some(({ userId }) => userId !== first.userId)) throw unauthorized('methods of different users');
  const methods = METHODS.filter((method) => proofs.some((proof) => proof.methods.includes(method)));
  return Object.assign({}, ...proofs, { methods }) as Proven;
}

async function provePassword(identity: Identity, { password }: AuthRequest): Promise<Proven> {
  const { user: named } = password as NonNullable<typeof password>;
  const user = await checkPassword(identity, {
    find: (tx) => lookUpUser(tx, named),
    password: named.password,
  });
  return { userId: user.id, methods: ['password'] };
}

interface PasswordCheck {
  readonly find: (tx: Parameters<typeof lookUpUser>[0]) => Promise<UserRow | undefined>;
  readonly password: string;
  /** Who changes an expired password has to prove it too. */
  readonly expiredAllowed?: boolean;
}

/** The user, when the password is theirs, they are enabled and not locked out. Counts failures. */
export async function checkPassword(
  identity: Identity,
  { find, password, expiredAllowed = false }: PasswordCheck,
): Promise<UserRow> {
  const { store, settings, clock, passwords } = identity;
  const found = await store.read(async (tx) => {
    const user = await find(tx);
    if (user === undefined) return undefined;
    const domain = await tx.get(tables.projects, user.domainId);
    const stored = (await tx.get(tables.passwords, user.id))?.entries[0];
    return { user, domain, stored, logins: await tx.get(tables.logins, user.id) };
  });
  const at = { settings, nowMs: clock.nowMs() };
  if (found !== undefined) checkNotLocked(found.user, found.logins, at);
  const right = await passwords.verify(password, found?.stored?.hash);
  if (found === undefined || !right) {
    if (found !== undefined && countsFailures(found.user, settings))
      await store.write((tx) => countFailure(tx, found.user.id, at));
    throw unauthorized(found === undefined ? 'no such user' : `wrong password: ${found.user.id}`);
  }
  const { user, domain, stored, logins } = found;
  if (!isActive(user, logins, at) || !domain?.enabled) throw unauthorized(`disabled: ${user.id}`);
  const expired = stored?.expiresAtMs !== undefined && stored.expiresAtMs <= at.nowMs;
  if (expired && !expiredAllowed) throw passwordExpired(user);
  if (loginNeedsNote(logins, at)) await store.write((tx) => noteLogin(tx, user, at));
  return user;
}

function passwordExpired(user: UserRow): Fault {
  const message = `The password is expired and needs to be changed for user: ${user.id}.`;
  return new Fault(identityFaults.passwordExpired, { userId: user.id }, message);
}

function unsupportedMethod(method: string): Fault {
  return new Fault(identityFaults.unauthorized, { method }, 'Attempted to authenticate with an unsupported method.');
}

/** Delegated tokens are not exchanged: the new one would outlive what was delegated. */
async function proveToken(identity: Identity, { token }: AuthRequest): Promise<Proven> {
  const text = (token as NonNullable<typeof token>).id;
  await identity.tokenKeys.openOrReload(text);
  const nowMs = identity.clock.nowMs();
  const claim = openToken(identity, text);
  if (claim === undefined || claim.payload.expiresAtS * 1000 <= nowMs) throw unauthorized('token');
  const { payload } = claim;
  if ((await identity.store.read((tx) => resolve(tx, claim, nowMs))) === undefined) throw unauthorized('token');
  if (payload.appCredId !== undefined || payload.methods.length === 0) throw forbidden(DELEGATED);
  return {
    userId: payload.userId,
    methods: [...payload.methods.filter((method) => method !== 'token'), 'token'],
    from: {
      expiresAtS: payload.expiresAtS,
      chainId: payload.auditIds.at(-1) as string,
      ofSystem: payload.system !== undefined,
    },
  };
}

async function proveAppCred(identity: Identity, { appCred: named }: AuthRequest): Promise<Proven> {
  const { secret, ...who } = named as NonNullable<typeof named>;
  const row = await identity.store.read((tx) => lookUpAppCred(tx, who));
  const right = await identity.passwords.verify(secret, row?.secretHash);
  if (row === undefined || !right) throw unauthorized('application credential');
  if (row.expiresAtMs !== undefined && row.expiresAtMs <= identity.clock.nowMs())
    throw unauthorized('expired application credential');
  return { userId: row.userId, methods: ['application_credential'], appCred: row };
}
