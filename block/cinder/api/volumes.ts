/** /volumes: create, lists, show, update, delete, summary. Actions are in volume-actions.ts, metadata in metadata.ts. */
import type { Filter } from '../../../control/service/listing.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import { type Cinder, startTask } from '../cinder.ts';
import { isoTime, parseTime } from '../iso-time.ts';
import { type NewVolume, putVolume } from '../model/new-volume.ts';
import { badRequest, invalidInput, invalidVolume } from '../refusals.ts';
import { attachments, snapshots, type VolumeRow, volumes } from '../tables.ts';
import { DELETE_VOLUME, type DeleteInput } from '../tasks/delete-volume.ts';
import { change } from '../tasks/kind.ts';
import { hasWords, listed, readWords, rowsFor } from './listing.ts';
import {
  type Body,
  bool,
  flag,
  gigabytes,
  named,
  OPTIONAL_BOOLEAN,
  OPTIONAL_UUID,
  oneOf,
  owned,
  SIZE,
  TEXT,
  targetIn,
  UUID,
  WORDS,
  WORDS_OR_NULL,
  words,
  wrapped,
} from './shared.ts';
import { showMadeVolume, showVolume, showVolumeBrief, type VolumeParts, volumeParts } from './volume-view.ts';

const NAMES = { name: TEXT, description: TEXT, display_name: TEXT, display_description: TEXT };
const CREATE = {
  ...NAMES,
  volume_type: { type: ['string', 'null'], maxLength: 255 },
  metadata: WORDS_OR_NULL,
  snapshot_id: OPTIONAL_UUID,
  source_volid: OPTIONAL_UUID,
  consistencygroup_id: OPTIONAL_UUID,
  group_id: TEXT,
  backup_id: OPTIONAL_UUID,
  size: SIZE,
  availability_zone: { type: ['string', 'null'], minLength: 1, maxLength: 255 },
  multiattach: OPTIONAL_BOOLEAN,
  image_id: TEXT,
  imageRef: TEXT,
};
const HINTED = { type: ['string', 'array'], pattern: UUID.pattern, items: UUID, uniqueItems: true };
const HINTS = {
  'OS-SCH-HNT:scheduler_hints': {
    type: ['object', 'null'],
    properties: { same_host: HINTED, different_host: HINTED, local_to_instance: OPTIONAL_UUID },
  },
};
const create = (open: boolean) => wrapped('volume', CREATE, { open, also: HINTS });
const UPDATE = wrapped('volume', { ...NAMES, metadata: WORDS });

export const VOLUME_SORT = [
  'id',
  'status',
  'size',
  'availability_zone',
  'display_name',
  'name',
  'created_at',
  'bootable',
  'updated_at',
  'host',
  'user_id',
  'project_id',
  'volume_type_id',
  'migration_status',
];
const FILTERS = [
  'name',
  'status',
  'bootable',
  'availability_zone',
  'size',
  'migration_status',
  'volume_type_id',
  'host',
  'user_id',
  'encrypted',
  'multiattach',
  'consumes_quota',
  'id',
  'display_name',
  'snapshot_id',
  'source_volid',
];
const BOOLEANS = ['bootable', 'multiattach'];
const LIKE = ['name', 'status', 'availability_zone'];
const TIMES = ['created_at', 'updated_at'] as const;

const target = (cinder: Cinder) => targetIn(cinder, { rows: volumes, what: 'Volume', param: 'volume_id' });

