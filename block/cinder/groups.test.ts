// Generic volume groups over HTTP with fake hosts: types, members and their rules, group snapshots, copies, deletion, quotas. Each
// refusal is one that the real API (Zed, 3.70) gave when it was asked the same, unless docs/api-cinder.md says where they differ.
import t, { type Test } from 'tap';
import { Fault } from '../../fabric/errors.ts';
import { type CinderBedOptions, type CinderClient, startCinderBed } from '../../test/cinder-bed.ts';

t.setTimeout(60_000);

const NOBODY = '00000000-0000-4000-8000-000000000000';
const QUOTAS = { volumes: 20, gigabytes: 100, snapshots: 20, backups: 1, backup_gigabytes: 1, groups: 6 };

/** A type of groups, two of volumes, and ways to make things. */
async function bedOf(t: Test, options: CinderBedOptions = {}) {
  const bed = await startCinderBed({ settings: { quotas: QUOTAS }, ...options });
  t.teardown(() => bed.stop());
  const [films, admin] = [bed.client('films'), bed.client('films', 'admin')];
  await admin.ok('POST', '/group_types', { group_type: { name: 'plain', group_specs: { any: 'thing' } } });
  for (const name of ['va', 'vb']) await admin.ok('POST', '/types', { volume_type: { name } });
  const groupOf = async (body: object = {}, client: CinderClient = films): Promise<string> =>
    (await client.ok('POST', '/groups', { group: { group_type: 'plain', volume_types: ['va'], ...body } })).group.id;
  const volumeOf = async (body: object = {}, client: CinderClient = films): Promise<string> => {
    const { volume } = await client.ok('POST', '/volumes', { volume: { size: 1, volume_type: 'va', ...body } });
    await client.until(`/volumes/${volume.id}`, 'available');
    return volume.id;
  };
  const membersOf = async (id: string): Promise<string[]> =>
    (await films.ok('GET', `/groups/${id}?list_volume=true`)).group.volumes;
  const drop = (id: string, withVolumes = true) =>
    films.call('POST', `/groups/${id}/action`, { delete: { 'delete-volumes': withVolumes } });
  return { bed, films, admin, groupOf, volumeOf, membersOf, drop };
}

t.test('types of groups', async (t) => {
  const { bed, films, admin } = await bedOf(t, { settings: { quotas: QUOTAS, defaultGroupType: 'plain' } });
  const make = (body: object) => admin.call('POST', '/group_types', { group_type: body });
  const { status, body } = await make({ name: 'own', is_public: false, description: 'd', group_specs: { a: 'b' } });
  t.equal(status, 202);
  const path = `/group_types/${body.group_type.id}`;
  t.match(body.group_type, { name: 'own', is_public: false, description: 'd', group_specs: { a: 'b' } });
  t.equal((await make({ name: 'own' })).status, 409);
  for (const one of [{}, { name: '' }, { name: 'x', more: 1 }, { name: 'x', is_public: 'maybe' }])
    t.equal((await make(one)).status, 400, JSON.stringify(one));
  t.equal((await films.call('POST', '/group_types', { group_type: { name: 'x' } })).status, 403);
  t.equal((await films.call('GET', path)).status, 404, 'not public');
  const names = async (client: CinderClient, query = ''): Promise<string[]> =>
    (await client.ok('GET', `/group_types${query}`)).group_types.map((one: { name: string }) => one.name);
  t.same([await names(films), await names(films, '?is_public=none')], [['plain'], ['plain']]);
  t.same(await names(admin, '?is_public=none&sort=name:asc'), ['own', 'plain']);
  t.same(await names(admin, '?is_public=false'), ['own']);
  t.match(await admin.ok('GET', '/group_types?is_public=none&limit=1'), { group_type_links: [{ rel: 'next' }] });
  const shown = (await films.ok('GET', '/group_types/default')).group_type;
  t.same([shown.name, 'group_specs' in shown], ['plain', false], 'specs are for admins');
  const specs = `${path}/group_specs`;
  t.equal((await admin.call('POST', specs, { group_specs: { k: 'v', n: null } })).status, 202);
  t.same(await admin.ok('GET', specs), { group_specs: { a: 'b', k: 'v', n: null } });
  t.same(await admin.ok('PUT', `${specs}/k`, { k: 'w' }), { k: 'w' });
  t.equal((await admin.call('PUT', `${specs}/k`, { l: 'w' })).status, 400);
  t.same(await admin.ok('GET', `${specs}/k`), { k: 'w' });
  t.equal((await admin.call('DELETE', `${specs}/k`)).status, 202);
  t.equal((await admin.call('DELETE', `${specs}/k`)).status, 404);
  t.equal((await films.call('GET', specs)).status, 403);
  t.match(await admin.ok('PUT', path, { group_type: { name: 'open', is_public: 'true' } }), {
    group_type: { name: 'open', is_public: true },
  });
  t.equal((await admin.call('PUT', path, { group_type: { name: 'plain' } })).status, 409);
  t.equal((await admin.call('PUT', path, { group_type: {} })).status, 400);
  t.equal((await admin.call('DELETE', path)).status, 202);
  t.equal((await admin.call('GET', path)).status, 404);
  t.equal((await films.call('GET', '/group_types', undefined, '3.10')).status, 404);
  t.same(bed.errors, []);
});

