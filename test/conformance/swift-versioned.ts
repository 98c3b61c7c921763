/** X-Versions-Enabled: versions through Swift. The store in memory has none. */
import type { Answer, Rig, SwiftClient, SwiftSuite } from './swift-rig.ts';

interface Version {
  readonly name: string;
  readonly version_id: string;
  readonly is_latest: boolean;
  readonly content_type: string;
  readonly bytes: number;
  readonly hash: string;
}

async function makeVersioned({ client, c }: Pick<Rig, 'client' | 'c'>): Promise<string> {
  const path = `${c}-versioned`;
  await client.ask('PUT', path, { headers: { 'X-Versions-Enabled': 'true' } });
  return path;
}

async function put(client: SwiftClient, path: string, body: string): Promise<string> {
  const answer = await client.ask('PUT', path, { body });
  return answer.headers['x-object-version-id'] ?? `none, ${answer.status}`;
}

async function versionsOf(client: SwiftClient, path: string, query = ''): Promise<Version[]> {
  const answer = await client.ask('GET', `${path}?versions${query}`);
  return JSON.parse(answer.text) as Version[];
}

const brief = (all: readonly Version[]): unknown[] =>
  all.map(({ name, version_id, is_latest }) => [name, version_id, is_latest]);
const about = ({ status, text }: Answer): [number, string] => [status, text];

