// Identity over HTTP on a real port: tokens and scopes, what a token shows, who may what, and what ends a token.
import t from 'tap';
import {
  ADMIN,
  ADMIN_PASSWORD,
  ADMIN_SCOPE,
  type Client,
  type IdentityBed,
  startIdentityBed,
} from '../../test/identity-bed.ts';

const bed: IdentityBed = await startIdentityBed({ lmdb: true });
t.teardown(() => bed.stop());
const { admin } = bed;

let count = 0;
const unique = (name: string): string => `${name}-${++count}`;

async function make(
  kind: string,
  body: Record<string, unknown> = {},
): Promise<{ id: string; name: string; [name: string]: unknown }> {
  const answer = await admin.call('POST', `/v3/${kind}s`, { [kind]: { name: unique(kind), ...body } });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return answer.body[kind];
}

async function roleId(name: string): Promise<string> {
  return (await admin.call('GET', `/v3/roles?name=${name}`)).body.roles[0].id;
}

/** A user who is a member of a new project, logged in there. */
async function makeMember(): Promise<{
  user: { id: string; name: string };
  project: { id: string; name: string };
  client: Client;
}> {
  const project = await make('project');
  const user = await make('user', { password: 'pw' });
  await admin.call('PUT', `/v3/projects/${project.id}/users/${user.id}/roles/${await roleId('member')}`);
  const { client } = await bed.login({ id: user.id, password: 'pw' }, { project: { id: project.id } });
  return { user, project, client };
}

async function validates(token: string | undefined): Promise<number> {
  return (await admin.call('GET', '/v3/auth/tokens', undefined, { 'x-subject-token': token ?? '' })).status;
}

t.test('discovery', async (t) => {
  const root = await bed.client().call('GET', '/');
  t.equal(root.status, 300);
  t.match(root.body.versions.values, [
    { id: 'v3.14', status: 'stable', links: [{ rel: 'self', href: `${bed.url}/v3/` }] },
  ]);
  t.match((await bed.client().call('GET', '/v3')).body, { version: { id: 'v3.14' } });
  t.match(await bed.client().call('GET', '/v3/users'), {
    status: 401,
    body: { error: { code: 401, title: 'Unauthorized' } },
  });
  t.match(await bed.client().call('GET', '/v3/nothing'), { status: 404, body: { error: { code: 404 } } });
});

t.test('a token shows who, where, what and the catalog', async (t) => {
  const { answer } = await bed.login(ADMIN, ADMIN_SCOPE);
  t.equal(answer.status, 201);
  const { token } = answer.body;
  t.match(token, {
    methods: ['password'],
    user: { name: 'admin', domain: { id: 'default', name: 'Default' }, password_expires_at: null },
    project: { id: bed.ids.projectId, name: 'admin', domain: { id: 'default', name: 'Default' } },
    is_domain: false,
    expires_at: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/,
  });
  t.same(token.roles.map(({ name }: { name: string }) => name).sort(), ['admin', 'manager', 'member', 'reader']);
  const store = token.catalog.find(({ type }: { type: string }) => type === 'object-store');
  t.equal(store.endpoints.length, 6, 'three interfaces in two regions');
  const isOne = (one: { region_id: string; interface: string }) =>
    one.region_id === 'RegionOne' && one.interface === 'public';
  t.match(store.endpoints.find(isOne), { url: `http://swift/v1/AUTH_${bed.ids.projectId}` });
  t.equal(token.audit_ids.length, 1);
});

t.test('scopes', async (t) => {
  const { answer: unscoped } = await bed.login(ADMIN, 'unscoped');
  t.equal(unscoped.body.token.project, undefined);
  t.equal(unscoped.body.token.catalog, undefined);
  t.match((await bed.login(ADMIN)).answer.body.token.project, { name: 'admin' }, 'the default project');
  t.match((await bed.login(ADMIN, { domain: { name: 'Default' } })).answer.body.token, { domain: { id: 'default' } });
  t.match((await bed.login(ADMIN, { system: { all: true } })).answer.body.token, { system: { all: true } });
  t.equal((await bed.login(ADMIN, { project: { id: 'nowhere' } })).answer.status, 401);
  const other = await make('project');
  t.equal((await bed.login(ADMIN, { project: { id: other.id } })).answer.status, 401, 'no role there');
  const refused = await bed.login({ ...ADMIN, password: 'wrong' });
  const unknown = await bed.login({ ...ADMIN, name: 'nobody' });
  t.equal(refused.answer.status, 401);
  t.same(refused.answer.body, unknown.answer.body, 'a wrong password and an unknown user look the same');
});

