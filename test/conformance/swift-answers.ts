/** Details of answers, each as a Swift 2.30 gave it to the very same request. */
import { createHash } from 'node:crypto';
import type { Answer, SwiftSuite } from './swift-rig.ts';

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
const HTML = 'text/html; charset=UTF-8';
const typed = ({ status, headers, text }: Answer): unknown[] => [status, headers['content-type'], text];

export const answers: SwiftSuite = {
  'which refusals are lines and which are typed as pages': async ({ t, client, c }) => {
    const put = (headers: Record<string, string>): Promise<Answer> =>
      client.ask('PUT', `${c}/o`, { headers, body: '' });
    t.same(typed(await client.ask('GET', `${c}?limit=10001`)), [412, HTML, 'Maximum limit is 10000']);
    t.same(typed(await client.ask('GET', `${c}?prefix=%ff`)), [
      400,
      'text/plain',
      '"prefix" parameter not valid UTF-8',
    ]);
    t.same(typed(await client.ask('GET', c, { headers: { Accept: 'bogus' } })), [400, HTML, 'Invalid Accept header']);
    t.same(typed(await put({ 'X-Delete-At': '1' })), [400, 'text/plain', 'X-Delete-At in past']);
    for (const manifest of ['', 'a', '/a/b', 'a/b?c']) {
      const text = 'X-Object-Manifest must be in the format container/prefix';
      t.same(typed(await put({ 'X-Object-Manifest': manifest })), [400, HTML, text], manifest);
    }
    t.same(typed(await put({ 'Content-Type': 'a/b;swift_bytes=5' })), [
      400,
      HTML,
      'Invalid Content-Type, swift_* is not a valid parameter name.',
    ]);
    t.match(typed(await put({ 'X-Static-Large-Object': 'true' })), [400, HTML, /^X-Static-Large-Object is a reserved/]);
    t.match(typed(await put({ 'X-Symlink-Target': '' })), [412, HTML, /^X-Symlink-Target header must be of the form/]);
    const head = `PUT ${client.base}${c}/o HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ${client.token}\r\nConnection: close\r\n\r\n`;
    t.match(
      await client.exchange(head),
      /^HTTP\/1.1 411 .*Content-Type: text\/plain\r\n.*Missing Content-Length header\.$/s,
    );
    t.match(typed(await client.ask('COPY', `${c}/o`)), [412, HTML, 'Destination header required']);
    const away = { headers: { Destination: `${c}/p`, 'Destination-Account': 'a/b' } };
    t.same(typed(await client.ask('COPY', `${c}/o`, away)), [412, HTML, 'Account name cannot contain slashes']);
    t.equal((await client.ask('GET', `${c}/o`)).status, 404, 'nothing of it was made');
    const manifest = await client.ask('PUT', `${c}/m?multipart-manifest=put`, { body: '{}' });
    t.same(typed(manifest), [400, HTML, 'Manifest must be a list.\n']);
  },

  'how what is wrong with an ACL, a quota or a policy is said': async ({ t, client, reseller, c }) => {
    const post = async (headers: Record<string, string>): Promise<unknown[]> =>
      typed(await client.ask('POST', c, { headers }));
    const noHost = "No host/domain value after referrer designation in ACL: '.r:'";
    t.same(await post({ 'X-Container-Read': '.r:' }), [400, HTML, noHost]);
    t.same(await post({ 'X-Container-Write': '.r:*' }), [400, HTML, "Referrers not allowed in write ACL: '.r:*'"]);
    t.same(await post({ 'X-Container-Meta-Quota-Bytes': 'x' }), [400, HTML, 'Invalid bytes quota.']);
    const policy = await client.ask('PUT', `${c}p`, { headers: { 'X-Storage-Policy': 'nope' }, body: '' });
    t.equal(policy.text, "Invalid X-Storage-Policy 'nope'");
    const account = await client.ask('POST', '', { headers: { 'X-Account-Access-Control': '{"foo":[]}' } });
    const text = 'X-Account-Access-Control invalid: Key "foo" not recognized\n\nInput: {"foo":[]}\n';
    t.same(typed(account), [400, 'text/plain; charset=UTF-8', text]);
    t.match(
      (await client.ask('POST', '', { headers: { 'X-Account-Access-Control': 'bad' } })).text,
      /in input \('bad'\)/,
    );
    const quota = await reseller.ask('POST', '', { headers: { 'X-Account-Meta-Quota-Bytes': 'x' } });
    t.match(typed(quota), [400, HTML, /^<html>/]);
    const long = await client.ask('POST', c, { headers: { 'X-Container-Meta-Some': 'v'.repeat(257) } });
    t.equal(long.text, 'Metadata value longer than 256: x-container-meta-Some');
  },

  'an escape that is none stands for itself': async ({ t, client, c }) => {
    for (const name of ['a%', 'a%zz', 'a%2', '%u0041']) {
      t.equal((await client.ask('PUT', `${c}/${name}`, { body: name })).status, 201, name);
      t.equal((await client.ask('GET', `${c}/${name}`)).text, name);
      t.equal((await client.ask('GET', `${c}/${encodeURIComponent(name)}`)).text, name, 'well escaped');
    }
    t.equal((await client.ask('GET', c)).text, '%u0041\na%\na%2\na%zz\n');
  },

  'answers without the object say what it is': async ({ t, client, c }) => {
    await client.ask('PUT', `${c}/o`, { headers: { 'Content-Type': 'a/b' }, body: '0123456789' });
    const etag = md5('0123456789');
    const get = (headers: Record<string, string>): Promise<Answer> => client.ask('GET', `${c}/o`, { headers });
    const about = { etag, 'last-modified': /GMT$/, 'x-timestamp': /^\d+\.\d{5}$/ };
    const unchanged = await get({ 'If-None-Match': etag });
    t.match(
      [unchanged.status, unchanged.headers],
      [304, { ...about, 'content-type': 'a/b', 'accept-ranges': 'bytes' }],
    );
    const refused = await get({ 'If-Match': 'x' });
    t.match([refused.status, refused.text, refused.headers], [412, '', about]);
    t.equal((await get({ 'If-Match': `W/"${etag}"` })).status, 412, 'a weak one is no match');
    t.equal((await get({ 'If-Match': `W/"${etag}", ${etag}` })).status, 200);
    const outside = await get({ Range: 'bytes=10-' });
    t.match([outside.status, outside.headers], [416, { ...about, 'content-range': 'bytes */10' }]);
  },

  'dates of conditions are read as people write them': async ({ t, client, c }) => {
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    const dates = ['Wed, 01 Jan 2020 00:00:00', 'Wed, 1 Jan 2020 00:00:00 GMT', '01 Jan 20 00:00 +0100'];
    for (const date of dates) {
      const since = { headers: { 'If-Unmodified-Since': date } };
      t.equal((await client.ask('GET', `${c}/o`, since)).status, 412, date);
    }
    for (const date of ['2020-01-01T00:00:00Z', '1577836800', 'yesterday', '']) {
      const since = { headers: { 'If-Unmodified-Since': date } };
      t.equal((await client.ask('GET', `${c}/o`, since)).status, 200, date);
    }
  },

  'who administers an account answers to its name in ACLs': async ({ t, client, stranger, server, c }) => {
    await client.ask('PUT', `${c}/o`, { body: 'x' });
    const get = async (): Promise<number> =>
      (await stranger.raw('GET', `${client.base}${c}/o`, { headers: { 'X-Auth-Token': stranger.token } })).status;
    const name = `AUTH_${server.stranger.user.split(':')[0]}`;
    for (const [acl, status] of [
      [`${name}x`, 403],
      [name, 200],
    ] as const) {
      await client.ask('POST', c, { headers: { 'X-Container-Read': acl } });
      t.equal(await get(), status, acl);
    }
  },

  'POST leaves the type alone unless it is given one': async ({ t, client, c }) => {
    await client.ask('PUT', `${c}/o.txt`, { headers: { 'Content-Type': 'a/b' }, body: 'x' });
    t.equal((await client.ask('POST', `${c}/o.txt`, { headers: { 'X-Detect-Content-Type': 'true' } })).status, 202);
    t.equal((await client.ask('HEAD', `${c}/o.txt`)).headers['content-type'], 'a/b');
  },

  'a manifest in its raw form is what Swift keeps, byte by byte': async ({ t, client, c }) => {
    await client.ask('PUT', `${c}/1é`.replace('é', '%C3%A9'), { body: '0123456789' });
    const list = JSON.stringify([{ path: `${c}/1é`, range: '0-3' }, { data: 'aGVsbG8=' }]);
    const headers = { 'Content-Type': 'video/x' };
    t.equal((await client.ask('PUT', `${c}/m?multipart-manifest=put`, { headers, body: list })).status, 201);
    const raw = await client.ask('GET', `${c}/m?multipart-manifest=get&format=raw`);
    const first = `{"etag": "${md5('0123456789')}", "path": "${c}/1\\u00e9", "range": "0-3", "size_bytes": 10}`;
    const text = `[${first}, {"data": "aGVsbG8="}]`;
    t.equal(raw.text, text);
    t.match(raw.headers, { 'content-type': 'video/x', etag: md5(text) });
  },

  'a manifest that is refused behind a heartbeat says why': async ({ t, client, c }) => {
    const headers = { Accept: 'application/json' };
    const body = JSON.stringify([{ path: `${c}/none` }]);
    const answer = await client.ask('PUT', `${c}/m?multipart-manifest=put&heartbeat=on`, { headers, body });
    t.match(JSON.parse(answer.text), {
      'Response Status': '400 Bad Request',
      'Response Body': /^Bad Request\n/,
      Errors: [[`${c}/none`, '404 Not Found']],
    });
  },

  'an empty listing in XML is one element': async ({ t, client, c }) => {
    const { text } = await client.ask('GET', `${c}?format=xml`);
    t.equal(text, `<?xml version="1.0" encoding="UTF-8"?>\n<container name="${c.slice(1)}" />`);
  },

  'reports list their fields by name': async ({ t, client, anonymous, c }) => {
    const report = async (headers: Record<string, string> = {}): Promise<string> =>
      (await client.ask('POST', '?bulk-delete', { headers, body: `${c}/none\n` })).text;
    t.equal(
      await report(),
      'Number Deleted: 0\nNumber Not Found: 1\nResponse Body: \nResponse Status: 200 OK\nErrors:\n',
    );
    t.match(await report({ Accept: 'application/xml' }), /^<delete>\n<number_deleted>0<\/number_deleted>\n/);
    const endless = await client.ask('POST', '?bulk-delete', { body: `${c}/${'n'.repeat(4000)}` });
    t.match(endless.text, /Response Body: Invalid File Name\nResponse Status: 400 Bad Request\n/);
    const refused = await anonymous.raw('POST', `${client.base}?bulk-delete`, { body: `${c}/o` });
    t.match(refused.text, /Response Status: 400 Bad Request\nErrors:\n\/c\d+\/o, 401 Unauthorized\n$/);
    const plain = `${c}/plain`;
    await client.ask('PUT', plain, { body: 'x' });
    t.match((await client.ask('DELETE', `${plain}?multipart-manifest=delete`)).text, /, Not an SLO manifest\n$/);
  },
};
