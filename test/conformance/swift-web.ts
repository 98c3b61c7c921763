/** Static web sites, quoted ETags, and what resellers say of accounts and containers. */
import type { Answer, SwiftClient, SwiftSuite } from './swift-rig.ts';

async function site(client: SwiftClient, c: string, meta: Readonly<Record<string, string>>): Promise<void> {
  const headers: Record<string, string> = { 'X-Container-Read': '.r:*,.rlistings' };
  for (const [name, value] of Object.entries(meta)) headers[`X-Container-Meta-Web-${name}`] = value;
  await client.ask('POST', c, { headers });
}

const put = (client: SwiftClient, path: string, body: string, type = 'text/html'): Promise<Answer> =>
  client.ask('PUT', path, { body, headers: { 'Content-Type': type } });

export const web: SwiftSuite = {
  'index files, and the way to the slash': async ({ t, client, anonymous, c }) => {
    await site(client, c, { Index: 'index.html' });
    await put(client, `${c}/index.html`, 'home');
    await put(client, `${c}/sub/index.html`, 'below');
    t.equal((await anonymous.ask('GET', `${c}/`)).text, 'home');
    const moved = await anonymous.ask('GET', c);
    t.match([moved.status, moved.headers['location']], [301, new RegExp(`^https?://.*${c}/$`)]);
    const sub = await anonymous.ask('GET', `${c}/sub`);
    t.match([sub.status, sub.headers['location']], [301, new RegExp(`${c}/sub/$`)]);
    t.equal((await anonymous.ask('GET', `${c}/sub/`)).text, 'below');
    const head = await anonymous.ask('HEAD', `${c}/sub/`);
    t.match([head.status, head.headers['content-length']], [200, '5']);
    t.equal((await anonymous.ask('GET', `${c}/sub/index.html`)).text, 'below', 'an object as ever');
    t.equal((await anonymous.ask('GET', `${c}/none`)).status, 404);
    t.match((await client.ask('GET', `${c}/`)).text, 'sub/index.html', 'who has a token sees the container');
    t.equal((await client.ask('GET', `${c}/`, { headers: { 'X-Web-Mode': 'true' } })).text, 'home', 'unless he asks');
    await put(client, `${c}/dir`, '', 'application/directory');
    await put(client, `${c}/dir/index.html`, 'a marker is no page');
    t.equal((await anonymous.ask('GET', `${c}/dir`)).status, 301);
  },

  'listings are pages': async ({ t, client, anonymous, c }) => {
    await site(client, c, { Listings: 'true', 'Listings-Label': 'example.com' });
    await put(client, `${c}/a%3Cb%3E`, 'x'.repeat(3000), 'text/plain');
    await put(client, `${c}/javascript:alert(1)`, '', 'text/plain');
    await put(client, `${c}/sub/one`, '1', 'text/plain');
    const root = await anonymous.ask('GET', `${c}/`);
    t.match(root.headers['content-type'], 'text/html');
    t.match(root.text, 'Listing of example.com/');
    t.match(root.text, '<a href="a%3Cb%3E">a&lt;b&gt;</a>');
    t.match(root.text, '<td class="colsize">3Ki</td>');
    t.match(root.text, 'class="item type-text type-plain"');
    t.match(root.text, '<a href="sub/">sub/</a>');
    t.notMatch(root.text, 'href="javascript:', 'a name is never a scheme');
    const sub = await anonymous.ask('GET', `${c}/sub/`);
    t.match(sub.text, '<a href="../">../</a>');
    t.match(sub.text, '<a href="one">one</a>');
    t.equal((await anonymous.ask('GET', `${c}/sub`)).status, 301);
    t.equal((await anonymous.ask('GET', `${c}/none/`)).status, 404);
    await site(client, c, { 'Listings-CSS': 'styles/list.css' });
    t.match((await anonymous.ask('GET', `${c}/sub/`)).text, 'href="../styles/list.css"');
    await site(client, c, { Listings: '', Index: 'none.html', 'Listings-Label': '' });
    const off = await anonymous.ask('GET', `${c}/`);
    t.match([off.status, off.text], [404, /Web Listing Disabled.*none\.html/]);
  },

  'error pages': async ({ t, client, anonymous, c }) => {
    await site(client, c, { Error: 'error.html', Index: 'index.html' });
    await put(client, `${c}/404error.html`, 'our own 404');
    const missing = await anonymous.ask('GET', `${c}/none`);
    t.match([missing.status, missing.text, missing.headers['content-type']], [404, 'our own 404', 'text/html']);
    t.equal((await client.ask('GET', `${c}/none`)).text.includes('our own'), false, 'for visitors');
  },

  'it opens nothing that is not public': async ({ t, client, anonymous, stranger, c }) => {
    await client.ask('POST', c, {
      headers: { 'X-Container-Meta-Web-Index': 'index.html', 'X-Container-Meta-Web-Listings': 'true' },
    });
    await put(client, `${c}/index.html`, 'secret');
    for (const path of ['', '/', '/index.html', '/none', '/none/']) {
      t.equal((await anonymous.ask('GET', `${c}${path}`)).status, 401, path);
    }
    const headers = { 'X-Auth-Token': stranger.token, 'X-Web-Mode': 'true' };
    t.equal((await anonymous.ask('GET', `${c}/`, { headers })).status, 403);
    await client.ask('POST', c, { headers: { 'X-Container-Read': '.r:*' } });
    t.equal((await anonymous.ask('GET', `${c}/`)).text, 'secret');
    await client.ask('DELETE', `${c}/index.html`);
    t.equal((await anonymous.ask('GET', `${c}/`)).status, 401, 'objects alone are public');
  },

  'ETags in quotes where they are asked for': async ({ t, client, c }) => {
    const etag = async (method = 'HEAD'): Promise<string | undefined> =>
      (await client.ask(method, `${c}/o`, method === 'PUT' ? { body: 'x' } : {})).headers['etag'];
    t.match(await etag('PUT'), /^[0-9a-f]{32}$/);
    await client.ask('POST', c, { headers: { 'X-Container-Rfc-Compliant-Etags': 'yes' } });
    t.equal((await client.ask('HEAD', c)).headers['x-container-rfc-compliant-etags'], 'True');
    for (const method of ['GET', 'HEAD', 'PUT']) t.match(await etag(method), /^"[0-9a-f]{32}"$/, method);
    const conditional = await client.ask('GET', `${c}/o`, { headers: { 'If-None-Match': (await etag()) ?? '' } });
    t.equal(conditional.status, 304);
    await client.ask('POST', c, { headers: { 'X-Remove-Container-Rfc-Compliant-Etags': 'x' } });
    t.match(await etag(), /^[0-9a-f]{32}$/);
  },
};

