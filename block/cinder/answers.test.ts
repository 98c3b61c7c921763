// Cinder's answers where clients notice: each case is one in which the real API (Zed, 3.70) was asked the same, side by side.
import t from 'tap';
import { Fault, fabricFaults } from '../../fabric/errors.ts';
import { type CinderClient, startCinderBed } from '../../test/cinder-bed.ts';

t.setTimeout(60_000);

const NOBODY = '00000000-0000-4000-8000-000000000000';

async function bedOf(t: { teardown(fn: () => Promise<void>): void }) {
  const bed = await startCinderBed({
    hosts: ['h1'],
    settings: {
      quotas: {
        volumes: 20,
        gigabytes: 100,
        snapshots: 10,
        backups: 10,
        backup_gigabytes: 100,
        per_volume_gigabytes: -1,
        groups: 3,
      },
    },
  });
  t.teardown(() => bed.stop());
  return { bed, films: bed.client('films'), admin: bed.client('films', 'admin') };
}

async function volumeOf(client: CinderClient, body: object = {}): Promise<string> {
  const { volume } = await client.ok('POST', '/volumes', { volume: { size: 1, ...body } });
  await client.until(`/volumes/${volume.id}`, 'available');
  return volume.id;
}

t.test('versions: documents are negotiated too, refusals name what was asked', async (t) => {
  const { bed, films } = await bedOf(t);
  const ask = (path: string, version: string) =>
    films.raw('GET', path, undefined, { 'openstack-api-version': version });
  for (const path of ['/', '/v3/']) {
    t.equal((await ask(path, 'volume 3.44')).headers.get('openstack-api-version'), 'volume 3.44');
    t.equal((await ask(path, 'volume latest')).headers.get('openstack-api-version'), 'volume 3.70');
    t.equal((await ask(path, 'volume 3')).status, 400);
    const beyond = await ask(path, 'volume 3.71');
    t.equal(beyond.status, 406);
    t.equal(beyond.headers.get('openstack-api-version'), 'volume 3.71');
  }
  t.same(bed.errors, []);
});

t.test('bodies that are not as they should be', async (t) => {
  const { bed, films, admin } = await bedOf(t);
  const statusOf = async (body: object, version?: string) =>
    (await films.call('POST', '/volumes', body, version)).status;
  const wrong: object[] = [
    { metadata: { é: 'x' } },
    { snapshot_id: '' },
    { availability_zone: '' },
    { multiattach: 'maybe' },
    { imageRef: '' },
  ];
  for (const one of wrong) t.equal(await statusOf({ volume: { size: 1, ...one } }), 400, JSON.stringify(one));
  t.equal(await statusOf({ volume: { size: 1 }, 'OS-SCH-HNT:scheduler_hints': { same_host: 5 } }), 400);
  t.equal(await statusOf({ volume: { size: 1, group_id: NOBODY } }), 404, 'there is no such group');
  t.equal(await statusOf({ volume: { size: 1, backup_id: NOBODY } }, '3.0'), 404, 'looked for at any version');
  const text = await films.raw('POST', '/v3/films/volumes', { volume: { size: 1 } }, { 'content-type': 'text/plain' });
  t.match(text, { status: 415, body: { badMediaType: { code: 415 } } });
  const id = await volumeOf(films);
  const path = `/volumes/${id}/action`;
  const act = async (body: object, version?: string) => (await admin.call('POST', path, body, version)).status;
  t.equal(await act({ 'os-extend': { new_size: 2, more: 1 } }), 400);
  t.equal(await act({ 'os-attach': { mountpoint: '/dev/vdb' } }), 400, 'to whom');
  t.equal(await act({ 'os-attach': { mountpoint: '/dev/vdb', instance_uuid: 'x' } }), 400);
  t.equal(await act({ 'os-terminate_connection': null }), 400);
  t.equal(await act({ 'os-retype': { new_type: '__DEFAULT__', migration_policy: null } }), 400);
  t.equal(await act({ 'os-reset_status': { migration_status: 'nonsense' } }), 400);
  t.equal(await act({ 'os-reset_status': { status: 'AVAILABLE' } }), 202);
  t.equal(await act({ revert: { snapshot_id: NOBODY } }, '3.39'), 404, 'an action of later versions is not there');
  t.equal(await act({ nonsense: null }), 400);
  t.equal(await act({ 'os-unset_image_metadata': { key: 'nix' } }), 404);
  t.equal(await act({ 'os-migrate_volume_completion': { new_volume: NOBODY } }), 404);
  t.equal(await act({ 'os-roll_detaching': null }), 202, 'nothing to take back');
  t.equal((await films.call('POST', path, { 'os-force_detach': {} })).status, 403);
  t.equal((await films.call('DELETE', `/volumes/${id}?cascade=maybe`)).status, 400);
  const shortage = await films.call('POST', '/volumes', { volume: { size: 200 } });
  t.match(shortage, { status: 413, body: { overLimit: { retryAfter: '0' } } });
  t.equal(shortage.headers.get('retry-after'), '0');
  const older = { snapshot: { volume_id: id, display_description: 'x' } };
  t.equal((await films.call('POST', '/snapshots', older)).status, 400);
  t.equal((await films.call('POST', '/backups', { backup: { volume_id: id, metadata: {} } }, '3.42')).status, 400);
  t.same(bed.errors, []);
});

