// What Keystone's own server answers in places that its API reference leaves open, as found by asking both the same.
import t, { type Test } from 'tap';
import { ADMIN, startIdentityBed } from '../../../test/identity-bed.ts';

const bed = await startIdentityBed();
t.teardown(() => bed.stop());
const { admin } = bed;

/** Of what a POST made. */
async function make(kind: string, body: Record<string, unknown>) {
  const answer = await admin.call('POST', `/v3/${kind}s`, { [kind]: body });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return answer.body[kind];
}

const roleId = async (name: string): Promise<string> =>
  (await admin.call('GET', `/v3/roles?name=${name}`)).body.roles[0].id;

type Case = readonly [method: string, path: string, body: unknown, status: number, message: RegExp];

const REST = 'The server could not comply with the request since it is either malformed or otherwise incorrect.';
const lacks = (attribute: string, target: string): RegExp =>
  new RegExp(`^Expecting to find ${attribute} in ${target}\\. ${REST}`);

async function refuses(test: Test, cases: readonly Case[]) {
  for (const [method, path, body, status, message] of cases) {
    const answer = await admin.call(method, path, body);
    const wanted = { status, body: { error: { code: status, message } } };
    test.match(answer, wanted, `${method} ${path} ${JSON.stringify(body) ?? ''}`.slice(0, 160));
  }
}

t.test('what an authentication lacks is said, before anything is looked up', async (t) => {
  const path = '/v3/auth/tokens';
  const by = (user: unknown, scope?: unknown) => ({
    auth: { identity: { methods: ['password'], password: { user } }, ...(scope === undefined ? {} : { scope }) },
  });
  const scoped = (scope: unknown) => by(ADMIN, scope);
  const one = 'system, project, domain, OS-TRUST:trust or unscoped';
  await refuses(t, [
    ['POST', path, {}, 400, lacks('auth', 'request body')],
    ['POST', path, [], 400, lacks('valid JSON', 'request body')],
    ['POST', path, { auth: { identity: { methods: ['token'] } } }, 400, lacks('token', 'identity')],
    ['POST', path, { auth: { identity: { methods: ['odd'] } } }, 400, lacks('odd', 'identity')],
    ['POST', path, { auth: { identity: { methods: ['odd'], odd: {} } } }, 401, /unsupported method/],
    ['POST', path, by({ password: 'x' }), 400, /field identity\/password\/user: id or name must be present/],
    ['POST', path, by({ name: 'admin', password: 'x' }), 400, lacks('domain', 'user')],
    ['POST', path, by({ name: 'admin', domain: {} }), 400, /password\/user\/domain: id or name must be present/],
    ['POST', path, by({ id: bed.ids.adminId }), 401, /requires authentication/],
    ['POST', path, by({ id: bed.ids.adminId, name: 'x', password: 'x' }), 400, lacks('domain', 'user')],
    ['POST', path, scoped({}), 400, lacks(one, 'scope')],
    ['POST', path, scoped('odd'), 400, lacks(one, 'scope')],
    ['POST', path, scoped({ unscoped: {}, domain: { id: 'default' } }), 400, lacks(one, 'scope')],
    ['POST', path, scoped(null), 400, /is not of type/],
    ['POST', path, scoped({ project: {} }), 400, /field scope\/project: id or name must be present/],
    ['POST', path, scoped({ project: { name: 'admin' } }), 400, lacks('domain', 'project')],
    ['POST', path, scoped({ project: { id: 'default' } }), 401, /requires authentication/],
    ['GET', path, undefined, 404, /^No token in the request$/],
  ]);
});