t.test('a token from a token keeps its end and its chain', async (t) => {
  const first = await bed.login(ADMIN, 'unscoped');
  const auth = { identity: { methods: ['token'], token: { id: first.client.token } }, scope: ADMIN_SCOPE };
  const second = await bed.client().call('POST', '/v3/auth/tokens', { auth });
  t.equal(second.status, 201);
  t.equal(second.body.token.expires_at, first.answer.body.token.expires_at);
  t.equal(second.body.token.audit_ids[1], first.answer.body.token.audit_ids[0]);
  t.same(second.body.token.methods, ['password', 'token']);
});

t.test('validate, check and revoke', async (t) => {
  const { client: mine, user } = await makeMember();
  const subject = { 'x-subject-token': mine.token as string };
  const own = await mine.call('GET', '/v3/auth/tokens', undefined, subject);
  t.match(own, { status: 200, body: { token: { user: { id: user.id } } } });
  t.equal(own.headers.get('x-subject-token'), mine.token);
  t.equal((await admin.call('HEAD', '/v3/auth/tokens', undefined, subject)).status, 200);
  const { client: stranger } = await makeMember();
  t.equal((await stranger.call('GET', '/v3/auth/tokens', undefined, subject)).status, 403);
  t.equal((await stranger.call('DELETE', '/v3/auth/tokens', undefined, subject)).status, 403);
  t.equal((await mine.call('DELETE', '/v3/auth/tokens', undefined, subject)).status, 204);
  t.equal(await validates(mine.token), 404);
  t.equal((await mine.call('GET', '/v3/auth/projects')).status, 401);
  t.equal(await validates('nonsense'), 404);
  t.equal((await admin.call('GET', '/v3/auth/tokens')).status, 404, 'no subject');
});

t.test('what ends a token', async (t) => {
  type Member = Awaited<ReturnType<typeof makeMember>>;
  const member = await roleId('member');
  const ends: readonly [string, (one: Member) => Promise<unknown>][] = [
    ['the user is disabled', ({ user }) => admin.call('PATCH', `/v3/users/${user.id}`, { user: { enabled: false } })],
    ['the user is deleted', ({ user }) => admin.call('DELETE', `/v3/users/${user.id}`)],
    ['a new password', ({ user }) => admin.call('PATCH', `/v3/users/${user.id}`, { user: { password: 'other' } })],
    [
      'the project is disabled',
      ({ project }) => admin.call('PATCH', `/v3/projects/${project.id}`, { project: { enabled: false } }),
    ],
    ['the project is deleted', ({ project }) => admin.call('DELETE', `/v3/projects/${project.id}`)],
    [
      'the role is taken',
      ({ project, user }) => admin.call('DELETE', `/v3/projects/${project.id}/users/${user.id}/roles/${member}`),
    ],
  ];
  for (const [why, end] of ends) {
    const one = await makeMember();
    t.equal(await validates(one.client.token), 200, `before: ${why}`);
    t.match(await end(one), { status: /20[04]/ }, why);
    t.equal(await validates(one.client.token), 404, why);
  }
});

t.test('enabling a user again brings back no token, and a new one works at once', async (t) => {
  const { user, client } = await makeMember();
  await admin.call('PATCH', `/v3/users/${user.id}`, { user: { enabled: false } });
  t.equal((await bed.login({ id: user.id, password: 'pw' })).answer.status, 401);
  await admin.call('PATCH', `/v3/users/${user.id}`, { user: { enabled: true } });
  t.equal(await validates(client.token), 404);
  const again = await bed.login({ id: user.id, password: 'pw' });
  t.equal(await validates(again.client.token), 200, 'even within the same second');
});