/** Where the store keeps to them. */
export const readOnly: SwiftSuite = {
  'a container that nobody may write into': async ({ t, client, reseller, c }) => {
    const set = (value: string) => ({ headers: { 'X-Container-Sysmeta-Read-Only': value } });
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    t.equal((await client.ask('POST', c, set('true'))).status, 204, 'not for the owner to say');
    t.equal((await client.ask('PUT', `${c}/o`, { body: 'y' })).status, 201);
    t.equal((await reseller.ask('POST', c, set('true'))).status, 204);
    const refused = await client.ask('PUT', `${c}/o`, { body: 'z' });
    t.match([refused.status, refused.text], [405, 'Writes are disabled for this account.']);
    for (const [method, path] of [
      ['POST', `${c}/o`],
      ['DELETE', `${c}/o`],
      ['POST', c],
      ['DELETE', c],
    ] as const) {
      t.equal((await client.ask(method, path)).status, 405, method);
    }
    t.equal((await client.ask('COPY', `${c}/o`, { headers: { Destination: `${c}/p` } })).status, 405);
    t.equal((await client.ask('GET', `${c}/o`)).text, 'y');
    const headers = (await client.ask('HEAD', c)).headers;
    t.equal(headers['x-container-sysmeta-read-only'], undefined, 'nor shown to him');
    t.equal((await reseller.ask('HEAD', c)).headers['x-container-sysmeta-read-only'], 'true');
    await reseller.ask('POST', c, set(''));
    t.equal((await client.ask('DELETE', `${c}/o`)).status, 204);
  },

  'an account that nobody may write into': async ({ t, client, reseller, c }) => {
    const set = (value: string) => ({ headers: { 'X-Account-Sysmeta-Read-Only': value } });
    t.equal((await reseller.ask('POST', '', set('true'))).status, 204);
    try {
      t.equal((await client.ask('PUT', `${c}/o`, { body: 'x' })).status, 405);
      t.equal((await client.ask('PUT', `${c}-more`)).status, 405);
      t.equal((await client.ask('POST', '', { headers: { 'X-Account-Meta-A': 'b' } })).status, 405);
      t.equal((await client.ask('GET', c)).status, 204);
    } finally {
      t.equal((await reseller.ask('POST', '', set(''))).status, 204);
    }
    t.equal((await client.ask('PUT', `${c}/o`, { body: 'x' })).status, 201);
  },
};
