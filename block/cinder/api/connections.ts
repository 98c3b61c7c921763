/** Attaching in the older way, by actions of the volume: reserve, initialize, attach; begin detaching, terminate, detach. */
import type { WriteTx } from '../../../control/contract.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import { type Cinder, finished, newId, startTask } from '../cinder.ts';
import { type Connector, transportOf } from '../model/connection.ts';
import { uuidOf } from '../model/uuid-of.ts';
import { statusByAttachments } from '../model/volume-status.ts';
import { badRequest, invalidVolume, notFound } from '../refusals.ts';
import { type AttachmentRow, attachments, connections, type VolumeRow, volumes } from '../tables.ts';
import { CONNECT, type ConnectInput, DISCONNECT, type DisconnectInput } from '../tasks/connect.ts';
import { change } from '../tasks/kind.ts';
import { action, type Body, OPTIONAL_UUID, oneOf, owned, targetIn, UUID } from './shared.ts';

const RULES = 'volume_extension:volume_actions';
const CONNECTOR = { connector: { type: 'object' } };
const ATTACH = {
  instance_uuid: UUID,
  mountpoint: { type: 'string', minLength: 1, maxLength: 255 },
  host_name: { type: 'string', maxLength: 255 },
  mode: { enum: ['rw', 'ro'] },
};
const LEAVING = { connector: { type: ['object', 'string', 'null'] } };
const DETACH = { attachment_id: OPTIONAL_UUID };

export function connectionRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const target = targetIn(cinder, { rows: volumes, what: 'Volume', param: 'volume_id' });
  const act = { method: 'POST', path: '/volumes/{volume_id}/action', status: 202, target } as const;
  const move = (name: string, rule: string, wish: Wish): Route =>
    route({
      ...{
        name: `volumes:${rule.replaceAll('_', '-')}`,
        ...act,
        action: name,
        policy: `${RULES}:${rule}`,
        body: action(name),
      },
      async run(call) {
        await store.write((tx) => moveStatus(cinder, tx, call, { id: call.params.volume_id, name, ...wish }));
        return {};
      },
    });
  return [
    move('os-reserve', 'reserve', { from: ['available'], to: 'attaching' }),
    move('os-unreserve', 'unreserve', { from: ['attaching', 'reserved'], to: undefined, isLenient: true }),
    move('os-begin_detaching', 'begin_detaching', { from: ['in-use'], to: 'detaching' }),
    // Of a volume that is not being detached there is nothing to take back.
    move('os-roll_detaching', 'roll_detaching', { from: ['detaching'], to: 'in-use', isLenient: true }),
    route({
      ...{ name: 'volumes:initialize-connection', ...act, status: 200, action: 'os-initialize_connection' },
      ...{
        policy: `${RULES}:initialize_connection`,
        body: action('os-initialize_connection', CONNECTOR, ['connector']),
      },
      async run(call) {
        const connector = (call.body['os-initialize_connection'] as Body)['connector'] as Connector;
        return { body: { connection_info: await initialize(cinder, call, call.params.volume_id, connector) } };
      },
    }),
    route({
      ...{ name: 'volumes:terminate-connection', ...act, action: 'os-terminate_connection' },
      ...{ policy: `${RULES}:terminate_connection`, body: action('os-terminate_connection', LEAVING, ['connector']) },
      note: 'with a connector of null: all of them',
      async run(call) {
        const body = call.body['os-terminate_connection'] as Body | null;
        await terminate(
          cinder,
          call,
          call.params.volume_id,
          (body?.['connector'] ?? undefined) as Connector | undefined,
        );
        return {};
      },
    }),
    route({
      ...{ name: 'volumes:attach', ...act, action: 'os-attach', policy: `${RULES}:attach` },
      body: action('os-attach', ATTACH, ['mountpoint']),
      async run(call) {
        await store.write((tx) => attach(cinder, tx, call, call.params.volume_id, call.body['os-attach'] as Body));
        return {};
      },
    }),
    ...(['os-detach', 'os-force_detach'] as const).map((name) =>
      route({
        ...{ name: `volumes:${name.slice(3).replace('_', '-')}`, ...act, action: name },
        policy: name === 'os-detach' ? `${RULES}:detach` : 'volume_extension:volume_admin_actions:force_detach',
        body: action(name, name === 'os-detach' ? DETACH : { ...DETACH, ...LEAVING }),
        async run(call) {
          const body = call.body[name] as Body | null;
          const connector = (body?.['connector'] ?? undefined) as Connector | undefined;
          const id = call.params.volume_id;
          if (name === 'os-force_detach') await terminate(cinder, call, id, connector);
          const attachmentId = (body?.['attachment_id'] ?? undefined) as string | undefined;
          await store.write((tx) => detach(cinder, tx, call, id, attachmentId));
          return {};
        },
      }),
    ),
  ];
}

interface Wish {
  readonly from: readonly string[];
  /** Undefined: what the attachments say. */
  readonly to: string | undefined;
  /** Says nothing where the volume is in no status of `from`. */
  readonly isLenient?: boolean;
}

async function moveStatus(
  cinder: Cinder,
  tx: WriteTx,
  call: Call,
  { id, from, to, name, isLenient = false }: Wish & { readonly id: string; readonly name: string },
): Promise<void> {
  const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id });
  const isShared = name === 'os-reserve' && volume.multiattach && volume.status === 'in-use';
  if (!from.includes(volume.status) && !isShared) {
    if (isLenient) return;
    throw invalidVolume(`Volume ${id} status must be ${oneOf(from)} for ${name}, but it is ${volume.status}.`);
  }
  await change(cinder, tx, volumes, { id, status: to ?? (await statusByAttachments(tx, id)) });
}

