/** /qos-specs: limits that types give their volumes. A change reaches volumes in use within moments. */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import { schema } from '../../../control/service/schema.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import { type Cinder, newId, startTask } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import { getType } from '../model/types.ts';
import { badRequest, conflict, notFound } from '../refusals.ts';
import { type QosRow, qosSpecs, types, type Words } from '../tables.ts';
import { APPLY_LIMITS, type LimitsInput } from '../tasks/change-volume.ts';
import { change } from '../tasks/kind.ts';
import { listed } from './listing.ts';
import { type Body, flag, NAME } from './shared.ts';
import { volumeLinks } from './volume-view.ts';

const VALUE = { type: 'string', maxLength: 255 };
const CREATE = schema<{ readonly qos_specs: Words }>({
  type: 'object',
  properties: {
    qos_specs: { type: 'object', properties: { name: NAME }, required: ['name'], additionalProperties: VALUE },
  },
  required: ['qos_specs'],
  additionalProperties: false,
});
const SET = schema<{ readonly qos_specs: Words }>({
  type: 'object',
  properties: { qos_specs: { type: 'object', additionalProperties: VALUE } },
  required: ['qos_specs'],
  additionalProperties: false,
});
const KEYS = schema<{ readonly keys: readonly string[] }>({
  type: 'object',
  properties: { keys: { type: 'array', items: { type: 'string', maxLength: 255 } } },
  required: ['keys'],
  additionalProperties: false,
});
const CONSUMERS = ['front-end', 'back-end', 'both'];
const RULE = 'volume_extension:qos_specs_manage';

export function qosRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const about = { path: '/qos-specs/{qos_id}' } as const;
  return [
    route({
      ...{ name: 'qos:list', method: 'GET', path: '/qos-specs', policy: `${RULE}:get_all` },
      async run(call) {
        const rows = await store.read((tx) => qosSpecs.all(tx));
        return listed(call, {
          ...{
            ...{ collection: 'qos_specs', what: 'No such qos_specs' },
            rows,
            filters: ['id', 'name', 'consumer'],
            show,
            sortKeys: ['id', 'name', 'created_at'],
          },
          fields: ({ id, name, consumer, createdAtMs }) => ({ id, name, consumer, created_at: isoTime(createdAtMs) }),
        });
      },
    }),
    route({
      ...{ name: 'qos:create', method: 'POST', path: '/qos-specs', policy: `${RULE}:create`, body: CREATE },
      note: 'total_iops_sec, read_iops_sec, write_iops_sec, total_bytes_sec, …, and _per_gb of them are carried out by the host, whoever the consumer is',
      async run(call) {
        const row = await create(cinder, call.body.qos_specs);
        return { body: { qos_specs: show(row), links: volumeLinks(call, row.id, 'qos-specs') } };
      },
    }),
    route({
      ...{ name: 'qos:show', method: 'GET', ...about, policy: `${RULE}:get` },
      async run(call) {
        const row = await store.read((tx) => find(tx, call.params.qos_id));
        return { body: { qos_specs: show(row), links: volumeLinks(call, row.id, 'qos-specs') } };
      },
    }),
    route({
      ...{
        name: 'qos:set',
        method: 'PUT',
        ...about,
        policy: `${RULE}:update`,
        body: SET,
        note: 'changes volumes in use',
      },
      async run(call) {
        const { consumer, ...specs } = call.body.qos_specs;
        checkConsumer(consumer);
        await store.write(async (tx) => {
          const row = await find(tx, call.params.qos_id);
          await qosSpecs.put(tx, { ...row, consumer: consumer ?? row.consumer, specs: { ...row.specs, ...specs } });
          await applyTo(cinder, tx, call, row.id);
        });
        return { body: { qos_specs: call.body.qos_specs } };
      },
    }),
    route({
      ...{ name: 'qos:delete', method: 'DELETE', ...about, status: 202, policy: `${RULE}:delete` },
      async run(call) {
        await store.write((tx) => remove(cinder, tx, call, call.params.qos_id));
        return {};
      },
    }),
    route({
      ...{ name: 'qos:delete-keys', method: 'PUT', path: '/qos-specs/{qos_id}/delete_keys', status: 202, body: KEYS },
      policy: `${RULE}:update`,
      async run(call) {
        await store.write(async (tx) => {
          const row = await find(tx, call.params.qos_id);
          const missing = call.body.keys.find((key) => !(key in row.specs));
          if (missing !== undefined) throw notFound(`QoS spec ${row.id} has no spec with key`, missing.slice(0, 64));
          const kept = Object.entries(row.specs).filter(([key]) => !call.body.keys.includes(key));
          await qosSpecs.put(tx, { ...row, specs: Object.fromEntries(kept) });
          await applyTo(cinder, tx, call, row.id);
        });
        return {};
      },
    }),
    ...associationRoutes(cinder),
  ];
}

function associationRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const associate = (name: string, run: (tx: WriteTx, call: Call, qos: QosRow) => Promise<void>): Route =>
    route({
      ...{
        name: `qos:${name.replace('_', '-')}`,
        method: 'GET',
        path: `/qos-specs/{qos_id}/${name}` as '/qos-specs/{qos_id}/x',
      },
      ...{ status: 202, audit: true, policy: `${RULE}:update` },
      async run(call) {
        await store.write(async (tx) => run(tx, call, await find(tx, call.params.qos_id)));
        return {};
      },
    });
  return [
    route({
      ...{
        name: 'qos:associations',
        method: 'GET',
        path: '/qos-specs/{qos_id}/associations',
        policy: `${RULE}:get_all`,
      },
      async run(call) {
        const all = await store.read(async (tx) => types.by(tx, 'qos', (await find(tx, call.params.qos_id)).id));
        return {
          body: { qos_associations: all.map(({ id, name }) => ({ association_type: 'volume_type', name, id })) },
        };
      },
    }),
    associate('associate', async (tx, call, qos) => {
      const type = await getType(tx, typeAsked(call));
      if (type.qosId !== undefined && type.qosId !== qos.id)
        throw badRequest(`Type ${type.id} is already associated with another qos specs: ${type.qosId}`);
      await setQos(cinder, tx, call, { typeIds: [type.id], qosId: qos.id });
    }),
    associate('disassociate', async (tx, call, qos) => {
      const type = await getType(tx, typeAsked(call));
      if (type.qosId !== qos.id) return;
      await setQos(cinder, tx, call, { typeIds: [type.id], qosId: undefined });
    }),
    associate('disassociate_all', async (tx, call, qos) => {
      const typeIds = (await types.by(tx, 'qos', qos.id)).map(({ id }) => id);
      await setQos(cinder, tx, call, { typeIds, qosId: undefined });
    }),
  ];
}

function typeAsked({ query }: Call): string {
  const id = query.get('vol_type_id');
  if (id === undefined || id === '') throw badRequest('Volume Type id must not be None.');
  return id;
}

const show = ({ id, name, consumer, specs }: QosRow): Body => ({ id, name, consumer, specs });

async function find(tx: ReadTx, id: string): Promise<QosRow> {
  const row = await qosSpecs.get(tx, id);
  if (row) return row;
  throw notFound('No such qos_specs', id);
}

function checkConsumer(consumer: string | undefined): void {
  if (consumer !== undefined && !CONSUMERS.includes(consumer))
    throw badRequest(`Invalid qos specs: Valid consumer of QoS specs are: ${CONSUMERS.join(', ')}`);
}

async function create(cinder: Cinder, body: Words): Promise<QosRow> {
  const { name, consumer = 'back-end', ...specs } = body as Words & { name: string; consumer?: string };
  checkConsumer(consumer);
  return cinder.store.write(async (tx) => {
    if ((await qosSpecs.by(tx, 'name', name)).length > 0) throw conflict(`QoS Specs ${name} already exists.`);
    return qosSpecs.put(tx, { id: newId(cinder), name, consumer, specs, createdAtMs: cinder.clock.nowMs() });
  });
}

async function remove(cinder: Cinder, tx: WriteTx, call: Call, id: string): Promise<void> {
  const row = await find(tx, id);
  const used = await types.by(tx, 'qos', row.id);
  const isForced = flag(call, 'force');
  if (used.length > 0 && !isForced) throw badRequest(`QoS Specs ${row.id} is still associated with entities.`);
  await setQos(cinder, tx, call, { typeIds: used.map((one) => one.id), qosId: undefined });
  await qosSpecs.remove(tx, row.id);
}

async function setQos(
  cinder: Cinder,
  tx: WriteTx,
  call: Call,
  { typeIds, qosId }: { typeIds: readonly string[]; qosId: string | undefined },
): Promise<void> {
  for (const id of typeIds) await change(cinder, tx, types, { id, qosId });
  if (typeIds.length > 0) limitAll(cinder, tx, call, typeIds);
}

async function applyTo(cinder: Cinder, tx: WriteTx, call: Call, qosId: string): Promise<void> {
  const used = await types.by(tx, 'qos', qosId);
  if (used.length > 0)
    limitAll(
      cinder,
      tx,
      call,
      used.map(({ id }) => id),
    );
}

/** One task after another, each with the limits as they are when it runs. */
function limitAll(cinder: Cinder, tx: WriteTx, call: Call, typeIds: readonly string[]): void {
  const input: LimitsInput = { typeIds };
  startTask(cinder, tx, { kind: APPLY_LIMITS, input, resource: 'limits', call });
}
