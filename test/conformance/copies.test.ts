/**
 * What server-side copies keep alive: bytes stay as long as anything refers to them, and not longer. Judged on the disks,
 * after the cluster has stopped, by `needletail fsck`.
 */
import t, { type Test } from 'tap';
import { inspect } from '../../cli/fsck/inspect.ts';
import { createSeededRandom } from '../../fabric/random.ts';
import { type Both, openBoth } from './both-rig.ts';

const BYTES = createSeededRandom(3).bytes(300_000);
const PASSES = 40;

t.test('copies', async (t) => {
  const both = await openBoth(t);
  const { client } = both;
  for (const bucket of ['plain', 'versioned']) t.equal((await client.ask('PUT', `/${bucket}`)).status, 200);
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  t.equal((await client.ask('PUT', '/versioned', { query: 'versioning', body })).status, 200);
  const copy = async (from: string, to: string) => {
    const made = await client.ask('PUT', to, { headers: { 'x-amz-copy-source': from } });
    t.equal(made.status, 200, `${from} to ${to}`);
    return made.headers['x-amz-version-id'] ?? '';
  };
  const drop = async (path: string, query = '') => t.equal((await client.ask('DELETE', path, { query })).status, 204);
  t.equal((await client.ask('PUT', '/plain/source', { body: BYTES })).status, 200);

  await copy('/plain/source', '/plain/deleted');
  await copy('/plain/source', '/plain/replaced');
  await copy('/plain/source', '/plain/stays');
  await drop('/plain/deleted');
  t.equal((await client.ask('PUT', '/plain/replaced', { body: 'x' })).status, 200);

  const versions = [];
  for (let i = 0; i < 3; i++) versions.push(await copy('/plain/source', '/versioned/name'));
  const others = await copy('/plain/source', '/versioned/other');
  await drop('/versioned/name', `versionId=${versions[0]}`);
  await drop('/versioned/name', `versionId=${versions[2]}`);
  await drop('/versioned/other');
  await drop('/plain/source');

  for (const [path, query] of [
    ['/plain/stays', ''],
    ['/versioned/name', ''],
    ['/versioned/name', `versionId=${versions[1]}`],
    ['/versioned/other', `versionId=${others}`],
  ] as const)
    t.ok((await client.ask('GET', path, { query })).body.equals(BYTES), `${path} ${query}`);
  await pinsGone(t, both, 3, 'of five deleted or replaced copies nothing is left, of three kept ones everything');
});

/** They go behind the answers: seen on the disks of a cluster that has had time for it. */
async function pinsGone(t: Test, both: Both, expected: number, what: string): Promise<void> {
  for (let pass = 0; pass < PASSES; pass++) await both.client.ask('HEAD', '/plain/stays');
  await both.close();
  const { live, exitCode, findings } = await inspect(both.data);
  t.equal(live['pin'], expected, what, { live });
  t.not(exitCode, 2, 'nothing is damaged', { findings });
}
