/**
 * Makes tokens: who was proven, in the scope asked for, if there is a role in it. What is issued is resolved by the same
 * function that later judges it, in the same transaction that chose the scope.
 */
import type { ReadTx } from '../../../control/contract.ts';
import { Fault } from '../../../fabric/errors.ts';
import { identityFaults } from '../faults.ts';
import { rolesOn } from '../model/effective.ts';
import { seconds } from '../model/rows.ts';
import { forbidden, unauthorized } from '../refusals.ts';
import type { Identity } from '../service-state.ts';
import { tables, type UserRow } from '../tables.ts';
import { encodePayload, type TokenPayload } from '../token-format.ts';
import { lookUpDomain, lookUpProject } from './lookup.ts';
import type { Proven } from './prove.ts';
import type { ScopeRequest } from './request.ts';
import { type Resolved, resolve } from './resolve.ts';

export interface Issued {
  readonly token: string;
  readonly resolved: Resolved;
}

type Scope = Pick<TokenPayload, 'projectId' | 'domainId' | 'system' | 'appCredId'>;

/** `tx` is the one the answer is made from as well. Fault Unauthorized when the scope gives the user no role. */
export async function issue(
  tx: ReadTx,
  identity: Identity,
  { proven, scope }: { proven: Proven; scope: ScopeRequest },
): Promise<Issued> {
  const user = await tx.get(tables.users, proven.userId);
  if (user === undefined) throw unauthorized('the user is gone');
  refuseMissingFactors(user, proven);
  const nowMs = identity.clock.nowMs();
  const where = await chooseScope(tx, { proven, scope, user });
  const ids = [newAuditId(identity), ...(proven.from === undefined ? [] : [proven.from.chainId])];
  const payload: TokenPayload = {
    userId: proven.userId,
    methods: proven.methods,
    expiresAtS: expiryOf(identity, proven, nowMs),
    auditIds: ids,
    ...where,
  };
  const claim = { payload, issuedAtS: await issueSecond(tx, payload, nowMs) };
  const resolved = await resolve(tx, claim, nowMs);
  if (resolved === undefined) throw unauthorized('no role in this scope');
  return { token: identity.tokenKeys.seal({ payload: encodePayload(payload), issuedAtS: claim.issuedAtS }), resolved };
}

/** 16 random bytes as base64url. */
export function newAuditId({ random }: Pick<Identity, 'random'>): string {
  return Buffer.from(random.bytes(16)).toString('base64url');
}

function expiryOf({ settings }: Identity, { from, appCred }: Proven, nowMs: number): number {
  if (from !== undefined) return from.expiresAtS;
  const own = seconds(nowMs) + settings.tokenLifetimeS;
  return appCred?.expiresAtMs === undefined ? own : Math.min(own, seconds(appCred.expiresAtMs));
}

/**
 * Now, or the second after a revocation of this very second: tokens know whole seconds, and a new one must not count as one
 * of those just revoked.
 */
async function issueSecond(tx: ReadTx, payload: TokenPayload, nowMs: number): Promise<number> {
  const user = await tx.get(tables.users, payload.userId);
  const scopeId = payload.projectId ?? payload.domainId;
  const scope = scopeId === undefined ? undefined : await tx.get(tables.projects, scopeId);
  const domains = [user?.domainId, scope?.domainId].filter((id) => id !== undefined && id !== '') as string[];
  const rows = [user, scope, ...(await Promise.all(domains.map((id) => tx.get(tables.projects, id))))];
  return Math.max(seconds(nowMs), ...rows.map((row) => (row?.revokedAtS ?? -1) + 1));
}

const SYSTEM_STAYS =
  'You are not authorized to perform the requested action: Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.';

interface ScopeChoice {
  readonly proven: Proven;
  readonly scope: ScopeRequest;
  readonly user: UserRow;
}

async function chooseScope(tx: ReadTx, { proven, scope, user }: ScopeChoice): Promise<Scope> {
  if (proven.appCred !== undefined) {
    if (scope.kind !== 'default') throw unscopable();
    return { projectId: proven.appCred.projectId, appCredId: proven.appCred.id };
  }
  if (scope.kind === 'unscoped') return {};
  if (scope.kind === 'system') return { system: 'all' };
  if (scope.kind === 'default') return await defaultScope(tx, user, proven);
  if (proven.from?.ofSystem) throw forbidden(SYSTEM_STAYS);
  if (scope.kind === 'domain') {
    const domain = await lookUpDomain(tx, scope.domain);
    if (domain === undefined) throw unauthorized('no such domain');
    return { domainId: domain.id };
  }
  const project = await lookUpProject(tx, scope.project);
  if (project === undefined) throw unauthorized('no such project');
  return { projectId: project.id };
}

/** The user's default project, if it can be used; otherwise no scope. The system's token never leads to a project. */
async function defaultScope(tx: ReadTx, user: UserRow, proven: Proven): Promise<Scope> {
  if (user.defaultProjectId === undefined || proven.from?.ofSystem) return {};
  const project = await tx.get(tables.projects, user.defaultProjectId);
  if (project === undefined || !project.enabled || project.isDomain) return {};
  const domain = await tx.get(tables.projects, project.domainId);
  if (!domain?.enabled || (await rolesOn(tx, user.id, project)).length === 0) return {};
  return { projectId: project.id };
}

function unscopable(): Fault {
  const message = 'Error authenticating with application credential: Application credentials cannot request a scope.';
  return new Fault(identityFaults.unauthorized, {}, message);
}

/** Rules as [["password", "totp"], …]: one of them must be met. Rules of methods that are not known here count as none. */
function refuseMissingFactors(user: UserRow, { methods }: Proven): void {
  if (user.options['multi_factor_auth_enabled'] === false) return;
  const rules = user.options['multi_factor_auth_rules'];
  if (
    !Array.isArray(rules) ||
    rules.length === 0 ||
    methods.includes('token') ||
    methods.includes('application_credential')
  )
    return;
  const met = rules.some(
    (rule) => Array.isArray(rule) && rule.length > 0 && rule.every((name) => methods.includes(name)),
  );
  if (!met) throw unauthorized('another factor is asked for');
}
