/** Tokens and keys of one service shown to another, of one project to another, and after they were taken back. */
import type { KeystoneCredentials } from '../../cli/cluster/credentials.ts';
import { presign } from '../s3-signer.ts';
import { codeOf, type Negative, type NegativeSuite, namesIn } from './negative-rig.ts';
import { amzNow, type S3User } from './s3-rig.ts';

const LOOKS_MAX = 100;
const LOOK_EVERY_MS = 50;

interface Keystone {
  readonly token: string;
  readonly userId: string;
  readonly projectId: string;
  ask(
    method: string,
    path: string,
    body?: unknown,
    token?: string,
  ): Promise<{ status: number; body: Record<string, never> }>;
}

function keystoneOf({ running }: Negative): KeystoneCredentials {
  const { keystone } = running.credentials;
  if (!keystone) throw new Error('a new cluster has an identity service');
  return keystone;
}

/** What proxies may learn up to a second later, on a machine that is not too busy; the last answer. */
async function soon<T>(ask: () => Promise<T>, wanted: T): Promise<T> {
  for (let left = LOOKS_MAX; ; left--) {
    const got = await ask();
    if (got === wanted || left === 0) return got;
    await new Promise((resolve) => void setTimeout(resolve, LOOK_EVERY_MS));
  }
}