t.test('views: links, attributes, what is shown among the metadata', async (t) => {
  const { bed, films, admin } = await bedOf(t);
  const { volume } = await admin.ok('POST', '/volumes', { volume: { size: 1 } });
  t.notOk('os-vol-host-attr:host' in volume, 'a made volume is shown without attributes');
  await admin.until(`/volumes/${volume.id}`, 'available');
  const shown = (await admin.ok('GET', `/volumes/${volume.id}`)).volume;
  t.ok('os-vol-host-attr:host' in shown);
  t.match(shown.service_uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-/);
  t.match(shown.links[0].href, `/v3/films/volumes/${volume.id}`);
  const bare = (await films.raw('GET', `/v3/volumes/${volume.id}`)).body.volume;
  t.equal(new URL(bare.links[0].href).pathname, `/v3/volumes/${volume.id}`);
  t.equal(new URL(bare.links[1].href).pathname, `/volumes/${volume.id}`);
  const act = (body: object) => films.ok('POST', `/volumes/${volume.id}/action`, body);
  await act({ 'os-update_readonly_flag': { readonly: false } });
  await act({ 'os-attach': { mountpoint: '/dev/vdb', instance_uuid: NOBODY } });
  await act({ 'os-attach': { mountpoint: '/dev/vdb', instance_uuid: NOBODY } });
  t.match(await films.ok('GET', `/volumes/${volume.id}`), {
    volume: { metadata: { readonly: 'False', attached_mode: 'rw' }, attachments: { length: 1 } },
  });
  t.same(await films.ok('GET', `/volumes/${volume.id}/metadata`), { metadata: {} });
  await act({ 'os-detach': {} });
  t.same((await films.ok('GET', `/volumes/${volume.id}`)).volume.metadata, { readonly: 'False' });
  const { snapshot } = await films.ok('POST', '/snapshots', { snapshot: { volume_id: volume.id } });
  await films.until(`/snapshots/${snapshot.id}`, 'available');
  const [brief] = (await films.ok('GET', '/snapshots')).snapshots;
  t.notOk('user_id' in brief || 'os-extended-snapshot-attributes:progress' in brief);
  t.ok('user_id' in (await films.ok('GET', '/snapshots/detail')).snapshots[0]);
  t.equal((await films.ok('GET', '/snapshots?availability_zone=nova')).snapshots.length, 1);
  t.same(bed.errors, []);
});

t.test('metadata that somebody else has changed', async (t) => {
  const { bed, films } = await bedOf(t);
  const path = `/volumes/${await volumeOf(films, { metadata: { a: 'b' } })}/metadata`;
  const put = async (tag: string, at = path, body: object = { metadata: { a: 'c' } }) =>
    (await films.raw('PUT', `/v3/films${at}`, body, { 'if-match': tag, 'openstack-api-version': 'volume 3.15' }))
      .status;
  const tag = (await films.call('GET', path)).headers.get('etag') as string;
  t.equal(await put('"other"'), 412);
  t.equal(await put(tag), 200);
  t.equal(await put(tag), 412);
  t.equal(await put(tag, `${path}/a`, { meta: { a: 'd' } }), 412);
  t.same(await films.ok('GET', path), { metadata: { a: 'c' } });
  t.same(bed.errors, []);
});

