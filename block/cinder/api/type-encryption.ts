/**
 * /types/{id}/encryption: what a type asks of its volumes. It is kept and shown, so that clients find what they set; since there is no
 * key manager no volume of such a type can be made (new-volume.ts), and a type with volumes cannot become one.
 */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import { type Route, route } from '../../../control/service/types.ts';
import { getTask, listActive } from '../../../control/tasks/task-rows.ts';
import { type Cinder, newId } from '../cinder.ts';
import { isoTime } from '../iso-time.ts';
import { getType } from '../model/types.ts';
import { badRequest, notFound } from '../refusals.ts';
import { type TypeEncryption, type TypeRow, types, volumes } from '../tables.ts';
import { change } from '../tasks/kind.ts';
import { type Body, wrapped } from './shared.ts';

const KEY_BITS_MAX = 2 ** 31 - 1;
const PROPERTIES = {
  provider: { type: 'string', maxLength: 255 },
  control_location: { enum: ['front-end', 'back-end'] },
  cipher: { type: ['string', 'null'], maxLength: 255 },
  key_size: { type: ['string', 'integer', 'null'], minimum: 0, maximum: KEY_BITS_MAX, pattern: '^\\d{1,10}$' },
};
const CREATE = wrapped('encryption', PROPERTIES, { required: ['provider', 'control_location'] });
const UPDATE = wrapped('encryption', PROPERTIES);
const PATH = '/types/{type_id}/encryption';
const RULE = 'volume_extension:volume_type_encryption';

export function typeEncryptionRoutes(cinder: Cinder): Route[] {
  const { store } = cinder;
  const one = { path: `${PATH}/{encryption_id}` } as const;
  const shown = (id: string): Promise<Body> => store.read(async (tx) => show(await getType(tx, id)));
  return [
    route({
      ...{ name: 'types:show-encryption', method: 'GET', path: PATH, policy: `${RULE}:get` },
      run: async (call) => ({ body: await shown(call.params.type_id) }),
    }),
    route({
      ...{ name: 'types:create-encryption', method: 'POST', path: PATH, policy: `${RULE}:create`, body: CREATE },
      note: 'there is no key manager: no volume of such a type can be made, and none can be retyped to it',
      async run(call) {
        const { type_id: volume_type_id } = call.params;
        const asked = numbered(call.body['encryption'] as Body);
        const { encryption_id } = await store.write((tx) => create(cinder, tx, volume_type_id, asked));
        return { body: { encryption: { ...asked, volume_type_id, encryption_id } } };
      },
    }),
    route({
      ...{ name: 'types:show-encryption-item', method: 'GET', path: `${PATH}/{key}`, policy: `${RULE}:get` },
      async run(call) {
        const { type_id, key } = call.params;
        const all = await shown(type_id);
        if (!Object.hasOwn(all, key)) throw missing(type_id);
        return { body: { [key]: all[key] } };
      },
    }),
    route({
      ...{ name: 'types:update-encryption', method: 'PUT', ...one, policy: `${RULE}:update`, body: UPDATE },
      note: 'a type has one: its id is not looked at, as in Cinder',
      async run(call) {
        const changed = numbered(call.body['encryption'] as Body);
        await store.write((tx) => update(cinder, tx, call.params.type_id, changed));
        return { body: { encryption: changed } };
      },
    }),
    route({
      ...{ name: 'types:delete-encryption', method: 'DELETE', ...one, status: 202, policy: `${RULE}:delete` },
      async run(call) {
        await store.write(async (tx) => {
          const type = await getType(tx, call.params.type_id);
          await checkUnused(tx, type, 'delete');
          if (type.encryption === undefined) throw missing(type.id);
          await change(cinder, tx, types, { id: type.id, encryption: undefined });
        });
        return {};
      },
    }),
  ];
}

const missing = (typeId: string) => notFound('Volume type encryption for type', typeId);

function show({ id, encryption }: TypeRow): Body {
  if (encryption === undefined) return {};
  const { createdAtMs, updatedAtMs, ...rest } = encryption;
  return {
    ...{ ...rest, volume_type_id: id, created_at: isoTime(createdAtMs), updated_at: isoTime(updatedAtMs) },
    ...{ deleted: false, deleted_at: null },
  };
}

/** Sizes come as texts too. */
function numbered(body: Body): Body {
  const size = body['key_size'];
  if (size === undefined) return body;
  const key_size = size === null ? null : Number(size);
  if (key_size !== null && key_size > KEY_BITS_MAX) throw badRequest(`key_size is at most ${KEY_BITS_MAX}.`);
  return { ...body, key_size };
}

async function create(cinder: Cinder, tx: WriteTx, id: string, asked: Body): Promise<TypeEncryption> {
  const { provider, control_location, cipher = null, key_size = null } = asked;
  const type = await getType(tx, id);
  await checkUnused(tx, type, 'create');
  if (type.encryption) throw badRequest(`Volume type encryption for type ${type.id} already exists.`);
  const encryption = {
    ...{ encryption_id: newId(cinder), provider, control_location, cipher, key_size },
    createdAtMs: cinder.clock.nowMs(),
  } as TypeEncryption;
  await change(cinder, tx, types, { id: type.id, encryption });
  return encryption;
}

async function update(cinder: Cinder, tx: WriteTx, id: string, changed: Body): Promise<void> {
  const type = await getType(tx, id);
  await checkUnused(tx, type, 'update');
  if (type.encryption === undefined) throw missing(type.id);
  const encryption: TypeEncryption = { ...type.encryption, ...changed, updatedAtMs: cinder.clock.nowMs() };
  await change(cinder, tx, types, { id: type.id, encryption });
}

/** Volumes on their way to the type count: they were accepted when it was plain. */
async function checkUnused(tx: ReadTx, { id: typeId }: TypeRow, doing: string): Promise<void> {
  const refusal = badRequest(`Cannot ${doing} encryption specs. Volume type in use.`);
  if ((await volumes.by(tx, 'type', typeId)).length > 0) throw refusal;
  for (const { id } of await listActive(tx)) {
    const task = await getTask(tx, id);
    if ((task?.input as { readonly toTypeId?: string } | undefined)?.toTypeId === typeId) throw refusal;
  }
}
