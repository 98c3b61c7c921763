/**
 * The receiving half of container sync: requests signed by another cluster of a realm, and what a container says of its
 * own synchronisation. Servers of this suite know the realms of REALMS.
 */
import { createHmac } from 'node:crypto';
import type { SyncOptions } from '../../proxy/sync-realms.ts';
import type { Answer, Rig, Sent, SwiftSuite } from './swift-rig.ts';

const KEY = 'of the operators';
const KEY2 = 'of the operators, soon';
const USER_KEY = 'of the container';

/** The same as TOML, and as the handler gets it. */
export const REALMS = {
  toml: `[swift.container-sync]
current = "//globe/east"
[swift.container-sync.realms.Globe]
key = "${KEY}"
key2 = "${KEY2}"
clusters = { east = "http://127.0.0.1:9/v1/", west = "http://127.0.0.1:10/v1" }
[swift.container-sync.realms.empty]
key = "nobody"
`,
  options: {
    realms: new Map([
      [
        'GLOBE',
        {
          name: 'Globe',
          key: KEY,
          key2: KEY2,
          clusters: new Map([
            ['EAST', 'http://127.0.0.1:9/v1/'],
            ['WEST', 'http://127.0.0.1:10/v1'],
          ]),
        },
      ],
      ['EMPTY', { name: 'empty', key: 'nobody', clusters: new Map() }],
    ]),
    current: { realm: 'GLOBE', cluster: 'EAST' },
    allowedHosts: ['127.0.0.1'],
    fullUrls: true,
  } satisfies SyncOptions,
};

interface Signed extends Sent {
  /** X-Timestamp; none when absent. */
  readonly at?: string;
  readonly realm?: string;
  readonly key?: string;
  readonly userKey?: string;
}

/** As another cluster of the realm would ask: without a token. */
function signed({ client, anonymous }: Rig, method: string, name: string, sent: Signed = {}): Promise<Answer> {
  const { at, realm = 'globe', key = KEY, userKey = USER_KEY, headers, ...rest } = sent;
  const path = client.base + name;
  const nonce = 'once';
  const text = `${method}\n${path.split('?')[0]}\n${at ?? '0'}\n${nonce}\n${userKey}`;
  const signature = createHmac('sha1', key).update(text, 'latin1').digest('hex');
  const all = {
    ...(at !== undefined && { 'X-Timestamp': at }),
    'X-Container-Sync-Auth': `${realm} ${nonce} ${signature}`,
    ...headers,
  };
  return anonymous.raw(method, path, { ...rest, headers: all });
}

/** `seconds` from now, as Swift writes times. */
const time = (seconds: number): string => (Date.now() / 1000 + seconds).toFixed(5);

const setKey = ({ client, c }: Rig): Promise<Answer> =>
  client.ask('POST', c, { headers: { 'X-Container-Sync-Key': USER_KEY } });

