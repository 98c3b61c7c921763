/** Whatever is sent, the frame answers in the service's style and below 500; and it never writes a token where it should not. */
import t from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import type { HttpRequest } from '../../fabric/http/contract.ts';
import { createSeededRandom, type Random, systemRandom } from '../../fabric/random.ts';
import type { AuditEntry } from '../audit.ts';
import { createPolicy } from '../policy/rules.ts';
import { createService } from './create-service.ts';
import { cutPage, filterItems, readFilters, readPage, readSort, sortItems } from './listing.ts';
import { schema } from './schema.ts';
import { route } from './types.ts';

const TOKEN = 'gAAAAA-very-secret';
const ITEMS = Array.from({ length: 5 }, (_, i) => ({ id: `${i}`, name: `n${i}` }));
const seed = Number(process.env['SEED'] ?? 99);
const audit: AuditEntry[] = [];
const unexpected: unknown[] = [];

const { handler } = createService({
  name: 'volume',
  style: 'cinder',
  versions: {
    shape: 'cinder',
    list: [{ id: 'v3.0', path: '/v3', status: 'CURRENT', minVersion: '3.0', maxVersion: '3.70', updated: '' }],
  },
  routes: [
    route({
      name: 'list',
      method: 'GET',
      path: '/v3/{project_id}/things',
      head: true,
      policy: 'thing:any',
      run: ({ query }) => {
        const found = filterItems(ITEMS, readFilters(query, { names: ['name'], suffixes: true, strict: true }));
        const sorted = sortItems(found, readSort(query, { keys: ['name'], key: 'name' }));
        return { body: { things: cutPage(sorted, readPage(query)).items } };
      },
    }),
    route({
      name: 'create',
      method: 'POST',
      path: '/v3/{project_id}/things',
      body: schema({ type: 'object', required: ['thing'], properties: { thing: { type: ['object', 'null'] } } }),
      run: ({ body }) => ({ body }),
    }),
    route({ name: 'act', method: 'POST', path: '/v3/{project_id}/things/{id}/action', action: 'go', run: () => ({}) }),
    route({ name: 'drop', method: 'DELETE', path: '/v3/{project_id}/things/{id}', run: () => ({}) }),
  ],
  authenticate: (token) => (token === TOKEN ? { userId: 'u', projectId: 'p', roles: ['member'] } : undefined),
  policy: createPolicy({ defaults: { 'thing:any': 'role:member and project_id:%(project_id)s' } }),
  projectParam: 'project_id',
  audit: { write: (entry) => void audit.push(entry), flush: async () => {}, close: async () => {} },
  clock: systemClock,
  random: systemRandom,
  onError: (error) => void unexpected.push(error),
});

const SEGMENTS = ['v3', 'p', 'things', '', '..', '%', '%2e', '%2F', '%ff', '{id}', '__proto__', 'constructor'];
const QUERIES = [
  'limit=3',
  'limit=',
  'limit=99999999999999999999',
  'marker=1',
  'sort=name:asc',
  'sort=:',
  'name__=x',
  '__proto__=1',
];
const VERSIONS = ['volume 3.5', 'volume latest', 'volume', 'volume 3.5 x', ',,', 'volume 99.0', 'volume __proto__'];
const TYPES = ['application/json', 'text/plain', 'application/json; charset=utf-8'];
const BODIES = [
  '',
  '{}',
  '[]',
  'null',
  '{"thing":{}}',
  '{"thing":null}',
  '{"go":1}',
  '{"__proto__":{}}',
  '{"constructor":1}',
  '1e999',
];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'constructor'];
const LIKELY = ['v3', 'p', 'things', 'x', 'action'];

function makeRequest(random: Random): HttpRequest {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const noise = (): string =>
    random
      .bytes(random.below(6))
      .toString('latin1')
      .replace(/[\r\n\0]/g, '');
  const some = (count: number, make: (at: number) => string): string[] =>
    Array.from({ length: random.below(count) }, (_, at) => make(at));
  const headers = new Map([['host', pick(['localhost', 'a:1', 'bad host"', ''])]]);
  if (random.below(8)) headers.set('x-auth-token', random.below(8) ? TOKEN : noise());
  if (random.below(2)) headers.set('openstack-api-version', pick([...VERSIONS, noise()]));
  if (random.below(2)) headers.set('content-type', pick([...TYPES, noise()]));
  const bytes = Buffer.from(random.below(6) ? pick(BODIES) : noise(), 'utf8');
  return {
    method: pick(METHODS),
    path: `/${some(7, (at) => (random.below(6) ? (LIKELY[at] ?? '') : pick([...SEGMENTS, noise()]))).join('/')}`,
    query: random.below(2) ? some(4, () => pick([...QUERIES, noise()])).join('&') : undefined,
    headers,
    headerLines: () => [],
    body: { lengthBytes: bytes.length, read: async () => undefined, collect: async () => bytes },
    remoteAddress: '',
    tls: false,
    signal: new AbortController().signal,
  };
}

t.test('any request', async (t) => {
  t.comment(`SEED=${seed}`);
  const random = createSeededRandom(seed);
  const statuses = new Map<number, number>();
  for (let i = 0; i < 5000; i++) {
    const request = makeRequest(random);
    const { status, headers, body } = await handler(request);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const said = `${request.method} ${request.path}?${request.query ?? ''}`;
    if (status >= 500) t.fail(`${status}: ${said}`);
    if (status >= 400 && body !== undefined) JSON.parse(String(body));
    if (headers.some((text) => /[\r\n\0]/.test(text))) t.fail(`headers: ${said}`);
    if (String(body).includes(TOKEN)) t.fail(`token: ${said}`);
  }
  t.same(unexpected, []);
  t.notMatch(JSON.stringify(audit), TOKEN);
  for (const status of [200, 204, 300, 400, 401, 404, 405, 406]) t.ok(statuses.get(status), `${status}`);
});
