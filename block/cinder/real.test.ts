// Cinder over real volumes: bytes written through an attachment come back from snapshots, copies, backups and after a change of
// hands; and the real `openstack` and `cinder` commands with identity and volumes behind them.
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import type { ControlStore } from '../../control/contract.ts';
import { systemClock } from '../../fabric/clock.ts';
import { createLocalPeer } from '../../fabric/rpc/local.ts';
import { type CinderClient, startCinderBed } from '../../test/cinder-bed.ts';
import { startCinderCloud } from '../../test/cinder-cloud.ts';
import { findTool, missing } from '../../test/tools.ts';
import { HostBed } from '../../test/volumes/host.ts';
import { backups, groupSnapshots, groups, snapshots, volumes } from './tables.ts';

t.setTimeout(120_000);
const run = promisify(execFile);
const skip = missing('qemu-storage-daemon') || missing('qemu-io');
const SESSION_MS = 60_000;

async function realHost(t: Test) {
  const bed = new HostBed();
  t.teardown(() => bed.close());
  const host = await bed.start();
  const peer = createLocalPeer('h1', host.volumes.service, { clock: systemClock });
  t.teardown(() => peer.close());
  return { bed, host, links: new Map([['h1', { peer }]]) };
}

/** Runs qemu-io over a local attachment of its own. */
async function io(client: CinderClient, id: string, command: string): Promise<void> {
  const { attachment } = await client.ok('POST', '/attachments', {
    attachment: { volume_uuid: id, connector: { host: 'h1' } },
  });
  await client.call('POST', `/attachments/${attachment.id}/action`, { 'os-complete': null });
  const { stdout } = await run('qemu-io', ['-f', 'raw', '-c', command, attachment.connection_info.uri]);
  if (/fail/i.test(stdout)) throw new Error(stdout);
  await client.ok('DELETE', `/attachments/${attachment.id}`);
}

const written = (client: CinderClient, id: string, pattern: number) => io(client, id, `write -q -P ${pattern} 1M 256k`);
const reads = (client: CinderClient, id: string, pattern: number) => io(client, id, `read -q -P ${pattern} 1M 256k`);

t.test('bytes come back', { skip }, async (t) => {
  const { bed: hostBed, host, links } = await realHost(t);
  const bed = await startCinderBed({ links });
  t.teardown(() => bed.stop());
  const films = bed.client('films');
  const music = bed.client('music');
  const make = async (client: CinderClient, body: object): Promise<string> => {
    const { volume } = await client.ok('POST', '/volumes', { volume: body });
    await client.until(`/volumes/${volume.id}`, 'available');
    return volume.id;
  };
  const snap = async (client: CinderClient, id: string): Promise<string> => {
    const { snapshot } = await client.ok('POST', '/snapshots', { snapshot: { volume_id: id } });
    await client.until(`/snapshots/${snapshot.id}`, 'available');
    return snapshot.id;
  };
  const id = await make(films, { size: 1 });
  t.equal((await host.volumes.manager.volume(id)).allocatedBytes, 0, 'nothing is there before the first attach');
  await written(films, id, 7);
  const first = await snap(films, id);
  await written(films, id, 9);
  const restored = await make(films, { snapshot_id: first });
  await reads(films, restored, 7);
  await films.ok('DELETE', `/volumes/${restored}`);
  const copy = await make(films, { source_volid: id });
  await reads(films, copy, 9);
  await films.ok('POST', `/volumes/${copy}/action`, { 'os-extend': { new_size: 2 } });
  t.match(await films.until(`/volumes/${copy}`, 'available'), { size: 2 });
  t.equal((await host.volumes.manager.volume(copy)).sizeBytes, 2 * 2 ** 30);

  const { backup } = await films.ok('POST', '/backups', { backup: { volume_id: copy } });
  await films.until(`/backups/${backup.id}`, 'available');
  const { restore } = await films.ok('POST', `/backups/${backup.id}/restore`, { restore: {} });
  await films.until(`/volumes/${restore.volume_id}`, 'available');
  await reads(films, restore.volume_id, 9);

  await films.ok('POST', `/volumes/${id}/action`, { revert: { snapshot_id: first } });
  await films.until(`/volumes/${id}`, 'available');
  await reads(films, id, 7);

  const before = await snap(films, copy);
  const { transfer } = await films.ok('POST', '/volume-transfers', { transfer: { volume_id: copy } });
  await music.ok('POST', `/volume-transfers/${transfer.id}/accept`, { accept: { auth_key: transfer.auth_key } });
  const after = await snap(music, copy);
  const views = (await host.volumes.manager.snapshots.list({ volume: copy })).snapshots;
  const [one, two] = [before, after].map((snapshot) => views.find((view) => view.snapshot === snapshot));
  t.not(one?.lineage, two?.lineage, 'the new owner shares no chunks with the old one');
  t.equal(two?.scan, 'full');
  await reads(music, copy, 9);

  for (const client of [films, music]) await deleteAll(client);
  t.same(hostBed.left(), []);
  t.same((await host.volumes.manager.snapshots.list({})).snapshots, []);
  t.same(bed.errors, []);
});