export const sync: SwiftSuite = {
  'a signature of the realm opens one container': async (rig) => {
    const { t, client, stranger, c } = rig;
    const at = time(-100);
    t.equal((await signed(rig, 'PUT', `${c}/o`, { at, body: 'x' })).status, 401, 'not one without a key');
    await setKey(rig);
    t.equal((await signed(rig, 'PUT', `${c}/o`, { at, body: 'one', headers: { 'X-Object-Meta-A': 'b' } })).status, 201);
    t.equal((await signed(rig, 'PUT', `${c}/second`, { at, body: 'two', key: KEY2, realm: 'GLOBE' })).status, 201);
    const got = await client.ask('GET', `${c}/o`);
    t.match(got, { text: 'one', headers: { 'x-timestamp': at, 'x-object-meta-a': 'b' } });
    t.match((await signed(rig, 'GET', `${c}/o`)).text, 'one');
    t.equal((await signed(rig, 'HEAD', `${c}/o`, { at })).headers['x-timestamp'], at);
    t.match((await signed(rig, 'GET', c)).text, 'o\nsecond\n');
    t.equal((await signed(rig, 'PUT', `${c}/%C3%A9%20(a)~/../b`, { at, body: 'x' })).status, 401, 'as it is quoted');
    t.equal((await signed(rig, 'PUT', `${c}/%C3%A9%20%28a%29~/../b`, { at, body: 'x' })).status, 201);
    for (const sent of [{ realm: 'nowhere' }, { realm: 'empty' }, { key: 'other' }, { userKey: 'other' }]) {
      const refused = await signed(rig, 'PUT', `${c}/o`, { at: time(0), body: 'x', ...sent });
      t.equal(refused.status, 401, JSON.stringify(sent));
      t.match(refused.headers['www-authenticate'], /^SwiftContainerSync realm="AUTH_test"$/);
      t.match(refused.text, 'X-Container-Sync-Auth header not valid; contact cluster operator for support.');
    }
    for (const auth of ['globe once', 'globe once a b', '']) {
      const sent = { at: time(0), body: 'x', headers: { 'X-Container-Sync-Auth': auth } };
      t.equal((await signed(rig, 'PUT', `${c}/o`, sent)).status, 401, auth);
    }
    t.equal(
      (await signed(rig, 'POST', c, { headers: { 'X-Container-Read': '.r:*' } })).status,
      401,
      'not the container',
    );
    t.equal((await signed(rig, 'DELETE', c)).status, 401);
    t.equal((await signed(rig, 'PUT', '/not-there/o', { body: 'x' })).status, 401);
    const strange = await stranger.raw('GET', `${client.base}${c}`, {
      headers: { 'X-Auth-Token': stranger.token, 'X-Container-Sync-Key': USER_KEY },
    });
    t.equal(strange.status, 403);
  },

  'the newer one stays, whichever comes first': async (rig) => {
    const { t, client, c } = rig;
    await setKey(rig);
    const put = (at: string, body: string, name = 'o'): Promise<Answer> =>
      signed(rig, 'PUT', `${c}/${name}`, { at, body });
    const remove = (at: string, name = 'o'): Promise<Answer> => signed(rig, 'DELETE', `${c}/${name}`, { at });
    const [t1, t2, t3, t4, t5] = [time(-50), time(-40), time(-30), time(-20), time(-10)] as const;
    t.equal((await put(t2, 'second')).status, 201);
    t.equal((await put(t1, 'first')).status, 202, 'too late');
    t.equal((await put(t2, 'again')).status, 202, 'and of the same moment');
    t.equal((await client.ask('GET', `${c}/o`)).text, 'second');
    t.equal((await remove(t1)).status, 409);
    t.equal((await remove(t2)).status, 409);
    t.equal((await put(t3, 'third')).status, 201);
    t.equal((await remove(t4)).status, 204);
    t.equal((await put(t3, 'fourth')).status, 202, 'what was deleted later stays deleted');
    t.equal((await remove(t3)).status, 404);
    t.equal((await client.ask('HEAD', `${c}/o`)).status, 404);
    t.equal((await put(t5, 'fifth')).status, 201);
    t.equal((await client.ask('GET', `${c}/o`)).text, 'fifth');
    t.equal((await remove(t3, 'other')).status, 404, 'nothing to delete');
    t.equal((await put(t2, 'x', 'other')).status, 202, 'and yet it was');
    t.equal((await put(t4, 'x', 'other')).status, 201);
    t.equal((await client.ask('PUT', `${c}/o`, { body: 'here' })).status, 201);
    t.equal((await put(t5, 'there')).status, 202, 'what is written here is of now');
    t.equal((await client.ask('GET', `${c}/o`)).text, 'here');
    const listed = JSON.parse((await client.ask('GET', `${c}?format=json&prefix=other`)).text) as unknown;
    t.match(listed, [{ name: 'other', last_modified: new Date(Number(t4) * 1000).toISOString().slice(0, 19) }]);
  },

  'times that count, and times that do not': async (rig) => {
    const { t, client, c } = rig;
    await setKey(rig);
    for (const at of ['soon', '-1', '1e9', '12345678901', '']) {
      const answer = await signed(rig, 'PUT', `${c}/o`, { at, body: 'x' });
      t.match([answer.status, answer.text], [400, 'X-Timestamp should be a UNIX timestamp float value'], at);
    }
    t.equal((await signed(rig, 'PUT', `${c}/o`, { at: time(3600), body: 'x' })).status, 400, 'nothing far ahead');
    t.equal((await signed(rig, 'PUT', `${c}/o`, { at: `${time(-5)}_0000000000000001`, body: 'x' })).status, 201);
    const ahead = time(60);
    t.equal((await signed(rig, 'PUT', `${c}/ahead`, { at: ahead, body: 'x' })).status, 201, 'clocks differ');
    t.equal((await client.ask('PUT', `${c}/ahead`, { body: 'later' })).status, 201);
    const { headers } = await client.ask('HEAD', `${c}/ahead`);
    t.ok((headers['x-timestamp'] ?? '') > ahead, 'what comes after it here is after it');
    t.equal((await signed(rig, 'PUT', `${c}/now`, { body: 'x' })).status, 201, 'without one it is now');
    await client.ask('PUT', `${c}/own`, { body: 'x', headers: { 'X-Timestamp': time(-1000) } });
    t.ok(Number((await client.ask('HEAD', `${c}/own`)).headers['x-timestamp']) > Number(time(-100)));
    const at = time(-3);
    t.equal((await signed(rig, 'POST', `${c}/o`, { at: time(-10), headers: { 'X-Object-Meta-A': '1' } })).status, 409);
    t.equal((await signed(rig, 'POST', `${c}/o`, { at, headers: { 'X-Object-Meta-A': '2' } })).status, 202);
    t.match((await client.ask('HEAD', `${c}/o`)).headers, { 'x-object-meta-a': '2', 'x-timestamp': at });
  },

  'the key alone, as full URLs have it': async (rig) => {
    const { t, client, anonymous, c } = rig;
    await setKey(rig);
    const put = (headers: Record<string, string>): Promise<number> =>
      anonymous.raw('PUT', `${client.base}${c}/o`, { headers, body: 'x' }).then(({ status }) => status);
    const at = time(-1);
    t.equal(await put({ 'X-Container-Sync-Key': USER_KEY, 'X-Timestamp': at }), 201);
    t.equal((await client.ask('HEAD', `${c}/o`)).headers['x-timestamp'], at);
    t.equal(await put({ 'X-Container-Sync-Key': USER_KEY }), 401);
    t.equal(await put({ 'X-Container-Sync-Key': 'other', 'X-Timestamp': time(0) }), 401);
    t.equal(await put({ 'X-Container-Sync-Key': '', 'X-Timestamp': time(0) }), 401);
    await client.ask('POST', c, { headers: { 'X-Remove-Container-Sync-Key': 'x' } });
    t.equal(await put({ 'X-Container-Sync-Key': '', 'X-Timestamp': time(0) }), 401, 'no key is no key');
  },

  'manifests and links come before what they lead to': async (rig) => {
    const { t, client, c } = rig;
    await setKey(rig);
    const at = time(-1);
    const segments = [
      { name: `${c}/s1`, hash: '0cc175b9c0f1b6a831c399e269772661', bytes: 1, content_type: 'a/b' },
      { path: `${c}/s2`, etag: '92eb5ffee6ae2fec3ad71c777531578f', size_bytes: 1 },
      { data: Buffer.from('c').toString('base64') },
    ];
    const headers = { 'X-Static-Large-Object': 'True', 'Content-Type': 'text/large' };
    const put = (name: string, list: unknown): Promise<Answer> =>
      signed(rig, 'PUT', `${c}/${name}`, { at, headers, body: JSON.stringify(list) });
    t.equal((await put('slo', segments)).status, 201);
    t.match((await client.ask('HEAD', `${c}/slo`)).headers, {
      'content-length': '3',
      'content-type': 'text/large',
      'x-static-large-object': 'True',
      'x-timestamp': at,
    });
    await client.ask('PUT', `${c}/s1`, { body: 'a' });
    await client.ask('PUT', `${c}/s2`, { body: 'b' });
    t.equal((await client.ask('GET', `${c}/slo`)).text, 'abc');
    for (const wrong of [
      {},
      ['x'],
      [{ name: 'a' }],
      [{ ...segments[0], range: '5-6' }],
      [{ ...segments[0], bytes: -1 }],
    ]) {
      t.equal((await put('wrong', wrong)).status, 400, JSON.stringify(wrong));
    }
    t.equal((await client.ask('PUT', `${c}/own`, { headers, body: 'text' })).status, 400, 'not for others to say');
    const link = { 'X-Symlink-Target': `${c.slice(1)}/later`, 'X-Symlink-Target-Etag': 'e'.repeat(32) };
    const made = await signed(rig, 'PUT', `${c}/link`, {
      at,
      headers: { ...link, 'X-Symlink-Target-Bytes': '7', 'Content-Type': 'a/b' },
      body: '',
    });
    t.equal(made.status, 201);
    t.match((await client.ask('HEAD', `${c}/link?symlink=get`)).headers, {
      'x-symlink-target-etag': 'e'.repeat(32),
      'x-symlink-target-bytes': '7',
      'content-type': 'a/b',
    });
  },

  'where a container may be sent': async (rig) => {
    const { t, client, c } = rig;
    const send = (to: string, method = 'POST'): Promise<Answer> =>
      client.ask(method, c, { headers: { 'X-Container-Sync-To': to } });
    const form = 'Invalid X-Container-Sync-To format';
    const url = 'Params, queries, and fragments not allowed in X-Container-Sync-To';
    for (const [to, text] of [
      ['//nope/west/AUTH_test/x', "No realm key for 'nope'"],
      ["//it's/west/AUTH_test/x", `No realm key for "it's"`],
      ['//globe/nope/a/c', "No cluster endpoint for 'globe' 'nope'"],
      ['//globe/west/a', `${form} '//globe/west/a'`],
      ['//globe/west/a/c/o', `${form} '//globe/west/a/c/o'`],
      ['//globe/west/../c', form],
      ['//globe/west/a/%2E%2e', form],
      ['//globe/west/a%2fb/c', form],
      ['//globe/west/a/c?x=y', form],
      ['//globe/west//c', form],
      ['ftp://127.0.0.1/x', `Invalid scheme 'ftp' in X-Container-Sync-To, must be "//", "http", or "https".`],
      ['127.0.0.1/x', `Invalid scheme '' in X-Container-Sync-To, must be "//", "http", or "https".`],
      ['http://127.0.0.1', 'Path required in X-Container-Sync-To'],
      ['http://127.0.0.1/', 'Path required in X-Container-Sync-To'],
      ['http://127.0.0.1/v1/a/c?x=1', url],
      ['http://127.0.0.1/v1/a/c#f', url],
      ['http://127.0.0.1/v1/a/c;p', url],
      ['http://127.0.0.2/v1/a/c', "Invalid host '127.0.0.2' in X-Container-Sync-To"],
      ['http://localhost/v1/a/c', "Invalid host 'localhost' in X-Container-Sync-To"],
      ['http://2130706433/v1/a/c', "Invalid host '2130706433' in X-Container-Sync-To"],
      ['http://0x7f.1/v1/a/c', "Invalid host '0x7f.1' in X-Container-Sync-To"],
      ['http://[::1]/v1/a/c', "Invalid host '::1' in X-Container-Sync-To"],
      ['http://127.0.0.1@127.0.0.2/v1/a/c', "Invalid host '127.0.0.2' in X-Container-Sync-To"],
      ['http://127.0.0.1\\@127.0.0.2/v1/a/c', 'in X-Container-Sync-To'],
      ['http://127.0.0.1/v1/../secret', 'in X-Container-Sync-To'],
    ] as const) {
      for (const method of ['POST', 'PUT']) {
        const { status, text: said } = await send(to, method);
        t.match([status, said], [400, text], `${method} ${to}`);
      }
    }
    for (const to of ['//Globe/WEST/AUTH_test/x', '//globe/east/a/c/', 'https://127.0.0.1:8443/v1/a/c']) {
      t.equal((await send(to)).status, 204, to);
      t.equal((await client.ask('HEAD', c)).headers['x-container-sync-to'], to);
    }
    t.equal((await send('')).status, 204);
    t.equal((await client.ask('HEAD', c)).headers['x-container-sync-to'], undefined);
    await send('//globe/west/a/c');
    await client.ask('POST', c, { headers: { 'X-Remove-Container-Sync-To': 'x' } });
    t.equal((await client.ask('HEAD', c)).headers['x-container-sync-to'], undefined);
  },

  'only owners see and set it': async ({ t, client, stranger, member, c }) => {
    const headers = { 'X-Container-Sync-Key': 'secret', 'X-Container-Sync-To': '//globe/west/a/c' };
    t.equal(
      (await client.ask('POST', c, { headers: { ...headers, 'X-Container-Read': '.r:*,.rlistings' } })).status,
      204,
    );
    t.match((await client.ask('HEAD', c)).headers, { 'x-container-sync-key': 'secret' });
    const seen = await stranger.raw('HEAD', `${client.base}${c}`, { headers: { 'X-Auth-Token': stranger.token } });
    t.equal(seen.status, 204);
    t.notMatch(Object.keys(seen.headers).join(), 'container-sync');
    for (const other of member ? [stranger, member] : [stranger]) {
      const token = { 'X-Auth-Token': other.token };
      t.equal((await other.raw('POST', `${client.base}${c}`, { headers: { ...token, ...headers } })).status, 403);
    }
    await client.ask('POST', c, {
      headers: { 'X-Remove-Container-Sync-Key': 'x', 'X-Remove-Container-Sync-To': 'x', 'X-Container-Read': '' },
    });
    t.notMatch(Object.keys((await client.ask('HEAD', c)).headers).join(), 'container-sync');
  },

  '/info names the realms, and no secret': async ({ t, anonymous }) => {
    const { text } = await anonymous.raw('GET', '/info');
    t.same((JSON.parse(text) as Record<string, unknown>)['container_sync'], {
      realms: { GLOBE: { clusters: { EAST: { current: true }, WEST: {} } } },
    });
    t.notMatch(text, KEY);
  },
};
