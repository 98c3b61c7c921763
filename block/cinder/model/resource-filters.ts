/**
 * What lists may be filtered by, as `GET /resource_filters` says and as lists hold members to it from 3.31 on; admins may use
 * whatever else a list knows. A name with `~` at its end also takes parts of the text.
 */
export const RESOURCE_FILTERS = {
  volume: [
    ...['name', 'name~', 'status', 'status~', 'metadata', 'glance_metadata', 'bootable', 'migration_status'],
    ...['availability_zone', 'availability_zone~', 'group_id', 'size', 'created_at', 'updated_at', 'consumes_quota'],
  ],
  backup: ['name', 'name~', 'status', 'status~', 'volume_id'],
  snapshot: [...['name', 'name~', 'status', 'status~', 'volume_id', 'metadata', 'availability_zone', 'consumes_quota']],
  group: ['name', 'name~'],
  group_snapshot: ['name', 'name~', 'status', 'status~', 'group_id'],
  attachment: ['volume_id', 'status', 'status~', 'instance_id', 'attach_status'],
  message: [
    ...['resource_uuid', 'resource_uuid~', 'resource_type', 'event_id', 'event_id~', 'request_id', 'message_level'],
  ],
  pool: ['name', 'volume_type'],
  volume_type: ['is_public', 'extra_specs'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type FilteredResource = keyof typeof RESOURCE_FILTERS;
