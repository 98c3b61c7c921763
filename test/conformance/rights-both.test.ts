/** Rights set by one API hold in the other: a five-zone cluster, one listener for both. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { withConfig } from '../../cli/cluster/config.ts';
import { startCluster } from '../../cli/cluster/start-cluster.ts';
import { S3Client } from './s3-rig.ts';

const SUITE_MS = 60_000;
const ANSWER_MS = 60_000;
const BUCKET = 'both-sides';

t.setTimeout(SUITE_MS);

/** Its new buckets may have ACLs. */
async function openCluster(t: Test) {
  const data = mkdtempSync(path.join(tmpdir(), 'needletail-rights-'));
  const config = path.join(data, 'needletail.toml');
  writeFileSync(config, 's3-object-ownership = "ObjectWriter"\n');
  const ports = { port: 0, s3Port: 0 };
  const options = { data, config, host: '127.0.0.1', ...ports, processes: 'inline', logLevel: 'silent' } as const;
  const running = await startCluster(withConfig({ ...options, given: new Set(['port', 's3Port']) }));
  t.teardown(async () => {
    await running.stop();
    rmSync(data, { recursive: true, force: true });
  });
  return { data, running };
}

t.test('policies, ACLs and blocks of S3, and the ACLs of Swift', async (t) => {
  const { data, running } = await openCluster(t);
  const { s3, alt, member, swift } = running.credentials;
  const port = Number(new URL(running.urls.everything).port);
  const ids = { owner: 'AUTH_test', stranger: 'AUTH_test2', member: 'test:member' };
  const people = { owner: s3, stranger: alt.s3, member: member.s3, ids };
  const server = { host: '127.0.0.1', port, region: s3.region, ...people, close: async () => {} };
  const client = new S3Client({ server, certificate: undefined, folder: data });
  t.teardown(() => client.close());

  const login = async ({ authUrl, user, key }: { authUrl: string; user: string; key: string }) => {
    const got = await fetch(authUrl, {
      headers: { 'x-auth-user': user, 'x-auth-key': key },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return got.headers.get('x-auth-token') ?? '';
  };
  const tokens = [await login(swift), await login(alt.swift), await login(member.swift), ''];
  const swiftStatus = async (
    method: string,
    name: string,
    headers: Record<string, string> = {},
    who = [0, 1, 2, 3],
  ) => {
    const statuses: number[] = [];
    for (const index of who) {
      const token = tokens[index] as string;
      const got = await fetch(`${running.urls.everything}/v1/AUTH_test/${BUCKET}${name}`, {
        method,
        headers: { ...(token === '' ? {} : { 'x-auth-token': token }), ...headers },
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      await got.arrayBuffer();
      statuses.push(got.status);
    }
    return statuses.join(' ');
  };
  const setPolicy = (...statements: object[]) =>
    client.ask('PUT', `/${BUCKET}`, {
      query: 'policy',
      body: JSON.stringify({ Version: '2012-10-17', Statement: statements }),
    });
  const objects = { Principal: '*', Resource: `arn:aws:s3:::${BUCKET}/*` };

  t.equal((await client.ask('PUT', `/${BUCKET}`)).status, 200);
  const ownership = await client.ask('GET', `/${BUCKET}`, { query: 'ownershipControls' });
  t.match(ownership.text, 'ObjectWriter', 'as the configuration has it');
  await client.ask('PUT', `/${BUCKET}/o`, { body: 'x' });
  t.equal(await swiftStatus('GET', '/o'), '200 403 403 401');
  t.equal((await setPolicy({ Effect: 'Allow', ...objects, Action: 's3:GetObject' })).status, 204);
  t.equal(await swiftStatus('GET', '/o'), '200 200 200 200', 'an Allow counts for Swift');
  t.equal(await swiftStatus('GET', ''), '200 403 403 401', 'no more than it says');
  const here = { IpAddress: { 'aws:SourceIp': '127.0.0.1' } };
  await setPolicy({ Effect: 'Deny', ...objects, Action: 's3:DeleteObject', Condition: here });
  t.equal(await swiftStatus('DELETE', '/o'), '403 403 403 401', 'a Deny with a condition does, for the owner as well');
  t.equal(await swiftStatus('PUT', '/o', {}, [0]), '201');
  await client.ask('DELETE', `/${BUCKET}`, { query: 'policy' });
  await client.ask('PUT', `/${BUCKET}/o`, { query: 'acl', headers: { 'x-amz-acl': 'authenticated-read' } });
  t.equal(await swiftStatus('GET', '/o'), '200 200 200 401', 'an object’s ACL');
  t.equal(await swiftStatus('POST', '', { 'x-container-read': '.r:*,.rlistings' }, [0]), '204');
  t.match((await client.ask('GET', `/${BUCKET}`, { query: 'acl' })).text, 'AllUsers', 'Swift’s ACL is shown by S3');
  t.equal((await client.ask('GET', `/${BUCKET}/o`, { user: null })).status, 200);
  const block =
    '<PublicAccessBlockConfiguration><IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>';
  await client.ask('PUT', `/${BUCKET}`, { query: 'publicAccessBlock', body: block });
  t.equal(await swiftStatus('GET', '/o', {}, [3]), '401', 'and taken back by a block');
  await client.ask('DELETE', `/${BUCKET}`, { query: 'publicAccessBlock' });
  t.equal(await swiftStatus('GET', '', {}, [3]), '200');
  await client.ask('PUT', `/${BUCKET}`, { query: 'acl', headers: { 'x-amz-acl': 'private' } });
  t.equal(await swiftStatus('GET', '', {}, [3]), '401', 'private is private for both');
});