t.test('groups: made, shown by version, listed, changed', async (t) => {
  const { bed, films, admin, groupOf, volumeOf, membersOf } = await bedOf(t, { zones: { h2: 'north' } });
  const refused = async (body: object): Promise<number> =>
    (await films.call('POST', '/groups', { group: { group_type: 'plain', volume_types: ['va'], ...body } })).status;
  for (const one of [{ volume_types: [] }, { volume_types: ['va', 'va'] }, { availability_zone: 'nix' }, { more: 1 }])
    t.equal(await refused(one), 400, JSON.stringify(one));
  for (const one of [{ volume_types: ['nix'] }, { group_type: 'nix' }, { group_type: NOBODY }])
    t.equal(await refused(one), 404, JSON.stringify(one));
  const id = await groupOf({ name: ' one ', description: 'd', availability_zone: 'north', volume_types: ['va', 'vb'] });
  const path = `/groups/${id}`;
  const at = async (version: string) => (await admin.ok('GET', `${path}?list_volume=1`, undefined, version)).group;
  t.match(await at('3.70'), {
    ...{ id, name: 'one', description: 'd', status: 'available', availability_zone: 'north', project_id: 'films' },
    ...{ group_snapshot_id: null, source_group_id: null, replication_status: 'disabled', volumes: [] },
    volume_types: { length: 2 },
  });
  for (const [version, field] of [
    ['3.13', 'group_snapshot_id'],
    ['3.24', 'volumes'],
    ['3.37', 'replication_status'],
    ['3.57', 'project_id'],
  ] as const)
    t.notOk(field in (await at(version)), `${field} is of later versions than ${version}`);
  t.notOk('project_id' in (await films.ok('GET', path)).group, 'for admins');
  const other = await groupOf({ name: 'two' });
  const names = async (query: string, client = films): Promise<string[]> =>
    (await client.ok('GET', `/groups${query}`)).groups.map((one: { name: string }) => one.name);
  t.same(await names('?sort=name:desc'), ['two', 'one']);
  t.same([await names('?name=one'), await names('?name~=w')], [['one'], ['two']]);
  t.equal((await films.call('GET', '/groups?status=error')).status, 400, 'members filter by name');
  t.same(await names('?status=error', admin), []);
  const first = await films.ok('GET', '/groups/detail?limit=1&sort=name:asc&list_volume=True');
  t.match(first, { groups: [{ name: 'one', volumes: [] }], group_links: [{ rel: 'next', href: /marker=/ }] });
  t.same(await names('', bed.client('music')), []);
  t.equal((await names('?all_tenants=1', bed.client('music', 'admin'))).length, 2);
  t.equal((await bed.client('music').call('GET', path)).status, 404);
  t.equal((await bed.client('films', 'reader').call('GET', path)).status, 200);
  t.equal((await bed.client('films', 'reader').call('PUT', path, { group: { name: 'x' } })).status, 403);

  const set = async (body: object) => (await films.call('PUT', path, { group: body })).status;
  const north = await volumeOf({ availability_zone: 'north' });
  const nova = await volumeOf({ availability_zone: 'nova' });
  const plain = await volumeOf({ availability_zone: 'north', volume_type: '__DEFAULT__' });
  const foreign = await volumeOf({ availability_zone: 'north' }, bed.client('music'));
  for (const one of [nova, plain, foreign, NOBODY, 'x']) t.equal(await set({ add_volumes: one }), 400, one);
  for (const one of [{}, { name: 'one' }, { name: null }, { remove_volumes: north }, { add_volumes: '' }])
    t.equal(await set(one), 400, JSON.stringify(one));
  t.equal(await set({ add_volumes: north, remove_volumes: north }), 400);
  t.equal(await set({ add_volumes: `${north},`, name: 'uno' }), 202);
  t.same([await membersOf(id), (await films.ok('GET', `/volumes/${north}`)).volume.group_id], [[north], id]);
  t.match(await films.call('PUT', `/groups/${other}`, { group: { add_volumes: north } }), { status: 400 });
  t.equal(await set({ remove_volumes: north }), 202);
  t.match(await films.ok('GET', path), { group: { name: 'uno', status: 'available' } });
  t.same(await membersOf(id), []);
  await admin.ok('POST', `${path}/action`, { reset_status: { status: 'ERROR' } });
  t.equal(await set({ add_volumes: north }), 400, 'not while it is in error');
  t.equal((await admin.call('POST', `${path}/action`, { reset_status: { status: 'in-use' } })).status, 400);
  t.equal((await films.call('POST', `${path}/action`, { reset_status: { status: 'error' } })).status, 403);
  t.equal((await admin.call('POST', `${path}/action`, { reset_status: { status: 'error' } }, '3.19')).status, 404);
  t.same(bed.errors, []);
});

