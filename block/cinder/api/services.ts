/** What operators see of hosts: services, hosts, pools, capabilities, availability zones. */

import { readFilters } from '../../../control/service/listing.ts';
import { type JsonSchema, schema } from '../../../control/service/schema.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import type { Cinder } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import type { Pool } from '../model/hosts.ts';
import { RESOURCE_FILTERS } from '../model/resource-filters.ts';
import { allocatedGb, fits, roomOf } from '../model/scheduler.ts';
import { findType } from '../model/types.ts';
import { badRequest, notFound, notImplemented } from '../refusals.ts';
import { services, snapshots, volumes } from '../tables.ts';
import { type Body, flag } from './shared.ts';

const POOL_QUERY = ['detail', ...RESOURCE_FILTERS.pool];
const VOLUME = 'cinder-volume';
const SCHEDULER = 'cinder-scheduler';
const BACKUP = 'cinder-backup';
const GIB = 2 ** 30;

const NAMED = { type: 'string', minLength: 1, maxLength: 255 };
const switching = (more: JsonSchema) =>
  schema<Readonly<Record<string, string>>>({
    type: 'object',
    properties: { host: NAMED, binary: NAMED, service: NAMED, cluster: { type: ['string', 'null'] }, ...more },
    additionalProperties: false,
  });
const SWITCH = switching({});
const SWITCH_WITH_REASON = switching({ disabled_reason: NAMED });

export function serviceRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const rule = 'volume_extension:services';
  const turn = (name: string, disabled: boolean): Route =>
    route({
      ...{
        name: `services:${name}`,
        method: 'PUT',
        path: `/os-services/${name}`,
        policy: `${rule}:update`,
        body: name === 'disable-log-reason' ? SWITCH_WITH_REASON : SWITCH,
      },
      async run(call) {
        const host = hostAsked(cinder, call.body);
        const reason = call.body['disabled_reason'] ?? null;
        await store.write((tx) => services.put(tx, { id: host, disabled, reason, updatedAtMs: cinder.clock.nowMs() }));
        const about = {
          host: call.body['host'],
          service: call.body['service'] ?? '',
          binary: call.body['binary'] ?? '',
          disabled,
          status: disabled ? 'disabled' : 'enabled',
        };
        return { body: { ...about, ...(reason === null ? {} : { disabled_reason: reason }) } };
      },
    });
  const refuse = (name: string, why: string): Route =>
    route({
      ...{ name: `services:${name}`, method: 'PUT', path: `/os-services/${name}`, policy: `${rule}:update` },
      note: `refused, 501: ${why}`,
      run() {
        throw notImplemented(`${name} is not offered: ${why}.`);
      },
    });
  return [
    route({
      ...{ name: 'services:list', method: 'GET', path: '/os-services', policy: `${rule}:index` },
      run: async (call) => ({ body: { services: await list(cinder, call) } }),
    }),
    turn('enable', false),
    turn('disable', true),
    turn('disable-log-reason', true),
    refuse('freeze', 'volumes are not replicated between hosts'),
    refuse('thaw', 'volumes are not replicated between hosts'),
    refuse('failover_host', 'volumes are not replicated between hosts'),
    refuse('failover', 'volumes are not replicated between hosts'),
    refuse('set-log', 'log levels are in the configuration'),
    refuse('get-log', 'log levels are in the configuration'),
    ...hostRoutes(cinder),
    ...poolRoutes(cinder),
    route({
      ...{ name: 'availability-zones:list', method: 'GET', path: '/os-availability-zone' },
      policy: 'volume:availability_zone_list',
      async run() {
        const pools = await cinder.hosts.pools();
        const isUp = (zone: string): boolean => pools.some((pool) => pool.zone === zone && pool.status !== undefined);
        const zones = cinder.hosts.zones.map((zone) => ({ zoneName: zone, zoneState: { available: isUp(zone) } }));
        return {
          body: { availabilityZoneInfo: zones.filter(({ zoneName }) => pools.some(({ zone }) => zone === zoneName)) },
        };
      },
    }),
  ];
}

/** `host`, `host@backend` or `host@backend#pool`. */
const bare = (name: string): string => name.split('@')[0] as string;