t.test('a domain takes everything in it along', async (t) => {
  const domain = await make('domain');
  const project = await make('project', { domain_id: domain.id });
  const user = await make('user', { domain_id: domain.id, password: 'pw' });
  const group = await make('group', { domain_id: domain.id });
  await admin.call('PUT', `/v3/projects/${project.id}/users/${user.id}/roles/${await roleId('admin')}`);
  const { client } = await bed.login({ id: user.id, password: 'pw' }, { project: { id: project.id } });
  t.equal((await admin.call('DELETE', `/v3/domains/${domain.id}`)).status, 403, 'it is enabled');
  t.equal((await admin.call('PATCH', `/v3/domains/${domain.id}`, { domain: { enabled: false } })).status, 200);
  t.equal(await validates(client.token), 404);
  t.equal((await bed.login({ id: user.id, password: 'pw' })).answer.status, 401);
  t.equal((await admin.call('DELETE', `/v3/domains/${domain.id}`)).status, 204);
  for (const path of [`projects/${project.id}`, `users/${user.id}`, `groups/${group.id}`, `domains/${domain.id}`])
    t.equal((await admin.call('GET', `/v3/${path}`)).status, 404, path);
  t.equal((await admin.call('POST', '/v3/domains', { domain: { name: domain.name } })).status, 201, 'its name is free');
});

t.test('groups and inheritance give roles', async (t) => {
  const parent = await make('project');
  const child = await make('project', { parent_id: parent.id });
  const group = await make('group');
  const user = await make('user', { password: 'pw' });
  const reader = await roleId('reader');
  const scope = { project: { id: child.id } };
  const tries = async () => (await bed.login({ id: user.id, password: 'pw' }, scope)).answer;
  t.equal((await tries()).status, 401);
  const path = `/v3/OS-INHERIT/projects/${parent.id}/groups/${group.id}/roles/${reader}/inherited_to_projects`;
  t.equal((await admin.call('PUT', path)).status, 204);
  t.equal((await tries()).status, 401, 'not in the group yet');
  await admin.call('PUT', `/v3/groups/${group.id}/users/${user.id}`);
  t.match((await tries()).body.token.roles, [{ name: 'reader' }]);
  const onParent = await bed.login({ id: user.id, password: 'pw' }, { project: { id: parent.id } });
  t.equal(onParent.answer.status, 401, 'inherited to what lies below only');
  const effective = await admin.call('GET', `/v3/role_assignments?effective&include_names&user.id=${user.id}`);
  t.match(effective.body.role_assignments, [
    {
      role: { name: 'reader' },
      user: { id: user.id, name: user.name },
      scope: { project: { id: child.id } },
      links: { membership: String },
    },
  ]);
  t.equal(effective.body.role_assignments.length, 1);
  const granted = await admin.call('GET', `/v3/role_assignments?group.id=${group.id}`);
  t.match(granted.body.role_assignments, [{ scope: { 'OS-INHERIT:inherited_to': 'projects' } }]);
  const { client } = await bed.login({ id: user.id, password: 'pw' }, scope);
  t.match((await client.call('GET', '/v3/auth/projects')).body.projects, [{ id: child.id }]);
  await admin.call('DELETE', `/v3/groups/${group.id}/users/${user.id}`);
  t.equal(await validates(client.token), 404, 'out of the group, out of the project');
});

t.test('implied roles', async (t) => {
  const [boss, helper] = [await make('role'), await make('role')];
  t.equal((await admin.call('PUT', `/v3/roles/${boss.id}/implies/${helper.id}`)).status, 201);
  t.equal((await admin.call('PUT', `/v3/roles/${helper.id}/implies/${boss.id}`)).status, 400, 'no circle');
  const project = await make('project');
  const user = await make('user', { password: 'pw' });
  await admin.call('PUT', `/v3/projects/${project.id}/users/${user.id}/roles/${boss.id}`);
  const { answer } = await bed.login({ id: user.id, password: 'pw' }, { project: { id: project.id } });
  t.same(answer.body.token.roles.map(({ id }: { id: string }) => id).sort(), [boss.id, helper.id].sort());
  t.match((await admin.call('GET', '/v3/role_inferences')).body.role_inferences, Array);
  t.equal((await admin.call('DELETE', `/v3/roles/${boss.id}`)).status, 204);
  t.equal((await bed.login({ id: user.id, password: 'pw' }, { project: { id: project.id } })).answer.status, 401);
  t.equal((await admin.call('DELETE', `/v3/roles/${await roleId('admin')}`)).status, 403, 'immutable');
});

