// Identity's resources over HTTP: projects and tags, lists, catalog, limits, credentials, application credentials, signatures.
import { spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import t, { type Test } from 'tap';
import { type Client, startIdentityBed } from '../../../test/identity-bed.ts';
import { findPython, missingPython } from '../../../test/tools.ts';

const bed = await startIdentityBed();
t.teardown(() => bed.stop());
const { admin } = bed;

let count = 0;
const unique = (name: string): string => `${name}-${++count}`;

async function make(
  kind: string,
  body: Record<string, unknown> = {},
): Promise<{ id: string; name: string; [name: string]: unknown }> {
  const plural = kind.endsWith('y') ? `${kind.slice(0, -1)}ies` : `${kind}s`;
  const answer = await admin.call('POST', `/v3/${plural}`, { [kind]: { name: unique(kind), ...body } });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return answer.body[kind];
}

async function makeMember(roleName = 'member') {
  const role = (await admin.call('GET', `/v3/roles?name=${roleName}`)).body.roles[0].id;
  const project = await make('project');
  const user = await make('user', { password: 'pw' });
  await admin.call('PUT', `/v3/projects/${project.id}/users/${user.id}/roles/${role}`);
  const { client } = await bed.login({ id: user.id, password: 'pw' }, { project: { id: project.id } });
  return { user, project, role, client };
}

/** Status of each way to write it. */
async function crud(
  t: Test,
  client: Client,
  path: string,
  { one, change }: { one: Record<string, unknown>; change: Record<string, unknown> },
) {
  const [name = ''] = Object.keys(one);
  const made = await client.call('POST', path, one);
  t.equal(made.status, 201, `${path} create`);
  const { id } = made.body[name];
  t.match((await client.call('GET', `${path}/${id}`)).body[name], one[name] as object, 'show');
  t.equal((await client.call('HEAD', `${path}/${id}`)).status, 200);
  const changed = await client.call('PATCH', `${path}/${id}`, { [name]: change });
  t.match(changed.body[name], { ...(one[name] as object), ...change }, 'update keeps the rest');
  t.match(changed.body[name].links.self, `${path}/${id}`);
  const list = (await client.call('GET', path)).body[path.slice(4)];
  t.ok(
    list.some((item: { id: string }) => item.id === id),
    'list',
  );
  t.equal((await client.call('DELETE', `${path}/${id}`)).status, 204);
  t.equal((await client.call('GET', `${path}/${id}`)).status, 404);
  t.equal((await client.call('DELETE', `${path}/${id}`)).status, 404);
}

t.test('create, show, update, list, delete', async (t) => {
  const change = { description: 'two' };
  await crud(t, admin, '/v3/projects', { one: { project: { name: 'p', description: 'one', color: 'red' } }, change });
  await crud(t, admin, '/v3/users', {
    one: { user: { name: 'u', email: 'u@example.org' } },
    change: { email: 'v@example.org' },
  });
  await crud(t, admin, '/v3/groups', { one: { group: { name: 'g', description: 'one' } }, change });
  await crud(t, admin, '/v3/roles', { one: { role: { name: 'r' } }, change });
  await crud(t, admin, '/v3/regions', { one: { region: { id: 'North', description: 'one' } }, change });
  await crud(t, admin, '/v3/services', { one: { service: { type: 'compute', name: 'nova' } }, change });
  await crud(t, admin, '/v3/policies', {
    one: { policy: { blob: '{}', type: 'application/json' } },
    change: { blob: '[]' },
  });
  const { id } = await make('service', { type: 'volume' });
  const endpoint = { interface: 'public', service_id: id, url: 'http://h/v3/%(project_id)s', region_id: 'RegionOne' };
  await crud(t, admin, '/v3/endpoints', { one: { endpoint }, change: { url: 'http://h/v4' } });
});

t.test('what a body may not say', async (t) => {
  const refusals: readonly [string, string, unknown, number][] = [
    ['POST', '/v3/projects', { project: {} }, 400],
    ['POST', '/v3/projects', { project: { name: '' } }, 400],
    ['POST', '/v3/projects', { project: { name: 'x'.repeat(65) } }, 400],
    ['POST', '/v3/projects', { project: { name: 'x', parent_id: 'nowhere' } }, 400],
    ['POST', '/v3/projects', { project: { name: 'admin' } }, 409],
    ['POST', '/v3/users', { user: { name: 'admin' } }, 409],
    ['POST', '/v3/users', { user: { name: 'x', domain_id: 'nowhere' } }, 404],
    ['POST', '/v3/users', { user: { name: 'x', enabled: 'yes' } }, 400],
    ['POST', '/v3/users', { user: { name: 'x', default_project_id: 'default' } }, 400],
    ['POST', '/v3/endpoints', { endpoint: { interface: 'odd', service_id: 'x', url: 'http://x' } }, 400],
    ['POST', '/v3/endpoints', { endpoint: { interface: 'public', service_id: 'x', url: 'http://x' } }, 400],
    ['POST', '/v3/regions', { region: { id: 'RegionOne' } }, 409],
    ['DELETE', '/v3/regions/RegionOne', undefined, 403],
    ['POST', '/v3/auth/tokens', { auth: {} }, 400],
    ['POST', '/v3/auth/tokens', { auth: { identity: { methods: ['password'] } } }, 400],
    ['POST', '/v3/auth/tokens', { auth: { identity: { methods: ['totp'] } } }, 400],
    ['POST', '/v3/auth/tokens', { auth: { identity: { methods: ['totp'], totp: {} } } }, 401],
    ['PUT', '/v3/users', {}, 405],
  ];
  for (const [method, path, body, status] of refusals) {
    const answer = await admin.call(method, path, body);
    t.match(answer, { status, body: { error: { code: status } } }, `${method} ${path} ${JSON.stringify(body)}`);
  }
});

t.test('the tree of projects', async (t) => {
  let parent_id: string | undefined;
  const chain: string[] = [];
  for (let depth = 0; depth < 5; depth++) {
    const { id } = await make('project', parent_id === undefined ? {} : { parent_id });
    chain.push(id);
    parent_id = id;
  }
  t.equal((await admin.call('POST', '/v3/projects', { project: { name: 'too-deep', parent_id } })).status, 403);
  const [top = '', second = ''] = chain;
  const shown = (await admin.call('GET', `/v3/projects/${parent_id}?parents_as_ids`)).body.project;
  t.same(Object.keys(shown.parents), [chain[3]]);
  t.same(
    (await admin.call('GET', `/v3/projects/${top}?subtree_as_list`)).body.project.subtree,
    [],
    'none is the caller’s',
  );
  t.equal((await admin.call('DELETE', `/v3/projects/${top}`)).status, 403, 'not a leaf');
  t.equal(
    (await admin.call('PATCH', `/v3/projects/${top}`, { project: { enabled: false } })).status,
    403,
    'enabled ones below',
  );
  t.equal((await admin.call('PATCH', `/v3/projects/${second}`, { project: { domain_id: 'other' } })).status, 400);
  const kept = await make('project', { options: { immutable: true } });
  t.equal((await admin.call('DELETE', `/v3/projects/${kept.id}`)).status, 403);
  t.equal((await admin.call('PATCH', `/v3/projects/${kept.id}`, { project: { name: 'x' } })).status, 403);
  t.equal(
    (await admin.call('PATCH', `/v3/projects/${kept.id}`, { project: { options: { immutable: false } } })).status,
    200,
  );
  t.equal((await admin.call('DELETE', `/v3/projects/${kept.id}`)).status, 204);
});

t.test('tags', async (t) => {
  const { id } = await make('project', { tags: ['blue'] });
  const path = `/v3/projects/${id}/tags`;
  t.equal((await admin.call('PUT', `${path}/red`)).status, 201);
  t.same((await admin.call('GET', path)).body.tags, ['blue', 'red']);
  t.equal((await admin.call('HEAD', `${path}/red`)).status, 204);
  t.equal((await admin.call('GET', `${path}/green`)).status, 404);
  const ids = async (query: string) =>
    (await admin.call('GET', `/v3/projects?${query}`)).body.projects.map((one: { id: string }) => one.id);
  t.same(await ids('tags=blue,red'), [id]);
  t.same(await ids('tags=blue,green'), []);
  t.same(await ids('tags-any=green,red'), [id]);
  t.notOk((await ids('not-tags=blue,red')).includes(id));
  t.equal((await admin.call('DELETE', `${path}/red`)).status, 204);
  t.same((await admin.call('PUT', path, { tags: ['a', 'b'] })).body.tags, ['a', 'b']);
  t.equal((await admin.call('PUT', path, { tags: ['a/b'] })).status, 400);
  t.equal((await admin.call('DELETE', path)).status, 204);
});

t.test('lists: filters, limit, marker', async (t) => {
  const domain = await make('domain');
  for (const name of ['anna', 'anton', 'berta'])
    await make('user', { name, domain_id: domain.id, enabled: name !== 'berta' });
  const names = async (query: string) =>
    (await admin.call('GET', `/v3/users?domain_id=${domain.id}&${query}`)).body.users
      .map((one: { name: string }) => one.name)
      .sort();
  t.same(await names(''), ['anna', 'anton', 'berta']);
  t.same(await names('name=anna'), ['anna']);
  t.same(await names('name__startswith=an'), ['anna', 'anton']);
  t.same(await names('name__icontains=ERT'), ['berta']);
  t.same(await names('enabled=false'), ['berta']);
  const first = (await admin.call('GET', `/v3/users?domain_id=${domain.id}&limit=2`)).body;
  t.equal(first.users.length, 2);
  const second = await admin.call('GET', first.links.next.slice(bed.url.length));
  t.equal(second.body.users.length, 1);
  t.equal(second.body.links.next, null);
  t.equal((await admin.call('GET', '/v3/users?marker=nowhere')).status, 400);
  t.equal((await admin.call('GET', '/v3/users?limit=x')).status, 400);
});

t.test('application credentials', async (t) => {
  const { client, user, project, role } = await makeMember();
  const path = `/v3/users/${user.id}/application_credentials`;
  const login = async (secret: string, named: Record<string, unknown>) => {
    const auth = { identity: { methods: ['application_credential'], application_credential: { ...named, secret } } };
    const answer = await bed.client().call('POST', '/v3/auth/tokens', { auth });
    return { answer, client: bed.client(answer.headers.get('x-subject-token') ?? undefined) };
  };
  const made = await client.call('POST', path, { application_credential: { name: 'robot' } });
  t.equal(made.status, 201);
  const { id, secret } = made.body.application_credential;
  t.match((await client.call('GET', `${path}/${id}`)).body.application_credential, {
    name: 'robot',
    secret: undefined,
    unrestricted: false,
  });
  const robot = await login(secret, { id });
  t.match(robot.answer.body.token, {
    methods: ['application_credential'],
    project: { id: project.id },
    application_credential: { id, name: 'robot', restricted: true },
  });
  t.equal(
    (await login(secret, { name: 'robot', user: { name: user.name, domain: { id: 'default' } } })).answer.status,
    201,
  );
  t.equal((await login('wrong', { id })).answer.status, 401);
  t.equal((await client.call('POST', path, { application_credential: { name: 'robot' } })).status, 409);
  t.equal((await robot.client.call('POST', path, { application_credential: { name: 'x' } })).status, 403, 'restricted');
  t.equal(
    (await robot.client.call('POST', `/v3/users/${user.id}/credentials/OS-EC2`, { tenant_id: project.id })).status,
    403,
  );
  const exchange = { auth: { identity: { methods: ['token'], token: { id: robot.client.token } }, scope: 'unscoped' } };
  t.equal((await bed.client().call('POST', '/v3/auth/tokens', exchange)).status, 403, 'not exchanged');
  const more = { name: 'more', roles: [{ name: 'admin' }] };
  t.equal((await client.call('POST', path, { application_credential: more })).status, 400, 'no role one does not have');
  t.equal((await admin.call('POST', path, { application_credential: { name: 'x' } })).status, 403, 'of oneself only');

  const rules = [{ service: 'identity', method: 'GET', path: `/v3/users/${user.id}` }];
  const chosen = { name: 'narrow', secret: 'chosen-secret', access_rules: rules };
  const narrow = await client.call('POST', path, { application_credential: chosen });
  t.match(narrow.body.application_credential, { secret: 'chosen-secret', access_rules: rules });
  const narrowed = await login('chosen-secret', { id: narrow.body.application_credential.id });
  t.equal((await narrowed.client.call('GET', `/v3/users/${user.id}`)).status, 200);
  t.equal((await narrowed.client.call('GET', '/v3/auth/projects')).status, 403, 'no rule for it');
  const subject = { 'x-subject-token': narrowed.client.token as string };
  t.equal((await admin.call('GET', '/v3/auth/tokens', undefined, subject)).status, 404, 'who asks does not know rules');
  const knows = { ...subject, 'openstack-identity-access-rules': '1.0' };
  t.match((await admin.call('GET', '/v3/auth/tokens', undefined, knows)).body.token.application_credential, {
    access_rules: rules,
  });
  const [rule] = (await client.call('GET', `/v3/users/${user.id}/access_rules`)).body.access_rules;
  t.equal((await client.call('DELETE', `/v3/users/${user.id}/access_rules/${rule.id}`)).status, 403, 'in use');
  t.equal((await client.call('DELETE', `${path}/${narrow.body.application_credential.id}`)).status, 204);
  t.equal((await client.call('DELETE', `/v3/users/${user.id}/access_rules/${rule.id}`)).status, 204);

  t.equal((await robot.client.call('GET', `/v3/users/${user.id}`)).status, 200);
  await admin.call('DELETE', `/v3/projects/${project.id}/users/${user.id}/roles/${role}`);
  t.equal((await robot.client.call('GET', `/v3/users/${user.id}`)).status, 401);
  t.equal((await login(secret, { id })).answer.status, 401, 'gone with the role it came from');
});

t.test('credentials and their owners', async (t) => {
  const { client, user, project } = await makeMember();
  const { client: stranger } = await makeMember();
  const body = { credential: { type: 'totp', blob: 'seed', user_id: user.id } };
  const made = await client.call('POST', '/v3/credentials', body);
  t.match(made, { status: 201, body: { credential: { type: 'totp', blob: 'seed', user_id: user.id } } });
  const path = `/v3/credentials/${made.body.credential.id}`;
  t.equal((await stranger.call('GET', path)).status, 403);
  t.equal((await stranger.call('POST', '/v3/credentials', body)).status, 403);
  t.same((await stranger.call('GET', '/v3/credentials')).body.credentials, []);
  t.match((await client.call('PATCH', path, { credential: { blob: 'other' } })).body.credential, { blob: 'other' });
  t.equal(
    (await client.call('PATCH', path, { credential: { user_id: bed.ids.adminId } })).status,
    400,
    'not to somebody else',
  );
  t.equal(
    (await client.call('POST', '/v3/credentials', { credential: { type: 'ec2', blob: '{}', project_id: project.id } }))
      .status,
    400,
  );
  t.equal((await client.call('DELETE', path)).status, 204);
});

t.test('signed requests', async (t) => {
  const { client, user, project } = await makeMember();
  const { credential } = (
    await client.call('POST', `/v3/users/${user.id}/credentials/OS-EC2`, { tenant_id: project.id })
  ).body;
  const { access, secret } = credential;
  const { client: service } = await makeMember('service');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

  const old = Buffer.from('GET\n\n\nThu, 17 Nov 2005 18:49:58 GMT\n/bucket/key');
  const aws2 = {
    access,
    token: old.toString('base64'),
    signature: createHmac('sha1', secret).update(old).digest('base64'),
  };
  const answer = await service.call('POST', '/v3/s3tokens', { credentials: aws2 });
  t.match(answer, {
    status: 200,
    body: { token: { methods: ['ec2credential'], user: { id: user.id }, project: { id: project.id } } },
  });
  t.equal((await service.call('POST', '/v3/s3tokens', { credentials: { ...aws2, signature: 'x' } })).status, 401);
  t.equal((await client.call('POST', '/v3/s3tokens', { credentials: aws2 })).status, 403, 'for services alone');

  const scope = '20240101/RegionOne/s3/aws4_request';
  const text = ['AWS4-HMAC-SHA256', '20240101T000000Z', scope, 'ab'.repeat(32)].join('\n');
  const key = scope.split('/').reduce<string | Buffer>((last, part) => hmac(last, part), `AWS4${secret}`);
  const aws4 = { access, token: Buffer.from(text).toString('base64'), signature: hmac(key, text).toString('hex') };
  t.equal((await service.call('POST', '/v3/s3tokens', { credentials: aws4 })).status, 200);
  t.equal((await service.call('POST', '/v3/s3tokens', { credentials: { ...aws4, access: 'unknown' } })).status, 401);
  await admin.call('PATCH', `/v3/users/${user.id}`, { user: { enabled: false } });
  t.equal((await service.call('POST', '/v3/s3tokens', { credentials: aws4 })).status, 401, 'the user is disabled');
});

t.test('EC2 signatures as Keystone makes them', { skip: missingPython('keystoneclient') }, async (t) => {
  const { client, user, project } = await makeMember();
  const { credential } = (
    await client.call('POST', `/v3/users/${user.id}/credentials/OS-EC2`, { tenant_id: project.id })
  ).body;
  const { client: service } = await makeMember('service');
  const stamp = `${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
  const scope = `${stamp.slice(0, 8)}/us-east-1/ec2/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential.access}/${scope},SignedHeaders=host;x-amz-date,Signature=none`;
  const base = { access: credential.access, verb: 'GET', host: 'cloud:8773', path: '/services/Cloud' };
  const requests = [
    {
      ...base,
      headers: {},
      params: {
        SignatureVersion: '2',
        Action: 'Describe*~(x)',
        Timestamp: `${new Date().toISOString().slice(0, 19)}Z`,
      },
    },
    {
      ...base,
      headers: { Host: 'cloud:8773', 'X-Amz-Date': stamp, Authorization: authorization },
      params: { a: 'b c' },
      body_hash: 'ab'.repeat(32),
    },
  ];
  const script = [
    'import json, sys, copy',
    'from keystoneclient.contrib.ec2 import utils',
    'job = json.load(sys.stdin)',
    "print(json.dumps([utils.Ec2Signer(job['secret']).generate(copy.deepcopy(r)) for r in job['requests']]))",
  ].join('\n');
  const input = JSON.stringify({ secret: credential.secret, requests });
  const run = spawnSync(findPython('keystoneclient') as string, ['-c', script], {
    input,
    encoding: 'utf8',
    timeout: 30_000,
  });
  for (const [index, signature] of (JSON.parse(run.stdout) as string[]).entries()) {
    const given = { ...requests[index], signature };
    const answer = await service.call('POST', '/v3/ec2tokens', { credentials: given });
    t.equal(answer.status, 200, `form ${index}`);
    const signer = bed.client(answer.headers.get('x-subject-token') ?? '');
    t.equal((await signer.call('GET', `/v3/users/${user.id}`)).status, 200);
    for (const part of ['application_credentials', 'access_rules', 'credentials/OS-EC2'])
      t.equal((await signer.call('GET', `/v3/users/${user.id}/${part}`)).status, 403, `${part} by a key`);
    t.equal((await service.call('POST', '/v3/ec2tokens', { credentials: { ...given, path: '/other' } })).status, 401);
  }
});

t.test('limits', async (t) => {
  const { client, project } = await makeMember();
  const { id: service_id } = await make('service', { type: 'image' });
  const place = { service_id, resource_name: 'images', region_id: 'RegionOne' };
  const early = await admin.call('POST', '/v3/limits', {
    limits: [{ ...place, project_id: project.id, resource_limit: 5 }],
  });
  t.equal(early.status, 403, 'nothing registered');
  const registered = await admin.call('POST', '/v3/registered_limits', {
    registered_limits: [{ ...place, default_limit: 10 }],
  });
  t.match(registered, { status: 201, body: { registered_limits: [{ default_limit: 10 }] } });
  t.equal(
    (await admin.call('POST', '/v3/registered_limits', { registered_limits: [{ ...place, default_limit: 10 }] }))
      .status,
    409,
  );
  const made = await admin.call('POST', '/v3/limits', {
    limits: [{ ...place, project_id: project.id, resource_limit: 5 }],
  });
  t.equal(made.status, 201);
  t.equal((await client.call('GET', '/v3/limits')).body.limits.length, 1, 'the own');
  const { client: stranger } = await makeMember();
  t.equal((await stranger.call('GET', '/v3/limits')).body.limits.length, 0);
  t.match((await client.call('GET', '/v3/limits/model')).body, { model: { name: 'flat' } });
  const { id } = registered.body.registered_limits[0];
  t.equal((await admin.call('DELETE', `/v3/registered_limits/${id}`)).status, 403, 'in use');
  const limit = `/v3/limits/${made.body.limits[0].id}`;
  t.match((await admin.call('PATCH', limit, { limit: { resource_limit: 7 } })).body.limit, { resource_limit: 7 });
  t.equal((await admin.call('DELETE', limit)).status, 204);
  t.equal((await admin.call('DELETE', `/v3/registered_limits/${id}`)).status, 204);
});

t.test('nothing failed behind the scenes', async (t) => {
  t.same(bed.errors, []);
});