async function login(rig: Negative, project?: string): Promise<Keystone> {
  const { authUrl, username, password, projectName } = keystoneOf(rig);
  const domain = { id: 'default' };
  const identity = { methods: ['password'], password: { user: { name: username, domain, password } } };
  const scope = project === '' ? 'unscoped' : { project: { name: project ?? projectName, domain } };
  const made = await fetch(`${authUrl}/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth: { identity, scope } }),
  });
  const { token } = (await made.json()) as { token: { user: { id: string }; project?: { id: string } } };
  const text = made.headers.get('x-subject-token') ?? '';
  const ask: Keystone['ask'] = async (method, path, body, other = text) => {
    const answer = await fetch(`${authUrl}${path}`, {
      method,
      headers: { 'x-auth-token': other, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const got = await answer.text();
    return { status: answer.status, body: got === '' ? {} : JSON.parse(got) };
  };
  return { token: text, userId: token.user.id, projectId: token.project?.id ?? '', ask };
}

/** An EC2 key of the administrator's in this project. */
async function makeKey({ ask, userId, projectId }: Keystone): Promise<S3User> {
  const made = await ask('POST', `/users/${userId}/credentials/OS-EC2`, { tenant_id: projectId });
  const { access, secret } = made.body['credential'] as unknown as { access: string; secret: string };
  return { accessKeyId: access, secretAccessKey: secret };
}

export const tokens: NegativeSuite = {
  'tokens of one service are nothing to the other': async (rig) => {
    const { t, swift, stranger, bucket } = rig;
    const keystone = await login(rig);
    const get = async (path: string, token: string): Promise<number> =>
      (await swift.raw('GET', path, { headers: { 'x-auth-token': token } })).status;
    const own = `/v1/AUTH_${keystone.projectId}`;
    const theirs = `/v1/AUTH_test/${bucket}/safe`;
    t.equal(await get(own, keystone.token), 204, 'the project’s own account');
    t.equal(await get(own, swift.token), 403, 'a store’s token at a project');
    t.equal(await get(theirs, keystone.token), 403, 'a project’s token at a store’s account');
    t.equal(await get(theirs, stranger.token), 403);
    t.equal((await keystone.ask('GET', '/users', undefined, swift.token)).status, 401, 'a store’s token at identity');
    const checked = await fetch(`${keystoneOf(rig).authUrl}/auth/tokens`, {
      headers: { 'x-auth-token': swift.token, 'x-subject-token': keystone.token },
    });
    t.equal(checked.status, 401);
    const unscoped = await login(rig, '');
    t.ok([401, 403].includes(await get(own, unscoped.token)), 'a token without a project');
    for (const [what, token] of [
      ['cut off', keystone.token.slice(0, -5)],
      ['one character', `${keystone.token.slice(0, -9)}A${keystone.token.slice(-8)}`],
      ['both', `${keystone.token},${swift.token}`],
      ['a store’s start', `AUTH_tk${keystone.token}`],
      ['cut from the store’s', swift.token.slice(0, -3)],
      ['long', 'gAAAAA'.repeat(1300)],
      ['zeros', `gAAAAA${'A'.repeat(180)}`],
      ['no base64', 'gAAAAA%%%'],
      ['a prototype', '__proto__'],
      ['a path', '../../etc/passwd'],
    ] as const) {
      for (const path of [own, theirs]) t.equal(await get(path, token), 401, `${what}: ${path.slice(0, 12)}`);
      t.equal((await keystone.ask('GET', '/users', undefined, token)).status, 401, `${what}, identity`);
    }
    const service = { 'x-auth-token': stranger.token, 'x-service-token': keystone.token };
    t.equal((await swift.raw('GET', theirs, { headers: service })).status, 403, 'as a service token');
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'tokens and keys that were taken back': async (rig) => {
    const { t, s3, s3Only, swift, bucket } = rig;
    const keystone = await login(rig);
    const user = await makeKey(keystone);
    const own = `${bucket}-project`;
    t.equal((await s3.ask('PUT', `/${own}`, { user })).status, 200);
    t.equal((await s3.ask('PUT', `/${own}/o`, { user, body: 'x' })).status, 200);
    t.equal(codeOf(await s3.ask('GET', `/${bucket}/safe`, { user })), '403 AccessDenied', 'of another account');
    t.equal(codeOf(await s3.ask('GET', `/${own}/o`)), '403 AccessDenied', 'and the other way round');
    const toSign = { method: 'GET', path: `/${own}/o`, headers: { host: s3.host }, payload: '', timestamp: amzNow() };
    const query = presign({ ...user, region: s3.region }, toSign, 300);
    const open = () => s3.send('GET', `/${own}/o?${query}`, { host: s3.host });
    t.equal((await open()).text, 'x');
    const mixed = { accessKeyId: user.accessKeyId, secretAccessKey: s3.owner.secretAccessKey };
    t.equal(codeOf(await s3.ask('GET', `/${own}/o`, { user: mixed })), '403 SignatureDoesNotMatch');
    await s3.ask('DELETE', `/${own}/o`, { user });
    await s3.ask('DELETE', `/${own}`, { user });
    const gone = await keystone.ask('DELETE', `/users/${keystone.userId}/credentials/OS-EC2/${user.accessKeyId}`);
    t.equal(gone.status, 204);
    const refused = '403 InvalidAccessKeyId';
    t.equal(await soon(async () => codeOf(await open()), refused), refused, 'a presigned URL of a deleted key');
    t.equal(codeOf(await s3.ask('GET', '/', { user })), '403 InvalidAccessKeyId', 'and the key itself');
    t.equal(codeOf(await s3Only.ask('GET', '/', { user })), '403 InvalidAccessKeyId', 'on the other listener');
    const { token, projectId } = await login(rig);
    const revoked = await fetch(`${keystoneOf(rig).authUrl}/auth/tokens`, {
      method: 'DELETE',
      headers: { 'x-auth-token': token, 'x-subject-token': token },
    });
    t.equal(revoked.status, 204);
    const late = async (): Promise<number> =>
      (await swift.raw('GET', `/v1/AUTH_${projectId}`, { headers: { 'x-auth-token': token } })).status;
    t.equal(await soon(late, 401), 401, 'a revoked token');
  },

  'bodies that do harm to identity': async (rig) => {
    const { t } = rig;
    const { authUrl } = keystoneOf(rig);
    const post = async (body: string): Promise<number> => {
      const headers = { 'content-type': 'application/json' };
      const got = await fetch(`${authUrl}/auth/tokens`, { method: 'POST', headers, body });
      await got.arrayBuffer();
      return got.status;
    };
    for (const body of [
      '',
      '{',
      'null',
      '[]',
      '"a"',
      '{"auth":null}',
      '{"auth":{"identity":{"methods":[]}}}',
      '{"auth":{"identity":{"methods":["password"]}}}',
      '{"auth":{"__proto__":{}}}',
      '{"auth":{"identity":{"methods":["constructor"]}}}',
      '['.repeat(50_000),
      `{"auth":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`,
      '\0',
      `{"auth":{"identity":{"methods":[${'"password",'.repeat(5000)}"token"]}}}`,
    ]) {
      const status = await post(body);
      t.ok([400, 401, 413].includes(status), `${body.slice(0, 40)}: ${status}`);
    }
    const large = await post(JSON.stringify({ auth: ' '.repeat(10 * 1024 * 1024) })).catch(() => 413);
    t.ok(large === 413 || large === 400, `ten megabytes: ${large}`);
  },
};