t.test('what a group cannot promise', async (t) => {
  const { bed, films, admin, groupOf, volumeOf } = await bedOf(t);
  for (const spec of ['consistent_group_snapshot_enabled', 'consistent_group_replication_enabled']) {
    await admin.ok('POST', '/group_types', { group_type: { name: spec, group_specs: { [spec]: '<is> True' } } });
    const id = await groupOf({ group_type: spec });
    t.match(await films.ok('GET', `/groups/${id}`), { group: { status: 'error' } });
    t.match(await films.ok('GET', `/messages?resource_uuid=${id}`), {
      messages: [{ resource_type: 'GROUP', message_level: 'ERROR', user_message: new RegExp(spec) }],
    });
    t.equal(
      (await films.call('POST', '/volumes', { volume: { size: 1, volume_type: 'va', group_id: id } })).status,
      400,
    );
    t.equal((await films.call('POST', `/groups/${id}/action`, { delete: {} })).status, 202);
    t.equal((await films.call('GET', `/groups/${id}`)).status, 404);
  }
  const id = await groupOf();
  await volumeOf({ group_id: id });
  const names = ['enable_replication', 'disable_replication', 'failover_replication', 'list_replication_targets'];
  for (const name of names) {
    const act = (version: string) => films.call('POST', `/groups/${id}/action`, { [name]: {} }, version);
    t.match(await act('3.38'), { status: 400, body: { badRequest: { message: /not a replication group type/ } } });
    t.equal((await act('3.37')).status, 404);
  }
  const { group_types } = await admin.ok('GET', '/group_types?is_public=none');
  const type = group_types.find((one: { name: string }) => one.name === 'plain').id;
  const consistent = { consistent_group_snapshot_enabled: '<is> True' };
  await admin.ok('POST', `/group_types/${type}/group_specs`, { group_specs: consistent });
  const late = { status: 400, body: { badRequest: { message: /several volumes at one moment/ } } };
  t.match(await films.call('POST', '/group_snapshots', { group_snapshot: { group_id: id } }), late, 'asked for later');
  t.match(await films.call('POST', '/groups/action', { 'create-from-src': { source_group_id: id } }), late);
  t.same(bed.errors, []);
});

