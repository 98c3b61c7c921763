/** Objects: bytes, attributes, conditions, ranges, names and copies. */
import { createHash } from 'node:crypto';
import { type SwiftSuite, wire } from './swift-rig.ts';

const md5 = (bytes: Buffer | string): string => createHash('md5').update(bytes).digest('hex');

export const objects: SwiftSuite = {
  'what is put is got, with Swift headers': async ({ t, client, c }) => {
    const put = await client.ask('PUT', `${c}/o`, { body: 'hello', headers: { 'Content-Type': 'text/x-test' } });
    t.equal(put.status, 201);
    t.equal(put.headers['etag'], md5('hello'), 'not quoted');
    t.equal(put.headers['content-length'], '0');
    t.match(put.headers['x-trans-id'], /^tx[0-9a-f]{21}-[0-9a-f]{10}$/);
    t.equal(put.headers['x-openstack-request-id'], put.headers['x-trans-id']);
    const get = await client.ask('GET', `${c}/o`);
    t.equal(get.status, 200);
    t.equal(get.text, 'hello');
    t.match(get.headers, {
      'content-type': 'text/x-test',
      'content-length': '5',
      etag: md5('hello'),
      'accept-ranges': 'bytes',
      'last-modified': put.headers['last-modified'],
    });
    t.match(get.headers['x-timestamp'], /^\d{10}\.\d{5}$/);
    const head = await client.ask('HEAD', `${c}/o`);
    t.match([head.status, head.headers['content-length'], head.text], [200, '5', '']);
    t.equal(Date.parse(head.headers['last-modified'] ?? ''), Math.ceil(Number(head.headers['x-timestamp'])) * 1000);
  },

  'delete removes, and a second one is 404': async ({ t, client, c }) => {
    await client.ask('PUT', `${c}/o`, { body: '' });
    t.equal((await client.ask('DELETE', `${c}/o`)).status, 204);
    for (const method of ['GET', 'HEAD', 'DELETE', 'POST']) {
      t.equal((await client.ask(method, `${c}/o`)).status, 404, method);
    }
    const missing = await client.ask('GET', `${c}/o`);
    t.equal(missing.text, '<html><h1>Not Found</h1><p>The resource could not be found.</p></html>');
    t.equal((await client.ask('PUT', '/absent/o', { body: 'x' })).status, 404, 'no container');
  },

  'a body needs a length or chunks, must match its ETag and stay below 5 GiB': async ({ t, client, c }) => {
    const chunked = await client.ask('PUT', `${c}/o`, { body: 'in chunks', chunked: true });
    t.equal(chunked.status, 201);
    t.equal((await client.ask('GET', `${c}/o`)).text, 'in chunks');
    const head = `PUT ${client.base}${c}/o HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ${client.token}\r\nConnection: close\r\n\r\n`;
    t.match(await client.exchange(head), /^HTTP\/1\.1 411 /, 'neither length nor chunks');
    const wrong = await client.ask('PUT', `${c}/o`, { body: 'x', headers: { ETag: md5('y') } });
    t.equal(wrong.status, 422);
    t.equal((await client.ask('PUT', `${c}/o`, { body: 'x', headers: { ETag: 'nonsense' } })).status, 422);
    const right = await client.ask('PUT', `${c}/o`, { body: 'x', headers: { ETag: `"${md5('x').toUpperCase()}"` } });
    t.equal(right.status, 201);
    const large = await client.ask('PUT', `${c}/o`, {
      headers: { 'Content-Length': '5368709123', Expect: '100-continue' },
    });
    t.equal(large.status, 413);
    t.equal((await client.ask('GET', `${c}/o`)).text, 'x', 'nothing of it stayed');
  },

  'the name tells the content type where the client does not': async ({ t, client, c }) => {
    const types = { 'a.txt': 'text/plain', 'b.json': 'application/json', c: 'application/octet-stream' };
    for (const [name, type] of Object.entries(types)) {
      await client.ask('PUT', `${c}/${name}`, { body: 'x' });
      t.equal((await client.ask('HEAD', `${c}/${name}`)).headers['content-type'], type);
    }
    const headers = { 'Content-Type': 'x/y', 'X-Detect-Content-Type': 'true' };
    await client.ask('PUT', `${c}/d.txt`, { body: 'x', headers });
    t.equal((await client.ask('HEAD', `${c}/d.txt`)).headers['content-type'], 'text/plain');
  },

  'metadata comes back byte for byte, and POST replaces it as a whole': async ({ t, client, c }) => {
    const headers = {
      'X-Object-Meta-Colour': wire('蓝色'),
      'X-Object-Meta-some_name': '  spaced  in  ',
      'X-Object-Meta-Empty': '',
      'Content-Encoding': 'x-made-up',
      'Content-Disposition': wire('attachment; filename="文件"'),
      'Cache-Control': 'no-store',
    };
    t.equal((await client.ask('PUT', `${c}/o`, { body: 'x', headers })).status, 201);
    const head = await client.ask('HEAD', `${c}/o`);
    t.match(head.headers, {
      'x-object-meta-colour': wire('蓝色'),
      'x-object-meta-some_name': 'spaced  in',
      'x-object-meta-empty': '',
      'content-encoding': 'x-made-up',
      'content-disposition': wire('attachment; filename="文件"'),
      'cache-control': 'no-store',
    });
    const post = await client.ask('POST', `${c}/o`, { headers: { 'X-Object-Meta-Other': wire('新') } });
    t.equal(post.status, 202);
    const after = (await client.ask('HEAD', `${c}/o`)).headers;
    t.equal(after['x-object-meta-other'], wire('新'));
    t.equal(after['x-object-meta-colour'], undefined);
    t.equal(after['content-encoding'], undefined);
    t.equal(after['content-type'], 'application/octet-stream', 'the content type stays');
    await client.ask('POST', `${c}/o`, { headers: { 'Content-Type': 'new/type' } });
    t.equal((await client.ask('HEAD', `${c}/o`)).headers['content-type'], 'new/type');
    t.equal((await client.ask('GET', `${c}/o`)).text, 'x');
  },

  'metadata limits are those of /info': async ({ t, client, c }) => {
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await client.ask('PUT', `${c}/o`, { body: '', headers })).status;
    const many = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`X-Object-Meta-N${i}`, 'v']));
    t.equal(await status(many(90)), 201);
    t.equal(await status(many(91)), 400);
    t.equal(await status({ [`X-Object-Meta-${'n'.repeat(128)}`]: 'v' }), 201);
    t.equal(await status({ [`X-Object-Meta-${'n'.repeat(129)}`]: 'v' }), 400);
    t.equal(await status({ 'X-Object-Meta-A': 'v'.repeat(256) }), 201);
    t.equal(await status({ 'X-Object-Meta-A': 'v'.repeat(257) }), 400);
    t.equal(await status({ 'X-Object-Meta-': 'v' }), 400);
    t.equal(await status({ 'X-Object-Meta-__proto__': 'v' }), 400);
    const large = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`X-Object-Meta-${i}`, 'v'.repeat(256)]));
    t.equal(await status(large), 400, '4096 in all, names included');
  },

  'conditions are honoured': async ({ t, client, c }) => {
    const { headers } = await client.ask('PUT', `${c}/o`, { body: 'x' });
    const etag = headers['etag'] ?? '';
    const modified = headers['last-modified'] ?? '';
    const later = new Date(Date.parse(modified) + 60_000).toUTCString();
    const earlier = new Date(Date.parse(modified) - 60_000).toUTCString();
    const cases: [Record<string, string>, number][] = [
      [{ 'If-Match': etag }, 200],
      [{ 'If-Match': `"${etag}", "other"` }, 200],
      [{ 'If-Match': '*' }, 200],
      [{ 'If-Match': 'other' }, 412],
      [{ 'If-None-Match': 'other' }, 200],
      [{ 'If-None-Match': etag }, 304],
      [{ 'If-None-Match': '*' }, 304],
      [{ 'If-Modified-Since': modified }, 304],
      [{ 'If-Modified-Since': later }, 304],
      [{ 'If-Modified-Since': earlier }, 200],
      [{ 'If-Modified-Since': 'yesterday' }, 200],
      [{ 'If-Unmodified-Since': modified }, 200],
      [{ 'If-Unmodified-Since': earlier }, 412],
    ];
    for (const method of ['GET', 'HEAD']) {
      for (const [sent, status] of cases) {
        const answer = await client.ask(method, `${c}/o`, { headers: sent });
        t.equal(answer.status, status, `${method} ${JSON.stringify(sent)}`);
        if (status === 304) t.equal(answer.headers['etag'], etag);
      }
    }
    const guarded = { body: 'y', headers: { 'If-None-Match': '*' } };
    t.equal((await client.ask('PUT', `${c}/o`, guarded)).status, 412);
    t.equal((await client.ask('PUT', `${c}/new`, guarded)).status, 201);
    t.equal((await client.ask('PUT', `${c}/o`, { body: 'y', headers: { 'If-None-Match': etag } })).status, 400);
    t.equal((await client.ask('GET', `${c}/o`)).text, 'x');
  },

  'ranges: one, several, none that fits': async ({ t, client, c }) => {
    await client.ask('PUT', `${c}/o`, { body: '0123456789', headers: { 'Content-Type': 'a/b' } });
    const get = (range: string, extra = {}) => client.ask('GET', `${c}/o`, { headers: { Range: range, ...extra } });
    for (const [range, text, shown] of [
      ['bytes=0-3', '0123', 'bytes 0-3/10'],
      ['bytes=7-', '789', 'bytes 7-9/10'],
      ['bytes=-2', '89', 'bytes 8-9/10'],
      ['bytes=5-500', '56789', 'bytes 5-9/10'],
    ] as const) {
      const answer = await get(range);
      t.match([answer.status, answer.text, answer.headers['content-range']], [206, text, shown], range);
    }
    const beyond = await get('bytes=10-');
    t.match([beyond.status, beyond.headers['content-range']], [416, 'bytes */10']);
    t.equal((await get('lines=1-2')).status, 200);
    t.equal((await get('bytes=3-1')).status, 200);
    t.equal((await get('bytes=0-1', { 'If-Range': '"other"' })).status, 200);
    t.equal((await get('bytes=0-1', { 'If-Range': md5('0123456789') })).status, 206);
    t.equal((await client.ask('HEAD', `${c}/o`, { headers: { Range: 'bytes=0-1' } })).status, 200);
    const several = await get('bytes=0-1,-3');
    t.equal(several.status, 206);
    const boundary = /^multipart\/byteranges;boundary=([0-9a-f]{32})$/.exec(several.headers['content-type'] ?? '')?.[1];
    const part = (range: string, text: string): string =>
      `--${boundary}\r\nContent-Type: a/b\r\nContent-Range: bytes ${range}/10\r\n\r\n${text}\r\n`;
    t.equal(several.text, `${part('0-1', '01')}${part('7-9', '789')}--${boundary}--`);
    t.equal(several.headers['content-length'], String(several.body.length));
    await client.ask('PUT', `${c}/empty`, { body: '' });
    t.equal((await client.ask('GET', `${c}/empty`, { headers: { Range: 'bytes=-5' } })).status, 200);
    t.equal((await client.ask('GET', `${c}/empty`, { headers: { Range: 'bytes=0-' } })).status, 416);
  },

  'names are bytes, not paths': async ({ t, client, c }) => {
    const names = ['文件/名.txt', 'a//b', 'a/../b', './x', 'sp ace', 'per%cent', 'q?uery', 'plus+', '/lead', 'e\u0301'];
    for (const name of names) {
      const path = `${c}/${encodeURIComponent(name).replaceAll('%2F', '/')}`;
      t.equal((await client.ask('PUT', path, { body: name })).status, 201, name);
      t.equal((await client.ask('GET', path)).text, name);
    }
    const listed = JSON.parse((await client.ask('GET', `${c}?format=json`)).text) as { name: string }[];
    t.same(listed.map((entry) => entry.name).sort(), [...names].sort());
    t.equal((await client.ask('GET', `${c}/%E6%96%87%E4%BB%B6/%E5%90%8D.txt`)).text, '文件/名.txt');
    for (const bad of ['%ff', 'a%00b']) {
      t.equal((await client.ask('PUT', `${c}/${bad}`, { body: '' })).status, 412, bad);
    }
    t.equal((await client.ask('PUT', `${c}/${'n'.repeat(1024)}`, { body: '' })).status, 201);
    t.equal((await client.ask('PUT', `${c}/${'n'.repeat(1025)}`, { body: '' })).status, 400);
  },

  'deletion times are kept and cannot lie in the past': async ({ t, client, c }) => {
    const at = String(Math.floor(Date.now() / 1000) + 1000);
    await client.ask('PUT', `${c}/o`, { body: '', headers: { 'X-Delete-At': at } });
    t.equal((await client.ask('HEAD', `${c}/o`)).headers['x-delete-at'], at);
    await client.ask('POST', `${c}/o`, { headers: { 'X-Delete-After': '5000' } });
    const after = Number((await client.ask('HEAD', `${c}/o`)).headers['x-delete-at']);
    t.ok(after > Number(at));
    for (const [name, value] of [
      ['X-Delete-At', '1'],
      ['X-Delete-After', '-1'],
      ['X-Delete-At', 'soon'],
    ] as const) {
      const answer = await client.ask('PUT', `${c}/o`, { body: '', headers: { [name]: value } });
      t.equal(answer.status, 400, `${name} ${value}`);
    }
  },

  'copies keep or replace metadata': async ({ t, client, c }) => {
    const headers = { 'Content-Type': 'a/b', 'X-Object-Meta-One': '1', 'X-Object-Meta-Two': '2' };
    await client.ask('PUT', `${c}/源`.replace('源', '%E6%BA%90'), { body: 'bytes', headers });
    const copy = await client.ask('COPY', `${c}/%E6%BA%90`, {
      headers: { Destination: `${c.slice(1)}/to`, 'X-Object-Meta-Two': 'zwei' },
    });
    t.equal(copy.status, 201);
    t.equal(copy.headers['x-copied-from'], `${c.slice(1)}/%E6%BA%90`);
    t.equal(copy.headers['x-copied-from-account'], client.base.slice('/v1/'.length));
    const to = await client.ask('GET', `${c}/to`);
    t.equal(to.text, 'bytes');
    t.match(to.headers, { 'content-type': 'a/b', 'x-object-meta-one': '1', 'x-object-meta-two': 'zwei' });
    const fresh = await client.ask('PUT', `${c}/fresh`, {
      body: '',
      headers: { 'X-Copy-From': `${c}/%E6%BA%90`, 'X-Fresh-Metadata': 'true', 'X-Object-Meta-Three': '3' },
    });
    t.equal(fresh.status, 201);
    const shown = (await client.ask('HEAD', `${c}/fresh`)).headers;
    t.match([shown['x-object-meta-one'], shown['x-object-meta-three'], shown['content-type']], [undefined, '3', 'a/b']);
    const from = { 'X-Copy-From': `${c}/%E6%BA%90` };
    t.equal((await client.ask('PUT', `${c}/x`, { body: 'not empty', headers: from })).status, 400);
    t.equal((await client.ask('PUT', `${c}/x`, { body: '', headers: { 'X-Copy-From': 'nothing' } })).status, 412);
    t.equal((await client.ask('PUT', `${c}/x`, { body: '', headers: { 'X-Copy-From': `${c}/absent` } })).status, 404);
    t.equal((await client.ask('COPY', `${c}/to`)).status, 412, 'no destination');
    const part = await client.ask('PUT', `${c}/part`, { body: '', headers: { ...from, Range: 'bytes=1-2' } });
    t.equal(part.status, 201);
    t.equal((await client.ask('GET', `${c}/part`)).text, 'yt');
  },

  'a dynamic large object is what its prefix holds': async ({ t, client, c }) => {
    for (const [name, body] of [
      ['s/2', 'two'],
      ['s/1', 'one'],
      ['t', 'no'],
    ] as const) {
      await client.ask('PUT', `${c}/${name}`, { body });
    }
    const headers = { 'X-Object-Manifest': `${c.slice(1)}/s/` };
    t.equal((await client.ask('PUT', `${c}/dlo`, { body: '', headers })).status, 201);
    const get = await client.ask('GET', `${c}/dlo`);
    t.equal(get.text, 'onetwo');
    t.equal(get.headers['etag'], `"${md5(md5('one') + md5('two'))}"`);
    t.equal(get.headers['x-object-manifest'], `${c.slice(1)}/s/`);
    t.equal((await client.ask('HEAD', `${c}/dlo`)).headers['content-length'], '6');
    t.equal((await client.ask('GET', `${c}/dlo`, { headers: { Range: 'bytes=2-3' } })).text, 'et');
    const copied = await client.ask('COPY', `${c}/dlo`, { headers: { Destination: `${c.slice(1)}/flat` } });
    t.match([copied.status, copied.text], [201, '']);
    const flat = await client.ask('GET', `${c}/flat`);
    t.match([flat.text, flat.headers['x-object-manifest']], ['onetwo', undefined]);
    t.equal((await client.ask('PUT', `${c}/bad`, { body: '', headers: { 'X-Object-Manifest': 'x' } })).status, 400);
  },

  'a copy without its source’s metadata stays what it is': async ({ t, client, c }) => {
    await client.ask('PUT', `${c}/seg1`, { body: 'one' });
    const meta = { 'X-Object-Manifest': `${c.slice(1)}/seg`, 'X-Object-Meta-Old': 'x' };
    await client.ask('PUT', `${c}/dlo`, { body: '', headers: meta });
    const fresh = { Destination: `${c}/copy`, 'X-Fresh-Metadata': 'true' };
    t.equal((await client.ask('COPY', `${c}/dlo?multipart-manifest=get`, { headers: fresh })).status, 201);
    const copy = await client.ask('GET', `${c}/copy`);
    t.match([copy.text, copy.headers['x-object-manifest']], ['one', `${c.slice(1)}/seg`]);
    t.equal(copy.headers['x-object-meta-old'], undefined);
    await client.ask('PUT', `${c}/link`, { body: '', headers: { 'X-Symlink-Target': `${c.slice(1)}/seg1` } });
    t.equal(
      (await client.ask('COPY', `${c}/link?symlink=get`, { headers: { ...fresh, Destination: `${c}/link2` } })).status,
      201,
    );
    t.equal((await client.ask('HEAD', `${c}/link2?symlink=get`)).headers['x-symlink-target'], `${c.slice(1)}/seg1`);
    const timed = await client.ask('COPY', `${c}/seg1`, {
      headers: { Destination: `${c}/timed`, 'X-Delete-After': '1000' },
    });
    t.match(timed.headers['x-delete-at'], /^\d{10}$/);
  },
};