t.test('lists: what may be asked of them', async (t) => {
  const { bed, films, admin } = await bedOf(t);
  const id = await volumeOf(films, { name: 'Reel' });
  const statusOf = async (path: string, version?: string) => (await films.call('GET', path, undefined, version)).status;
  t.equal(await statusOf('/volumes?nosuch=1'), 400);
  t.equal(await statusOf('/volumes?nosuch=1', '3.30'), 200);
  t.same((await admin.ok('GET', '/volumes?nosuch=1')).volumes, [], 'nothing rather than everything');
  t.equal((await films.ok('GET', '/volumes?name~=rEE')).volumes.length, 1);
  await films.ok('PUT', `/volumes/${id}/metadata`, { metadata: { a: "it's" } });
  const having = async (text: string) =>
    (await films.ok('GET', `/volumes?metadata=${encodeURIComponent(text)}`)).volumes.length;
  t.equal(await having(JSON.stringify({ a: "it's" })), 1);
  t.equal(await having("{'a': 'its'}"), 0);
  for (const query of [
    'bootable=maybe',
    'all_tenants=',
    'with_count=maybe',
    'created_at=2020-01-01',
    'offset=4294967296',
  ])
    t.equal(await statusOf(`/volumes?${query}`), 400, query);
  for (const list of ['volumes', 'snapshots', 'backups', 'attachments', 'messages', 'volume-transfers'])
    t.equal(await statusOf(`/${list}?marker=${NOBODY}`), 404, list);
  t.equal(await statusOf('/volumes?sort=host:asc,user_id:desc'), 200);
  t.equal((await admin.call('GET', '/types?is_public=maybe')).status, 400);
  t.equal((await admin.ok('GET', '/types?limit=1')).volume_type_links.length, 1);
  t.equal(await statusOf('/os-quota-sets/films?usage=maybe'), 400);
  t.match(await films.ok('GET', '/extensions/os-hosts'), { extension: { alias: 'os-hosts' } });
  t.equal((await admin.call('GET', '/scheduler-stats/get_pools?nosuch=1')).status, 400);
  t.match(await admin.ok('GET', '/os-hosts'), { hosts: { length: 3 } }, 'of every service');
  t.ok(id);
  t.same(bed.errors, []);
});

t.test('what there is none of', async (t) => {
  const { bed, films, admin } = await bedOf(t);
  for (const path of ['consistencygroups', 'cgsnapshots', 'clusters']) {
    t.same(await admin.ok('GET', `/${path}`), { [path]: [] }, path);
    t.equal((await admin.call('GET', `/${path}/${NOBODY}`)).status, 404, path);
  }
  t.equal((await films.call('POST', '/consistencygroups', { consistencygroup: {} })).status, 501);
  t.equal((await films.call('GET', '/clusters')).status, 403);
  t.same(await admin.ok('GET', '/manageable_volumes?host=h1'), { 'manageable-volumes': [] });
  t.same(await admin.ok('POST', '/workers/cleanup', {}), { cleaning: [], unavailable: [] });
  t.same(bed.errors, []);
});

t.test('an instance that moves has a volume twice for a while', async (t) => {
  const { bed, films } = await bedOf(t);
  const volume_uuid = await volumeOf(films);
  const add = async (instance_uuid: string) =>
    films.call('POST', '/attachments', { attachment: { volume_uuid, instance_uuid } });
  const first = (await add(NOBODY)).body.attachment.id;
  await films.ok('PUT', `/attachments/${first}`, { attachment: { connector: { host: 'h1' } } });
  await films.ok('POST', `/attachments/${first}/action`, { 'os-complete': null });
  const second = await add(NOBODY);
  t.equal(second.status, 200);
  await films.ok('PUT', `/attachments/${second.body.attachment.id}`, { attachment: { connector: { host: 'h2' } } });
  t.equal((await add(NOBODY.replace(/0$/, '1'))).status, 400, 'of another instance it is not');
  await films.ok('DELETE', `/attachments/${first}`);
  await films.ok('POST', `/attachments/${second.body.attachment.id}/action`, { 'os-complete': null });
  t.match(await films.ok('GET', `/volumes/${volume_uuid}`), {
    volume: { status: 'in-use', attachments: { length: 1 } },
  });
  t.same(bed.errors, []);
});

