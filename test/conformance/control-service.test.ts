/** The frame of services, over real HTTP: what OpenStack's clients and Tempest rely on. */
import t, { type Test } from 'tap';
import type { AuditEntry } from '../../control/audit.ts';
import type { Credentials } from '../../control/contract.ts';
import { BASE_RULES } from '../../control/policy/defaults.ts';
import { createPolicy } from '../../control/policy/rules.ts';
import { createService } from '../../control/service/create-service.ts';
import { apiFaults, type FaultStyle } from '../../control/service/faults.ts';
import { type Route, route, type ServiceOptions } from '../../control/service/types.ts';
import { stayAlive, systemClock } from '../../fabric/clock.ts';
import { nodeEngine } from '../../fabric/http/node-engine.ts';
import { systemRandom } from '../../fabric/random.ts';
import { routes } from './control-service-routes.ts';

const TOKENS: Readonly<Record<string, Credentials>> = {
  member: { userId: 'u1', projectId: 'p1', roles: ['member', 'reader'] },
  reader: { userId: 'u2', projectId: 'p1', roles: ['reader'] },
  service: { userId: 'u3', projectId: 'ps', roles: ['service'] },
};

interface Rig {
  readonly audit: AuditEntry[];
  readonly errors: unknown[];
  fetch(
    path: string,
    init?: { method?: string; token?: string; headers?: Record<string, string>; body?: unknown },
  ): Promise<Reply>;
}

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of any shape are looked into
  readonly body: any;
}

