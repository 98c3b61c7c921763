/** /v3/registered_limits and /v3/limits (unified limits, flat model): kept here, enforced by the services they are about. */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import { schema } from '../../../control/service/schema.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import { badRequest, conflict, expecting, forbidden, notFound } from '../refusals.ts';
import type { Identity } from '../service-state.ts';
import { type PlainRow, tables } from '../tables.ts';
import { listed } from './listing.ts';
import { create, getPlain, type PlainSpec, plainRoutes, showPlain } from './plain.ts';
import { type Body, NAME, STRING, TEXT } from './shared.ts';

const COUNT = { type: 'integer', minimum: -1, maximum: 0x7fffffff } as const;
const PLACE = { service_id: STRING, region_id: TEXT, resource_name: NAME, description: TEXT } as const;

const REGISTERED: PlainSpec = {
  name: 'registered_limit',
  collection: 'registered_limits',
  table: tables.registeredLimits,
  properties: { ...PLACE, default_limit: COUNT },
  change: { properties: { ...PLACE, default_limit: COUNT }, additionalProperties: false },
  required: ['service_id', 'resource_name', 'default_limit'],
  filters: ['service_id', 'region_id', 'resource_name'],
  defaults: { region_id: null, description: null },
  prepare: async (tx, row, before) => {
    await checkPlace(tx, row, 'registered_limit');
    const same = (await registeredFor(tx, row)).filter(({ id }) => id !== row.id);
    if (same.length > 0) throw conflict('registered_limit', 'Duplicate entry');
    if (before !== undefined && !samePlace(before, row)) await refuseUsed(tx, before);
    return row;
  },
  remove: (tx, row) => refuseUsed(tx, row),
};

const LIMITS: PlainSpec = {
  name: 'limit',
  collection: 'limits',
  table: tables.limits,
  properties: { ...PLACE, resource_limit: COUNT, project_id: TEXT, domain_id: TEXT },
  change: { properties: { resource_limit: COUNT, description: TEXT }, additionalProperties: false },
  required: ['service_id', 'resource_name', 'resource_limit'],
  filters: ['service_id', 'region_id', 'resource_name', 'project_id', 'domain_id'],
  defaults: { region_id: null, description: null, project_id: null, domain_id: null },
  prepare: prepareLimit,
};

function samePlace(a: PlainRow, b: PlainRow): boolean {
  return ['service_id', 'region_id', 'resource_name'].every((name) => (a[name] ?? null) === (b[name] ?? null));
}

async function registeredFor(tx: ReadTx, row: PlainRow): Promise<PlainRow[]> {
  return (await tx.scan(tables.registeredLimits)).map(({ value }) => value).filter((one) => samePlace(one, row));
}

async function checkPlace(tx: ReadTx, row: PlainRow, target: string): Promise<void> {
  if ((await tx.get(tables.services, String(row['service_id']))) === undefined) throw expecting('service_id', target);
  const regionId = row['region_id'] as string | null;
  if (regionId !== null && (await tx.get(tables.regions, regionId)) === undefined) throw expecting('region_id', target);
}

async function refuseUsed(tx: ReadTx, row: PlainRow): Promise<void> {
  const used = (await tx.scan(tables.limits)).some(({ value }) => samePlace(value, row));
  if (used)
    throw forbidden(
      `Unable to update or delete registered limit ${row.id} because there are project limits associated with it.`,
    );
}

async function prepareLimit(tx: WriteTx, row: PlainRow, before: PlainRow | undefined): Promise<PlainRow> {
  const owners = [row['project_id'], row['domain_id']].filter((id) => id !== null && id !== undefined);
  if (owners.length !== 1) throw badRequest('A limit is of one project or of one domain.');
  const owner = await tx.get(tables.projects, String(owners[0]));
  if (owner === undefined || owner.isDomain !== (row['domain_id'] !== null))
    throw expecting(row['domain_id'] === null ? 'project_id' : 'domain_id', 'limit');
  await checkPlace(tx, row, 'limit');
  if ((await registeredFor(tx, row)).length === 0)
    throw forbidden('Unable to create a limit that has no corresponding registered limit.');
  const same = (await tx.scan(tables.limits))
    .map(({ value }) => value)
    .filter((one) => one.id !== row.id && samePlace(one, row))
    .filter((one) => one['project_id'] === row['project_id'] && one['domain_id'] === row['domain_id']);
  if (before === undefined && same.length > 0) throw conflict('limit', 'Duplicate entry');
  return row;
}

/** Limits come in batches: `{ limits: […] }`. */
function batchRoute(identity: Identity, spec: PlainSpec): Route {
  const { collection } = spec;
  const items = { type: 'object', properties: spec.properties, required: spec.required, additionalProperties: false };
  const body = schema<Readonly<Record<string, Body[]>>>({
    type: 'object',
    properties: { [collection]: { type: 'array', items, minItems: 1 } },
    required: [collection],
  });
  return route({
    name: `${collection}:create`,
    method: 'POST',
    path: `/v3/${collection}`,
    policy: `identity:create_${collection}`,
    body,
    status: 201,
    note: 'several at once, all or none',
    run: async (call) => {
      const rows = await identity.store.write(async (tx) => {
        const made: PlainRow[] = [];
        for (const one of call.body[collection] as Body[]) made.push(await create(tx, identity, { spec, body: one }));
        return made;
      });
      return { body: { [collection]: rows.map((row) => showPlain(call, spec, row)) } };
    },
  });
}

export function limitRoutes(identity: Identity): Route[] {
  const { store } = identity;
  return [
    batchRoute(identity, REGISTERED),
    ...plainRoutes(identity, REGISTERED, ['create']),
    route({
      name: 'limits:model',
      method: 'GET',
      path: '/v3/limits/model',
      head: true,
      policy: 'identity:get_limit_model',
      run: () => ({
        body: {
          model: {
            name: 'flat',
            description: 'Limit enforcement and validation does not take project hierarchy into consideration.',
          },
        },
      }),
    }),
    batchRoute(identity, LIMITS),
    route({
      name: 'limits:list',
      method: 'GET',
      path: '/v3/limits',
      head: true,
      policy: 'identity:list_limits',
      note: `filters ${LIMITS.filters.join(', ')}; without wider rights those of the token's project or domain`,
      run: (call) => store.read((tx) => listLimits(tx, identity, call)),
    }),
    route({
      name: 'limits:show',
      method: 'GET',
      path: '/v3/limits/{limit_id}',
      head: true,
      run: (call) => store.read((tx) => showLimit(tx, call, call.params.limit_id)),
    }),
    ...plainRoutes(identity, LIMITS, ['create', 'list', 'show']),
  ];
}

function maySee(call: Call, row: PlainRow): boolean {
  const target = { target: { limit: { project_id: row['project_id'], domain_id: row['domain_id'] } } };
  return call.allows('identity:get_limit', target);
}

async function listLimits(tx: ReadTx, { settings }: Identity, call: Call): Promise<Answer> {
  const rows = (await tx.scan(tables.limits)).map(({ value }) => value).filter((row) => maySee(call, row));
  const shown = rows.map((row) => showPlain(call, LIMITS, row));
  return listed(call, 'limits', shown, { filters: LIMITS.filters, listMax: settings.listMax });
}

async function showLimit(tx: ReadTx, call: Call, id: string): Promise<Answer> {
  const row = await getPlain(tx, LIMITS, id);
  // Which limits there are is nobody else's business.
  if (!maySee(call, row)) throw notFound('limit', id);
  return { body: { limit: showPlain(call, LIMITS, row) } };
}