t.test('a volume says which backup it is of', async (t) => {
  const { bed, films } = await bedOf(t);
  const volume_id = await volumeOf(films);
  const { backup } = await films.ok('POST', '/backups', { backup: { volume_id } });
  t.notOk('volume_id' in backup);
  await films.until(`/backups/${backup.id}`, 'available');
  t.notOk('user_id' in (await films.ok('GET', `/backups/${backup.id}`)).backup, 'for admins');
  const restored = async (restore: object) => {
    const { restore: made } = await films.ok('POST', `/backups/${backup.id}/restore`, { restore });
    await films.until(`/backups/${backup.id}`, 'available');
    return films.until(`/volumes/${made.volume_id}`, 'available');
  };
  t.match(await restored({}), {
    metadata: { src_backup_id: backup.id },
    description: 'auto-created_from_restore_from_backup',
  });
  t.same((await restored({ volume_id })).metadata, {}, 'of its own one it need not');
  const made = await volumeOf(films, { backup_id: backup.id });
  t.match(await films.ok('GET', `/volumes/${made}`), { volume: { metadata: { src_backup_id: backup.id } } });
  t.same(bed.errors, []);
});

t.test('types that ask for encryption', async (t) => {
  const { bed, films, admin } = await bedOf(t);
  const make = async (name: string): Promise<string> =>
    (await admin.ok('POST', '/types', { volume_type: { name } })).volume_type.id;
  const [sealed, used] = [await make('sealed'), await make('used')];
  const id = await volumeOf(films, { volume_type: 'used' });
  const path = `/types/${sealed}/encryption`;
  const luks = { provider: 'luks', control_location: 'front-end' };
  const post = async (encryption: object, at = path) => (await admin.call('POST', at, { encryption })).status;
  t.same(await admin.ok('GET', path), {});
  t.equal((await admin.call('GET', `${path}/provider`)).status, 404);
  for (const one of [
    { provider: 'luks' },
    { control_location: 'front-end' },
    { ...luks, control_location: 'both' },
    { ...luks, key_size: 'x' },
    { ...luks, key_size: -1 },
    { ...luks, key_size: 2 ** 31 },
    { ...luks, key_size: '9999999999' },
    { ...luks, cipher: 5 },
    { ...luks, secret: 'x' },
  ])
    t.equal(await post(one), 400, JSON.stringify(one));
  for (const method of ['POST', 'PUT', 'DELETE'])
    t.match(
      await admin.call(
        method,
        `/types/${used}/encryption${method === 'POST' ? '' : '/x'}`,
        method === 'DELETE' ? undefined : { encryption: luks },
      ),
      { status: 400, body: { badRequest: { message: /Volume type in use/ } } },
    );
  t.equal(await post(luks, `/types/${NOBODY}/encryption`), 404);
  t.equal((await films.call('POST', path, { encryption: luks })).status, 403);
  t.equal((await films.call('GET', path)).status, 403);
  const made = await admin.ok('POST', path, { encryption: { ...luks, key_size: '256', cipher: 'aes-xts-plain64' } });
  t.match(made.encryption, { ...luks, key_size: 256, volume_type_id: sealed, encryption_id: String });
  t.equal(await post(luks), 400, 'a type has one');
  t.same(await admin.ok('GET', `${path}/cipher`), { cipher: 'aes-xts-plain64' });
  t.equal((await admin.call('GET', `${path}/nix`)).status, 404);
  t.same(await admin.ok('PUT', `${path}/provider`, { encryption: { key_size: 512 } }), {
    encryption: { key_size: 512 },
  });
  t.match(await admin.ok('GET', path), { ...luks, key_size: 512, volume_type_id: sealed, deleted: false });

  const refused = { status: 400, body: { badRequest: { message: /no key manager/ } } };
  t.match(await films.call('POST', '/volumes', { volume: { size: 1, volume_type: 'sealed' } }), refused);
  t.match(await films.call('POST', `/volumes/${id}/action`, { 'os-retype': { new_type: 'sealed' } }), refused);
  await admin.ok('PUT', '/default-types/films', { default_type: { volume_type: 'sealed' } });
  t.match(await films.call('POST', '/volumes', { volume: { size: 1 } }), refused, 'nor by default');
  t.equal((await admin.call('DELETE', `${path}/x`)).status, 202);
  t.equal((await admin.call('DELETE', `${path}/x`)).status, 404);
  await volumeOf(films);
  t.same(bed.errors, []);
});

