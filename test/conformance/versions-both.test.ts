/** One set of versions for both APIs: what one makes, the other lists, reads, restores and removes. */
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { withConfig } from '../../cli/cluster/config.ts';
import { startCluster } from '../../cli/cluster/start-cluster.ts';
import { S3Client } from './s3-rig.ts';
import { SwiftClient } from './swift-rig.ts';

t.setTimeout(60_000);

async function openBoth(t: Test): Promise<{ swift: SwiftClient; s3: S3Client }> {
  const data = mkdtempSync(path.join(tmpdir(), 'needletail-both-'));
  const ports = { port: 0, s3Port: 0 };
  const options = { data, host: '127.0.0.1', ...ports, processes: 'inline', logLevel: 'silent' } as const;
  const running = await startCluster(withConfig({ ...options, given: new Set(['data', 'port', 's3Port']) }));
  const { credentials: known } = running;
  const port = Number(new URL(running.urls.everything).port);
  const agent = new http.Agent({ keepAlive: true });
  const at = { host: '127.0.0.1', port, close: async () => {} };
  const users = { owner: known.swift, stranger: known.alt.swift, reseller: known.reseller?.swift ?? known.swift };
  const swift = new SwiftClient({ ...at, ...users }, agent);
  await swift.login(known.swift);
  const ids = { owner: 'AUTH_test', stranger: 'AUTH_test2', member: 'test:member' };
  const people = { owner: known.s3, stranger: known.alt.s3, member: known.member.s3, ids };
  const s3 = new S3Client({
    server: { ...at, region: known.s3.region, ...people },
    certificate: undefined,
    folder: data,
  });
  t.teardown(async () => {
    s3.close();
    agent.destroy();
    await running.stop();
    rmSync(data, { recursive: true, force: true });
  });
  return { swift, s3 };
}

const idsOf = (xml: string): string[] => [...xml.matchAll(/<VersionId>([^<]*)</g)].map((match) => match[1] ?? '');
const latestOf = (xml: string): string[] => [...xml.matchAll(/<IsLatest>([^<]*)</g)].map((match) => match[1] ?? '');

t.test('versions', async (t) => {
  const { swift, s3 } = await openBoth(t);
  await swift.ask('PUT', '/both', { headers: { 'X-Versions-Enabled': 'true' } });
  t.match((await s3.ask('GET', '/both', { query: 'versioning' })).text, '<Status>Enabled</Status>');
  const first = (await swift.ask('PUT', '/both/o', { body: 'by Swift' })).headers['x-object-version-id'] ?? '';
  const made = await s3.ask('PUT', '/both/o', { body: 'by S3' });
  const second = String(made.headers['x-amz-version-id']);
  const list = async (): Promise<string> => (await s3.ask('GET', '/both', { query: 'versions' })).text;
  t.same(idsOf(await list()), [second, first], 'the same ids');
  const versions = JSON.parse((await swift.ask('GET', '/both?versions')).text) as { version_id: string }[];
  t.same(
    versions.map(({ version_id: id }) => id),
    [second, first],
  );
  t.equal((await s3.ask('GET', '/both/o', { query: `versionId=${first}` })).text, 'by Swift');
  t.equal((await swift.ask('GET', `/both/o?version-id=${second}`)).text, 'by S3');
  t.equal((await swift.ask('PUT', `/both/o?version-id=${first}`, { body: '' })).status, 201);
  t.equal((await s3.ask('GET', '/both/o')).text, 'by Swift', 'restored for both');
  t.same(
    [idsOf(await list()), latestOf(await list())],
    [
      [second, first],
      ['false', 'true'],
    ],
  );
  const marker = String((await s3.ask('DELETE', '/both/o')).headers['x-amz-version-id']);
  t.equal((await swift.ask('GET', '/both/o')).status, 404);
  t.equal((await swift.ask('GET', `/both/o?version-id=${marker}`)).status, 404);
  t.equal((await swift.ask('DELETE', `/both/o?version-id=${marker}`)).status, 204);
  t.equal((await s3.ask('GET', '/both/o')).status, 404, 'Swift leaves the place empty');
  t.same(latestOf(await list()), ['false', 'false']);
  const third = String((await s3.ask('PUT', '/both/o', { body: 'third' })).headers['x-amz-version-id']);
  await s3.ask('DELETE', '/both/o', { query: `versionId=${third}` });
  t.equal((await swift.ask('GET', '/both/o')).text, 'by S3', 'S3 gives it to the one before');
});

t.test('what S3 overwrites goes to a Swift archive as well', async (t) => {
  const { swift, s3 } = await openBoth(t);
  await swift.ask('PUT', '/archive');
  await swift.ask('PUT', '/kept', { headers: { 'X-Versions-Location': 'archive' } });
  for (const body of ['one', 'two']) t.equal((await s3.ask('PUT', '/kept/o', { body })).status, 200);
  const [name = ''] = (await swift.ask('GET', '/archive')).text.split('\n');
  t.equal((await swift.ask('GET', `/archive/${name}`)).text, 'one');
  t.equal((await s3.ask('DELETE', '/kept/o')).status, 204);
  t.equal((await s3.ask('GET', '/kept/o')).text, 'one');
});
