// The disaster drill of docs/block.md: a host, its volumes and its control plane are lost; what is in the object store brings
// everything back, on the same cluster and on another one that is pointed at it. And a host that cannot serve volumes.

import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { missing } from '../test/tools.ts';
import { mustRun, sumOfUri, VolumeCluster } from '../test/volumes/cluster.ts';

t.setTimeout(170_000);
const skip = missing('qemu-storage-daemon') || missing('nbdcopy') || missing('qemu-io');
const MIB = 2 ** 20;

interface Named {
  readonly name: string;
  readonly kind: string;
  readonly status: string;
}

/** Two moments of one volume, the second incremental; their sums. */
async function fill(cluster: VolumeCluster): Promise<Map<string, string>> {
  const sums = new Map<string, string>();
  const bytes = cluster.file('in.bin');
  await cluster.json('create', 'disk', '16M', '--chunk', '64K');
  const { uri } = await cluster.json<{ uri: string }>('attach', 'disk');
  for (const [name, offset] of [
    ['monday', '0'],
    ['tuesday', '6M'],
  ] as const) {
    writeFileSync(bytes, randomBytes(4 * MIB));
    await mustRun('qemu-io', ['-f', 'raw', '-c', `write -q -s ${bytes} ${offset} 4M`, uri]);
    sums.set(name, await sumOfUri(uri, cluster.file('out.bin')));
    await cluster.json(name === 'monday' ? 'snapshot' : 'backup', 'disk', '--name', name);
  }
  return sums;
}

async function restored(cluster: VolumeCluster, name: string): Promise<string> {
  await cluster.json('restore', name, `${name}-again`, '--wait');
  const { uri } = await cluster.json<{ uri: string }>('attach', `${name}-again`);
  return sumOfUri(uri, cluster.file('out.bin'));
}

t.test('everything but the object store is lost', { skip }, async (t) => {
  const cluster = new VolumeCluster(t);
  await cluster.start();
  const sums = await fill(cluster);
  await cluster.kill();
  await cluster.endDaemons();
  for (const gone of ['volumes', 'control', 'host-id', 'run'])
    rmSync(path.join(cluster.data, gone), { recursive: true });
  await cluster.start();

  await t.test('the same cluster, a host without memory', async (t) => {
    t.same(await cluster.json('list'), []);
    t.match(await cluster.json<Named[]>('snapshots'), [
      { name: 'monday', kind: 'snapshot', status: 'available' },
      { name: 'tuesday', kind: 'backup', status: 'available' },
    ]);
    for (const [name, sum] of sums) t.equal(await restored(cluster, name), sum, name);
  });

  await t.test('another cluster that is pointed at the store', async (t) => {
    const other = new VolumeCluster(t);
    const { authUrl, user, key } = cluster.credentials().volumes.swift;
    const config = other.file('config.toml');
    writeFileSync(config, `volumes-auth-url = "${authUrl}"\nvolumes-user = "${user}"\nvolumes-key = "${key}"\n`);
    await other.start({ args: ['--config', config] });
    t.equal(await restored(other, 'tuesday'), sums.get('tuesday'));
    await other.json('delete-snapshot', 'monday');
    t.equal((await cluster.json<Named[]>('snapshots')).length, 1, 'one store, seen by both');
    await other.stop();
  });

  await t.test('a host that cannot serve volumes; its store is found through a Keystone', async (t) => {
    const other = new VolumeCluster(t);
    const { authUrl, username, password, projectName } = cluster.credentials().keystone;
    const config = other.file('config.toml');
    const lines = [`volumes-auth-url = "${authUrl}"`, `volumes-user = "${username}"`, `volumes-key = "${password}"`];
    writeFileSync(config, [...lines, `volumes-project = "${projectName}"`, ''].join('\n'));
    // Of all programs only node.
    const bin = other.file('bin');
    mkdirSync(bin);
    symlinkSync(process.execPath, path.join(bin, 'node'));
    await other.start({ args: ['--config', config], env: { ...process.env, PATH: bin } });
    const { unfit } = await other.json<{ unfit: string }>('status');
    t.match(unfit, /apt-get install -y --no-install-recommends \S+/, 'what to install');
    t.match(await other.volume('create', 'disk', '16M'), { code: 1, stderr: `needletail: ${unfit}\n` });
    t.same(await other.json('snapshots'), [], "the rest works: the project's account has none");
    await other.stop();
  });
});
