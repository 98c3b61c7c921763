/** /attachments: reserve, connect, complete, end. What Nova drives since 3.27; os-attach and the like are in volume-actions.ts. */
import type { WriteTx } from '../../../control/contract.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import { type Cinder, finished, newId, startTask } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import { type Connector, transportOf, withoutSecrets } from '../model/connection.ts';
import { followAttachments } from '../model/volume-status.ts';
import { badRequest, invalidVolume } from '../refusals.ts';
import { type AttachmentRow, attachments, type VolumeRow, volumes } from '../tables.ts';
import { CONNECT, type ConnectInput, DISCONNECT, type DisconnectInput } from '../tasks/connect.ts';
import { listed, rowsFor } from './listing.ts';
import { action, type Body, owned, projectOf, targetIn, UUID, wrapped } from './shared.ts';

const MIN = '3.27';
const CREATE = {
  instance_uuid: UUID,
  volume_uuid: UUID,
  connector: { type: ['object', 'null'] },
};
const MODE = { mode: { type: 'string', enum: ['rw', 'ro'] } };
const FILTERS = [
  'volume_id',
  'status',
  'instance_id',
  'attach_status',
  'instance_uuid',
  'attach_mode',
  'attached_host',
];
const SORT = ['id', 'status', 'volume_id', 'instance_id', 'created_at'];

export function attachmentRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const target = targetIn(cinder, { rows: attachments, what: 'Volume attachment', param: 'attachment_id' });
  const about = { path: '/attachments/{attachment_id}', min: MIN, target } as const;
  const list = (path: string, name: string, show: (call: Call, one: AttachmentRow) => Body): Route =>
    route({
      ...{ name, method: 'GET', path, min: MIN, policy: 'volume:attachment_list' },
      async run(call) {
        const rows = await store.read((tx) => rowsFor(tx, call, attachments));
        return listed(call, {
          ...{ collection: 'attachments', what: 'Volume attachment', resource: 'attachment', rows, fields: fieldsOf },
          ...{ filters: FILTERS, like: ['status'], sortKeys: SORT },
          show: (one) => show(call, one),
        });
      },
    });
  return [
    list('/attachments', 'attachments:list', (_, one) => brief(one)),
    list('/attachments/detail', 'attachments:detail', detail),
    route({
      ...{
        name: 'attachments:create',
        method: 'POST',
        path: '/attachments',
        min: MIN,
        policy: 'volume:attachment_create',
      },
      body: [
        { max: '3.53', schema: wrapped('attachment', CREATE, { required: ['volume_uuid'] }) },
        { min: '3.54', schema: wrapped('attachment', { ...CREATE, ...MODE }, { required: ['volume_uuid'] }) },
      ],
      note: 'reserves; with a connector also opens the export',
      run: async (call) => ({
        body: { attachment: detail(call, await create(cinder, call, call.body['attachment'] as Body)) },
      }),
    }),
    route({
      ...{ name: 'attachments:show', method: 'GET', ...about, policy: 'volume:attachment_list' },
      run: async (call) => ({
        body: { attachment: detail(call, await found(cinder, call, call.params.attachment_id)) },
      }),
    }),
    route({
      ...{ name: 'attachments:update', method: 'PUT', ...about, policy: 'volume:attachment_update' },
      body: wrapped('attachment', { connector: { type: 'object', minProperties: 1 } }, { required: ['connector'] }),
      async run(call) {
        const connector = (call.body['attachment'] as Body)['connector'] as Connector;
        const row = await connect(cinder, call, { id: call.params.attachment_id, connector });
        return { body: { attachment: detail(call, row) } };
      },
    }),
    route({
      ...{
        name: 'attachments:complete',
        method: 'POST',
        path: '/attachments/{attachment_id}/action',
        action: 'os-complete',
      },
      ...{ min: '3.44', status: 204, target, policy: 'volume:attachment_complete', body: action('os-complete') },
      async run(call) {
        await store.write((tx) => complete(cinder, tx, call, call.params.attachment_id));
        return {};
      },
    }),
    route({
      ...{ name: 'attachments:delete', method: 'DELETE', ...about, policy: 'volume:attachment_delete' },
      async run(call) {
        const row = await found(cinder, call, call.params.attachment_id);
        await disconnect(cinder, call, row);
        const rest = await store.read((tx) => attachments.by(tx, 'volume', row.volumeId));
        return { body: { attachments: rest.map(brief) } };
      },
    }),
  ];
}

const fieldsOf = (one: AttachmentRow): Body => ({
  ...{ id: one.id, volume_id: one.volumeId, status: one.status, attach_status: one.status },
  ...{ instance_uuid: one.instanceId, attach_mode: one.mode, attached_host: one.hostName },
  ...{ instance_id: one.instanceId, created_at: isoTime(one.createdAtMs) },
});

const brief = ({ id, status, instanceId, volumeId }: AttachmentRow): Body => ({
  ...{ id, status, instance: instanceId ?? null, volume_id: volumeId },
});

