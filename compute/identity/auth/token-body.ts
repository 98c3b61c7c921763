/** A resolved token as the API shows it. */
import type { ReadTx } from '../../../control/contract.ts';
import { isoTime } from '../iso-time.ts';
import { catalog } from './catalog.ts';
import type { Resolved } from './resolve.ts';

export async function tokenBody(
  tx: ReadTx,
  resolved: Resolved,
  { withCatalog }: { withCatalog: boolean },
): Promise<unknown> {
  const { payload, issuedAtS, user, userDomain, passwordExpiresAtMs } = resolved;
  const scope = scopeOf(resolved);
  const scoped = Object.keys(scope).length > 0;
  return {
    token: {
      methods: payload.methods.length === 0 ? ['ec2credential'] : payload.methods,
      user: {
        domain: { id: userDomain.id, name: userDomain.name },
        id: user.id,
        name: user.name,
        password_expires_at: passwordExpiresAtMs === undefined ? null : isoTime(passwordExpiresAtMs).slice(0, -1),
      },
      audit_ids: payload.auditIds,
      expires_at: isoTime(payload.expiresAtS * 1000),
      issued_at: isoTime(issuedAtS * 1000),
      ...scope,
      ...(scoped && withCatalog
        ? { catalog: await catalog(tx, { userId: user.id, projectId: payload.projectId }) }
        : {}),
      ...appCredOf(resolved),
    },
  };
}

function scopeOf({ payload, scope, scopeDomain, roles }: Resolved): Record<string, unknown> {
  const shown = roles.map(({ id, name }) => ({ id, name }));
  if (payload.system !== undefined) return { system: { all: true }, roles: shown };
  if (scope === undefined) return {};
  if (payload.domainId !== undefined) return { domain: { id: scope.id, name: scope.name }, roles: shown };
  const domain = { id: scopeDomain?.id, name: scopeDomain?.name };
  return { project: { domain, id: scope.id, name: scope.name }, is_domain: scope.isDomain, roles: shown };
}

function appCredOf({ appCred, accessRules }: Resolved): Record<string, unknown> {
  if (appCred === undefined) return {};
  const { id, name, unrestricted } = appCred;
  const rules = accessRules === undefined ? {} : { access_rules: accessRules };
  return { application_credential: { id, name, restricted: !unrestricted, ...rules } };
}
