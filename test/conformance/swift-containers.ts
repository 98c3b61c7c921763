/** Accounts and containers: totals, metadata, listings in three formats, rights, tokens and the pages without a token. */
import { type SwiftSuite, wire } from './swift-rig.ts';

export const containers: SwiftSuite = {
  'a container is made, described, found not empty and removed': async ({ t, client, c }) => {
    t.equal((await client.ask('PUT', c)).status, 202, 'made again');
    await client.ask('PUT', `${c}/a`, { body: '12345' });
    const head = await client.ask('HEAD', c);
    t.equal(head.status, 204);
    t.match(head.headers, {
      'x-container-object-count': '1',
      'x-container-bytes-used': '5',
      'accept-ranges': 'bytes',
      'content-type': 'text/plain; charset=utf-8',
    });
    t.ok(head.headers['x-storage-policy']);
    t.match(head.headers['x-timestamp'], /^\d{10}\.\d{5}$/);
    t.equal((await client.ask('DELETE', c)).status, 409);
    await client.ask('DELETE', `${c}/a`);
    t.equal((await client.ask('DELETE', c)).status, 204);
    for (const method of ['GET', 'HEAD', 'DELETE', 'POST']) t.equal((await client.ask(method, c)).status, 404, method);
    t.equal((await client.ask('PUT', `/${'c'.repeat(257)}`)).status, 400);
    t.equal((await client.ask('PUT', c, { headers: { 'X-Storage-Policy': 'no such' } })).status, 400);
  },

  'container and account metadata is set, merged and removed': async ({ t, client, c }) => {
    for (const [path, owner] of [
      [c, 'Container'],
      ['', 'Account'],
    ] as const) {
      const name = `x-${owner.toLowerCase()}-meta`;
      const set = { [`X-${owner}-Meta-One`]: wire('一'), [`X-${owner}-Meta-Two`]: '2' };
      t.equal((await client.ask('POST', path, { headers: set })).status, 204);
      await client.ask('POST', path, { headers: { [`X-${owner}-Meta-Three`]: '3' } });
      const one = (await client.ask('HEAD', path)).headers;
      t.match([one[`${name}-one`], one[`${name}-two`], one[`${name}-three`]], [wire('一'), '2', '3']);
      await client.ask('POST', path, { headers: { [`X-Remove-${owner}-Meta-One`]: 'x', [`X-${owner}-Meta-Two`]: '' } });
      const two = (await client.ask('GET', path)).headers;
      t.match([two[`${name}-one`], two[`${name}-two`], two[`${name}-three`]], [undefined, undefined, '3']);
      t.equal((await client.ask('POST', path, { headers: { [`X-${owner}-Meta-A`]: '\xff' } })).status, 400, 'no UTF-8');
    }
  },

  'ACLs are cleaned and kept': async ({ t, client, c }) => {
    const acl = { 'X-Container-Read': '.referrer : *.example.com , .rlistings,bob', 'X-Container-Write': 'a:b, c' };
    t.equal((await client.ask('POST', c, { headers: acl })).status, 204);
    const { headers } = await client.ask('HEAD', c);
    t.equal(headers['x-container-read'], '.r:.example.com,.rlistings,bob');
    t.equal(headers['x-container-write'], 'a:b,c');
    await client.ask('POST', c, { headers: { 'X-Remove-Container-Read': 'x' } });
    t.equal((await client.ask('HEAD', c)).headers['x-container-read'], undefined);
    for (const [name, value] of [
      ['Read', '.r:'],
      ['Read', '.x:*'],
      ['Write', '.r:*'],
    ] as const) {
      t.equal((await client.ask('POST', c, { headers: { [`X-Container-${name}`]: value } })).status, 400, value);
    }
  },

  'listings in text, JSON and XML': async ({ t, client, c }) => {
    t.match([(await client.ask('GET', c)).status, (await client.ask('GET', `${c}?format=json`)).text], [204, '[]']);
    await client.ask('PUT', `${c}/a%26%22b`, { body: 'xy', headers: { 'Content-Type': wire('text/字') } });
    await client.ask('PUT', `${c}/%E6%96%87/1`, { body: '' });
    const text = await client.ask('GET', c);
    t.match([text.status, text.text], [200, 'a&"b\n文/1\n']);
    t.equal(text.headers['content-type'], 'text/plain; charset=utf-8');
    const json = await client.ask('GET', `${c}?format=json&delimiter=/`);
    t.equal(json.headers['content-type'], 'application/json; charset=utf-8');
    const [object, subdir] = JSON.parse(json.text);
    t.match(object, { name: 'a&"b', bytes: 2, hash: /^[0-9a-f]{32}$/, content_type: 'text/字' });
    t.match(object.last_modified, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
    t.same(subdir, { subdir: '文/' });
    const xml = await client.ask('GET', `${c}?delimiter=/`, { headers: { Accept: 'application/xml' } });
    t.equal(xml.headers['content-type'], 'application/xml; charset=utf-8');
    t.match(xml.text, /^<\?xml version="1.0" encoding="UTF-8"\?>\n<container name="c\d+"><object><name>a&amp;&quot;b</);
    t.match(xml.text, '<subdir name="文/"><name>文/</name></subdir></container>');
    t.equal((await client.ask('GET', c, { headers: { Accept: 'image/png' } })).status, 406);
    t.equal((await client.ask('GET', c, { headers: { Accept: 'application/json;q=0.5, text/*;q=0.1' } })).text[0], '[');
  },

  'listing parameters': async ({ t, client, c }) => {
    const names = ['a', 'b/1', 'b/2', 'b/c/3', 'd', 'e/', 'e/f', 'é'];
    for (const name of names) await client.ask('PUT', `${c}/${encodeURI(name)}`, { body: '' });
    const list = async (query: string): Promise<string[]> =>
      (await client.ask('GET', `${c}?${query}`)).text.split('\n').filter((line) => line !== '');
    t.same(await list('limit=2'), ['a', 'b/1']);
    t.same(await list('limit=0'), []);
    t.same(await list('marker=b/2&end_marker=e/f'), ['b/c/3', 'd', 'e/']);
    t.same(await list('prefix=b/'), ['b/1', 'b/2', 'b/c/3']);
    t.same(await list('delimiter=/'), ['a', 'b/', 'd', 'e/', 'é']);
    t.same(await list('delimiter=/&marker=b/'), ['d', 'e/', 'é']);
    t.same(await list('delimiter=/&prefix=b/'), ['b/1', 'b/2', 'b/c/']);
    t.same(await list('reverse=true&limit=3'), ['é', 'e/f', 'e/']);
    t.same(await list('reverse=on&marker=d'), ['b/c/3', 'b/2', 'b/1', 'a']);
    t.same(await list('path='), ['a', 'd', 'e/', 'é']);
    t.same(await list('path=b'), ['b/1', 'b/2']);
    t.same(await list('path=e/'), ['e/f']);
    t.same(await list('prefix=%C3%A9'), ['é']);
    t.equal((await client.ask('GET', `${c}?limit=10000`)).status, 200);
    t.equal((await client.ask('GET', `${c}?limit=10001`)).status, 412);
    t.equal((await client.ask('GET', `${c}?prefix=%ff`)).status, 400);
  },

  'an account lists its containers and counts': async ({ t, client, c }) => {
    await client.ask('PUT', `${c}/o`, { body: '123' });
    const listing = JSON.parse((await client.ask('GET', '?format=json')).text) as { name: string }[];
    const mine = listing.find((entry) => entry.name === c.slice(1));
    t.match(mine, { count: Number, bytes: Number, last_modified: String });
    const after = (await client.ask('GET', `?format=json&marker=${c.slice(1)}&limit=1`)).text;
    t.notMatch(after, `"${c.slice(1)}"`);
    t.match((await client.ask('GET', '?format=xml')).text, `<container><name>${c.slice(1)}</name>`);
    const head = await client.ask('HEAD', '');
    t.equal(head.status, 204);
    for (const name of ['container-count', 'object-count', 'bytes-used']) {
      t.match(head.headers[`x-account-${name}`], /^\d+$/, name);
    }
    t.equal((await client.ask('PUT', '')).status, 403);
    t.equal((await client.ask('DELETE', '')).status, 403);
  },

  'tokens open, and nothing else does': async ({ t, client, stranger, anonymous, server, c }) => {
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    for (const [who, status] of [
      [stranger, 403],
      [anonymous, 401],
    ] as const) {
      const token: Record<string, string> = who.token === '' ? {} : { 'X-Auth-Token': who.token };
      for (const [method, path] of [
        ['GET', ''],
        ['GET', c],
        ['PUT', c],
        ['GET', `${c}/o`],
        ['PUT', `${c}/o`],
        ['DELETE', `${c}/o`],
      ]) {
        const answer = await who.raw(method as string, client.base + path, { headers: token, body: '' });
        t.equal(answer.status, status, `${method} ${path}`);
        if (status === 401) t.equal(answer.headers['www-authenticate'], `Swift realm="${client.base.slice(4)}"`);
      }
    }
    for (const bad of [
      'AUTH_tkdeadbeef',
      'x',
      `${client.token}A`,
      client.token.slice(0, -1),
      `${client.token.slice(0, -2)}zz`,
    ]) {
      t.equal((await client.ask('GET', c, { headers: { 'X-Auth-Token': bad } })).status, 401, bad);
    }
    t.equal((await client.raw('GET', client.base + c, { headers: { 'X-Storage-Token': client.token } })).status, 200);
    const { user, key } = server.owner;
    const auth = (headers: Record<string, string>) => client.raw('GET', '/auth/v1.0', { headers });
    t.equal((await auth({ 'X-Auth-User': user, 'X-Auth-Key': 'wrong' })).status, 401);
    t.equal((await auth({ 'X-Auth-User': 'no:body', 'X-Auth-Key': key })).status, 401);
    t.equal((await auth({})).status, 401);
    const good = await auth({ 'X-Storage-User': user, 'X-Storage-Pass': key, Host: 'store.example:99' });
    t.equal(good.status, 200);
    t.match(good.headers['x-auth-token'], /^AUTH_tk/);
    t.equal(good.headers['x-storage-token'], good.headers['x-auth-token']);
    t.equal(good.headers['x-storage-url'], `${server.tls ? 'https' : 'http'}://store.example:99${client.base}`);
    t.equal(good.headers['x-auth-token-expires'], '86400');
  },

  'the public may read what .r:* opens': async ({ t, client, anonymous, c }) => {
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    await client.ask('POST', c, { headers: { 'X-Container-Read': '.r:*' } });
    t.equal((await anonymous.raw('GET', `${client.base}${c}/o`)).text, 'x');
    t.equal((await anonymous.raw('GET', `${client.base}${c}`)).status, 401, 'but not list');
    t.equal((await anonymous.raw('PUT', `${client.base}${c}/o`, { body: '' })).status, 401);
    await client.ask('POST', c, { headers: { 'X-Container-Read': '.r:*,.rlistings' } });
    await client.ask('POST', c, { headers: { 'X-Container-Meta-Temp-Url-Key': 'secret', 'X-Container-Meta-A': 'b' } });
    const listed = await anonymous.raw('GET', `${client.base}${c}`);
    t.equal(listed.text, 'o\n');
    t.equal(listed.headers['x-container-meta-a'], 'b');
    t.equal(listed.headers['x-container-read'], undefined, 'ACLs are the owner’s');
    t.equal(listed.headers['x-container-meta-temp-url-key'], undefined, 'and so are keys');
    t.equal((await client.ask('HEAD', c)).headers['x-container-meta-temp-url-key'], 'secret');
  },

  'pages that need no token, and paths that are none': async ({ t, client, c }) => {
    const info = await client.raw('GET', '/info');
    t.equal(info.status, 200);
    t.ok(JSON.parse(info.text).swift);
    t.equal((await client.raw('GET', '/healthcheck')).text, 'OK');
    t.equal((await client.raw('GET', '/v1')).status, 412);
    t.equal((await client.raw('GET', '/v1/')).status, 412);
    t.equal((await client.ask('GET', '//o')).status, 412);
    t.equal((await client.ask('PATCH', c)).status, 405);
    t.equal((await client.ask('OPTIONS', `${c}/o`)).headers['allow'], 'GET, HEAD, PUT, POST, DELETE, OPTIONS, COPY');
    const traced = await client.raw('GET', '/info', { headers: { 'X-Trans-Id-Extra': 'my id' } });
    t.match(traced.headers['x-trans-id'], /^tx[0-9a-f]{21}-[0-9a-f]{10}-my_id$/);
    const versioned = await client.raw('GET', client.base.replace('/v1/', '/v1.0/') + c, {
      headers: { 'X-Auth-Token': client.token },
    });
    t.equal(versioned.status, 204, 'v1.0 is v1');
  },

  'metadata has its limits however it came together': async ({ t, client, c }) => {
    const some = (start: number, count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`X-Container-Meta-M${start + i}`, 'v']));
    t.equal((await client.ask('POST', c, { headers: some(0, 60) })).status, 204);
    t.equal((await client.ask('POST', c, { headers: some(60, 31) })).status, 400, 'ninety in all');
    t.equal((await client.ask('POST', c, { headers: some(60, 30) })).status, 204);
    t.equal((await client.ask('POST', c, { headers: { 'X-Remove-Container-Meta-M0': 'x' } })).status, 204);
    const long = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`X-Container-Meta-M${i}`, 'v'.repeat(250)]));
    t.equal((await client.ask('POST', c, { headers: long })).status, 400, 'and 4096 bytes');
  },
};
