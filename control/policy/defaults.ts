/**
 * The usual rules of OpenStack's services: three roles of which each implies the next, over a project, a domain or the system.
 * Services build their own defaults on these names; operators override any of them in a file.
 */

/** A role gives those it implies. Identity expands roles by this when it bootstraps; policy sees only the expanded list. */
export const IMPLIED_ROLES: Readonly<Record<string, readonly string[]>> = {
  admin: ['manager', 'member', 'reader'],
  manager: ['member', 'reader'],
  member: ['reader'],
};

export const BASE_RULES: Readonly<Record<string, string>> = {
  admin_required: 'role:admin or is_admin:True',
  context_is_admin: 'role:admin',
  admin_api: 'is_admin:True',
  owner: 'user_id:%(user_id)s',
  admin_or_owner: 'is_admin:True or project_id:%(project_id)s',
  service_role: 'role:service',
  system_admin: 'role:admin and system_scope:all',
  system_member: 'role:member and system_scope:all',
  system_reader: 'role:reader and system_scope:all',
  domain_admin: 'role:admin and domain_id:%(domain_id)s',
  domain_reader: 'role:reader and domain_id:%(domain_id)s',
  project_admin: 'role:admin and project_id:%(project_id)s',
  project_member: 'role:member and project_id:%(project_id)s',
  project_reader: 'role:reader and project_id:%(project_id)s',
  system_or_project_reader: 'rule:system_reader or rule:project_reader or rule:admin_api',
  member_or_admin: 'rule:project_member or rule:admin_api',
  reader_or_admin: 'rule:project_reader or rule:admin_api',
  anybody: '@',
  nobody: '!',
};

/** `roles` and all they imply, by `implied`; in order, each once. */
export function expandRoles(roles: readonly string[], implied = IMPLIED_ROLES): string[] {
  const all = new Set<string>();
  const add = (role: string): void => {
    if (all.has(role)) return;
    all.add(role);
    for (const next of implied[role] ?? []) add(next);
  };
  for (const role of roles) add(role);
  return [...all];
}
