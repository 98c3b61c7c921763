// Object lock, on the cluster as it is shipped: the store in memory has no versions to lock. One listener serves both
// APIs, because what S3 locks must hold in Swift.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { withConfig } from '../../cli/cluster/config.ts';
import { startCluster } from '../../cli/cluster/start-cluster.ts';
import { locks } from './s3-locks.ts';
import { S3Client } from './s3-rig.ts';

const ANSWER_MS = 60_000;

t.setTimeout(120_000);

t.test('object lock', async (t) => {
  const data = mkdtempSync(path.join(tmpdir(), 'needletail-locks-'));
  const options = { data, host: '127.0.0.1', port: 0, s3Port: 0, processes: 'inline', logLevel: 'silent' } as const;
  const running = await startCluster(withConfig({ ...options, given: new Set(['port', 's3Port']) }));
  t.teardown(async () => {
    await running.stop();
    rmSync(data, { recursive: true, force: true });
  });
  const { s3, alt, member, swift } = running.credentials;
  const port = Number(new URL(running.urls.everything).port);
  const ids = { owner: 'AUTH_test', stranger: 'AUTH_test2', member: 'test:member' };
  const people = { owner: s3, stranger: alt.s3, member: member.s3, ids };
  const server = { host: '127.0.0.1', port, region: s3.region, ...people, close: async () => {} };
  const client = new S3Client({ server, certificate: undefined, folder: data });
  t.teardown(() => client.close());
  for (const [name, test] of Object.entries(locks)) {
    await t.test(name, async (t) => test({ t, client, bucket: await client.makeBucket() }));
  }

  await t.test('in Swift', async (t) => {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const login = await fetch(swift.authUrl, {
      headers: { 'x-auth-user': swift.user, 'x-auth-key': swift.key },
      signal,
    });
    const token = login.headers.get('x-auth-token') ?? '';
    const bucket = await client.makeBucket({ 'x-amz-bucket-object-lock-enabled': 'true' });
    const ask = (method: string, name: string, headers: Record<string, string> = {}, body?: string) =>
      fetch(`${running.urls.everything}/v1/AUTH_test/${bucket}${name}`, {
        method,
        headers: { 'x-auth-token': token, ...headers },
        ...(body === undefined ? {} : { body }),
        signal,
      });
    t.equal((await ask('PUT', '/k', {}, 'first')).status, 201);
    const id = (await client.ask('HEAD', `/${bucket}/k`)).headers['x-amz-version-id'] ?? '';
    const body = '<LegalHold><Status>ON</Status></LegalHold>';
    t.equal((await client.ask('PUT', `/${bucket}/k`, { query: 'legal-hold', body })).status, 200);
    t.equal((await ask('POST', '/k', { 'x-object-meta-color': 'red' })).status, 403, 'its metadata stays, too');
    t.equal((await ask('POST', '/k', { 'x-delete-after': '1' })).status, 403);
    t.equal((await ask('PUT', '/k', {}, 'second')).status, 201, 'a new version');
    t.equal((await ask('DELETE', '/k')).status, 204, 'a marker');
    const off = await ask('POST', '', { 'x-versions-enabled': 'false' });
    t.equal((await client.ask('GET', `/${bucket}`, { query: 'versioning' })).text.includes('Enabled'), true);
    t.not(off.status, 500);
    t.equal((await ask('DELETE', '')).status, 409);
    t.equal((await client.ask('DELETE', `/${bucket}/k`, { query: `versionId=${id}` })).code, 'AccessDenied');
    t.equal((await client.ask('GET', `/${bucket}/k`, { query: `versionId=${id}` })).text, 'first');
  });
});