t.test('a token made from a token', async (t) => {
  const { client: plain } = await bed.login(ADMIN, 'unscoped');
  const { client: system } = await bed.login(ADMIN, { system: { all: true } });
  const from = (id: string | undefined, scope?: unknown) =>
    bed.client().call('POST', '/v3/auth/tokens', {
      auth: { identity: { methods: ['token'], token: { id } }, ...(scope === undefined ? {} : { scope }) },
    });
  t.match((await from(plain.token)).body.token, { project: { id: bed.ids.projectId } }, 'in the default project');
  t.notOk('project' in (await from(plain.token, 'unscoped')).body.token);
  t.equal((await from(system.token, { system: { all: true } })).status, 201);
  t.equal((await from(system.token, { project: { id: bed.ids.projectId } })).status, 403);
  t.equal((await from(system.token, { domain: { id: 'default' } })).status, 403);
  t.notOk('project' in (await from(system.token)).body.token, 'nor the default project by the way');
});

t.test('headers', async (t) => {
  const { answer } = await bed.login(ADMIN);
  t.equal(answer.headers.get('vary'), 'X-Auth-Token', 'once');
  const refused = await bed.client().call('GET', '/v3/users');
  t.equal(refused.status, 401);
  t.equal(refused.headers.get('www-authenticate'), `Keystone uri="${bed.url}/v3"`);
});

t.test('names: blanks around them go, and a second one is told where the first is', async (t) => {
  const domain = await make('domain', { name: ' studio ' });
  t.equal(domain.name, 'studio');
  t.equal((await make('user', { name: ' maria' })).name, 'maria');
  t.equal((await make('group', { name: 'crew ' })).name, 'crew');
  t.equal((await make('project', { name: ' films ' })).name, 'films');
  await refuses(t, [
    ['POST', '/v3/users', { user: { name: 'maria' } }, 409, /found with name maria at domain ID default\.$/],
    ['POST', '/v3/groups', { group: { name: 'crew' } }, 409, /found with name crew at domain ID default\.$/],
    ['POST', '/v3/projects', { project: { name: 'films' } }, 409, /same domain: name is films, project id \w{32}\.$/],
    ['POST', '/v3/domains', { domain: { name: 'studio' } }, 409, /acting as domains with the same name: studio\.$/],
    ['POST', '/v3/groups', { group: { name: 'x'.repeat(65) } }, 400, /too long/],
  ]);
});

t.test('fields', async (t) => {
  for (const kind of ['user', 'group', 'project', 'domain']) {
    const path = `/v3/${kind}s/${(await make(kind, { name: `null-${kind}`, description: null })).id}`;
    t.equal((await admin.call('GET', path)).body[kind].description, null);
    await admin.call('PATCH', path, { [kind]: { description: 'x' } });
    t.equal((await admin.call('PATCH', path, { [kind]: { description: null } })).body[kind].description, null);
    t.match(await admin.call('PATCH', path, { [kind]: { id: 'other' } }), { status: 400 }, `the id of a ${kind}`);
  }
  const rules = (...one: unknown[]) => ({ user: { name: 'u', options: { multi_factor_auth_rules: one } } });
  const nowhere = { name: 'p', parent_id: 'nowhere' };
  await refuses(t, [
    ['POST', '/v3/users', { user: { name: 'u', options: { odd: true } } }, 400, /'odd' was unexpected/],
    ['POST', '/v3/users', { user: { name: 'u', options: { lock_password: 'x' } } }, 400, /not of type/],
    ['POST', '/v3/users', rules([]), 400, /too short/],
    ['POST', '/v3/users', rules(['password', 'password']), 400, /non-unique/],
    ['POST', '/v3/users', { user: { name: 'u', federated: [{ idp_id: 'x' }] } }, 400, /Identity Provider: x/],
    ['POST', '/v3/users', { user: { name: 'u', default_project_id: 'default' } }, 400, /domain ID: default/],
    ['POST', '/v3/projects', { project: { name: 'p', options: { odd: true } } }, 400, /'odd' was unexpected/],
    ['POST', '/v3/projects', { project: { name: 'p', domain_id: 'nowhere' } }, 400, /find domain: nowhere/],
    ['POST', '/v3/projects', { project: nowhere }, 400, /find project: nowhere/],
    ['POST', '/v3/projects', { project: { name: 'p', parent_id: '' } }, 400, /too short/],
    ['POST', '/v3/projects', { project: { name: 'p', is_domain: true, domain_id: 'default' } }, 400, /only root/],
    ['POST', '/v3/roles', { role: { name: 'r', description: null } }, 400, /not of type/],
  ]);
});

