// The verifier at a service without keys, over a real socket: one question a token, what changes reaches it within a second,
// and when identity cannot be heard nobody gets in.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import { systemRandom } from '../../fabric/random.ts';
import { connectPeer } from '../../fabric/rpc/client.ts';
import type { Handlers, Peer } from '../../fabric/rpc/contract.ts';
import { createLocalPeer } from '../../fabric/rpc/local.ts';
import { listenRpc } from '../../fabric/rpc/server.ts';
import { stayAlive } from '../../test/conformance/rpc.ts';
import { ADMIN, ADMIN_SCOPE, startIdentityBed } from '../../test/identity-bed.ts';
import { type AccessKey, IDENTITY_METHODS, permitsRequest, type TokenContext } from './contract.ts';
import { createTokenVerifier, type RunningVerifier, STALE_MS } from './verifier.ts';

stayAlive(t);
const bed = await startIdentityBed();
t.teardown(() => bed.stop());
const directory = mkdtempSync(join(tmpdir(), 'needletail-verifier-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

/** Counts questions; `cut` makes every one of them fail. */
function counted(handlers: Handlers) {
  const calls: Record<string, number> = {};
  const state = { cut: false };
  const wrapped = Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [
      name,
      (args: never, context: never) => {
        calls[name] = (calls[name] ?? 0) + 1;
        if (state.cut) throw new Error('cut');
        return handler(args, context);
      },
    ]),
  );
  return { handlers: wrapped as Handlers, calls, state };
}

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const endMs = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > endMs) throw new Error(`never: ${what}`);
    await systemClock.sleep(10);
  }
}

async function newMember() {
  const { admin } = bed;
  const role = (await admin.call('GET', '/v3/roles?name=member')).body.roles[0].id;
  const name = `m-${systemRandom.bytes(6).toString('hex')}`;
  const project = (await admin.call('POST', '/v3/projects', { project: { name } })).body.project.id;
  const user = (await admin.call('POST', '/v3/users', { user: { name, password: 'pw' } })).body.user.id;
  await admin.call('PUT', `/v3/projects/${project}/users/${user}/roles/${role}`);
  const { client } = await bed.login({ id: user, password: 'pw' }, { project: { id: project } });
  return { user, project, role, client, token: client.token as string };
}

const isNobody = async (verifier: RunningVerifier, token: string) => (await verifier.authenticate(token)) === undefined;

async function behaves(t: Test, peer: Peer, calls: Readonly<Record<string, number>>) {
  const verifier = createTokenVerifier({ peer, clock: systemClock });
  t.teardown(() => verifier.stop());
  await verifier.ready;
  const one = await newMember();
  const context = (await verifier.authenticate(one.token)) as TokenContext;
  t.match(context, {
    userId: one.user,
    projectId: one.project,
    roles: ['member', 'reader'],
    userDomainName: 'Default',
  });
  const asked = calls[IDENTITY_METHODS.verify];
  await until('it is kept', () => !(verifier.authenticate(one.token) instanceof Promise));
  const again = Array.from({ length: 1000 }, () => verifier.authenticate(one.token));
  t.ok(again.every((answer) => !(answer instanceof Promise)));
  t.ok((calls[IDENTITY_METHODS.verify] ?? 0) - (asked ?? 0) <= 1, 'it was not asked again and again');
  t.equal(await verifier.authenticate('nonsense'), undefined);

  const other = await newMember();
  t.ok(await verifier.authenticate(other.token));
  await bed.admin.call('DELETE', `/v3/projects/${one.project}/users/${one.user}/roles/${one.role}`);
  const changedMs = Date.now();
  await until('the role is gone here too', () => isNobody(verifier, one.token));
  t.comment(`a role taken away was gone here after ${Date.now() - changedMs} ms`);
  t.ok(verifier.authenticate(other.token), 'somebody else stays known');

  await other.client.call('DELETE', '/v3/auth/tokens', undefined, { 'x-subject-token': other.token });
  await until('a revoked token', () => isNobody(verifier, other.token));

  const third = await newMember();
  t.ok(await verifier.authenticate(third.token));
  await bed.admin.call('PATCH', `/v3/projects/${third.project}`, { project: { enabled: false } });
  await until('a disabled project', () => isNobody(verifier, third.token));
  return verifier;
}

t.test('over a socket', async (t) => {
  const { handlers, calls } = counted(bed.service.handlers);
  const endpoint = { path: join(directory, 'identity.sock') };
  const node = { clusterId: 'cluster', secret: 'secret', random: systemRandom, clock: systemClock };
  const listener = await listenRpc(handlers, { ...node, name: 'identity', endpoint });
  const peer = connectPeer({ ...node, name: 'proxy', peerName: 'identity', endpoint });
  t.teardown(async () => {
    await peer.close();
    await listener.close();
  });
  await peer.whenUp(5000);
  await behaves(t, peer, calls);
});

