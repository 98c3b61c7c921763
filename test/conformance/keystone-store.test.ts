/** Identity's tokens and EC2 credentials at the object store of a whole cluster: whose account it is, who else may, until when. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import t from 'tap';
import type { KeystoneCredentials } from '../../cli/cluster/credentials.ts';
import { systemClock } from '../../fabric/clock.ts';
import { findTool, missing } from '../tools.ts';
import { type Both, openBoth } from './both-rig.ts';

t.setTimeout(150_000);
const ANSWER_MS = 20_000;
const FOLLOW_MS = 60_000;
const CLI_MS = 60_000;

// biome-ignore lint/suspicious/noExplicitAny: documents of tests are looked at, not typed
type Json = any;

function keystoneOf({ running }: Both): KeystoneCredentials {
  if (!running.credentials.keystone) throw new Error('the cluster has no identity of its own');
  return running.credentials.keystone;
}

interface Reply {
  readonly status: number;
  readonly body: Json;
  readonly headers: Headers;
}

/** Identity and the store as one client sees them. */
class Cloud {
  readonly #both: Both;
  token = '';

  constructor(both: Both) {
    this.#both = both;
  }

  get authUrl(): string {
    return keystoneOf(this.#both).authUrl;
  }

  async identity(method: string, place: string, body?: object): Promise<Reply> {
    const json = { 'content-type': 'application/json' };
    return ask(`${this.authUrl}${place}`, method, {
      token: this.token,
      body: body && JSON.stringify(body),
      headers: json,
    });
  }

  async login(identity: object, scope?: object): Promise<string> {
    const auth = { identity, ...(scope && { scope }) };
    const { headers, status } = await this.identity('POST', '/auth/tokens', { auth });
    if (status !== 201) throw new Error(`no token: ${status}`);
    return headers.get('x-subject-token') ?? '';
  }

  async make(kind: string, value: object): Promise<Json> {
    const { body, status } = await this.identity('POST', `/${kind}s`, { [kind]: value });
    if (status !== 201) throw new Error(`${kind}: ${status} ${JSON.stringify(body)}`);
    return body[kind];
  }

  async role(name: string): Promise<string> {
    return (await this.identity('GET', `/roles?name=${name}`)).body.roles[0].id;
  }

  store(token: string, method: string, place: string, more: { body?: string; headers?: object } = {}): Promise<Reply> {
    return ask(`${this.#both.running.urls.everything}/v1/${place}`, method, { token, ...more });
  }
}

interface Asked {
  readonly token: string;
  readonly body?: string | undefined;
  readonly headers?: object;
}

async function ask(url: string, method: string, { token, body, headers = {} }: Asked): Promise<Reply> {
  const answer = await fetch(url, {
    ...{ method, signal: AbortSignal.timeout(ANSWER_MS) },
    headers: { 'x-auth-token': token, 'content-type': 'text/plain', ...headers },
    ...(body !== undefined && { body }),
  });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json') === true && text !== '';
  return { status: answer.status, body: isJson ? JSON.parse(text) : text, headers: answer.headers };
}

const byPassword = (name: string, password: string): object => ({
  methods: ['password'],
  password: { user: { name, password, domain: { id: 'default' } } },
});
const inProject = (id: string): object => ({ project: { id } });

/** What changes at identity reaches the store within a second. */
async function follows(look: () => Promise<Reply>, status: number): Promise<boolean> {
  const endMs = performance.now() + FOLLOW_MS;
  while (performance.now() < endMs) {
    if ((await look()).status === status) return true;
    await systemClock.sleep(50);
  }
  return false;
}

interface People {
  readonly cloud: Cloud;
  readonly films: string;
  readonly maria: { readonly id: string; readonly token: string };
  readonly rolf: { readonly id: string; readonly token: string };
}

async function makePeople(both: Both): Promise<People> {
  const cloud = new Cloud(both);
  const { username, password, projectName } = keystoneOf(both);
  const scope = { project: { name: projectName, domain: { id: 'default' } } };
  cloud.token = await cloud.login(byPassword(username, password), scope);
  const films = (await cloud.make('project', { name: 'films' })).id;
  const songs = (await cloud.make('project', { name: 'songs' })).id;
  const person = async (name: string, project: string, role: string) => {
    const { id } = await cloud.make('user', { name, password: 'pw' });
    await cloud.identity('PUT', `/projects/${project}/users/${id}/roles/${await cloud.role(role)}`);
    return { id, token: await cloud.login(byPassword(name, 'pw'), inProject(project)) };
  };
  return { cloud, films, maria: await person('maria', films, 'member'), rolf: await person('rolf', songs, 'member') };
}

t.test('tokens at the store', async (t) => {
  const both = await openBoth(t);
  const { cloud, films, maria, rolf } = await makePeople(both);
  const account = `AUTH_${films}`;
  const container = `${account}/reels`;
  const object = `${container}/one`;

  t.equal((await cloud.store(maria.token, 'PUT', container)).status, 201, 'a member owns the account of the project');
  t.equal((await cloud.store(maria.token, 'PUT', object, { body: 'film' })).status, 201);
  t.equal((await cloud.store(maria.token, 'GET', object)).body, 'film');
  t.equal((await cloud.store(rolf.token, 'GET', object)).status, 403, "another project's member does not");
  t.equal((await cloud.store('', 'GET', object)).status, 401, 'nor does nobody');
  t.equal((await cloud.store('gAAAAAnonsense', 'GET', object)).status, 401);
  t.equal((await cloud.store('AUTH_tknonsense', 'GET', object)).status, 401);

  const grantees = [`*:${rolf.id}`, `*:*`, `songs:rolf`, `*:rolf`];
  for (const acl of grantees) {
    await cloud.store(maria.token, 'POST', container, { headers: { 'x-container-read': acl } });
    t.ok(await follows(() => cloud.store(rolf.token, 'GET', object), 200), `ACL ${acl}`);
    t.equal((await cloud.store(rolf.token, 'PUT', object, { body: 'x' })).status, 403, 'reading is not writing');
    await cloud.store(maria.token, 'POST', container, { headers: { 'x-container-read': '' } });
    t.ok(await follows(() => cloud.store(rolf.token, 'GET', object), 403), 'and ends');
  }

  const reader = await cloud.role('reader');
  await cloud.identity('PUT', `/projects/${films}/users/${rolf.id}/roles/${reader}`);
  const reading = await cloud.login(byPassword('rolf', 'pw'), inProject(films));
  t.equal((await cloud.store(reading, 'GET', object)).status, 200, 'a reader reads');
  t.equal((await cloud.store(reading, 'GET', account)).status, 200);
  t.equal((await cloud.store(reading, 'PUT', `${container}/two`, { body: 'x' })).status, 403, 'and changes nothing');
  t.equal((await cloud.store(reading, 'DELETE', object)).status, 403);

  const access_rules = [{ service: 'object-store', method: 'GET', path: `/v1/${account}/reels/**` }];
  const own = new Cloud(both);
  own.token = maria.token;
  const { body } = await own.identity('POST', `/users/${maria.id}/application_credentials`, {
    application_credential: { name: 'player', access_rules },
  });
  const { id, secret } = body.application_credential;
  const player = await cloud.login({ methods: ['application_credential'], application_credential: { id, secret } });
  t.equal((await cloud.store(player, 'GET', object)).status, 200, 'what its rules name');
  t.equal((await cloud.store(player, 'PUT', object, { body: 'x' })).status, 403, 'and nothing else');
  t.equal((await cloud.store(player, 'GET', account)).status, 403);

  const reseller = (await cloud.make('role', { name: 'ResellerAdmin' })).id;
  await cloud.identity('PUT', `/projects/${films}/users/${rolf.id}/roles/${reseller}`);
  const boss = await cloud.login(byPassword('rolf', 'pw'), inProject(films));
  t.equal((await cloud.store(boss, 'GET', 'AUTH_test')).status, 204, 'a reseller administers every account');

  await cloud.identity('DELETE', `/projects/${films}/users/${maria.id}/roles/${await cloud.role('member')}`);
  t.ok(await follows(() => cloud.store(maria.token, 'GET', object), 401), 'a role taken away ends its tokens');
  await cloud.identity('PATCH', `/projects/${films}`, { project: { enabled: false } });
  t.ok(await follows(() => cloud.store(reading, 'GET', object), 401), 'so does a project that is switched off');
});

t.test('EC2 credentials sign S3 requests', async (t) => {
  const both = await openBoth(t);
  const { cloud, films, maria } = await makePeople(both);
  const own = new Cloud(both);
  own.token = maria.token;
  const { body } = await own.identity('POST', `/users/${maria.id}/credentials/OS-EC2`, { tenant_id: films });
  const { access, secret } = body.credential;
  const s3 = new S3Client({
    ...{ endpoint: both.running.urls.everything, region: both.running.credentials.s3.region, forcePathStyle: true },
    ...{ credentials: { accessKeyId: access, secretAccessKey: secret }, maxAttempts: 1 },
  });
  t.teardown(() => s3.destroy());
  t.equal((await cloud.store(maria.token, 'PUT', `AUTH_${films}/reels`)).status, 201);
  const at = { Bucket: 'reels', Key: 'one' };
  await s3.send(new PutObjectCommand({ ...at, Body: 'film' }));
  t.equal((await cloud.store(maria.token, 'GET', `AUTH_${films}/reels/one`)).body, 'film', 'one namespace');
  t.equal((await s3.send(new ListObjectsV2Command({ Bucket: 'reels' }))).KeyCount, 1);
  await own.identity('DELETE', `/users/${maria.id}/credentials/OS-EC2/${access}`);
  const gone = await follows(async () => {
    const error: unknown = await s3.send(new GetObjectCommand(at)).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    const name = (error as { name?: string } | undefined)?.name;
    return { status: name === 'InvalidAccessKeyId' ? 403 : 200, body: '', headers: new Headers() };
  }, 403);
  t.ok(gone, 'a credential that was deleted signs nothing');
});

t.test('swift and the files for clients', { skip: missing('swift') }, async (t) => {
  const both = await openBoth(t);
  const openrc = readFileSync(path.join(both.data, 'openrc'), 'utf8');
  const env = Object.fromEntries(openrc.match(/^export .*$/gm)?.map((line) => split(line)) ?? []);
  const run = (...args: string[]) =>
    promisify(execFile)(findTool('swift') as string, args, {
      ...{ cwd: both.data, encoding: 'utf8', timeout: CLI_MS },
      env: { PATH: process.env['PATH'] ?? '', HOME: both.data, ...env },
    });
  await run('upload', 'papers', 'openrc');
  t.equal((await run('list', 'papers')).stdout, 'openrc\n');
  t.match(readFileSync(path.join(both.data, 'clouds.yaml'), 'utf8'), /^clouds:\n {2}needletail:\n/);
});

function split(line: string): [string, string] {
  const [, name = '', value = ''] = /^export (\w+)='(.*)'$/.exec(line) ?? [];
  return [name, value];
}

t.test('two regions share one identity', async (t) => {
  const one = await openBoth(t, undefined, 'region = "RegionOne"\nidentity-listen = "127.0.0.1:0"\n');
  const link = path.join(one.data, 'identity-link.json');
  const two = await openBoth(t, undefined, `region = "RegionTwo"\nidentity-link = ${JSON.stringify(link)}\n`);
  t.equal(two.running.credentials.keystone, undefined, 'the second has no administrator of its own');
  const { cloud, films, maria } = await makePeople(one);
  const { body } = await cloud.identity('GET', '/auth/catalog');
  const stores = body.catalog.find(({ type }: Json) => type === 'object-store').endpoints;
  const urls = stores.filter((one: Json) => one.interface === 'public').map((one: Json) => [one.region, one.url]);
  const [, path1 = ''] = /(AUTH_.*)$/.exec(urls[0][1]) ?? [];
  const place = (both: Both): string => `${both.running.urls.everything}/v1/${path1}`;
  t.same(
    new Map(urls),
    new Map([
      ['RegionOne', place(one)],
      ['RegionTwo', place(two)],
    ]),
    'clients choose the region',
  );

  const far = new Cloud(two);
  const container = `AUTH_${films}/reels`;
  t.equal((await far.store(maria.token, 'PUT', container)).status, 201, 'one token for both');
  t.equal((await cloud.store(maria.token, 'GET', container)).status, 404, 'each has a store of its own');
  await cloud.identity('DELETE', `/projects/${films}/users/${maria.id}/roles/${await cloud.role('member')}`);
  t.ok(await follows(() => far.store(maria.token, 'GET', container), 401), 'what ends ends in both');
  await one.close();
  t.ok(await follows(() => far.store(cloud.token, 'GET', container), 503), 'nobody gets in while identity is silent');
});

t.test("an operator's own rules", async (t) => {
  const folder = t.testdir({
    'identity.yaml': '"identity:list_regions": "!"\n',
    'volume.yaml': '"volume:get_all": "role:nobody"\n',
    'bad.yaml': '"identity:list_regions": "role:admin and"\n',
    'unknown.yaml': '"identity:no_such_rule": "@"\n',
  });
  const file = (name: string): string => JSON.stringify(path.join(folder, name));
  const config = `identity-policy = ${file('identity.yaml')}\nvolume-policy = ${file('volume.yaml')}\n`;
  const both = await openBoth(t, undefined, config);
  const { cloud } = await makePeople(both);
  t.equal((await cloud.identity('GET', '/regions')).status, 403, 'what the file forbids');
  t.equal((await cloud.identity('GET', '/projects')).status, 200, 'and nothing else');
  const { body } = await cloud.identity('GET', '/auth/projects');
  const volumes = `${both.running.urls.everything}/volume/v3/${body.projects[0].id}/volumes`;
  t.equal((await ask(volumes, 'GET', { token: cloud.token })).status, 403, "so for Cinder's");
  for (const name of ['bad.yaml', 'unknown.yaml', 'missing.yaml']) {
    const error = openBoth(t, undefined, `identity-policy = ${file(name)}\n`);
    await t.rejects(error, { code: 'BadConfig', message: new RegExp(`^identity-policy: .*${name}: `) }, name);
  }
});