export function volumeRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const list = (path: string, name: string, show: (call: Call, parts: VolumeParts) => Body): Route =>
    route({
      ...{ name, method: 'GET', path, policy: 'volume:get_all' },
      run: async (call) => listVolumes(cinder, call, show),
    });
  return [
    list('/volumes', 'volumes:list', showVolumeBrief),
    list('/volumes/detail', 'volumes:detail', (call, parts) => showVolume(cinder, call, parts)),
    route({
      ...{ name: 'volumes:summary', method: 'GET', path: '/volumes/summary', min: '3.12', policy: 'volume:get_all' },
      async run(call) {
        const rows = await store.read((tx) => rowsFor(tx, call, volumes));
        return { body: { 'volume-summary': summary(call, rows) } };
      },
    }),
    route({
      ...{ name: 'volumes:create', method: 'POST', path: '/volumes', status: 202, policy: 'volume:create' },
      body: [
        { max: '3.52', schema: create(true) },
        { min: '3.53', schema: create(false) },
      ],
      note: 'the host is bound here, the file comes with the first attachment',
      async run(call) {
        const asked = readNew(cinder, call.body);
        const pools = await cinder.hosts.pools();
        const parts = await store.write(async (tx) => {
          const volume = await putVolume(cinder, tx, { call, asked, pools });
          return (await volumeParts(tx, [volume]))[0] as VolumeParts;
        });
        call.note({ volume_id: parts.volume.id });
        return { body: { volume: showMadeVolume(call, parts) } };
      },
    }),
    route({
      ...{ name: 'volumes:show', method: 'GET', path: '/volumes/{volume_id}', policy: 'volume:get' },
      target: target(cinder),
      async run(call) {
        return { body: { volume: showVolume(cinder, call, await partsOf(cinder, call, call.params.volume_id)) } };
      },
    }),
    route({
      ...{ name: 'volumes:update', method: 'PUT', path: '/volumes/{volume_id}', policy: 'volume:update' },
      target: target(cinder),
      body: UPDATE,
      async run(call) {
        const body = call.body['volume'] as Body;
        if (Object.keys(body).length === 0 && call.version.atLeast('3.53'))
          throw badRequest('At least one of name, description, metadata is needed.');
        const id = call.params.volume_id;
        await store.write(async (tx) => {
          await owned(tx, call, { rows: volumes, what: 'Volume', id });
          const metadata = 'metadata' in body ? { metadata: words(body['metadata']) } : {};
          await change(cinder, tx, volumes, { id, ...named(body), ...metadata });
        });
        return { body: { volume: showMadeVolume(call, await partsOf(cinder, call, id)) } };
      },
    }),
    route({
      ...{
        name: 'volumes:delete',
        method: 'DELETE',
        path: '/volumes/{volume_id}',
        status: 202,
        policy: 'volume:delete',
      },
      target: target(cinder),
      async run(call) {
        const cascade = flag(call, 'cascade');
        const force = call.version.atLeast('3.23') && flag(call, 'force');
        if (force) call.enforce('volume:force_delete');
        await beginDelete(cinder, call, { volumeId: call.params.volume_id, cascade, force });
        return {};
      },
    }),
  ];
}

function partsOf({ store }: Cinder, call: Call, id: string): Promise<VolumeParts> {
  return store.read(async (tx) => {
    return (await volumeParts(tx, [await owned(tx, call, { rows: volumes, what: 'Volume', id })]))[0] as VolumeParts;
  });
}

async function listVolumes(cinder: Cinder, call: Call, show: (call: Call, parts: VolumeParts) => Body) {
  checkBooleans(call);
  const rows = await cinder.store.read(async (tx) => volumeParts(tx, await rowsFor(tx, call, volumes)));
  const metadata = readWords(call.query.get('metadata'));
  const image = call.version.atLeast('3.4') ? readWords(call.query.get('glance_metadata')) : undefined;
  const rowOf = (item: Body) => (item['row'] as VolumeParts).volume;
  const group = call.version.atLeast('3.10') ? call.query.get('group_id') : undefined;
  const inGroup: Filter[] = group === undefined ? [] : [(item) => rowOf(item).groupId === group];
  return listed(call, {
    ...{
      collection: 'volumes',
      what: 'Volume',
      resource: 'volume',
      rows,
      filters: FILTERS,
      like: LIKE,
      sortKeys: VOLUME_SORT,
      counts: true,
    },
    fields: ({ volume }) => fieldsOf(cinder, volume),
    show: (parts) => show(call, parts),
    more: [
      ...hasWords((item) => rowOf(item).metadata, metadata),
      ...hasWords((item) => rowOf(item).imageMetadata, image),
      ...inGroup,
      ...timeFilters(call),
    ],
  });
}

/** Before 3.2 anything but `false` was true. */
function checkBooleans({ query, version }: Call): void {
  if (!version.atLeast('3.2')) return;
  const wrong = BOOLEANS.find((name) => query.has(name) && !/^(?:true|false|0|1)$/i.test(query.get(name) ?? ''));
  if (wrong !== undefined) throw invalidInput(`'${wrong} = ${query.get(wrong)?.slice(0, 32)}'`);
}

function fieldsOf({ hosts }: Cinder, volume: VolumeRow): Body {
  return {
    ...{ id: volume.id, name: volume.name, display_name: volume.name, status: volume.status, size: volume.sizeGb },
    ...{ bootable: volume.bootable, availability_zone: volume.zone, migration_status: volume.migrationStatus },
    ...{ volume_type_id: volume.typeId, user_id: volume.userId, encrypted: false, multiattach: volume.multiattach },
    ...{ host: volume.host === undefined ? undefined : hosts.fullName(volume.host), consumes_quota: true },
    ...{ project_id: volume.projectId, snapshot_id: volume.snapshotId, source_volid: volume.sourceVolumeId },
    ...{ created_at: isoTime(volume.createdAtMs), updated_at: isoTime(volume.updatedAtMs) },
  };
}

/** `created_at=gt:2026-01-01T00:00:00,lte:…`, from 3.60 on. */
export function timeFilters(call: Call): Filter[] {
  if (!call.version.atLeast('3.60')) return [];
  return TIMES.flatMap((name) => {
    const asked = call.query.get(name);
    return asked === undefined ? [] : asked.split(/,(?=[a-z]+:)/).map((one) => timeFilter(name, one));
  });
}