t.test('a domain with an id that is taken already takes nobody’s place', async (t) => {
  const id = 'a'.repeat(32);
  const create = (name: string, explicit: string) =>
    admin.call('POST', '/v3/domains', { domain: { name, explicit_domain_id: explicit } });
  t.match(await create('mine', id), { status: 201, body: { domain: { id } } });
  t.equal((await create('yours', id)).status, 409);
  t.equal((await create('theirs', bed.ids.projectId)).status, 409, 'a project’s id');
  t.equal((await create('nobodys', 'odd')).status, 400);
  t.match((await admin.call('GET', `/v3/domains/${id}`)).body, { domain: { name: 'mine' } });
});

t.test('delegated tokens: no credentials of the user by them', async (t) => {
  const [member, reader] = [await roleId('member'), await roleId('reader')];
  const user = await make('user', { name: 'delegator', password: 'pw' });
  const project = await make('project', { name: 'delegated' });
  for (const role of [member, reader])
    await admin.call('PUT', `/v3/projects/${project.id}/users/${user.id}/roles/${role}`);
  const own = (await bed.login({ id: user.id, password: 'pw' }, { project: { id: project.id } })).client;
  const path = `/v3/users/${user.id}/application_credentials`;
  const unrestricted = { application_credential: { name: 'free', unrestricted: true, secret: 's' } };
  const { id } = (await own.call('POST', path, unrestricted)).body.application_credential;
  const appCred = { methods: ['application_credential'], application_credential: { id, secret: 's' } };
  const login = await bed.client().call('POST', '/v3/auth/tokens', { auth: { identity: appCred } });
  const robot = bed.client(login.headers.get('x-subject-token') ?? '');
  const ec2 = `/v3/users/${user.id}/credentials/OS-EC2`;
  const blob = (name: string) => JSON.stringify({ access: name, secret: 's' });
  const key = { type: 'ec2', blob: blob('mine'), user_id: user.id, project_id: project.id };
  const mine = (await own.call('POST', '/v3/credentials', { credential: key })).body.credential;
  const requests: readonly [string, string, unknown?][] = [
    ['POST', ec2, { tenant_id: project.id }],
    ['GET', ec2],
    ['GET', '/v3/credentials'],
    ['GET', `/v3/credentials/${mine.id}`],
    ['POST', '/v3/credentials', { credential: { ...key, blob: blob('other') } }],
    ['PATCH', `/v3/credentials/${mine.id}`, { credential: { blob: blob('mine') } }],
    ['DELETE', `/v3/credentials/${mine.id}`],
  ];
  for (const [method, at, body] of requests)
    t.match(
      await robot.call(method, at, body),
      { status: 403, body: { error: { message: /Delegated tokens cannot access credentials/ } } },
      `${method} ${at}`,
    );
  const change = (credential: unknown) => own.call('PATCH', `/v3/credentials/${mine.id}`, { credential });
  t.equal((await change({ blob: JSON.stringify({ access: 'mine', secret: 'new' }) })).status, 200);
  t.equal((await change({ blob: blob('mine'), user_id: bed.ids.adminId })).status, 400, 'its owner stays');
  t.equal((await change({ blob: blob('mine'), project_id: bed.ids.projectId })).status, 400, 'and its project');
  t.equal((await change({ blob: blob('other') })).status, 400);
  const exchange = { methods: ['token'], token: { id: robot.token } };
  t.equal((await robot.call('POST', '/v3/auth/tokens', { auth: { identity: exchange } })).status, 403);
  const scope = { project: { id: project.id } };
  t.match(await bed.client().call('POST', '/v3/auth/tokens', { auth: { identity: appCred, scope } }), {
    status: 401,
    body: { error: { message: /Application credentials cannot request a scope/ } },
  });
  const tree = await own.call('GET', '/v3/role_assignments?scope.project.id=default&include_subtree');
  t.equal(tree.status, 403, 'a domain named as a project opens no other domain');
});