function hostAsked({ hosts }: Cinder, body: Readonly<Record<string, string>>): string {
  const binary = body['binary'] ?? body['service'];
  if (binary === undefined || body['host'] === undefined)
    throw badRequest("Missing required element 'host' or 'binary' in request body.");
  const host = bare(body['host']);
  // The other services have no hosts of their own.
  if (binary !== VOLUME || !hosts.has(host))
    throw notFound('Service', `${binary} on host ${body['host'].slice(0, 64)}`);
  return host;
}

async function list({ store, hosts, clock, settings }: Cinder, { query, version }: Call): Promise<Body[]> {
  const pools = await hosts.pools();
  const rows = new Map((await store.read((tx) => services.all(tx))).map((one) => [one.id, one]));
  const own = (binary: string): Body => ({
    ...{ binary, host: 'needletail', zone: settings.zone, status: 'enabled', state: 'up', disabled_reason: null },
    updated_at: isoTime(clock.nowMs()),
    ...(version.atLeast('3.7') && { cluster: null }),
  });
  const ofPool = (pool: Pool): Body => {
    const row = rows.get(pool.host);
    return {
      ...{ binary: VOLUME, host: hosts.fullName(pool.host).split('#')[0], zone: pool.zone },
      ...{ status: row?.disabled ? 'disabled' : 'enabled', state: pool.status ? 'up' : 'down' },
      ...{ updated_at: isoTime(pool.seenAtMs), disabled_reason: row?.reason ?? null },
      ...{ replication_status: 'disabled', active_backend_id: null, frozen: false },
      ...(version.atLeast('3.7') && { cluster: null }),
      ...(version.atLeast('3.49') && { backend_state: pool.status && pool.status.unfit === undefined ? 'up' : 'down' }),
    };
  };
  const all = [own(SCHEDULER), ...pools.map(ofPool), own(BACKUP)];
  const [host, binary] = [query.get('host'), query.get('binary')];
  return all.filter(
    (one) =>
      (host === undefined || one['host'] === host || bare(String(one['host'])) === host) &&
      (binary === undefined || one['binary'] === binary),
  );
}

function hostRoutes(cinder: Cinder): Route[] {
  return [
    route({
      ...{ name: 'hosts:list', method: 'GET', path: '/os-hosts', policy: 'volume_extension:hosts' },
      async run(call) {
        const zone = call.query.get('zone');
        const all = (await list(cinder, call)).filter((one) => zone === undefined || one['zone'] === zone);
        const shown = all.map((one) => ({
          ...{
            host_name: one['host'],
            service: one['binary'],
            zone: one['zone'],
            'service-status': one['state'] === 'up' ? 'available' : 'unavailable',
          },
          ...{ 'service-state': one['status'], 'last-update': one['updated_at'] },
        }));
        return { body: { hosts: shown } };
      },
    }),
    route({
      ...{ name: 'hosts:show', method: 'GET', path: '/os-hosts/{host}', policy: 'volume_extension:hosts' },
      run: async (call) => ({ body: { host: await hostUse(cinder, bare(call.params.host), call.params.host) } }),
    }),
    route({
      ...{ name: 'hosts:update', method: 'PUT', path: '/os-hosts/{host}', policy: 'volume_extension:hosts' },
      note: 'refused, 501: os-services switches hosts',
      run() {
        throw notImplemented('Hosts are switched by os-services.');
      },
    }),
  ];
}

async function hostUse({ store, hosts }: Cinder, host: string, shownAs: string): Promise<Body[]> {
  if (!hosts.has(host)) throw notFound('Host', shownAs.slice(0, 64));
  const [own, taken] = await store.read(
    async (tx) => [await volumes.by(tx, 'host', host), await snapshots.all(tx)] as const,
  );
  const here = taken.filter((one) => one.host === host);
  const sum = (all: readonly { sizeGb: number }[]): string =>
    String(all.reduce((total, { sizeGb }) => total + sizeGb, 0));
  const line = (project: string, of: (one: { projectId: string }) => boolean): Body => ({
    resource: {
      ...{ host: shownAs, project, volume_count: String(own.filter(of).length), total_volume_gb: sum(own.filter(of)) },
      ...{ snapshot_count: String(here.filter(of).length), total_snapshot_gb: sum(here.filter(of)) },
    },
  });
  const projects = [...new Set(own.map(({ projectId }) => projectId))];
  return [line('(total)', () => true), ...projects.map((id) => line(id, ({ projectId }) => projectId === id))];
}