/** The same for the same connector, so that a repeated call finds what the first one opened. */
function connectionId(volumeId: string, connector: Connector): string {
  const who = JSON.stringify([connector['host'] ?? null, connector['initiator'] ?? null, connector['ip'] ?? null]);
  return uuidOf(`${volumeId}\0${who}`);
}

async function initialize(cinder: Cinder, call: Call, volumeId: string, connector: Connector): Promise<Body> {
  const id = connectionId(volumeId, connector);
  const task = await cinder.store.write(async (tx) => {
    const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id: volumeId });
    if (volume.host === undefined) throw invalidVolume(`Volume ${volumeId} is on no host.`);
    if (!['available', 'attaching', 'in-use', 'reserved'].includes(volume.status))
      throw invalidVolume(`Volume ${volumeId} cannot be connected while it is ${volume.status}.`);
    transportOf(connector, volume.host);
    const readOnly = volume.readOnly || connector['mode'] === 'ro';
    await connections.put(tx, { id, volumeId, connector });
    const input: ConnectInput = { id, volumeId, connector, readOnly, plain: true };
    return startTask(cinder, tx, { kind: CONNECT, input, resource: `attachment/${id}`, call });
  });
  await finished(cinder, task);
  const row = await cinder.store.read((tx) => connections.get(tx, id));
  if (row?.connection === undefined) throw notFound('Connection', id);
  return row.connection;
}

async function terminate(
  cinder: Cinder,
  call: Call,
  volumeId: string,
  connector: Connector | undefined,
): Promise<void> {
  const tasks = await cinder.store.write(async (tx) => {
    await owned(tx, call, { rows: volumes, what: 'Volume', id: volumeId });
    const all = await connections.by(tx, 'volume', volumeId);
    const wanted = connector && Object.keys(connector).length > 0 ? connectionId(volumeId, connector) : undefined;
    return all
      .filter(({ id }) => wanted === undefined || id === wanted)
      .map(({ id }) => {
        const input: DisconnectInput = { id, volumeId, plain: true };
        return startTask(cinder, tx, { kind: DISCONNECT, input, resource: `attachment/${id}`, call });
      });
  });
  for (const task of tasks) await finished(cinder, task);
}

async function attach(cinder: Cinder, tx: WriteTx, call: Call, id: string, body: Body): Promise<void> {
  const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id });
  const mode = body['mode'] === 'ro' ? 'ro' : 'rw';
  const instance = body['instance_uuid'];
  const host = body['host_name'];
  if (instance === undefined && host === undefined) throw badRequest('instance_uuid or host_name is needed to attach.');
  const there = await attachments.by(tx, 'volume', id);
  // Said twice, it is attached once.
  if (there.some((one) => one.status === 'attached' && isOf(one, instance, host))) return;
  checkAttach(volume, mode);
  const nowMs = cinder.clock.nowMs();
  await attachments.put(tx, {
    ...{ id: newId(cinder), volumeId: id, projectId: volume.projectId, status: 'attached', mode },
    ...{ instanceId: typeof instance === 'string' ? instance : undefined, createdAtMs: nowMs, attachedAtMs: nowMs },
    ...{ hostName: typeof host === 'string' ? host : undefined, mountpoint: body['mountpoint'] as string },
  });
  const visibleMetadata = { readonly: 'False', ...volume.visibleMetadata, attached_mode: mode };
  await change(cinder, tx, volumes, { id, status: 'in-use', visibleMetadata });
}

function isOf({ instanceId, hostName }: AttachmentRow, instance: unknown, host: unknown): boolean {
  return instance === undefined ? instanceId === undefined && hostName === host : instanceId === instance;
}

function checkAttach({ id, status, multiattach, readOnly }: VolumeRow, mode: string): void {
  const allowed = multiattach ? ['available', 'attaching', 'in-use'] : ['available', 'attaching'];
  if (!allowed.includes(status))
    throw invalidVolume(`Volume ${id} status must be ${oneOf(allowed)}, but it is ${status}.`);
  if (readOnly && mode === 'rw') throw badRequest(`Invalid attaching mode '${mode}' for volume ${id}.`);
}

async function detach(
  cinder: Cinder,
  tx: WriteTx,
  call: Call,
  id: string,
  attachmentId: string | undefined,
): Promise<void> {
  const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id });
  const all = await attachments.by(tx, 'volume', id);
  const wanted = attachmentId === undefined ? all : all.filter((one) => one.id === attachmentId);
  if (attachmentId === undefined && all.length > 1)
    throw invalidVolume('Detach volume failed: More than one attachment, but no attachment_id provided.');
  if (attachmentId !== undefined && wanted.length === 0) throw notFound('Volume attachment', attachmentId);
  const open = wanted.find(({ connection }) => connection !== undefined);
  if (open) throw badRequest(`Attachment ${open.id} was made by the attachments API: delete it there.`);
  for (const one of wanted) await attachments.remove(tx, one.id);
  const { attached_mode: _, ...visibleMetadata } = volume.visibleMetadata ?? {};
  await change(cinder, tx, volumes, { id, status: await statusByAttachments(tx, id), visibleMetadata });
}
