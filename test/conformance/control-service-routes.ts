/** A service of things, for the tests of the frame. */
import {
  cutPage,
  filterItems,
  pageLinks,
  readFilters,
  readPage,
  readSort,
  sortItems,
} from '../../control/service/listing.ts';
import { schema } from '../../control/service/schema.ts';
import { type Route, route } from '../../control/service/types.ts';
import { Fault } from '../../fabric/errors.ts';

const NAME = { type: 'string', minLength: 1, maxLength: 10 };
const THINGS = Array.from({ length: 25 }, (_, i) => ({
  id: `id-${String(i).padStart(2, '0')}`,
  name: i % 2 ? 'odd' : 'Even',
  size: 25 - i,
  shared: i === 3,
}));

export function routes(): Route[] {
  return [...things(), ...actions(), ...others()];
}

function things(): Route[] {
  return [
    route({
      name: 'things:create',
      method: 'POST',
      path: '/v3/{project_id}/things',
      status: 202,
      policy: 'thing:create',
      body: [
        {
          max: '3.9',
          schema: schema<{ thing: { name: string; size?: number } }>({
            type: 'object',
            required: ['thing'],
            properties: {
              thing: {
                type: 'object',
                required: ['name'],
                properties: {
                  name: NAME,
                  size: { type: 'integer', minimum: 1 },
                  password: NAME,
                  kind: { enum: ['a', 'b'] },
                },
                additionalProperties: false,
              },
            },
          }),
        },
        {
          min: '3.10',
          schema: schema<{ thing: { name: string } }>({
            type: 'object',
            required: ['thing', 'extra'],
            properties: { thing: {}, extra: {} },
          }),
        },
      ],
      run: ({ body, params, note, url }) => {
        note({ thing_id: 'new', password: 'never' });
        const thing = { ...body.thing, project: params.project_id };
        return { body: { thing }, headers: ['Location', url(`/v3/${params.project_id}/things/new`)] };
      },
    }),
    route({
      name: 'things:list',
      method: 'GET',
      path: '/v3/{project_id}/things',
      policy: 'thing:get',
      run: (call) => {
        const page = readPage(call.query, 10);
        const sort = readSort(call.query, { keys: ['name', 'size'], key: 'size' });
        const found = filterItems(
          THINGS,
          readFilters(call.query, { names: ['name', 'size', 'shared'], suffixes: true }),
        );
        const { items } = cutPage(sortItems(found, sort), page);
        return { body: { things: items, ...pageLinks(call, 'things', page, items.at(-1)?.id, items.length) } };
      },
    }),
    route({
      name: 'things:detail',
      method: 'GET',
      path: '/v3/{project_id}/things/detail',
      run: () => ({ body: { detail: true } }),
    }),
    route({
      name: 'things:show',
      method: 'GET',
      path: '/v3/{project_id}/things/{thing_id}',
      head: true,
      policy: 'thing:get',
      target: ({ params }) => ({ project_id: params.thing_id === 'foreign' ? 'p2' : 'p1' }),
      run: ({ params, version }) => {
        if (params.thing_id === 'crash') throw new Error('secret of the server');
        if (params.thing_id === 'busy') throw new Fault('ThingBusy', {}, 'The thing is busy.');
        return { body: { thing: { id: params.thing_id, version: String(version) } } };
      },
    }),
    route({
      name: 'things:delete',
      method: 'DELETE',
      path: '/v3/{project_id}/things/{thing_id}',
      policy: 'thing:create',
      run: () => ({}),
    }),
  ];
}

function actions(): Route[] {
  return ['os-grow', 'os-shrink'].map((action) =>
    route({
      name: `things:${action}`,
      method: 'POST',
      path: '/v3/{project_id}/things/{thing_id}/action',
      action,
      status: 202,
      body: schema<Record<string, unknown>>({ type: 'object', properties: { [action]: { type: 'object' } } }),
      run: ({ operation }) => ({ body: { operation } }),
    }),
  );
}

function others(): Route[] {
  return [
    route({
      name: 'late',
      method: 'GET',
      path: '/v3/late',
      min: '3.5',
      max: '3.8',
      run: () => ({ body: { late: true } }),
    }),
    route({
      name: 'open',
      method: 'GET',
      path: '/v3/open',
      auth: 'optional',
      run: (call) => ({ body: { who: call.isAnonymous ? 'nobody' : call.credentials.userId } }),
    }),
    route({
      name: 'query',
      method: 'GET',
      path: '/v3/query',
      auth: 'none',
      query: schema({
        type: 'object',
        properties: { a: { type: 'string', pattern: '^x' } },
        additionalProperties: false,
      }),
      run: ({ query }) => ({ body: query.toObject() }),
    }),
    route({
      name: 'services',
      method: 'GET',
      path: '/v3/who',
      run: ({ credentials }) => ({ body: { roles: credentials.serviceRoles } }),
    }),
  ];
}
