/**
 * Resources that are little more than what the client sent: regions, services, endpoints, policies, limits. One description
 * makes create, list, show, update and delete; what is special about one of them is in its `prepare` and `remove`.
 */
import type { ReadTx, Table, WriteTx } from '../../../control/contract.ts';
import type { JsonSchema } from '../../../control/service/schema.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import { must } from '../model/rows.ts';
import { badRequest } from '../refusals.ts';
import { type Identity, newId } from '../service-state.ts';
import type { PlainRow } from '../tables.ts';
import { listed } from './listing.ts';
import { type Body, linked, wrappedAs } from './shared.ts';

export interface PlainSpec {
  /** e.g. `service`; its rules are `identity:get_service` and so on. */
  readonly name: string;
  readonly collection: string;
  readonly table: Table<PlainRow>;
  readonly properties: JsonSchema;
  readonly required: readonly string[];
  /** Of a change, if it may not be just any of `properties`. */
  readonly change?: JsonSchema;
  readonly filters: readonly string[];
  readonly defaults?: Body;
  /** Checks and completes a row before it is put; `before` is undefined for a new one. */
  readonly prepare?: (tx: WriteTx, row: PlainRow, before: PlainRow | undefined) => Promise<PlainRow> | PlainRow;
  /** What goes with it. */
  readonly remove?: (tx: WriteTx, row: PlainRow) => Promise<void>;
  /** Clients may choose the id. */
  readonly ownIds?: boolean;
  readonly note?: string;
}

export function getPlain(
  tx: ReadTx,
  { table, name }: Pick<PlainSpec, 'table' | 'name'>,
  id: string,
): Promise<PlainRow> {
  return must(tx, table, { kind: name.replaceAll('_', ' '), id });
}

export function showPlain(call: Pick<Call, 'url'>, { collection }: Pick<PlainSpec, 'collection'>, row: PlainRow): Body {
  return linked(call, `/v3/${collection}/${row.id}`, row);
}

/** `skip` leaves operations out that are written apart. */
export function plainRoutes(identity: Identity, spec: PlainSpec, skip: readonly string[] = []): Route[] {
  const { store } = identity;
  const { name, collection, table } = spec;
  const path = `/v3/${collection}`;
  const byId = `${path}/{id}`;
  const idOf = (call: Pick<Call, 'params'>): string => (call.params as { id: string }).id;
  const answer = (call: Call, row: PlainRow): Answer => ({ body: { [name]: showPlain(call, spec, row) } });
  const all: Route[] = [
    route({
      name: `${collection}:create`,
      method: 'POST',
      path,
      policy: `identity:create_${name}`,
      body: wrappedAs(name, { properties: spec.properties, required: spec.required }),
      status: 201,
      run: async (call) =>
        answer(call as Call, await store.write((tx) => create(tx, identity, { spec, body: call.body[name] as Body }))),
    }),
    route({
      name: `${collection}:list`,
      method: 'GET',
      path,
      head: true,
      policy: `identity:list_${collection}`,
      note: [`filters ${spec.filters.join(', ')}`, ...(spec.note === undefined ? [] : [spec.note])].join('; '),
      run: async (call) => {
        const rows = await store.read((tx) => tx.scan(table));
        const shown = rows.map(({ value }) => showPlain(call, spec, value));
        return listed(call, collection, shown, { filters: spec.filters, listMax: identity.settings.listMax });
      },
    }),
    route({
      name: `${collection}:show`,
      method: 'GET',
      path: byId,
      head: true,
      policy: `identity:get_${name}`,
      target: () => ({}),
      run: async (call) => answer(call, await store.read((tx) => getPlain(tx, spec, idOf(call)))),
    }),
    route({
      name: `${collection}:update`,
      method: 'PATCH',
      path: byId,
      policy: `identity:update_${name}`,
      body: wrappedAs(name, spec.change ?? { properties: spec.properties, minProperties: 1 }),
      run: async (call) =>
        answer(
          call as Call,
          await store.write((tx) => update(tx, { spec, id: idOf(call), body: call.body[name] as Body })),
        ),
    }),
    route({
      name: `${collection}:delete`,
      method: 'DELETE',
      path: byId,
      policy: `identity:delete_${name}`,
      run: async (call) => {
        await store.write(async (tx) => {
          const row = await getPlain(tx, spec, idOf(call));
          await spec.remove?.(tx, row);
          tx.delete(table, row.id);
        });
        return {};
      },
    }),
  ];
  return all.filter((one) => !skip.includes(one.name.split(':')[1] as string));
}

export async function create(
  tx: WriteTx,
  identity: Identity,
  { spec, body }: { spec: PlainSpec; body: Body },
): Promise<PlainRow> {
  const { links: _, id, ...rest } = body;
  const ownId = spec.ownIds && typeof id === 'string' && id !== '' ? id : undefined;
  const row = { ...spec.defaults, ...rest, id: ownId ?? newId(identity.random) };
  const ready = spec.prepare === undefined ? row : await spec.prepare(tx, row, undefined);
  tx.put(spec.table, row.id, ready);
  return ready;
}

export async function update(
  tx: WriteTx,
  { spec, id, body }: { spec: PlainSpec; id: string; body: Body },
): Promise<PlainRow> {
  const before = await getPlain(tx, spec, id);
  if (body['id'] !== undefined && body['id'] !== id) throw badRequest('Cannot change ID');
  const { links: _, ...rest } = body;
  const row = { ...before, ...rest, id };
  const ready = spec.prepare === undefined ? row : await spec.prepare(tx, row, before);
  tx.put(spec.table, id, ready);
  return ready;
}