t.test('rules of members', async (t) => {
  const { bed, films, admin, groupOf, volumeOf, drop } = await bedOf(t, {
    hosts: ['h1', 'h2'],
    zones: { h2: 'north' },
  });
  const id = await groupOf();
  const make = async (body: object): Promise<number> =>
    (await films.call('POST', '/volumes', { volume: { size: 1, volume_type: 'va', group_id: id, ...body } })).status;
  t.equal(await make({ volume_type: 'vb' }), 400, 'a type that the group has not');
  t.equal(await make({ volume_type: null }), 400, 'no type');
  t.equal(await make({ availability_zone: 'north' }), 400, 'another zone');
  t.equal(await make({ group_id: NOBODY }), 404);
  t.equal(await make({ group_id: '' }), 404);
  const foreign = await groupOf({}, bed.client('music'));
  t.equal(await make({ group_id: foreign }), 404);
  const one = await volumeOf({ group_id: id });
  const two = await volumeOf({ consistencygroup_id: id });
  t.equal((await films.ok('GET', `/volumes?group_id=${id}`)).volumes.length, 2);
  t.equal((await films.ok('GET', `/volumes?group_id=${foreign}`)).volumes.length, 0);
  t.notOk('group_id' in (await films.ok('GET', `/volumes/${one}`, undefined, '3.12')).volume);
  const hosts = await Promise.all(
    [one, two].map(async (each) => (await admin.ok('GET', `/volumes/${each}`)).volume['os-vol-host-attr:host']),
  );
  t.equal(hosts[0], hosts[1], 'all on one host');
  const act = async (body: object) => (await admin.call('POST', `/volumes/${one}/action`, body)).status;
  for (const query of ['', '?cascade=true', '?force=true'])
    t.equal((await admin.call('DELETE', `/volumes/${one}${query}`)).status, 400, `delete${query}`);
  t.equal(await act({ 'os-force_delete': {} }), 400);
  t.equal(await act({ 'os-retype': { new_type: 'vb' } }), 400);
  t.equal(await act({ 'os-migrate_volume': { host: 'h2' } }), 400);
  t.equal((await films.call('POST', '/volume-transfers', { transfer: { volume_id: one } })).status, 400);
  t.equal(await act({ 'os-extend': { new_size: 2 } }), 202, 'it grows as any');
  await films.until(`/volumes/${one}`, 'available');
  t.match(await drop(id, false), { status: 400, body: { badRequest: { message: /delete-volumes flag is required/ } } });
  const { snapshot } = await films.ok('POST', '/snapshots', { snapshot: { volume_id: one } });
  await films.until(`/snapshots/${snapshot.id}`, 'available');
  t.match(await drop(id), { status: 400, body: { badRequest: { message: /dependent snapshots/ } } });
  await films.ok('DELETE', `/snapshots/${snapshot.id}`);
  await films.until(`/snapshots/${snapshot.id}`, 404);
  const { attachment } = await films.ok('POST', '/attachments', { attachment: { volume_uuid: two } });
  t.match(await drop(id), { status: 400, body: { badRequest: { message: /attached/ } } });
  await films.ok('DELETE', `/attachments/${attachment.id}`);
  t.equal((await drop(id)).status, 202);
  await films.until(`/groups/${id}`, 404);
  t.same((await films.ok('GET', '/volumes')).volumes, []);
  t.same(
    bed.agents.flatMap((agent) => [...agent.volumes]),
    [],
  );
  t.same(bed.errors, []);
});