t.test('a type that a volume is on its way to cannot become an encrypted one', async (t) => {
  const { bed, films, admin } = await bedOf(t);
  const { volume_type: type } = await admin.ok('POST', '/types', { volume_type: { name: 'next' } });
  const { qos_specs: qos } = await admin.ok('POST', '/qos-specs', { qos_specs: { name: 'q', total_iops_sec: '5' } });
  await admin.ok('GET', `/qos-specs/${qos.id}/associate?vol_type_id=${type.id}`);
  const id = await volumeOf(films);
  const [agent] = bed.agents;
  agent?.failures.set('limitVolume', new Fault(fabricFaults.unreachable, {}, 'away for a while'));
  await films.ok('POST', `/volumes/${id}/action`, { 'os-retype': { new_type: 'next' } });
  const encryption = { provider: 'luks', control_location: 'back-end' };
  t.equal((await admin.call('POST', `/types/${type.id}/encryption`, { encryption })).status, 400);
  agent?.failures.clear();
  t.match(await films.until(`/volumes/${id}`, 'available'), { volume_type: 'next' });
  t.same(bed.errors, []);
});

t.test('types and quotas', async (t) => {
  const { bed, films, admin } = await bedOf(t);
  const make = async (body: object) => admin.call('POST', '/types', { volume_type: body });
  t.equal((await make({ name: 'a', is_public: false })).status, 400, 'spelt otherwise when made');
  t.equal((await make({ name: 'a', 'os-volume-type-access:is_public': 'maybe' })).status, 400);
  const { volume_type: own } = (await make({ name: 'own', 'os-volume-type-access:is_public': false })).body;
  t.same(await admin.ok('GET', `/types/${own.id}/os-volume-type-access`), { volume_type_access: [] });
  t.equal((await films.call('GET', `/types/${own.id}`)).status, 404, 'not even for the project of whoever made it');
  const { volume_type: open } = (await make({ name: 'open' })).body;
  const give = { addProjectAccess: { project: 'music' } };
  t.equal((await admin.call('POST', `/types/${open.id}/action`, give)).status, 400);
  t.equal((await admin.call('POST', `/types/${open.id}/extra_specs`, { extra_specs: { 'a b': 'c' } })).status, 400);
  t.equal((await admin.call('POST', `/types/${open.id}/extra_specs`, { extra_specs: {} })).status, 200);
  await volumeOf(films);
  const set = async (quota_set: object) => (await admin.call('PUT', '/os-quota-sets/films', { quota_set })).status;
  t.equal(await set({ volumes: 0 }), 400, 'below what there is');
  t.equal(await set({ volumes_nosuch: 1 }), 400);
  t.equal(await set({ volumes: null }), 400);
  t.equal(await set({}), 400);
  t.equal(await set({ volumes_open: 0, volumes: 1 }), 200);
  t.equal((await films.call('POST', '/volumes', { volume: { size: 1, volume_type: 'open' } })).status, 413);
  const spec = async (body: object) =>
    (await admin.call('POST', '/qos-specs', { qos_specs: { name: 'q', ...body } })).status;
  t.equal(await spec({ total_iops_sec: 5 }), 400, 'a text');
  t.equal(await spec({ total_iops_sec: '5' }), 200);
  t.same(bed.errors, []);
});