/** The key of an export is for those who may attach. */
function detail(call: Call, one: AttachmentRow): Body {
  const { connection } = one;
  const mayUse = call.allows('volume:attachment_update', { project_id: one.projectId });
  return {
    ...brief(one),
    ...{ attached_at: isoTime(one.attachedAtMs) ?? '', detached_at: '', attach_mode: one.mode },
    connection_info: connection === undefined ? {} : flat(mayUse ? connection : withoutSecrets(connection)),
  };
}

/** The attachments API shows the fields of `data` and the type side by side. */
function flat(connection: Readonly<Record<string, unknown>>): Body {
  const { driver_volume_type, data } = connection;
  return { driver_volume_type, ...(data as Body) };
}

function found({ store }: Cinder, call: Call, id: string): Promise<AttachmentRow> {
  return store.read((tx) => owned(tx, call, { rows: attachments, what: 'Volume attachment', id }));
}

async function create(cinder: Cinder, call: Call, body: Body): Promise<AttachmentRow> {
  const connector = (body['connector'] ?? undefined) as Connector | undefined;
  const mode = (body['mode'] ?? connector?.['mode']) === 'ro' ? 'ro' : 'rw';
  const instance = body['instance_uuid'];
  const row = await cinder.store.write(async (tx) => {
    const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id: body['volume_uuid'] as string });
    if (connector && volume.host !== undefined) transportOf(connector, volume.host);
    return reserve(cinder, tx, volume, {
      ...{ id: newId(cinder), volumeId: volume.id, projectId: projectOf(call), status: 'reserved', mode },
      ...{ instanceId: typeof instance === 'string' ? instance : undefined, createdAtMs: cinder.clock.nowMs() },
    });
  });
  call.note({ volume_id: row.volumeId, attachment_id: row.id });
  return connector ? connect(cinder, call, { id: row.id, connector }) : row;
}

/** A place among the volume's attachments, if there is one. */
export async function reserve(
  cinder: Cinder,
  tx: WriteTx,
  volume: VolumeRow,
  row: AttachmentRow,
): Promise<AttachmentRow> {
  const isShared = volume.multiattach && ['in-use', 'reserved', 'attaching'].includes(volume.status);
  if (volume.status !== 'available' && !isShared && !(await isOfItsInstance(tx, volume, row)))
    throw invalidVolume(
      `Volume ${volume.id} status must be available or downloading to reserve, but the current status is ${volume.status}.`,
    );
  if (volume.readOnly && row.mode === 'rw' && row.connector === undefined) row = { ...row, mode: 'ro' };
  await attachments.put(tx, row);
  await followAttachments(cinder, tx, volume.id);
  return row;
}

/** An instance that moves between hosts has the volume twice for a while: once more where nobody else has it. */
async function isOfItsInstance(
  tx: WriteTx,
  { id, status }: VolumeRow,
  { instanceId }: AttachmentRow,
): Promise<boolean> {
  if (instanceId === undefined || !['in-use', 'reserved', 'attaching'].includes(status)) return false;
  const there = await attachments.by(tx, 'volume', id);
  return there.length > 0 && there.every((one) => one.instanceId === instanceId);
}

async function connect(
  cinder: Cinder,
  call: Call,
  { id, connector }: { readonly id: string; readonly connector: Connector },
): Promise<AttachmentRow> {
  const task = await cinder.store.write(async (tx) => {
    const row = await owned(tx, call, { rows: attachments, what: 'Volume attachment', id });
    const volume = await volumes.get(tx, row.volumeId);
    if (volume?.host === undefined) throw invalidVolume(`Volume ${row.volumeId} is on no host.`);
    if (row.status === 'detaching') throw badRequest(`Attachment ${id} is being deleted.`);
    transportOf(connector, volume.host);
    const readOnly = row.mode === 'ro' || volume.readOnly || connector['mode'] === 'ro';
    const input: ConnectInput = { id, volumeId: volume.id, connector, readOnly, plain: false };
    return startTask(cinder, tx, { kind: CONNECT, input, resource: `attachment/${id}`, call });
  });
  await finished(cinder, task);
  return found(cinder, call, id);
}

export async function complete(cinder: Cinder, tx: WriteTx, call: Call, id: string): Promise<void> {
  const row = await owned(tx, call, { rows: attachments, what: 'Volume attachment', id });
  const attachedAtMs = row.attachedAtMs ?? cinder.clock.nowMs();
  await attachments.put(tx, { ...row, status: 'attached', attachedAtMs });
  await followAttachments(cinder, tx, row.volumeId);
}

export async function disconnect(cinder: Cinder, call: Call, { id, volumeId }: AttachmentRow): Promise<void> {
  const task = await cinder.store.write(async (tx) => {
    const row = await attachments.get(tx, id);
    if (row) await attachments.put(tx, { ...row, status: 'detaching' });
    await followAttachments(cinder, tx, volumeId);
    const input: DisconnectInput = { id, volumeId, plain: false };
    return startTask(cinder, tx, { kind: DISCONNECT, input, resource: `attachment/${id}`, call });
  });
  await finished(cinder, task);
}
