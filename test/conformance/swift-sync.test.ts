// Container sync as another cluster meets it: over the store in memory and on the cluster as it is shipped.
import t from 'tap';
import { SWIFT_DEFAULTS } from '../../proxy/swift-options.ts';
import { openBoth } from './both-rig.ts';
import { start } from './swift-cluster.ts';
import { startInMemory } from './swift-memory.ts';
import { runSuites } from './swift-rig.ts';
import { REALMS, sync } from './swift-sync.ts';

t.setTimeout(120_000);

t.test('in memory', (inner) =>
  runSuites(inner, () => startInMemory(t, false, { ...SWIFT_DEFAULTS, sync: REALMS.options }), { sync }),
);
t.test('on the cluster', (t) => runSuites(t, () => start(REALMS.toml), { sync }));

t.test('versions and synchronisation are not for one container', async (t) => {
  const both = await openBoth(t, undefined, REALMS.toml);
  const to = { 'x-container-sync-to': '//globe/west/a/c' };
  const on = { 'x-versions-enabled': 'true' };
  const ask = async (method: string, name: string, headers: Record<string, string>): Promise<[number, string]> => {
    const answer = await both.swift(method, name, headers);
    return [answer.status, await answer.text()];
  };
  await ask('PUT', '/versions', on);
  const first = 'Cannot configure container sync on a container with object versioning configured.';
  const second = 'Cannot enable object versioning on a container configured as source of container syncing.';
  t.same(await ask('POST', '/versions', to), [400, first]);
  t.same(await ask('PUT', '/both', { ...to, ...on }), [400, first]);
  await ask('PUT', '/synced', to);
  t.same(await ask('POST', '/synced', on), [400, second]);
  t.same(await ask('POST', '/synced', { ...on, 'x-container-sync-to': '' }), [204, '']);
});
