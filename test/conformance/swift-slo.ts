/** Static large objects: made of checked segments, read as one, listed, nested, broken, deleted. */
import { createHash } from 'node:crypto';
import type { Answer, Rig, SwiftSuite } from './swift-rig.ts';

const md5 = (bytes: Buffer | string): string => createHash('md5').update(bytes).digest('hex');

/** Puts segments `1`, `2` … with these bodies. */
async function putSegments({ client, c }: Rig, ...bodies: string[]): Promise<void> {
  for (const [i, body] of bodies.entries()) await client.ask('PUT', `${c}/${i + 1}`, { body });
}

function putSlo(
  { client, c }: Rig,
  segments: unknown,
  sent: { headers?: Record<string, string>; name?: string } = {},
): Promise<Answer> {
  const body = typeof segments === 'string' ? segments : JSON.stringify(segments);
  const headers = sent.headers ?? {};
  return client.ask('PUT', `${c}/${sent.name ?? 'slo'}?multipart-manifest=put`, { body, headers });
}

export const slo: SwiftSuite = {
  'segments become one object': async (rig) => {
    const { t, client, c } = rig;
    await putSegments(rig, 'aaaa', 'bbbb', 'cc');
    const etag = md5(md5('aaaa') + md5('bbbb') + md5('cc'));
    const put = await putSlo(
      rig,
      [
        { path: `${c}/1`, etag: md5('aaaa'), size_bytes: 4 },
        { path: `${c}/2`.slice(1) },
        { path: `${c}/3`, etag: null, size_bytes: null },
      ],
      { headers: { 'Content-Type': 'big/one', 'X-Object-Meta-A': 'b', ETag: etag } },
    );
    t.equal(put.status, 201);
    t.equal(put.headers['etag'], `"${etag}"`);
    const get = await client.ask('GET', `${c}/slo`);
    t.equal(get.text, 'aaaabbbbcc');
    t.match(get.headers, {
      'x-static-large-object': 'True',
      'content-type': 'big/one',
      'x-object-meta-a': 'b',
      etag: `"${etag}"`,
      'content-length': '10',
    });
    t.equal((await client.ask('HEAD', `${c}/slo`)).headers['content-length'], '10');
    t.equal((await client.ask('GET', `${c}/slo`, { headers: { Range: 'bytes=3-8' } })).text, 'abbbbc');
    t.match(
      (await client.ask('GET', `${c}/slo`, { headers: { Range: 'bytes=3-4,9-' } })).text,
      /\r\n\r\nab\r\n.*\r\n\r\nc\r\n/s,
    );
    t.equal((await client.ask('GET', `${c}/slo`, { headers: { 'If-None-Match': `"${etag}"` } })).status, 304);
    const [listed] = JSON.parse((await client.ask('GET', `${c}?format=json&prefix=slo`)).text);
    t.equal(listed.bytes, 10, 'a listing shows the size of the whole');
  },

  'ranges and inline data in a manifest': async (rig) => {
    const { t, client, c } = rig;
    await putSegments(rig, '0123456789');
    const data = Buffer.from('-|-').toString('base64');
    const put = await putSlo(rig, [{ path: `${c}/1`, range: '2-4' }, { data }, { path: `${c}/1`, range: '-2' }]);
    t.equal(put.status, 201);
    t.equal(put.headers['etag'], `"${md5(`${md5('0123456789')}:2-4;${md5('-|-')}${md5('0123456789')}:8-9;`)}"`);
    t.equal((await client.ask('GET', `${c}/slo`)).text, '234-|-89');
    t.equal((await client.ask('GET', `${c}/slo`, { headers: { Range: 'bytes=2-6' } })).text, '4-|-8');
    const large = Buffer.alloc(1_048_576, 'z');
    const manifest = [{ path: `${c}/1` }, { data: large.toString('base64') }];
    t.equal((await putSlo(rig, manifest, { name: 'large' })).status, 201);
    t.equal((await putSlo(rig, [...manifest, { data: 'eg==' }], { name: 'larger' })).status, 413);
    const crumbs = Array.from({ length: 2001 }, () => ({ data: 'eg==' }));
    t.equal((await putSlo(rig, [{ path: `${c}/1` }, ...crumbs], { name: 'larger' })).status, 413);
    t.ok((await client.ask('GET', `${c}/large`)).body.subarray(10).equals(large));
    const shown = await client.ask('GET', `${c}/slo?multipart-manifest=get`);
    t.equal(shown.headers['content-type'], 'application/json; charset=utf-8');
    t.same(JSON.parse(shown.text), [
      { name: `${c}/1`, hash: md5('0123456789'), bytes: 10, range: '2-4' },
      { data },
      { name: `${c}/1`, hash: md5('0123456789'), bytes: 10, range: '8-9' },
    ]);
    const raw = await client.ask('GET', `${c}/slo?multipart-manifest=get&format=raw`);
    t.same(JSON.parse(raw.text)[0], { path: `${c}/1`, etag: md5('0123456789'), size_bytes: 10, range: '2-4' });
    t.equal((await putSlo(rig, raw.text, { name: 'again' })).status, 201, 'the raw form can be put');
    t.equal((await client.ask('GET', `${c}/again`)).text, '234-|-89');
  },

  'a bad manifest is refused with every reason': async (rig) => {
    const { t, client, c } = rig;
    await putSegments(rig, 'aaaa', '');
    const refused: [unknown, string | RegExp][] = [
      ['{', 'Manifest must be valid JSON.\n'],
      [{}, 'Manifest must be a list.\n'],
      [[1, { x: 1 }], /^Index 0: not a JSON object\nIndex 1: expected keys to include one of 'data' or 'path'\n$/],
      [[{ path: `${c}/1`, extra: 1 }], 'Index 0: extraneous keys "extra"\n'],
      [[{ path: 'alone' }], /path does not refer to an object/],
      [[{ path: `${c}/1`, size_bytes: 'x' }], 'Index 0: invalid size_bytes\n'],
      [[{ path: `${c}/1`, range: '5-2' }], 'Index 0: invalid range\n'],
      [[{ path: `${c}/1`, range: '0-1,2-3' }], /multiple ranges/],
      [[{ path: `${c}/1`, size_bytes: 4, range: '9-' }], 'Index 0: unsatisfiable range\n'],
      [[{ path: `${c}/slo` }], /must not include itself/],
      [[{ data: '!' }, { data: 'YQ=' }, { data: 'YWJjZ' }], /^(Index \d: data must be valid base64\n){3}$/],
      [[{ data: 'YQ==' }], /at least one object-backed segment/],
      [
        [{ path: `${c}/1`, size_bytes: 5 }, { path: `${c}/absent` }],
        `Errors:\n${c}/1, Size Mismatch\n${c}/absent, 404 Not Found\n`,
      ],
      [[{ path: `${c}/1`, etag: md5('b') }], `Errors:\n${c}/1, Etag Mismatch\n`],
      [[{ path: `${c}/2` }, { path: `${c}/1` }], /Too Small/],
    ];
    for (const [manifest, reason] of refused) {
      const answer = await putSlo(rig, manifest);
      t.equal(answer.status, 400, String(reason));
      t.match(answer.text, reason);
    }
    const json = await putSlo(rig, [{ path: `${c}/absent` }], { headers: { Accept: 'application/json' } });
    t.same(JSON.parse(json.text), { Errors: [[`${c}/absent`, '404 Not Found']] });
    const many = Array.from({ length: 1001 }, () => ({ path: `${c}/1` }));
    t.equal((await putSlo(rig, many)).status, 413);
    t.equal((await putSlo(rig, [{ path: `${c}/1` }], { headers: { ETag: md5('x') } })).status, 422);
    t.equal((await client.ask('HEAD', `${c}/slo`)).status, 404, 'nothing was made');
  },

  'manifests nest, and break visibly': async (rig) => {
    const { t, client, c } = rig;
    await putSegments(rig, 'aa', 'bb');
    await putSlo(rig, [{ path: `${c}/1` }, { path: `${c}/2` }], { name: 'inner' });
    t.equal(
      (await putSlo(rig, [{ path: `${c}/inner` }, { path: `${c}/1` }, { path: `${c}/inner`, range: '1-2' }])).status,
      201,
    );
    t.equal((await client.ask('GET', `${c}/slo`)).text, 'aabbaaab');
    t.match(JSON.parse((await client.ask('GET', `${c}/slo?multipart-manifest=get`)).text)[0], {
      sub_slo: true,
      bytes: 4,
    });
    await client.ask('PUT', `${c}/2`, { body: 'BB' });
    await t.rejects(client.ask('GET', `${c}/slo`), 'a later segment has changed: the connection is cut');
    await client.ask('DELETE', `${c}/1`);
    t.equal((await client.ask('GET', `${c}/slo`)).status, 409, 'the first segment is gone');
  },

  'copies: the bytes, or the manifest': async (rig) => {
    const { t, client, c } = rig;
    await putSegments(rig, 'aa', 'bb');
    await putSlo(rig, [{ path: `${c}/1` }, { path: `${c}/2` }], { headers: { 'X-Object-Meta-A': '1' } });
    const Destination = `${c.slice(1)}/copy`;
    t.equal((await client.ask('COPY', `${c}/slo`, { headers: { Destination } })).status, 201);
    const flat = await client.ask('GET', `${c}/copy`);
    t.match([flat.text, flat.headers['x-static-large-object'], flat.headers['etag']], ['aabb', undefined, md5('aabb')]);
    await client.ask('COPY', `${c}/slo?multipart-manifest=get`, { headers: { Destination } });
    const manifest = await client.ask('GET', `${c}/copy`);
    t.match([manifest.text, manifest.headers['x-static-large-object']], ['aabb', 'True']);
    t.equal(manifest.headers['x-object-meta-a'], '1');
  },

  'deletion takes the segments along': async (rig) => {
    const { t, client, c } = rig;
    await putSegments(rig, 'aa', 'bb', 'cc');
    await putSlo(rig, [{ path: `${c}/1` }, { path: `${c}/2` }], { name: 'inner' });
    await putSlo(rig, [{ path: `${c}/inner` }, { path: `${c}/3` }, { data: 'YQ==' }]);
    const gone = await client.ask('DELETE', `${c}/slo?multipart-manifest=delete`);
    t.equal(gone.status, 200);
    t.equal(gone.text, 'Number Deleted: 5\nNumber Not Found: 0\nResponse Body: \nResponse Status: 200 OK\nErrors:\n');
    t.equal((await client.ask('GET', c)).status, 204);
    const accept = { headers: { Accept: 'application/json' } };
    const missing = await client.ask('DELETE', `${c}/slo?multipart-manifest=delete`, accept);
    t.match(JSON.parse(missing.text), {
      'Number Deleted': 0,
      'Number Not Found': 1,
      'Response Status': '200 OK',
    });
    await client.ask('PUT', `${c}/plain`, { body: 'x' });
    const plain = await client.ask('DELETE', `${c}/plain?multipart-manifest=delete`, accept);
    t.equal(JSON.parse(plain.text)['Response Status'], '400 Bad Request');
    t.equal((await client.ask('HEAD', `${c}/plain`)).status, 200);
    await putSegments(rig, 'aa');
    await putSlo(rig, [{ path: `${c}/1` }]);
    await client.ask('DELETE', `${c}/slo`);
    t.equal((await client.ask('HEAD', `${c}/1`)).status, 200, 'without the parameter they stay');
  },

  'bulk deletion': async (rig) => {
    const { t, client, c } = rig;
    await putSegments(rig, 'a', 'b');
    await client.ask('PUT', `${c}/%E5%AD%97%20%2F`, { body: '' });
    const ask = (body: string, method = 'POST') =>
      client.ask(method, '?bulk-delete', {
        body,
        headers: { Accept: 'application/json', 'Content-Type': 'text/plain' },
      });
    const first = await ask(`${c}/1\n${c}/absent\n\n${c.slice(1)}/%E5%AD%97%20%2F\n`);
    t.equal(first.status, 200);
    t.match(JSON.parse(first.text), {
      'Number Deleted': 2,
      'Number Not Found': 1,
      'Response Status': '200 OK',
      Errors: [],
    });
    const full = await ask(c, 'DELETE');
    t.match(JSON.parse(full.text), {
      'Number Deleted': 0,
      'Response Status': '400 Bad Request',
      Errors: [[c, '409 Conflict']],
    });
    const all = await ask(`${c}\n${c}/2\n${c}/%ff`, 'DELETE');
    t.match(JSON.parse(all.text), {
      'Number Deleted': 2,
      'Response Status': '400 Bad Request',
      Errors: [[String, '412 Precondition Failed']],
    });
    t.equal((await client.ask('HEAD', c)).status, 404, 'the container went last');
    const none = await ask('\n');
    t.equal(none.status, 200, 'the report says it, as in Swift');
    t.match(JSON.parse(none.text), { 'Response Status': '400 Bad Request', 'Response Body': 'Invalid bulk delete.' });
    const many = JSON.parse((await ask('/x/y\n'.repeat(10_001))).text) as unknown;
    t.match(many, { 'Number Deleted': 0, 'Response Status': '413 Request Entity Too Large' });
  },

  'a client that would rather not wait for the head': async ({ t, client, c }) => {
    await client.ask('PUT', `${c}/s`, { body: 'segment' });
    const put = (list: unknown) =>
      client.ask('PUT', `${c}/m?multipart-manifest=put&heartbeat=on`, {
        body: JSON.stringify(list),
        headers: { Accept: 'application/json' },
      });
    const made = await put([{ path: `${c}/s` }]);
    t.equal(made.status, 202);
    t.match(JSON.parse(made.text), { 'Response Status': '201 Created', Etag: /^"[0-9a-f]{32}"$/, Errors: [] });
    t.equal((await client.ask('GET', `${c}/m`)).text, 'segment');
    const refused = await put([{ path: `${c}/none` }]);
    t.match([refused.status, JSON.parse(refused.text)], [202, { 'Response Status': '400 Bad Request' }]);
  },
};