t.test('bytes of a group come back', { skip }, async (t) => {
  const { bed: hostBed, host, links } = await realHost(t);
  const bed = await startCinderBed({ links });
  t.teardown(() => bed.stop());
  const films = bed.client('films');
  await bed.client('films', 'admin').ok('POST', '/group_types', { group_type: { name: 'g' } });
  const made = { group: { group_type: 'g', volume_types: ['__DEFAULT__'] } };
  const { group } = await films.ok('POST', '/groups', made);
  const membersOf = async (id: string): Promise<string[]> =>
    (await films.ok('GET', `/groups/${id}?list_volume=1`)).group.volumes;
  for (let i = 0; i < 2; i++)
    await films.ok('POST', '/volumes', { volume: { size: 1, volume_type: '__DEFAULT__', group_id: group.id } });
  const members = await membersOf(group.id);
  for (const [i, id] of members.entries()) {
    await films.until(`/volumes/${id}`, 'available');
    await written(films, id, 7 + i);
  }
  const { group_snapshot: taken } = await films.ok('POST', '/group_snapshots', {
    group_snapshot: { group_id: group.id },
  });
  await films.until(`/group_snapshots/${taken.id}`, 'available');
  for (const id of members) await written(films, id, 1);
  const from = { group_snapshot_id: taken.id };
  const { group: copy } = await films.ok('POST', '/groups/action', { 'create-from-src': from });
  await films.until(`/groups/${copy.id}`, 'available');
  for (const id of await membersOf(copy.id)) {
    const { volume } = await films.ok('GET', `/volumes/${id}`);
    const { snapshot } = await films.ok('GET', `/snapshots/${volume.snapshot_id}`);
    await reads(films, id, 7 + members.indexOf(snapshot.volume_id));
  }
  const drop = async (id: string): Promise<void> => {
    await films.ok('POST', `/groups/${id}/action`, { delete: { 'delete-volumes': true } });
    await films.until(`/groups/${id}`, 404);
  };
  await drop(copy.id);
  await films.ok('DELETE', `/group_snapshots/${taken.id}`);
  await films.until(`/group_snapshots/${taken.id}`, 404);
  await drop(group.id);
  t.same(hostBed.left(), []);
  t.same((await host.volumes.manager.snapshots.list({})).snapshots, []);
  t.same(bed.errors, []);
});

async function deleteAll(client: CinderClient): Promise<void> {
  for (const kind of ['backups', 'volumes'] as const) {
    for (const { id } of (await client.ok('GET', `/${kind}`))[kind]) {
      await client.ok('DELETE', `/${kind}/${id}?cascade=true`);
      await client.until(`/${kind}/${id}`, 404);
    }
  }
}

interface NamedRow {
  readonly id: string;
  readonly name: string | null;
  readonly status: string;
}

/** Many commands in one Python, with pauses where a function says so; those that end in `-f json` give a document each. */
function openstack(env: Record<string, string>, lines: readonly (string | (() => Promise<unknown>))[]) {
  // biome-ignore lint/suspicious/noExplicitAny: documents of tests are looked at, not typed
  return new Promise<{ documents: any[]; errors: string }>((resolve) => {
    const options = { env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...env }, timeout: SESSION_MS };
    const child = spawn(findTool('openstack') as string, ['--os-volume-api-version', '3.59'], options);
    let [out, errors] = ['', ''];
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes;
    });
    child.stderr.on('data', (bytes: Buffer) => {
      errors += bytes;
    });
    const talk = async (): Promise<void> => {
      for (const line of lines) {
        if (typeof line === 'string') child.stdin.write(`${line}\n`);
        else await line();
      }
    };
    talk().then(
      () => child.stdin.end(),
      (error: Error) => {
        errors += error.message;
        child.kill();
      },
    );
    child.on('close', () => {
      const texts = out.match(/^(?:\[\]|[{[]$[\s\S]*?^[}\]])$/gm) ?? [];
      resolve({ documents: texts.map((text) => JSON.parse(text)), errors });
    });
  });
}

const TABLES = { volumes, snapshots, backups, groups, groupSnapshots };

/** Until the thing of this name has this status, or is gone. */
function waiter(store: ControlStore) {
  return async (kind: keyof typeof TABLES, name: string, status?: string): Promise<NamedRow | undefined> => {
    const endMs = performance.now() + SESSION_MS / 2;
    for (;;) {
      const rows = await store.read<readonly NamedRow[]>((tx) => TABLES[kind].all(tx));
      const row = rows.find((one) => one.name === name);
      if (row?.status === status) return row;
      if (performance.now() > endMs) throw new Error(`${name} never became ${status}: ${JSON.stringify(rows)}`);
      await systemClock.sleep(20);
    }
  };
}