async function start(t: Test, style: FaultStyle = 'cinder', more: Partial<ServiceOptions> = {}): Promise<Rig> {
  const audit: AuditEntry[] = [];
  const errors: unknown[] = [];
  const defaults = { ...BASE_RULES, 'thing:create': 'rule:project_member', 'thing:get': 'rule:project_reader' };
  const { handler } = createService({
    name: 'volume',
    style,
    routes: routes(),
    faults: { ThingBusy: { status: 409 } },
    versions: {
      shape: 'cinder',
      list: [
        {
          id: 'v3.0',
          path: '/v3',
          status: 'CURRENT',
          minVersion: '3.0',
          maxVersion: '3.70',
          updated: '2023-08-31T00:00:00Z',
        },
      ],
    },
    authenticate: async (token) => {
      if (token === 'broken') throw new Error('the identity store is gone');
      return TOKENS[token];
    },
    policy: createPolicy({ defaults }),
    identityUrl: 'http://identity:5000',
    requestIdHeader: 'x-compute-request-id',
    projectParam: 'project_id',
    audit: { write: (entry) => void audit.push(entry), flush: async () => {}, close: async () => {} },
    clock: systemClock,
    random: systemRandom,
    onError: (error) => void errors.push(error),
    ...more,
  });
  const awake = stayAlive();
  const listener = await nodeEngine(
    handler,
    { host: '127.0.0.1', port: 0 },
    { clock: systemClock, onError: (error) => errors.push(error) },
  );
  t.teardown(async () => {
    await listener.drain(100);
    awake.cancel();
  });
  return {
    audit,
    errors,
    async fetch(path, { method = 'GET', token = 'member', headers = {}, body } = {}) {
      const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
      const auth = token === '' ? {} : { 'x-auth-token': token };
      const type = body === undefined ? {} : { 'content-type': 'application/json' };
      const response = await fetch(`http://127.0.0.1:${listener.port}${path}`, {
        method,
        headers: { ...auth, ...type, ...headers },
        ...sent,
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
    },
  };
}

t.test('version documents', async (t) => {
  const { fetch } = await start(t);
  const root = await fetch('/', { token: '' });
  t.equal(root.status, 300);
  t.match(root.body, { versions: [{ id: 'v3.0', status: 'CURRENT', version: '3.70', min_version: '3.0' }] });
  t.match(root.body.versions[0].links[1], { rel: 'self', href: /^http:\/\/127\.0\.0\.1:\d+\/v3\/$/ });
  for (const path of ['/v3', '/v3/'])
    t.match(await fetch(path, { token: '' }), { status: 200, body: { versions: [{ id: 'v3.0' }] } });
  const list = [{ id: 'v3.14', path: '/v3', status: 'stable', updated: 'x', mediaType: 'm' }] as const;
  const keystone = await start(t, 'keystone', {
    versions: { shape: 'keystone', list },
    prefix: '/identity',
    publicUrl: 'https://cloud/identity',
  });
  const discovery = await keystone.fetch('/identity', { token: '' });
  t.match(discovery, { status: 300, body: { versions: { values: [{ id: 'v3.14', status: 'stable' }] } } });
  t.equal(discovery.headers.get('location'), 'https://cloud/identity/v3/');
  t.match(await keystone.fetch('/identity/v3/', { token: '' }), {
    body: { version: { links: [{ href: 'https://cloud/identity/v3/' }] } },
  });
  t.equal((await keystone.fetch('/v3', { token: '' })).status, 404);
});

t.test('microversions', async (t) => {
  const { fetch } = await start(t);
  const ask = (version: string, path = '/v3/p1/things/x'): Promise<Reply> =>
    fetch(path, { headers: { 'openstack-api-version': version } });
  const plain = await fetch('/v3/p1/things/x');
  t.equal(plain.body.thing.version, '3.0');
  t.equal(plain.headers.get('openstack-api-version'), 'volume 3.0');
  t.equal(plain.headers.get('vary'), 'OpenStack-API-Version');
  const cases: [string, string][] = [
    ['volume 3.44', '3.44'],
    ['volume latest', '3.70'],
    ['compute 2.1, volume 3.5', '3.5'],
    ['volumev3 3.44', '3.44'],
    ['compute 2.999', '3.0'],
  ];
  for (const [asked, got] of cases) {
    const reply = await ask(asked);
    t.equal(reply.body.thing.version, got, asked);
    t.equal(reply.headers.get('openstack-api-version'), `volume ${got}`);
  }
  for (const asked of ['volume 3.71', 'volume 2.0', 'volume 4.0']) {
    const reply = await ask(asked);
    t.equal(reply.status, 406, asked);
    t.match(reply.body, { computeFault: { code: 406, message: /Minimum is 3\.0 and maximum is 3\.70/ } });
    t.match(reply.headers.get('vary'), 'OpenStack-API-Version');
  }
  for (const asked of ['volume 3', 'volume 3.x', 'volume 3.01', 'volume', 'volume 3.1 3.2'])
    t.equal((await ask(asked)).status, 400, asked);
  t.equal((await ask('volume 3.4', '/v3/late')).status, 404, 'before its time an operation is not there');
  t.equal((await ask('volume 3.5', '/v3/late')).status, 200);
  t.equal((await ask('volume 3.9', '/v3/late')).status, 404);
  const versions = {
    shape: 'nova',
    legacyHeader: 'x-openstack-nova-api-version',
    list: [{ id: 'v2.1', path: '/v2.1', status: 'CURRENT', minVersion: '3.0', maxVersion: '3.70', updated: 'x' }],
  } as const;
  const nova = await start(t, 'nova', { versions });
  const old = await nova.fetch('/v3/p1/things/x', { headers: { 'x-openstack-nova-api-version': '3.7' } });
  t.equal(old.headers.get('x-openstack-nova-api-version'), '3.7');
  t.equal(old.headers.get('vary'), 'OpenStack-API-Version, x-openstack-nova-api-version');
  t.match(await nova.fetch('/v3/p1/things/x', { headers: { 'x-openstack-nova-api-version': '9.9' } }), {
    status: 406,
    body: { notAceptable: { code: 406 } },
  });
});

t.test('who may: 401, 403, service tokens', async (t) => {
  const { fetch, errors } = await start(t);
  for (const token of ['', 'unknown']) {
    const reply = await fetch('/v3/p1/things/x', { token });
    t.equal(reply.status, 401);
    t.equal(reply.headers.get('www-authenticate'), 'Keystone uri="http://identity:5000"');
    t.match(reply.body, { unauthorized: { code: 401, message: /requires authentication/ } });
  }
  t.equal((await fetch('/v3/nothing/here', { token: '' })).status, 401, 'before 404');
  t.equal((await fetch('/v3/p1/things/x', { token: 'broken' })).status, 503, 'fails closed');
  const refused = await fetch('/v3/p1/things', { method: 'POST', token: 'reader', body: { thing: { name: 'a' } } });
  t.match(refused, {
    status: 403,
    body: { forbidden: { message: "Policy doesn't allow thing:create to be performed." } },
  });
  t.equal((await fetch('/v3/p1/things/foreign')).status, 403, 'by the target');
  t.match(await fetch('/v3/p2/things/x'), { status: 400, body: { badRequest: { message: 'Malformed request url' } } });
  t.same((await fetch('/v3/open', { token: '' })).body, { who: 'nobody' });
  t.same((await fetch('/v3/open')).body, { who: 'u1' });
  t.equal((await fetch('/v3/open', { token: 'unknown' })).status, 401);
  t.same((await fetch('/v3/who', { headers: { 'x-service-token': 'service' } })).body, { roles: ['service'] });
  t.same((await fetch('/v3/who', { headers: { 'x-service-token': 'unknown' } })).body, {});
  t.same(errors, []);
});

t.test('paths, methods, bodies', async (t) => {
  const { fetch, errors } = await start(t);
  t.match(await fetch('/v3/p1/nothing'), { status: 404, body: { itemNotFound: { code: 404 } } });
  t.same((await fetch('/v3/p1/things/detail')).body, { detail: true });
  t.equal((await fetch('/v3/p1/things/%C3%A9%20b')).body.thing.id, 'é b');
  t.equal((await fetch('/v3/p1/things/%ff')).status, 400);
  const wrong = await fetch('/v3/p1/things', { method: 'PATCH' });
  t.match(wrong, { status: 405, body: { badMethod: { code: 405 } } });
  t.equal(wrong.headers.get('allow'), 'GET, POST');
  const head = await fetch('/v3/p1/things/x', { method: 'HEAD' });
  t.equal(head.status, 200);
  t.ok(Number(head.headers.get('content-length')) > 10);
  t.equal((await fetch('/v3/p1/things/x', { method: 'DELETE' })).status, 204);
  const made = await fetch('/v3/p1/things/', { method: 'POST', body: { thing: { name: 'a' } } });
  t.match(made, { status: 202, body: { thing: { name: 'a', project: 'p1' } } });
  t.match(made.headers.get('location'), /\/v3\/p1\/things\/new$/);
  const cases: [unknown, RegExp][] = [
    ['{', /Malformed request body/],
    ['"\xff"', /is not of type 'object'/],
    [{}, /^'thing' is a required property$/],
    [{ thing: {} }, /thing\. 'name' is a required property/],
    [{ thing: { name: '' } }, /thing\.name\. Value: ''\. '' is too short/],
    [{ thing: { name: 'x'.repeat(11) } }, /'xxxxxxxxxxx' is too long/],
    [{ thing: { name: 5 } }, /thing\.name\. Value: 5\. 5 is not of type 'string'/],
    [{ thing: { name: 'a', size: 0 } }, /0 is less than the minimum of 1/],
    [{ thing: { name: 'a', more: 1 } }, /Additional properties are not allowed \('more' was unexpected\)/],
    [{ thing: { name: 'a', kind: 'c' } }, /'c' is not one of \['a', 'b'\]/],
  ];
  for (const [body, message] of cases) {
    t.match(await fetch('/v3/p1/things', { method: 'POST', body }), {
      status: 400,
      body: { badRequest: { code: 400, message } },
    });
  }
  const secret = await fetch('/v3/p1/things', {
    method: 'POST',
    body: { thing: { name: 'a', password: 'hunter2hunter2' } },
  });
  t.notMatch(secret.body.badRequest.message, /hunter2/);
  const big = await fetch('/v3/p1/things', { method: 'POST', body: { thing: { name: 'x'.repeat(200_000) } } });
  t.match(big, { status: 413, body: { overLimit: { code: 413 } } });
  const form = await fetch('/v3/p1/things', { method: 'POST', body: 'a=b', headers: { 'content-type': 'text/plain' } });
  t.equal(form.status, 415);
  const later = { 'openstack-api-version': 'volume 3.10' };
  t.match(await fetch('/v3/p1/things', { method: 'POST', body: { thing: {} }, headers: later }), {
    body: { badRequest: { message: /'extra'/ } },
  });
  const act = (body: unknown): Promise<Reply> => fetch('/v3/p1/things/x/action', { method: 'POST', body });
  t.match(await act({ 'os-shrink': {} }), { status: 202, body: { operation: 'things:os-shrink' } });
  t.match(await act({ 'os-bend': {} }), {
    status: 400,
    body: { badRequest: { message: /There is no such action: os-bend/ } },
  });
  t.equal((await act({ 'os-grow': {}, 'os-shrink': {} })).status, 400);
  t.equal((await act(undefined)).status, 400);
  t.same((await fetch('/v3/query?a=x%20y&', { token: '' })).body, { a: 'x y' });
  t.equal((await fetch('/v3/query?a=y', { token: '' })).status, 400);
  t.equal((await fetch('/v3/query?b=y', { token: '' })).status, 400);
  t.same(errors, []);
});

t.test('faults in each style, request ids', async (t) => {
  const bodies: Record<string, unknown> = {
    cinder: { conflictingRequest: { code: 409, message: 'The thing is busy.' } },
    nova: { conflictingRequest: { code: 409, message: 'The thing is busy.' } },
    keystone: { error: { code: 409, message: 'The thing is busy.', title: 'Conflict' } },
    neutron: { NeutronError: { type: 'ThingBusy', message: 'The thing is busy.', detail: '' } },
  };
  for (const [style, body] of Object.entries(bodies)) {
    const { fetch, errors } = await start(t, style as FaultStyle);
    const busy = await fetch('/v3/p1/things/busy');
    t.same(busy.body, body, style);
    t.equal(busy.status, 409);
    t.match(busy.headers.get('x-openstack-request-id'), /^req-[0-9a-f]{8}-[0-9a-f]{4}-4/);
    t.equal(busy.headers.get('x-compute-request-id'), busy.headers.get('x-openstack-request-id'));
    const crash = await fetch('/v3/p1/things/crash');
    t.equal(crash.status, 500);
    t.notMatch(JSON.stringify(crash.body), /secret/);
    t.match(errors, [{ message: 'secret of the server' }]);
  }
  const { fetch, audit } = await start(t);
  const mine = 'req-01234567-89ab-4def-8123-456789abcdef';
  const first = await fetch('/v3/p1/things/x', { method: 'DELETE', headers: { 'x-openstack-request-id': mine } });
  await fetch('/v3/p1/things/x', { method: 'DELETE', headers: { 'x-openstack-request-id': 'req-evil\t"' } });
  t.not(first.headers.get('x-openstack-request-id'), mine);
  t.equal(audit[0]?.globalRequestId, mine);
  t.equal(audit[1]?.globalRequestId, undefined);
});

t.test('the audit log: changes, and refusals of them', async (t) => {
  const { fetch, audit } = await start(t);
  await fetch('/v3/p1/things/x');
  await fetch('/v3/p1/things', { method: 'POST', body: { thing: { name: 'a' } } });
  await fetch('/v3/p1/things', { method: 'POST', token: 'reader', body: { thing: { name: 'a' } } });
  await fetch('/v3/p1/things', { method: 'POST', token: '', body: { thing: { name: 'a' } } });
  t.match(audit, [
    {
      operation: 'things:create',
      status: 202,
      userId: 'u1',
      projectId: 'p1',
      target: { project_id: 'p1', thing_id: 'new' },
    },
    { operation: 'things:create', status: 403, userId: 'u2', fault: apiFaults.forbidden },
    { operation: '', status: 401, method: 'POST', path: '/v3/p1/things' },
  ]);
  t.equal(audit.length, 3);
});

t.test('lists', async (t) => {
  const { fetch } = await start(t);
  const ids = async (query: string): Promise<string[]> =>
    (await fetch(`/v3/p1/things?${query}`)).body.things.map(({ id }: { id: string }) => Number(id.slice(3)));
  const seen: string[] = [];
  let next = '/v3/p1/things?sort=name:asc,size:desc&limit=7';
  for (let pages = 0; next !== '' && pages < 10; pages++) {
    const { body } = await fetch(next);
    seen.push(...body.things.map(({ id }: { id: string }) => id));
    next = body.things_links?.[0].href.replace(/^http:\/\/[^/]+/, '') ?? '';
  }
  t.equal(new Set(seen).size, 25);
  t.equal(seen.length, 25);
  t.same(await ids('limit=3'), [0, 1, 2], 'size, descending');
  t.same(await ids('limit=3&sort_key=size&sort_dir=asc'), [24, 23, 22]);
  t.same(await ids('limit=2&sort=name:desc'), [23, 21], 'ties go by id, in the same direction');
  t.equal((await ids('')).length, 10, 'the maximum');
  t.equal((await ids('limit=500')).length, 10);
  t.same(await ids('limit=0'), []);
  t.same(await ids('marker=id-20'), [21, 22, 23, 24]);
  t.same(await ids('offset=23'), [23, 24]);
  t.same(await ids('shared=true'), [3]);
  t.same(await ids('size=25&size=24'), [0, 1]);
  t.same(await ids('name__icontains=EV&limit=2'), [0, 2]);
  t.same(await ids('name__contains=ev'), []);
  t.same(await ids('name__endswith=dd&limit=1'), [1]);
  t.same(await ids('name__regex=dd&limit=1'), [0], 'unknown suffixes filter nothing');
  for (const bad of [
    'limit=x',
    'limit=-1',
    'offset=1.5',
    'marker=nobody',
    'sort=secret',
    'sort=size:up',
    'sort=size&sort_key=size',
    'sort_key=__proto__',
  ]) {
    t.equal((await fetch(`/v3/p1/things?${bad}`)).status, 400, bad);
  }
});

t.test('mistakes in the table of routes show at the start', async (t) => {
  const make =
    (list: Route[]): (() => unknown) =>
    () =>
      createService({
        name: 'x',
        style: 'nova',
        routes: list,
        authenticate: () => undefined,
        policy: createPolicy({ defaults: {} }),
        clock: systemClock,
        random: systemRandom,
        onError: () => {},
      });
  const one = route({ name: 'a', method: 'GET', path: '/a', run: () => ({}) });
  t.throws(make([one, one]), /two operations are called a/);
  t.throws(make([{ ...one, policy: 'none' }]), /unknown rule/);
  t.throws(make([{ ...one, min: 'x' }]), /not a microversion/);
  t.doesNotThrow(make([one]));
});
