/**
 * Cinder's rules by name, with its usual defaults: readers of a project see, members change, admins see to everything. An
 * operator's policy file overrides them one by one.
 */
import { BASE_RULES } from '../../control/policy/defaults.ts';

const READ = 'rule:reader_or_admin';
const WRITE = 'rule:member_or_admin';
const ADMIN = 'rule:admin_api';
/** Of somebody in a project, whichever. */
const ANYBODY = 'role:reader or rule:admin_api';

const each = (names: string, check: string): Record<string, string> =>
  Object.fromEntries(names.split(' ').map((name) => [name, check]));

export const CINDER_POLICY: Readonly<Record<string, string>> = {
  ...BASE_RULES,
  ...each('volume:get volume:get_all volume:get_volume_metadata volume_extension:volume_tenant_attribute', READ),
  ...each('volume:create volume:update volume:delete volume:create_from_image', WRITE),
  ...each('volume:create_volume_metadata volume:update_volume_metadata volume:delete_volume_metadata', WRITE),
  ...each('volume_extension:volume_image_metadata:show', READ),
  ...each('volume_extension:volume_image_metadata:set volume_extension:volume_image_metadata:remove', WRITE),
  ...each('volume:extend volume:extend_attached_volume volume:revert_to_snapshot volume:retype volume:reimage', WRITE),
  ...each('volume:multiattach volume_extension:volume_actions:set_bootable', WRITE),
  ...each('volume_extension:volume_actions:attach volume_extension:volume_actions:detach', WRITE),
  ...each('volume_extension:volume_actions:reserve volume_extension:volume_actions:unreserve', WRITE),
  ...each('volume_extension:volume_actions:begin_detaching volume_extension:volume_actions:roll_detaching', WRITE),
  ...each('volume_extension:volume_actions:initialize_connection', WRITE),
  ...each('volume_extension:volume_actions:terminate_connection', WRITE),
  ...each('volume_extension:volume_actions:update_readonly_flag volume_extension:volume_actions:upload_image', WRITE),
  ...each(
    'volume_extension:volume_admin_actions:force_delete volume_extension:volume_admin_actions:reset_status',
    ADMIN,
  ),
  ...each('volume_extension:volume_admin_actions:migrate_volume volume:force_delete', ADMIN),
  ...each('volume_extension:volume_admin_actions:force_detach volume_extension:volume_type_encryption:get', ADMIN),
  ...each('volume_extension:volume_host_attribute volume_extension:volume_mig_status_attribute', ADMIN),
  ...each('volume:get_snapshot volume:get_all_snapshots volume:get_snapshot_metadata', READ),
  ...each('volume:create_snapshot volume:update_snapshot volume:delete_snapshot', WRITE),
  ...each('volume:update_snapshot_metadata volume:delete_snapshot_metadata', WRITE),
  ...each('volume_extension:extended_snapshot_attributes', READ),
  ...each('volume_extension:snapshot_admin_actions:force_delete', ADMIN),
  ...each(
    'volume_extension:snapshot_admin_actions:reset_status snapshot_extension:snapshot_actions:update_snapshot_status',
    ADMIN,
  ),
  ...each('backup:get backup:get_all', READ),
  ...each('backup:create backup:update backup:delete backup:restore', WRITE),
  ...each('backup:export-import backup:backup_project_attribute', ADMIN),
  ...each(
    'volume_extension:backup_admin_actions:force_delete volume_extension:backup_admin_actions:reset_status',
    ADMIN,
  ),
  ...each('volume:attachment_list', READ),
  ...each(
    'volume:attachment_create volume:attachment_update volume:attachment_delete volume:attachment_complete',
    WRITE,
  ),
  ...each('volume:get_transfer volume:get_all_transfers', READ),
  ...each('volume:create_transfer volume:accept_transfer volume:delete_transfer', WRITE),
  ...each('volume_extension:type_get volume_extension:type_get_all volume_extension:types_extra_specs:index', ANYBODY),
  ...each('volume_extension:types_extra_specs:show volume_extension:access_types_extra_specs', ANYBODY),
  ...each('volume_extension:type_create volume_extension:type_update volume_extension:type_delete', ADMIN),
  ...each('volume_extension:types_extra_specs:create volume_extension:types_extra_specs:update', ADMIN),
  ...each('volume_extension:types_extra_specs:delete volume_extension:types_extra_specs:read_sensitive', ADMIN),
  ...each('volume_extension:volume_type_access', WRITE),
  ...each('volume_extension:volume_type_access:addProjectAccess', ADMIN),
  ...each('volume_extension:volume_type_access:removeProjectAccess', ADMIN),
  ...each('volume_extension:volume_type_access:get_all_for_type volume_extension:access_types_qos_specs_id', ADMIN),
  ...each('volume_extension:volume_type_encryption:create volume_extension:volume_type_encryption:update', ADMIN),
  ...each('volume_extension:volume_type_encryption:delete', ADMIN),
  ...each('volume_extension:default_get volume_extension:default_get_all', ADMIN),
  ...each('volume_extension:default_set_or_update volume_extension:default_unset', ADMIN),
  ...each('volume_extension:qos_specs_manage:get volume_extension:qos_specs_manage:get_all', ADMIN),
  ...each('volume_extension:qos_specs_manage:create volume_extension:qos_specs_manage:update', ADMIN),
  ...each('volume_extension:qos_specs_manage:delete', ADMIN),
  'volume_extension:quotas:show': `${ADMIN} or project_id:%(target_project_id)s`,
  ...each('volume_extension:quotas:update volume_extension:quotas:delete', ADMIN),
  ...each('volume_extension:quota_classes:get volume_extension:quota_classes:update', ADMIN),
  ...each('limits_extension:used_limits message:get message:get_all', READ),
  ...each('message:delete', WRITE),
  ...each('volume:availability_zone_list volume:extensions volume:resource_filters', ANYBODY),
  ...each('volume_extension:services:index volume_extension:services:update volume_extension:hosts', ADMIN),
  ...each('group:get_all group:get group:get_all_group_snapshots group:get_group_snapshot', READ),
  ...each('group:create group:update group:delete group:enable_replication group:disable_replication', WRITE),
  ...each('group:failover_replication group:list_replication_targets', WRITE),
  ...each('group:create_group_snapshot group:delete_group_snapshot group:update_group_snapshot', WRITE),
  ...each('group:reset_status group:reset_group_snapshot_status group:group_project_attribute', ADMIN),
  ...each('group:group_snapshot_project_attribute group:access_group_types_specs', ADMIN),
  ...each('group:group_types:create group:group_types:update group:group_types:delete', ADMIN),
  ...each('group:group_types_specs:get group:group_types_specs:get_all group:group_types_specs:create', ADMIN),
  ...each('group:group_types_specs:update group:group_types_specs:delete', ADMIN),
  ...each('clusters:get_all clusters:get workers:cleanup', ADMIN),
  ...each('volume_extension:list_manageable volume_extension:volume_manage', ADMIN),
  ...each('snapshot_extension:list_manageable snapshot_extension:snapshot_manage', ADMIN),
  ...each('scheduler_extension:scheduler_stats:get_pools volume_extension:capabilities', ADMIN),
};