t.test('who may what', async (t) => {
  const { client: member, user, project } = await makeMember();
  for (const path of [
    '/v3/users',
    '/v3/projects',
    '/v3/domains',
    '/v3/roles',
    '/v3/services',
    '/v3/endpoints',
    '/v3/role_assignments',
  ])
    t.equal((await member.call('GET', path)).status, 403, path);
  t.equal((await member.call('GET', `/v3/users/${user.id}`)).status, 200, 'oneself');
  t.equal((await member.call('GET', `/v3/projects/${project.id}`)).status, 200, 'the own project');
  t.equal((await member.call('GET', `/v3/users/${bed.ids.adminId}`)).status, 403);
  t.equal((await member.call('GET', '/v3/regions')).status, 200);
  t.equal((await member.call('POST', '/v3/users', { user: { name: 'x' } })).status, 403);
  t.equal((await member.call('PATCH', `/v3/users/${user.id}`, { user: { enabled: true } })).status, 403);
  const admins = await roleId('admin');
  t.equal((await member.call('PUT', `/v3/projects/${project.id}/users/${user.id}/roles/${admins}`)).status, 403);
  t.equal((await member.call('GET', `/v3/users/${bed.ids.adminId}/application_credentials`)).status, 403);
  t.equal(
    (await member.call('POST', `/v3/users/${bed.ids.adminId}/credentials/OS-EC2`, { tenant_id: project.id })).status,
    403,
  );
  const reader = await make('user', { password: 'pw' });
  await admin.call('PUT', `/v3/system/users/${reader.id}/roles/${await roleId('reader')}`);
  const { client: auditor } = await bed.login({ id: reader.id, password: 'pw' }, { system: { all: true } });
  t.equal((await auditor.call('GET', '/v3/users')).status, 200, 'a reader of the system');
  t.equal((await auditor.call('POST', '/v3/users', { user: { name: 'x' } })).status, 403);
});

t.test('a manager manages a domain, and no more', async (t) => {
  const domain = await make('domain');
  const user = await make('user', { domain_id: domain.id, password: 'pw' });
  const manager = await roleId('manager');
  await admin.call('PUT', `/v3/domains/${domain.id}/users/${user.id}/roles/${manager}`);
  const { client } = await bed.login({ id: user.id, password: 'pw' }, { domain: { id: domain.id } });
  const made = await client.call('POST', '/v3/users', { user: { name: 'helper', domain_id: domain.id } });
  t.equal(made.status, 201);
  const project = await client.call('POST', '/v3/projects', { project: { name: 'ours' } });
  t.match(project, { status: 201, body: { project: { domain_id: domain.id } } });
  t.equal((await client.call('POST', '/v3/users', { user: { name: 'spy', domain_id: 'default' } })).status, 403);
  const base = `/v3/projects/${project.body.project.id}/users/${made.body.user.id}/roles`;
  t.equal((await client.call('PUT', `${base}/${await roleId('member')}`)).status, 204);
  t.equal(
    (await client.call('PUT', `${base}/${await roleId('admin')}`)).status,
    403,
    'admin is not for a manager to give',
  );
  t.equal(
    (await client.call('PUT', `/v3/domains/${domain.id}/users/${user.id}/roles/${await roleId('service')}`)).status,
    403,
  );
  t.match(
    (await client.call('GET', '/v3/users')).body.users.map(({ domain_id }: { domain_id: string }) => domain_id),
    [domain.id, domain.id],
  );
  t.equal((await client.call('GET', '/v3/users?domain_id=default')).status, 403);
});

t.test('mounted below a path', async (t) => {
  const mounted = await startIdentityBed({ prefix: '/identity' });
  t.teardown(() => mounted.stop());
  t.match((await mounted.client().call('GET', '/')).body.versions.values[0].links, [{ href: `${mounted.url}/v3/` }]);
  const page = await mounted.admin.call('GET', '/v3/roles?limit=2');
  t.equal(page.body.links.self, `${mounted.url}/v3/roles?limit=2`);
  t.match(page.body.roles[0].links.self, `${mounted.url}/v3/roles/`);
  const next = await mounted.admin.call('GET', page.body.links.next.slice(mounted.url.length));
  t.equal(next.body.roles.length, 2);
  t.equal((await fetch(`${mounted.url.replace('/identity', '')}/v3`)).status, 404, 'and nowhere else');
});

t.test('nothing failed behind the scenes', async (t) => {
  t.same(bed.errors, []);
  t.equal(ADMIN_PASSWORD.length > 0, true);
});
