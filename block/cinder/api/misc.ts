/** Messages, filters that lists take, extensions by name: what clients look at to learn what there is. */
import { type Call, type Route, route } from '../../../control/service/types.ts';
import type { Cinder } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import { RESOURCE_FILTERS } from '../model/resource-filters.ts';
import { notFound } from '../refusals.ts';
import { type MessageRow, messages } from '../tables.ts';
import { listed, rowsFor } from './listing.ts';
import { type Body, owned, targetIn } from './shared.ts';
import { volumeLinks } from './volume-view.ts';

const FILTERS = ['resource_type', 'resource_uuid', 'message_level', 'event_id', 'request_id', 'id'];
const SORT = [
  'id',
  'event_id',
  'resource_uuid',
  'resource_type',
  'request_id',
  'message_level',
  'created_at',
  'guaranteed_until',
];

export function messageRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const target = targetIn(cinder, { rows: messages, what: 'Message', param: 'message_id' });
  const about = { path: '/messages/{message_id}', min: '3.3', target } as const;
  return [
    route({
      ...{ name: 'messages:list', method: 'GET', path: '/messages', min: '3.3', policy: 'message:get_all' },
      async run(call) {
        const nowMs = cinder.clock.nowMs();
        const rows = (await store.read((tx) => rowsFor(tx, call, messages))).filter((one) => one.expiresAtMs > nowMs);
        return listed(call, {
          ...{
            collection: 'messages',
            what: 'Message',
            resource: 'message',
            rows,
            filters: FILTERS,
            sortKeys: SORT,
            like: ['resource_uuid', 'event_id'],
          },
          ...{ fields: (one: MessageRow) => showMessage(call, one), show: (one: MessageRow) => showMessage(call, one) },
        });
      },
    }),
    route({
      ...{ name: 'messages:show', method: 'GET', ...about, policy: 'message:get' },
      async run(call) {
        const id = call.params.message_id;
        const row = await store.read((tx) => owned(tx, call, { rows: messages, what: 'Message', id }));
        return { body: { message: showMessage(call, row) } };
      },
    }),
    route({
      ...{ name: 'messages:delete', method: 'DELETE', ...about, status: 204, policy: 'message:delete' },
      async run(call) {
        await store.write((tx) => messages.remove(tx, call.params.message_id));
        return {};
      },
    }),
  ];
}

function showMessage(call: Call, one: MessageRow): Body {
  return {
    ...{ id: one.id, event_id: one.eventId, user_message: one.text, message_level: one.level },
    ...{ created_at: isoTime(one.createdAtMs), guaranteed_until: isoTime(one.expiresAtMs), request_id: one.requestId },
    ...{ resource_type: one.resourceType, resource_uuid: one.resourceId, links: volumeLinks(call, one.id, 'messages') },
  };
}

/** Aliases that clients look for before they offer something. */
const EXTENSIONS: readonly (readonly [alias: string, name: string])[] = [
  ['os-admin-actions', 'AdminActions'],
  ['os-availability-zone', 'AvailabilityZones'],
  ['backups', 'Backups'],
  ['capabilities', 'Capabilities'],
  ['encryption', 'VolumeTypeEncryption'],
  ['os-extended-services', 'ExtendedServices'],
  ['os-extended-snapshot-attributes', 'ExtendedSnapshotAttributes'],
  ['os-hosts', 'Hosts'],
  ['qos-specs', 'Qos_specs_manage'],
  ['os-quota-class-sets', 'QuotaClasses'],
  ['os-quota-sets', 'Quotas'],
  ['OS-SCH-HNT', 'SchedulerHints'],
  ['scheduler-stats', 'Scheduler_stats'],
  ['os-services', 'Services'],
  ['os-snapshot-actions', 'SnapshotActions'],
  ['os-types-extra-specs', 'TypesExtraSpecs'],
  ['os-types-manage', 'TypesManage'],
  ['os-used-limits', 'UsedLimits'],
  ['os-volume-actions', 'VolumeActions'],
  ['os-volume-encryption-metadata', 'VolumeEncryptionMetadata'],
  ['os-vol-host-attr', 'VolumeHostAttribute'],
  ['os-vol-image-meta', 'VolumeImageMetadata'],
  ['os-vol-mig-status-attr', 'VolumeMigStatusAttribute'],
  ['os-vol-tenant-attr', 'VolumeTenantAttribute'],
  ['os-volume-transfer', 'VolumeTransfer'],
  ['os-volume-type-access', 'VolumeTypeAccess'],
];
const EXTENSIONS_UPDATED = '2013-04-18T00:00:00+00:00';

const showExtension = ([alias, name]: (typeof EXTENSIONS)[number]): Body => ({
  ...{ name, alias, description: '', updated: EXTENSIONS_UPDATED, links: [] },
});

export function discoveryRoutes(): Route[] {
  return [
    route({
      ...{ name: 'resource-filters:list', method: 'GET', path: '/resource_filters', min: '3.33' },
      policy: 'volume:resource_filters',
      run({ query }) {
        const asked = query.get('resource');
        const kept = Object.entries(RESOURCE_FILTERS).filter(([resource]) => asked === undefined || asked === resource);
        return { body: { resource_filters: kept.map(([resource, filters]) => ({ resource, filters })) } };
      },
    }),
    route({
      ...{ name: 'extensions:list', method: 'GET', path: '/extensions', policy: 'volume:extensions' },
      run: () => ({ body: { extensions: EXTENSIONS.map(showExtension) } }),
    }),
    route({
      ...{ name: 'extensions:show', method: 'GET', path: '/extensions/{alias}', policy: 'volume:extensions' },
      run(call) {
        const found = EXTENSIONS.find(([alias]) => alias === call.params.alias);
        if (found === undefined) throw notFound('Extension', call.params.alias.slice(0, 64));
        return { body: { extension: showExtension(found) } };
      },
    }),
  ];
}
