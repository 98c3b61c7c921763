/** /v3/domains. A domain is disabled before it is deleted, and all that is in it goes with it. */
import type { ReadTx } from '../../../control/contract.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import { deleteDomain } from '../model/cascade.ts';
import { createProject, getDomain, updateProject } from '../model/projects.ts';
import { badRequest, refuseImmutable } from '../refusals.ts';
import { type Identity, moment } from '../service-state.ts';
import { tables } from '../tables.ts';
import { listed } from './listing.ts';
import { changeOf, TAGS } from './projects.ts';
import {
  BOOLEAN,
  type Body,
  described,
  extraOf,
  given,
  mergeOptions,
  nameOf,
  OPTIONS,
  refuseOtherId,
  TEXT,
  targetOf,
  wrapped,
} from './shared.ts';
import { showDomain } from './show.ts';

const PROPERTIES = {
  name: { type: 'string', minLength: 1, maxLength: 64, pattern: '\\S' },
  description: TEXT,
  enabled: BOOLEAN,
  tags: TAGS,
  options: OPTIONS,
} as const;

const UUID = /^[0-9a-f]{32}$/;

export function domainRoutes(identity: Identity): Route[] {
  const { store } = identity;
  const withId = {
    path: '/v3/domains/{domain_id}',
    target: ({ params }: { params: { domain_id: string } }) => targetOf('domain', { id: params.domain_id }),
  } as const;
  return [
    route({
      name: 'domains:create',
      method: 'POST',
      path: '/v3/domains',
      policy: 'identity:create_domain',
      body: wrapped('domain', PROPERTIES, ['name']),
      status: 201,
      run: (call) => create(identity, call),
    }),
    route({
      name: 'domains:list',
      method: 'GET',
      path: '/v3/domains',
      head: true,
      policy: 'identity:list_domains',
      note: 'filters name, enabled',
      run: async (call) => {
        const rows = await store.read(allDomains);
        const options = { filters: ['name', 'enabled'], listMax: identity.settings.listMax };
        return listed(
          call,
          'domains',
          rows.map((row) => showDomain(call, row)),
          options,
        );
      },
    }),
    route({
      ...withId,
      name: 'domains:show',
      method: 'GET',
      head: true,
      policy: 'identity:get_domain',
      run: async (call) => {
        const row = await store.read((tx) => getDomain(tx, call.params.domain_id));
        return { body: { domain: showDomain(call, row) } };
      },
    }),
    route({
      ...withId,
      name: 'domains:update',
      method: 'PATCH',
      policy: 'identity:update_domain',
      body: wrapped('domain', PROPERTIES),
      run: async (call) => {
        const row = await store.write(async (tx) => {
          const before = await getDomain(tx, call.params.domain_id);
          const body = call.body['domain'] as Body;
          refuseOtherId(body, before.id);
          refuseImmutable('domain', before, body);
          const change = changeOf(body, before);
          return await updateProject(tx, { row: before, change, nowMs: identity.clock.nowMs() });
        });
        return { body: { domain: showDomain(call, row) } };
      },
    }),
    route({
      ...withId,
      name: 'domains:delete',
      method: 'DELETE',
      policy: 'identity:delete_domain',
      run: async ({ params }) => {
        await store.write(async (tx) => deleteDomain(tx, await getDomain(tx, params.domain_id)));
        return {};
      },
    }),
  ];
}

/** Domains' names are the index's rows without a domain. */
async function allDomains(tx: ReadTx) {
  const rows = await Promise.all(
    (await tx.scan(tables.projectNames, { prefix: '\0' })).map(({ value }) => tx.get(tables.projects, value)),
  );
  return rows.filter((row) => row !== undefined).sort((a, b) => (a.id < b.id ? -1 : 1));
}

async function create(identity: Identity, call: Call<unknown, Readonly<Record<string, Body>>>): Promise<Answer> {
  const body = call.body['domain'] as Body;
  const explicit = given<string>(body, 'explicit_domain_id');
  if (explicit !== undefined && !UUID.test(explicit))
    throw badRequest('Domain ID does not conform to required UUID format.');
  const input = {
    name: nameOf(body),
    isDomain: true,
    domainId: '',
    parentId: '',
    enabled: given<boolean>(body, 'enabled') ?? true,
    description: described(body),
    tags: given<string[]>(body, 'tags') ?? [],
    options: mergeOptions({}, body['options']),
    extra: extraOf(body, [...Object.keys(PROPERTIES), 'explicit_domain_id', 'is_domain', 'domain_id', 'parent_id']),
    ...(explicit === undefined ? {} : { id: explicit }),
  };
  const depthMax = identity.settings.projectDepthMax;
  const row = await identity.store.write((tx) => createProject(tx, input, { moment: moment(identity), depthMax }));
  return { body: { domain: showDomain(call, row) } };
}
