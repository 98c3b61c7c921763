// Cinder's API over HTTP with fake hosts: what clients see of volumes, snapshots, backups, types, quotas, rights and versions.
import t, { type Test } from 'tap';
import { startCinderBed } from '../../test/cinder-bed.ts';

t.setTimeout(60_000);

const INSTANCES = ['11111111-0000-4000-8000-000000000000', '22222222-0000-4000-8000-000000000000'];

t.test('volumes from creation to deletion', async (t) => {
  const bed = await startCinderBed();
  t.teardown(() => bed.stop());
  const films = bed.client('films');
  const created = await films.call('POST', '/volumes', {
    volume: { name: ' first ', size: 2, metadata: { a: 'b' }, description: 'd' },
  });
  t.equal(created.status, 202);
  t.match(created.headers.get('openstack-api-version'), 'volume 3.70');
  const { volume } = created.body;
  t.match(volume, {
    name: 'first',
    size: 2,
    status: 'creating',
    metadata: { a: 'b' },
    bootable: 'false',
    volume_type: '__DEFAULT__',
  });
  t.match(volume.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
  t.match(volume.links[0].href, `/v3/films/volumes/${volume.id}`);
  t.notOk('os-vol-host-attr:host' in volume, 'hosts are for admins');
  const path = `/volumes/${volume.id}`;
  await films.until(path, 'available');
  t.match(await bed.client('films', 'admin').ok('GET', path), {
    volume: { 'os-vol-host-attr:host': /^h[12]@local#local$/ },
  });
  t.equal((await bed.client('other').call('GET', path)).status, 404, 'nobody else sees it');
  t.equal((await bed.client('other', 'admin').call('GET', path)).status, 200);

  t.match(await films.ok('PUT', path, { volume: { name: 'new', metadata: { c: 'd' } } }), {
    volume: { name: 'new', metadata: { c: 'd' } },
  });
  t.same(await films.ok('POST', `${path}/metadata`, { metadata: { e: 'f' } }), { metadata: { c: 'd', e: 'f' } });
  t.same(await films.ok('PUT', `${path}/metadata/e`, { meta: { e: 'g' } }), { meta: { e: 'g' } });
  t.equal((await films.call('DELETE', `${path}/metadata/c`)).status, 200);
  const tagged = await films.call('GET', `${path}/metadata`);
  t.same(tagged.body, { metadata: { e: 'g' } });
  t.ok(tagged.headers.get('etag'));

  await films.ok('POST', `${path}/action`, { 'os-extend': { new_size: 5 } });
  t.match(await films.until(path, 'available'), { size: 5 });
  t.equal((await films.call('POST', `${path}/action`, { 'os-extend': { new_size: 5 } })).status, 400);
  await films.ok('POST', `${path}/action`, { 'os-set_bootable': { bootable: true } });
  await films.ok('POST', `${path}/action`, { 'os-update_readonly_flag': { readonly: 'True' } });
  await films.ok('POST', `${path}/action`, { 'os-set_image_metadata': { metadata: { os: 'x' } } });
  t.match(await films.ok('GET', path), { volume: { bootable: 'true', volume_image_metadata: { os: 'x' } } });
  t.match(await films.ok('GET', '/volumes/summary'), {
    'volume-summary': { total_count: 1, total_size: 5, metadata: { e: ['g'] } },
  });
  t.match(await films.ok('GET', `${path}/encryption`), { encryption_key_id: null });

  t.equal((await films.call('DELETE', path)).status, 202);
  await films.until(path, 404);
  t.same(
    bed.agents.flatMap((agent) => [...agent.volumes]),
    [],
  );
  t.match(await films.ok('GET', '/os-quota-sets/films?usage=true'), {
    quota_set: { volumes: { in_use: 0 }, gigabytes: { in_use: 0 }, volumes___DEFAULT__: { in_use: 0 } },
  });
  t.same(bed.errors, []);
});

/** Volumes with contents, by an admin of one project. */
async function withContents(t: Test) {
  const bed = await startCinderBed();
  t.teardown(() => bed.stop());
  const films = bed.client('films', 'admin');
  const make = async (body: object): Promise<string> => {
    const { volume } = await films.ok('POST', '/volumes', { volume: body });
    await films.until(`/volumes/${volume.id}`, 'available');
    return volume.id;
  };
  const agentOf = (id: string) => bed.agents.find(({ volumes }) => volumes.has(id));
  const contentOf = (id: string) => agentOf(id)?.volumes.get(id)?.content;
  const write = (id: string, content: string): void => {
    const volume = agentOf(id)?.volumes.get(id);
    if (volume) volume.content = content;
  };
  return { bed, films, make, agentOf, contentOf, write };
}

t.test('snapshots, copies and reverts', async (t) => {
  const { bed, films, make, agentOf, contentOf, write } = await withContents(t);
  const id = await make({ size: 1 });
  write(id, 'one');
  const { snapshot } = await films.ok('POST', '/snapshots', {
    snapshot: { volume_id: id, name: 's1', metadata: { k: 'v' } },
  });
  t.match(await films.until(`/snapshots/${snapshot.id}`, 'available'), {
    'os-extended-snapshot-attributes:progress': '100%',
    size: 1,
    user_id: 'user-of-films',
  });
  write(id, 'two');
  const fromSnapshot = await make({ snapshot_id: snapshot.id });
  const copy = await make({ source_volid: id });
  t.same([contentOf(fromSnapshot), contentOf(copy)], ['one', 'two']);
  t.equal(agentOf(copy), agentOf(id), 'a copy is on the host of its source');
  t.equal(
    agentOf(copy)?.volumes.get(copy)?.lineage,
    agentOf(id)?.volumes.get(id)?.lineage,
    'one family in one project',
  );
  t.equal((await films.call('POST', '/volumes', { volume: { snapshot_id: snapshot.id, size: 0 } })).status, 400);
  t.equal((await films.call('DELETE', `/volumes/${id}`)).status, 400, 'it has a snapshot');
  await films.ok('POST', `/volumes/${id}/action`, { revert: { snapshot_id: snapshot.id } });
  await films.until(`/volumes/${id}`, 'available');
  t.equal(contentOf(id), 'one');

  await films.ok('DELETE', `/volumes/${id}?cascade=true`);
  await films.until(`/volumes/${id}`, 404);
  t.equal((await films.call('GET', `/snapshots/${snapshot.id}`)).status, 404);
  t.same(bed.errors, []);
});

t.test('backups, full, incremental and of snapshots', async (t) => {
  const { bed, films, make, contentOf, write } = await withContents(t);
  const id = await make({ size: 1 });
  write(id, 'one');
  const { snapshot } = await films.ok('POST', '/snapshots', { snapshot: { volume_id: id } });
  await films.until(`/snapshots/${snapshot.id}`, 'available');
  t.equal(
    (await films.call('POST', '/backups', { backup: { volume_id: id, incremental: true } })).status,
    400,
    'nothing to be incremental to',
  );
  const { backup } = await films.ok('POST', '/backups', {
    backup: { volume_id: id, name: 'b1', metadata: { x: 'y' } },
  });
  t.match(await films.until(`/backups/${backup.id}`, 'available'), {
    is_incremental: false,
    container: 'volume-snapshots',
    metadata: { x: 'y' },
  });
  write(id, 'three');
  const { backup: more } = await films.ok('POST', '/backups', { backup: { volume_id: id, incremental: true } });
  await films.until(`/backups/${more.id}`, 'available');
  const { backup: old } = await films.ok('POST', '/backups', { backup: { volume_id: id, snapshot_id: snapshot.id } });
  t.match(await films.until(`/backups/${old.id}`, 'available'), { snapshot_id: snapshot.id });
  t.match(await films.ok('GET', `/snapshots/${snapshot.id}`), { snapshot: { status: 'available' } });
  t.equal(bed.agents.filter(({ volumes }) => volumes.has(old.id)).length, 0, 'the volume in between is gone');

  const { restore } = await films.ok('POST', `/backups/${more.id}/restore`, { restore: {} });
  t.match(restore, { backup_id: more.id, volume_name: `restore_backup_${more.id}` });
  await films.until(`/volumes/${restore.volume_id}`, 'available');
  t.equal(contentOf(restore.volume_id), 'three');
  await films.ok('POST', `/backups/${old.id}/restore`, { restore: { volume_id: id } });
  await films.until(`/volumes/${id}`, 'available');
  t.equal(contentOf(id), 'one');
  const made = await make({ backup_id: more.id });
  t.equal(contentOf(made), 'three');

  const { 'backup-record': record } = await films.ok('GET', `/backups/${backup.id}/export_record`);
  t.equal((await bed.client('films').call('POST', '/backups/import_record', { 'backup-record': record })).status, 403);
  t.equal((await films.call('POST', '/backups/import_record', { 'backup-record': record })).status, 400, 'it is known');
  await bed.store.write(async (tx) => (await import('./tables.ts')).backups.remove(tx, backup.id));
  t.equal((await films.call('POST', '/backups/import_record', { 'backup-record': record })).status, 201);
  t.match(await films.ok('GET', `/backups/${backup.id}`), { backup: { name: 'b1', status: 'available', size: 1 } });
  await films.ok('DELETE', `/backups/${backup.id}`);
  await films.until(`/backups/${backup.id}`, 404);
  t.same(bed.errors, []);
});

t.test('attachments in both ways', async (t) => {
  const bed = await startCinderBed({ hosts: ['h1'] });
  t.teardown(() => bed.stop());
  const films = bed.client('films');
  const { volume } = await films.ok('POST', '/volumes', { volume: { size: 1 } });
  const path = `/volumes/${volume.id}`;
  await films.until(path, 'available');
  const { attachment } = await films.ok('POST', '/attachments', {
    attachment: { volume_uuid: volume.id, instance_uuid: INSTANCES[0] },
  });
  t.match(attachment, { status: 'reserved', instance: INSTANCES[0], connection_info: {}, attach_mode: 'rw' });
  await films.until(path, 'reserved');
  t.equal((await films.call('POST', '/attachments', { attachment: { volume_uuid: volume.id } })).status, 400);
  const at = `/attachments/${attachment.id}`;
  const remote = await films.ok('PUT', at, {
    attachment: { connector: { host: 'elsewhere', mountpoint: '/dev/vdb' } },
  });
  t.match(remote.attachment.connection_info, {
    driver_volume_type: 'nbd',
    transport: 'tcp',
    host: '127.0.0.1',
    port: 10809,
    tls: { mode: 'psk', secret_hex: String },
  });
  const reader = await bed.client('films', 'reader').ok('GET', at);
  t.notOk('tls' in reader.attachment.connection_info, 'no key for those who may only look');
  const local = await films.ok('PUT', at, { attachment: { connector: { host: 'h1' } } });
  t.match(local.attachment.connection_info, { transport: 'unix', socket_path: '/run/x' });
  t.equal((await films.call('POST', `${at}/action`, { 'os-complete': null })).status, 204);
  t.match(await films.until(path, 'in-use'), {
    attachments: [{ attachment_id: attachment.id, server_id: INSTANCES[0], volume_id: volume.id }],
  });
  t.equal((await films.call('DELETE', path)).status, 400);
  t.equal(
    (await films.call('POST', '/snapshots', { snapshot: { volume_id: volume.id } }, '3.65')).status,
    400,
    'no force',
  );
  t.equal(
    (await films.call('POST', '/snapshots', { snapshot: { volume_id: volume.id } })).status,
    202,
    'not needed since 3.66',
  );
  t.equal((await films.call('POST', `${path}/action`, { 'os-extend': { new_size: 2 } }, '3.41')).status, 400);
  await films.ok('POST', `${path}/action`, { 'os-extend': { new_size: 2 } }, '3.42');
  await films.until(path, 'in-use');
  t.same(await films.ok('DELETE', at), { attachments: [] });
  await films.until(path, 'available');
  t.equal(bed.agents[0]?.volumes.get(volume.id)?.attachments.size, 0);

  const act = (body: object) => films.call('POST', `${path}/action`, body);
  t.equal((await act({ 'os-reserve': null })).status, 202);
  t.equal((await act({ 'os-reserve': null })).status, 400);
  const connector = { host: 'h1', ip: '10.0.0.1' };
  const opened = await act({ 'os-initialize_connection': { connector } });
  t.match(opened.body.connection_info, { driver_volume_type: 'nbd', data: { transport: 'unix', access_mode: 'rw' } });
  t.equal((await act({ 'os-attach': { instance_uuid: INSTANCES[1], mountpoint: '/dev/vdc' } })).status, 202);
  t.match(await films.until(path, 'in-use'), { attachments: [{ server_id: INSTANCES[1], device: '/dev/vdc' }] });
  t.equal((await act({ 'os-begin_detaching': null })).status, 202);
  t.equal((await act({ 'os-terminate_connection': { connector } })).status, 202);
  t.equal(bed.agents[0]?.volumes.get(volume.id)?.attachments.size, 0);
  t.equal((await act({ 'os-detach': {} })).status, 202);
  await films.until(path, 'available');
  t.same(bed.errors, []);
});

t.test('types, limits that change live, and scheduling by them', async (t) => {
  const bed = await startCinderBed({ zones: { h2: 'north' } });
  t.teardown(() => bed.stop());
  const admin = bed.client('ops', 'admin');
  const films = bed.client('films');
  const { volume_type: fast } = await admin.ok('POST', '/types', {
    volume_type: { name: 'fast', extra_specs: { 'RESKEY:availability_zones': 'north' } },
  });
  const { qos_specs: qos } = await admin.ok('POST', '/qos-specs', {
    qos_specs: { name: 'q', consumer: 'back-end', total_iops_sec: '500' },
  });
  t.equal((await admin.call('GET', `/qos-specs/${qos.id}/associate?vol_type_id=${fast.id}`)).status, 202);
  const { volume } = await films.ok('POST', '/volumes', { volume: { size: 1, volume_type: 'fast' } });
  t.match(await films.until(`/volumes/${volume.id}`, 'available'), {
    availability_zone: 'north',
    volume_type: 'fast',
    volume_type_id: fast.id,
  });
  const limits = () => bed.agents[1]?.volumes.get(volume.id)?.limits;
  t.same(limits(), { iopsTotal: 500 });
  await admin.ok('PUT', `/qos-specs/${qos.id}`, {
    qos_specs: { total_iops_sec: '900', read_bytes_sec_per_gb: '1000' },
  });
  await waitFor(() => limits()?.iopsTotal === 900 && limits()?.bytesRead === 1000);
  t.pass('limits changed');
  t.equal((await admin.call('DELETE', `/types/${fast.id}`)).status, 400, 'in use');
  await films.ok('POST', `/volumes/${volume.id}/action`, { 'os-retype': { new_type: '__DEFAULT__' } });
  await films.until(`/volumes/${volume.id}`, 'available');
  t.same(limits(), {});
  t.match(await films.ok('GET', '/os-quota-sets/films?usage=1'), {
    quota_set: { volumes_fast: { in_use: 0 }, gigabytes___DEFAULT__: { in_use: 1 }, volumes: { in_use: 1 } },
  });

  t.same(bed.errors, []);
});

t.test('who may use a type', async (t) => {
  const bed = await startCinderBed();
  t.teardown(() => bed.stop());
  const admin = bed.client('ops', 'admin');
  const films = bed.client('films');
  const { volume_type: secret } = await admin.ok('POST', '/types', {
    volume_type: { name: 'secret', 'os-volume-type-access:is_public': false },
  });
  t.equal((await films.call('GET', `/types/${secret.id}`)).status, 404);
  t.equal((await films.call('POST', '/volumes', { volume: { size: 1, volume_type: 'secret' } })).status, 400);
  await admin.ok('POST', `/types/${secret.id}/action`, { addProjectAccess: { project: 'films' } });
  t.equal((await films.call('GET', `/types/${secret.id}`)).status, 200);
  t.same((await films.ok('GET', '/types')).volume_types.map((one: { name: string }) => one.name).sort(), [
    '__DEFAULT__',
    'secret',
  ]);
  await admin.ok('PUT', '/default-types/films', { default_type: { volume_type: 'secret' } });
  t.match(await films.ok('GET', '/types/default'), { volume_type: { name: 'secret' } });

  t.same(bed.errors, []);
});

t.test('where a volume goes, and how it moves', async (t) => {
  const bed = await startCinderBed({ zones: { h2: 'north' } });
  t.teardown(() => bed.stop());
  const admin = bed.client('ops', 'admin');
  const films = bed.client('films');
  const specs = { 'RESKEY:availability_zones': 'north' };
  await admin.ok('POST', '/types', { volume_type: { name: 'fast', extra_specs: specs } });
  const { volume } = await films.ok('POST', '/volumes', { volume: { size: 1, volume_type: 'fast' } });
  const { volume: nowhere } = await films.ok('POST', '/volumes', {
    volume: { size: 1, availability_zone: 'nova', volume_type: 'fast' },
  });
  t.equal(nowhere.status, 'error');
  t.match(await films.ok('GET', `/messages?resource_uuid=${nowhere.id}`), {
    messages: [{ event_id: 'VOLUME_VOLUME_001_003', message_level: 'ERROR' }],
  });
  await films.ok('DELETE', `/volumes/${nowhere.id}`);
  await films.until(`/volumes/${nowhere.id}`, 404);
  t.equal((await films.call('POST', '/volumes', { volume: { size: 1, availability_zone: 'nix' } })).status, 400);
  const other = await films.ok('POST', '/volumes', {
    volume: { size: 1, volume_type: '__DEFAULT__' },
    'OS-SCH-HNT:scheduler_hints': { different_host: [volume.id] },
  });
  t.match(await films.until(`/volumes/${other.volume.id}`, 'available'), { availability_zone: 'nova' });
  await admin.ok('PUT', '/os-services/disable', { binary: 'cinder-volume', host: 'h1@local' });
  const kept = await films.ok('POST', '/volumes', { volume: { size: 1, volume_type: '__DEFAULT__' } });
  t.match(await films.until(`/volumes/${kept.volume.id}`, 'available'), { availability_zone: 'north' });
  const huge = await films.ok('POST', '/volumes', {
    volume: { size: 900, volume_type: '__DEFAULT__', availability_zone: 'nova' },
  });
  t.equal(huge.volume.status, 'error', 'its only host is switched off');

  const target = other.volume.id;
  await admin.ok('POST', `/volumes/${kept.volume.id}/action`, { 'os-migrate_volume': { host: 'h1@local#local' } });
  t.match(await admin.until(`/volumes/${kept.volume.id}`, 'available'), {
    migration_status: 'success',
    'os-vol-host-attr:host': 'h1@local#local',
    availability_zone: 'nova',
  });
  t.ok(bed.agents[0]?.volumes.has(kept.volume.id));
  t.notOk(bed.agents[1]?.volumes.has(kept.volume.id));
  t.equal(bed.objects.snapshots.size, 0, 'what carried it is gone');
  t.ok(target);
  t.match(await admin.ok('GET', '/scheduler-stats/get_pools?detail=true'), {
    pools: [{ name: /h1/, capabilities: { total_capacity_gb: 100 } }, {}],
  });
  t.same(bed.errors, []);
});

async function waitFor(holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i++) {
    if (i > 2000) throw new Error('it never came');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

t.test('transfers change hands and families', async (t) => {
  const bed = await startCinderBed({ hosts: ['h1'] });
  t.teardown(() => bed.stop());
  const [films, music] = [bed.client('films'), bed.client('music')];
  const { volume } = await films.ok('POST', '/volumes', { volume: { size: 3 } });
  const path = `/volumes/${volume.id}`;
  await films.until(path, 'available');
  const { snapshot } = await films.ok('POST', '/snapshots', { snapshot: { volume_id: volume.id } });
  await films.until(`/snapshots/${snapshot.id}`, 'available');
  const before = bed.agents[0]?.volumes.get(volume.id)?.lineage;
  const { transfer } = await films.ok('POST', '/volume-transfers', { transfer: { volume_id: volume.id, name: 't' } });
  t.match(transfer, { name: 't', auth_key: String, no_snapshots: false, source_project_id: 'films', accepted: false });
  await films.until(path, 'awaiting-transfer');
  t.equal((await music.call('GET', `/volume-transfers/${transfer.id}`)).status, 404);
  const accept = (auth_key: string) =>
    music.call('POST', `/volume-transfers/${transfer.id}/accept`, { accept: { auth_key } });
  t.equal((await accept('wrong')).status, 400);
  await bed.client('ops', 'admin').ok('PUT', '/os-quota-sets/music', { quota_set: { gigabytes: 5 } });
  t.equal((await accept(transfer.auth_key)).status, 413, 'with its snapshot it is too large for the quota');
  await films.until(path, 'awaiting-transfer');
  await bed.client('ops', 'admin').ok('PUT', '/os-quota-sets/music', { quota_set: { gigabytes: 6 } });
  t.equal((await accept(transfer.auth_key)).status, 202);
  t.match(await music.ok('GET', path), { volume: { status: 'available', 'os-vol-tenant-attr:tenant_id': 'music' } });
  t.equal((await films.call('GET', path)).status, 404);
  t.equal((await music.call('GET', `/snapshots/${snapshot.id}`)).status, 200);
  const { snapshot: next } = await music
    .ok('POST', '/snapshots', { snapshot: { volume_id: volume.id } })
    .catch(() => ({ snapshot: undefined }));
  t.equal(next, undefined, 'the quota is used up');
  await bed.client('ops', 'admin').ok('PUT', '/os-quota-sets/music', { quota_set: { gigabytes: 60 } });
  const { snapshot: own } = await music.ok('POST', '/snapshots', { snapshot: { volume_id: volume.id } });
  await music.until(`/snapshots/${own.id}`, 'available');
  const lineages = new Set([...bed.objects.snapshots.values()].map(({ lineage }) => lineage));
  t.equal(lineages.size, 2, 'nothing is shared with what the old owner stored');
  const { volume: clone } = await music.ok('POST', '/volumes', { volume: { snapshot_id: snapshot.id } });
  await music.until(`/volumes/${clone.id}`, 'available');
  t.not(bed.agents[0]?.volumes.get(clone.id)?.lineage, before, 'a clone of what came along begins a family too');
  t.match(await films.ok('GET', '/os-quota-sets/films?usage=1'), {
    quota_set: { volumes: { in_use: 0 }, snapshots: { in_use: 0 }, gigabytes: { in_use: 0 } },
  });
  t.same(bed.errors, []);
});

t.test('quotas are exact, whatever runs at once', async (t) => {
  const bed = await startCinderBed();
  t.teardown(() => bed.stop());
  const films = bed.client('films');
  await bed.client('ops', 'admin').ok('PUT', '/os-quota-sets/films', { quota_set: { volumes: 7, gigabytes: 100 } });
  const replies = await Promise.all(
    Array.from({ length: 20 }, () => films.call('POST', '/volumes', { volume: { size: 1 } })),
  );
  t.equal(replies.filter(({ status }) => status === 202).length, 7);
  const refused = replies.find(({ status }) => status !== 202);
  t.equal(refused?.status, 413);
  t.match(refused?.body, { overLimit: { code: 413, message: /volumes/ } });
  t.match(await films.ok('GET', '/limits'), {
    limits: { absolute: { totalVolumesUsed: 7, maxTotalVolumes: 7, totalGigabytesUsed: 7 } },
  });
  t.equal((await films.call('GET', '/os-quota-sets/music')).status, 403);
  t.equal((await films.call('PUT', '/os-quota-sets/films', { quota_set: { volumes: 9 } })).status, 403);
  await bed.client('ops', 'admin').ok('PUT', '/os-quota-class-sets/default', { quota_class_set: { volumes: 3 } });
  t.match(await films.ok('GET', '/os-quota-sets/music/defaults').catch(() => 0), 0);
  t.match(await bed.client('music').ok('GET', '/os-quota-sets/music'), { quota_set: { volumes: 3, backups: 10 } });
});
