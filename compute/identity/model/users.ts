/**
 * Users and their passwords: rules for new ones, history, expiry, lock-out. Hashing is done before a transaction begins,
 * because its body may run again. A change that must end sessions sets `revokedAtS`, in the same write.
 */
import { joinKey, type ReadTx, type WriteTx } from '../../../control/contract.ts';
import { badRequest, unauthorized } from '../refusals.ts';
import type { IdentitySettings } from '../settings.ts';
import { type Extra, type LoginsRow, type PasswordEntry, tables, type UserRow } from '../tables.ts';
import { claimName, type Moment, must, seconds } from './rows.ts';

const DAY_MS = 86_400_000;

export interface UserInput {
  readonly name: string;
  readonly domainId: string;
  readonly enabled: boolean;
  readonly defaultProjectId?: string | undefined;
  readonly description?: string | null | undefined;
  readonly options: Extra;
  readonly extra: Extra;
  readonly id?: string;
}

export type UserChange = Partial<Omit<UserInput, 'domainId' | 'id'>>;

export function getUser(tx: ReadTx, id: string): Promise<UserRow> {
  return must(tx, tables.users, { kind: 'user', id });
}

export async function findUser(tx: ReadTx, domainId: string, name: string): Promise<UserRow | undefined> {
  const id = await tx.get(tables.userNames, joinKey(domainId, name));
  return id === undefined ? undefined : await tx.get(tables.users, id);
}

export async function createUser(tx: WriteTx, input: UserInput, moment: Moment): Promise<UserRow> {
  const row: UserRow = { ...withoutUndefined(input), id: input.id ?? moment.newId(), createdAtMs: moment.nowMs };
  await claimName(tx, nameIndex(row), row);
  tx.put(tables.users, row.id, row);
  return row;
}

export async function updateUser(
  tx: WriteTx,
  { row, change, nowMs }: { row: UserRow; change: UserChange; nowMs: number },
) {
  const after: UserRow = { ...row, ...withoutUndefined(change) };
  await claimName(tx, nameIndex(row), after, row.name);
  const disabled = row.enabled && !after.enabled;
  const stored = disabled ? { ...after, revokedAtS: seconds(nowMs) } : after;
  tx.put(tables.users, row.id, stored);
  return stored;
}

/** Ends every session of the user. */
export async function revokeUserTokens(tx: WriteTx, userId: string, nowMs: number): Promise<void> {
  const row = await tx.get(tables.users, userId);
  if (row !== undefined) tx.put(tables.users, userId, { ...row, revokedAtS: seconds(nowMs) });
}

/** Fault BadRequest for a password that the rules do not let through. */
export function checkPasswordRules(password: string, settings: IdentitySettings): void {
  if (password === '') throw badRequest('The password cannot be empty.');
  if (settings.passwordRegex === undefined) return;
  if (!new RegExp(`^(?:${settings.passwordRegex})`).test(password))
    throw badRequest(
      `The password does not match the requirements: ${settings.passwordRegexText || settings.passwordRegex}.`,
    );
}

/** Times are judged here, repeats by `verify` beforehand. */
export function checkMayChange(
  user: UserRow,
  current: PasswordEntry,
  { settings, nowMs }: { settings: IdentitySettings; nowMs: number },
): void {
  if (user.options['lock_password'] === true)
    throw badRequest(
      'You cannot change your password at this time due to password policy disallowing password changes. ' +
        'Please contact your administrator to reset your password.',
    );
  const ageMs = nowMs - current.createdAtMs;
  const tooYoung = ageMs < settings.passwordAgeMinDays * DAY_MS;
  // One that an administrator set may be changed at once, or it would stay known to two.
  if (current.selfService && tooYoung)
    throw badRequest(
      'You cannot change your password at this time due to the minimum password age. Once you change your password, ' +
        `it must be used for ${settings.passwordAgeMinDays} day(s) before it can be changed. ` +
        `Please try again in ${daysLeft(settings.passwordAgeMinDays * DAY_MS - ageMs)} day(s) or contact your administrator to reset your password.`,
    );
}

const daysLeft = (ms: number): number => Math.floor(ms / DAY_MS);

export interface NewPassword {
  readonly user: UserRow;
  readonly hash: string;
  readonly selfService: boolean;
  readonly settings: IdentitySettings;
  readonly nowMs: number;
}

