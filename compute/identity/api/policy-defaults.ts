/**
 * Identity's rules by name, as Keystone names them and with its usual defaults: admin anywhere, readers of the system and of
 * a domain for what lies in it, everyone for their own. A manager of a domain manages its users, groups and projects. An
 * operator's policy file overrides them one by one.
 */
const ADMIN = 'rule:admin_required';
const READ = `${ADMIN} or (role:reader and system_scope:all)`;
const own = (attribute: string): string => `user_id:%(${attribute})s`;
const readIn = (attribute: string): string => `${READ} or (role:reader and domain_id:%(${attribute})s)`;
const manageIn = (attribute: string): string => `${ADMIN} or (role:manager and domain_id:%(${attribute})s)`;

const USER_DOMAIN = 'target.user.domain_id';
const GROUP_DOMAIN = 'target.group.domain_id';
const PROJECT_DOMAIN = 'target.project.domain_id';
const CREDENTIAL_OWNER = own('target.credential.user_id');
const LIST_DOMAIN = 'target.domain_id';
const READ_PROJECT = `${readIn(PROJECT_DOMAIN)} or project_id:%(target.project.id)s`;
/** Actor and target both lie in the caller's domain. */
const GRANT_IN_DOMAIN = 'domain_id:%(target.actor.domain_id)s and domain_id:%(target.domain_id)s';
const READ_GRANT = `${READ} or (role:reader and ${GRANT_IN_DOMAIN})`;
/** A manager gives out only what cannot be used to become more than a manager. */
const WRITE_GRANT = `${ADMIN} or (role:manager and ${GRANT_IN_DOMAIN} and 'True':%(target.role.delegable)s)`;

function crud(name: string, { read = READ, write = ADMIN, plural = `${name}s` } = {}): Record<string, string> {
  return {
    [`identity:get_${name}`]: read,
    [`identity:list_${plural}`]: read,
    [`identity:create_${name}`]: write,
    [`identity:update_${name}`]: write,
    [`identity:delete_${name}`]: write,
  };
}

export const IDENTITY_POLICY: Readonly<Record<string, string>> = {
  admin_required: 'role:admin or is_admin:True',
  service_role: 'role:service',
  ...crud('region', { read: '@' }),
  ...crud('service'),
  ...crud('endpoint'),
  ...crud('policy', { plural: 'policies' }),
  ...crud('registered_limit', { read: '@' }),
  'identity:create_registered_limits': ADMIN,
  ...crud('limit', { read: '@' }),
  'identity:get_limit': `${READ} or domain_id:%(target.limit.domain_id)s or project_id:%(target.limit.project_id)s`,
  'identity:create_limits': ADMIN,
  'identity:get_limit_model': '@',
  ...crud('role'),
  ...crud('domain_role'),
  'identity:get_implied_role': READ,
  'identity:list_implied_roles': READ,
  'identity:check_implied_role': READ,
  'identity:create_implied_role': ADMIN,
  'identity:delete_implied_role': ADMIN,
  'identity:list_role_inference_rules': READ,
  ...crud('domain'),
  'identity:get_domain': `${READ} or domain_id:%(target.domain.id)s or project_domain_id:%(target.domain.id)s`,
  ...crud('project', { write: manageIn(PROJECT_DOMAIN) }),
  'identity:get_project': READ_PROJECT,
  'identity:list_projects': readIn(LIST_DOMAIN),
  'identity:list_user_projects': `${readIn(USER_DOMAIN)} or ${own('target.user.id')}`,
  'identity:list_project_tags': READ_PROJECT,
  'identity:get_project_tag': READ_PROJECT,
  'identity:update_project_tags': manageIn(PROJECT_DOMAIN),
  'identity:create_project_tag': manageIn(PROJECT_DOMAIN),
  'identity:delete_project_tags': manageIn(PROJECT_DOMAIN),
  'identity:delete_project_tag': manageIn(PROJECT_DOMAIN),
  ...crud('user', { write: manageIn(USER_DOMAIN) }),
  'identity:get_user': `${readIn(USER_DOMAIN)} or ${own('target.user.id')}`,
  'identity:list_users': readIn(LIST_DOMAIN),
  ...crud('group', { read: readIn(GROUP_DOMAIN), write: manageIn(GROUP_DOMAIN) }),
  'identity:list_groups': readIn(LIST_DOMAIN),
  'identity:list_groups_for_user': `${readIn(USER_DOMAIN)} or ${own('target.user.id')}`,
  'identity:list_users_in_group': readIn(GROUP_DOMAIN),
  'identity:check_user_in_group': `${READ} or (role:reader and domain_id:%(${GROUP_DOMAIN})s and domain_id:%(${USER_DOMAIN})s)`,
  'identity:add_user_to_group': `${ADMIN} or (role:manager and domain_id:%(${GROUP_DOMAIN})s and domain_id:%(${USER_DOMAIN})s)`,
  'identity:remove_user_from_group': `${ADMIN} or (role:manager and domain_id:%(${GROUP_DOMAIN})s and domain_id:%(${USER_DOMAIN})s)`,
  'identity:check_grant': READ_GRANT,
  'identity:list_grants': READ_GRANT,
  'identity:create_grant': WRITE_GRANT,
  'identity:revoke_grant': WRITE_GRANT,
  'identity:list_system_grants_for_user': READ,
  'identity:check_system_grant_for_user': READ,
  'identity:create_system_grant_for_user': ADMIN,
  'identity:revoke_system_grant_for_user': ADMIN,
  'identity:list_system_grants_for_group': READ,
  'identity:check_system_grant_for_group': READ,
  'identity:create_system_grant_for_group': ADMIN,
  'identity:revoke_system_grant_for_group': ADMIN,
  'identity:list_role_assignments': readIn(LIST_DOMAIN),
  'identity:list_role_assignments_for_tree': readIn(LIST_DOMAIN),
  ...crud('credential', { read: `${READ} or ${CREDENTIAL_OWNER}`, write: `${ADMIN} or ${CREDENTIAL_OWNER}` }),
  'identity:ec2_get_credential': `${READ} or ${CREDENTIAL_OWNER}`,
  'identity:ec2_list_credentials': `${ADMIN} or ${CREDENTIAL_OWNER}`,
  'identity:ec2_create_credential': `${ADMIN} or ${CREDENTIAL_OWNER}`,
  'identity:ec2_delete_credential': `${ADMIN} or ${CREDENTIAL_OWNER}`,
  'identity:get_application_credential': `${READ} or ${own('target.user.id')}`,
  'identity:list_application_credentials': `${READ} or ${own('target.user.id')}`,
  'identity:create_application_credential': own('target.user.id'),
  'identity:delete_application_credential': `${ADMIN} or ${own('target.user.id')}`,
  'identity:get_access_rule': `${READ} or ${own('target.user.id')}`,
  'identity:list_access_rules': `${READ} or ${own('target.user.id')}`,
  'identity:delete_access_rule': `${ADMIN} or ${own('target.user.id')}`,
  'identity:validate_token': `${READ} or rule:service_role or ${own('target.token.user_id')}`,
  'identity:check_token': `${READ} or rule:service_role or ${own('target.token.user_id')}`,
  'identity:revoke_token': `${ADMIN} or ${own('target.token.user_id')}`,
  'identity:s3tokens_validate': `${ADMIN} or rule:service_role`,
  'identity:ec2tokens_validate': `${ADMIN} or rule:service_role`,
};