t.test('application credentials', async (t) => {
  const path = `/v3/users/${bed.ids.adminId}/application_credentials`;
  const create = (body: Record<string, unknown>): unknown => ({ application_credential: { name: 'one', ...body } });
  const made = await admin.call('POST', path, create({ roles: [{ name: 'reader' }] }));
  t.match(made.body.application_credential.roles, [
    { name: 'reader', description: null, options: { immutable: true } },
  ]);
  await refuses(t, [
    ['POST', path, create({}), 409, /store application_credential - Duplicate entry found with name one\.$/],
    ['POST', path, create({ roles: [{ name: 'nobody' }] }), 404, /^Role nobody is not defined$/],
    ['POST', path, create({ roles: [{ id: 'x' }] }), 400, /unassigned role/],
    ['POST', path, create({ roles: [{ id: 'x', name: 'y' }] }), 400, /too many properties/],
    ['POST', path, create({ unrestricted: null }), 400, /not of type/],
    ['POST', path, create({ expires_at: '2099-01-01' }), 400, /^Timestamp not in expected format/],
    ['POST', path, create({ expires_at: '2009-01-01T00:00:00Z' }), 400, /must not be before now/],
  ]);
});

t.test('the catalog and limits', async (t) => {
  const service = await make('service', { type: 'odd' });
  t.notOk('description' in service);
  const project = await make('project', { name: 'limited' });
  const endpoint = (url: string): unknown => ({ endpoint: { interface: 'public', service_id: service.id, url } });
  t.equal((await admin.call('POST', '/v3/endpoints', endpoint('http://h/$(project_id)s/%(user_id)s'))).status, 201);
  t.match((await admin.call('POST', '/v3/regions', { region: {} })).body, {
    region: { description: '', id: /^\w{32}$/ },
  });
  t.equal((await admin.call('PUT', '/v3/regions/West', { region: {} })).status, 201);
  const registered = { service_id: service.id, resource_name: 'things', default_limit: 5 };
  const limit = { service_id: service.id, resource_name: 'things', resource_limit: 3, project_id: project.id };
  const batch = (name: string, one: unknown): unknown => ({ [name]: [one] });
  await admin.call('POST', '/v3/registered_limits', batch('registered_limits', registered));
  const [{ id }] = (await admin.call('POST', '/v3/limits', batch('limits', limit))).body.limits;
  t.equal((await admin.call('PATCH', `/v3/limits/${id}`, { limit: { resource_limit: 4 } })).status, 200);
  await refuses(t, [
    ['POST', '/v3/endpoints', endpoint('x'), 400, /does not match/],
    ['POST', '/v3/endpoints', endpoint('http://h/%(odd)s'), 400, /^Cannot create an endpoint with an invalid URL/],
    [
      'POST',
      '/v3/endpoints',
      endpoint('http://h/%(project_id)'),
      400,
      /^Cannot create an endpoint with an invalid URL/,
    ],
    ['POST', '/v3/services', { service: { type: 't', name: '' } }, 400, /too short/],
    ['PUT', '/v3/regions/West', { region: {} }, 409, /store region - Duplicate ID, West/],
    ['PATCH', '/v3/regions/West', { region: { parent_region_id: 'West' } }, 400, /circular region hierarchy/],
    ['PATCH', `/v3/services/${service.id}`, { service: { id: 'x' } }, 400, /^Cannot change ID$/],
    ['POST', '/v3/registered_limits', batch('registered_limits', registered), 409, /Duplicate entry/],
    ['POST', '/v3/limits', batch('limits', { ...limit, odd: 1 }), 400, /'odd' was unexpected/],
    ['POST', '/v3/limits', batch('limits', { ...limit, service_id: 'x' }), 400, lacks('service_id', 'limit')],
    ['POST', '/v3/limits', batch('limits', { ...limit, project_id: 'x' }), 400, lacks('project_id', 'limit')],
    ['PATCH', `/v3/limits/${id}`, { limit: { project_id: bed.ids.projectId } }, 400, /'project_id' was unexpected/],
  ]);
});