t.test('in one process', async (t) => {
  const { handlers, calls } = counted(bed.service.handlers);
  await behaves(t, createLocalPeer('identity', handlers, { clock: systemClock }), calls);
});

t.test('without identity nobody gets in', async (t) => {
  const { handlers, state } = counted(bed.service.handlers);
  const peer = createLocalPeer('identity', handlers, { clock: systemClock });
  const verifier = createTokenVerifier({ peer, clock: systemClock });
  t.teardown(() => verifier.stop());
  await verifier.ready;
  const { token } = await newMember();
  await until('it is kept', async () => {
    await verifier.authenticate(token);
    return verifier.kept.tokens === 1;
  });
  state.cut = true;
  await until('the feed is stale', () => verifier.isStale);
  await t.rejects(Promise.resolve(verifier.authenticate(token)), { code: 'IdentityUnavailable' }, 'a known token');
  await t.rejects(Promise.resolve(verifier.authenticate('another')), { code: 'IdentityUnavailable' });
  state.cut = false;
  await until('it comes back', () => !verifier.isStale);
  t.ok(await verifier.authenticate(token));
  t.ok(STALE_MS <= 1000, 'a second at most');
});

t.test('access keys for fronts that check signatures themselves', async (t) => {
  const peer = createLocalPeer('identity', bed.service.handlers, { clock: systemClock });
  const verifier = createTokenVerifier({ peer, clock: systemClock });
  t.teardown(() => verifier.stop());
  await verifier.ready;
  const one = await newMember();
  const path = `/v3/users/${one.user}/credentials/OS-EC2`;
  const { credential } = (await one.client.call('POST', path, { tenant_id: one.project })).body;
  const key = (await verifier.accessKey(credential.access)) as AccessKey;
  t.match(key, {
    secretKey: credential.secret,
    context: { userId: one.user, projectId: one.project, roles: ['member', 'reader'] },
  });
  t.equal(await verifier.accessKey('unknown'), undefined);
  await one.client.call('DELETE', `${path}/${credential.access}`);
  await until('a deleted key', async () => (await verifier.accessKey(credential.access)) === undefined);
});

t.test('answers are bounded', async (t) => {
  const peer = createLocalPeer('identity', bed.service.handlers, { clock: systemClock });
  const verifier = createTokenVerifier({ peer, clock: systemClock, tokensMax: 3 });
  t.teardown(() => verifier.stop());
  await verifier.ready;
  for (let i = 0; i < 20; i++) await verifier.authenticate(`no token ${i}`);
  t.ok(verifier.kept.tokens <= 3);
});

t.test('access rules', async (t) => {
  const accessRules = [
    { service: 'object-store', method: 'GET', path: '/v1/*/photos/**' },
    { service: 'volumev3', method: 'POST', path: '/v3/{project_id}/volumes' },
    { service: 'compute', method: 'GET', path: '/v2.1/a.b' },
  ];
  const may = (service: string, method: string, path: string) =>
    permitsRequest({ accessRules }, { service, method, path });
  t.equal(may('object-store', 'GET', '/v1/AUTH_x/photos/2024/1.jpg'), true);
  t.equal(may('object-store', 'PUT', '/v1/AUTH_x/photos/1.jpg'), false);
  t.equal(may('object-store', 'GET', '/v1/AUTH_x/other/photos/1.jpg'), false, '* is one segment');
  t.equal(may('volumev3', 'POST', '/v3/p1/volumes'), true);
  t.equal(may('volumev3', 'POST', '/v3/p1/volumes/v1/action'), false);
  t.equal(may('compute', 'GET', '/v2.1/axb'), false, 'a dot is a dot');
  const hostile = { service: 'x', method: 'GET', path: `/${'**a'.repeat(80)}` };
  const path = `/${'a'.repeat(4000)}b`;
  t.equal(
    permitsRequest({ accessRules: [hostile] }, { service: 'x', method: 'GET', path }),
    false,
    'and takes no time',
  );
  t.equal(permitsRequest({}, { service: 'x', method: 'GET', path: '/' }), true, 'no rules, no limits');
  t.equal(permitsRequest({ accessRules: [] }, { service: 'x', method: 'GET', path: '/' }), false);
});

t.test('the scopes of the administrator', async (t) => {
  const peer = createLocalPeer('identity', bed.service.handlers, { clock: systemClock });
  const verifier = createTokenVerifier({ peer, clock: systemClock });
  t.teardown(() => verifier.stop());
  const { client } = await bed.login(ADMIN, { system: { all: true } });
  t.match(await verifier.authenticate(client.token as string), { systemScope: 'all', projectId: undefined });
  const { client: scoped } = await bed.login(ADMIN, ADMIN_SCOPE);
  t.match(await verifier.authenticate(scoped.token as string), { systemScope: undefined, projectName: 'admin' });
});
