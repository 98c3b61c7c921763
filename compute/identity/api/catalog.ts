/** /v3/regions, services, endpoints and policies: what the catalog in tokens is made of. */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import { type Route, route } from '../../../control/service/types.ts';
import { isTemplate } from '../auth/catalog.ts';
import { badRequest, conflict, forbidden, notFound } from '../refusals.ts';
import type { Identity } from '../service-state.ts';
import { type PlainRow, tables } from '../tables.ts';
import { create, type PlainSpec, plainRoutes, showPlain } from './plain.ts';
import { BOOLEAN, type Body, NAME, STRING, TEXT, wrappedAs } from './shared.ts';

const DESCRIPTION = { ...TEXT, maxLength: 255 } as const;
/** As Keystone's own column has it. */
const URL_CHARS_MAX = 225;

export const REGIONS: PlainSpec = {
  name: 'region',
  collection: 'regions',
  table: tables.regions,
  properties: { id: { type: 'string', maxLength: 255 }, description: DESCRIPTION, parent_region_id: TEXT },
  required: [],
  filters: ['parent_region_id'],
  defaults: { description: '', parent_region_id: null },
  ownIds: true,
  prepare: prepareRegion,
  remove: removeRegion,
};

async function prepareRegion(tx: WriteTx, row: PlainRow, before: PlainRow | undefined): Promise<PlainRow> {
  if (before === undefined && (await tx.get(tables.regions, row.id)) !== undefined)
    throw conflict('region', `Duplicate ID, ${row.id}.`);
  const parentId = row['parent_region_id'] as string | null;
  for (let at = parentId; at !== null && at !== ''; ) {
    if (at === row.id)
      throw badRequest(`The specified parent region ${parentId} would create a circular region hierarchy.`);
    const parent: PlainRow | undefined = await tx.get(tables.regions, at);
    if (parent === undefined) throw notFound('region', at);
    at = (parent['parent_region_id'] as string | null) ?? null;
  }
  return { ...row, description: row['description'] ?? '', parent_region_id: parentId === '' ? null : parentId };
}

/** Regions below go too, unless an endpoint is in one of them. */
async function removeRegion(tx: WriteTx, row: PlainRow): Promise<void> {
  const regions = (await tx.scan(tables.regions)).map(({ value }) => value);
  const gone = new Set([row.id]);
  for (const id of gone) for (const one of regions) if (one['parent_region_id'] === id) gone.add(one.id);
  for (const { value } of await tx.scan(tables.endpoints)) {
    if (gone.has(String(value['region_id'])))
      throw forbidden(`Unable to delete region ${row.id} because it or its child regions have associated endpoints.`);
  }
  for (const id of gone) tx.delete(tables.regions, id);
}

export const SERVICES: PlainSpec = {
  name: 'service',
  collection: 'services',
  table: tables.services,
  properties: { name: NAME, type: NAME, enabled: BOOLEAN, description: TEXT },
  required: ['type'],
  filters: ['type', 'name'],
  defaults: { enabled: true, name: '' },
  remove: async (tx, row) => {
    for (const { value } of await tx.scan(tables.endpoints)) {
      if (value['service_id'] === row.id) tx.delete(tables.endpoints, value.id);
    }
  },
};

export const ENDPOINTS: PlainSpec = {
  name: 'endpoint',
  collection: 'endpoints',
  table: tables.endpoints,
  properties: {
    interface: { type: 'string', enum: ['admin', 'internal', 'public'] },
    service_id: STRING,
    region_id: STRING,
    region: TEXT,
    url: { type: 'string', maxLength: URL_CHARS_MAX, pattern: '^[a-zA-Z0-9+.-]+:.+' },
    enabled: BOOLEAN,
    name: TEXT,
    description: TEXT,
  },
  required: ['interface', 'service_id', 'url'],
  filters: ['interface', 'service_id', 'region_id', 'region'],
  defaults: { enabled: true, region_id: null },
  prepare: prepareEndpoint,
};

async function prepareEndpoint(tx: WriteTx, row: PlainRow, before: PlainRow | undefined): Promise<PlainRow> {
  if ((await tx.get(tables.services, String(row['service_id']))) === undefined)
    throw badRequest(`Could not find service: ${String(row['service_id'])}.`);
  const url = String(row['url']);
  if (!isTemplate(url)) throw badRequest(`Cannot create an endpoint with an invalid URL: ${url}.`);
  // `region` is the older name; whichever of the two was changed counts.
  const changed = before !== undefined && row['region'] !== before['region'];
  const regionId = (changed ? row['region'] : (row['region_id'] ?? row['region'])) as string | null | undefined;
  if (regionId) await ensureRegion(tx, regionId, row['region'] !== undefined && row['region_id'] == null);
  return { ...row, region_id: regionId ?? null, region: regionId ?? null };
}

/** By its older name a region is made when it is not there. */
async function ensureRegion(tx: WriteTx, id: string, makes: boolean): Promise<void> {
  if ((await tx.get(tables.regions, id)) !== undefined) return;
  if (!makes) throw badRequest(`Could not find region: ${id}.`);
  tx.put(tables.regions, id, { id, description: '', parent_region_id: null });
}

const POLICIES: PlainSpec = {
  name: 'policy',
  collection: 'policies',
  table: tables.policies,
  properties: { blob: STRING, type: { type: 'string', minLength: 1, maxLength: 255 } },
  required: ['blob', 'type'],
  filters: ['type'],
  note: 'stored for clients; nothing here is judged by them',
};

export function catalogRoutes(identity: Identity): Route[] {
  return [
    ...plainRoutes(identity, REGIONS),
    route({
      name: 'regions:put',
      method: 'PUT',
      path: '/v3/regions/{id}',
      policy: 'identity:create_region',
      body: wrappedAs('region', { properties: REGIONS.properties }),
      status: 201,
      note: 'creates one with this id',
      run: async (call) => {
        const body = call.body['region'] as Body;
        if (body['id'] !== undefined && body['id'] !== call.params.id)
          throw badRequest(`Conflicting region IDs specified: "${call.params.id}" != "${String(body['id'])}"`);
        const row = await identity.store.write((tx) =>
          create(tx, identity, { spec: REGIONS, body: { ...body, id: call.params.id } }),
        );
        return { body: { region: showPlain(call, REGIONS, row) } };
      },
    }),
    ...plainRoutes(identity, SERVICES),
    ...plainRoutes(identity, ENDPOINTS),
    ...plainRoutes(identity, POLICIES),
  ];
}

/** Ids of services by type and name, for the bootstrap. */
export async function findService(tx: ReadTx, type: string): Promise<PlainRow | undefined> {
  return (await tx.scan(tables.services)).map(({ value }) => value).find((row) => row['type'] === type);
}
