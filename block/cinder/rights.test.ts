// Cinder's API over HTTP with fake hosts: lists, versions, rights and what is refused.
import t from 'tap';
import { startCinderBed } from '../../test/cinder-bed.ts';

t.setTimeout(60_000);

t.test('lists: filters, pages, counts', async (t) => {
  const bed = await startCinderBed({ settings: { quotas: { volumes: -1, gigabytes: -1 } } });
  t.teardown(() => bed.stop());
  const films = bed.client('films');
  for (const [i, name] of ['a1', 'a2', 'b1', 'b2', 'b3'].entries())
    await films.ok('POST', '/volumes', { volume: { name, size: i + 1, metadata: { n: name } } });
  await bed.client('music').ok('POST', '/volumes', { volume: { name: 'm', size: 1 } });
  const names = async (query: string, version?: string): Promise<string[]> =>
    (await films.ok('GET', `/volumes${query}`, undefined, version)).volumes.map((one: { name: string }) => one.name);
  t.same(await names('?sort=name:asc'), ['a1', 'a2', 'b1', 'b2', 'b3']);
  t.same(await names('?sort_key=size&sort_dir=desc'), ['b3', 'b2', 'b1', 'a2', 'a1']);
  t.same(await names('?name=b2'), ['b2']);
  t.same(await names('?name~=b&sort=name:asc', '3.34'), ['b1', 'b2', 'b3']);
  t.same(await names("?metadata={'n': 'a2'}"), ['a2']);
  t.equal((await films.ok('GET', '/volumes?with_count=true&limit=2')).count, 5);
  t.notOk('count' in (await films.ok('GET', '/volumes?with_count=true', undefined, '3.44')));
  const first = await films.ok('GET', '/volumes/detail?limit=2&sort=name:asc');
  const next = new URL(first.volumes_links[0].href);
  t.equal(next.pathname, '/v3/films/volumes/detail');
  t.same(
    (await films.raw('GET', next.pathname + next.search, undefined, {})).body.volumes.map(
      (one: { name: string }) => one.name,
    ),
    ['b1', 'b2'],
  );
  t.same(await names('?created_at=lt:2001-01-01T00:00:00'), []);
  t.equal((await names('?all_tenants=1')).length, 5, 'of no meaning to members');
  const all = await bed.client('ops', 'admin').ok('GET', '/volumes/detail?all_tenants=1');
  t.equal(all.volumes.length, 6);
  t.equal((await films.call('GET', '/volumes?limit=x')).status, 400);
});

t.test('versions, rights, and what is refused', async (t) => {
  const bed = await startCinderBed({ hosts: ['h1'] });
  t.teardown(() => bed.stop());
  const films = bed.client('films');
  const root = await films.raw('GET', '/');
  t.equal(root.status, 300);
  t.match(root.body, { versions: [{ id: 'v3.0', min_version: '3.0', version: '3.70', status: 'CURRENT' }] });
  t.equal((await films.raw('GET', '/v3/')).status, 200);
  t.equal((await films.call('GET', '/volumes', undefined, '3.71')).status, 406);
  t.equal((await films.call('GET', '/volumes', undefined, 'x')).status, 400);
  t.equal((await films.raw('GET', '/v3/music/volumes')).status, 400, "the project of the URL is the token's");
  t.equal((await films.raw('GET', '/v3/volumes')).status, 200, 'and may be left out');
  t.equal((await films.raw('GET', '/v3/films/volumes', undefined, { 'x-auth-token': 'nobody' })).status, 401);
  t.equal((await bed.client('films', 'none').call('GET', '/volumes')).status, 403);
  const reader = bed.client('films', 'reader');
  t.equal((await reader.call('GET', '/volumes')).status, 200);
  t.equal((await reader.call('POST', '/volumes', { volume: { size: 1 } })).status, 403);
  for (const path of ['/os-services', '/scheduler-stats/get_pools', '/qos-specs', '/os-hosts'])
    t.equal((await films.call('GET', path)).status, 403, path);
  t.equal((await films.call('GET', '/messages', undefined, '3.2')).status, 404);
  t.equal((await films.call('GET', '/attachments', undefined, '3.26')).status, 404);
  t.equal((await films.call('GET', '/groups', undefined, '3.12')).status, 404);
  t.same((await films.call('GET', '/consistencygroups')).body, { consistencygroups: [] }, 'there are none');
  t.equal((await films.call('POST', '/consistencygroups', { consistencygroup: {} })).status, 501);
  t.equal((await films.call('GET', '/clusters')).status, 403);
  const { volume } = await films.ok('POST', '/volumes', { volume: { size: '1' } }, '3.0');
  t.notOk('group_id' in volume || 'volume_type_id' in volume || 'consumes_quota' in volume);
  await films.until(`/volumes/${volume.id}`, 'available');
  const act = (body: object, version?: string) => films.call('POST', `/volumes/${volume.id}/action`, body, version);
  t.match((await act({ 'os-volume_upload_image': { image_name: 'x' } })).body, {
    badRequest: { message: /no image service/ },
  });
  t.equal((await act({ 'os-reimage': { image_id: 'x' } })).status, 400);
  t.equal((await act({ 'os-reset_status': { status: 'error' } })).status, 403);
  t.equal((await act({ revert: { snapshot_id: volume.id } }, '3.39')).status, 404);
  t.equal((await act({ nonsense: null })).status, 400);
  t.equal((await films.call('POST', '/volumes', { volume: { size: 1, imageRef: 'x' } })).status, 400);
  t.equal((await films.call('POST', '/volumes', { volume: { size: 1, nonsense: 1 } })).status, 400);
  t.equal((await films.call('POST', '/volumes', { volume: { size: 1, nonsense: 1 } }, '3.52')).status, 202);
  t.equal((await films.call('POST', '/volumes', { volume: { size: 0 } })).status, 400);
  t.equal((await films.call('POST', '/volumes', { volume: {} })).status, 400);
  t.equal(
    (await films.call('POST', '/volumes', { volume: { size: 1, source_volid: volume.id.replace(/./g, '0') } })).status,
    404,
  );
  const admin = bed.client('films', 'admin');
  await admin.ok('POST', `/volumes/${volume.id}/action`, { 'os-reset_status': { status: 'in-use' } });
  t.equal((await films.call('DELETE', `/volumes/${volume.id}`)).status, 400);
  await admin.ok('POST', `/volumes/${volume.id}/action`, { 'os-force_delete': null });
  await admin.until(`/volumes/${volume.id}`, 404);
  t.match(await admin.ok('GET', '/os-services'), {
    services: [{ binary: 'cinder-scheduler' }, { binary: 'cinder-volume', state: 'up', host: 'h1@local' }, {}],
  });
  for (const path of [
    '/os-availability-zone',
    '/extensions',
    '/resource_filters',
    '/os-hosts',
    '/os-hosts/h1',
    '/capabilities/h1@local',
    '/limits',
    '/types/default',
    '/qos-specs',
    '/messages',
  ])
    t.equal((await admin.call('GET', path)).status, 200, path);
  t.same(bed.errors, []);
});