function command(env: Record<string, string>, ...args: string[]) {
  const options = { env: { PATH: process.env['PATH'] ?? '', ...env }, timeout: SESSION_MS };
  return run(findTool('cinder') as string, ['--os-volume-api-version', '3.44', ...args], options);
}

/** Of a cloud with a type `fast`. */
async function groupCommands(t: Test, env: Record<string, string>, store: ControlStore): Promise<void> {
  const is = waiter(store);
  const { documents, errors } = await openstack(env, [
    'volume type create --encryption-provider luks --encryption-control-location front-end sealed -f json',
    'volume type show --encryption-type sealed -f json',
    'volume create --size 1 --type sealed none -f json',
    'volume group type create gt -f json',
    'volume group create --name g1 gt fast -f json',
    async () => {
      const group = await is('groups', 'g1', 'available');
      await command(env, 'create', '--group-id', String(group?.id), '--volume-type', 'fast', '--name', 'member', '1');
    },
    () => is('volumes', 'member', 'available'),
    'volume group snapshot create --name gs1 g1 -f json',
    () => is('groupSnapshots', 'gs1', 'available'),
    'volume group snapshot list -f json',
    'volume group snapshot delete gs1',
    () => is('groupSnapshots', 'gs1'),
    'volume group set --name g2 g1',
    () => is('groups', 'g2', 'available'),
    'volume group delete --force g2',
    () => is('groups', 'g2'),
    'volume group list -f json',
  ]);
  const [, sealed, , group, taken, all] = documents;
  t.match(errors.trim(), /^[^\n]*no key manager[^\n]*$/, 'and no other error');
  t.match(sealed, { encryption: { provider: 'luks', control_location: 'front-end' } });
  t.match([group, taken], [{ Name: 'g1' }, { Name: 'gs1' }]);
  t.match(all, [{ Name: 'gs1' }]);
  t.same(documents.at(-1), []);
}

t.test('openstack and cinder', { skip: skip || missing('openstack') || missing('cinder') }, async (t) => {
  const { links } = await realHost(t);
  const { env, bed } = await startCinderCloud(t, links);
  const is = waiter(bed.store);
  const first = await openstack(env, [
    'volume type create --property volume_backend_name=local --description t fast -f json',
    'volume qos create --consumer back-end --property total_iops_sec=300 q -f json',
    'volume qos associate q fast',
    'volume create --size 1 --type fast --property a=b disk -f json',
    () => is('volumes', 'disk', 'available'),
    'volume list -f json',
    'volume set --size 2 --name disk2 disk',
    () => is('volumes', 'disk2', 'available'),
    'volume show disk2 -f json',
    'volume snapshot create --volume disk2 s1 -f json',
    () => is('snapshots', 's1', 'available'),
    'volume service list -f json',
  ]);
  const [type, qos, created, list, shown, snapshot, services] = first.documents;
  t.equal(first.errors, '');
  t.match([type, qos, created], [{ name: 'fast' }, { name: 'q' }, { name: 'disk', size: 1, type: 'fast' }]);
  t.match(list, [{ Name: 'disk', Size: 1 }]);
  t.match(shown, { name: 'disk2', properties: { a: 'b' } });
  t.match(snapshot, { name: 's1', volume_id: created.id });
  t.ok(services.some((one: { Binary: string; State: string }) => one.Binary === 'cinder-volume' && one.State === 'up'));

  const second = await openstack(env, [
    'volume backup create --name b1 disk2 -f json',
    () => is('backups', 'b1', 'available'),
    () => is('volumes', 'disk2', 'available'),
    'volume transfer request create disk2 --name t1 -f json',
    'volume transfer request delete t1',
    () => is('volumes', 'disk2', 'available'),
    'volume backup restore --force b1 disk2 -f json',
    () => is('backups', 'b1', 'available'),
    'volume snapshot delete s1',
    'volume backup list -f json',
    'volume list -f json',
  ]);
  // What openstack 6.0 says after each restore, however well it went.
  t.equal(second.errors.trim(), 'cannot unpack non-iterable VolumeBackupsRestore object');
  t.match(second.documents[0], { name: 'b1' });
  t.match(second.documents.at(-1), [{ Name: 'disk2', Size: 2 }]);

  const attached = await command(env, 'attachment-create', created.id, '--connect', 'True', '--host', 'h1');
  t.match(attached.stdout, /driver_volume_type\s*\| nbd/);
  const uri = /\| uri\s*\| (\S+)/.exec(attached.stdout)?.[1] as string;
  await run('qemu-io', ['-f', 'raw', '-c', 'write -q -P 5 0 64k', uri]);
  t.pass('and written to');
  await groupCommands(t, env, bed.store);
  t.same(bed.errors, []);
});
