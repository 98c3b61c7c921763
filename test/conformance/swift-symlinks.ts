/** Symbolic links, dynamic and static. */
import { createHash } from 'node:crypto';
import type { Rig, SwiftSuite } from './swift-rig.ts';

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

async function link({ client, c }: Rig, name: string, target: string, more: Record<string, string> = {}) {
  return client.ask('PUT', `${c}/${name}`, { body: '', headers: { 'X-Symlink-Target': target, ...more } });
}

export const symlinks: SwiftSuite = {
  'who reads a link reads what it leads to': async (rig) => {
    const { t, client, c } = rig;
    t.equal((await link(rig, 'l', `${c.slice(1)}/dir/o%20%C3%A9`)).status, 201, 'before there is anything');
    t.equal((await client.ask('GET', `${c}/l`)).status, 404);
    await client.ask('PUT', `${c}/dir/o%20%C3%A9`, { body: 'target', headers: { 'X-Object-Meta-Of': 'target' } });
    const got = await client.ask('GET', `${c}/l`);
    t.match([got.status, got.text, got.headers['etag']], [200, 'target', md5('target')]);
    t.equal(got.headers['content-location'], `${client.base}${c}/dir/o%20%C3%A9`);
    t.equal(got.headers['x-object-meta-of'], 'target');
    t.equal((await client.ask('GET', `${c}/l`, { headers: { Range: 'bytes=0-1' } })).text, 'ta');
    const head = await client.ask('HEAD', `${c}/l`);
    t.match([head.status, head.headers['content-length']], [200, '6']);
    for (const [name, value, status] of [
      ['If-Match', md5('target'), 200],
      ['If-None-Match', md5('target'), 304],
      ['If-Match', md5(''), 412],
      ['If-None-Match', md5(''), 200],
    ] as const) {
      t.equal((await client.ask('GET', `${c}/l`, { headers: { [name]: value } })).status, status, `${name} ${value}`);
    }
    const self = await client.ask('GET', `${c}/l?symlink=get`);
    t.match([self.status, self.text, self.headers['etag']], [200, '', md5('')]);
    t.equal(self.headers['x-symlink-target'], `${c.slice(1)}/dir/o%20%C3%A9`);
    t.equal(self.headers['content-type'], 'application/symlink');
    t.equal(self.headers['content-location'], undefined);
    t.equal((await client.ask('DELETE', `${c}/l`)).status, 204);
    t.equal((await client.ask('GET', `${c}/dir/o%20%C3%A9`)).text, 'target', 'the target stays');
  },

  'two links in a row, not three, and no circles': async (rig) => {
    const { t, client, c } = rig;
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    const name = c.slice(1);
    for (const [from, to] of [
      ['l1', 'o'],
      ['l2', 'l1'],
      ['l3', 'l2'],
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      t.equal((await link(rig, from, `${name}/${to}`)).status, 201);
    }
    t.equal((await client.ask('GET', `${c}/l2`)).text, 'x');
    for (const path of ['l3', 'a', 'b']) {
      const got = await client.ask('GET', `${c}/${path}`);
      t.match([got.status, got.text], [409, 'Too many levels of symbolic links, maximum allowed is 2'], path);
    }
    t.equal((await client.ask('GET', `${c}/a?symlink=get`)).status, 200);
  },

  'what cannot be a link is refused': async (rig) => {
    const { t, client, c } = rig;
    const name = c.slice(1);
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    for (const [target, status] of [
      ['o', 412],
      ['/c/o', 412],
      ['c/', 412],
      ['%ff/o', 412],
      [`${name}/self`, 400],
    ] as const) {
      t.equal((await link(rig, 'self', target)).status, status, target);
    }
    t.equal((await link(rig, 'l', 'c/o', { 'X-Symlink-Target-Account': 'a/b' })).status, 412);
    const headers = { 'X-Symlink-Target': `${name}/o` };
    t.equal((await client.ask('PUT', `${c}/l`, { body: 'x', headers })).status, 400, 'a link has no body');
    t.equal((await client.ask('PUT', `${c}/l`, { body: 'x', chunked: true, headers })).status, 400);
    t.equal((await client.ask('POST', `${c}/o`, { headers })).status, 400);
    t.equal((await client.ask('PUT', `${c}/l?multipart-manifest=put`, { body: '', headers })).status, 400);
    const copied = await client.ask('COPY', `${c}/o`, { headers: { ...headers, Destination: `${c}/l` } });
    t.equal(copied.status, 400);
    t.equal((await client.ask('HEAD', `${c}/l`)).status, 404);
  },

  'a static link holds what it was made of': async (rig) => {
    const { t, client, c } = rig;
    const target = `${c.slice(1)}/o`;
    const etag = { 'X-Symlink-Target-Etag': md5('x') };
    const missing = await link(rig, 'l', target, etag);
    t.match([missing.status, missing.text], [409, 'X-Symlink-Target does not exist']);
    await client.ask('PUT', `${c}/o`, { body: 'y', headers: { 'Content-Type': 'text/y' } });
    t.match((await link(rig, 'l', target, etag)).text, `Object Etag '${md5('y')}' does not match`);
    await client.ask('PUT', `${c}/o`, { body: 'x', headers: { 'Content-Type': 'text/x' } });
    t.equal((await link(rig, 'l', target, { 'X-Symlink-Target-Etag': `"${md5('x')}"` })).status, 201);
    t.equal((await client.ask('GET', `${c}/l`)).text, 'x');
    const self = (await client.ask('HEAD', `${c}/l?symlink=get`)).headers;
    t.match(
      [self['x-symlink-target-etag'], self['x-symlink-target-bytes'], self['content-type']],
      [md5('x'), '1', 'text/x'],
    );
    const listed = JSON.parse((await client.ask('GET', `${c}?format=json`)).text);
    t.match(listed[0], {
      name: 'l',
      bytes: 0,
      symlink_path: `${client.base}/${target}`,
      symlink_bytes: 1,
      symlink_etag: md5('x'),
    });
    t.notOk('symlink_path' in listed[1]);
    await client.ask('PUT', `${c}/o`, { body: 'changed' });
    t.equal((await client.ask('GET', `${c}/l`)).status, 409);
    t.equal((await client.ask('HEAD', `${c}/l`)).status, 409);
  },

  'a link is posted to, copied and listed as itself': async (rig) => {
    const { t, client, c } = rig;
    await client.ask('PUT', `${c}/o`, { body: 'x', headers: { 'X-Object-Meta-A': '1' } });
    await link(rig, 'l', `${c.slice(1)}/o`, { 'X-Object-Meta-L': '1' });
    const posted = await client.ask('POST', `${c}/l`, { headers: { 'X-Object-Meta-L': '2' } });
    t.match([posted.status, posted.headers['location']], [307, `${client.base}${c}/o`]);
    t.equal((await client.ask('HEAD', `${c}/l?symlink=get`)).headers['x-object-meta-l'], '2');
    t.equal((await client.ask('GET', `${c}/l`)).text, 'x', 'it is a link still');
    await client.ask('COPY', `${c}/l`, { headers: { Destination: `${c}/bytes` } });
    await client.ask('COPY', `${c}/l?symlink=get`, { headers: { Destination: `${c}/link` } });
    t.equal((await client.ask('HEAD', `${c}/bytes?symlink=get`)).headers['x-symlink-target'], undefined);
    t.equal((await client.ask('GET', `${c}/bytes`)).text, 'x');
    t.equal((await client.ask('HEAD', `${c}/link?symlink=get`)).headers['x-symlink-target'], `${c.slice(1)}/o`);
    const listed = JSON.parse((await client.ask('GET', `${c}?format=json&prefix=l`)).text);
    t.match(listed, [{ symlink_path: `${client.base}${c}/o` }, { symlink_path: `${client.base}${c}/o` }]);
    const info = JSON.parse((await client.raw('GET', '/info')).text);
    t.same(info.symlink, { symloop_max: 2, static_links: true });
  },

  'a link gives no rights': async (rig) => {
    const { t, client, anonymous, stranger, c } = rig;
    await client.ask('PUT', `${c}/o`, { body: 'secret' });
    await client.ask('PUT', `${c}-public`, { headers: { 'X-Container-Read': '.r:*' } });
    await client.ask('PUT', `${c}-public/l`, { body: '', headers: { 'X-Symlink-Target': `${c.slice(1)}/o` } });
    t.equal((await anonymous.raw('GET', `${client.base}${c}-public/l`)).status, 401);
    await stranger.ask('PUT', c);
    const account = client.base.slice('/v1/'.length);
    const headers = { 'X-Symlink-Target': `${c.slice(1)}/o`, 'X-Symlink-Target-Account': account };
    t.equal((await stranger.ask('PUT', `${c}/l`, { body: '', headers })).status, 201);
    t.equal((await stranger.ask('GET', `${c}/l`)).status, 403);
    t.equal(
      (
        await stranger.ask('PUT', `${c}/s`, {
          body: '',
          headers: { ...headers, 'X-Symlink-Target-Etag': md5('secret') },
        })
      ).status,
      403,
    );
    await client.ask('POST', c, { headers: { 'X-Container-Read': '.r:*' } });
    t.equal((await stranger.ask('GET', `${c}/l`)).text, 'secret');
  },

  'segments may be links': async (rig) => {
    const { t, client, c } = rig;
    await client.ask('PUT', `${c}/o`, { body: 'one ' });
    await link(rig, 'l', `${c.slice(1)}/o`);
    const body = JSON.stringify([{ path: `${c}/l` }, { path: `${c}/o`, etag: md5('one ') }]);
    t.equal((await client.ask('PUT', `${c}/slo?multipart-manifest=put`, { body })).status, 201);
    t.equal((await client.ask('GET', `${c}/slo`)).text, 'one one ');
  },
};
