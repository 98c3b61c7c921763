/** /os-volume-transfer and, since 3.55, /volume-transfers: a volume is offered with a key, and whoever has the key takes it. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import { type Cinder, finished, newId, startTask } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import { badRequest, invalidVolume, notFound } from '../refusals.ts';
import { attachments, snapshots, type TransferRow, transfers, volumes } from '../tables.ts';
import { change } from '../tasks/kind.ts';
import { ACCEPT_TRANSFER, type TransferInput } from '../tasks/transfer.ts';
import { listed, rowsFor } from './listing.ts';
import { BOOLEAN, type Body, bool, named, owned, projectOf, TEXT, targetIn, UUID, wrapped } from './shared.ts';
import { volumeLinks } from './volume-view.ts';

const NEW = { volume_id: UUID, name: TEXT };
const CREATE = [
  { max: '3.54', schema: wrapped('transfer', NEW, { required: ['volume_id'] }) },
  { min: '3.55', schema: wrapped('transfer', { ...NEW, no_snapshots: BOOLEAN }, { required: ['volume_id'] }) },
];
const ACCEPT = wrapped('accept', { auth_key: { type: ['string', 'integer'] } }, { required: ['auth_key'] });
const KEY_BYTES = 16;
const SORT = ['id', 'name', 'volume_id', 'created_at'];

export function transferRoutes(cinder: Cinder): Route[] {
  return [
    ...routesAt(cinder, { base: '/os-volume-transfer', prefix: 'os-volume-transfer' }),
    // Documented since 3.55; servers never minded the version.
    ...routesAt(cinder, { base: '/volume-transfers', prefix: 'volume-transfers' }),
  ];
}

function routesAt(cinder: Cinder, at: { base: string; prefix: string }): Route[] {
  const { store } = cinder;
  const { prefix } = at;
  const base = at.base as '/volume-transfers';
  const target = targetIn(cinder, { rows: transfers, what: 'Transfer', param: 'transfer_id' });
  const one = `${base}/{transfer_id}` as const;
  const list = (path: string, name: string, show: (call: Call, row: TransferRow) => Body): Route =>
    route({
      ...{ name: `${prefix}:${name}`, method: 'GET', path, policy: 'volume:get_all_transfers' },
      async run(call) {
        const rows = await store.read((tx) => rowsFor(tx, call, transfers));
        return listed(call, {
          ...{
            collection: 'transfers',
            what: 'Transfer',
            rows,
            filters: ['name', 'volume_id', 'id'],
            sortKeys: SORT,
            fields: fieldsOf,
          },
          show: (row) => show(call, row),
        });
      },
    });
  return [
    list(base, 'list', brief),
    list(`${base}/detail`, 'detail', detail),
    route({
      ...{ name: `${prefix}:create`, method: 'POST', path: base, status: 202, body: CREATE },
      policy: 'volume:create_transfer',
      async run(call) {
        const { row, key } = await create(cinder, call, call.body['transfer'] as Body);
        return { body: { transfer: { ...detail(call, row), auth_key: key } } };
      },
    }),
    route({
      ...{ name: `${prefix}:show`, method: 'GET', path: one, target, policy: 'volume:get_transfer' },
      async run(call) {
        const row = await store.read((tx) =>
          owned(tx, call, { rows: transfers, what: 'Transfer', id: call.params.transfer_id }),
        );
        return { body: { transfer: detail(call, row) } };
      },
    }),
    route({
      ...{ name: `${prefix}:delete`, method: 'DELETE', path: one, status: 202, target },
      policy: 'volume:delete_transfer',
      async run(call) {
        await store.write((tx) => remove(cinder, tx, call, call.params.transfer_id));
        return {};
      },
    }),
    route({
      ...{ name: `${prefix}:accept`, method: 'POST', path: `${one}/accept`, status: 202, body: ACCEPT },
      ...{
        policy: 'volume:accept_transfer',
        note: 'snapshots that come later share nothing with those of the project before',
      },
      async run(call) {
        const key = (call.body['accept'] as Body)['auth_key'];
        return { body: { transfer: brief(call, await accept(cinder, call, call.params.transfer_id, String(key))) } };
      },
    }),
  ];
}

const fieldsOf = ({ id, name, volumeId, createdAtMs }: TransferRow): Body => ({
  id,
  name,
  volume_id: volumeId,
  created_at: isoTime(createdAtMs),
});

const brief = (call: Call, { id, name, volumeId }: TransferRow): Body => ({
  ...{ id, name, volume_id: volumeId, links: volumeLinks(call, id, 'os-volume-transfer') },
});

function detail(call: Call, row: TransferRow): Body {
  const history = {
    destination_project_id: row.destinationProjectId ?? null,
    source_project_id: row.projectId,
    accepted: row.accepted,
  };
  return {
    ...{ ...brief(call, row), created_at: isoTime(row.createdAtMs) },
    ...(call.version.atLeast('3.55') && { no_snapshots: row.noSnapshots }),
    ...(call.version.atLeast('3.57') && history),
  };
}

const hashOf = (salt: string, key: string): string => createHmac('sha256', salt).update(key).digest('hex');

async function create(cinder: Cinder, call: Call, body: Body): Promise<{ row: TransferRow; key: string }> {
  const key = Buffer.from(cinder.random.bytes(KEY_BYTES)).toString('hex');
  const salt = Buffer.from(cinder.random.bytes(KEY_BYTES)).toString('hex');
  const row = await cinder.store.write(async (tx) => {
    const volume = await owned(tx, call, { rows: volumes, what: 'Volume', id: body['volume_id'] as string });
    const open = await attachments.by(tx, 'volume', volume.id);
    if (volume.status !== 'available' || open.length > 0) throw invalidVolume('status must be available');
    if (volume.groupId !== undefined)
      throw invalidVolume(`Volume ${volume.id} must not be part of a group to be transferred.`);
    const taken = await snapshots.by(tx, 'volume', volume.id);
    const held = taken.find(({ groupSnapshotId }) => groupSnapshotId !== undefined);
    if (held) throw badRequest(`Invalid snapshot: snapshot ${held.id} must not be part of a group snapshot`);
    const busy = taken.find(({ status }) => status !== 'available' && status !== 'error');
    if (busy) throw badRequest(`Invalid snapshot: snapshot ${busy.id} status must be available`);
    await change(cinder, tx, volumes, { id: volume.id, status: 'awaiting-transfer', previousStatus: volume.status });
    return transfers.put(tx, {
      ...{ id: newId(cinder), volumeId: volume.id, projectId: volume.projectId, salt, authHash: hashOf(salt, key) },
      ...{ name: named(body).name ?? null, createdAtMs: cinder.clock.nowMs(), accepted: false },
      noSnapshots: call.version.atLeast('3.55') && bool(body['no_snapshots']),
    });
  });
  return { row, key };
}

async function remove(cinder: Cinder, tx: WriteTx, call: Call, id: string): Promise<void> {
  const row = await owned(tx, call, { rows: transfers, what: 'Transfer', id });
  if (row.accepted) throw badRequest(`Transfer ${id} is being accepted.`);
  const volume = await volumes.get(tx, row.volumeId);
  if (volume?.status === 'awaiting-transfer') await change(cinder, tx, volumes, { id: volume.id, status: 'available' });
  await transfers.remove(tx, id);
}

/** The offer is to somebody of another project: whoever knows its id and key may look at it this far. */
async function offered(tx: ReadTx, id: string, key: string): Promise<TransferRow> {
  const row = await transfers.get(tx, id);
  if (row === undefined) throw notFound('Transfer', id);
  const [have, wanted] = [Buffer.from(hashOf(row.salt, key)), Buffer.from(row.authHash)];
  if (have.length !== wanted.length || !timingSafeEqual(have, wanted))
    throw badRequest(`Attempt to transfer ${row.volumeId} with invalid auth key.`);
  return row;
}

async function accept(cinder: Cinder, call: Call, id: string, key: string): Promise<TransferRow> {
  const toProject = projectOf(call);
  const { row, task } = await cinder.store.write(async (tx) => {
    const transfer = await offered(tx, id, key);
    const volume = await volumes.get(tx, transfer.volumeId);
    if (volume?.status !== 'awaiting-transfer' || transfer.accepted)
      throw invalidVolume(
        `Volume ${transfer.volumeId} status must be awaiting-transfer and the offer not taken already.`,
      );
    const next = await transfers.put(tx, { ...transfer, accepted: true, destinationProjectId: toProject });
    const lineage = newId(cinder);
    const input: TransferInput = {
      transferId: id,
      volumeId: volume.id,
      toProject,
      toUser: call.credentials.userId,
      lineage,
    };
    return {
      row: next,
      task: startTask(cinder, tx, { kind: ACCEPT_TRANSFER, input, resource: `volume/${volume.id}`, call }),
    };
  });
  await finished(cinder, task);
  return row;
}
