/** Rows as the API shows them, with links. Never shows a hash, a secret or a lock-out. */
import type { Call } from '../../../control/service/types.ts';
import { isoTime } from '../iso-time.ts';
import type { AppCredRow, GroupRow, ProjectRow, RoleRow, UserRow } from '../tables.ts';
import { type Body, linked } from './shared.ts';

type Linker = Pick<Call, 'url'>;

export function showProject(call: Linker, row: ProjectRow): Body {
  const { id, name, isDomain, enabled, description, tags, options, extra } = row;
  return linked(call, `/v3/projects/${id}`, {
    ...extra,
    id,
    name,
    domain_id: isDomain ? null : row.domainId,
    parent_id: isDomain ? null : row.parentId,
    is_domain: isDomain,
    enabled,
    description,
    tags,
    options,
  });
}

export function showDomain(call: Linker, { id, name, enabled, description, tags, options, extra }: ProjectRow): Body {
  return linked(call, `/v3/domains/${id}`, { ...extra, id, name, enabled, description, tags, options });
}

export function showUser(call: Linker, row: UserRow, passwordExpiresAtMs: number | undefined): Body {
  return linked(call, `/v3/users/${row.id}`, {
    ...row.extra,
    id: row.id,
    name: row.name,
    domain_id: row.domainId,
    enabled: row.enabled,
    ...(row.defaultProjectId === undefined ? {} : { default_project_id: row.defaultProjectId }),
    ...(row.description === undefined ? {} : { description: row.description }),
    options: row.options,
    password_expires_at: passwordExpiresAtMs === undefined ? null : isoTime(passwordExpiresAtMs).slice(0, -1),
  });
}

export function showGroup(call: Linker, { id, name, domainId, description, extra }: GroupRow): Body {
  return linked(call, `/v3/groups/${id}`, { ...extra, id, name, domain_id: domainId, description });
}

export function showRole(call: Linker, { id, name, domainId, description, options, extra }: RoleRow): Body {
  return linked(call, `/v3/roles/${id}`, {
    ...extra,
    id,
    name,
    domain_id: domainId === '' ? null : domainId,
    description,
    options,
  });
}

export function showAppCred(
  call: Linker,
  row: AppCredRow,
  parts: { readonly roles: Body[]; readonly accessRules?: Body[] },
): Body {
  return linked(call, `/v3/users/${row.userId}/application_credentials/${row.id}`, {
    id: row.id,
    name: row.name,
    description: row.description,
    user_id: row.userId,
    project_id: row.projectId,
    system: null,
    roles: parts.roles,
    unrestricted: row.unrestricted,
    expires_at: row.expiresAtMs === undefined ? null : isoTime(row.expiresAtMs).slice(0, -1),
    ...(parts.accessRules === undefined ? {} : { access_rules: parts.accessRules }),
  });
}