function timeFilter(name: string, text: string): Filter {
  const match = /^(gt|gte|lt|lte|eq|neq):(.+)$/.exec(text);
  const wanted = parseTime(match?.[2] ?? '');
  if (match === null || wanted === undefined) throw badRequest(`Invalid filter ${name}: ${text.slice(0, 64)}`);
  return (item) => {
    const have = typeof item[name] === 'string' ? parseTime(item[name]) : undefined;
    if (have === undefined) return false;
    const order = Math.sign(have - wanted);
    return { gt: order > 0, gte: order >= 0, lt: order < 0, lte: order <= 0, eq: order === 0, neq: order !== 0 }[
      match[1] as string
    ] as boolean;
  };
}

function summary({ version }: Call, rows: readonly VolumeRow[]): Body {
  const metadata: Record<string, string[]> = {};
  for (const row of rows)
    for (const [key, value] of Object.entries(row.metadata))
      metadata[key] = [...new Set([...(metadata[key] ?? []), value])];
  const total_size = rows.reduce((sum, { sizeGb }) => sum + sizeGb, 0);
  return { total_count: rows.length, total_size, ...(version.atLeast('3.36') && { metadata }) };
}

function readNew({ hosts }: Cinder, whole: Readonly<Record<string, Body>>): NewVolume {
  const body = whole['volume'] as Body;
  refuseNew(body);
  const zone = text(body['availability_zone']);
  if (zone !== undefined && !hosts.zones.includes(zone)) throw invalidInput(`Availability zone '${zone}' is invalid.`);
  const hints = (whole['OS-SCH-HNT:scheduler_hints'] ?? body['scheduler_hints'] ?? {}) as Body;
  const ids = (value: unknown): string[] | undefined => (value === undefined ? undefined : [value].flat().map(String));
  const { name = null, description = null } = named(body);
  return {
    ...{ name, description, sizeGb: gigabytes(body['size']), typeName: text(body['volume_type']), zone },
    ...{ metadata: words(body['metadata']), snapshotId: text(body['snapshot_id']) },
    ...{ sourceVolumeId: text(body['source_volid']), backupId: text(body['backup_id']) },
    ...{ groupId: (body['group_id'] ?? body['consistencygroup_id'] ?? undefined) as string | undefined },
    ...{ sameHost: ids(hints['same_host']), differentHost: ids(hints['different_host']) },
  };
}

function refuseNew(body: Body): void {
  if (typeof (body['imageRef'] ?? body['image_id']) === 'string')
    throw badRequest('There is no image service: a volume cannot be made of an image here.');
  if (bool(body['multiattach']))
    throw badRequest(
      'multiattach parameter has been removed: use a volume type with extra spec multiattach="<is> True".',
    );
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

export const DELETABLE = [
  'available',
  'error',
  'error_restoring',
  'error_extending',
  'error_deleting',
  'error_managing',
];

export async function beginDelete(cinder: Cinder, call: Call, input: DeleteInput): Promise<void> {
  const { volumeId, cascade, force } = input;
  await cinder.store.write(async (tx) => {
    const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id: volumeId });
    const taken = await snapshots.by(tx, 'volume', volumeId);
    const open = await attachments.by(tx, 'volume', volumeId);
    if (volume.status === 'deleting' && !force) return;
    // One that no host could take was never in it.
    const isMember = volume.groupId !== undefined && volume.host !== undefined;
    if (isMember || (!force && (!DELETABLE.includes(volume.status) || open.length > 0)))
      throw invalidVolume(
        `Volume status must be ${oneOf(DELETABLE)} and must not be migrating, attached, belong to a group, have snapshots, ` +
          `awaiting a transfer, or be disassociated from snapshots after volume transfer. It is ${volume.status}${isMember ? `, in group ${volume.groupId}` : ''}.`,
      );
    const held = taken.find(({ groupSnapshotId }) => groupSnapshotId !== undefined);
    if (held) throw invalidVolume(`Snapshot ${held.id} of the volume is part of a group snapshot.`);
    if (taken.length > 0 && !cascade) throw invalidVolume(`Volume still has ${taken.length} dependent snapshots.`);
    const busy = taken.find(
      ({ status }) => !force && !['available', 'error', 'error_deleting', 'deleting'].includes(status),
    );
    if (busy) throw invalidVolume(`Snapshot ${busy.id} of the volume is ${busy.status}.`);
    for (const one of taken) await change(cinder, tx, snapshots, { id: one.id, status: 'deleting' });
    await change(cinder, tx, volumes, { id: volumeId, status: 'deleting', previousStatus: volume.status });
    startTask(cinder, tx, { kind: DELETE_VOLUME, input, resource: `volume/${volumeId}`, call });
  });
}