export const versioned: SwiftSuite = {
  'a container says whether it keeps versions': async ({ t, client, c }) => {
    t.equal((await client.ask('HEAD', c)).headers['x-versions-enabled'], undefined);
    const path = await makeVersioned({ client, c });
    t.equal((await client.ask('HEAD', path)).headers['x-versions-enabled'], 'True');
    t.equal((await client.ask('POST', path, { headers: { 'X-Versions-Enabled': 'no' } })).status, 204);
    t.equal((await client.ask('GET', path)).headers['x-versions-enabled'], 'False');
    const mixed = await client.ask('POST', path, { headers: { 'X-Versions-Location': 'old' } });
    t.equal(mixed.status, 400, 'in one way only');
  },

  'versions are kept, read, listed and copied': async ({ t, client, c }) => {
    const path = await makeVersioned({ client, c });
    const v1 = await put(client, `${path}/o`, 'one');
    const v2 = await put(client, `${path}/o`, 'second');
    t.match(v1, /^[0-9a-f]{16}$/);
    const now = await client.ask('GET', `${path}/o`);
    t.match([now.text, now.headers['x-object-version-id']], ['second', v2]);
    t.equal(now.headers['content-location'], `${client.base}${path}/o?version-id=${v2}`);
    const old = await client.ask('GET', `${path}/o?version-id=${v1}`);
    t.match([old.text, old.headers['x-object-version-id'], old.headers['etag']], ['one', v1, /^[0-9a-f]{32}$/]);
    t.match((await client.ask('HEAD', `${path}/o?version-id=${v1}`)).headers, { 'content-length': '3' });
    t.same(brief(await versionsOf(client, path)), [
      ['o', v2, true],
      ['o', v1, false],
    ]);
    const [listed] = JSON.parse((await client.ask('GET', `${path}?format=json`)).text) as Record<string, unknown>[];
    t.match(listed, { version_symlink: true, symlink_path: `${client.base}${path}/o?version-id=${v2}` });
    const copied = await client.ask('COPY', `${path}/o?version-id=${v1}`, { headers: { Destination: `${c}/copy` } });
    t.equal(copied.status, 201);
    t.equal((await client.ask('GET', `${c}/copy`)).text, 'one');
    const pulled = await client.ask('PUT', `${c}/copy2?version-id=${v1}`, {
      body: '',
      headers: { 'X-Copy-From': `${path}/o` },
    });
    t.equal(pulled.status, 201);
    t.equal((await client.ask('GET', `${c}/copy2`)).text, 'one');
    t.equal((await client.ask('POST', `${path}/o`, { headers: { 'X-Object-Meta-A': 'b' } })).status, 202);
    t.equal((await versionsOf(client, path)).length, 2, 'metadata makes no version');
    t.equal((await client.ask('HEAD', `${path}/o`)).headers['x-object-meta-a'], 'b');
    t.equal((await client.ask('HEAD', path)).headers['x-container-object-count'], '1');
    t.equal((await client.ask('HEAD', path)).headers['x-container-bytes-used'], '9', 'of all versions');
    t.equal((await client.ask('GET', path)).headers['x-container-bytes-used'], '9', 'with a listing, too');
    await client.ask('POST', path, { headers: { 'X-Container-Meta-Quota-Bytes': '12' } });
    t.equal((await client.ask('PUT', `${path}/more`, { body: 'four' })).status, 413, 'older versions count for quotas');
    t.equal((await client.ask('PUT', `${path}/more`, { body: 'few' })).status, 201);
  },

  'a delete leaves a marker, and every version can be deleted for good': async ({ t, client, c }) => {
    const path = await makeVersioned({ client, c });
    const none = await client.ask('DELETE', `${path}/none`);
    t.match([none.status, none.headers['x-object-version-id']], [404, /^[0-9a-f]{16}$/], 'of nothing too');
    const v1 = await put(client, `${path}/o`, 'one');
    const gone = await client.ask('DELETE', `${path}/o`);
    const marker = gone.headers['x-object-version-id'] ?? '';
    t.equal(gone.status, 204);
    t.equal((await client.ask('GET', `${path}/o`)).status, 404);
    const listed = await versionsOf(client, path, '&prefix=o');
    t.match(listed, [
      { version_id: marker, is_latest: true, content_type: 'application/x-deleted;swift_versions_deleted=1', bytes: 0 },
      { version_id: v1, is_latest: false, bytes: 3 },
    ]);
    const read = await client.ask('GET', `${path}/o?version-id=${marker}`);
    t.match([read.status, read.headers['content-type']], [404, /application\/x-deleted/]);
    t.equal(read.headers['x-object-version-id'], marker);
    t.equal((await client.ask('DELETE', path)).status, 409, 'versions are content');
    const cleared = await client.ask('DELETE', `${path}/o?version-id=${marker}`);
    t.match(cleared.headers, { 'x-object-version-id': marker, 'x-object-current-version-id': 'null' });
    t.equal((await client.ask('GET', `${path}/o`)).status, 404, 'which does not bring the object back');
    t.same(brief(await versionsOf(client, path, '&prefix=o')), [['o', v1, false]]);
    t.equal((await client.ask('DELETE', `${path}/o?version-id=${v1}`)).status, 204);
    t.equal((await client.ask('DELETE', `${path}/o?version-id=${v1}`)).status, 404);
    for (const { version_id: id } of await versionsOf(client, path)) {
      t.equal((await client.ask('DELETE', `${path}/none?version-id=${id}`)).status, 204);
    }
    t.equal((await client.ask('DELETE', path)).status, 204);
  },

  'the newest one deleted leaves the place empty, and an older one can be put there': async ({ t, client, c }) => {
    const path = await makeVersioned({ client, c });
    const v1 = await put(client, `${path}/o`, 'one');
    const v2 = await put(client, `${path}/o`, 'two');
    const gone = await client.ask('DELETE', `${path}/o?version-id=${v2}`);
    t.match([gone.status, gone.headers['x-object-current-version-id']], [204, 'null']);
    t.equal((await client.ask('GET', `${path}/o`)).status, 404);
    t.equal((await client.ask('GET', `${path}?prefix=o`)).status, 204, 'nor is it listed');
    const restored = await client.ask('PUT', `${path}/o?version-id=${v1}`, { body: '' });
    t.match([restored.status, restored.headers['x-object-version-id']], [201, v1]);
    t.equal((await client.ask('GET', `${path}/o`)).text, 'one');
    const v3 = await put(client, `${path}/o`, 'three');
    t.equal((await client.ask('PUT', `${path}/o?version-id=${v1}`, { body: '' })).status, 201);
    t.same(
      brief(await versionsOf(client, path)),
      [
        ['o', v3, false],
        ['o', v1, true],
      ],
      'no new version, in its own place',
    );
    const other = await client.ask('DELETE', `${path}/o?version-id=${v3}`);
    t.equal(other.headers['x-object-current-version-id'], v1);
    t.equal((await client.ask('GET', `${path}/o`)).text, 'one');
    await client.ask('DELETE', `${path}/o`);
    t.equal((await client.ask('PUT', `${path}/o?version-id=${v1}`, { body: '' })).status, 201, 'over a marker');
    const [marker, latest] = await versionsOf(client, path);
    t.match([marker?.is_latest, marker?.bytes, latest?.is_latest, latest?.version_id], [false, 0, true, v1]);
  },

  'what was there before, and what comes while versions are off, is null': async ({ t, client, c }) => {
    await client.ask('PUT', `${c}/o`, { body: 'before' });
    t.same(brief(await versionsOf(client, c)), [['o', 'null', true]]);
    t.equal((await client.ask('GET', `${c}/o?version-id=null`)).text, 'before');
    t.same(about(await client.ask('GET', `${c}/o?version-id=0123456789abcdef`)), [
      400,
      'version-aware operations require that the container is versioned',
    ]);
    t.equal((await client.ask('PUT', c, { headers: { 'X-Versions-Enabled': 'on' } })).status, 202, 'of what is there');
    t.equal((await client.ask('GET', `${c}/o`)).headers['x-object-version-id'], 'null');
    const v2 = await put(client, `${c}/o`, 'after');
    const [first, second] = await versionsOf(client, c);
    t.match(
      [first?.version_id, second?.is_latest, second?.version_id],
      [v2, false, /^[0-9a-f]{16}$/],
      'named by its time',
    );
    t.equal((await client.ask('GET', `${c}/o?version-id=${second?.version_id}`)).text, 'before');
    t.equal((await client.ask('GET', `${c}/o?version-id=null`)).status, 404, 'the object itself is not null');
    await client.ask('POST', c, { headers: { 'X-Versions-Enabled': 'false' } });
    t.equal((await client.ask('PUT', `${c}/o`, { body: 'off' })).headers['x-object-version-id'], undefined);
    t.equal((await client.ask('DELETE', `${c}/o`)).status, 204);
    t.equal((await client.ask('DELETE', `${c}/o`)).status, 404, 'no marker was written');
    t.ok(
      (await versionsOf(client, c)).some(({ version_id: id }) => id === v2),
      'older ones stay',
    );
  },

  'what cannot be': async ({ t, client, c }) => {
    const path = await makeVersioned({ client, c });
    const v1 = await put(client, `${path}/o`, 'one');
    const o = `${path}/o?version-id`;
    t.equal((await client.ask('GET', `${o}=nonsense`)).status, 400);
    t.equal((await client.ask('GET', `${o}=1234567890.12345`)).status, 404, 'a time at which there was none');
    t.equal((await client.ask('POST', `${o}=${v1}`, { body: '' })).status, 400);
    t.equal((await client.ask('PUT', `${o}=${v1}`, { body: 'x' })).status, 400);
    t.same(about(await client.ask('PUT', `${o}=0123456789abcdef`, { body: '' })), [
      404,
      'The specified version does not exist',
    ]);
    t.equal((await client.ask('GET', `${path}?versions&version_marker=${v1}`)).status, 400, 'without a marker');
    t.equal((await client.ask('GET', `${path}?versions&marker=o&version_marker=x`)).status, 400);
    t.equal((await client.ask('GET', `${path}?versions`, { headers: { Accept: 'text/xml' } })).status, 406);
  },

  'long listings in pages, both ways': async ({ t, client, c }) => {
    const path = await makeVersioned({ client, c });
    for (const name of ['a', 'b', 'c/1', 'c/2'])
      for (const body of ['1', '22']) await put(client, `${path}/${name}`, body);
    const all = await versionsOf(client, path);
    t.equal(all.length, 8);
    for (const reverse of ['', '&reverse=on']) {
      const whole = await versionsOf(client, path, reverse);
      t.same(brief(whole), brief(reverse ? [...all].reverse() : all));
      const found: Version[] = [];
      for (let rounds = 0; rounds < 10; rounds++) {
        const last = found.at(-1);
        const from = last ? `&marker=${last.name}&version_marker=${last.version_id}` : '';
        const page = await versionsOf(client, path, `&limit=3${from}${reverse}`);
        found.push(...page);
        if (page.length < 3) break;
      }
      t.same(brief(found), brief(whole), `in pages${reverse}`);
    }
    t.match(await versionsOf(client, path, '&delimiter=/&prefix=c'), [{ subdir: 'c/' }]);
    t.equal((await versionsOf(client, path, '&marker=b')).length, 4, 'all of the marker are behind');
  },
};