t.test('group snapshots, and groups of them', async (t) => {
  const { bed, films, admin, groupOf, volumeOf, membersOf, drop } = await bedOf(t);
  const id = await groupOf({ name: 'g' });
  const take = (body: object = {}) =>
    films.call('POST', '/group_snapshots', { group_snapshot: { group_id: id, ...body } });
  t.equal((await take()).status, 400, 'of nothing');
  t.equal((await take({ group_id: NOBODY })).status, 404);
  const members = [await volumeOf({ group_id: id }), await volumeOf({ group_id: id, size: 2 })];
  const volumeAt = (one: string) => bed.agents.map((agent) => agent.volumes.get(one)).find((found) => found);
  for (const [i, one] of members.entries()) Object.assign(volumeAt(one) as object, { content: `content ${i}` });
  const { group_snapshot: taken } = (await take({ name: 'gs' })).body;
  t.same(Object.keys(taken).sort(), ['group_type_id', 'id', 'name']);
  const path = `/group_snapshots/${taken.id}`;
  t.match(await films.until(path, 'available'), { name: 'gs', group_id: id, description: null });
  t.notOk('project_id' in (await films.ok('GET', path)).group_snapshot);
  t.equal((await admin.ok('GET', path)).group_snapshot.project_id, 'films');
  const of = async (query: string) => (await films.ok('GET', `/group_snapshots${query}`)).group_snapshots.length;
  t.same([await of('?name=gs'), await of('?name=x'), await of(`/detail?group_id=${id}&status=available`)], [1, 0, 1]);
  const { snapshots } = await films.ok('GET', '/snapshots/detail');
  t.equal(snapshots.length, 2);
  for (const one of snapshots) {
    t.match(one, { status: 'available', name: 'gs', group_snapshot_id: taken.id });
    t.equal((await films.call('DELETE', `/snapshots/${one.id}`)).status, 400, 'it goes with the others');
    t.equal((await admin.call('POST', `/snapshots/${one.id}/action`, { 'os-force_delete': {} })).status, 400);
  }
  t.match(await drop(id), { status: 400, body: { badRequest: { message: /existing snapshots/ } } });

  const from = (body: object) => films.call('POST', '/groups/action', { 'create-from-src': body });
  for (const one of [{}, { group_snapshot_id: taken.id, source_group_id: id }, { source_group_id: id, more: 1 }])
    t.equal((await from(one)).status, 400, JSON.stringify(one));
  for (const one of [{ group_snapshot_id: NOBODY }, { source_group_id: NOBODY }])
    t.equal((await from(one)).status, 404, JSON.stringify(one));
  for (const one of members) Object.assign(volumeAt(one) as object, { content: 'later' });
  for (const [source, contents] of [
    [{ group_snapshot_id: taken.id }, ['content 0', 'content 1']],
    [{ source_group_id: id }, ['later', 'later']],
  ] as const) {
    const { group } = (await from({ ...source, name: 'copy' })).body;
    t.match(await films.until(`/groups/${group.id}`, 'available'), { name: 'copy', ...source });
    const copies = await membersOf(group.id);
    t.same(copies.map((one) => volumeAt(one)?.content).sort(), contents);
    t.equal((await drop(group.id)).status, 202);
    await films.until(`/groups/${group.id}`, 404);
  }
  t.equal((await admin.ok('GET', `/snapshots?group_snapshot_id=${taken.id}`)).snapshots.length, 2);
  const empty = await groupOf({ volume_types: ['vb'] });
  const { volume_types: types } = await admin.ok('GET', '/types');
  const unused = types.find((one: { name: string }) => one.name === 'vb').id;
  t.equal((await admin.call('DELETE', `/types/${unused}`)).status, 400, 'a group may have volumes of it');
  t.equal((await from({ source_group_id: empty })).status, 400);
  await films.ok('PUT', `/groups/${id}`, { group: { remove_volumes: members[0] as string } });
  t.equal(
    (await films.call('DELETE', `/volumes/${members[0]}?cascade=true`)).status,
    400,
    'its snapshot is in a group',
  );
  t.equal((await films.call('POST', '/volume-transfers', { transfer: { volume_id: members[0] } })).status, 400);
  t.equal((await admin.call('POST', `${path}/action`, { reset_status: { status: 'nix' } })).status, 400);
  await admin.ok('POST', `${path}/action`, { reset_status: { status: 'creating' } });
  t.equal((await films.call('DELETE', path)).status, 400);
  await admin.ok('POST', `${path}/action`, { reset_status: { status: 'available' } });
  t.equal((await films.call('DELETE', path)).status, 202);
  await films.until(path, 404);
  t.same(
    [(await films.ok('GET', '/snapshots')).snapshots, bed.objects.snapshots.size],
    [[], 0],
    'each of its snapshots went too',
  );
  t.same(bed.errors, []);
});