function poolRoutes(cinder: Cinder): Route[] {
  const { store, hosts, settings } = cinder;
  return [
    route({
      ...{ name: 'pools:list', method: 'GET', path: '/scheduler-stats/get_pools' },
      policy: 'scheduler_extension:scheduler_stats:get_pools',
      async run(call) {
        const isDetail = flag(call, 'detail');
        if (call.version.atLeast('3.31')) readFilters(call.query, { names: POOL_QUERY, strict: true });
        const name = call.version.atLeast('3.28') ? call.query.get('name') : undefined;
        const typeName = call.version.atLeast('3.35') ? call.query.get('volume_type') : undefined;
        const all = (await hosts.pools()).filter((pool) => pool.status !== undefined);
        const pools = await store.read(async (tx) => {
          const type = typeName === undefined ? undefined : await findType(tx, typeName);
          if (typeName !== undefined && type === undefined) throw notFound('Volume type', typeName.slice(0, 64));
          const wanted = all.filter((pool) => !type || fits(pool, { type, zone: undefined }));
          return Promise.all(wanted.map(async (pool) => ({ pool, gb: await allocatedGb(tx, pool.host) })));
        });
        const shown = pools.map(({ pool, gb }) => ({
          name: hosts.fullName(pool.host),
          ...(isDetail && { capabilities: capabilities(pool, gb) }),
        }));
        return { body: { pools: shown.filter((one) => name === undefined || one.name === name) } };
      },
    }),
    route({
      ...{
        name: 'capabilities:show',
        method: 'GET',
        path: '/capabilities/{host}',
        policy: 'volume_extension:capabilities',
      },
      async run(call) {
        const host = bare(call.params.host);
        if (!hosts.has(host)) throw notFound('Backend', call.params.host.slice(0, 64));
        const backend = hosts.fullName(host).split('#')[1];
        return { body: describe(call.params.host, backend as string) };
      },
    }),
  ];

  function capabilities(pool: Pool, gb: number): Body {
    const { status, backendName, host } = pool;
    return {
      ...{
        pool_name: backendName,
        volume_backend_name: backendName,
        vendor_name: 'Needletail',
        driver_version: '1.0.0',
      },
      ...{
        storage_protocol: 'nbd',
        location_info: host,
        QoS_support: true,
        multiattach: true,
        online_extend_support: true,
      },
      ...{ thin_provisioning_support: true, thick_provisioning_support: false, backend_state: 'up' },
      ...{
        total_capacity_gb: round((status?.totalBytes ?? 0) / GIB),
        free_capacity_gb: round((status?.freeBytes ?? 0) / GIB),
      },
      ...{ allocated_capacity_gb: gb, provisioned_capacity_gb: round((status?.provisionedBytes ?? 0) / GIB) },
      ...{
        max_over_subscription_ratio: String(settings.overSubscription),
        reserved_percentage: settings.reservedPercent,
      },
      ...{ room_gb: roomOf(pool, gb, settings), timestamp: isoTime(pool.seenAtMs), ...pool.capabilities },
    };
  }
}

const round = (value: number): number => Math.round(value * 100) / 100;

function describe(host: string, backend: string): Body {
  const property = (title: string, type: string, description: string): Body => ({ title, type, description });
  return {
    ...{ namespace: `OS::Storage::Capabilities::${host}`, vendor_name: 'Needletail', volume_backend_name: backend },
    ...{ pool_name: backend, driver_version: '1.0.0', storage_protocol: 'nbd', display_name: null },
    ...{
      description: 'Local volumes with snapshots in the object store',
      visibility: 'public',
      replication_targets: [],
    },
    properties: {
      thin_provisioning: property('Thin Provisioning', 'boolean', 'Volumes take the space that was written.'),
      qos: property('QoS', 'boolean', 'Limits of operations and bytes a second, changed while in use.'),
      multiattach: property('Multiattach', 'boolean', 'Several clients of one volume, all on its host.'),
      replication_enabled: property('Replication', 'boolean', 'Not offered: snapshots are in the object store.'),
    },
  };
}