t.test('what is immutable takes that option alone', async (t) => {
  for (const kind of ['role', 'project', 'domain']) {
    const path = `/v3/${kind}s/${(await make(kind, { name: `fixed-${kind}`, options: { immutable: true } })).id}`;
    const change = (body: unknown) => admin.call('PATCH', path, { [kind]: body });
    t.match(await change({ name: 'other' }), {
      status: 403,
      body: { error: { message: /^Unable to update immutable/ } },
    });
    t.equal((await change({ name: 'other', options: { immutable: false } })).status, 403, 'not with another change');
    t.equal((await change({ options: { immutable: true } })).status, 200, 'said again');
    if (kind !== 'domain') t.equal((await admin.call('DELETE', path)).status, 403);
    if (kind === 'project') t.equal((await admin.call('PUT', `${path}/tags/new`)).status, 403, 'nor a tag');
    t.equal((await change({ options: { immutable: false } })).status, 200);
    t.equal((await change({ description: 'x' })).status, 200);
  }
});

t.test('a token of a domain lists what is in the domain', async (t) => {
  const domain = await make('domain', { name: 'inside' });
  const user = await make('user', { name: 'chief', domain_id: domain.id, password: 'pw' });
  const group = await make('group', { name: 'everyone', domain_id: domain.id });
  const mixed = await make('group', { name: 'mixed' });
  const project = await make('project', { name: 'one', domain_id: domain.id });
  await admin.call('PUT', `/v3/domains/${domain.id}/users/${user.id}/roles/${await roleId('admin')}`);
  await admin.call('PUT', `/v3/groups/${mixed.id}/users/${bed.ids.adminId}`);
  await admin.call('PUT', `/v3/groups/${mixed.id}/users/${user.id}`);
  const { client } = await bed.login({ id: user.id, password: 'pw' }, { domain: { id: domain.id } });
  const ids = async (path: string, name: string) =>
    (await client.call('GET', path)).body[name].map((one: { id: string }) => one.id);
  t.same(await ids('/v3/users', 'users'), [user.id]);
  t.same(await ids('/v3/users?domain_id=default', 'users'), []);
  t.same(await ids('/v3/groups', 'groups'), [group.id]);
  t.same(await ids('/v3/projects', 'projects'), [project.id]);
  t.same(await ids(`/v3/groups/${mixed.id}/users`, 'users'), [user.id]);
  t.same(await ids(`/v3/users/${user.id}/groups`, 'groups'), []);
});

t.test('a domain under the name of a project', async (t) => {
  const domain = await make('domain', { name: 'managed' });
  const user = await make('user', { name: 'manager', domain_id: domain.id, password: 'pw' });
  await admin.call('PUT', `/v3/domains/${domain.id}/users/${user.id}/roles/${await roleId('manager')}`);
  const { client } = await bed.login({ id: user.id, password: 'pw' }, { domain: { id: domain.id } });
  const path = `/v3/projects/${domain.id}`;
  t.equal((await client.call('PATCH', path, { project: { enabled: false } })).status, 403, 'its manager cannot end it');
  t.equal((await client.call('POST', '/v3/projects', { project: { name: 'inside' } })).status, 201);
  t.equal((await admin.call('PATCH', path, { project: { description: 'x' } })).status, 200);
  const { id } = (await client.call('GET', '/v3/projects')).body.projects[0];
  t.equal((await client.call('PATCH', `/v3/projects/${id}`, { project: { enabled: false } })).status, 200);
  await refuses(t, [
    ['PATCH', `/v3/projects/${id}`, { project: { parent_id: 'x' } }, 403, /Update of `parent_id`/],
    ['PATCH', `/v3/projects/${id}`, { project: { domain_id: 'x' } }, 400, /^Cannot change Domain ID$/],
    ['POST', '/v3/projects', { project: { name: 'y', parent_id: id } }, 400, /branch containing a disabled project/],
  ]);
});