t.test('what fails behind a 202 is said', async (t) => {
  const { bed, films, groupOf, volumeOf, drop } = await bedOf(t, { hosts: ['h1'] });
  const id = await groupOf();
  const member = await volumeOf({ group_id: id });
  const [agent] = bed.agents;
  const broken = new Fault('VolumeBroken', {}, 'the disk is on fire');
  const told = async (about: string) =>
    (await films.ok('GET', `/messages?resource_uuid=${about}`)).messages[0]?.event_id;
  agent?.failures.set('takeSnapshot', broken);
  const { group_snapshot: taken } = await films.ok('POST', '/group_snapshots', { group_snapshot: { group_id: id } });
  await films.until(`/group_snapshots/${taken.id}`, 'error');
  t.equal(await told(taken.id), 'VOLUME_GROUP_SNAPSHOT_009_013');
  agent?.failures.clear();
  agent?.failures.set('deleteSnapshot', broken);
  await films.ok('DELETE', `/group_snapshots/${taken.id}`);
  await films.until(`/group_snapshots/${taken.id}`, 'error_deleting');
  t.equal(await told(taken.id), 'VOLUME_GROUP_SNAPSHOT_010_016');
  agent?.failures.clear();
  await films.ok('DELETE', `/group_snapshots/${taken.id}`);
  await films.until(`/group_snapshots/${taken.id}`, 404);
  agent?.failures.set('createVolume', broken);
  const { group } = await films.ok('POST', '/groups/action', { 'create-from-src': { source_group_id: id } });
  await films.until(`/groups/${group.id}`, 'error');
  t.equal(await told(group.id), 'VOLUME_GROUP_008_001');
  agent?.failures.clear();
  agent?.failures.set('deleteVolume', broken);
  await drop(id);
  await films.until(`/groups/${id}`, 'error_deleting');
  await films.until(`/volumes/${member}`, 'error_deleting');
  agent?.failures.clear();
  for (const one of [id, group.id]) {
    t.equal((await drop(one)).status, 202);
    await films.until(`/groups/${one}`, 404);
  }
  t.match(await films.ok('GET', '/os-quota-sets/films?usage=1'), {
    quota_set: { volumes: { in_use: 0 }, groups: { in_use: 0 }, snapshots: { in_use: 0 }, gigabytes: { in_use: 0 } },
  });
  t.same(bed.errors, []);
});

t.test('quotas of groups are exact, whatever runs at once', async (t) => {
  const { bed, films, admin, volumeOf, groupOf, drop } = await bedOf(t);
  const make = () => films.call('POST', '/groups', { group: { group_type: 'plain', volume_types: ['va'] } });
  const replies = await Promise.all(Array.from({ length: 12 }, make));
  t.equal(replies.filter(({ status }) => status === 202).length, 6);
  t.match(
    replies.find(({ status }) => status !== 202),
    { status: 413, body: { overLimit: { message: /groups/ } } },
  );
  const used = async () => (await films.ok('GET', '/os-quota-sets/films?usage=1')).quota_set;
  t.match(await used(), { groups: { limit: 6, in_use: 6 } });
  const { groups } = await films.ok('GET', '/groups');
  const ends = await Promise.all(groups.map(({ id }: { id: string }) => drop(id, false)));
  t.ok(ends.every(({ status }) => status === 202));
  t.equal((await used()).groups.in_use, 0);
  const set = (quota_set: object) => admin.ok('PUT', '/os-quota-sets/films', { quota_set });
  await set({ groups: 2, volumes: 3 });
  const id = await groupOf();
  for (let i = 0; i < 2; i++) await volumeOf({ group_id: id });
  const copy = { 'create-from-src': { source_group_id: id } };
  t.equal((await films.call('POST', '/groups/action', copy)).status, 413, 'a volume too many');
  t.match(await used(), { groups: { in_use: 1 }, volumes: { in_use: 2 } }, 'nothing of it is there');
  await set({ volumes: 10, snapshots: 1 });
  t.equal((await films.call('POST', '/group_snapshots', { group_snapshot: { group_id: id } })).status, 413);
  t.match(await used(), { snapshots: { in_use: 0 } });
  t.match(await admin.ok('PUT', '/os-quota-class-sets/default', { quota_class_set: { groups: 4 } }), {
    quota_class_set: { groups: 4 },
  });
  t.match(await bed.client('music').ok('GET', '/os-quota-sets/music'), { quota_set: { groups: 4 } });
  t.same(bed.errors, []);
});