export async function setPassword(
  tx: WriteTx,
  { user, hash, selfService, settings, nowMs }: NewPassword,
): Promise<void> {
  const before = (await tx.get(tables.passwords, user.id))?.entries ?? [];
  const entry: PasswordEntry = {
    hash,
    createdAtMs: nowMs,
    selfService,
    ...expiryOf({ user, selfService, settings, nowMs }),
  };
  const kept = Math.max(1, settings.passwordHistory);
  tx.put(tables.passwords, user.id, { entries: [entry, ...before].slice(0, kept) });
  tx.delete(tables.logins, user.id);
}

function expiryOf({ user, selfService, settings, nowMs }: Omit<NewPassword, 'hash'>): { expiresAtMs?: number } {
  const first = settings.changeOnFirstUse && !selfService;
  if (first && user.options['ignore_change_password_upon_first_use'] !== true) return { expiresAtMs: nowMs };
  if (settings.passwordDays === 0 || user.options['ignore_password_expiry'] === true) return {};
  return { expiresAtMs: nowMs + settings.passwordDays * DAY_MS };
}

/** Fault Unauthorized while the account is locked after too many failures. */
export function checkNotLocked(
  user: UserRow,
  logins: LoginsRow | undefined,
  { settings, nowMs }: { settings: IdentitySettings; nowMs: number },
): void {
  if (!countsFailures(user, settings) || logins === undefined || logins.failed < settings.lockoutAttempts) return;
  if (nowMs < logins.failedAtMs + settings.lockoutS * 1000) throw unauthorized(`account locked: ${user.id}`);
}

export function countsFailures(user: UserRow, settings: IdentitySettings): boolean {
  return settings.lockoutAttempts > 0 && user.options['ignore_lockout_failure_attempts'] !== true;
}

export async function countFailure(
  tx: WriteTx,
  userId: string,
  { settings, nowMs }: { settings: IdentitySettings; nowMs: number },
): Promise<void> {
  const logins = await tx.get(tables.logins, userId);
  const lapsed = logins !== undefined && nowMs >= logins.failedAtMs + settings.lockoutS * 1000;
  const failed = (lapsed ? 0 : (logins?.failed ?? 0)) + 1;
  tx.put(tables.logins, userId, { ...logins, failed, failedAtMs: nowMs });
}

/** Notes a success where there was a failure, or where inactivity is counted. */
export async function noteLogin(
  tx: WriteTx,
  user: UserRow,
  { settings, nowMs }: { settings: IdentitySettings; nowMs: number },
): Promise<void> {
  const logins = await tx.get(tables.logins, user.id);
  const today = new Date(nowMs).toISOString().slice(0, 10);
  if (!loginNeedsNote(logins, { settings, nowMs })) return;
  tx.put(tables.logins, user.id, {
    failed: 0,
    failedAtMs: 0,
    ...(settings.inactiveDays > 0 ? { lastActiveDay: today } : {}),
  });
}

export function loginNeedsNote(
  logins: LoginsRow | undefined,
  { settings, nowMs }: { settings: IdentitySettings; nowMs: number },
): boolean {
  if ((logins?.failed ?? 0) > 0) return true;
  return settings.inactiveDays > 0 && logins?.lastActiveDay !== new Date(nowMs).toISOString().slice(0, 10);
}

/** False for one disabled by hand or by long absence. */
export function isActive(
  user: UserRow,
  logins: LoginsRow | undefined,
  { settings, nowMs }: { settings: IdentitySettings; nowMs: number },
): boolean {
  if (!user.enabled) return false;
  if (settings.inactiveDays === 0 || user.options['ignore_user_inactivity'] === true) return true;
  const lastMs = logins?.lastActiveDay === undefined ? user.createdAtMs : Date.parse(logins.lastActiveDay);
  return nowMs - lastMs < (settings.inactiveDays + 1) * DAY_MS;
}

export function refuseForeignDomain(domainId: string, wanted: unknown): void {
  if (wanted !== undefined && wanted !== domainId) throw badRequest('Cannot change Domain ID');
}

export function dropUser(tx: WriteTx, row: UserRow): void {
  tx.delete(tables.users, row.id);
  tx.delete(tables.userNames, joinKey(row.domainId, row.name));
  tx.delete(tables.passwords, row.id);
  tx.delete(tables.logins, row.id);
}

export function refuseDomainAsDefault({ isDomain, id }: { readonly isDomain: boolean; readonly id: string }): void {
  if (isDomain) throw badRequest(`User's default project ID cannot be a domain ID: ${id}`);
}

function nameIndex(row: UserRow) {
  return { table: tables.userNames, kind: 'user', within: row.domainId };
}

/** Optional fields that are undefined are absent in rows. */
function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as never;
}