t.test('the tree around a project: ids of all, more only of what the caller has a role in', async (t) => {
  const member = await roleId('member');
  const user = await make('user', { name: 'leaf', password: 'pw' });
  const top = await make('project', { name: 'top' });
  const middle = await make('project', { name: 'middle', parent_id: top.id });
  const leaf = await make('project', { name: 'leaf', parent_id: middle.id });
  await admin.call('PUT', `/v3/projects/${middle.id}/users/${user.id}/roles/${member}`);
  const { client } = await bed.login({ id: user.id, password: 'pw' }, { project: { id: middle.id } });
  const get = async (query: string) => (await client.call('GET', `/v3/projects/${middle.id}?${query}`)).body.project;
  t.same((await get('parents_as_ids')).parents, { [top.id]: { default: null } }, 'with the domain');
  t.same((await get('subtree_as_ids')).subtree, { [leaf.id]: null });
  t.same((await get('parents_as_list')).parents, []);
  t.same((await get('subtree_as_list')).subtree, [], 'names of others’ projects stay theirs');
  t.notOk('parents' in (await get('parents_as_list=0')));
  await admin.call('PUT', `/v3/projects/${leaf.id}/users/${user.id}/roles/${member}`);
  t.match((await get('subtree_as_list')).subtree, [{ project: { id: leaf.id } }]);
});

t.test('what takes effect: where it was inherited from, and no role of a domain by itself', async (t) => {
  const reader = await roleId('reader');
  const domain = await make('domain', { name: 'heirs' });
  const own = await make('role', { name: 'heir', domain_id: domain.id });
  const project = await make('project', { name: 'heirloom', domain_id: domain.id });
  const user = await make('user', { name: 'heir', domain_id: domain.id });
  await admin.call('PUT', `/v3/roles/${own.id}/implies/${reader}`);
  await admin.call('PUT', `/v3/projects/${project.id}/users/${user.id}/roles/${own.id}`);
  const place = `/v3/OS-INHERIT/domains/${domain.id}/users/${user.id}/roles/${reader}/inherited_to_projects`;
  await admin.call('PUT', place);
  const { role_assignments } = (await admin.call('GET', `/v3/role_assignments?user.id=${user.id}&effective`)).body;
  const scopes = role_assignments.map(({ role, scope }: Record<string, unknown>) => ({ role, scope }));
  const at = { project: { id: project.id } };
  const found = scopes.sort((a: unknown, b: unknown) => JSON.stringify(a).length - JSON.stringify(b).length);
  t.same(found, [
    { role: { id: reader }, scope: at },
    { role: { id: reader }, scope: { ...at, 'OS-INHERIT:inherited_to': 'projects' } },
  ]);
});

t.test('roles', async (t) => {
  const [adminRole, reader] = [await roleId('admin'), await roleId('reader')];
  const [a, b] = [await make('role', { name: 'a' }), await make('role', { name: 'b' })];
  const domain = await make('domain', { name: 'roles' });
  const own = await make('role', { name: 'own', domain_id: domain.id });
  const project = await make('project', { name: 'roles' });
  const implies = (prior: string, implied: string) => `/v3/roles/${prior}/implies/${implied}`;
  t.equal((await admin.call('PUT', implies(a.id, b.id))).status, 201);
  const place = `users/${bed.ids.adminId}/roles`;
  await refuses(t, [
    ['PUT', implies(a.id, b.id), undefined, 409, /implied_role - Duplicate entry/],
    ['PUT', implies(a.id, adminRole), undefined, 403, /cannot be an implied role/],
    ['GET', implies(a.id, reader), undefined, 404, new RegExp(`^${a.id} does not imply ${reader}\\.$`)],
    ['PUT', `/v3/system/${place}/${own.id}`, undefined, 400, /is a domain-specific role/],
    ['PUT', `/v3/projects/${project.id}/${place}/${own.id}`, undefined, 403, /must be in the same domain as the role/],
    ['GET', `/v3/projects/${project.id}/${place}/${a.id}`, undefined, 404, /^Could not find role assignment with role/],
  ]);
  t.same(Object.keys((await admin.call('GET', '/v3/role_inferences')).body), ['role_inferences']);
});
