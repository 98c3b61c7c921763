/**
 * What a token stands for now: the rows behind it, or nothing when any of them is gone, disabled or revoked. The one place
 * that decides whether a token holds; every read goes through the transaction given, which may be recorded (verifiers).
 */
import { joinKey, type ReadTx } from '../../../control/contract.ts';
import type { AccessRule, TokenContext } from '../contract.ts';
import { globalRoles, rolesOn, rolesOnSystem } from '../model/effective.ts';
import { type AppCredRow, type ProjectRow, type RoleRow, tables, type UserRow } from '../tables.ts';
import type { TokenPayload } from '../token-format.ts';

interface IdentifiedRule extends AccessRule {
  readonly id: string;
}

export interface Resolved {
  readonly payload: TokenPayload;
  readonly issuedAtS: number;
  readonly user: UserRow;
  readonly userDomain: ProjectRow;
  /** Project or domain of the scope. */
  readonly scope?: ProjectRow;
  /** The project's domain. */
  readonly scopeDomain?: ProjectRow;
  readonly roles: readonly RoleRow[];
  readonly appCred?: AppCredRow;
  readonly accessRules?: readonly IdentifiedRule[];
  readonly passwordExpiresAtMs?: number;
}

export interface TokenClaim {
  readonly payload: TokenPayload;
  readonly issuedAtS: number;
}

/** Undefined when it does not hold. Expiry is the caller's to judge: some ask about tokens that have expired. */
export async function resolve(
  tx: ReadTx,
  { payload, issuedAtS }: TokenClaim,
  nowMs: number,
): Promise<Resolved | undefined> {
  // Their place is left: trusts, federation and OAuth have no rows to look into yet.
  if (payload.trustId !== undefined || payload.providerId !== undefined || payload.accessTokenId !== undefined)
    return undefined;
  if (await isRevoked(tx, payload.auditIds)) return undefined;
  const who = await resolveUser(tx, payload.userId, issuedAtS);
  if (who === undefined) return undefined;
  const base = { payload, issuedAtS, ...who };
  if (payload.system !== undefined) {
    const roles = await rolesOnSystem(tx, who.user.id);
    return roles.length === 0 ? undefined : { ...base, roles };
  }
  const scopeId = payload.projectId ?? payload.domainId;
  if (scopeId === undefined) return { ...base, roles: [] };
  const place = await resolveScope(tx, scopeId, { issuedAtS, wantsDomain: payload.domainId !== undefined });
  if (place === undefined) return undefined;
  if (payload.appCredId !== undefined)
    return await resolveAppCred(tx, { ...base, ...place, appCredId: payload.appCredId, nowMs });
  const roles = await rolesOn(tx, who.user.id, place.scope);
  return roles.length === 0 ? undefined : { ...base, ...place, roles };
}

async function isRevoked(tx: ReadTx, auditIds: readonly string[]): Promise<boolean> {
  // Access keys are no tokens and have none.
  if (auditIds.length === 0) return false;
  const [own, chain] = [auditIds[0] as string, auditIds.at(-1) as string];
  if ((await tx.get(tables.revocations, joinKey('audit', own))) !== undefined) return true;
  return (await tx.get(tables.revocations, joinKey('chain', chain))) !== undefined;
}

async function resolveUser(tx: ReadTx, userId: string, issuedAtS: number) {
  const user = await tx.get(tables.users, userId);
  if (user === undefined || !user.enabled || isBefore(issuedAtS, user.revokedAtS)) return undefined;
  const userDomain = await tx.get(tables.projects, user.domainId);
  if (userDomain === undefined || !userDomain.enabled || isBefore(issuedAtS, userDomain.revokedAtS)) return undefined;
  const passwordExpiresAtMs = (await tx.get(tables.passwords, userId))?.entries[0]?.expiresAtMs;
  return { user, userDomain, ...(passwordExpiresAtMs === undefined ? {} : { passwordExpiresAtMs }) };
}

async function resolveScope(
  tx: ReadTx,
  id: string,
  { issuedAtS, wantsDomain }: { issuedAtS: number; wantsDomain: boolean },
) {
  const scope = await tx.get(tables.projects, id);
  if (scope === undefined || !scope.enabled || isBefore(issuedAtS, scope.revokedAtS)) return undefined;
  if (scope.isDomain) return { scope, scopeDomain: scope };
  if (wantsDomain) return undefined;
  const scopeDomain = await tx.get(tables.projects, scope.domainId);
  if (scopeDomain === undefined || !scopeDomain.enabled || isBefore(issuedAtS, scopeDomain.revokedAtS))
    return undefined;
  return { scope, scopeDomain };
}

type AppCredAsk = Omit<Resolved, 'roles'> & {
  readonly scope: ProjectRow;
  readonly appCredId: string;
  readonly nowMs: number;
};

/** An application credential gives no role that its user does not have on the project any more. */
async function resolveAppCred(tx: ReadTx, { appCredId, nowMs, ...base }: AppCredAsk): Promise<Resolved | undefined> {
  const appCred = await tx.get(tables.appCreds, appCredId);
  if (appCred === undefined || appCred.userId !== base.user.id || appCred.projectId !== base.scope.id) return undefined;
  if (appCred.expiresAtMs !== undefined && appCred.expiresAtMs <= nowMs) return undefined;
  const given = await globalRoles(tx, appCred.roleIds);
  const held = new Set((await rolesOn(tx, base.user.id, base.scope)).map(({ id }) => id));
  const roles = given.filter(({ id }) => held.has(id));
  if (roles.length === 0) return undefined;
  const accessRules = await rulesOf(tx, appCred);
  return { ...base, roles, appCred, ...(accessRules === undefined ? {} : { accessRules }) };
}

async function rulesOf(tx: ReadTx, { accessRuleIds }: AppCredRow): Promise<IdentifiedRule[] | undefined> {
  if (accessRuleIds === undefined) return undefined;
  const rules: IdentifiedRule[] = [];
  for (const id of accessRuleIds) {
    const row = await tx.get(tables.accessRules, id);
    if (row !== undefined) rules.push({ id, service: row.service, method: row.method, path: row.path });
  }
  return rules;
}

/** Tokens know whole seconds: one of the very second of a revocation counts as before it. */
function isBefore(issuedAtS: number, revokedAtS: number | undefined): boolean {
  return revokedAtS !== undefined && issuedAtS <= revokedAtS;
}

/** As other services see it. */
export function contextOf({
  payload,
  issuedAtS,
  user,
  userDomain,
  scope,
  scopeDomain,
  roles,
  appCred,
  accessRules,
}: Resolved): TokenContext {
  const place =
    scope === undefined
      ? {}
      : payload.domainId !== undefined
        ? { domainId: scope.id, domainName: scope.name }
        : {
            projectId: scope.id,
            projectName: scope.name,
            projectDomainId: scopeDomain?.id,
            projectDomainName: scopeDomain?.name,
            isDomain: scope.isDomain,
          };
  return {
    userId: user.id,
    userName: user.name,
    userDomainId: userDomain.id,
    userDomainName: userDomain.name,
    ...place,
    ...(payload.system === undefined ? {} : { systemScope: 'all' as const }),
    roles: roles.map(({ name }) => name),
    namedRoles: roles.map(({ id, name }) => ({ id, name })),
    methods: payload.methods,
    issuedAtMs: issuedAtS * 1000,
    expiresAtMs: payload.expiresAtS * 1000,
    auditIds: payload.auditIds,
    ...(appCred && { appCred: { id: appCred.id, name: appCred.name, restricted: !appCred.unrestricted } }),
    ...(accessRules && { accessRules }),
  };
}
